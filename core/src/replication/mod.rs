//! Replication: one log, the same on all members; what a majority has durably is decided for ever.
//!
//! A Raft log over [`crate::election`], which it hosts. Commands and snapshots are opaque: core moves them, the store
//! keeps them, and memory holds only where terms begin.
//!
//! # What it guarantees (ids of `proofs/claims.toml`)
//! * `replication/I9` Two logs that hold the same entry are the same up to it.
//! * `replication/I10` Whoever leads holds every entry decided in an earlier term.
//! * `replication/I11` Each place gets one decided entry, the same on every member, and members apply them in order.
//! * `replication/I12` What is decided stays on the disks of a majority: no cut, catching up included, takes it away.
//! * `replication/D1` What a member says it holds is on its disk.
//! * `replication/D3` What a log or a snapshot holds can be sent: it fits a frame.
//! * `replication/R1` Who may have forgotten entries (its store was lost, or made anew in an old cluster) votes and stands
//!   only when its log holds all that was decided in earlier terms.
//! * `replication/Q2` A read sees every entry decided before it was asked for.
//! * `replication/V8` When things calm down, whoever reaches a majority gets to lead, whatever its log lacks, and all
//!   whom it reaches get the whole log.
//!
//! # What it assumes
//! What `election` assumes. The host takes snapshots of what it has applied, and nothing else.
//!
//! # What a member does
//! | role | input | guard | effects |
//! | --- | --- | --- | --- |
//! | becomes leader | – | – | persist an empty entry of its term; notice Append to all |
//! | Leader | Propose | few are undecided, no hand-over, it fits a frame | persist the entry; notice Append to who has all before it |
//! | Leader | Appended, own copy durable | a majority holds an entry of this term | decided up to there |
//! | Leader | Appended | that member lacks some | fetch the next of them, then notice Append |
//! | Leader | Missing | – | goes back, then as above; notice Piece if only a snapshot has them |
//! | Leader | a member's link is back | – | forgets what it held; notice Append without an entry |
//! | Leader | Heartbeat timer | a member lacks some | notice Append without an entry, to be answered |
//! | Leader | Read | – | asks a majority whether it still leads; then, with an entry of its term decided, Readable |
//! | follows | Append | holds the entry before it | persist, cutting what differs; claim Appended |
//! | follows | Append | does not | claim Missing |
//! | follows, lacks | Append, Piece | an entry of this very term is decided, and here | persist that it is whole; votes and stands again |
//! | follows | Piece | the next one | persist; claim Pieced; after the last one the snapshot replaces the log |
//! | PreCandidate | a majority would vote, some but for the log | – | notice Ask to who has most |
//! | any but Leader | Ask | its log goes further | fetch, then notice Suffix, or Piece |
//! | PreCandidate | Suffix, Piece | from whom it asked; that log goes further | persist, cutting what differs; then asks for votes again |
//! | any | entries decided and here | – | fetch, then Decided, in order |
//! | any | Piece commanded | it covers what has been applied, and fits a frame | persist; after the last one the log before it is dropped |
//!
//! # Who lacks entries
//! A store that was lost has forgotten what it has acknowledged, so its vote could elect somebody who lacks it too. Raising the
//! number of the configuration ends all promises of votes, but brings no entry back. So does a store made anew in a cluster that
//! has had another configuration: it may be that of a member whose whole folder is gone. Such a member *lacks*: it follows,
//! copies and acknowledges, and neither votes nor stands, until its log holds an entry that the leader of the present term has
//! decided. That leader was elected by members that lack nothing, so it holds whatever was decided before, and its first own
//! entry comes after that. This needs a leader whose term began after the loss: so a number must be raised between, which
//! takes a restart of all, and nobody leads a term twice. A majority that lacks nothing is needed until then.
//!
//! # Messages
//! | message | to | kind | says |
//! | --- | --- | --- | --- |
//! | Append | all | notice | after this entry comes that one; so far it is decided |
//! | Appended | leader | claim | my log is yours up to here, durably |
//! | Missing | leader | claim | that entry is not in my log; try from here |
//! | Ask | a voter | notice | you have entries that I need before I can win: what comes after mine? |
//! | Suffix | asker | notice | one of them; and so far my log goes |
//! | Piece | who lacks what was dropped | notice | one piece of the snapshot |
//! | Pieced | its sender | claim | I have the pieces before this one, durably |
//!
//! # Why copying from a voter is safe
//! A voter whose log goes further than the asker's (by the last entry's term, then place) holds every decided entry that
//! the asker ever acknowledged: take such an entry, acknowledged in its own term. The last entry of the further log is of
//! that term and a later place, then one log is a prefix of the other; or of a later term, whose leader held the entry,
//! or it could not have been elected. So no cut of what differs removes an entry that it has acknowledged and that is decided, at
//! no moment between. (What it only copied may go again: answers that come late may be of a log that has been cut since.) Votes keep
//! Raft's rule: a longer log wins none that it would not have won before.

