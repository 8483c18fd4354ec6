//! How large a world of replication is, and which mechanisms are on in it.

use pehra_core::election::{self, HardState, Timing};
use pehra_core::members::NodeSet;
use pehra_core::replication::{Body, Config, Entry, Index, LogId, LogImage};
use pehra_core::types::{NodeId, Term};

pub use crate::election::Shape;

/// The most members of a world.
pub const MEMBERS: usize = 3;
/// The highest place of a log.
pub const PLACES: usize = 6;

/// Members, budgets and mechanisms.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Voters.
    pub voters: u16,
    /// The highest term that anybody may enter before the calm.
    pub terms: u8,
    /// Terms more that may be entered once calm.
    pub headroom: u8,
    /// Commands proposed.
    pub proposals: u8,
    /// Crashes.
    pub crashes: u8,
    /// Reads.
    pub reads: u8,
    /// Snapshots taken.
    pub snapshots: u8,
    /// Pieces of a snapshot.
    pub pieces: u8,
    /// Who cannot win does not stand, and catches up first.
    pub pre_vote: bool,
    /// An order of successors is drawn: of two that ask, one gives way.
    pub ranks: bool,
    /// How a crash may fall between the steps of the disk.
    pub disk: Disk,
    /// Heartbeats after the first one of each leader, before the calm. (Whatever is said once may arrive again and again.)
    pub beats: u8,
    /// Who may stand in each term, from the first on; in terms after the last one given, everybody.
    pub stands: &'static [&'static [u8]],
    /// The store takes its time to answer; otherwise it answers at once.
    pub slow_store: bool,
    /// Where the members begin.
    pub start: Start,
    /// What must be seen to happen, besides what every world must see.
    pub sees: &'static [Sees],
    /// So many entries of the first member's log were decided before the members began.
    pub decided: u8,
    /// Whose store was lost before the number of the configuration was raised.
    pub wiped: Option<u8>,
    /// Bytes of a command at the most.
    pub body_max: u32,
    /// How the network may calm down, for liveness.
    pub calms: Vec<Shape>,
    /// The bug of replication.
    #[cfg(seeded_bugs)]
    pub bug: Option<pehra_core::replication::bugs::Bug>,
    /// The bug of the election.
    #[cfg(seeded_bugs)]
    pub election_bug: Option<election::bugs::Bug>,
}

/// Something that a world may be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Every member applies something.
    AllApply,
    /// Entries are cut from a log.
    Cut,
    /// A member copies that has let another ask first.
    CopiedAside,
    /// What an earlier leader appended is decided by a later one.
    DecidedLate,
    /// A command is refused for its size.
    TooLarge,
    /// Whose store was lost votes again.
    VotesAgain,
}

/// The steps of the disk that others may come between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Handed over, durable and reported are one step.
    Instant,
    /// Handed over is one step, durable and reported another.
    Late,
    /// Handed over, durable, reported are three steps.
    Split,
}

/// Where the members begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With nothing.
    Fresh,
    /// After an outage of all, with these terms in their logs, one list a member: empty entries.
    Logs(Vec<Vec<u8>>),
}

impl Bounds {
    /// So many voters and terms: pre-vote off, nothing proposed, no crash.
    #[must_use]
    pub const fn new(voters: u16, terms: u8) -> Self {
        Self {
            voters,
            terms,
            headroom: 0,
            proposals: 0,
            crashes: 0,
            reads: 0,
            snapshots: 0,
            pieces: 1,
            pre_vote: false,
            ranks: false,
            disk: Disk::Late,
            beats: 0,
            stands: &[],
            slow_store: false,
            start: Start::Fresh,
            sees: &[],
            decided: 0,
            wiped: None,
            body_max: 1,
            calms: Vec::new(),
            #[cfg(seeded_bugs)]
            bug: None,
            #[cfg(seeded_bugs)]
            election_bug: None,
        }
    }

    /// The same with proposals.
    #[must_use]
    pub fn proposals(mut self, proposals: u8) -> Self {
        self.proposals = proposals;
        self
    }

    /// The same with crashes.
    #[must_use]
    pub fn crashes(mut self, crashes: u8) -> Self {
        self.crashes = crashes;
        self
    }

