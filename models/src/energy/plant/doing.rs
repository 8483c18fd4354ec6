//! What the agents, the brokers and the machines do.

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Order, State, WakeRule};
use pehra_core::types::{NodeId, Ticks};

use super::super::kafka::IN_SYNC_MIN;
use super::super::meter::Draws;
use super::super::said::Saying;
use super::{Broker, Plant, Power, RETRY_MS, SENSE, Site, Todo};
use crate::simulator::{Span, Time, ms};

/// How long a reading of the cluster takes.
const READING: Span = Span::ms(10, 250);
/// After the first request the others are seen.
const SECOND_SIGHT: Time = ms(2000);

impl Plant {
    pub(super) fn hear(&mut self, node: NodeId, saying: Saying) {
        match saying {
            Saying::Look(gear, awake) => {
                let life = self.cluster.machine(node).lives;
                let todo = Todo::Answer {
                    node,
                    life,
                    gear,
                    awake,
                };
                let takes = self.chance.within(READING);
                self.agenda.enter(self.now() + takes, todo);
            }
            Saying::Stop => self.stop(node),
            Saying::Start => self.start(node),
            Saying::Sleep(alarm) => self.sleep(node, alarm),
            Saying::Rouse(whom) => self.magic_packet(whom),
        }
    }

    pub(super) fn happen(&mut self, todo: Todo) {
        match todo {
            Todo::Answer {
                node,
                life,
                gear,
                awake,
            } => self.answer(node, life, (gear, awake), todo),
            Todo::Stopped(node, turn) => self.stopped(node, turn),
            Todo::Started(node, turn) => self.started(node, turn),
            Todo::Down(node, era) => {
                if let Some(site) = self.site(node).filter(|site| site.era == era) {
                    site.power = Power::Asleep;
                    self.draw(node);
                }
            }
            Todo::Alarm(node, era) => self.alarm(node, era),
            Todo::Resumed { node, era, called } => self.resumed(node, era, called),
            Todo::Begin => self.begin_episode(),
            Todo::End => {
                self.busy = false;
                self.draw_all();
            }
            Todo::Sight { episode, nth } => self.sight(episode, nth),
            Todo::Enable => self.enable(),
        }
    }

    fn site(&mut self, node: NodeId) -> Option<&mut Site> {
        self.sites.get_mut(usize::from(node.0))
    }

    /// The meter shows what the machine does now.
    fn draw(&mut self, node: NodeId) {
        let (now, busy) = (self.now(), self.busy);
        let Some(site) = self.site(node) else { return };
        let draws = match (site.power, site.broker) {
            (Power::On, Broker::Up) if busy => Draws::Active,
            (Power::On, Broker::Up) => Draws::Idle,
            (Power::On, Broker::Down) if site.rang => Draws::Lit,
            (Power::On, Broker::Starting) | (Power::ComingUp, _) => Draws::Up,
            (Power::On, Broker::Stopping | Broker::Down) | (Power::GoingDown, _) => Draws::Down,
            (Power::Asleep | Power::Dead, _) => Draws::Asleep,
        };
        site.meter.set(now, draws);
    }

    fn draw_all(&mut self) {
        (0..self.build.brokers).for_each(|id| self.draw(NodeId(id)));
    }

    // --- the broker -------------------------------------------------------------------------------------------------

    fn stop(&mut self, node: NodeId) {
        let takes = self.chance.within(self.build.hardware.stop);
        let now = self.now();
        let Some(site) = self.site(node) else { return };
        if site.broker != Broker::Up {
            // Overtaken by a start, or down by itself.
            self.order(node, Order::Stopped);
            return;
        }
        site.turn += 1;
        site.broker = Broker::Stopping;
        let turn = site.turn;
        self.agenda.enter(now + takes, Todo::Stopped(node, turn));
        self.draw(node);
        let need = if self.build.gear == Gear::Watch { 1 } else { IN_SYNC_MIN };
        if !self.crashed && !self.kafka.holds(self.up(), need) {
            self.wrong = Some(format!(
                "S3: {node} stops, and those who are up do not cover every partition"
            ));
        }
    }

    fn stopped(&mut self, node: NodeId, turn: u32) {
        let Some(site) = self.site(node).filter(|site| site.turn == turn) else {
            return;
        };
        site.broker = Broker::Down;
        if std::mem::take(&mut site.starts_again) {
            self.start(node);
        } else {
            self.draw(node);
        }
        self.order(node, Order::Stopped);
    }

