//! What can happen to a cluster, one step at a time.
//!
//! | step | who does it | may happen when | what it does |
//! | --- | --- | --- | --- |
//! | produce | a client | there is a leader that serves, enough are in sync | the leader's log grows; else refused before it is appended |
//! | fetch | a follower | it runs, the leader serves, logs differ | it drops what the leader lacks, and takes the next record |
//! | shrink | the leader | an in-sync follower lags | the follower is no longer in sync |
//! | expand | the leader | the follower is active, has what was acknowledged and what the leader began with | it is in sync |
//! | prefer | the controllers | the preferred leader is in sync and active | it leads |
//! | stop | an operator | it is up | it leaves the in-sync ones, its leaderships move; nobody asks whether it is the last |
//! | stopped | the broker | it shuts down | it is gone, its log on disk |
//! | kill, power loss | the world | there is a process; for the power, it need not | it is gone; without power its newest records too |
//! | fence | the controllers | it is gone or stands still, and its session has run out | as stop |
//! | start | an operator | it is stopped, or dead and known to be | it is registered; after an unclean end it is eligible no more |
//! | unfence | the controllers | it has started, or was thawed | it takes part; partitions without leader look again |
//! | freeze, thaw | the world | it runs; it stands still | |

use pehra_core::members::NodeSet;

use super::log::RECORDS;
use super::setup::{Misuse, Setup};
use super::state::{Kafka, Presence, node};

/// One step. Partitions come before brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A record is written with `acks=all`.
    Produce(u8),
    /// A follower fetches from the leader.
    Fetch(u8, u8),
    /// The leader takes a follower that lags out of the in-sync ones.
    Shrink(u8, u8),
    /// The leader lets a follower in.
    Expand(u8, u8),
    /// The preferred leader is made leader.
    Prefer(u8),
    /// A broker is told to stop (SIGTERM).
    Stop(u8),
    /// It has ended.
    Stopped(u8),
    /// A broker's process is killed; what it wrote is still there.
    Kill(u8),
    /// A broker loses its power, and so many of the newest records of each of its logs: they are acknowledged from memory.
    PowerLoss(u8, u8),
    /// A broker's session runs out.
    Fence(u8),
    /// A broker starts.
    Start(u8),
    /// A broker that runs is let in.
    Unfence(u8),
    /// A broker's process stands still.
    Freeze(u8),
    /// It goes on.
    Thaw(u8),
}

impl Kafka {
    /// The state after this step; nothing if the step is not possible now, or changes nothing.
    #[must_use]
    pub fn step(&self, setup: &Setup, step: Step) -> Option<Self> {
        let mut next = *self;
        let done = match step {
            Step::Produce(partition) => next.produce(setup, partition),
            Step::Fetch(partition, broker) => next.fetch(setup, partition, broker),
            Step::Shrink(partition, broker) => next.shrink(setup, partition, broker),
            Step::Expand(partition, broker) => next.expand(setup, partition, broker),
            Step::Prefer(partition) => next.prefer(setup, partition),
            Step::Stop(broker) => next.stop(setup, broker),
            Step::Stopped(broker) => next.turn(broker, &[(Presence::ShuttingDown, Presence::Stopped)]),
            Step::Kill(broker) => next.kill(broker),
            Step::PowerLoss(broker, records) => next.power_loss(setup, broker, records),
            Step::Fence(broker) => next.fence(setup, broker),
            Step::Start(broker) => next.start(setup, broker),
            Step::Unfence(broker) => next.unfence(setup, broker),
            Step::Freeze(broker) => next.turn(
                broker,
                &[
                    (Presence::Up, Presence::Frozen),
                    (Presence::Fenced, Presence::FrozenOut),
                ],
            ),
            Step::Thaw(broker) => next.turn(
                broker,
                &[
                    (Presence::Frozen, Presence::Up),
                    (Presence::FrozenOut, Presence::Fenced),
                ],
            ),
        };
        next.acknowledge(setup);
        (done && next != *self).then_some(next)
    }