    /// Whether this member may stand in this term.
    #[must_use]
    pub fn may_stand(&self, member: u8, term: u64) -> bool {
        let place = usize::try_from(term).unwrap_or(usize::MAX).saturating_sub(1);
        self.stands.get(place).is_none_or(|who| who.contains(&member))
    }

    /// Whether somebody who may lead can be without a link to another member, once calm.
    #[must_use]
    pub fn misses_somebody(&self) -> bool {
        let terms = u64::from(self.first_term() + 1)..=u64::from(self.terms + self.headroom);
        let may_lead = |member: &u8| terms.clone().any(|term| self.may_stand(*member, term));
        let misses =
            |member: u8, shape: &Shape| (0..self.members()).any(|other| other != member && !shape.links(member, other));
        let leaders: Vec<u8> = (0..self.members()).filter(may_lead).collect();
        let mut shapes = self.calms.iter();
        shapes.any(|shape| leaders.iter().any(|member| misses(*member, shape)))
    }

    /// The term that the members begin in.
    #[must_use]
    pub fn first_term(&self) -> u8 {
        match &self.start {
            Start::Fresh => 0,
            Start::Logs(logs) => logs.iter().flatten().max().copied().unwrap_or(0),
        }
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> u8 {
        u8::try_from(self.voters).expect("a world has few members")
    }

    /// What this member is told. One entry at a time, so that every cut between two of them is looked at.
    #[must_use]
    pub fn config(&self, me: u8) -> Config {
        let voters = NodeSet::first(self.voters);
        let election = election::Config {
            pre_vote: self.pre_vote,
            #[cfg(seeded_bugs)]
            bug: self.election_bug,
            ..election::Config::new(NodeId(me.into()), voters, Timing::LAN)
        };
        Config {
            chunk: 1,
            window: 2,
            backlog: 3,
            body_max: self.body_max,
            #[cfg(seeded_bugs)]
            bug: self.bug,
            ..Config::new(election)
        }
    }

    /// The disk that this member begins with.
    #[must_use]
    pub fn image(&self, member: u8) -> LogImage<u8> {
        if self.wiped == Some(member) {
            return LogImage {
                lacks: true,
                ..LogImage::default()
            };
        }
        let Start::Logs(logs) = &self.start else {
            return LogImage::default();
        };
        let entry = |(place, term): (usize, &u8)| Entry {
            id: LogId::new(Term((*term).into()), Index(place as u64 + 1)),
            body: Body::Empty,
        };
        LogImage {
            hard: Some(HardState {
                term: Term(self.first_term().into()),
                vote: None,
            }),
            entries: logs[usize::from(member)].iter().enumerate().map(entry).collect(),
            ..LogImage::default()
        }
    }

    /// The bounds as words.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = vec![format!("{} voters", self.voters), format!("{} terms", self.terms)];
        for (count, what) in [
            (self.proposals, "proposals"),
            (self.crashes, "crashes"),
            (self.reads, "reads"),
            (self.snapshots, "snapshots"),
            (self.beats, "heartbeats more"),
        ] {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        if self.snapshots > 0 {
            words.push(format!("{} pieces each", self.pieces));
        }
        if self.pre_vote {
            words.push("pre-vote with catch-up".into());
        }
        if self.ranks {
            words.push("ranks".into());
        }
        if let Start::Logs(logs) = &self.start {
            words.push(format!(
                "after an outage with logs of the terms {logs:?}, {} decided",
                self.decided
            ));
        }
        if let Some(wiped) = self.wiped {
            words.push(format!("member {wiped}'s store lost and the number raised"));
        }
        if self.body_max == 0 {
            words.push("every command too large".into());
        }
        if !self.calms.is_empty() {
            let shapes: Vec<String> = self.calms.iter().map(|shape| format!("{shape:?}")).collect();
            words.push(format!("calm as {}", shapes.join(" or ")));
            words.push(format!("{} terms more once calm", self.headroom));
        }
        if !self.stands.is_empty() {
            words.push(format!("standing only {:?} in the first terms", self.stands));
        }
        words.push(
            match self.disk {
                Disk::Instant => "handed over, durable, reported in one step",
                Disk::Late => "durable and reported in one step",
                Disk::Split => "handed over, durable, reported in three steps",
            }
            .into(),
        );
        if self.slow_store {
            words.push("a slow store".into());
        }
        words.push("loss, repetition and reordering unlimited".into());
        words.join(", ")
    }
}