    fn start(&mut self, node: NodeId) {
        let hardware = self.build.hardware;
        let takes = self.chance.within(hardware.start) + self.chance.within(hardware.catch_up);
        let now = self.now();
        let Some(site) = self.site(node) else { return };
        match site.broker {
            // It never went down.
            Broker::Up => self.order(node, Order::Up),
            Broker::Starting => {}
            Broker::Stopping => site.starts_again = true,
            Broker::Down => {
                site.turn += 1;
                site.broker = Broker::Starting;
                let (turn, rang) = (site.turn, std::mem::take(&mut site.rang));
                self.counts.alarms_full += u64::from(rang);
                self.agenda.enter(now + takes, Todo::Started(node, turn));
                self.draw(node);
            }
        }
    }

    fn started(&mut self, node: NodeId, turn: u32) {
        let Some(site) = self.site(node).filter(|site| site.turn == turn) else {
            return;
        };
        site.broker = Broker::Up;
        self.draw(node);
        self.order(node, Order::Up);
        self.serve();
    }

    // --- the machine ------------------------------------------------------------------------------------------------

    fn sleep(&mut self, node: NodeId, alarm: Ticks) {
        let asleep =
            |state: Option<&pehra_core::sleep::Sleep>| state.map(|it| it.duty().state()) == Some(State::Sleeping);
        if !asleep(self.cluster.state(node)) {
            // The order had to wait for the disk, and a wake, which waits for nothing, has overtaken it.
            self.counts.overtaken += 1;
            return;
        }
        let (now, down, off) = (self.now(), self.build.hardware.down, self.build.hardware.off);
        let alarm = Time::from(alarm);
        if alarm > Time::from(self.build.timing.alarm) {
            self.wrong = Some(format!("S12: {node} sleeps for {alarm} ms"));
        }
        if self.site(node).is_some_and(|site| site.broker != Broker::Down) {
            self.wrong = Some(format!("{node} goes to sleep, and its broker has not stopped"));
        }
        let missed = self.chance.chance(self.build.alarm_loss_permille);
        let Some(site) = self.site(node) else { return };
        (site.power, site.rang, site.slept_at) = (Power::GoingDown, false, now);
        site.era += 1;
        let era = site.era;
        self.agenda.enter(now + down, Todo::Down(node, era));
        if missed {
            self.counts.alarms_missed += 1;
        } else {
            self.agenda.enter(now + alarm.max(down), Todo::Alarm(node, era));
        }
        self.draw(node);
        if off {
            self.cluster.kill(node, crate::simulator::Death::Seen);
        } else {
            self.cluster.suspend(node);
        }
    }

    fn magic_packet(&mut self, node: NodeId) {
        let power = self.sites[usize::from(node.0)].power;
        if matches!(power, Power::GoingDown | Power::Asleep) {
            let lost = self.chance.chance(self.build.packet_loss_permille);
            if lost || power == Power::GoingDown {
                self.counts.packets_lost += 1;
            } else {
                self.counts.calls += 1;
                self.come_up(node, true);
            }
        }
    }

    fn alarm(&mut self, node: NodeId, era: u32) {
        if self.site(node).is_some_and(|site| site.era == era) {
            self.counts.alarms += 1;
            self.come_up(node, false);
        }
    }

    fn come_up(&mut self, node: NodeId, called: bool) {
        let (now, up) = (self.now(), self.build.hardware.up);
        let Some(site) = self.site(node) else { return };
        site.power = Power::ComingUp;
        site.era += 1;
        site.rang = !called;
        let (era, slept) = (site.era, now - site.slept_at);
        self.longest_sleep = self.longest_sleep.max(slept);
        self.agenda.enter(now + up, Todo::Resumed { node, era, called });
        self.draw(node);
    }

    fn resumed(&mut self, node: NodeId, era: u32, called: bool) {
        let off = self.build.hardware.off;
        let Some(site) = self.site(node).filter(|site| site.era == era) else {
            return;
        };
        site.power = Power::On;
        self.draw(node);
        if off {
            self.cluster.start(node);
        } else {
            self.cluster.come_back(node);
            if called {
                self.order(node, Order::Wake);
            }
        }
    }

    // --- the cluster ------------------------------------------------------------------------------------------------

    fn answer(&mut self, node: NodeId, life: u32, (gear, awake): (Gear, NodeSet), todo: Todo) {
        let machine = self.cluster.machine(node);
        if machine.lives != life || machine.process.is_none() {
            return;
        }
        if machine.suspended {
            // The agent is frozen too, and goes on later.
            self.agenda.enter(self.now() + ms(1000), todo);
            return;
        }
        let up = self.up();
        let view = self.kafka.view(node, gear, up, awake);
        self.order(node, Order::View(view));
    }

