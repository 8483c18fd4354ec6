//! A tiny protocol that does what it is told: each input carries what to say. Its notes carry what to say once they are
//! durable.

use pehra_core::protocol::{Draw, Effects, Image, Input, Protocol, Recovered};
use pehra_core::types::{Broken, Delay, NodeId, Ticks};

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Say {
    Notice(u8),
    Claim(u8),
    Emit(u8),
    Note(Vec<Say>),
    Fetch(u8),
    Persist(u8),
    Report(u8),
    Arm(u8),
    Disarm(u8),
    Draw,
    Fault,
}

pub const PEER: NodeId = NodeId(9);
pub const FAULT: Broken = Broken("tiny: told to");

/// It counts what it took, so that a refused input is seen to change nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tiny {
    pub inputs: u32,
}

impl Protocol for Tiny {
    type Config = ();
    type Command = Vec<Say>;
    type Event = u8;
    type Timer = u8;
    type Heard = Vec<Say>;
    type Notice = u8;
    type Claim = u8;
    type Note = Vec<Say>;
    type Record = u8;
    type Durable = ();
    type Query = u8;
    type Rows = Vec<Say>;
    type Report = u8;
    type Parts = ();

    fn recover((): &(), _: Recovered<()>, _: &mut Effects<Self>) -> Self {
        Self::default()
    }

    fn step(&mut self, (): &(), input: Input<Self>, fx: &mut Effects<Self>) {
        self.inputs += 1;
        let script = match input {
            Input::Received { message, .. } => message,
            Input::Commanded(_, script) => script,
            Input::Fetched { rows, .. } => rows,
            Input::Durable(note) => note.into_inner(),
            Input::Fired(timer) => vec![Say::Report(timer)],
            Input::Drawn(_) | Input::Link { .. } | Input::Stalled(_) | Input::Paused => Vec::new(),
        };
        for say in script {
            match say {
                Say::Notice(n) => fx.notice(PEER, n),
                Say::Claim(n) => fx.claim(PEER, n),
                Say::Emit(n) => fx.emit(n),
                Say::Note(script) => fx.note(script),
                Say::Fetch(n) => fx.fetch(n),
                Say::Persist(n) => fx.persist(n),
                Say::Report(n) => fx.report(n),
                Say::Arm(n) => fx.arm(n, Delay::exactly(Ticks(n.into()))),
                Say::Disarm(n) => fx.disarm(n),
                Say::Draw => fx.draw(Draw::Nonce),
                Say::Fault => fx.fault(FAULT),
            }
        }
    }

    fn check(&self, (): &()) -> Result<(), Broken> {
        Ok(())
    }
}

/// What became durable, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TinyDisk(pub Vec<u8>);

impl Image<Tiny> for TinyDisk {
    fn apply(&mut self, record: &u8) {
        self.0.push(*record);
    }

    fn summary(&self) -> Recovered<()> {
        Recovered::Fresh
    }

    fn answer(&self, _: &u8) -> Vec<Say> {
        Vec::new()
    }
}