#[cfg(seeded_bugs)]
pub mod bugs;
mod catching_up;
mod following;
mod image;
mod leading;
mod log;
mod replica;
mod snapshots;

pub use image::LogImage;
pub use leading::{Lead, Progress};
pub use log::{Index, Log, LogId, Run};
pub use replica::{Parts, Replication};

use alloc::vec::Vec;

use crate::election::{self, HardState};
use crate::protocol::Datum;
use crate::types::{Never, NodeId, RequestId, Term};

/// The most bytes that one command, or one piece of a snapshot, may have: a frame with it fits the transport's limit of
/// 1 MiB. What is larger could be appended and never sent: nobody else would get it, nor anything after it.
pub const BODY_BYTES_MAX: usize = 512 * 1024;

/// A command of the host's, or a piece of its snapshot: opaque, but for its size.
pub trait Payload: Datum {
    /// How many bytes it takes in a frame.
    fn bytes(&self) -> usize;
}

impl Payload for Vec<u8> {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Payload for u8 {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Payload for u64 {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Payload for char {
    fn bytes(&self) -> usize {
        self.len_utf8()
    }
}

/// What a member is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Of the election.
    pub election: election::Config,
    /// Entries fetched from the store at once.
    pub chunk: u16,
    /// Entries that may be under way to one member.
    pub window: u16,
    /// Entries that may be undecided; more are refused.
    pub backlog: u16,
    /// Bytes of a command, or of a piece of a snapshot, at the most; larger ones are refused.
    pub body_max: u32,
    /// The bug that this run has been given.
    #[cfg(seeded_bugs)]
    pub bug: Option<bugs::Bug>,
}

impl Config {
    /// With the usual limits.
    #[must_use]
    pub const fn new(election: election::Config) -> Self {
        Self {
            election,
            chunk: 64,
            window: 256,
            backlog: 1024,
            body_max: 512 * 1024,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    #[cfg(seeded_bugs)]
    pub(super) fn has(&self, bug: bugs::Bug) -> bool {
        self.bug == Some(bug)
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Body<C> {
    /// Nothing: a leader's first, so that it may count what earlier leaders appended.
    Empty,
    /// A command of the host's.
    Command(C),
}

/// An entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry<C> {
    /// Its name.
    pub id: LogId,
    /// What it says.
    pub body: Body<C>,
}

/// One piece of a snapshot on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece<C> {
    /// The last entry that the snapshot covers.
    pub base: LogId,
    /// Which piece, counted from 0.
    pub nth: u32,
    /// It is the last one.
    pub end: bool,
    /// The piece.
    pub body: C,
}

/// What rests on nothing durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notice<C> {
    /// Of the election.
    Election(election::Notice<LogId>),
    /// The leader's log: after `prev` comes `entry`.
    Append {
        /// The leader's term.
        term: Term,
        /// The entry before.
        prev: LogId,
        /// The entry; without one, only whether `prev` is there is asked.
        entry: Option<Entry<C>>,
        /// Decided up to here.
        decided: Index,
    },
    /// Asks for what the asker's log lacks.
    Ask {
        /// Its last entry, or, further on, the last one that both logs are known to hold.
        last: LogId,
        /// What it knows to be decided: certainly in both logs.
        decided: Index,
    },
    /// Answers [`Notice::Ask`] with one entry.
    Suffix {
        /// The entry before.
        prev: LogId,
        /// The entry.
        entry: Entry<C>,
        /// The last entry of the log that it was read from.
        last: LogId,
        /// No more are under way: ask again.
        end: bool,
    },
    /// One piece of the sender's snapshot.
    Piece {
        /// The sender's term.
        term: Term,
        /// The last entry of its log.
        last: LogId,
        /// The piece.
        piece: Piece<C>,
    },
}

/// What rests on durable state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// Of the election.
    Election(election::Claim<LogId>),
    /// Holds what the leader holds.
    Appended {
        /// The leader's term.
        term: Term,
        /// Up to here.
        upto: Index,
        /// What it knows to be decided.
        decided: Index,
    },
    /// Does not hold the entry that the leader named.
    Missing {
        /// The leader's term.
        term: Term,
        /// The leader should try from the entry after this one.
        hint: Index,
    },
    /// Holds pieces of a snapshot.
    Pieced {
        /// Of which.
        base: LogId,
        /// All before this one.
        next: u32,
    },
}

/// What a member hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message<C> {
    /// A notice.
    Notice(Notice<C>),
    /// A claim.
    Claim(Claim),
}

impl<C> From<Notice<C>> for Message<C> {
    fn from(notice: Notice<C>) -> Self {
        Self::Notice(notice)
    }
}

impl<C> From<Claim> for Message<C> {
    fn from(claim: Claim) -> Self {
        Self::Claim(claim)
    }
}

impl<C> From<election::Notice<LogId>> for Notice<C> {
    fn from(notice: election::Notice<LogId>) -> Self {
        Self::Election(notice)
    }
}

impl From<election::Claim<LogId>> for Claim {
    fn from(claim: election::Claim<LogId>) -> Self {
        Self::Election(claim)
    }
}

/// What the shell may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command<C> {
    /// Of the election. Request ids of [`election::Command::Confirm`] and of [`Command::Read`] rise together.
    Election(election::Command),
    /// Append this. Answered by [`Report::Taken`] or [`Report::Refused`]; decided when [`Event::Decided`] names the same
    /// entry, lost when it names another one in the same place.
    Propose(C),
    /// What must have been applied before a read that is asked for now? Answered by [`Event::Readable`].
    Read,
    /// One piece of a snapshot of all that was applied up to this place. After the last piece the log up to there goes.
    Piece {
        /// The last entry that it covers.
        upto: Index,
        /// Which piece, counted from 0.
        nth: u32,
        /// It is the last one.
        end: bool,
        /// The piece.
        body: C,
    },
}

