//! T5, T6, T9, T12 on real brokers: the last copy is not let go, a leader that stood still loses what only it had, forged words wake at
//! most, and an alarm clock is enough to come back.

mod common;
mod sleeping;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pehra_core::identity::{ClusterName, Hello, PROTOCOL_VERSION};
use pehra_core::members::NodeSet;
use pehra_core::replication::{Index, LogId};
use pehra_core::sleep::guard::{self, Purpose};
use pehra_core::sleep::member::{Claim, Message, Notice};
use pehra_core::types::{NodeId, Term};
use pehra_core::wire::encode_sleep;
use pehra_nng::mesh::{Config, Mesh, MeshOptions};
use rustix::process::{Signal, kill_process};
use sleeping::client::lost;
use sleeping::machine::{Machines, Nap};
use sleeping::{Barn, Client};

/// Long beside all timers of profile `test`.
const A_WHILE: Duration = Duration::from_secs(8);
/// What a busy machine may add to a bound.
const BUSY: Duration = Duration::from_secs(5);

/// T5. That plain Kafka lets it go is shown by `pehra plan`'s test.
#[test]
#[ignore = "real brokers, a minute: ./run deep"]
fn the_last_copy_is_not_let_go() {
    let mut barn = Barn::enabled("", 3);
    for id in [2, 3] {
        barn.kill9(id);
        barn.kill_broker(id);
    }
    barn.tell_pehredar(|_| r#"{"ask":"maintain","nodes":[1]}"#.into());
    barn.until("all know of the round", |all| {
        all.iter().all(|stand| stand.all["round"] == serde_json::json!([1]))
    });
    let pid = barn.broker_pid(1).expect("it runs");
    std::thread::sleep(A_WHILE);
    let stand = barn.stand(1).expect("it answers");
    assert_eq!(barn.broker_pid(1), Some(pid), "the last copy was let go: {stand:?}");
    for id in [2, 3] {
        barn.start(id);
    }
    // It was no lost order: as soon as there are copies again, it is worked on.
    barn.wait("broker 1 is worked on", || {
        barn.stand(1).is_some_and(|stand| stand.doing == "maintenance") && barn.broker_pid(1).is_none()
    });
    let done = barn.ask(1, r#"{"ask":"maintained"}"#).expect("it answers");
    assert!(!done["done"].is_null(), "{done}");
    barn.all_are_up();
}

/// T6. What `acks=1` loses is Kafka's own, and is only counted; of `acks=all` nothing may be missing.
#[test]
#[ignore = "real brokers, a minute: ./run deep"]
fn a_leader_that_stood_still_loses_what_only_it_had() {
    let mut barn = Barn::new("", 0);
    (1..=3).for_each(|id| barn.start(id));
    barn.all_are_up();
    barn.topic("readings");
    barn.topic("hasty");
    let mut safe = barn.producer("readings", &[]);
    let mut hasty = barn.client(
        "VerifiableProducer",
        &["--topic", "hasty", "--throughput", "50", "--acks", "1"],
    );
    barn.wait("both write", || safe.sent().len() > 100 && hasty.sent().len() > 100);
    for broker in 1..=3 {
        let pid = barn.broker_pid(broker).expect("it runs");
        kill_process(pid, Signal::STOP).expect("it stands still");
        barn.say(&format!("broker {broker} stands still"));
        // Its session has ended by then, and others lead.
        std::thread::sleep(Duration::from_secs(12));
        kill_process(pid, Signal::CONT).expect("it goes on");
        barn.say(&format!("broker {broker} goes on"));
        barn.all_are_up();
    }
    safe.end();
    hasty.end();
    let (sent, read) = (safe.sent(), barn.consume("readings", &safe.sent()));
    let missing = lost(&sent, &read);
    assert!(missing.is_empty(), "acknowledged by all, and not there: {missing:?}");
    let (hastily, there) = (hasty.sent(), barn.consume("hasty", &hasty.sent()));
    // All that the logs have was read, so what is missing is lost.
    let ends = barn.ends("hasty", 3);
    let logged: i64 = ends.chunks(3).filter_map(|copies| copies.iter().flatten().max()).sum();
    assert_eq!(i64::try_from(there.len()), Ok(logged), "not all was read");
    println!(
        "acks=all: {} acknowledged, none lost; acks=1: {} acknowledged, {} lost",
        sent.len(),
        hastily.len(),
        lost(&hastily, &there).len()
    );
}

/// T9. Somebody speaks as node 6, which never started: without certificates, whoever reaches the port can.
#[test]
#[ignore = "real brokers, a minute: ./run deep"]
fn forged_words_wake_at_most() {
    let mut barn = Barn::new("", 3);
    for id in 1..=5 {
        barn.start(id);
    }
    barn.all_are_up();
    barn.topic("readings");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let forger = runtime.block_on(Forger::as_node_6(&barn));

    // Nobody may sleep yet, so whoever did would do so by a forged grant.
    let (term, index) = decided(&barn);
    for purpose in [Purpose::Sleep, Purpose::Maintenance] {
        for lock in 0..200 {
            forger.grant(purpose, LogId { term, index }, lock);
        }
    }
    std::thread::sleep(A_WHILE);
    for (id, stand) in barn.stands() {
        assert!(
            stand.all["broker"].is_null() || stand.doing == "active",
            "a forged grant moved node {id}: {stand:?}"
        );
    }
    barn.enable();
    let sleeper = barn.one_sleeps();
    let (term, index) = decided(&barn);
    (0..200).for_each(|lock| forger.grant(Purpose::Sleep, LogId { term, index }, lock));
    std::thread::sleep(A_WHILE);
    assert_eq!(barn.sleepers(), [sleeper], "a forged grant moved somebody");
    forger.wake(sleeper);
    barn.wait("the sleeper is woken", || {
        barn.stand(sleeper).is_some_and(|stand| stand.doing == "waking")
    });
    barn.all_are_up();
}

/// Their alarm clocks' period in T12, and how long who has been rung looks for a Pehredar at the most: `Timing::TEST.probe` and a quarter.
const ALARM: Duration = Duration::from_secs(12);
const PROBE_MAX: Duration = Duration::from_millis(1875);

/// T12. Machines that nobody can wake: while they sleep their agents stand still, and only the alarm clock ends that.
#[test]
#[ignore = "real brokers, two minutes: ./run deep"]
fn an_alarm_clock_alone_brings_a_sleeper_back() {
    let machines = Machines::new();
    let more = format!("alarm-ms = {}\n{}", ALARM.as_millis(), machines.power());
    let mut barn = Barn::new(&more, 0);
    let links = barn.behind_links();
    (1..=3).for_each(|id| barn.start(id));
    barn.all_are_up();
    barn.topic("readings");
    let writer = barn.producer("readings", &[]);
    barn.wait("it writes", || writer.sent().len() > 100);

    writer.freeze();
    barn.enable();
    let sleeper = fast_asleep(&barn, &machines);
    nobody_waits_and_it_sleeps_on(&barn, &machines, sleeper);
    somebody_waits_and_it_is_back_at_its_next_ring(&barn, &machines, sleeper, &writer);

    writer.freeze();
    let sleeper = fast_asleep(&barn, &machines);
    links.part(sleeper);
    no_call_reaches_it_and_it_is_back_at_its_next_ring(&barn, &machines, sleeper, &writer);
    links.heal();
    barn.wait("it knows of a Pehredar", || {
        barn.stand(sleeper).is_some_and(|stand| stand.role == "none")
    });

    writer.freeze();
    let sleeper = fast_asleep(&barn, &machines);
    links.part(sleeper);
    writer.thaw();
    nobody_is_left_and_it_is_back_at_its_next_ring(&mut barn, &machines, sleeper);
    links.heal();
    for id in (1..=3).filter(|id| *id != sleeper) {
        barn.start(id);
    }
    barn.all_are_up();
    let before = writer.sent().len();
    barn.wait("writes are taken again", || writer.sent().len() > before + 100);
    barn.nothing_is_lost("readings", writer);
}

/// Waits until a machine is down, and takes no call.
fn fast_asleep(barn: &Barn, machines: &Machines) -> u16 {
    let mut found = None;
    barn.wait("a machine sleeps", || {
        found = (1..=3).find(|id| machines.nap(barn.agent_pid(*id)).is_some());
        found.is_some()
    });
    let sleeper = found.expect("it was waited for");
    assert!(
        barn.broker_pid(sleeper).is_none(),
        "a machine sleeps with its broker up"
    );
    // A mere question: an order would wait for it, and be taken when it is up.
    assert!(barn.stand(sleeper).is_none(), "a sleeping machine answers");
    barn.say(&format!("the machine of broker {sleeper} sleeps"));
    sleeper
}

/// A ring finds a live Pehredar: its broker is not started for that.
fn nobody_waits_and_it_sleeps_on(barn: &Barn, machines: &Machines, sleeper: u16) {
    let agent = barn.agent_pid(sleeper);
    let before = machines.naps(agent).len();
    let starts = || barn.logged(sleeper, "the broker is started");
    let started = starts();
    barn.wait("its alarm clock rings, and it sleeps again", || {
        machines.naps(agent).len() > before
    });
    let naps = machines.naps(agent);
    let [.., one, next] = naps[..] else {
        panic!("two sleeps")
    };
    let up = one.up.expect("it was up between");
    let awake = next.down.duration_since(up).expect("in this order");
    assert_eq!(starts(), started, "an alarm clock started a broker\n{}", barn.logs());
    assert_eq!(one.alarm, ALARM);
    println!(
        "a ring that found a Pehredar and nobody who waits: {:.1} s after it fell asleep (bound {:.1} s), and up for {:.2} s",
        up.duration_since(one.down).expect("in this order").as_secs_f64(),
        ALARM.as_secs_f64(),
        awake.as_secs_f64(),
    );
}

/// Who writes needs more than is up. The Pehredar's calls wait for the machine, which reads them as soon as it is up.
fn somebody_waits_and_it_is_back_at_its_next_ring(barn: &Barn, machines: &Machines, sleeper: u16, writer: &Client) {
    let nap = machines.nap(barn.agent_pid(sleeper)).expect("it sleeps");
    let called = called_in_vain(barn, sleeper, writer);
    let started = starts(barn, machines, sleeper, nap);
    println!(
        "it was waited for for {:.1} s",
        started.duration_since(called).unwrap_or_default().as_secs_f64()
    );
    barn.all_are_up();
}

/// The same, and the calls are lost: at its ring it hears of nobody at all, and so wakes by itself.
fn no_call_reaches_it_and_it_is_back_at_its_next_ring(barn: &Barn, machines: &Machines, sleeper: u16, writer: &Client) {
    let nap = machines.nap(barn.agent_pid(sleeper)).expect("it sleeps");
    called_in_vain(barn, sleeper, writer);
    starts(barn, machines, sleeper, nap);
    // Nobody else woke it.
    barn.wait("it is a temporary Pehredar", || {
        barn.stand(sleeper).is_some_and(|stand| stand.role == "temporary")
    });
    barn.all_are_up();
}

/// Somebody writes again. Two copies are enough for what is written, but the Pehredar wants all to be up; since when.
fn called_in_vain(barn: &Barn, sleeper: u16, writer: &Client) -> SystemTime {
    let before = writer.sent().len();
    writer.thaw();
    let since = SystemTime::now();
    let called = serde_json::json!(format!("[{sleeper}] are being woken"));
    barn.wait("the Pehredar calls", || {
        let stands = barn.stands().into_iter();
        stands
            .map(|(_, stand)| stand)
            .any(|stand| stand.all["held_back"] == called)
    });
    barn.wait("writes are taken while it sleeps", || writer.sent().len() > before + 20);
    assert!(barn.stand(sleeper).is_none(), "it was up before its alarm clock rang");
    barn.say(&format!("{sleeper} is called, and sleeps on"));
    since
}

/// All other agents are killed while it sleeps, and nothing that they said reaches it.
fn nobody_is_left_and_it_is_back_at_its_next_ring(barn: &mut Barn, machines: &Machines, sleeper: u16) {
    let nap = machines.nap(barn.agent_pid(sleeper)).expect("it sleeps");
    for id in (1..=3).filter(|id| *id != sleeper) {
        barn.kill9(id);
    }
    starts(barn, machines, sleeper, nap);
    barn.all_are_up();
    let stand = barn.stand(sleeper).expect("it answers");
    assert_eq!(stand.role, "temporary", "{stand:?}");
}

/// Waits until the broker is started after this sleep of its machine: not before the alarm clock rang, and within the bound.
fn starts(barn: &Barn, machines: &Machines, sleeper: u16, nap: Nap) -> SystemTime {
    barn.wait("its broker is started", || barn.broker_pid(sleeper).is_some());
    let started = SystemTime::now();
    let naps = machines.naps(barn.agent_pid(sleeper));
    let nap = naps.into_iter().find(|it| it.down == nap.down).expect("it was there");
    let up = nap.up.expect("a broker was started on a machine that sleeps");
    let (after, looked) = (started.duration_since(nap.down), started.duration_since(up));
    let (after, looked) = (after.expect("in this order"), looked.expect("in this order"));
    let bound = nap.alarm + PROBE_MAX;
    barn.say(&format!(
        "broker {sleeper} is started {:.2} s after its machine fell asleep (bound {:.2} s), {:.2} s after the ring",
        after.as_secs_f64(),
        bound.as_secs_f64(),
        looked.as_secs_f64()
    ));
    assert!(nap.alarm <= ALARM, "an alarm later than its period: {nap:?}");
    assert!(
        after <= bound + BUSY,
        "{after:?}, and the bound is {bound:?}\n{}",
        barn.logs()
    );
    started
}

/// The latest plan, by its term and place; the start of the log while there is none.
fn decided(barn: &Barn) -> (Term, Index) {
    let plans = barn.stands().into_iter().map(|(_, stand)| stand.all["plan"].clone());
    let newest = plans.max_by_key(|plan| plan["index"].as_u64()).unwrap_or_default();
    let number = |name: &str| newest[name].as_u64().unwrap_or(0);
    (Term(number("term")), Index(number("index")))
}

struct Forger(Mesh);

impl Forger {
    async fn as_node_6(barn: &Barn) -> Self {
        let endpoint = |id: u16| format!("tcp://{}", barn.address(id)).parse().expect("an endpoint");
        let config = Config {
            me: Hello {
                protocol_version: PROTOCOL_VERSION,
                cluster: ClusterName::new("barn").expect("a name"),
                config_number: 1,
                node: NodeId(6),
                store: 666,
                incarnation: 1,
            },
            listen: endpoint(6),
            members: (1..=6).map(|id| (NodeId(id), endpoint(id))).collect(),
            known: Vec::new(),
            remember: Arc::new(|_, _| Ok(())),
            options: MeshOptions::default(),
        };
        let (mesh, mut events, _clients) = Mesh::start(config).await.expect("the forger's port is free");
        // Every agent believes it.
        let mut linked = BTreeSet::new();
        while linked.len() < 5 {
            let event = tokio::time::timeout(sleeping::PATIENCE, events.next()).await;
            if let Some(pehra_nng::mesh::Event::Up { node, .. }) = event.expect("agents link in time") {
                linked.insert(node);
            }
        }
        Self(mesh)
    }

    fn grant(&self, purpose: Purpose, plan: LogId, lock: u64) {
        let grant = guard::Claim::Grant {
            purpose,
            plan,
            lock,
            counted: (1..=6).map(NodeId).collect::<NodeSet>(),
        };
        for id in 1..=3 {
            self.say(id, &Message::Claim(Claim::Guard(grant)));
        }
    }

    fn wake(&self, id: u16) {
        let wake = guard::Notice::Wake { ticket: 0 };
        self.say(id, &Message::Notice(Notice::Guard(wake)));
    }

    fn say(&self, id: u16, message: &Message) {
        let mut bytes = Vec::new();
        encode_sleep(message, &mut bytes);
        // Its queue is finite; what does not fit in waits.
        while self.0.send(NodeId(id), bytes.clone().into()).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
