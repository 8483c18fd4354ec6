//! The one shape of every protocol: a total, pure `step(config, input, &mut effects)`.
//!
//! What a protocol says is sorted by what it rests on:
//!
//! | effect | leaves | for |
//! | --- | --- | --- |
//! | `notice` | at once | messages that rest on nothing durable: a heartbeat |
//! | `report` | at once | bad news and diagnostics for the local shell: refused, lost, fenced |
//! | `arm`, `disarm`, `draw` | at once | timers; a random choice that the driver makes |
//! | `persist` | at once, to the store | one change of the store; all of one step are one commit |
//! | `claim` | when every write up to the end of this step is durable | messages that rest on durable state: an acknowledgement |
//! | `emit` | likewise | good news for the local shell: what now holds |
//! | `note` | likewise, back to the protocol itself | its own copy is durable |
//! | `fetch` | likewise | bodies from the store |
//! | `fault` | instead of all others | an invariant is broken: the node stops |

use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

use crate::members::Order;
use crate::types::{Broken, Delay, NodeId, RequestId, Term};

/// What any part of a protocol's vocabulary must be, so that models can store it and traces can print it.
pub trait Datum: Clone + Debug + Eq + Hash {}
impl<T: Clone + Debug + Eq + Hash> Datum for T {}

/// A protocol: state, vocabulary, and the function from one state to the next.
pub trait Protocol: Clone + Debug + Eq + Hash + Sized {
    /// Fixed for the life of the process.
    type Config;
    /// What the local shell may ask for.
    type Command: Datum;
    /// What now holds; leaves only when it is durable.
    type Event: Datum;
    /// Its timers, all of them, by name.
    type Timer: Datum + Ord + Copy;
    /// What it hears from peers.
    type Heard: Datum;
    /// What it says that rests on nothing durable.
    type Notice: Datum;
    /// What it says that rests on durable state.
    type Claim: Datum;
    /// What it tells itself once durable.
    type Note: Datum;
    /// One change of the store.
    type Record: Datum;
    /// The bounded summary that recovery starts from.
    type Durable: Datum;
    /// What it may fetch from the store.
    type Query: Datum;
    /// The answer to a query.
    type Rows: Datum;
    /// Ungated news: refusals, losses, diagnostics.
    type Report: Datum;
    /// The effects of its children, kept for reuse; `()` for a leaf.
    type Parts: Default + Debug;

    /// Makes the state after a start or a restart from what the store kept.
    fn recover(config: &Self::Config, recovered: Recovered<Self::Durable>, fx: &mut Effects<Self>) -> Self;

    /// Takes one input and says all that follows from it.
    fn step(&mut self, config: &Self::Config, input: Input<Self>, fx: &mut Effects<Self>);

    /// States the invariants. Runs in tests, models, simulation and fuzzing.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    fn check(&self, config: &Self::Config) -> Result<(), Broken>;
}

/// The store as core specifies it. A model's disk is this image; every store adapter is held against it.
pub trait Image<P: Protocol>: Datum + Default {
    /// Makes one change.
    fn apply(&mut self, record: &P::Record);
    /// What recovery starts from.
    fn summary(&self) -> Recovered<P::Durable>;
    /// Answers a query from durable rows.
    fn answer(&self, query: &P::Query) -> P::Rows;
}

/// What the store found when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recovered<D> {
    /// Never written before.
    Fresh,
    /// As it was left.
    Known(D),
    /// There was something, and it is gone or unreadable.
    Lost,
}

/// A note that has become durable. Only a `Node` makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Durably<N>(N);

impl<N> Durably<N> {
    pub(crate) const fn new(note: N) -> Self {
        Self(note)
    }

    /// The note itself.
    pub fn into_inner(self) -> N {
        self.0
    }

    /// Hands a host's note on to the child that wrote it; `None` if it is not the child's.
    pub fn child<C>(self, pick: impl FnOnce(N) -> Option<C>) -> Option<Durably<C>> {
        pick(self.0).map(Durably)
    }
}

