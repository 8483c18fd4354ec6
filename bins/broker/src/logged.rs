//! A log over the election, with a journal over the log.

use std::path::Path;
use std::sync::Arc;

use pehra_cluster::Cluster;
use pehra_cluster::ask::Ask;
use pehra_core::election::{self, Election};
use pehra_core::protocol::Recovered;
use pehra_core::replication::{
    Command, Config, Durable, Event, LogId, Message, Query, Record, Replication, Report, Rows, Whom,
};
use pehra_core::wire::{WireError, decode_log, encode_log};
use pehra_driver::{Mailbox, Store, StoreError};
use pehra_sqlite::{LogStore, Owner, PeerBook};

use crate::hosted::{Hosted, Kept, Limits, Of, Place};
use crate::journal::Journal;

/// The protocol: commands are bytes.
pub type Log = Replication<Vec<u8>>;

impl Hosted for Log {
    type Position = LogId;
    type Store = JournalStore;
    type Host = Journal;
    // A frame holds the largest command with room to spare, and a queue what the store reads at once. Heartbeats wait in the
    // same queue, so it is no longer than that.
    const LIMITS: Limits = Limits {
        frame: 1024 * 1024,
        queue_frames: 1024,
        queue_bytes: 8 * 1024 * 1024,
    };

    fn config(_: &Cluster, election: election::Config) -> Config {
        Config::new(election)
    }

    fn election_config(config: &Config) -> &election::Config {
        &config.election
    }

    fn host(place: Place, letters: Mailbox<Self>) -> Journal {
        Journal::new(place.cluster.journal.unwrap_or_default(), place.desk, letters)
    }

    fn open(folder: &Path, owner: &Owner, host: &Arc<Journal>) -> Result<JournalStore, StoreError> {
        let store = LogStore::open(folder, owner)?;
        let journal = Arc::clone(host);
        Ok(JournalStore { store, journal })
    }

    fn election(&self) -> &Election<LogId> {
        self.election()
    }

    fn elects(command: election::Command) -> Command<Vec<u8>> {
        Command::Election(command)
    }

    fn command(_: &Journal, ask: &Ask) -> Option<Command<Vec<u8>>> {
        match ask {
            Ask::Append { text } => Some(Command::Propose(text.clone().into_bytes())),
            Ask::Entries { .. } => Some(Command::Read),
            _ => None,
        }
    }

    fn of_event(event: Event<Vec<u8>>) -> Of<election::Event<LogId>, Event<Vec<u8>>> {
        match event {
            Event::Election(event) => Of::Election(event),
            own => Of::Own(own),
        }
    }

    fn of_report(report: Report) -> Of<election::Report, Report> {
        match report {
            Report::Election(report) => Of::Election(report),
            own => Of::Own(own),
        }
    }

    fn encode(message: &Message<Vec<u8>>, buffer: &mut Vec<u8>) {
        encode_log(message, buffer);
    }

    fn decode(bytes: &[u8]) -> Result<Message<Vec<u8>>, WireError> {
        decode_log(bytes)
    }
}

/// The log's store. It hands the journal each snapshot that it finds or is given: on its own thread, and before the news of it
/// can leave.
pub struct JournalStore {
    store: LogStore<Vec<u8>>,
    journal: Arc<Journal>,
}

impl JournalStore {
    fn hand_over(&mut self, base: LogId) -> Result<(), StoreError> {
        let mut pieces = Vec::new();
        let whom = Whom::Host;
        for nth in 0.. {
            match self.store.answer(&Query::Piece { base, nth, whom })? {
                Rows::Piece {
                    piece: Some(piece),
                    end,
                } => {
                    pieces.push(piece);
                    if end {
                        break;
                    }
                }
                Rows::Piece { piece: None, .. } | Rows::Entries(_) => break,
            }
        }
        self.journal.found(base, pieces);
        Ok(())
    }
}

impl Store<Log> for JournalStore {
    fn load(&mut self) -> Result<Recovered<Durable>, StoreError> {
        let recovered = self.store.load()?;
        if let Recovered::Known(Durable { base, .. }) = &recovered
            && *base != LogId::ZERO
        {
            self.hand_over(*base)?;
        }
        Ok(recovered)
    }

    fn commit(&mut self, records: &[Record<Vec<u8>>]) -> Result<(), StoreError> {
        self.store.commit(records)?;
        let installed = records.iter().rev().find_map(|record| match record {
            Record::Install { base } => Some(*base),
            _ => None,
        });
        installed.map_or(Ok(()), |base| self.hand_over(base))
    }

    fn answer(&mut self, query: &Query) -> Result<Rows<Vec<u8>>, StoreError> {
        self.store.answer(query)
    }

    fn is_short(&mut self) -> bool {
        self.store.is_short()
    }
}

impl Kept<Log> for JournalStore {
    fn store(&self) -> u64 {
        self.store.store()
    }

    fn incarnation(&self) -> u64 {
        self.store.incarnation()
    }

    fn lost(&self) -> Option<String> {
        self.store.lost()
    }

    fn peers(&self) -> PeerBook {
        self.store.peers()
    }
}
