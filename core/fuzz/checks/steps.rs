//! Bytes as a story: what the meters, the network, the disks and the power do to an edge and its cloud.
//!
//! The first bytes choose the configuration. Then each byte chooses what happens next, and takes further bytes as it
//! needs them. The disk keeps its promises in every story, so a fault is a defect, and so is a panic.

use pehra_core::delivery::*;
use pehra_core::node::GateBound;
use pehra_core::pipeline::*;
use pehra_core::protocol::{Drawn, Input};
use pehra_core::types::{Household, NodeId, RequestId, Ticks};
use pehra_core::window::*;

use super::world::{CLOUD, EDGE, World};

/// Steps in one story at the most.
const STEPS_MAX: usize = 2000;

/// Lives through the story. In an honest one whatever was appended must have arrived in the end.
pub fn steps(bytes: &[u8]) {
    let mut tape = Tape(bytes);
    let mut world = new_world(&mut tape);
    for _ in 0..STEPS_MAX {
        let Some(action) = tape.byte() else { break };
        act(&mut world, action, &mut tape);
        world.assert_sound();
    }
    if !world.is_hostile {
        world.assert_it_drains();
    }
}

struct Tape<'a>(&'a [u8]);

impl Tape<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next byte; 0 at the end.
    fn next(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    fn index(&mut self) -> usize {
        self.next().into()
    }
}

fn new_world(tape: &mut Tape<'_>) -> World {
    let kind = tape.next();
    let sizes = tape.next();
    let windows = WindowConfig {
        width_ms: [1000, 5000][usize::from(kind & 1)],
        slack_ms: [0, 2000][usize::from(kind >> 1 & 1)],
        lateness_ms: [0, 10_000][usize::from(kind >> 2 & 1)],
        readings_max: 4,
        households_max: [8, 5000][usize::from(kind >> 3 & 1)],
        ..WindowConfig::default()
    };
    let sender = SenderConfig {
        batch_rows: [1, 2, 3, 64][usize::from(sizes & 3)],
        flights: (sizes >> 2 & 7) + 1,
        retain_rows: [0, 16][usize::from(sizes >> 5 & 1)],
        backlog_rows: [8, 1 << 20][usize::from(sizes >> 6 & 1)],
        retry: Ticks(1),
        retry_max: Ticks(4),
        ..SenderConfig::deployed(CLOUD)
    };
    let credit = if sizes >> 7 == 0 { 3 } else { 100 };
    let cloud = ReceiverConfig {
        credit,
        ..ReceiverConfig::deployed(EDGE)
    };
    let bound = GateBound {
        commits: [2, 256][usize::from(kind >> 4 & 1)],
        ..GateBound::DEPLOYED
    };
    let mut world = World::new(PipelineConfig { windows, sender }, cloud, bound);
    world.is_hostile = kind >> 5 == 7;
    world
}

fn act(world: &mut World, action: u8, tape: &mut Tape<'_>) {
    match action % 32 {
        0..=3 => read_one(world, tape),
        4 => world.now_ms += i64::from(tape.next()) * 100,
        5 => read_crowd(world, tape),
        6 => world.read(
            tape.next().into(),
            Content::Unreadable(vec![tape.next(); tape.index() * 8]),
        ),
        7 => world.read(tape.next().into(), Content::Gone),
        8 => read_elsewhere(world, tape),
        9 | 10 => world.persist_edge(),
        11 | 12 => world.persist_cloud(),
        13 => world.answer_edge(),
        14 => world.answer_cloud(),
        15 | 16 => world.deliver_up(0, false),
        17 => world.deliver_up(tape.index(), tape.next() & 1 == 0),
        18 | 19 => world.deliver_down(0, false),
        20 => world.deliver_down(tape.index(), tape.next() & 1 == 0),
        21 => world.draw(),
        22 => world.fire_edge(PipelineTimer::Window(WindowTimer::Sweep)),
        23 => world.fire_edge(PipelineTimer::Sender(SenderTimer::Retry)),
        24 => world.fire_edge(PipelineTimer::Sender(SenderTimer::Heartbeat)),
        25 => world.fire_cloud(),
        26 => world.crash_edge(tape.index() % 8),
        27 => world.crash_cloud(tape.index() % 8),
        28 => lose(world, tape),
        29 => disturb(world, tape),
        30 => calm(world, tape),
        _ if world.is_hostile => invent(world, tape),
        _ => drop_messages(world, tape),
    }
}

