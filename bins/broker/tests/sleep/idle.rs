//! T8, T10: an idle cluster lets one broker sleep, whoever wants something wakes it, and a round of maintenance visits all.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common;
use crate::sleeping::Barn;
use crate::sleeping::client::is_all_there;

#[test]
fn one_sleeps_when_all_is_idle_and_whoever_wants_something_wakes_it() {
    let barn = Barn::enabled("", 0);
    idle_lets_one_sleep_and_no_more(&barn);
    an_idle_consumer_keeps_nobody_awake_and_traffic_wakes(&barn);
    a_topic_is_made_while_one_sleeps(&barn);
    a_round_of_maintenance_visits_all(&barn);
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
    let sleeper = barn.one_sleeps();
    let wakes = || barn.stand(sleeper).and_then(|stand| stand.all["wakes"].as_u64());
    let before = wakes().expect("it counts them");
    let mut consumer = barn.consumer("readings", "idle", &["--enable-autocommit"]);
    // To join is traffic, once.
    barn.wait("the consumer has its partitions", || {
        consumer.said("partitions_assigned") > 0
    });
    barn.wait("whoever joins wakes", || wakes().is_some_and(|now| now > before));
    barn.say("an idle consumer");
    let sleeper = barn.one_sleeps();
    let mut awake = (1..=3).filter(|id| *id != sleeper);
    let since = |id| {
        barn.stand(id)
            .and_then(|stand| stand.all["traffic_ms"].as_u64())
            .unwrap_or(u64::MAX)
    };
    // Longer than the idle time: it polls, beats and commits all the while.
    let until = Instant::now() + Duration::from_secs(6);
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
