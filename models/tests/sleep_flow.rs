//! The table of a member's broker, and its flow chart, say what the code does.
//!
//! Every reachable state of some small worlds is visited. Each change of a broker's place must be a row of the table, and each row
//! must be seen: from every state and by every input that it names. Inputs that no action of these
//! worlds has, and a restart, are tried on the side in every state that is reached.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use pehra_core::members::NodeSet;
use pehra_core::protocol::Input;
use pehra_core::sleep::guard::{Claim, Command, Decree, Message, Notice, Order, Purpose, Timer, WakeRule};
use pehra_core::types::{NodeId, RequestId};
use pehra_models::flow::{self, Place};
use pehra_models::results;
use pehra_models::sleep::{Action, Bounds, State, World};
use stateright::Model;

/// From where, on what, to where.
type Change = (Place, &'static str, Place);

/// Worlds that are walked to their ends, each for what it is named for.
fn worlds() -> Vec<(&'static str, Bounds)> {
    let plain = || Bounds {
        repeats: false,
        ..Bounds::plain()
    };
    let one = |node: u16| NodeSet::only(NodeId(node));
    vec![
        ("a wake", Bounds::woken()),
        (
            "traffic",
            Bounds {
                traffic: 1,
                traffic_at: one(1),
                suggests: vec![one(1)],
                without: vec![Timer::Probe, Timer::Drain, Timer::Wake, Timer::Answer],
                wake: WakeRule::All,
                repeats: false,
                ..Bounds::lean()
            },
        ),
        ("no leader", Bounds::lost(&[Timer::Wake, Timer::Answer])),
        (
            "a second term",
            Bounds {
                terms: 2,
                stands: vec![one(1)],
                votes: vec![NodeSet::first(3)],
                without: vec![
                    Timer::Drain,
                    Timer::Wake,
                    Timer::Answer,
                    Timer::Idle,
                    Timer::Probe,
                    Timer::Rouse,
                ],
                repeats: false,
                ..Bounds::lean()
            },
        ),
        (
            "switched off",
            Bounds {
                switches: 1,
                decrees: 4,
                without: vec![
                    Timer::Drain,
                    Timer::Wake,
                    Timer::Answer,
                    Timer::Idle,
                    Timer::Probe,
                    Timer::Rouse,
                ],
                repeats: false,
                ..Bounds::lean()
            },
        ),
        (
            "a round of maintenance",
            Bounds {
                rounds: 1,
                decrees: 5,
                without: vec![
                    Timer::Probe,
                    Timer::Alarm,
                    Timer::Drain,
                    Timer::Wake,
                    Timer::Answer,
                    Timer::Idle,
                    Timer::Rouse,
                ],
                ..plain()
            },
        ),
        (
            "a crash of one on duty",
            Bounds {
                decrees: 4,
                crashes: 1,
                crash_at: one(2),
                suggests: vec![one(1)],
                without: vec![
                    Timer::Probe,
                    Timer::Alarm,
                    Timer::Drain,
                    Timer::Wake,
                    Timer::Answer,
                    Timer::Idle,
                    Timer::Rouse,
                ],
                ..plain()
            },
        ),
    ]
}

/// What an action is to the member whose broker it moved, in the words of the table.
fn input(state: &State, action: &Action, member: u8, next: Place) -> &'static str {
    match action {
        Action::Deliver(letter) => match letter.message {
            Message::Claim(Claim::Grant { purpose, .. }) => match purpose {
                Purpose::Sleep => "Grant to sleep",
                Purpose::Maintenance => "Grant of maintenance",
            },
            Message::Notice(Notice::Wake { .. }) => "Wake",
            Message::Notice(Notice::Traffic) => "traffic elsewhere",
            Message::Claim(Claim::Standing(_)) => "Standing",
        },
        Action::Fire(_, timer) => match timer {
            Timer::Idle => "Idle timer",
            Timer::Tell => "Tell timer",
            Timer::Probe => "Probe timer",
            Timer::Alarm => "Alarm timer",
            Timer::Drain => "Drain timer",
            Timer::Rouse => "Rouse timer",
            Timer::Wake => "Wake timer",
            Timer::Answer => "Answer timer",
        },
        Action::Learn(_) | Action::Decide(_) => {
            let learnt = match action {
                Action::Learn(_) => Some(state.log[usize::from(state.at(member).applied)].decree),
                _ => state.at(member).proposed,
            };
            match learnt {
                Some(Decree::Plan(_)) => "another plan",
                Some(Decree::Switch { on: false, .. }) => "switched off",
                Some(Decree::Switch { on: true, .. }) => "switched on",
                Some(Decree::Round { .. }) => "a round",
                None => "nothing",
            }
        }
        Action::Elect(winner, _) if *winner == member => "it leads",
        Action::Elect(..) | Action::Follow(_) | Action::Lose(_) => "another Pehredar",
        Action::View(_) if matches!(next, Place::Active | Place::Waking) => "a View that does not cover",
        Action::View(_) => "View",
        Action::Stopped(_) => "Stopped",
        Action::Up(_) => "Up",
        Action::Traffic(_) => "traffic",
        Action::Wake(_) => "Wake",
        Action::Crash(_) | Action::AllDown(_) | Action::PowerLoss(..) => "start, restart",
        // There is no Kafka beneath these worlds.
        Action::Kafka(_) => "nothing",
        Action::Done(_) => "Done",
        Action::Enable(..) => "asked to switch on",
        Action::Disable(_) => "asked to switch off",
        Action::Round(..) => "asked for a round",
        Action::Calm => "calm",
    }
}