/// What holds, once the writes before it are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event<C> {
    /// Of the election.
    Election(election::Event<LogId>),
    /// This is decided, and so is all before it. Comes in order, from the snapshot's end on after every start.
    Decided(Entry<C>),
    /// The state to go on from is that of the store's snapshot, which ends here: at a start, and when it came from a peer.
    Load {
        /// The last entry that it covers.
        base: LogId,
    },
    /// The log up to here is dropped.
    Compacted {
        /// The last entry that the snapshot covers.
        base: LogId,
    },
    /// The log lacks nothing any more: this member votes again.
    Whole {
        /// All that is decided up to here is in it.
        upto: Index,
    },
    /// Whoever asked to read may, after applying all up to here.
    Readable {
        /// The latest request answered.
        upto: RequestId,
        /// The last entry to apply before.
        at: Index,
    },
}

/// What a member tells itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// Of the election.
    Election(election::Note),
    /// Its own copy goes this far.
    Stored {
        /// Up to this entry.
        upto: LogId,
    },
}

impl From<election::Note> for Note {
    fn from(note: election::Note) -> Self {
        Self::Election(note)
    }
}

/// One change of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record<C> {
    /// Of the election.
    Hard(HardState),
    /// The next entry.
    Append(Entry<C>),
    /// Entries after this place go.
    Truncate {
        /// The last one that stays.
        after: Index,
    },
    /// The next piece of a snapshot that is being gathered; the first one begins it anew.
    Piece {
        /// The last entry that it covers.
        base: LogId,
        /// Which piece, counted from 0.
        nth: u32,
        /// The piece.
        piece: C,
    },
    /// What was gathered is the snapshot now. Entries up to its end go, and those after it too unless they follow its
    /// very last entry.
    Install {
        /// The last entry that it covers.
        base: LogId,
    },
    /// The log lacks nothing any more.
    Whole,
}

