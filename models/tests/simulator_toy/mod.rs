//! A toy that does what it is told, and a watch that writes down.

use pehra_core::members::Order;
use pehra_core::protocol::{Draw, Drawn, Effects, Image, Input, Protocol, Recovered};
use pehra_core::types::{Broken, Delay, NodeId, RequestId, Term, Ticks};
use pehra_models::simulator::{Cluster, Setting, Sight, Time, View, Voice, Watch, ms};

pub const A: NodeId = NodeId(0);
pub const B: NodeId = NodeId(1);
pub const C: NodeId = NodeId(2);

/// What the toy is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Do {
    /// Arm this timer, within so many ms.
    Arm(u8, u32, u32),
    /// Beat every 20 to 40 ms: save a number and tell the others.
    Beat,
    /// Save a number, and claim it to the peer.
    Save(u32),
    /// Notice a number to the peer.
    Tell(u32),
    /// Ask the store how many numbers it has.
    Count,
    /// Ask for a nonce.
    Draw,
    /// Ask for the order of a term.
    Order(u64),
    /// Turn in a circle.
    Circle,
    /// Find an invariant broken.
    Break,
}

/// What the toy reports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    Started(usize),
    Fired(u8),
    Heard(u32),
    Link(NodeId, bool),
    Stalled(bool),
    Counted(usize),
    Drew(u64),
    Ordered(u64, Order),
    Paused,
}

pub const BEAT: u8 = 255;
pub const CIRCLE: u8 = 254;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Toy {
    pub saved: u32,
    pub beats: u32,
}

/// Its peers; the first gets what is told and claimed.
pub type Peers = Vec<NodeId>;

impl Protocol for Toy {
    type Config = Peers;
    type Command = Do;
    type Event = u32;
    type Timer = u8;
    type Heard = u32;
    type Notice = u32;
    type Claim = u32;
    type Note = u32;
    type Record = u32;
    type Durable = usize;
    type Query = ();
    type Rows = usize;
    type Report = Said;
    type Parts = ();

    fn recover(_: &Peers, recovered: Recovered<usize>, fx: &mut Effects<Self>) -> Self {
        fx.report(match recovered {
            Recovered::Known(count) => Said::Started(count),
            Recovered::Fresh | Recovered::Lost => Said::Started(0),
        });
        Self::default()
    }

    fn step(&mut self, peers: &Peers, input: Input<Self>, fx: &mut Effects<Self>) {
        match input {
            Input::Commanded(_, Do::Arm(timer, min, max)) => fx.arm(
                timer,
                Delay {
                    min: Ticks(min),
                    max: Ticks(max),
                },
            ),
            Input::Commanded(_, Do::Beat) | Input::Fired(BEAT) => {
                self.beats += 1;
                fx.persist(self.beats);
                for peer in peers {
                    fx.notice(*peer, self.beats);
                    fx.claim(*peer, self.beats + 1_000_000);
                }
                fx.arm(
                    BEAT,
                    Delay {
                        min: Ticks(20),
                        max: Ticks(40),
                    },
                );
            }
            Input::Commanded(_, Do::Save(number)) => {
                fx.persist(number);
                fx.claim(peers[0], number);
                fx.emit(number);
                fx.note(number);
            }
            Input::Commanded(_, Do::Tell(number)) => fx.notice(peers[0], number),
            Input::Commanded(_, Do::Count) => fx.fetch(()),
            Input::Commanded(_, Do::Draw) => {
                fx.draw(Draw::Nonce);
                fx.draw(Draw::Nonce);
            }
            Input::Commanded(_, Do::Order(term)) => fx.draw(Draw::Order { term: Term(term) }),
            Input::Commanded(_, Do::Circle) | Input::Fired(CIRCLE) => fx.arm(CIRCLE, Delay::exactly(Ticks(0))),
            Input::Commanded(_, Do::Break) => fx.fault(Broken("as told")),
            Input::Received { message, .. } => fx.report(Said::Heard(message)),
            Input::Fired(timer) => fx.report(Said::Fired(timer)),
            Input::Fetched { rows, .. } => fx.report(Said::Counted(rows)),
            Input::Drawn(Drawn::Nonce(nonce)) => fx.report(Said::Drew(nonce)),
            Input::Durable(_) => self.saved += 1,
            Input::Drawn(Drawn::Order { term, order }) => fx.report(Said::Ordered(term.0, order)),
            Input::Link { peer, up } => fx.report(Said::Link(peer, up)),
            Input::Stalled(short) => fx.report(Said::Stalled(short)),
            Input::Paused => fx.report(Said::Paused),
        }
    }

    fn check(&self, _: &Peers) -> Result<(), Broken> {
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Numbers(pub Vec<u32>);

impl Image<Toy> for Numbers {
    fn apply(&mut self, record: &u32) {
        self.0.push(*record);
    }

    fn summary(&self) -> Recovered<usize> {
        match self.0.len() {
            0 => Recovered::Fresh,
            count => Recovered::Known(count),
        }
    }

    fn answer(&self, (): &()) -> usize {
        self.0.len()
    }
}

/// Writes down what is said, with the time, and sees that nothing is said before it is durable.
#[derive(Default)]
pub struct Book {
    pub reports: Vec<(Time, NodeId, Said)>,
    pub events: Vec<(NodeId, u32)>,
    pub forbidden: Option<Said>,
}

impl Watch<Toy, Numbers> for Book {
    fn see(&mut self, view: &View<'_, Toy, Numbers>, node: NodeId, sight: &Sight<'_, Toy>) {
        match sight {
            Sight::Report(report) => self.reports.push((view.now, node, (*report).clone())),
            Sight::Event(event) => self.events.push((node, **event)),
            _ => {}
        }
    }

    fn judge(&mut self, view: &View<'_, Toy, Numbers>, _: NodeId) -> Result<(), String> {
        for (node, event) in &self.events {
            let machine = view
                .machines
                .iter()
                .find(|machine| machine.id == *node)
                .expect("a machine");
            if !machine.disk.image.0.contains(event) {
                return Err(format!("{node} said {event} before it was durable"));
            }
        }
        match self.reports.last() {
            Some((_, node, said)) if Some(said) == self.forbidden.as_ref() => Err(format!("{node} said {said:?}")),
            _ => Ok(()),
        }
    }
}

impl Book {
    pub fn of(&self, node: NodeId) -> Vec<Said> {
        let own = self.reports.iter().filter(|(_, by, _)| *by == node);
        own.map(|(.., said)| said.clone()).collect()
    }

    pub fn heard(&self, node: NodeId) -> Vec<u32> {
        let heard = |said: &Said| {
            if let Said::Heard(number) = said {
                Some(*number)
            } else {
                None
            }
        };
        self.of(node).iter().filter_map(heard).collect()
    }
}

pub type Toys = Cluster<Toy, Numbers, Book>;

pub fn toys(seed: u64, setting: Setting) -> Toys {
    let others = |me: NodeId| [A, B, C].into_iter().filter(|id| *id != me).collect();
    let voice = Voice {
        notice: |number| number,
        claim: |number| number,
    };
    let configs = [A, B, C].map(|id| (id, others(id)));
    let mut toys = Cluster::new(seed, setting, voice, configs, Book::default());
    toys.start_all();
    toys.run_for(ms(10)).expect("they start");
    toys.watch.reports.clear();
    toys
}

pub fn lan(seed: u64) -> Toys {
    toys(seed, Setting::LAN)
}

pub fn tell(toys: &mut Toys, node: NodeId, what: Do) {
    toys.command(node, RequestId(0), what);
}