fn read_one(world: &mut World, tape: &mut Tape<'_>) {
    let (who, when) = (tape.next(), tape.next());
    let household = format!("h{}", who % 10);
    let power_mw = match when % 16 {
        0 => i64::MIN,
        1 => 1_000_000_000_000,
        power => i64::from(power) - 5,
    };
    // A little around "now", and now and then far away.
    let time_ms = match who / 10 {
        0..=20 => world.now_ms + (i64::from(when) - 200) * 100,
        21 => world.now_ms - 100_000_000,
        22 => world.now_ms + 300_000,
        23 => i64::MAX - i64::from(when),
        24 => i64::MIN + i64::from(when),
        _ => world.now_ms,
    };
    let register = (when & 1 == 0).then_some(u64::from(when));
    world.reading(&household, time_ms, power_mw, register);
}

/// Many households at once, so that one sweep has much to close.
fn read_crowd(world: &mut World, tape: &mut Tape<'_>) {
    // Mostly few, for speed.
    let (count, from) = (tape.index().pow(2) / 256, tape.index() * 8);
    for n in from..from + count {
        world.reading(&format!("c{n}"), world.now_ms, 1, None);
        while world.edge.node.is_full() && !world.edge.commits.is_empty() {
            world.persist_edge();
        }
    }
}

/// A record that may not join on to where the edge stands.
fn read_elsewhere(world: &mut World, tape: &mut Tape<'_>) {
    let taken = Taken {
        partition: tape.next().into(),
        before: tape.next().into(),
        after: tape.next().into(),
        content: Content::Gone,
    };
    world.feed_edge(Input::Commanded(RequestId(7), taken));
}

/// Rarely a whole store is gone.
fn lose(world: &mut World, tape: &mut Tape<'_>) {
    match tape.next() {
        0..=15 => world.lose_edge(),
        16..=47 => world.lose_cloud(),
        _ => {}
    }
}

fn disturb(world: &mut World, tape: &mut Tape<'_>) {
    let what = tape.next();
    let yes = what & 1 == 0;
    match what >> 1 & 7 {
        0 => world.feed_edge(Input::Link { peer: CLOUD, up: yes }),
        1 => world.feed_cloud(Input::Link { peer: EDGE, up: yes }),
        2 => world.feed_edge(Input::Stalled(yes)),
        3 => world.feed_cloud(Input::Stalled(yes)),
        4 => world.feed_edge(Input::Paused),
        5 => world.feed_cloud(Input::Paused),
        6 => world.feed_edge(Input::Link {
            peer: NodeId(9),
            up: yes,
        }),
        _ => world.feed_cloud(Input::Drawn(Drawn::Nonce(what.into()))),
    }
}

/// For some rounds everything goes as it should.
fn calm(world: &mut World, tape: &mut Tape<'_>) {
    for _ in 0..tape.next() % 16 {
        world.draw();
        world.persist_edge();
        world.answer_edge();
        world.deliver_up(0, false);
        world.persist_cloud();
        world.answer_cloud();
        world.deliver_down(0, false);
        world.assert_sound();
    }
}

fn drop_messages(world: &mut World, tape: &mut Tape<'_>) {
    let which = tape.next();
    let messages = usize::from(which >> 1);
    if which & 1 == 0 {
        world.up.drain(..messages.min(world.up.len()));
    } else {
        world.down.drain(..messages.min(world.down.len()));
    }
}