impl<C> From<HardState> for Record<C> {
    fn from(hard: HardState) -> Self {
        Self::Hard(hard)
    }
}

/// What recovery starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Durable {
    /// Term and vote.
    pub hard: HardState,
    /// The snapshot's end.
    pub base: LogId,
    /// Where terms begin after it.
    pub runs: Vec<Run>,
    /// The last entry's place.
    pub last: Index,
    /// It may lack entries that this member has acknowledged: the store was lost, or is new in an old cluster, and the number of
    /// the configuration was raised since.
    pub lacks: bool,
}

/// For whom something is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom {
    /// To be applied here.
    Host,
    /// A member that follows this leader.
    Follower(NodeId),
    /// A voter that wants to stand.
    Asker(NodeId),
}

/// What is fetched from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Query {
    /// Entries.
    Entries {
        /// From this place.
        from: Index,
        /// To this one.
        upto: Index,
        /// For whom.
        whom: Whom,
    },
    /// A piece of the snapshot.
    Piece {
        /// The last entry that it covers.
        base: LogId,
        /// Which piece, counted from 0.
        nth: u32,
        /// For whom.
        whom: Whom,
    },
}

impl From<Never> for Query {
    fn from(never: Never) -> Self {
        match never {}
    }
}

/// What the store answers, from what is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rows<C> {
    /// Entries from the first place asked for on, without a gap, as far as they go; none if the first is not there.
    Entries(Vec<Entry<C>>),
    /// A piece.
    Piece {
        /// `None` if the snapshot is another one by now.
        piece: Option<C>,
        /// It is the last one.
        end: bool,
    },
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// This member does not lead; the one named here may.
    NotLeader {
        /// The leader that was last heard, within T.
        leader: Option<NodeId>,
    },
    /// Too much is undecided. Offer it again later.
    Busy,
    /// The leadership is being handed over.
    HandingOver,
    /// The store is full.
    Full,
    /// It has more bytes than [`Config::body_max`]: it could be appended, and never sent.
    TooLarge,
    /// The snapshot covers what has not been applied, or less than the one before, or a piece is missing.
    Snapshot,
}

/// Ungated news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Report {
    /// Of the election.
    Election(election::Report),
    /// A command has been appended; whether it will be decided is open.
    Taken {
        /// Which.
        request: RequestId,
        /// The entry that it became.
        id: LogId,
    },
    /// A command was refused.
    Refused {
        /// Which.
        request: RequestId,
        /// The reason.
        refusal: Refusal,
    },
    /// Entries after this place were cut from this log: they were never decided here.
    Cut {
        /// The last one that stays.
        after: Index,
    },
    /// The log may lack entries that this member has acknowledged: it follows, and does not vote until [`Event::Whole`].
    Lacks,
    /// Reads up to this one will not be answered here: the leadership ended.
    Unreadable {
        /// The latest of them.
        upto: RequestId,
    },
}

impl From<election::Report> for Report {
    fn from(report: election::Report) -> Self {
        Self::Election(report)
    }
}
