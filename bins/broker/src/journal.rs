//! The journal: texts in one order, the same on all nodes. What a cluster wants to remember together, without a service for it.
//!
//! It is the host of a replicated log: it applies what is decided, keeps the latest texts, takes snapshots, and answers clients.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pehra_cluster::ask::{Ask, Entries, Entry, Place, Reply};
use pehra_cluster::{Journal as Settings, Log as LogStatus, Status};
use pehra_core::replication::{Body, Command, Event, Index, LogId, Refusal, Report};
use pehra_core::types::{RequestId, Term};
use pehra_core::wire::{Reader, WireError, Writer};
use pehra_driver::{Mail, Mailbox};

use crate::desk::Desk;
use crate::hosted::{Host, OWN};
use crate::logged::Log;

/// Bytes of a piece of a snapshot.
const PIECE_BYTES: usize = 16 * 1024;
/// Bytes of text in one answer: it ends with the entry that reaches this.
const ANSWER_BYTES: usize = 128 * 1024;

/// The journal of this node.
pub struct Journal {
    settings: Settings,
    desk: Arc<Desk>,
    letters: Mailbox<Log>,
    state: Mutex<State>,
    /// The latest snapshot in the store: up to where, and its pieces.
    found: Mutex<Option<(LogId, Vec<Vec<u8>>)>>,
}

#[derive(Default)]
struct State {
    book: Book,
    /// Where the latest snapshot ends.
    snapshot: Index,
    /// One is on its way to the store.
    taking: bool,
    /// The node has appended these for clients that wait.
    appended: BTreeMap<u64, LogId>,
    /// Reads up to this request may be answered once all up to this place is applied.
    readable: Option<(RequestId, Index)>,
    status: LogStatus,
}

/// What is kept, and goes into snapshots.
#[derive(Debug, Default, PartialEq, Eq)]
struct Book {
    /// All up to here is in it, or was.
    applied: Index,
    /// What stood before this place is gone.
    kept_from: Index,
    entries: VecDeque<(LogId, Vec<u8>)>,
}

impl Journal {
    pub fn new(settings: Settings, desk: Arc<Desk>, letters: Mailbox<Log>) -> Self {
        Self {
            settings,
            desk,
            letters,
            state: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// The store holds this snapshot now. Called from the store's thread.
    pub fn found(&self, base: LogId, pieces: Vec<Vec<u8>>) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some((base, pieces));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on from the store's snapshot, which ends here or later.
    fn load(&self, base: LogId) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let read = found
            .filter(|(upto, _)| upto.index >= base.index)
            .map(|(upto, pieces)| Book::read(&pieces.concat()).map(|book| (upto, book)));
        let mut state = self.lock();
        match read {
            Some(Ok((upto, book))) if book.applied > state.book.applied => {
                tracing::info!(upto = upto.index.0, "goes on from a snapshot");
                state.snapshot = upto.index;
                state.book = book;
            }
            Some(Ok((upto, _))) => state.snapshot = upto.index,
            Some(Err(error)) => {
                tracing::error!(%error, upto = base.index.0, "the snapshot is not understood: what it held is missing here");
            }
            None => tracing::error!(
                upto = base.index.0,
                "there is no snapshot: what it held is missing here"
            ),
        }
        self.settle(state);
    }

    fn apply(&self, id: LogId, body: Body<Vec<u8>>) {
        let mut state = self.lock();
        state.book.apply(id, body, self.settings.keep);
        self.settle(state);
    }

    /// Answers all that can be answered now, and takes a snapshot if it is time.
    fn settle(&self, mut state: MutexGuard<'_, State>) {
        let applied = state.book.applied;
        let reached: Vec<(u64, LogId)> = state
            .appended
            .iter()
            .filter(|(_, id)| id.index <= applied)
            .map(|(request, id)| (*request, *id))
            .collect();
        let mut answers = Vec::new();
        for (request, id) in reached {
            state.appended.remove(&request);
            answers.push((request, id, state.book.holds(id)));
        }
        let readable = state.readable.filter(|(_, at)| *at <= applied).map(|(upto, _)| upto);
        if let Some(upto) = readable {
            state.readable = None;
            let book = &state.book;
            self.desk.end(|id, ask| match ask {
                Ask::Entries { from, confirmed: true } if id <= upto.0 => Some(book.answer(*from, true)),
                _ => None,
            });
        }
        let due = applied.since(state.snapshot) >= self.settings.snapshot_every.into();
        if due && !state.taking {
            state.taking = self.offer_snapshot(&state.book);
        }
        drop(state);
        for (request, id, holds) in answers {
            match holds {
                Some(true) => {
                    let place = place(id);
                    let reply = Reply::Appended(place);
                    self.desk.end(|of, _| (of == request).then(|| reply.clone()));
                }
                Some(false) => self.desk.refuse(
                    RequestId(request),
                    "another leader put something else in its place: it was not appended; ask again",
                ),
                None => self.desk.refuse(
                    RequestId(request),
                    "it is not known whether it was appended, and still may be so; read the journal",
                ),
            }
        }
    }

    /// Hands the node all pieces of a snapshot. Whether it could.
    fn offer_snapshot(&self, book: &Book) -> bool {
        let bytes = book.write();
        let pieces = bytes.chunks(PIECE_BYTES);
        let last = pieces.len().saturating_sub(1);
        for (nth, piece) in pieces.enumerate() {
            let command = Command::Piece {
                upto: book.applied,
                nth: u32::try_from(nth).unwrap_or(u32::MAX),
                end: nth == last,
                body: piece.to_vec(),
            };
            // A snapshot that was cut short is begun anew with a later entry.
            if self.letters.try_send(Mail::Command(OWN, command)).is_err() {
                return false;
            }
        }
        true
    }

    fn refused(&self, request: RequestId, refusal: Refusal) {
        let reason = match refusal {
            Refusal::NotLeader { leader } => {
                let refusal = pehra_core::election::Refusal::NotLeader { leader };
                self.desk.refused(request, refusal);
                return;
            }
            Refusal::Busy => "too much is undecided; ask again later",
            Refusal::HandingOver => "it is handing over; ask again in a moment",
            Refusal::Full => "the disk is nearly full; free some space",
            Refusal::TooLarge => "it is too large",
            Refusal::Snapshot => {
                self.lock().taking = false;
                tracing::warn!("a snapshot was not taken");
                return;
            }
        };
        if request == OWN {
            self.lock().taking = false;
        }
        self.desk.refuse(request, reason);
    }
}

impl Host<Log> for Journal {
    fn started(&self, _: &Log) {
        let mut state = self.lock();
        state.taking = false;
        state.appended.clear();
        state.readable = None;
    }