/// A random choice that core asks for; in a model every outcome is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Draw {
    /// A number that has never been drawn before and never will be again, by anyone.
    Nonce,
    /// An order of the cluster's members for this term, the same on every one of them and not to be foreseen by outsiders.
    Order {
        /// The term that it is for.
        term: Term,
    },
}

/// The outcome of a [`Draw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drawn {
    /// Answers [`Draw::Nonce`]. Never zero.
    Nonce(u64),
    /// Answers [`Draw::Order`].
    Order {
        /// The term that it is for.
        term: Term,
        /// The order.
        order: Order,
    },
}

/// All that can happen to a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input<P: Protocol> {
    /// A peer said something, and the transport has verified who it was.
    Received {
        /// Who said it.
        from: NodeId,
        /// What it said.
        message: P::Heard,
    },
    /// A timer went off.
    Fired(P::Timer),
    /// The local shell asks for something.
    Commanded(RequestId, P::Command),
    /// The store answered a query. Matched by content, never by an id.
    Fetched {
        /// The query as it was asked.
        query: P::Query,
        /// Its answer.
        rows: P::Rows,
    },
    /// A note became durable.
    Durable(Durably<P::Note>),
    /// A random choice was made.
    Drawn(Drawn),
    /// The transport saw a peer come or go. A hint: it may be wrong or late.
    Link {
        /// The peer.
        peer: NodeId,
        /// Whether it came.
        up: bool,
    },
    /// The store is nearly full (`true`: take nothing in, drain) or has room again.
    Stalled(bool),
    /// The process stood still for longer than a heartbeat: a suspend, a stopped process.
    Paused,
}

/// One change of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimerChange<T> {
    /// (Re-)arms it; an armed timer is replaced.
    Arm(T, Delay),
    /// Forgets it.
    Disarm(T),
}

/// An effect that no write can hold back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Prompt<P: Protocol> {
    Notice { to: NodeId, notice: P::Notice },
    Report(P::Report),
    Timer(TimerChange<P::Timer>),
    Draw(Draw),
}

/// An effect that waits until the writes before it are durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Held<P: Protocol> {
    Claim { to: NodeId, claim: P::Claim },
    Event(P::Event),
    Note(P::Note),
    Fetch(P::Query),
}

/// What one step has to say. Owned by the caller and reused, so that a warm step allocates nothing.
#[derive(Debug)]
pub struct Effects<P: Protocol> {
    pub(crate) prompt: Vec<Prompt<P>>,
    pub(crate) held: Vec<Held<P>>,
    pub(crate) records: Vec<P::Record>,
    pub(crate) fault: Option<Broken>,
    #[cfg(seeded_bugs)]
    pub(crate) early: Vec<(NodeId, P::Claim)>,
    /// The children's effects. A host takes them out for a child's step and puts them back.
    pub parts: P::Parts,
}

impl<P: Protocol> Default for Effects<P> {
    fn default() -> Self {
        Self {
            prompt: Vec::new(),
            held: Vec::new(),
            records: Vec::new(),
            fault: None,
            #[cfg(seeded_bugs)]
            early: Vec::new(),
            parts: P::Parts::default(),
        }
    }
}

impl<P: Protocol> Effects<P> {
    /// Says something that rests on nothing durable.
    pub fn notice(&mut self, to: NodeId, notice: P::Notice) {
        self.prompt.push(Prompt::Notice { to, notice });
    }

    /// Says something that rests on durable state; it leaves when all writes up to the end of this step are durable.
    pub fn claim(&mut self, to: NodeId, claim: P::Claim) {
        self.held.push(Held::Claim { to, claim });
    }

    /// Tells the shell what holds once all writes up to the end of this step are durable.
    pub fn emit(&mut self, event: P::Event) {
        self.held.push(Held::Event(event));
    }

    /// Comes back as [`Input::Durable`] once all writes up to the end of this step are durable.
    pub fn note(&mut self, note: P::Note) {
        self.held.push(Held::Note(note));
    }