/// Somebody says what nobody has sent. No node may fault for that.
fn invent(world: &mut World, tape: &mut Tape<'_>) {
    let what = tape.next();
    let from = if what & 0x80 == 0 { [EDGE, CLOUD] } else { [CLOUD, EDGE] };
    match what % 8 {
        0 => {
            let message = Alive {
                credit: tape.next().into(),
            }
            .into();
            world.feed_edge(Input::Received { from: from[1], message });
        }
        1 => {
            let claim = ReceiverClaim::Welcome {
                epoch: number(world, tape),
                session: number(world, tape),
                high: Seq(number(world, tape)),
                credit: tape.next().into(),
            };
            hear(world, from[1], claim);
        }
        2 | 3 => {
            let codes = (what % 8 == 3).then(|| Codes {
                first: Seq(number(world, tape)),
                codes: vec![(household(tape), Code(*b"10115"))],
            });
            let claim = ReceiverClaim::Ack {
                epoch: number(world, tape),
                high: Seq(number(world, tape)),
                codes,
                credit: tape.next().into(),
            };
            hear(world, from[1], claim);
        }
        4 => {
            let epoch = number(world, tape);
            hear(world, from[1], ReceiverClaim::Fenced { epoch });
        }
        5 => {
            let message = Uplink::Claim(SenderClaim::Hello {
                epoch: number(world, tape),
                session: number(world, tape),
                oldest: Seq(number(world, tape)),
            });
            world.feed_cloud(Input::Received { from: from[0], message });
        }
        6 => {
            let rows = invented_rows(world, tape);
            let epoch = number(world, tape);
            let message = Uplink::Claim(SenderClaim::Batch { epoch, rows });
            world.feed_cloud(Input::Received { from: from[0], message });
        }
        _ => {
            let query = RowsQuery {
                first: Seq(number(world, tape)),
                count: tape.next().into(),
            };
            // To answer a query wrongly that was asked would be the disk's breach of promise.
            let rows = invented_rows(world, tape);
            if !world.edge.fetches.contains(&query) {
                world.feed_edge(Input::Fetched { query, rows });
            }
        }
    }
}

fn hear(world: &mut World, from: NodeId, claim: ReceiverClaim<Tuple>) {
    let message = claim.into();
    world.feed_edge(Input::Received { from, message });
}

/// A number that means something here, or none at all.
fn number(world: &World, tape: &mut Tape<'_>) -> u64 {
    let sender = world.edge.node.state().sender();
    let which = tape.next();
    let flight = sender
        .flights()
        .iter()
        .nth(usize::from(which >> 4))
        .copied()
        .unwrap_or_default();
    match which % 16 {
        0 => 0,
        1 => sender.acked().0,
        2 => sender.sent().0,
        3 => sender.last().0,
        4 => sender.last().next().0,
        5 => sender.epoch().unwrap_or(1),
        6 => world.cloud.node.state().high().0,
        7 => world.cloud.node.state().high().next().0,
        8 => world.cloud.node.state().epoch().unwrap_or(1),
        9 => flight.first.0,
        10 => flight.last.0,
        11 => u64::MAX,
        12 => u64::MAX - 1,
        _ => tape.next().into(),
    }
}

fn household(tape: &mut Tape<'_>) -> Household {
    Household::new(&format!("h{}", tape.next() % 10)).unwrap()
}

fn invented_rows(world: &World, tape: &mut Tape<'_>) -> Rows<Tuple> {
    let first = Seq(number(world, tape));
    let mut bodies = Vec::new();
    for n in 0..tape.next() % 8 {
        bodies.push(Tuple {
            household: household(tape),
            start_ms: i64::from(n),
            span: Span::Gap { until_ms: 1 },
        });
    }
    let asks = if tape.next() & 1 == 0 {
        Vec::new()
    } else {
        vec![household(tape)]
    };
    Rows { first, bodies, asks }
}
