//! Two-phase commit, after Gray and Lamport: a classic whose number of states is known for every size.

use pehra_models::{Kinds, Leads};
use stateright::{Model, Property};

/// One transaction manager and `managers` resource managers.
#[derive(Clone, Copy)]
pub struct TwoPhase {
    pub managers: u8,
    /// A seeded bug: the transaction manager commits without waiting for the last resource manager.
    pub hasty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manager {
    Working,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub managers: [Manager; 10],
    /// What the transaction manager has decided.
    pub decided: Option<bool>,
    /// Whose `prepared` it has received.
    pub prepared: u16,
    /// Whose `prepared` was ever sent: the network forgets nothing.
    pub sent: u16,
    pub commit_sent: bool,
    pub abort_sent: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Hear(u8),
    Commit,
    Abort,
    Prepare(u8),
    Refuse(u8),
    ObeyCommit(u8),
    ObeyAbort(u8),
}

impl TwoPhase {
    pub fn new(managers: u8) -> Self {
        Self { managers, hasty: false }
    }

    fn all(&self) -> u16 {
        (1 << self.managers) - 1
    }

    fn used<'s>(&self, state: &'s State) -> &'s [Manager] {
        &state.managers[..usize::from(self.managers)]
    }
}

impl Model for TwoPhase {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        let managers = [Manager::Working; 10];
        vec![State {
            managers,
            decided: None,
            prepared: 0,
            sent: 0,
            commit_sent: false,
            abort_sent: false,
        }]
    }

    fn actions(&self, state: &State, out: &mut Vec<Act>) {
        let enough = if self.hasty { self.all() >> 1 } else { self.all() };
        if state.decided.is_none() {
            if state.prepared & enough == enough {
                out.push(Act::Commit);
            }
            out.push(Act::Abort);
        }
        for rm in 0..self.managers {
            if state.decided.is_none() && state.sent >> rm & 1 == 1 {
                out.push(Act::Hear(rm));
            }
            if state.managers[usize::from(rm)] == Manager::Working {
                out.extend([Act::Prepare(rm), Act::Refuse(rm)]);
            }
            if state.commit_sent {
                out.push(Act::ObeyCommit(rm));
            }
            if state.abort_sent {
                out.push(Act::ObeyAbort(rm));
            }
        }
    }

    fn next_state(&self, last: &State, act: Act) -> Option<State> {
        let mut state = last.clone();
        match act {
            Act::Hear(rm) => state.prepared |= 1 << rm,
            Act::Commit => (state.decided, state.commit_sent) = (Some(true), true),
            Act::Abort => (state.decided, state.abort_sent) = (Some(false), true),
            Act::Prepare(rm) => {
                state.managers[usize::from(rm)] = Manager::Prepared;
                state.sent |= 1 << rm;
            }
            Act::Refuse(rm) | Act::ObeyAbort(rm) => state.managers[usize::from(rm)] = Manager::Aborted,
            Act::ObeyCommit(rm) => state.managers[usize::from(rm)] = Manager::Committed,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("consistent", |m: &Self, s| {
                let has = |wanted| m.used(s).contains(&wanted);
                !(has(Manager::Committed) && has(Manager::Aborted))
            }),
            Property::sometimes("all commit", |m: &Self, s| {
                m.used(s).iter().all(|&rm| rm == Manager::Committed)
            }),
            Property::sometimes("all abort", |m: &Self, s| {
                m.used(s).iter().all(|&rm| rm == Manager::Aborted)
            }),
        ]
    }
}

impl Kinds for TwoPhase {
    const KINDS: &'static [&'static str] = &[
        "hear",
        "commit",
        "abort",
        "prepare",
        "refuse",
        "obey commit",
        "obey abort",
    ];

    fn kind(act: &Act) -> &'static str {
        match act {
            Act::Hear(_) => "hear",
            Act::Commit => "commit",
            Act::Abort => "abort",
            Act::Prepare(_) => "prepare",
            Act::Refuse(_) => "refuse",
            Act::ObeyCommit(_) => "obey commit",
            Act::ObeyAbort(_) => "obey abort",
        }
    }

    /// Messages arrive and are obeyed; deciding is up to the transaction manager, and it does decide.
    fn fairness(&self, _: &State, act: &Act) -> Option<u16> {
        match act {
            Act::Hear(rm) => Some(u16::from(*rm)),
            Act::ObeyCommit(rm) | Act::ObeyAbort(rm) => Some(100 + u16::from(*rm)),
            Act::Commit | Act::Abort => Some(200),
            Act::Prepare(_) | Act::Refuse(_) => None,
        }
    }
}

/// Everybody learns the outcome.
pub fn settles() -> Leads<TwoPhase> {
    Leads {
        name: "everybody finishes",
        from: |_, s| s.decided.is_some(),
        to: |m, s| {
            m.used(s)
                .iter()
                .all(|&rm| matches!(rm, Manager::Committed | Manager::Aborted))
        },
    }
}
