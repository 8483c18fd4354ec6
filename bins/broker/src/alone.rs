//! An election with nothing over it: the node of a cluster that only wants a leader.

use std::path::Path;
use std::sync::Arc;

use pehra_cluster::Cluster;
use pehra_cluster::ask::Ask;
use pehra_core::election::{Command, Config, Election, Event, Message, Report};
use pehra_core::wire::{WireError, decode_ballot, encode_ballot};
use pehra_driver::{Mailbox, StoreError};
use pehra_sqlite::{ElectionStore, Owner, PeerBook};

use crate::hosted::{Host, Hosted, Kept, Limits, Of, Place};

/// Nobody.
#[derive(Debug)]
pub struct Nobody;

impl Host<Election<()>> for Nobody {
    fn event(&self, _: Event<()>) {}
    fn report(&self, _: Report) {}
}

impl Hosted for Election<()> {
    type Position = ();
    type Store = ElectionStore;
    type Host = Nobody;
    // Old ballots are worth little: better none than a long queue of them.
    const LIMITS: Limits = Limits {
        frame: 64 * 1024,
        queue_frames: 256,
        queue_bytes: 64 * 1024,
    };

    fn config(_: &Cluster, election: Config) -> Config {
        election
    }

    fn election_config(config: &Config) -> &Config {
        config
    }

    fn host(_: Place, _: Mailbox<Self>) -> Nobody {
        Nobody
    }

    fn open(folder: &Path, owner: &Owner, _: &Arc<Nobody>) -> Result<ElectionStore, StoreError> {
        ElectionStore::open(folder, owner)
    }

    fn election(&self) -> &Self {
        self
    }

    fn elects(command: Command) -> Command {
        command
    }

    fn command(_: &Nobody, _: &Ask) -> Option<Command> {
        None
    }

    fn of_event(event: Event<()>) -> Of<Event<()>, Event<()>> {
        Of::Election(event)
    }

    fn of_report(report: Report) -> Of<Report, Report> {
        Of::Election(report)
    }

    fn encode(message: &Message<()>, buffer: &mut Vec<u8>) {
        encode_ballot(message, buffer);
    }

    fn decode(bytes: &[u8]) -> Result<Message<()>, WireError> {
        decode_ballot(bytes)
    }
}

impl Kept<Election<()>> for ElectionStore {
    fn store(&self) -> u64 {
        self.store()
    }

    fn incarnation(&self) -> u64 {
        self.incarnation()
    }

    fn lost(&self) -> Option<String> {
        self.lost()
    }

    fn peers(&self) -> PeerBook {
        self.peers()
    }
}
