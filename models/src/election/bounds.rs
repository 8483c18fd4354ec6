//! How large a world of election is, and which mechanisms are on in it.

use pehra_core::election::{Config, HardImage, HardState, Timing};
use pehra_core::members::NodeSet;
use pehra_core::node::GateBound;
use pehra_core::types::{NodeId, Term};

/// The most members of a world.
pub const MEMBERS: usize = 5;

/// Voters, budgets and mechanisms.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Voters, at most five members in all.
    pub voters: u16,
    /// Observers, after the voters.
    pub observers: u16,
    /// The highest term that anybody may enter before the calm.
    pub terms: u8,
    /// Terms more that may be entered once calm.
    pub headroom: u8,
    /// Crashes.
    pub crashes: u8,
    /// Stores lost.
    pub wipes: u8,
    /// Hand-overs asked for.
    pub transfers: u8,
    /// Hints that a leader's process is gone, true or not.
    pub hints: u8,
    /// Questions who leads.
    pub questions: u8,
    /// Resignations asked for.
    pub resigns: u8,
    /// Writes that take too long.
    pub late_writes: u8,
    /// Who cannot win does not stand.
    pub pre_vote: bool,
    /// Voters may seem silent to a leader.
    pub check_quorum: bool,
    /// An order of successors is drawn, another one in each term.
    pub ranks: bool,
    /// Whoever follows does not give its leader up while it has a write open and has not noticed that it is late.
    /// With one write open timers see to that: the write's is armed no later than the leader's, for half as long. When
    /// the first of two is done the second is watched anew, so there this is an assumption.
    pub timely: bool,
    /// How much may wait behind a gate. The smaller one of models is met where members change their minds often while
    /// one write is open, and then more terms would overfill it, which no deployed gate comes near to.
    pub gate: GateBound,
    /// States that no property can tell apart are one: see `renaming` and `dead`.
    pub reduced: bool,
    /// Handed over, durable, reported are three steps; otherwise the last two are one.
    pub split: bool,
    /// The terms on the members' disks after an outage of all, out of which they start into the calm; without any, they
    /// start with nothing, long before it.
    pub outage: &'static [u8],
    /// How the network may calm down, for liveness.
    pub calms: Vec<Shape>,
    /// The bug.
    #[cfg(seeded_bugs)]
    pub bug: Option<pehra_core::election::bugs::Bug>,
}

/// Who reaches whom once things are calm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// Everybody everybody.
    All,
    /// This one is down for good.
    Without(u8),
    /// Only this one reaches everybody; the others reach only it.
    Hub(u8),
    /// This one speaks, and hears nothing.
    Deaf(u8),
}

impl Shape {
    /// Whether messages from one arrive at the other.
    #[must_use]
    pub const fn carries(self, from: u8, to: u8) -> bool {
        match self {
            Self::All => true,
            Self::Without(gone) => from != gone && to != gone,
            Self::Hub(hub) => from == hub || to == hub,
            Self::Deaf(deaf) => to != deaf,
        }
    }

    /// Whether both hear each other.
    #[must_use]
    pub const fn links(self, one: u8, other: u8) -> bool {
        self.carries(one, other) && self.carries(other, one)
    }
}

impl Bounds {
    /// So many voters and terms: pre-vote off, no crash.
    #[must_use]
    pub const fn new(voters: u16, terms: u8) -> Self {
        Self {
            voters,
            observers: 0,
            terms,
            headroom: 0,
            crashes: 0,
            wipes: 0,
            transfers: 0,
            hints: 0,
            questions: 0,
            resigns: 0,
            late_writes: 0,
            pre_vote: false,
            check_quorum: false,
            ranks: false,
            timely: false,
            gate: GateBound::MODEL,
            reduced: false,
            split: false,
            outage: &[],
            calms: Vec::new(),
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// The same with crashes.
    #[must_use]
    pub fn crashes(mut self, crashes: u8) -> Self {
        self.crashes = crashes;
        self
    }

    /// The same with a gate that holds so many effects.
    #[must_use]
    pub fn held(mut self, held: u16) -> Self {
        self.gate.held = held;
        self
    }

    /// The same, with states that no property can tell apart as one.
    #[must_use]
    pub fn reduced(mut self) -> Self {
        self.reduced = true;
        self
    }

    /// The disk that this member begins with.
    #[must_use]
    pub fn image(&self, member: u8) -> HardImage {
        let term = self.outage.get(usize::from(member)).copied().unwrap_or(0);
        let hard = HardState {
            term: Term(term.into()),
            vote: None,
        };
        HardImage {
            hard: (term > 0).then_some(hard),
            lost: false,
        }
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> u8 {
        u8::try_from(self.voters + self.observers).expect("a world has few members")
    }

    /// What this member is told.
    #[must_use]
    pub fn config(&self, me: u8) -> Config {
        let voters = NodeSet::first(self.voters);
        Config {
            observers: NodeSet::first(self.voters + self.observers).minus(voters),
            pre_vote: self.pre_vote,
            #[cfg(seeded_bugs)]
            bug: self.bug,
            ..Config::new(NodeId(me.into()), voters, Timing::LAN)
        }
    }

    /// The bounds as words.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = vec![format!("{} voters", self.voters), format!("{} terms", self.terms)];
        for (count, what) in [
            (self.observers, "observer"),
            (self.crashes.into(), "crashes"),
            (self.wipes.into(), "stores lost"),
            (self.transfers.into(), "hand-overs"),
            (self.hints.into(), "hints"),
            (self.questions.into(), "questions"),
            (self.resigns.into(), "resignations"),
            (self.late_writes.into(), "late writes"),
        ] {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        for (on, what) in [
            (self.pre_vote, "pre-vote"),
            (self.check_quorum, "check-quorum"),
            (self.ranks, "ranks"),
        ] {
            if on {
                words.push(what.into());
            }
        }
        if !self.outage.is_empty() {
            words.push(format!(
                "after an outage in which the terms {:?} were left on the disks",
                self.outage
            ));
        }
        if !self.calms.is_empty() {
            let shapes: Vec<String> = self.calms.iter().map(|shape| format!("{shape:?}")).collect();
            words.push(format!("calm as {}", shapes.join(" or ")));
            words.push(format!("{} terms more once calm", self.headroom));
        }
        words.push(
            if self.split {
                "handed over, durable, reported in three steps"
            } else {
                "durable and reported in one step"
            }
            .into(),
        );
        if self.gate != GateBound::MODEL {
            words.push(format!("{} effects behind a gate", self.gate.held));
        }
        if self.timely {
            words.push("a late write is noticed before a leader is given up".into());
        }
        words.push("loss, repetition and reordering unlimited".into());
        if self.reduced {
            words.push("states that no property can tell apart are one".into());
        }
        words.join(", ")
    }
}
