//! A protocol behind its durability gate: the only maker of [`Output`].
//!
//! A driver feeds inputs one at a time, performs the outputs in order, and calls [`Node::persisted`] once for each
//! [`Output::Commit`], in order, when that commit is durable. What rests on a commit stays inside the node until then,
//! so no driver can answer before it has saved.

use alloc::collections::VecDeque;
use alloc::vec::{Drain, Vec};
use core::mem;

use crate::protocol::{Draw, Durably, Effects, Held, Input, Prompt, Protocol, Recovered, TimerChange};
use crate::types::{Broken, Delay, NodeId};

/// How much may wait behind the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GateBound {
    /// Commits handed to the store and not yet reported. When so many are open the node is full.
    pub commits: u16,
    /// Effects held. At half of it the node is full; at all of it claims are dropped, as if lost on the way, and
    /// anything else is a fault: only timers, fetches and notes can still fill it, and protocols bound those.
    pub held: u16,
}

impl GateBound {
    /// For deployed nodes.
    pub const DEPLOYED: Self = Self {
        commits: 256,
        held: 2048,
    };
    /// For models: small enough that a full gate is met everywhere.
    pub const MODEL: Self = Self { commits: 2, held: 16 };
}

/// What a driver has to do. Only a [`Node`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<P: Protocol> {
    /// Send now.
    #[non_exhaustive]
    Notice {
        /// To whom.
        to: NodeId,
        /// What.
        notice: P::Notice,
    },
    /// Send now: what it rests on is durable.
    #[non_exhaustive]
    Claim {
        /// To whom.
        to: NodeId,
        /// What.
        claim: P::Claim,
    },
    /// One change of the store; belongs to the next [`Output::Commit`].
    #[non_exhaustive]
    Record {
        /// The change.
        record: P::Record,
    },
    /// Make all records since the last commit durable, together, and then call [`Node::persisted`].
    #[non_exhaustive]
    Commit,
    /// Ask the store; answer with [`Input::Fetched`].
    #[non_exhaustive]
    Fetch {
        /// What to ask.
        query: P::Query,
    },
    /// Tell the shell: this holds, durably.
    #[non_exhaustive]
    Emit {
        /// What holds.
        event: P::Event,
    },
    /// Tell the shell.
    #[non_exhaustive]
    Report {
        /// The news.
        report: P::Report,
    },
    /// (Re-)arm a timer.
    #[non_exhaustive]
    Arm {
        /// Which.
        timer: P::Timer,
        /// When it goes off.
        after: Delay,
    },
    /// Forget a timer.
    #[non_exhaustive]
    Disarm {
        /// Which.
        timer: P::Timer,
    },
    /// Make a random choice; answer with [`Input::Drawn`].
    #[non_exhaustive]
    Draw {
        /// What for.
        draw: Draw,
    },
    /// Stop: an invariant is broken. Nothing else will ever come out of this node.
    #[non_exhaustive]
    Fault {
        /// The invariant.
        broken: Broken,
    },
}

/// The caller's workspace: effects and outputs, reused from step to step.
#[derive(Debug)]
pub struct Desk<P: Protocol> {
    effects: Effects<P>,
    outputs: Vec<Output<P>>,
}

impl<P: Protocol> Default for Desk<P> {
    fn default() -> Self {
        Self {
            effects: Effects::default(),
            outputs: Vec::new(),
        }
    }
}

impl<P: Protocol> Desk<P> {
    /// Takes the outputs, in the order in which they must be performed.
    pub fn outputs(&mut self) -> Drain<'_, Output<P>> {
        self.outputs.drain(..)
    }
}

/// An effect behind the gate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting<P: Protocol> {
    /// Commits that must still be reported before it leaves.
    commits: u16,
    effect: Held<P>,
}

/// Whether the node took the input.
#[must_use = "a command that was not taken must be offered again"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It did.
    Yes,
    /// The gate is full, or the node has stopped: nothing happened. A message so refused is a lost message.
    No,
}

/// A running protocol and what waits behind its writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node<P: Protocol> {
    protocol: P,
    open_commits: u16,
    waiting: VecDeque<Waiting<P>>,
    bound: GateBound,
    fault: Option<Broken>,
}

impl<P: Protocol> Node<P> {
    /// Starts or restarts from what the store kept.
    #[must_use]
    pub fn recover(config: &P::Config, bound: GateBound, recovered: Recovered<P::Durable>, desk: &mut Desk<P>) -> Self {
        desk.effects.clear();
        let protocol = P::recover(config, recovered, &mut desk.effects);
        let mut node = Self {
            protocol,
            open_commits: 0,
            waiting: VecDeque::new(),
            bound,
            fault: None,
        };
        node.settle(config, desk);
        node
    }

    /// Feeds one input. Its outputs, and those of notes that became durable by it, are on the desk afterwards.
    pub fn step(&mut self, config: &P::Config, input: Input<P>, desk: &mut Desk<P>) -> Taken {
        let refusable = matches!(input, Input::Received { .. } | Input::Commanded(..));
        if self.fault.is_some() || (refusable && self.is_full()) {
            return Taken::No;
        }
        desk.effects.clear();
        self.protocol.step(config, input, &mut desk.effects);
        self.settle(config, desk);
        Taken::Yes
    }

    /// Reports that the oldest open commit is durable, and lets go what waited for it.
    pub fn persisted(&mut self, config: &P::Config, desk: &mut Desk<P>) {
        if self.fault.is_some() {
            return;
        }
        let Some(open) = self.open_commits.checked_sub(1) else {
            self.stop(Broken("a commit was reported durable that was never handed out"), desk);
            return;
        };
        self.open_commits = open;
        for waiting in &mut self.waiting {
            waiting.commits = waiting.commits.saturating_sub(1);
        }
        self.release(config, desk);
    }

