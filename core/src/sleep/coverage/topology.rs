//! What coverage is judged over: one reading of a cluster, and the rules.

use alloc::vec::Vec;

use crate::types::NodeId;

/// How much of the cluster stays awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gear {
    /// Everybody.
    Full,
    /// As many copies of each partition as writes with `acks=all` need. The one to use.
    Lean,
    /// One copy of each partition: such writes are refused until others are woken. Needs eligible leader replicas (KIP-966),
    /// without which the one awake copy is the only one that may ever lead.
    Watch,
}

/// What a broker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// Up, and counted on to stay so.
    Awake,
    /// Put to sleep on purpose: its copies lag, and that is no fault.
    Asleep,
    /// Not there, and nobody asked for that.
    Down,
}

/// One broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Broker {
    /// Who it is.
    pub id: NodeId,
    /// What it is doing.
    pub presence: Presence,
    /// Its rack, as a number of the caller's; none if it has no rack.
    pub rack: Option<u16>,
}

/// One partition, as the cluster describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// Its topic, as a number of the caller's.
    pub topic: u32,
    /// Who leads it, if anybody does.
    pub leader: Option<NodeId>,
    /// All who should have a copy.
    pub replicas: Vec<NodeId>,
    /// Those whose copy is complete (Kafka's ISR).
    pub in_sync: Vec<NodeId>,
    /// Those who left the in-sync ones when these were too few, cleanly, and may still lead (Kafka's ELR).
    pub eligible: Vec<NodeId>,
    /// How many in-sync copies a write with `acks=all` needs (`min.insync.replicas`).
    pub in_sync_min: u16,
    /// Whether a copy that is not in sync may be made leader, which loses records.
    pub unclean_election: bool,
    /// Whether its copies are being moved.
    pub moving: bool,
}

/// The controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Controllers {
    /// All who vote. One that is a broker too has the same number.
    pub voters: Vec<NodeId>,
    /// Those of them who are up and keep up.
    pub awake: Vec<NodeId>,
}

/// One reading of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Topology {
    /// All registered brokers.
    pub brokers: Vec<Broker>,
    /// All partitions.
    pub partitions: Vec<Partition>,
    /// The controllers; none if they are not known.
    pub controllers: Controllers,
    /// Whether eligible leader replicas are kept (KIP-966).
    pub keeps_eligible: bool,
}

/// By which rules brokers are put to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// How much stays awake.
    pub gear: Gear,
    /// In lean gear, awake copies beyond `min.insync.replicas`: one more failure then does not stop writes.
    pub lean_spare: u16,
    /// Awake controllers beyond a majority, as far as there are so many.
    pub controller_spare: u16,
    /// How many branches the search for the largest set of sleepers may visit.
    pub effort: u32,
    /// A seeded bug, for the models to catch.
    #[cfg(seeded_bugs)]
    pub bug: Option<super::bugs::Bug>,
}

impl Rules {
    /// Lean gear with the usual spares.
    pub const LEAN: Self = Self {
        gear: Gear::Lean,
        lean_spare: 0,
        controller_spare: 1,
        effort: 10_000_000,
        #[cfg(seeded_bugs)]
        bug: None,
    };

    /// Watch gear with the usual spares.
    pub const WATCH: Self = Self {
        gear: Gear::Watch,
        ..Self::LEAN
    };

    /// How many awake in-sync copies this partition has to keep.
    #[must_use]
    pub const fn need(&self, partition: &Partition) -> u32 {
        match self.gear {
            Gear::Full => u32::MAX,
            // A topic with `min.insync.replicas` 0 or 1 still has to be readable.
            Gear::Lean => at_least_one(partition.in_sync_min.saturating_add(self.lean_spare)),
            Gear::Watch => 1,
        }
    }

    /// How many of so many controllers have to stay awake.
    #[must_use]
    pub const fn controllers_need(&self, voters: u32) -> u32 {
        let wanted = (voters / 2)
            .saturating_add(1)
            .saturating_add(self.controller_spare as u32);
        if wanted < voters { wanted } else { voters }
    }
}

const fn at_least_one(count: u16) -> u32 {
    if count == 0 { 1 } else { count as u32 }
}