    /// All that the cluster may do by itself.
    pub fn own_steps(&self, setup: &Setup, steps: &mut Vec<Step>) {
        for broker in setup.all_brokers() {
            steps.extend([Step::Stopped(broker), Step::Fence(broker), Step::Unfence(broker)]);
        }
        for partition in setup.all_partitions() {
            steps.push(Step::Prefer(partition));
            for broker in setup.replicas(partition) {
                steps.extend([Step::Fetch, Step::Shrink, Step::Expand].map(|step| step(partition, *broker)));
            }
        }
        steps.retain(|step| self.step(setup, *step).is_some());
    }

    /// Every state in which the cluster may come to rest by itself: nothing is left to do but giving leaderships back to
    /// preferred leaders, which may be switched off. Sorted.
    #[must_use]
    pub fn settled(&self, setup: &Setup) -> Vec<Self> {
        let (mut seen, mut open, mut ends) = (std::collections::BTreeSet::from([*self]), vec![*self], Vec::new());
        let mut steps = Vec::new();
        while let Some(state) = open.pop() {
            steps.clear();
            state.own_steps(setup, &mut steps);
            steps.retain(|step| !matches!(step, Step::Prefer(_)));
            if steps.is_empty() {
                ends.push(state);
            }
            let nexts = steps.iter().filter_map(|step| state.step(setup, *step));
            open.extend(nexts.filter(|next| seen.insert(*next)));
        }
        ends.sort_unstable();
        ends
    }

    fn turn(&mut self, broker: u8, turns: &[(Presence, Presence)]) -> bool {
        let turn = turns.iter().find(|(from, _)| *from == self.broker(broker));
        if let Some((_, to)) = turn {
            self.brokers[usize::from(broker)] = *to;
        }
        turn.is_some()
    }

    /// `Partition.appendRecordsToLeader`: too few in sync, and it is refused before anything is appended.
    fn produce(&mut self, setup: &Setup, number: u8) -> bool {
        let Some(leader) = self.serving(number).filter(|_| self.is_writable(setup, number)) else {
            return false;
        };
        let partition = &mut self.partitions[usize::from(number)];
        if partition.written == RECORDS {
            return false;
        }
        partition.written += 1;
        let log = &mut partition.logs[usize::from(leader)];
        *log = log.with(partition.written);
        true
    }

    /// A fenced broker and one that shuts down fetch too.
    fn fetch(&mut self, setup: &Setup, number: u8, broker: u8) -> bool {
        let Some(leader) = self.serving(number).filter(|leader| *leader != broker) else {
            return false;
        };
        if !self.broker(broker).runs() || !setup.replicas(number).contains(&broker) {
            return false;
        }
        let partition = &mut self.partitions[usize::from(number)];
        let from = partition.log(leader);
        let log = &mut partition.logs[usize::from(broker)];
        // Leader epochs tell a follower where it leaves the leader's log.
        let same = from.common(*log);
        *log = from.first(same + 1);
        true
    }

    /// `Partition.maybeShrinkIsr`: only who is behind the leader's end for longer than `replica.lag.time.max.ms`.
    fn shrink(&mut self, setup: &Setup, number: u8, broker: u8) -> bool {
        let partition = *self.partition(number);
        let lags = |leader| leader != broker && partition.log(leader) != partition.log(broker);
        if !partition.in_sync.contains(node(broker)) || !self.serving(number).is_some_and(lags) {
            return false;
        }
        self.change(setup, number, partition.in_sync.without(node(broker)), NodeSet::EMPTY);
        true
    }

    /// `Partition.isFollowerInSync`: up to the high watermark and to where the leader began; and the controllers refuse who
    /// is fenced or shuts down (`INELIGIBLE_REPLICA`).
    fn expand(&mut self, setup: &Setup, number: u8, broker: u8) -> bool {
        let partition = *self.partition(number);
        let Some(leader) = self.serving(number) else {
            return false;
        };
        let (log, whole) = (partition.log(broker), partition.log(leader));
        let has_caught_up =
            log.is_start_of(whole) && log.len() >= partition.led_from && partition.has_acknowledged_of(whole, log);
        if self.broker(broker) != Presence::Up || !setup.replicas(number).contains(&broker) || !has_caught_up {
            return false;
        }
        self.change(setup, number, partition.in_sync.with(node(broker)), NodeSet::EMPTY);
        true
    }

