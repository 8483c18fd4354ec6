//! How large a world of leases is, how finely time is cut, and what can happen in it.

use pehra_core::election::{Config, DRIFT_PERMILLE, Timing};
use pehra_core::members::NodeSet;
use pehra_core::types::{NodeId, Ticks};

/// The most voters of a world.
pub const VOTERS: usize = 3;

/// Voters, waits and budgets.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Voters, at most three.
    pub voters: u16,
    /// The highest term that anybody may enter.
    pub terms: u8,
    /// Rounds that one leadership may open.
    pub rounds: u8,
    /// Crashes.
    pub crashes: u8,
    /// Hand-overs asked for.
    pub transfers: u8,
    /// Resignations asked for.
    pub resigns: u8,
    /// Hints that a leader's process is gone, true or not.
    pub hints: u8,
    /// Questions who leads.
    pub questions: u8,
    /// Questions may come before what is due, which a driver does not let happen.
    pub questions_first: bool,
    /// Standstills that the driver notices and tells. One that it does not notice needs no budget.
    pub pauses: u8,
    /// The waits that members are told.
    pub timing: Timing,
    /// The length of a step of time.
    pub tick_ms: u32,
    /// Handed over, durable, reported are three steps; otherwise a write is durable at once.
    pub split: bool,
    /// The first leader is elected already, by all, and has just opened its first round.
    pub led: bool,
    /// Judges by the claim alone, and not by what must hold on the way to it: for bugs that break both.
    pub claim_alone: bool,
    /// The bug.
    #[cfg(seeded_bugs)]
    pub bug: Option<pehra_core::election::bugs::Bug>,
}

impl Bounds {
    /// T = 22 ms and L = 18 ms, the longest lease that goes with it: with the drift that is allowed, promise and lease
    /// end at the same moment, after 20 ms.
    pub const TIGHT: Timing = Timing {
        heartbeat: Ticks(4),
        election: Ticks(22),
        rank_step: Ticks(1),
        lease: Ticks(18),
    };

    /// Three voters, one of whom leads, and so many terms and rounds; nothing goes wrong but messages and clocks.
    #[must_use]
    pub const fn new(terms: u8, rounds: u8) -> Self {
        Self {
            voters: 3,
            terms,
            rounds,
            crashes: 0,
            transfers: 0,
            resigns: 0,
            hints: 0,
            questions: 0,
            questions_first: false,
            pauses: 0,
            timing: Self::TIGHT,
            tick_ms: 10,
            split: false,
            led: true,
            claim_alone: false,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// The voters.
    #[must_use]
    pub fn members(&self) -> u8 {
        u8::try_from(self.voters).expect("a world has few members")
    }

    /// What this member is told.
    #[must_use]
    pub fn config(&self, me: u8) -> Config {
        Config {
            // Who asks first stands less often, so this allows more.
            pre_vote: false,
            lease: true,
            #[cfg(seeded_bugs)]
            bug: self.bug,
            ..Config::new(NodeId(me.into()), NodeSet::first(self.voters), self.timing)
        }
    }

    /// In how many steps of time at the earliest a wait is over, on a fast clock.
    #[must_use]
    pub fn not_before(&self, wait: Ticks) -> u8 {
        let steps = wait.0 * 1000 / ((1000 + DRIFT_PERMILLE) * self.tick_ms);
        u8::try_from(steps).expect("waits are few steps")
    }

    /// After how many steps of time a wait is certainly over, also on a slow clock.
    #[must_use]
    pub fn at_the_latest(&self, wait: Ticks) -> u8 {
        let steps = (wait.0 * 1000).div_ceil((1000 - DRIFT_PERMILLE) * self.tick_ms);
        u8::try_from(steps).expect("waits are few steps")
    }

    /// The bounds as words.
    #[must_use]
    pub fn words(&self) -> String {
        let Timing { election, lease, .. } = self.timing;
        let mut words = vec![
            format!("{} voters", self.voters),
            format!("{} terms", self.terms),
            format!("{} rounds a leadership", self.rounds),
        ];
        for (count, what) in [
            (self.crashes, "crashes"),
            (self.transfers, "hand-overs"),
            (self.resigns, "resignations"),
            (self.hints, "hints"),
            (self.questions, "questions"),
            (self.pauses, "standstills noticed"),
        ] {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        words.push(format!(
            "T = {} ms and L = {} ms at rates of 1 ± {}/1000, in steps of {} ms: a promise holds {} steps or longer, a lease {} or \
             shorter",
            election.0,
            lease.0,
            DRIFT_PERMILLE,
            self.tick_ms,
            self.not_before(election),
            self.at_the_latest(lease)
        ));
        words.push(
            if self.led {
                "from the moment at which the first leader has opened its first round"
            } else {
                "from the start"
            }
            .into(),
        );
        words.push(
            if self.split {
                "handed over, durable, reported in three steps"
            } else {
                "writes durable at once"
            }
            .into(),
        );
        words.push("loss, repetition, delay and reordering unlimited, processes late at will".into());
        words.join(", ")
    }
}