/// Inputs that no action of the worlds has.
fn on_the_side() -> [(&'static str, Input<pehra_core::sleep::guard::Guard>); 3] {
    let order = |order: Order| Input::Commanded(RequestId(0), Command::Order(order));
    [
        ("Down", order(Order::Down)),
        ("Paused", Input::Paused),
        ("Wake", order(Order::StayAwake(true))),
    ]
}

/// Every change in every reachable state of a world, and how many states there are.
fn changes(bounds: Bounds, found: &mut BTreeSet<Change>) -> usize {
    let world = World::new(bounds);
    let mut open = world.init_states();
    let mut seen: HashSet<State> = open.iter().cloned().collect();
    let mut actions = Vec::new();
    while let Some(state) = open.pop() {
        for member in world.members() {
            let from = Place::of(state.guard(member).state());
            let restarted = [("start, restart", world.restarted(&state, member))];
            let tried = on_the_side().map(|(name, input)| (name, world.tried(&state, member, input)));
            for (name, next) in tried.into_iter().chain(restarted) {
                if let Some(next) = next.map(Place::of).filter(|next| *next != from) {
                    found.insert((from, name, next));
                }
            }
        }
        world.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let Some(after) = world.next_state(&state, action.clone()) else {
                continue;
            };
            for member in world.members() {
                let (from, next) = [&state, &after].map(|it| Place::of(it.guard(member).state())).into();
                if from != next {
                    found.insert((from, input(&state, &action, member, next), next));
                }
            }
            if seen.insert(after.clone()) {
                open.push(after);
            }
        }
    }
    seen.len()
}

#[test]
fn the_code_goes_where_the_table_says_and_nowhere_else() {
    let rows = flow::table().expect("a table");
    let mut written: BTreeSet<(Place, String, Place)> = BTreeSet::new();
    for row in &rows {
        for from in row.starts().iter().filter(|from| **from != row.next) {
            let inputs = if row.from.is_empty() {
                vec![row.inputs.join(", ")]
            } else {
                row.inputs.clone()
            };
            written.extend(inputs.into_iter().map(|input| (*from, input, row.next)));
        }
    }
    let mut found = BTreeSet::new();
    for (name, bounds) in worlds() {
        let begun = std::time::Instant::now();
        let states = changes(bounds, &mut found);
        println!("{name}: {states} states, {:.1} s", begun.elapsed().as_secs_f64());
    }
    let found: BTreeSet<_> = found
        .into_iter()
        .map(|(from, on, to)| (from, on.to_owned(), to))
        .collect();
    let unwritten: Vec<_> = found.difference(&written).collect();
    let unseen: Vec<_> = written.difference(&found).collect();
    assert!(
        unwritten.is_empty() && unseen.is_empty(),
        "the code does, and the table does not say: {unwritten:#?}\nthe table says, and the code never did: {unseen:#?}"
    );
    println!("{} changes, each in the table and each seen", found.len());
}

#[test]
fn the_flow_chart_that_is_kept_is_of_this_table() {
    let svg = flow::svg(&flow::table().expect("a table"));
    // The page's crate cannot depend on this one, and has a copy.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/web/assets");
    for folder in [results::folder(), page] {
        let path = folder.join("sleep-flow.svg");
        if std::env::var_os("PEHRA_WRITE_RESULTS").is_some_and(|value| value == "1") {
            std::fs::write(&path, &svg).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            continue;
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            kept == svg,
            "{} is of another table. If that is meant, run this test with PEHRA_WRITE_RESULTS=1, look at the picture and commit it",
            path.display()
        );
    }
}