    fn event(&self, event: Event<Vec<u8>>) {
        match event {
            Event::Decided(entry) => self.apply(entry.id, entry.body),
            Event::Load { base } => self.load(base),
            Event::Compacted { base } => {
                tracing::info!(upto = base.index.0, "has taken a snapshot");
                let mut state = self.lock();
                state.taking = false;
                state.snapshot = state.snapshot.max(base.index);
            }
            Event::Whole { upto } => tracing::info!(upto = upto.0, "has got the whole log, and votes again"),
            Event::Readable { upto, at } => {
                let mut state = self.lock();
                state.readable = Some((upto, at));
                self.settle(state);
            }
            Event::Election(_) => {}
        }
    }

    fn report(&self, report: Report) {
        match report {
            Report::Taken { request, id } => {
                self.lock().appended.insert(request.0, id);
            }
            Report::Refused { request, refusal } => self.refused(request, refusal),
            Report::Unreadable { upto } => {
                self.lock().readable = None;
                let reads = self
                    .desk
                    .waiting(|id, ask| id <= upto.0 && matches!(ask, Ask::Entries { .. }));
                for request in reads {
                    self.desk.refuse(
                        request,
                        "its leadership ended before a majority confirmed it; ask again",
                    );
                }
            }
            Report::Cut { after } => tracing::info!(after = after.0, "undecided entries were cut"),
            Report::Lacks => tracing::warn!(
                "the log may lack what this node has acknowledged before: it follows, and does not vote until it has got \
                 the whole log from a leader. (If this cluster is new, its file must begin with number = 1.)"
            ),
            Report::Election(_) => {}
        }
    }

    fn look(&self, state: &Log) {
        self.lock().status = LogStatus {
            snapshot: state.log().base().index.0,
            last: state.log().last().index.0,
            decided: state.decided().0,
            applied: state.applied().0,
            lacks: state.lacks(),
        };
    }

    fn answer(&self, ask: &Ask) -> Option<Reply> {
        match ask {
            Ask::Entries { from, confirmed: false } => Some(self.lock().book.answer(*from, false)),
            _ => None,
        }
    }

