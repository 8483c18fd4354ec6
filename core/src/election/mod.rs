//! Election: at most one leader a term, and any majority of voters that can talk to each other gets one.
//!
//! # What it guarantees (ids of `proofs/claims.toml`)
//! * `election/I1` Each term has at most one leadership, also counted by lives: nobody leads a term twice.
//! * `election/I2` A member's durable term never falls, and is at least that of every claim it ever sent.
//! * `election/I3` All votes that a member ever gives in one term name one candidate.
//! * `election/I4` Every leadership rests on durable votes of a majority of all voters.
//! * `election/I5` No two leases are valid at one moment, while clocks keep within their bound.
//! * `election/I6` A leadership that is won after one with a higher fencing number (term) is never confirmed.
//! * `election/I7` A pre-vote changes nothing durable.
//! * `election/I8` What a member does depends on its state and its input alone.
//! * `election/R3` Nobody would vote against a leader that it has heard within T.
//! * `election/R5` Nobody raises its term to stand, unless a majority would vote for it or its leader hands over.
//! * `election/R8` A resignation frees whoever hears it at once.
//! * `election/Q1` "Who leads?" is answered with a leader only if nobody with a higher term led when it was asked.
//! * `election/V1` When things calm down, any majority that is up gets a leader, and keeps it.
//! * `election/V2` The same with one voter that reaches a majority, whoever else cannot.
//! * `election/V3` Outsiders cannot unseat a leader that a majority hears.
//! * `election/V4` A member that comes back follows, without a change of leader.
//! * `election/V5` A hand-over to a member that is up takes one election.
//! * `election/V6` After everything was down, a majority that is back gets a leader without a person.
//! * `election/V7` A strict tenure ends in time.
//!
//! # What it assumes
//! The store keeps what it reported durable, or says that it lost it. The transport may lose, repeat, delay and reorder,
//! and tells who is speaking. Clocks drift by at most [`DRIFT_PERMILLE`]; only leases rest on that. Who may speak at all
//! (cluster, configuration, incarnation) is the business of `identity`, before a message comes here.
//!
//! # Roles
//! | role | input | guard | next | effects |
//! | --- | --- | --- | --- | --- |
//! | Follower | Election timer | a leader was heard | Follower | it counts as gone; wait for the rank |
//! | Follower | Election timer | none is known, may stand | PreCandidate | notice PreVote to all voters |
//! | PreCandidate | PreVoted | a majority would vote | Candidate | next term, own vote: persist; claim Vote to all voters |
//! | PreCandidate | PreVote | from a better rank | PreCandidate | notice PreVoted; gives way: counts on, and stands no sooner than its timer |
//! | PreCandidate | Election timer | gave way, and a majority would vote | Candidate | as above |
//! | PreCandidate | Election timer | – | PreCandidate | asks again |
//! | PreCandidate | Behind | with the grants a majority | PreCandidate | tells the host whose log to fetch |
//! | Follower | Transfer | from its leader, of its term, and no later round answered | Candidate | as above; the votes need not wait for the silence |
//! | Candidate | Voted, or own vote durable | a majority, own vote among it | Leader | heartbeat to all |
//! | Candidate | Election timer | – | PreCandidate | asks anew, in the same term |
//! | Leader | Peer timer | no majority answered within T | Follower | notice Resign |
//! | Leader | a write late, no space, asked | – | Follower | notice Resign |
//! | Leader | Transfer asked, tenure nearly over | a voter is ready | Leader | lease given up; claim Transfer |
//! | any | a higher term in Vote, Heartbeat, Nack | not while a leader is heard, for Vote | Follower | persist |
//! | any but Leader | Heartbeat | of its term or higher | Follower | claim Ack; listens to this one for T |
//! | Observer | – | – | Observer | follows, never votes or stands |
//!
//! # Messages
//! | message | to | kind | says |
//! | --- | --- | --- | --- |
//! | PreVote | voters | notice | would you vote for me in this term? |
//! | PreVoted | pre-candidate | notice | I would |
//! | Behind | pre-candidate | claim | I would, but my log goes further than yours: to here |
//! | Vote | voters | claim | I stand in this term (durable), and have voted for myself |
//! | Voted | candidate | claim | my vote in this term is yours, durably |
//! | Heartbeat | all | notice | I lead this term |
//! | Ack | leader | claim | I heard this round, and my term is yours, durably |
//! | Nack | sender | claim | your term is over: mine is this, durably |
//! | Resign | all | notice | I lead this term no more |
//! | Transfer | successor | claim | stand now; whoever listens to me may vote for you |
//!
//! There is no refusal of a vote: each message kind multiplies the states, and a pre-vote's Nack tells all that it would.
//!
//! # Giving way
//! Two that ask at once would split the votes, so the worse in the order lets the better one try first: for as long as that
//! one needs to be elected, and no longer, for it may reach nobody else. It keeps the answers that it has and goes on
//! counting. Then it stands with them, unless it has heard better: that takes no second round of questions, and two can
//! not give way to each other, because the order of one term is one order. Whoever is refused with a Nack lets the
//! refuser try first in the same way.
//!
//! # Time
//! There is no clock. "Heard within T" is a timer that each contact arms anew: a follower's Election timer, and one
//! Peer timer for each voter at the leader. A lease is a timer armed before the heartbeats that earn it leave, one of
//! two slots in turn: it holds while the slot of the last round that a majority answered has not run out.
//!
//! A hand-over frees voters from their promise to the leader that hands over, and may come late or twice. So it names the
//! leader's last round, and frees nobody who has answered a later one. Where there are leases, whoever has started less
//! than T ago does not know what it has answered (Quarantine timer), and is freed by no hand-over.