    fn enable(&mut self) {
        if self.is_on() {
            return;
        }
        if let Some(pehredar) = self.pehredar() {
            self.order(pehredar, Order::Enable { epoch: 1 });
        }
        self.agenda.enter(self.now() + ms(2000), Todo::Enable);
    }

    // --- clients ----------------------------------------------------------------------------------------------------

    fn begin_episode(&mut self) {
        self.busy = true;
        self.episode += 1;
        self.draw_all();
        let now = self.now();
        self.waiting.get_or_insert(now);
        if self.build.wake == WakeRule::All {
            self.lacking.get_or_insert(now);
        }
        self.serve();
        let first = Todo::Sight {
            episode: self.episode,
            nth: 0,
        };
        self.agenda.enter(now + SENSE, first);
    }

    /// Whoever waits is served if that is possible now.
    fn serve(&mut self) {
        let (now, up) = (self.now(), self.up());
        if let Some(since) = self.waiting
            && self.kafka.is_writable(up)
        {
            self.waiting = None;
            // What came while all was there was not refused even once.
            let retry = if now > since {
                ms(self.chance.between(0, RETRY_MS))
            } else {
                Time(0)
            };
            self.outages.push(now - since + retry);
        }
        if let Some(since) = self.lacking
            && up.count() == u32::from(self.build.brokers)
        {
            self.lacking = None;
            self.fulls.push(now - since);
        }
    }

    /// A task for each partition, which its leader gets. The original gave some to nodes that slept.
    fn give_tasks(&mut self) {
        let up = self.up();
        for partition in 0..self.kafka.partitions() {
            let Some(leader) = self.kafka.leader(partition, up) else {
                continue;
            };
            self.counts.tasks += 1;
            if self.site(leader).is_some_and(|site| site.power != Power::On) {
                self.wrong = Some(format!("a task goes to {leader}, which is asleep"));
            }
        }
    }

    /// Agents see traffic: at first the one beside the leader of some partition, then all whose brokers are up.
    fn sight(&mut self, episode: u64, nth: u32) {
        let waits = self.waiting.is_some();
        if episode != self.episode || !(self.busy || waits) {
            return;
        }
        self.give_tasks();
        let up = self.up();
        if nth == 0 {
            let partition = self.chance.below(self.kafka.partitions() as u64);
            let leader = self.kafka.leader(usize::try_from(partition).unwrap_or(0), up);
            if let Some(node) = leader.or(up.iter().next()) {
                self.order(node, Order::Traffic);
            }
        } else {
            up.iter().for_each(|node| self.order(node, Order::Traffic));
        }
        let next = if nth == 0 || waits {
            SECOND_SIGHT
        } else {
            Time(Time::from(self.build.timing.idle).0 / 5)
        };
        self.agenda
            .enter(self.now() + next, Todo::Sight { episode, nth: nth + 1 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{Build, Hardware};

    /// A machine is cut off under its running broker: the plant sees the task that goes there.
    #[test]
    fn a_task_to_a_sleeper_is_seen() {
        let mut plant = Plant::new(Build::usual(3, Gear::Watch, Hardware::S3), 1, false);
        plant.begin().expect("it can be switched on");
        plant.burst(ms(5000));
        plant.run_for(ms(10_000)).expect("nothing is wrong so far");
        assert!(plant.counts.tasks > 0);
        plant.sites[0].power = Power::Asleep;
        plant.burst(ms(5000));
        let failure = plant.run_for(ms(10_000)).expect_err("a task goes to a sleeper");
        assert!(failure.what.contains("which is asleep"), "{}", failure.what);
    }

    /// An order to sleep that comes while the broker runs is not carried out unseen.
    #[test]
    fn a_machine_that_sleeps_under_its_broker_is_seen() {
        let mut plant = Plant::new(Build::usual(3, Gear::Watch, Hardware::S3), 1, false);
        plant.begin().expect("it can be switched on");
        let asleep = |plant: &Plant| plant.asleep().iter().next();
        assert!(
            plant
                .run_until(ms(600_000), |plant| asleep(plant).is_some())
                .expect("nothing is wrong so far")
        );
        let node = asleep(&plant).expect("one sleeps");
        plant.sites[usize::from(node.0)].broker = Broker::Up;
        plant.sleep(node, Ticks(1000));
        let failure = plant
            .run_for(ms(1000))
            .expect_err("a broker runs on a sleeping machine");
        assert!(failure.what.contains("has not stopped"), "{}", failure.what);
    }
}
