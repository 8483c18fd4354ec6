//! Brokers of a real Kafka cluster sleep and wake, by real agents: three controllers, three brokers behind proxies, three agents.

mod common;
mod sleeping;

use std::path::Path;
use std::time::{Duration, Instant};

use sleeping::{Barn, Read, Sent, lost};

#[test]
fn one_sleeps_when_all_is_idle_and_whatever_goes_wrong_it_wakes() {
    let mut barn = Barn::enabled("", 0);
    idle_lets_one_sleep_and_no_more(&barn);
    an_idle_consumer_keeps_nobody_awake_and_traffic_wakes(&barn);
    a_topic_is_made_while_one_sleeps(&barn);
    a_broker_dies_while_one_sleeps(&barn);
    the_pehredar_is_killed(&mut barn);
    the_pehredar_stands_still(&barn);
    all_others_are_killed(&mut barn);
    the_sleepers_agent_is_killed(&mut barn);
    the_sleepers_agent_is_asked_to_end(&mut barn);
    a_round_of_maintenance_visits_all(&barn);
    all_go_down_at_once(&mut barn);
    barn.say("done");
}

#[test]
fn the_example_is_sound_and_a_broker_that_nobody_can_start_is_told() {
    let example = Path::new("../../examples/sleep.toml");
    let check = |file: &Path, id: usize| {
        let output = common::broker(file, id).arg("--check-config").output();
        let output = output.expect("it starts");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    for id in [1, 11] {
        assert_eq!(check(example, id), (Some(0), String::new()));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sleep.toml");
    let text = std::fs::read_to_string(example).expect("it is there");
    std::fs::write(&file, text.replace("command = [", "command = [] # ")).expect("a file");
    let (code, error) = check(&file, 1);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("power.process.command: there is no program"), "{error}");
    // Nobody can wake a machine while writes wait for it.
    let alone = text.replace("host = \"stays-up\"", "host = \"rtcwake\"\nalarm-only = true");
    std::fs::write(&file, &alone).expect("a file");
    assert_eq!(check(&file, 1), (Some(0), String::new()));
    std::fs::write(&file, alone.replace("gear = \"lean\"", "gear = \"watch\"")).expect("a file");
    let (code, error) = check(&file, 1);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("power.alarm-only: in gear \"watch\""), "{error}");
}

