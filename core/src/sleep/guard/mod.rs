//! Guard duty: who sleeps, who watches, and who wakes whom.
//!
//! One member's part of PEHRA, over a log that others keep: it is told what is decided and who leads (`crate::sleep` hosts it
//! beside the log). The leader of a term is its *Pehredar*. **Waking never needs permission; sleeping always does.**
//!
//! # What it guarantees (ids of `proofs/claims.toml`)
//! * `sleep/S1` In a term at most one member grants.
//! * `sleep/S2` A member goes to sleep only by a grant that was made for this very moment of its life, under the plan that it
//!   knows as the latest decided, by the Pehredar that it follows, and only once.
//! * `sleep/S3` Whoever has promised to stay awake under the latest decided plan covers every partition.
//! * `sleep/S4` Of the voters, a majority and the spare stay awake.
//! * `sleep/S5` Every record that was acknowledged with `acks=all` is in the log of every later leader, whoever sleeps: a broker is
//!   stopped cleanly before its machine sleeps.
//! * `sleep/S6` Whatever wakes, wakes a sleeper: whoever sends it, in whatever term.
//! * `sleep/S7` Nobody grants or accepts who has seen traffic within the idle time, wakes somebody, knows of a round of
//!   maintenance, or knows that all is switched off.
//! * `sleep/S8` A temporary Pehredar grants nothing.
//! * `sleep/S9` In a term at most one member is on its way to sleep or in maintenance.
//! * `sleep/S10` An order that comes again, late, or from elsewhere moves nobody towards sleep.
//! * `sleep/S12` Every sleeper has its alarm clock armed.
//! * `sleep/S13` Only an order with a higher epoch switches on.
//! * `sleep/S14` Those who sleep under one plan have different slots for the first rings of their alarm clocks: their places in an order
//!   that is drawn with the term.
//! * `sleep/L1` When things are calm and somebody is needed, all that it takes gets up.
//! * `sleep/L2` When no Pehredar is to be found, all wake up.
//! * `sleep/L3` Every sleeper wakes up again, by its alarm clock if by nothing else.
//! * `sleep/L4` A healthy cluster that stays idle lets sleep whom it can.
//! * `sleep/L5` After all were down somebody watches, and every partition has a leader.
//! * `sleep/L6` A round of maintenance visits all its members, and ends.
//! * `sleep/L7` A wake ends: those who were called are up, or leave the plan and a person is told.
//! * `sleep/L8` Whoever is on its way gets somewhere.
//!
//! # What it assumes
//! What is decided is decided for ever, in one order (`replication/I10`, `I11`); a term has one leader (`election/I1`), and a
//! leader's first plan is decided only after all that was decided before. The transport may lose, repeat, delay and reorder.
//! A reading of the cluster is begun after it is asked for.
//!
//! # A member's broker
//! `pehra flowchart` draws this table, and a test holds the code against it.
//!
//! | state | input | guard | next | effects |
//! | --- | --- | --- | --- | --- |
//! | Active | Grant to sleep | S2, S7, not on duty, `self_check` | Draining: looking | look at the cluster |
//! | Draining: looking | View | those who were counted cover it | Draining: stopping | stop the broker |
//! | Draining: stopping | Stopped | – | Draining: settling | look at the cluster |
//! | Draining: settling | View | those who were counted cover it | Sleeping | alarm armed in its slot; claim Standing; sleep |
//! | Draining: looking | Wake, traffic, it leads, another Pehredar, another plan, a round, switched off, Drain timer, Paused | – | Active | draw a lock |
//! | Draining: looking | a View that does not cover | – | Active | draw a lock |
//! | Draining: stopping, Draining: settling | Wake, traffic, it leads, another Pehredar, another plan, a round, switched off, Drain timer, Paused | – | Waking | start the broker |
//! | Draining: settling | a View that does not cover | – | Waking | start the broker |
//! | Sleeping | Alarm timer, Paused | – | Ringing | draw a lock; look for a Pehredar |
//! | Ringing | Grant to sleep | as above | Draining: settling | look at the cluster |
//! | Sleeping, Ringing | Wake, traffic, it leads, switched off, Probe timer | – | Waking | start the broker |
//! | Waking | Up | in sync everywhere | Active | claim Standing |
//! | Active | Grant of maintenance | as above, and a round is decided | Maintenance | it may be worked on |
//! | Maintenance | Done | – | Waking | start the broker |
//! | Active, Draining: looking | Down | – | Waking | start the broker |
//! | any | start, restart | – | Waking | start the broker |
//!
//! # What a member is to the others
//! | role | input | guard | next | effects |
//! | --- | --- | --- | --- | --- |
//! | any | leads a term | – | Pehredar | reads the cluster |
//! | any | follows, leads no more | – | none | claim Standing, if it follows |
//! | none | Probe timer, traffic | no Pehredar is known | Temporary | wakes all, again and again |
//! | Pehredar | View | too few are awake | Pehredar | wakes whom it takes |
//! | Pehredar | View | another watch is needed, or a smaller one is enough | Pehredar | proposes a plan |
//! | Pehredar | View | S7, nobody is on the way, those who promised cover all | Pehredar | claim Grant to one who is willing |
//! | Pehredar | traffic | – | Pehredar | wakes whom it takes by a reading that was begun since the need was first told, or all |
//! | Pehredar | Answer timer | one who was called has not answered | Pehredar | wakes all others that would do |
//! | Pehredar | a wake takes too long | – | Pehredar | reports it; the silent one leaves the plan, and others are woken in its place |
//! | Pehredar | View, while there is traffic | all who are left are too few | Pehredar | wakes silent ones too |
//! | Pehredar | Standing of one who had left | awake | Pehredar | proposes a plan with it |
//! | Pehredar | Enable order | a higher epoch, all are awake | Pehredar | proposes to switch on |
//! | Pehredar | Disable order, traffic by policy | – | Pehredar | wakes all, and proposes to switch off |
//! | Pehredar | Maintain order | no round is under way | Pehredar | proposes a round |
//! | Pehredar | Standing of one whose work is done | – | Pehredar | proposes the round without it, before anything else |
//! | Pehredar | a round that has only itself left | – | Pehredar | lets another lead |
//!
//! # Messages
//! | message | to | kind | says |
//! | --- | --- | --- | --- |
//! | Standing | Pehredar | claim | this is how I stand; if on duty, I promise to stay awake until the next plan |
//! | Grant | one member | claim | you may sleep (or be worked on) now: these will stay awake meanwhile |
//! | Wake | members | notice | wake up |
//! | Traffic | Pehredar | notice | somebody needs more than is awake |
//!
//! # Why nobody who counts is asleep
//! A promise is made by telling it (Standing), bound to one plan, and kept by a rule without memory: a member accepts grants only under
//! the latest plan that it knows, only of the leader that it follows, and never while that plan has it on duty. A grant for it under an
//! older plan is void as soon as it has told its promise under a newer one. So whoever the Pehredar of the latest plan counts is awake, or has
//! crashed. That a leader of an older term goes on granting does no harm: it reaches only those who have not promised anything newer.
//!
//! A grant names the *lock* that the sleeper last told: a number that is never drawn again, and is drawn anew at every start, wake,
//! refusal and sight of traffic. So each grant is good once, for one moment. The Pehredar grants to one at a time, and goes on only when
//! the member *echoes* that lock: it has slept by it or never will.
//!
//! # Alarm slots
//! The first ring of a sleeper's alarm clock comes in its slot of the period, each further one after the whole of it. The slot is its place,
//! among those whom the plan lets sleep, in the order that the election draws for each term (`crate::sleep` hands it over). That order is one
//! for all members, so no two have one slot; and it is another in each term and rests on the cluster's key, so nobody without the key can
//! foresee when whose machine is up. It is in no message and no report, and a member keeps no more of it than who comes before itself.
//! Slots count from when each falls asleep: that rings are an n-th of the period apart holds for n that go to sleep together. No bound rests
//! on it: a ring comes within the period, whatever the slot (`sleep/L3`). Whoever sees a machine ring has learnt its place in this term.

