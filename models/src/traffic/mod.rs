//! What passes between a client and a broker, in every short conversation: the deployed readers against what was put in.
//!
//! A state is a conversation, made of whole exchanges; what the readers say of it is worked out in one go, for three ways to
//! cut the bytes. There is no environment but the next exchange. `chatter.rs` is about connections that nothing can be read of.

mod chatter;
mod frames;

use pehra_core::sleep::traffic::{Answers, InFlight, Meaning, Requests};
use stateright::{Model, Property};

use crate::kinds::Kinds;
use frames::{Ask, Conversation, Form};

pub use chatter::{Stretch, Stretches};
pub use frames::{Exchange, Heartbeat, exchanges};

/// In pieces of so many bytes.
const CUTS: [usize; 3] = [1, 5, usize::MAX];

/// All conversations of so many exchanges.
#[derive(Clone, Debug)]
pub struct Conversations {
    longest: usize,
    #[cfg(seeded_bugs)]
    bug: Option<pehra_core::sleep::traffic::bugs::Bug>,
}

/// One conversation, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    exchanges: Vec<Exchange>,
    said: Said,
}

/// What the readers say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Said {
    /// Of each request, whether it was traffic.
    requests: Vec<bool>,
    /// Of each answer, in how many ways to cut it it was traffic.
    answers: Vec<usize>,
    /// Whether each answer passed as it should.
    passed: Vec<bool>,
}

impl Conversations {
    /// Of no more exchanges than this.
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
    pub fn with_bug(self, bug: pehra_core::sleep::traffic::bugs::Bug) -> Self {
        Self { bug: Some(bug), ..self }
    }

    fn readers(&self) -> (Requests, InFlight, Answers) {
        let (requests, flight, answers) = (Requests::new(1000), InFlight::new(8), Answers::new());
        #[cfg(seeded_bugs)]
        let (requests, flight, answers) = (
            requests.with_bug(self.bug),
            flight.with_bug(self.bug),
            answers.with_bug(self.bug),
        );
        let _ = self;
        (requests, flight, answers)
    }

    fn listen(&self, exchanges: &[Exchange]) -> Said {
        let conversation = Conversation::of(exchanges);
        let mut said = Said {
            answers: vec![0; conversation.answers.len()],
            passed: vec![true; conversation.answers.len()],
            ..Said::default()
        };
        for cut in CUTS {
            let (mut requests, mut flight, mut answers) = self.readers();
            let mut traffic = Vec::new();
            for piece in conversation
                .requests
                .chunks(cut.min(conversation.requests.len().max(1)))
            {
                let fed = requests.feed(piece, |asked| {
                    flight.asked(asked);
                    traffic.push(asked.meaning == Meaning::Traffic);
                });
                fed.expect("they are requests");
            }
            said.requests = traffic;
            for (at, answer) in conversation.answers.iter().enumerate() {
                let mut bytes = answer.bytes.clone();
                let cut = cut.min(bytes.len());
                let mut told = 0;
                for piece in bytes.chunks_mut(cut) {
                    let fed = answers.feed(piece, |number| flight.answered(number));
                    told += fed.expect("they are answers");
                }
                said.answers[at] += usize::from(told > 0);
                said.passed[at] &= bytes == answer.passed;
            }
        }
        said
    }
}

impl State {
    /// Whether each answer of this form is traffic in all ways to cut it, or in none.
    fn answers(&self, form: Form, is_traffic: bool) -> bool {
        let conversation = Conversation::of(&self.exchanges);
        let wanted = if is_traffic { CUTS.len() } else { 0 };
        let mut answers = conversation.answers.iter().zip(&self.said.answers);
        answers.all(|(answer, told)| answer.form != form || *told == wanted)
    }

    /// Whether each request of this sort is traffic, or none.
    fn requests(&self, sort: Ask, is_traffic: bool) -> bool {
        let mut requests = self.exchanges.iter().zip(&self.said.requests);
        let all = self.said.requests.len() == self.exchanges.len();
        all && requests.all(|(exchange, told)| exchange.asks() != sort || *told == is_traffic)
    }
}

impl Model for Conversations {
    type State = State;
    type Action = Exchange;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            exchanges: Vec::new(),
            said: Said::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Exchange>) {
        if state.exchanges.len() < self.longest {
            actions.extend(exchanges());
        }
    }

    fn next_state(&self, state: &State, exchange: Exchange) -> Option<State> {
        let mut exchanges = state.exchanges.clone();
        exchanges.push(exchange);
        Some(State {
            said: self.listen(&exchanges),
            exchanges,
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "traffic/T1 writes, joins and unknown kinds are traffic",
                |_, state: &State| state.requests(Ask::Work, true),
            ),
            Property::always("traffic/T2 an answer with a record is traffic", |_, state: &State| {
                state.answers(Form::Records, true)
            }),
            Property::always("traffic/T3 what cannot be read is traffic", |_, state: &State| {
                state.answers(Form::Unreadable, true) && state.requests(Ask::Unreadable, true)
            }),
            Property::always(
                "traffic/T4 what idle clients send and get is no traffic",
                |_, state: &State| state.requests(Ask::Nothing, false) && state.answers(Form::Idle, false),
            ),
            Property::always(
                "traffic/T5 only the versions that are offered change",
                |_, state: &State| state.said.passed.iter().all(|passed| *passed),
            ),
            Property::sometimes("a whole conversation is idle", |model: &Self, state: &State| {
                state.exchanges.len() == model.longest
                    && !state.said.requests.iter().any(|told| *told)
                    && state.said.answers.iter().all(|told| *told == 0)
            }),
        ]
    }
}

impl Kinds for Conversations {
    const KINDS: &'static [&'static str] = &[
        "produce",
        "unknown kind",
        "join",
        "heartbeat",
        "metadata",
        "fetch",
        "versions",
    ];

    fn kind(exchange: &Exchange) -> &'static str {
        match exchange {
            Exchange::Produce { .. } => "produce",
            Exchange::UnknownKind => "unknown kind",
            Exchange::Join => "join",
            Exchange::Heartbeat(_) => "heartbeat",
            Exchange::Metadata { .. } => "metadata",
            Exchange::Fetch { .. } => "fetch",
            Exchange::Versions { .. } => "versions",
        }
    }
}
