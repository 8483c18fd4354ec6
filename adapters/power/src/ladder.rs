//! When to try what: the ladder that wakes another node, as a machine without a clock.
//!
//! | when | what |
//! | --- | --- |
//! | at once, then every `packet_every`, `packets` times in all | [`Step::MagicPacket`] |
//! | after `power_on_after`, then every `power_on_every` | [`Step::PowerOn`], by the node's BMC |
//! | after `page_after` | [`Step::Page`]: a person has to look; the ladder is over |
//! | the node answers | nothing more; the ladder is over |
//!
//! A power-on is sent again and again because a BMC takes one while its host is still going off, and then drops it without a
//! word. A magic packet is never acknowledged at all. So only the node's own answer ends the climb.
//!
//! A rung that a node does not have is left out, and the one above it does not wait for it. Steps that come late are
//! spaced from when they were taken: a caller that was held up does not send three packets at once.

use std::time::Duration;

/// How deep a node sleeps, which decides how long it may take to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Suspended to memory (S3): back within seconds.
    Memory,
    /// Hibernated or powered off (S4, S5): it boots, which takes servers minutes.
    Off,
}

/// The ladder's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How many magic packets.
    pub packets: u32,
    /// From one magic packet to the next.
    pub packet_every: Duration,
    /// From the beginning to the first power-on, for a node that has been sent magic packets.
    pub power_on_after: Duration,
    /// From one power-on to the next.
    pub power_on_every: Duration,
    /// From the beginning until a person is called.
    pub page_after: Duration,
}

impl Times {
    /// The defaults: three packets every 2 s; power-on at 6 s and every 30 s; a person after 60 s (S3) or 300 s (S4, S5).
    #[must_use]
    pub const fn of(depth: Depth) -> Self {
        Self {
            packets: 3,
            packet_every: Duration::from_secs(2),
            power_on_after: Duration::from_secs(6),
            power_on_every: Duration::from_secs(30),
            page_after: match depth {
                Depth::Memory => Duration::from_secs(60),
                Depth::Off => Duration::from_secs(300),
            },
        }
    }
}

/// What a node can be woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rungs {
    /// It listens for magic packets.
    pub magic_packet: bool,
    /// It has a BMC that is known here.
    pub power_on: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Send one magic packet.
    MagicPacket,
    /// Tell the BMC to power the node on.
    PowerOn,
    /// Call a person.
    Page,
}

/// One climb, for one node. All times are since an origin that the caller chooses and keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ladder {
    packets_left: u32,
    packet_at: Duration,
    packet_every: Duration,
    power_on_at: Option<Duration>,
    power_on_every: Duration,
    page_at: Duration,
    is_over: bool,
}

impl Ladder {
    /// Begins a climb.
    #[must_use]
    pub fn new(times: &Times, rungs: Rungs, now: Duration) -> Self {
        let has_packets = rungs.magic_packet && times.packets > 0;
        let head_start = if has_packets {
            times.power_on_after
        } else {
            Duration::ZERO
        };
        Self {
            packets_left: if has_packets { times.packets } else { 0 },
            packet_at: now,
            packet_every: times.packet_every,
            power_on_at: rungs.power_on.then(|| now.saturating_add(head_start)),
            power_on_every: times.power_on_every,
            page_at: now.saturating_add(times.page_after),
            is_over: false,
        }
    }

    /// What to do now, if anything. Ask again until there is nothing.
    pub fn step(&mut self, now: Duration) -> Option<Step> {
        if self.is_over {
            None
        } else if self.packets_left > 0 && self.packet_at <= now {
            self.packets_left -= 1;
            self.packet_at = now.saturating_add(self.packet_every);
            Some(Step::MagicPacket)
        } else if self.power_on_at.is_some_and(|at| at <= now) {
            self.power_on_at = Some(now.saturating_add(self.power_on_every));
            Some(Step::PowerOn)
        } else if self.page_at <= now {
            self.is_over = true;
            Some(Step::Page)
        } else {
            None
        }
    }