mod asked;
#[cfg(seeded_bugs)]
pub mod bugs;
mod config;
mod decree;
mod member;
mod rousing;
mod sleeper;
mod watch;

pub use config::{Config, Invalid, Timing, WakeRule};
pub use decree::{Decree, Plan};
pub use member::{Guard, Role};
pub use sleeper::{Fitness, Stage, State};
pub use watch::{Given, Watch};

use core::fmt;

use crate::members::NodeSet;
use crate::replication::LogId;
use crate::sleep::cover::View;
use crate::sleep::coverage::Gear;
use crate::types::{NodeId, RequestId, Term, Ticks};

/// What rests on nothing durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notice {
    /// Wake up, whoever says so. Whoever gets this ticket back knows that it was heard.
    Wake {
        /// A number that is never used again; zero if none is to hand.
        ticket: u64,
    },
    /// Somebody needs more than is awake.
    Traffic,
}

/// What a member's broker does, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doing {
    /// Up, and in sync in all its partitions.
    Active,
    /// On its way to sleep.
    Draining,
    /// Asleep.
    Asleep,
    /// Its machine is up for a moment, its broker is not.
    Ringing,
    /// Starting, or catching up.
    Waking,
    /// Being worked on.
    Maintenance,
}

/// How a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Standing {
    /// The latest decree that it knows.
    pub known: LogId,
    /// What its broker does. Active, on duty in the plan that it knows: a promise.
    pub doing: Doing,
    /// It would sleep.
    pub willing: bool,
    /// It has seen traffic within the idle time.
    pub busy: bool,
    /// A grant must name this; zero if it takes none now.
    pub lock: u64,
    /// The lock of the last grant, or the ticket of the last wake, that it is done with.
    pub echo: u64,
    /// That was a grant, and it was carried out.
    pub carried_out: bool,
}