mod asking;
#[cfg(seeded_bugs)]
pub mod bugs;
mod config;
mod disk;
mod following;
mod hosting;
mod image;
mod leader;
mod member;
mod voting;

pub use config::{Config, DRIFT_PERMILLE, Invalid, Tenure, Timing};
pub use image::HardImage;
pub use leader::{HandOver, Leader};
pub use member::{Election, Health, Loyalty, Role};

use core::fmt;

use crate::protocol::Datum;
use crate::types::{NodeId, RequestId, Term};

/// How far a log goes. A candidate whose log ends before a voter's does not get its vote.
pub trait Position: Datum + Copy + Ord + Default {}

/// Election without a log: all logs are equal.
impl Position for () {}

/// What rests on nothing durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notice<L> {
    /// Asks whether a vote would be given.
    PreVote {
        /// The term it would be in.
        term: Term,
        /// How far the asker's log goes.
        last: L,
    },
    /// Would vote.
    PreVoted {
        /// The term that was asked about.
        term: Term,
    },
    /// Leads.
    Heartbeat {
        /// This term.
        term: Term,
        /// The leader's latest round of questions; an answer to it is an answer to all before.
        round: u64,
    },
    /// Leads no more.
    Resign {
        /// This term.
        term: Term,
    },
}

/// What rests on durable state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim<L> {
    /// Stands for election.
    Vote {
        /// In this term.
        term: Term,
        /// How far the candidate's log goes.
        last: L,
        /// The old leader's last round, if it handed over: a voter that has not heard a later one need not wait.
        token: Option<u64>,
    },
    /// Votes for the one that this is sent to.
    Voted {
        /// In this term.
        term: Term,
    },
    /// Answers a heartbeat.
    Ack {
        /// Of this term.
        term: Term,
        /// Of this round.
        round: u64,
    },
    /// Refuses what is of an older term.
    Nack {
        /// The refuser's term.
        term: Term,
    },
    /// Hands over.
    Transfer {
        /// The term that ends.
        term: Term,
        /// The leader's last round in it.
        round: u64,
    },
    /// Would vote, but for the log.
    Behind {
        /// The term that was asked about.
        term: Term,
        /// How far the refuser's log goes.
        last: L,
    },
}

/// What a member hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message<L> {
    /// A notice.
    Notice(Notice<L>),
    /// A claim.
    Claim(Claim<L>),
}

impl<L> From<Notice<L>> for Message<L> {
    fn from(notice: Notice<L>) -> Self {
        Self::Notice(notice)
    }
}

impl<L> From<Claim<L>> for Message<L> {
    fn from(claim: Claim<L>) -> Self {
        Self::Claim(claim)
    }
}

/// What the shell may ask for. Who does not lead refuses all but [`Command::Drain`], by a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Is this member the leader, at a moment after the question? Answered by [`Event::Confirmed`]. Request ids of
    /// questions must rise.
    Confirm,
    /// Hand over to this voter, or to the first in the drawn order that is ready.
    Transfer(Option<NodeId>),
    /// Stop leading.
    Resign,
    /// Hand over, and do not stand again until told otherwise (`false`) or restarted.
    Drain(bool),
}

