//! States and steps in words.

use std::fmt;

use super::setup::{BROKERS, PARTITIONS};
use super::state::Kafka;
use super::steps::Step;
use super::world::State;

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for broker in 0..BROKERS {
            write!(f, "n{broker} {:?}; ", self.brokers[broker])?;
        }
        for number in 0..PARTITIONS {
            let partition = &self.partitions[number];
            if partition.in_sync.or(partition.eligible).is_empty() && partition.written == 0 {
                continue;
            }
            let leader = partition
                .leader
                .map_or_else(|| "nobody".into(), |leader| format!("n{leader}"));
            write!(
                f,
                "p{number}: {leader} leads, in sync {:?}, eligible {:?}, logs {:?}, acknowledged {:b}",
                partition.in_sync,
                partition.eligible,
                partition.logs,
                partition.acknowledged >> 1
            )?;
            if let Some(last) = partition.last_leader {
                write!(f, ", n{last} led last")?;
            }
            write!(f, "; ")?;
        }
        Ok(())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kafka.fmt(f)
    }
}

/// A step in words.
pub fn step(step: Step) -> String {
    match step {
        Step::Produce(partition) => format!("a record is written to p{partition}"),
        Step::Fetch(partition, broker) => format!("n{broker} fetches p{partition}"),
        Step::Shrink(partition, broker) => format!("n{broker} lags in p{partition} and is no longer in sync"),
        Step::Expand(partition, broker) => format!("n{broker} has caught up in p{partition} and is in sync"),
        Step::Prefer(partition) => format!("the preferred leader of p{partition} leads"),
        Step::Stop(broker) => format!("n{broker} is told to stop"),
        Step::Stopped(broker) => format!("n{broker} has ended cleanly"),
        Step::Kill(broker) => format!("n{broker} is killed"),
        Step::PowerLoss(broker, records) => format!("n{broker} loses its power, and its {records} newest records"),
        Step::Fence(broker) => format!("n{broker} is fenced"),
        Step::Start(broker) => format!("n{broker} starts"),
        Step::Unfence(broker) => format!("n{broker} takes part"),
        Step::Freeze(broker) => format!("n{broker} stands still"),
        Step::Thaw(broker) => format!("n{broker} goes on"),
    }
}