/// What a grant is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// To sleep.
    Sleep,
    /// To be worked on.
    Maintenance,
}

/// What rests on durable state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// How the sender stands.
    Standing(Standing),
    /// One member may go down now.
    Grant {
        /// What for.
        purpose: Purpose,
        /// Under this plan.
        plan: LogId,
        /// For this moment of its life.
        lock: u64,
        /// These have promised to stay awake.
        counted: NodeSet,
    },
}

/// What a member hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// A notice.
    Notice(Notice),
    /// A claim.
    Claim(Claim),
}

impl From<Notice> for Message {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}

impl From<Claim> for Message {
    fn from(claim: Claim) -> Self {
        Self::Claim(claim)
    }
}

/// What the log beside it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum News {
    /// This member leads.
    Leading {
        /// This term.
        term: Term,
    },
    /// Another leads.
    Following {
        /// Who.
        leader: NodeId,
        /// This term.
        term: Term,
    },
    /// Nobody is known to lead, or this member leads no more.
    Leaderless {
        /// The highest term seen.
        term: Term,
    },
    /// A decree is decided. They come in order, also again after a restart.
    Decided {
        /// Its name.
        id: LogId,
        /// What it says.
        decree: Decree,
    },
    /// What was proposed was not taken, or another entry took its place.
    Dropped,
}