    /// `auto.leader.rebalance.enable`, or `ElectLeaders(PREFERRED)`.
    fn prefer(&mut self, setup: &Setup, number: u8) -> bool {
        let preferred = setup.replicas(number)[0];
        let partition = *self.partition(number);
        if !partition.in_sync.contains(node(preferred)) || !self.broker(preferred).is_active() {
            return false;
        }
        self.lead(number, Some(preferred));
        true
    }

    /// `handleBrokerInControlledShutdown`: out of every in-sync set, leaderships move. Whether it is the last is not asked.
    fn stop(&mut self, setup: &Setup, broker: u8) -> bool {
        let stops = self.turn(broker, &[(Presence::Up, Presence::ShuttingDown)]);
        if stops {
            self.leave(setup, broker);
        }
        stops
    }

    fn kill(&mut self, broker: u8) -> bool {
        let presence = self.broker(broker);
        self.brokers[usize::from(broker)] = match presence {
            Presence::Up | Presence::Frozen | Presence::ShuttingDown => Presence::Lost,
            _ => Presence::Dead,
        };
        presence.has_process()
    }

    /// Who ended cleanly has nothing to lose.
    fn power_loss(&mut self, setup: &Setup, broker: u8, records: u8) -> bool {
        if self.broker(broker) == Presence::Stopped {
            return false;
        }
        self.kill_if_any(broker);
        for number in setup.all_partitions() {
            let log = &mut self.partitions[usize::from(number)].logs[usize::from(broker)];
            *log = log.first(log.len().saturating_sub(records));
        }
        true
    }

    fn kill_if_any(&mut self, broker: u8) {
        if self.broker(broker).has_process() {
            self.kill(broker);
        }
    }

    /// `handleBrokerFenced`, after `broker.session.timeout.ms` without a heartbeat.
    fn fence(&mut self, setup: &Setup, broker: u8) -> bool {
        let fenced = self.turn(
            broker,
            &[
                (Presence::Lost, Presence::Dead),
                (Presence::Frozen, Presence::FrozenOut),
            ],
        );
        if fenced {
            self.leave(setup, broker);
        }
        fenced
    }

    /// Registration. A broker whose last session still runs is refused. Without the mark of a clean end it is dropped from
    /// the in-sync and eligible ones (`handleUncleanBrokerShutdown`, only where eligible ones are kept; KAFKA-15586).
    fn start(&mut self, setup: &Setup, broker: u8) -> bool {
        let was = self.broker(broker);
        let starts = self.turn(
            broker,
            &[
                (Presence::Stopped, Presence::Fenced),
                (Presence::Dead, Presence::Fenced),
            ],
        );
        let is_noticed = setup.keeps_eligible && setup.misuse != Some(Misuse::UncleanUnnoticed);
        if was == Presence::Dead && is_noticed {
            for number in setup.all_partitions() {
                let partition = *self.partition(number);
                if partition.in_sync.or(partition.eligible).contains(node(broker)) {
                    let left = partition.in_sync.without(node(broker));
                    self.change(setup, number, left, NodeSet::only(node(broker)));
                }
            }
        }
        starts
    }

    /// `handleBrokerUnfenced`: partitions without leader look again.
    fn unfence(&mut self, setup: &Setup, broker: u8) -> bool {
        let unfenced = self.turn(broker, &[(Presence::Fenced, Presence::Up)]);
        for number in setup.all_partitions().filter(|_| unfenced) {
            let partition = *self.partition(number);
            if partition.leader.is_none() {
                self.change(setup, number, partition.in_sync, NodeSet::EMPTY);
            }
        }
        unfenced
    }

