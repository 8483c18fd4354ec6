//! What a connection passes where nothing can be read, in every few stretches of time: the deployed accounts against sums over
//! all that passed.
//!
//! A state is what passed so far, and what was said of each stretch. It is judged by a reckoning that knows nothing of accounts:
//! a *run* is some stretches one after the other, and all runs are added up. Beside the account stand two others: one to which a
//! byte more comes, once, and one with half the allowance.

use std::ops::Range;

use pehra_core::sleep::traffic::{Account, Allowance, Meaning, SAVED_MS};
use stateright::{Model, Property};

use crate::kinds::Kinds;

/// So small that fractions of a byte count: a quarter of a second earns half a byte. 32 bytes can be saved up.
const ALLOWANCE: Allowance = Allowance { bytes_per_second: 2 };
const HALF: Allowance = Allowance { bytes_per_second: 1 };

/// How long a stretch may be: no time at all, one look, and longer than anything can be saved up.
const LENGTHS_MS: [u32; 3] = [0, 250, SAVED_MS + 250];

/// What may pass in it: nothing, one byte, half of what can be saved up, and one byte more than can be.
const BYTES: [u64; 4] = [0, 1, 16, 33];

/// All that a connection may pass in so many stretches.
#[derive(Clone, Debug)]
pub struct Stretches {
    longest: usize,
    #[cfg(seeded_bugs)]
    bug: Option<pehra_core::sleep::traffic::bugs::Bug>,
}

/// One stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stretch {
    bytes: u64,
    ms: u32,
    /// The other connection passes a byte more.
    and_one: bool,
}

/// What passed, and what was said of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    stretches: Vec<Stretch>,
    said: Vec<Said>,
    account: Account,
    with_more: Account,
    with_less: Account,
}

/// Whether a stretch was traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Said {
    traffic: bool,
    with_more: bool,
    with_less: bool,
}

impl Stretches {
    /// No more stretches than this.
    #[must_use]
    pub const fn new(longest: usize) -> Self {
        Self {
            longest,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// The same with a seeded bug.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub const fn with_bug(mut self, bug: pehra_core::sleep::traffic::bugs::Bug) -> Self {
        self.bug = Some(bug);
        self
    }

    const fn account(&self) -> Account {
        let account = Account::NEW;
        #[cfg(seeded_bugs)]
        let account = account.with_bug(self.bug);
        let _ = self;
        account
    }
}

impl State {
    /// Whether more passed in this run than its time and the time for which can be saved earn together: in thousandths of a byte.
    fn passes_more(&self, run: Range<usize>) -> bool {
        let run = &self.stretches[run];
        let bytes: u64 = run.iter().map(|stretch| stretch.bytes).sum();
        let ms: u64 = run.iter().map(|stretch| u64::from(stretch.ms)).sum();
        bytes * 1000 > u64::from(ALLOWANCE.bytes_per_second) * (ms + u64::from(SAVED_MS))
    }

    /// The runs that end with this stretch.
    fn runs(end: usize) -> impl Iterator<Item = Range<usize>> {
        (0..=end).map(move |begin| begin..end + 1)
    }

    /// Each stretch by its place, and what was said of it.
    fn each(&self) -> impl Iterator<Item = (usize, &Stretch, &Said)> {
        let both = self.stretches.iter().zip(&self.said);
        both.enumerate().map(|(at, (stretch, said))| (at, stretch, said))
    }
}

impl Stretch {
    /// Whether it keeps to the allowance by itself.
    fn keeps(&self) -> bool {
        self.bytes * 1000 <= u64::from(ALLOWANCE.bytes_per_second) * u64::from(self.ms)
    }
}

impl Model for Stretches {
    type State = State;
    type Action = Stretch;

    fn init_states(&self) -> Vec<State> {
        let account = self.account();
        vec![State {
            stretches: Vec::new(),
            said: Vec::new(),
            account,
            with_more: account,
            with_less: account,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Stretch>) {
        if state.stretches.len() >= self.longest {
            return;
        }
        let had_one = state.stretches.iter().any(|stretch| stretch.and_one);
        for (ms, bytes) in LENGTHS_MS.iter().flat_map(|ms| BYTES.map(|bytes| (*ms, bytes))) {
            let stretch = |and_one| Stretch { bytes, ms, and_one };
            actions.push(stretch(false));
            if !had_one {
                actions.push(stretch(true));
            }
        }
    }

    fn next_state(&self, state: &State, stretch: Stretch) -> Option<State> {
        let mut state = state.clone();
        let Stretch { bytes, ms, and_one } = stretch;
        let passed = |account: &mut Account, allowance, bytes| account.passed(allowance, bytes, ms) == Meaning::Traffic;
        state.said.push(Said {
            traffic: passed(&mut state.account, ALLOWANCE, bytes),
            with_more: passed(&mut state.with_more, ALLOWANCE, bytes + u64::from(and_one)),
            with_less: passed(&mut state.with_less, HALF, bytes),
        });
        state.stretches.push(stretch);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "traffic/T6 whoever keeps to the allowance is idle, whatever was before",
                |_, state: &State| {
                    state
                        .each()
                        .all(|(_, stretch, said)| !(said.traffic && stretch.keeps()))
                },
            ),
            Property::always(
                "traffic/T6 what was saved up may be passed at once: what is traffic is more than it",
                |_, state: &State| {
                    let mut all = state.each();
                    all.all(|(at, _, said)| !said.traffic || State::runs(at).any(|run| state.passes_more(run)))
                },
            ),
            Property::always(
                "traffic/T6 whoever passes more than is earned and saved up is traffic before it ends",
                |_, state: &State| {
                    let mut runs = (0..state.stretches.len()).flat_map(State::runs);
                    runs.all(|run| !state.passes_more(run.clone()) || state.said[run].iter().any(|said| said.traffic))
                },
            ),
            Property::always(
                "traffic/T6 more bytes and a smaller allowance are never less traffic",
                |_, state: &State| {
                    let mut said = state.said.iter();
                    said.all(|said| !said.traffic || (said.with_more && said.with_less))
                },
            ),
            Property::sometimes("all that was saved up is passed, and is idle", |_, state: &State| {
                let full = u64::from(ALLOWANCE.bytes_per_second) * u64::from(SAVED_MS) / 1000;
                state.account.bytes() == full && !state.said.iter().any(|said| said.traffic)
            }),
            Property::sometimes("it is idle again after it was traffic", |_, state: &State| {
                let before = state.said.iter().take_while(|said| !said.traffic).count();
                let mut after = state.said.iter().skip(before);
                after.any(|said| !said.traffic)
            }),
            Property::sometimes("a byte more is what makes it traffic", |_, state: &State| {
                state.said.iter().any(|said| said.with_more && !said.traffic)
            }),
        ]
    }
}

impl Kinds for Stretches {
    const KINDS: &'static [&'static str] = &["nothing passes", "bytes pass", "a byte more passes"];

    fn kind(stretch: &Stretch) -> &'static str {
        match stretch {
            Stretch { and_one: true, .. } => "a byte more passes",
            Stretch { bytes: 0, .. } => "nothing passes",
            Stretch { .. } => "bytes pass",
        }
    }
}