/// What is asked of a member, by the agent around it or by a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Somebody needs more than is awake, here.
    Traffic,
    /// Answers [`Event::Look`].
    View(View),
    /// The cluster could not be read.
    Blind,
    /// The broker has stopped, cleanly.
    Stopped,
    /// The broker is up, and in sync in all its partitions.
    Up,
    /// The broker went down, and nobody had asked for it.
    Down,
    /// The agent's own checks: whether it is fit to sleep at all (disk, wake proof, inhibitors).
    Fit(bool),
    /// Something woke the machine, or a person wants it awake.
    Wake,
    /// A person wants everybody awake.
    WakeAll,
    /// A person wants this member never to sleep, or to sleep again.
    StayAwake(bool),
    /// An admin switches on: all must be awake.
    Enable {
        /// Higher than every one before.
        epoch: u64,
    },
    /// Switches off.
    Disable,
    /// An admin wants these to be worked on, one after the other, the Pehredar last.
    Maintain(NodeSet),
    /// The work is done.
    Done,
}

/// What the shell may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// The log beside it has news.
    News(News),
    /// The agent or a person asks.
    Order(Order),
}

/// What holds, or may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// For the log: decide this.
    Propose(Decree),
    /// For the log: let another lead.
    Yield,
    /// Read the cluster, beginning now, and answer with [`Order::View`] or [`Order::Blind`].
    Look {
        /// By the rules of this gear.
        gear: Gear,
        /// Brokers that are awake; all others are taken to be asleep.
        awake: NodeSet,
    },
    /// Stop the broker cleanly, and say [`Order::Stopped`].
    Stop,
    /// The broker is down and nobody needs it: the machine may sleep.
    Sleep {
        /// It must be woken after so long.
        alarm: Ticks,
    },
    /// The broker may be worked on; say [`Order::Done`] afterwards.
    Maintain,
    /// This member watches.
    Watching {
        /// In this term.
        term: Term,
    },
}

/// Timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// No traffic for the idle time, and awake for as long.
    Idle,
    /// Tell the Pehredar; the Pehredar looks at the cluster.
    Tell,
    /// No Pehredar was found.
    Probe,
    /// The alarm clock.
    Alarm,
    /// The broker does not stop, or the cluster cannot be read.
    Drain,
    /// Wake again those who are not awake.
    Rouse,
    /// A wake takes too long.
    Wake,
    /// Whoever was called should have answered by now.
    Answer,
}

/// What a member tells itself once durable: nothing, its state is the log.
pub type Note = crate::types::Never;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// This member is not the Pehredar; the one named here may be.
    NotPehredar {
        /// The one that it follows.
        leader: Option<NodeId>,
    },
    /// The epoch is not higher than the last one.
    OldEpoch {
        /// The last one.
        last: u64,
    },
    /// These are not awake yet; they are being woken. Ask again.
    NotAwake {
        /// Who.
        asleep: NodeSet,
    },
    /// A round of maintenance is under way.
    InMaintenance,
    /// Not before the leader has read the log to its end, or while another decision is under way. Ask again.
    Busy,
    /// There is no such broker.
    Unknown,
}

/// Ungated news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Report {
    /// Start the broker; if the machine sleeps, it is being woken.
    Start,
    /// Wake this member, by whatever means.
    Rouse {
        /// Whom.
        node: NodeId,
    },
    /// This member does not wake up, or is silent: a person should look. It takes part again when it is back.
    Alert {
        /// Who.
        node: NodeId,
    },
    /// It watches no more.
    StoppedWatching {
        /// The term in which it did.
        term: Term,
    },
    /// No Pehredar is known: this member wakes all.
    Temporary,
    /// A grant was not taken.
    Declined {
        /// Why.
        why: Fitness,
    },
    /// A request was refused.
    Refused {
        /// Which.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPehredar { leader: Some(leader) } => write!(f, "this member is not the Pehredar; ask {leader}"),
            Self::NotPehredar { leader: None } => f.write_str("no Pehredar is known yet; ask again"),
            Self::OldEpoch { last } => write!(f, "the epoch must be above {last}"),
            Self::NotAwake { asleep } => write!(f, "not all are awake yet: {asleep:?} are being woken; ask again"),
            Self::InMaintenance => f.write_str("a round of maintenance is under way"),
            Self::Busy => f.write_str("another decision is under way; ask again"),
            Self::Unknown => f.write_str("there is no such broker"),
        }
    }
}