    /// Takes a broker out of every in-sync set.
    fn leave(&mut self, setup: &Setup, broker: u8) {
        for number in setup.all_partitions() {
            let partition = *self.partition(number);
            if partition.in_sync.contains(node(broker)) {
                self.change(setup, number, partition.in_sync.without(node(broker)), NodeSet::EMPTY);
            }
        }
    }

    /// `PartitionChangeBuilder.build`: new in-sync ones, and with them who is eligible and who leads.
    fn change(&mut self, setup: &Setup, number: u8, target: NodeSet, unclean: NodeSet) {
        let before = *self.partition(number);
        let (mut in_sync, mut eligible) = (target, before.eligible);
        if setup.keeps_eligible {
            // `maybePopulateTargetElr`: who leaves from the moment when they are too few stays eligible.
            eligible = match in_sync.count() >= setup.enough() {
                true => NodeSet::EMPTY,
                false => eligible.or(before.in_sync).minus(in_sync).minus(unclean),
            };
        }
        let is_active = |broker: &u8| self.broker(*broker).is_active();
        let may_lead = |broker: &u8| {
            let among = if in_sync.is_empty() { eligible } else { in_sync };
            among.contains(node(*broker)) && is_active(broker)
        };
        let replicas = setup.replicas(number);
        let mut leader = before
            .leader
            .filter(may_lead)
            .or_else(|| replicas.iter().copied().find(may_lead));
        let mut is_forced = false;
        if leader.is_none() {
            // `canElectLastKnownLeader`: nobody is left, not even eligible, and who led last is back, though not cleanly.
            let is_empty = in_sync.is_empty() && eligible.is_empty();
            leader = before
                .last_leader
                .filter(|broker| setup.keeps_eligible && is_empty && is_active(broker));
            if leader.is_none() && setup.misuse == Some(Misuse::UncleanElection) {
                leader = replicas.iter().copied().find(is_active);
            }
            is_forced = leader.is_some();
        }
        if let Some(leader) = leader {
            if is_forced {
                (in_sync, eligible) = (NodeSet::only(node(leader)), NodeSet::EMPTY);
            } else if eligible.contains(node(leader)) {
                (in_sync, eligible) = (NodeSet::only(node(leader)), eligible.without(node(leader)));
            }
        }
        if in_sync.is_empty() && !setup.keeps_eligible {
            // The last one stays in sync, without leading.
            in_sync = before.in_sync;
        }
        let partition = &mut self.partitions[usize::from(number)];
        if leader.is_some() {
            partition.last_leader = None;
        } else if in_sync.is_empty() && !before.in_sync.is_empty() {
            partition.last_leader = before.leader;
        }
        (partition.in_sync, partition.eligible) = (in_sync, eligible);
        self.lead(number, leader);
    }

    fn lead(&mut self, number: u8, leader: Option<u8>) {
        let partition = &mut self.partitions[usize::from(number)];
        if partition.leader != leader {
            partition.leader = leader;
            partition.led_from = leader.map_or(0, |leader| partition.log(leader).len());
        }
    }

    /// The high watermark goes up to what all in-sync copies have, and not while these are too few.
    fn acknowledge(&mut self, setup: &Setup) {
        for number in setup.all_partitions() {
            if !self.is_writable(setup, number) {
                continue;
            }
            let partition = &mut self.partitions[usize::from(number)];
            let Some(leader) = partition.leader else { continue };
            let log = partition.log(leader);
            let others = partition
                .in_sync
                .iter()
                .filter(|_| setup.misuse != Some(Misuse::AcksByLeader));
            let common = others.map(|id| log.common(partition.logs[usize::from(id.0)])).min();
            for record in log.first(common.unwrap_or(log.len())).records() {
                partition.acknowledged |= 1 << record;
            }
        }
    }
}

impl super::state::Partition {
    /// Whether a log has all acknowledged records that the leader's has.
    fn has_acknowledged_of(&self, leader: super::log::Log, log: super::log::Log) -> bool {
        leader
            .records()
            .all(|record| self.acknowledged & 1 << record == 0 || log.holds(record))
    }
}
