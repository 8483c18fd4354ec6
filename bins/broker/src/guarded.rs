//! Guard duty over the log over the election: the node of a cluster whose brokers sleep.

use std::path::Path;
use std::sync::Arc;

use pehra_cluster::Cluster;
use pehra_cluster::ask::Ask;
use pehra_core::election::{self, Election};
use pehra_core::members::NodeSet;
use pehra_core::protocol::Recovered;
use pehra_core::replication::{self, Durable, LogId, Query, Record, Rows};
use pehra_core::sleep::Sleep;
use pehra_core::sleep::guard::{Decree, Order};
use pehra_core::sleep::member::{Command, Config, Decrees, Event, Message, Report};
use pehra_core::types::NodeId;
use pehra_core::wire::{WireError, decode_sleep, encode_sleep};
use pehra_driver::{Mailbox, Store, StoreError};
use pehra_sqlite::{LogStore, Owner, PeerBook};

use crate::agent::Agent;
use crate::hosted::{Hosted, Kept, Limits, Of, Place};

impl Hosted for Sleep {
    type Position = LogId;
    type Store = DecreeStore;
    type Host = Agent;
    // A decree is a few bytes; a frame holds as many as the store reads at once.
    const LIMITS: Limits = Limits {
        frame: 256 * 1024,
        queue_frames: 1024,
        queue_bytes: 1024 * 1024,
    };

    fn config(cluster: &Cluster, election: election::Config) -> Config {
        crate::agent::config(cluster, election)
    }

    fn election_config(config: &Config) -> &election::Config {
        &config.log.election
    }

    fn host(place: Place, letters: Mailbox<Self>) -> Agent {
        Agent::new(place, letters)
    }

    fn open(folder: &Path, owner: &Owner, _: &Arc<Agent>) -> Result<DecreeStore, StoreError> {
        LogStore::open(folder, owner).map(DecreeStore)
    }

    fn election(&self) -> &Election<LogId> {
        self.decrees().election()
    }

    fn elects(command: election::Command) -> Command {
        Command::Election(command)
    }

    fn command(host: &Agent, ask: &Ask) -> Option<Command> {
        let order = match ask {
            Ask::Enable { epoch } => Order::Enable { epoch: *epoch },
            Ask::Disable => Order::Disable,
            Ask::Wake { all: false } => Order::Wake,
            Ask::Wake { all: true } => Order::WakeAll,
            Ask::Maintain { nodes } if nodes.is_empty() => Order::Maintain(host.brokers()),
            Ask::Maintain { nodes } => {
                // One that cannot be a member makes the set another one, and that is refused.
                let set: NodeSet = nodes.iter().map(|id| NodeId((*id).min(63))).collect();
                Order::Maintain(set)
            }
            Ask::Maintained => Order::Done,
            Ask::StayAwake { on } => Order::StayAwake(*on),
            _ => return None,
        };
        Some(Command::Order(order))
    }

    fn of_event(event: Event) -> Of<election::Event<LogId>, Event> {
        match event {
            Event::Election(event) => Of::Election(event),
            own @ Event::Guard(_) => Of::Own(own),
        }
    }

    fn of_report(report: Report) -> Of<election::Report, Report> {
        match report {
            Report::Log(replication::Report::Election(report)) => Of::Election(report),
            own => Of::Own(own),
        }
    }

    fn encode(message: &Message, buffer: &mut Vec<u8>) {
        encode_sleep(message, buffer);
    }

    fn decode(bytes: &[u8]) -> Result<Message, WireError> {
        decode_sleep(bytes)
    }
}

/// The store of a log of decrees: all that a member must not forget.
pub struct DecreeStore(LogStore<Decree>);

impl Store<Sleep> for DecreeStore {
    fn load(&mut self) -> Result<Recovered<Durable>, StoreError> {
        Store::<Decrees>::load(&mut self.0)
    }

    fn commit(&mut self, records: &[Record<Decree>]) -> Result<(), StoreError> {
        Store::<Decrees>::commit(&mut self.0, records)
    }

    fn answer(&mut self, query: &Query) -> Result<Rows<Decree>, StoreError> {
        Store::<Decrees>::answer(&mut self.0, query)
    }

    fn is_short(&mut self) -> bool {
        Store::<Decrees>::is_short(&mut self.0)
    }
}

impl Kept<Sleep> for DecreeStore {
    fn store(&self) -> u64 {
        self.0.store()
    }

    fn incarnation(&self) -> u64 {
        self.0.incarnation()
    }

    fn lost(&self) -> Option<String> {
        self.0.lost()
    }

    fn peers(&self) -> PeerBook {
        self.0.peers()
    }
}