    fn tell(&self, status: &mut Status) {
        let log = self.lock().status;
        status.log = Some(log);
        if log.lacks && status.trouble.is_none() {
            status.trouble = Some(LACKS.into());
        }
    }
}

/// What a node says that has lost its log.
const LACKS: &str = "the log may lack what this node has acknowledged before: it follows, and votes when it has got the whole \
                     log from a leader that the others elect";

const fn place(id: LogId) -> Place {
    Place {
        index: id.index.0,
        term: id.term.0,
    }
}

impl Book {
    fn apply(&mut self, id: LogId, body: Body<Vec<u8>>, keep: u32) {
        // After a snapshot that went further than the node knew.
        if id.index <= self.applied {
            return;
        }
        self.applied = id.index;
        if let Body::Command(text) = body {
            self.entries.push_back((id, text));
        }
        while self.entries.len() > usize::try_from(keep).unwrap_or(usize::MAX) {
            if let Some((gone, _)) = self.entries.pop_front() {
                self.kept_from = gone.index.next();
            }
        }
    }

    /// Whether this very entry was applied; not known if its place is kept no longer.
    fn holds(&self, id: LogId) -> Option<bool> {
        if id.index < self.kept_from {
            return None;
        }
        Some(self.entries.iter().rev().any(|(known, _)| *known == id))
    }

    fn answer(&self, from: u64, confirmed: bool) -> Reply {
        let begin = self.entries.partition_point(|(id, _)| id.index.0 < from);
        let mut entries = Entries {
            list: Vec::new(),
            upto: self.applied.0,
            kept_from: self.kept_from.0,
            confirmed,
        };
        let mut bytes = 0;
        for (id, text) in self.entries.range(begin..) {
            if bytes >= ANSWER_BYTES {
                break;
            }
            bytes += text.len();
            entries.list.push(Entry {
                place: place(*id),
                text: String::from_utf8_lossy(text).into_owned(),
            });
        }
        Reply::Entries(Box::new(entries))
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let w = &mut Writer(&mut bytes);
        w.byte(BOOK);
        w.number(self.applied.0);
        w.number(self.kept_from.0);
        w.count(self.entries.len());
        for (id, text) in &self.entries {
            w.number(id.term.0);
            w.number(id.index.0);
            w.bytes(text);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut r = Reader(bytes);
        let version = r.byte()?;
        if version != BOOK {
            return Err(WireError::Version(version));
        }
        let applied = Index(r.number()?);
        let kept_from = Index(r.number()?);
        let entry = |r: &mut Reader<'_>| {
            let term = Term(r.number()?);
            let index = Index(r.number()?);
            Ok((LogId { term, index }, r.bytes()?.to_vec()))
        };
        let entries = (0..r.count()?)
            .map(|_| entry(&mut r))
            .collect::<Result<_, WireError>>()?;
        r.end()?;
        Ok(Self {
            applied,
            kept_from,
            entries,
        })
    }
}

/// The version of a snapshot's bytes.
const BOOK: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn book(keep: u32) -> Book {
        let mut book = Book::default();
        for index in 1..=10 {
            let id = LogId::new(Term(1 + index / 6), Index(index));
            let body = if index % 5 == 1 {
                Body::Empty
            } else {
                Body::Command(format!("text {index}").into_bytes())
            };
            book.apply(id, body, keep);
        }
        book
    }

    #[test]
    fn a_snapshot_reads_as_it_was_written_and_nothing_else_does() {
        let book = book(100);
        let bytes = book.write();
        assert_eq!(Book::read(&bytes), Ok(book));
        for end in 0..bytes.len() {
            assert!(Book::read(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn only_the_latest_are_kept_and_what_is_gone_is_not_guessed_at() {
        let book = book(3);
        let kept: Vec<u64> = book.entries.iter().map(|(id, _)| id.index.0).collect();
        assert_eq!((kept, book.kept_from), (vec![8, 9, 10], Index(8)));
        assert_eq!(book.holds(LogId::new(Term(1), Index(4))), None);
        assert_eq!(book.holds(LogId::new(Term(2), Index(9))), Some(true));
        assert_eq!(book.holds(LogId::new(Term(1), Index(9))), Some(false));
        let Reply::Entries(entries) = book.answer(9, false) else {
            panic!("entries");
        };
        assert_eq!((entries.list.len(), entries.upto, entries.kept_from), (2, 10, 8));
    }

    #[test]
    fn what_was_applied_is_not_applied_again() {
        let mut book = book(100);
        let before = book.write();
        book.apply(LogId::new(Term(2), Index(10)), Body::Command(b"again".to_vec()), 100);
        assert_eq!(book.write(), before);
    }
}