    /// Whether commands and messages must wait: too much is behind the gate.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.open_commits >= self.bound.commits || self.waiting.len() >= usize::from(self.bound.held / 2)
    }

    /// Commits handed to the store and not yet reported.
    #[must_use]
    pub const fn open_commits(&self) -> u16 {
        self.open_commits
    }

    /// The protocol's state, to look at.
    #[must_use]
    pub const fn state(&self) -> &P {
        &self.protocol
    }

    /// The same node with its protocol's state renamed. For models, in which states that differ only in the names of things are
    /// one; nothing else may change.
    #[must_use]
    pub fn renamed(&self, rename: impl FnOnce(&P) -> P) -> Self {
        Self {
            protocol: rename(&self.protocol),
            ..self.clone()
        }
    }

    /// Why the node has stopped, if it has.
    #[must_use]
    pub const fn fault(&self) -> Option<Broken> {
        self.fault
    }

    /// The protocol's invariants, and those of the gate.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(&self, config: &P::Config) -> Result<(), Broken> {
        if let Some(broken) = self.fault {
            return Err(broken);
        }
        if self
            .waiting
            .iter()
            .any(|w| w.commits == 0 || w.commits > self.open_commits)
        {
            return Err(Broken("gate: an effect waits for no open commit"));
        }
        if self
            .waiting
            .iter()
            .zip(self.waiting.iter().skip(1))
            .any(|(a, b)| a.commits > b.commits)
        {
            return Err(Broken("gate: effects out of order"));
        }
        self.protocol.check(config)
    }

    /// Moves the effects of one step out of the workspace: ungated ones to the outputs, records as one commit, the
    /// rest behind the gate. Then lets go what waits for nothing.
    fn settle(&mut self, config: &P::Config, desk: &mut Desk<P>) {
        self.sort_out(desk);
        self.release(config, desk);
    }

    fn sort_out(&mut self, desk: &mut Desk<P>) {
        if let Some(broken) = desk.effects.fault {
            self.stop(broken, desk);
            return;
        }
        let before = desk.outputs.len();
        for prompt in desk.effects.prompt.drain(..) {
            desk.outputs.push(match prompt {
                Prompt::Notice { to, notice } => Output::Notice { to, notice },
                Prompt::Report(report) => Output::Report { report },
                Prompt::Timer(TimerChange::Arm(timer, after)) => Output::Arm { timer, after },
                Prompt::Timer(TimerChange::Disarm(timer)) => Output::Disarm { timer },
                Prompt::Draw(draw) => Output::Draw { draw },
            });
        }
        #[cfg(seeded_bugs)]
        for (to, claim) in desk.effects.early.drain(..) {
            desk.outputs.push(Output::Claim { to, claim });
        }
        if !desk.effects.records.is_empty() {
            desk.outputs
                .extend(desk.effects.records.drain(..).map(|record| Output::Record { record }));
            desk.outputs.push(Output::Commit);
            self.open_commits = self.open_commits.saturating_add(1);
        }
        let mut held = mem::take(&mut desk.effects.held);
        for effect in held.drain(..) {
            if !self.hold(effect) {
                desk.outputs.truncate(before);
                self.stop(Broken("gate: more effects wait than its bound allows"), desk);
                break;
            }
        }
        desk.effects.held = held;
    }

    /// Puts an effect behind the newest open commit; an equal claim that already waits there stands for both. `false`
    /// if there is no room for something that may not be lost.
    fn hold(&mut self, effect: Held<P>) -> bool {
        let commits = self.open_commits;
        let is_claim = matches!(effect, Held::Claim { .. });
        if is_claim
            && self
                .waiting
                .iter()
                .rev()
                .take_while(|w| w.commits == commits)
                .any(|w| w.effect == effect)
        {
            return true;
        }
        if self.waiting.len() >= usize::from(self.bound.held) {
            return is_claim;
        }
        self.waiting.push_back(Waiting { commits, effect });
        true
    }

    /// Lets go, in order, all that waits for nothing more. Notes go back into the protocol, whose new effects queue
    /// up behind.
    fn release(&mut self, config: &P::Config, desk: &mut Desk<P>) {
        // Each note may cause another; a protocol that answers every note with a note would never end.
        let mut notes_left = self.bound.held;
        while self.fault.is_none() && self.waiting.front().is_some_and(|w| w.commits == 0) {
            let Some(waiting) = self.waiting.pop_front() else {
                return;
            };
            match waiting.effect {
                Held::Claim { to, claim } => desk.outputs.push(Output::Claim { to, claim }),
                Held::Event(event) => desk.outputs.push(Output::Emit { event }),
                Held::Fetch(query) => desk.outputs.push(Output::Fetch { query }),
                Held::Note(note) => {
                    let Some(left) = notes_left.checked_sub(1) else {
                        self.stop(Broken("gate: notes without end"), desk);
                        return;
                    };
                    notes_left = left;
                    desk.effects.clear();
                    self.protocol
                        .step(config, Input::Durable(Durably::new(note)), &mut desk.effects);
                    self.sort_out(desk);
                }
            }
        }
    }

    /// Fail-stop: whatever else this step wanted does not happen.
    fn stop(&mut self, broken: Broken, desk: &mut Desk<P>) {
        self.fault = Some(broken);
        self.waiting.clear();
        desk.effects.clear();
        desk.outputs.push(Output::Fault { broken });
    }
}