    /// Asks the store for rows, after all writes up to the end of this step.
    pub fn fetch(&mut self, query: P::Query) {
        self.held.push(Held::Fetch(query));
    }

    /// Changes the store. All changes of one step are one commit.
    pub fn persist(&mut self, record: P::Record) {
        self.records.push(record);
    }

    /// Tells the shell at once: refusals, losses, diagnostics.
    pub fn report(&mut self, report: P::Report) {
        self.prompt.push(Prompt::Report(report));
    }

    /// (Re-)arms a timer.
    pub fn arm(&mut self, timer: P::Timer, after: Delay) {
        self.prompt.push(Prompt::Timer(TimerChange::Arm(timer, after)));
    }

    /// Forgets a timer.
    pub fn disarm(&mut self, timer: P::Timer) {
        self.prompt.push(Prompt::Timer(TimerChange::Disarm(timer)));
    }

    /// Asks the driver for a random choice.
    pub fn draw(&mut self, draw: Draw) {
        self.prompt.push(Prompt::Draw(draw));
    }

    /// Stops the node: an invariant does not hold. The first one counts.
    pub fn fault(&mut self, broken: Broken) {
        self.fault = self.fault.or(Some(broken));
    }

    /// A seeded bug's way around the gate: the claim leaves before its write is durable.
    #[cfg(seeded_bugs)]
    pub fn claim_early(&mut self, to: NodeId, claim: P::Claim) {
        self.early.push((to, claim));
    }

    /// Whether a report like this one is among what was said so far: for a host, which may have to act on it.
    pub(crate) fn has_report(&self, mut is: impl FnMut(&P::Report) -> bool) -> bool {
        self.prompt
            .iter()
            .any(|prompt| matches!(prompt, Prompt::Report(report) if is(report)))
    }

    /// Empties it for the next step, keeping its memory.
    pub(crate) fn clear(&mut self) {
        self.prompt.clear();
        self.held.clear();
        self.records.clear();
        self.fault = None;
        #[cfg(seeded_bugs)]
        self.early.clear();
    }

    /// Takes over all that a child said in its step, in the child's order. The child's timers are renamed by `timer`;
    /// its events reach the host at once through `on_event`, long before anything is durable, so that what the host
    /// does about them joins the same commit.
    pub fn absorb<C: Protocol>(
        &mut self,
        child: &mut Effects<C>,
        timer: impl Fn(C::Timer) -> P::Timer,
        mut on_event: impl FnMut(&mut Self, C::Event),
    ) where
        P::Notice: From<C::Notice>,
        P::Claim: From<C::Claim>,
        P::Note: From<C::Note>,
        P::Record: From<C::Record>,
        P::Query: From<C::Query>,
        P::Report: From<C::Report>,
    {
        for prompt in child.prompt.drain(..) {
            self.prompt.push(match prompt {
                Prompt::Notice { to, notice } => Prompt::Notice {
                    to,
                    notice: notice.into(),
                },
                Prompt::Report(report) => Prompt::Report(report.into()),
                Prompt::Timer(TimerChange::Arm(t, after)) => Prompt::Timer(TimerChange::Arm(timer(t), after)),
                Prompt::Timer(TimerChange::Disarm(t)) => Prompt::Timer(TimerChange::Disarm(timer(t))),
                Prompt::Draw(draw) => Prompt::Draw(draw),
            });
        }
        self.records.extend(child.records.drain(..).map(Into::into));
        if let Some(broken) = child.fault.take() {
            self.fault(broken);
        }
        #[cfg(seeded_bugs)]
        for (to, claim) in child.early.drain(..) {
            self.claim_early(to, claim.into());
        }
        for held in child.held.drain(..) {
            match held {
                Held::Claim { to, claim } => self.claim(to, claim.into()),
                Held::Note(note) => self.note(note.into()),
                Held::Fetch(query) => self.fetch(query.into()),
                Held::Event(event) => on_event(self, event),
            }
        }
    }
}