    /// When there will be something to do again; nothing if the ladder is over.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        let packet = (self.packets_left > 0).then_some(self.packet_at);
        let first = [packet, self.power_on_at, Some(self.page_at)]
            .into_iter()
            .flatten()
            .min();
        first.filter(|_| !self.is_over)
    }

    /// The node has answered.
    pub const fn answered(&mut self) {
        self.is_over = true;
    }

    /// Whether the node has answered or a person has been called.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ALL: [Rungs; 4] = [
        rungs(true, true),
        rungs(true, false),
        rungs(false, true),
        rungs(false, false),
    ];

    const fn rungs(magic_packet: bool, power_on: bool) -> Rungs {
        Rungs { magic_packet, power_on }
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// All steps of a climb whose caller is always on time, with their seconds.
    fn on_time(depth: Depth, rungs: Rungs) -> Vec<(Step, u64)> {
        let began = s(1000);
        let mut ladder = Ladder::new(&Times::of(depth), rungs, began);
        let mut steps = Vec::new();
        while let Some(now) = ladder.next_at() {
            while let Some(step) = ladder.step(now) {
                steps.push((step, (now - began).as_secs()));
            }
        }
        steps
    }

    #[test]
    fn the_defaults_are_those_of_the_design() {
        use Step::{MagicPacket, Page, PowerOn};
        let packets = [(MagicPacket, 0), (MagicPacket, 2), (MagicPacket, 4)];
        assert_eq!(
            on_time(Depth::Memory, rungs(true, true)),
            [&packets[..], &[(PowerOn, 6), (PowerOn, 36), (Page, 60)]].concat()
        );
        assert_eq!(
            on_time(Depth::Memory, rungs(true, false)),
            [&packets[..], &[(Page, 60)]].concat()
        );
        assert_eq!(
            on_time(Depth::Memory, rungs(false, true)),
            [(PowerOn, 0), (PowerOn, 30), (PowerOn, 60), (Page, 60)],
            "nobody waits for a rung that is not there"
        );
        assert_eq!(on_time(Depth::Memory, rungs(false, false)), [(Page, 60)]);
        let deep = on_time(Depth::Off, rungs(true, true));
        let power_ons: Vec<u64> = deep.iter().filter(|it| it.0 == PowerOn).map(|it| it.1).collect();
        assert_eq!(power_ons, [6, 36, 66, 96, 126, 156, 186, 216, 246, 276]);
        assert_eq!(deep.last(), Some(&(Page, 300)));
    }

    /// A climb, and what an onlooker has seen of it.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Seen {
        ladder: Ladder,
        now: u64,
        /// How many were sent, and when the last one.
        packets: (u32, u64),
        power_ons: (u32, u64),
        pages: u32,
        answered: bool,
    }

    /// Every way in which a caller can be early, on time, late or very late, and every moment at which the node can answer:
    /// in steps of one second of a ladder that is as long as that of S3.
    #[test]
    fn no_order_of_calls_and_answers_breaks_a_rule() {
        let times = Times::of(Depth::Memory);
        for rungs in ALL {
            let first = Seen {
                ladder: Ladder::new(&times, rungs, s(0)),
                now: 0,
                packets: (0, 0),
                power_ons: (0, 0),
                pages: 0,
                answered: false,
            };
            let (mut known, mut open) = (HashSet::from([first.clone()]), vec![first]);
            let (mut paged, mut answered) = (0, 0);
            while let Some(seen) = open.pop() {
                let (mut next, now) = (Vec::new(), s(seen.now));
                let mut stepped = seen.clone();
                match stepped.ladder.step(now) {
                    Some(step) => {
                        rules(&seen, step, rungs, &times);
                        match step {
                            Step::MagicPacket => stepped.packets = (seen.packets.0 + 1, seen.now),
                            Step::PowerOn => stepped.power_ons = (seen.power_ons.0 + 1, seen.now),
                            Step::Page => stepped.pages += 1,
                        }
                        next.push(stepped);
                    }
                    None => {
                        assert_eq!(stepped.ladder, seen.ladder, "nothing to do changes nothing");
                        let is_later = seen.ladder.next_at().is_none_or(|at| at > now);
                        assert!(
                            is_later,
                            "with nothing to do now, the next time is later, or a caller would spin"
                        );
                        // The three last jump over whole parts of the ladder.
                        let jumps = [1, 2, 5, 31, 61];
                        next.extend(jumps.map(|by| Seen {
                            now: seen.now + by,
                            ..seen.clone()
                        }));
                    }
                }
                if !seen.answered && !seen.ladder.is_over() {
                    let mut silent = seen.clone();
                    silent.ladder.answered();
                    silent.answered = true;
                    next.push(silent);
                }
                paged += usize::from(seen.pages == 1);
                answered += usize::from(seen.answered);
                assert_eq!(seen.ladder.is_over(), seen.answered || seen.pages == 1);
                assert_eq!(seen.ladder.next_at().is_none(), seen.ladder.is_over());
                for seen in next.into_iter().filter(|seen| seen.now <= 75) {
                    if known.insert(seen.clone()) {
                        open.push(seen);
                    }
                }
            }
            println!(
                "{rungs:?}: {} states, {paged} after a page, {answered} after an answer",
                known.len()
            );
            assert!(paged > 0 && answered > 0, "both ends were reached");
        }
    }

    /// What must hold when a step is taken.
    fn rules(seen: &Seen, step: Step, rungs: Rungs, times: &Times) {
        assert!(!seen.answered, "nothing is sent to a node that has answered");
        assert_eq!(seen.pages, 0, "nothing comes after the page");
        let after = |(count, last): (u32, u64), pause: Duration| count == 0 || s(seen.now - last) >= pause;
        match step {
            Step::MagicPacket => {
                assert!(rungs.magic_packet && seen.packets.0 < 3);
                assert!(after(seen.packets, times.packet_every), "packets are spaced");
            }
            Step::PowerOn => {
                assert!(rungs.power_on);
                assert!(after(seen.power_ons, times.power_on_every), "power-ons are spaced");
                let waited = s(seen.now) >= times.power_on_after && seen.packets.0 > 0;
                assert!(waited || !rungs.magic_packet, "the packets had their time");
            }
            Step::Page => {
                assert!(s(seen.now) >= times.page_after, "no one is called too early");
                let tried = |there: bool, (count, _): (u32, u64)| !there || count > 0;
                assert!(
                    tried(rungs.magic_packet, seen.packets) && tried(rungs.power_on, seen.power_ons),
                    "no one is called before all was tried"
                );
            }
        }
    }

    #[test]
    fn a_caller_that_comes_late_sends_one_of_each_and_not_a_burst() {
        let mut ladder = Ladder::new(&Times::of(Depth::Memory), rungs(true, true), s(0));
        assert_eq!(ladder.step(s(20)), Some(Step::MagicPacket));
        assert_eq!(ladder.step(s(20)), Some(Step::PowerOn));
        assert_eq!(ladder.step(s(20)), None);
        assert_eq!(ladder.next_at(), Some(s(22)));
        assert_eq!(ladder.step(s(19)), None, "a time that goes back does nothing");
    }
}