/// What holds, once the writes before it are durable. A gain whose term is not above that of a loss already reported
/// is void: the report has overtaken it. A lease may be lost and earned again in one term, so there the round counts too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event<L> {
    /// This member leads. The term is the fencing number.
    Leading {
        /// Of this term.
        term: Term,
    },
    /// Another leads.
    Following {
        /// Who.
        leader: NodeId,
        /// Of this term.
        term: Term,
    },
    /// This member led when every question up to this one had been asked: a majority has said so since.
    Confirmed {
        /// The latest question answered.
        upto: RequestId,
        /// The fencing number.
        term: Term,
    },
    /// The leader has a lease. Void if the loss of this round's or a later one's was reported already.
    Leased {
        /// Of this term.
        term: Term,
        /// Earned by this round.
        round: u64,
    },
    /// A majority would vote, if the log went further. For the host: fetch it from this member, and ask again.
    NeedsLog {
        /// Whose log goes furthest.
        from: NodeId,
        /// To here.
        last: L,
    },
}

/// Timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Nothing heard: from a leader, from voters, or simply time to try again.
    Election,
    /// The leader speaks.
    Heartbeat,
    /// This voter has not answered the leader for T.
    Peer(NodeId),
    /// The lease of the rounds in this slot ends.
    Lease(bool),
    /// The hand-over has not brought a new term.
    HandOver,
    /// The tenure nearly ends, or ends.
    Tenure,
    /// A write takes too long.
    Write,
    /// What was promised before the start is over, where there are leases.
    Quarantine,
}

/// What a member tells itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// Its own vote in this term is durable.
    Own {
        /// The term.
        term: Term,
    },
    /// One write is durable.
    Written,
    /// The term is durable, the vote not yet: the seeded bug of two writes.
    #[cfg(seeded_bugs)]
    Vote {
        /// For whom.
        candidate: NodeId,
        /// In this term.
        term: Term,
    },
}

/// What survives: one record, always written whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardState {
    /// The highest term seen.
    pub term: Term,
    /// Who got this member's vote in it.
    pub vote: Option<NodeId>,
}

/// Why a leadership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A higher term was seen.
    HigherTerm,
    /// No majority answered within T.
    QuorumLost,
    /// It was handed over.
    HandedOver,
    /// A person or the host asked for it.
    Asked,
    /// A write was pending for longer than T / 2.
    DiskLate,
    /// The store has no room.
    DiskFull,
    /// The tenure ended and nobody took over.
    TenureOver,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HigherTerm => "a higher term was seen",
            Self::QuorumLost => "no majority answered in time",
            Self::HandedOver => "it was handed over",
            Self::Asked => "it was asked to",
            Self::DiskLate => "the disk did not finish a write in time",
            Self::DiskFull => "the disk is full",
            Self::TenureOver => "its tenure ended",
        })
    }
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// This member does not lead; the one named here may.
    NotLeader {
        /// The leader that was last heard, within T.
        leader: Option<NodeId>,
    },
    /// A hand-over is under way.
    HandingOver,
    /// That voter has not answered within T, or is none.
    NotReady,
}

/// Ungated news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Report {
    /// The leadership of this term is over. Whoever acts on it must stop.
    StoppedLeading {
        /// Its term.
        term: Term,
        /// The reason.
        why: Why,
    },
    /// The lease of this term is over; the leadership may go on.
    LeaseLost {
        /// Its term.
        term: Term,
        /// Earned by this round or one before it.
        round: u64,
    },
    /// The leader was not heard for T, is gone, or has resigned.
    LeaderLost {
        /// Who.
        leader: NodeId,
        /// Its term.
        term: Term,
    },
    /// A command was refused.
    Refused {
        /// Which.
        request: RequestId,
        /// The reason.
        refusal: Refusal,
    },
    /// Questions up to this one will not be answered here: the leadership ended.
    Unconfirmed {
        /// The latest of them.
        upto: RequestId,
    },
    /// A hand-over came to nothing; this member still leads.
    TransferFailed {
        /// To whom the last try was; `None` if nobody was ready.
        to: Option<NodeId>,
    },
    /// A write is pending for longer than T / 2.
    WriteLate,
    /// The disk works again.
    WriteBack,
    /// The store was lost: this member follows, but does not vote until a person has decided.
    StoreLost,
    /// A peer said something that it may not say.
    Misbehaved {
        /// Who.
        from: NodeId,
        /// What.
        what: &'static str,
    },
}