/// R = 3, min ISR 2: one may sleep.
fn idle_lets_one_sleep_and_no_more(barn: &Barn) {
    let sleeper = barn.one_sleeps();
    assert!(
        barn.broker_pid(sleeper).is_none(),
        "it says that it sleeps, and its broker runs"
    );
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert_eq!(barn.sleepers(), [sleeper]);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// T8: what consumers ask for while nothing comes, and their commits, are no traffic. Then 100 messages, acknowledged by all in sync.
fn an_idle_consumer_keeps_nobody_awake_and_traffic_wakes(barn: &Barn) {
    let mut consumer = barn.client(
        "VerifiableConsumer",
        &[
            "--topic",
            "readings",
            "--group-id",
            "idle",
            "--verbose",
            "--enable-autocommit",
            "--reset-policy",
            "earliest",
        ],
    );
    let before = barn.one_sleeps();
    let mut awake = (1..=3).filter(|id| *id != before);
    let since = |id| {
        barn.stand(id)
            .and_then(|stand| stand.all["traffic_ms"].as_u64())
            .unwrap_or(u64::MAX)
    };
    barn.wait("the consumer has its partitions", || {
        // To join is no traffic, and what it reads of the offsets' topic is not its own.
        consumer.said("partitions_assigned") > 0
    });
    barn.say("an idle consumer");
    barn.one_sleeps();
    // Longer than the idle time: it polls, beats and commits all the while.
    let until = Instant::now() + Duration::from_secs(6);
    let sleeper = barn.one_sleeps();
    while Instant::now() < until {
        assert_eq!(barn.sleepers(), [sleeper], "an idle consumer woke it\n{}", barn.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
    let quiet = awake.all(|id| since(id) > 5000);
    assert!(quiet, "an idle consumer was taken for traffic\n{}", barn.logs());
    let sent = barn.produce("readings", 100);
    assert_eq!(sent.len(), 100, "all were acknowledged\n{}", barn.logs());
    barn.say("100 messages are acknowledged");
    barn.all_are_up();
    barn.wait("all were read", || consumer.read().len() >= 100);
    is_all_there(&sent, &consumer.read());
    consumer.end();
}

/// T10: to make a topic is traffic, and its copies come into sync before anybody sleeps again.
fn a_topic_is_made_while_one_sleeps(barn: &Barn) {
    barn.one_sleeps();
    barn.topic("late");
    barn.all_are_up();
    barn.one_sleeps();
    let sent = barn.produce("late", 20);
    let read = barn.consume("late", &sent);
    is_all_there(&sent, &read);
    barn.all_are_up();
}

/// T5: one more than may sleep is gone. It is started again; who writes meanwhile has the sleeper woken too, as one copy is too few;
/// and nobody is let sleep before all copies are there.
fn a_broker_dies_while_one_sleeps(barn: &Barn) {
    let sleeper = barn.one_sleeps();
    let victim = (1..=3).find(|id| *id != sleeper).expect("there are three");
    barn.kill_broker(victim);
    let mut writer = barn.producer("readings", &["--max-messages", "20"]);
    let is = |id, doing| barn.stand(id).is_some_and(|stand| stand.doing == doing);
    barn.wait("the killed one is started", || is(victim, "waking"));
    let mut woken = false;
    barn.wait("it is up", || {
        woken |= is(sleeper, "waking");
        let others = barn.sleepers().into_iter().filter(|id| *id != sleeper).count();
        assert_eq!(others, 0, "somebody else was let sleep\n{}", barn.logs());
        is(victim, "active")
    });
    // For the others it was up all the while: its last life's session has hardly ended.
    assert!(
        barn.answers(victim),
        "broker {victim} is said to be up, and cannot be asked yet\n{}",
        barn.logs()
    );
    barn.wait("the sleeper is woken", || {
        woken |= is(sleeper, "waking");
        woken
    });
    barn.wait("all is written", || !writer.process.is_running());
    assert_eq!(writer.sent().len(), 20, "{:?}\n{}", writer.failed(), barn.logs());
    barn.all_are_up();
}

fn is_all_there(sent: &[Sent], read: &[Read]) {
    let missing = lost(sent, read);
    assert!(missing.is_empty(), "acknowledged, and not there as it was: {missing:?}");
}

/// The one with the lowest number: whoever calls as few as are needed calls that first, and gets no answer.
fn the_pehredar_is_killed(barn: &mut Barn) {
    barn.wait("node 1 watches", || {
        let pehredar = barn.pehredar();
        if let Some(other) = pehredar.filter(|other| *other != 1) {
            let _ = barn.ask(other, r#"{"ask":"transfer","to":1}"#);
        }
        pehredar == Some(1)
    });
    let sleeper = barn.one_sleeps();
    let pehredar = barn.pehredar().expect("somebody let it sleep");
    assert_ne!(pehredar, sleeper);
    barn.kill9(pehredar);
    barn.wait("another one watches", || barn.pehredar().is_some());
    // One agent is silent, so that its broker is not counted on.
    barn.all_are_up();
    assert!(barn.broker_pid(pehredar).is_some(), "a broker ends with its agent");
    barn.start(pehredar);
    barn.all_are_up();
    assert_eq!(
        barn.logged(pehredar, "WasUp"),
        1,
        "it found its broker\n{}",
        barn.logs()
    );
}

/// T4, from the agents' side: its broker goes on, and nobody hears of it. When it comes back it is nobody's Pehredar any more.
fn the_pehredar_stands_still(barn: &Barn) {
    let sleeper = barn.one_sleeps();
    let pehredar = barn.pehredar().expect("somebody let it sleep");
    barn.freeze(pehredar);
    barn.wait("the sleeper is up, as one is missing", || {
        barn.stand(sleeper).is_some_and(|stand| stand.doing == "active")
    });
    barn.thaw(pehredar);
    barn.wait("there is one Pehredar", || {
        let watches = |stand: &sleeping::Stand| stand.role == "pehredar";
        barn.stands().iter().filter(|(_, stand)| watches(stand)).count() == 1
    });
    barn.all_are_up();
}

/// `allDown`: nobody is left whom the sleeper could follow. It wakes by itself.
fn all_others_are_killed(barn: &mut Barn) {
    let sleeper = barn.one_sleeps();
    let others: Vec<u16> = (1..=3).filter(|id| *id != sleeper).collect();
    for id in &others {
        barn.kill9(*id);
    }
    barn.all_are_up();
    let stand = barn.stand(sleeper).expect("it answers");
    assert_eq!(stand.role, "temporary", "{stand:?}");
    for id in &others {
        barn.start(*id);
    }
    barn.all_are_up();
}

fn the_sleepers_agent_is_killed(barn: &mut Barn) {
    let sleeper = barn.one_sleeps();
    barn.kill9(sleeper);
    assert!(barn.broker_pid(sleeper).is_none());
    barn.start(sleeper);
    barn.all_are_up();
    assert!(barn.broker_pid(sleeper).is_some());
}

fn the_sleepers_agent_is_asked_to_end(barn: &mut Barn) {
    let sleeper = barn.one_sleeps();
    barn.stop(sleeper);
    assert!(
        barn.broker_pid(sleeper).is_some(),
        "it left its broker asleep\n{}",
        barn.logs()
    );
    barn.start(sleeper);
    barn.all_are_up();
}

/// L6: one after the other is stopped to be worked on, the Pehredar last.
fn a_round_of_maintenance_visits_all(barn: &Barn) {
    let first = barn.pehredar();
    barn.tell_pehredar(|_| r#"{"ask":"maintain"}"#.into());
    let mut visited = Vec::new();
    while visited.len() < 3 {
        let mut found = None;
        barn.wait("somebody is worked on", || {
            let down = barn
                .stands()
                .into_iter()
                .filter(|(_, stand)| stand.doing == "maintenance");
            let down: Vec<u16> = down.map(|(id, _)| id).collect();
            assert!(down.len() <= 1, "{down:?} are worked on at once");
            found = down.first().copied().filter(|id| !visited.contains(id));
            found.is_some_and(|id| barn.broker_pid(id).is_none())
        });
        let node = found.expect("it was waited for");
        barn.say(&format!("broker {node} is worked on"));
        let done = barn.ask(node, r#"{"ask":"maintained"}"#).expect("it answers");
        assert!(!done["done"].is_null(), "{done}");
        visited.push(node);
    }
    assert_eq!(
        visited.last().copied(),
        first,
        "the Pehredar is the last one: {visited:?}"
    );
    barn.until("the round is over", |all| {
        all.iter().all(|stand| stand.all["round"] == serde_json::json!([]))
    });
    barn.all_are_up();
}

/// T11: agents and brokers are killed while one sleeps, and the sleeper, whose copies are old, is the first to be back.
fn all_go_down_at_once(barn: &mut Barn) {
    let sent = barn.produce("readings", 50);
    barn.all_are_up();
    let sleeper = barn.one_sleeps();
    for id in 1..=3 {
        barn.kill9(id);
    }
    for id in (1..=3).filter(|id| *id != sleeper) {
        barn.kill_broker(id);
    }
    barn.start(sleeper);
    barn.wait("it is being started", || barn.broker_pid(sleeper).is_some());
    for id in (1..=3).filter(|id| *id != sleeper) {
        barn.start(id);
    }
    barn.all_are_up();
    is_all_there(&sent, &barn.consume("readings", &sent));
}
