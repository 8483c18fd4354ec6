//! T5, T6, T9 on real brokers: the last copy is not let go, a leader that stood still loses what only it had, forged words wake at most.

mod common;
mod sleeping;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pehra_core::identity::{ClusterName, Hello, PROTOCOL_VERSION};
use pehra_core::members::NodeSet;
use pehra_core::replication::{Index, LogId};
use pehra_core::sleep::guard::{self, Purpose};
use pehra_core::sleep::member::{Claim, Message, Notice};
use pehra_core::types::{NodeId, Term};
use pehra_core::wire::encode_sleep;
use pehra_nng::mesh::{Config, Mesh, MeshOptions};
use rustix::process::{Signal, kill_process};
use sleeping::{Barn, lost};

/// Long beside all timers of profile `test`.
const A_WHILE: Duration = Duration::from_secs(8);

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
