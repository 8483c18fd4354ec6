//! What a cluster is made of, and what is switched on in it.

/// The most brokers.
pub const BROKERS: usize = 4;

/// The most partitions.
pub const PARTITIONS: usize = 3;

/// A wrong use of Kafka, or a wrong Kafka: each loses a record, and the model has to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Misuse {
    /// `unclean.leader.election.enable`: whoever is up may lead.
    UncleanElection,
    /// A broker that comes back after an unclean end keeps its place among the eligible ones.
    UncleanUnnoticed,
    /// What the leader alone has is acknowledged, as with `acks=1`.
    AcksByLeader,
}

/// Brokers, partitions and rules. It stays the same while the cluster lives, so it is no part of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setup {
    /// Brokers, numbered from 0.
    pub brokers: u8,
    /// Partitions, numbered from 0.
    pub partitions: u8,
    /// How many copies each partition has.
    pub copies: u8,
    /// Who has them, the preferred leader first; places beyond `copies` mean nothing.
    pub assignment: [[u8; BROKERS]; PARTITIONS],
    /// `min.insync.replicas`.
    pub in_sync_min: u8,
    /// Eligible leader replicas are kept (`eligible.leader.replicas.version` 1).
    pub keeps_eligible: bool,
    /// What is done wrong.
    pub misuse: Option<Misuse>,
}

impl Setup {
    /// Copies go round: partition p begins at broker p. Eligible replicas are kept, as in a new cluster since 4.1.
    ///
    /// # Panics
    /// If a state cannot hold so many, or there are more copies than brokers.
    #[must_use]
    pub fn new(brokers: u8, partitions: u8, copies: u8, in_sync_min: u8) -> Self {
        assert!(usize::from(brokers) <= BROKERS && usize::from(partitions) <= PARTITIONS);
        assert!((1..=brokers).contains(&copies));
        let mut assignment = [[0; BROKERS]; PARTITIONS];
        for (first, places) in (0..).zip(&mut assignment) {
            for (next, place) in (0..).zip(places) {
                *place = (first + next) % brokers;
            }
        }
        Self {
            brokers,
            partitions,
            copies,
            assignment,
            in_sync_min,
            keeps_eligible: true,
            misuse: None,
        }
    }

    /// Who has a copy of this partition, the preferred leader first.
    #[must_use]
    pub fn replicas(&self, partition: u8) -> &[u8] {
        &self.assignment[usize::from(partition)][..usize::from(self.copies)]
    }

    /// How many in-sync copies count as enough: never more than there are copies.
    #[must_use]
    pub fn enough(&self) -> u32 {
        self.in_sync_min.min(self.copies).into()
    }

    /// The brokers.
    pub fn all_brokers(&self) -> impl Iterator<Item = u8> + use<> {
        0..self.brokers
    }

    /// The partitions.
    pub fn all_partitions(&self) -> impl Iterator<Item = u8> + use<> {
        0..self.partitions
    }
}
