//! Brokers of a real Kafka cluster that nothing stands in front of: their agents see traffic by the kernel's counts.

use std::time::{Duration, Instant};

use crate::sleeping::client::is_all_there;
use crate::sleeping::{Barn, By};

/// Node 3 looks at a port that nobody listens at, as it would in another network namespace.
const UNSEEN: u16 = 3;

#[test]
fn brokers_that_nothing_stands_in_front_of_sleep_and_wake() {
    let mut barn = Barn::seen(By::Sockets, "", 0);
    barn.begin();
    whoever_does_not_see_its_broker_never_sleeps(&barn);
    an_idle_consumer_keeps_nobody_awake_and_a_producer_wakes(&barn);
    barn.say("done");
}

fn whoever_does_not_see_its_broker_never_sleeps(barn: &Barn) {
    let sleeper = barn.one_sleeps();
    assert_ne!(sleeper, UNSEEN);
    for id in 1..=3 {
        let told = barn.ask(id, r#"{"ask":"self-check"}"#).expect("it answers");
        let checks = told["self-checked"]["checks"].as_array().cloned().unwrap_or_default();
        let traffic = checks.into_iter().find(|check| check["what"] == "traffic");
        let traffic = traffic.unwrap_or_else(|| panic!("{told}"));
        assert_eq!(traffic["well"], id != UNSEEN, "{id}: {traffic}");
        let found = traffic["found"].as_str().unwrap_or_default();
        let wanted = if id == UNSEEN {
            "nobody listens at all of the ports"
        } else {
            "are seen"
        };
        assert!(found.contains(wanted), "{id}: {found}");
    }
    assert!(
        barn.logged(UNSEEN, "this node stays awake") > 0,
        "it says so\n{}",
        barn.logs()
    );
    let awake_too = barn.stand(UNSEEN).expect("it answers");
    assert_eq!(awake_too.doing, "active");
}

fn an_idle_consumer_keeps_nobody_awake_and_a_producer_wakes(barn: &Barn) {
    let mut consumer = barn.consumer("readings", "idle", &["--enable-autocommit"]);
    barn.wait("the consumer has its partitions", || {
        consumer.said("partitions_assigned") > 0
    });
    barn.say("an idle consumer");
    let sleeper = barn.one_sleeps();
    // Longer than the idle time: it polls, beats and commits all the while.
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        assert_eq!(barn.sleepers(), [sleeper], "an idle consumer woke it\n{}", barn.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut producer = barn.producer("readings", &[]);
    barn.wait("something is acknowledged", || !producer.sent().is_empty());
    barn.say("a producer writes");
    barn.all_are_up();
    assert!(barn.sleepers().is_empty());
    producer.end();
    let sent = producer.sent();
    barn.say(&format!("{} messages are acknowledged", sent.len()));
    barn.wait("all were read", || consumer.read().len() >= sent.len());
    is_all_there(&sent, &consumer.read());
    assert!(producer.failed().is_empty(), "{:?}", producer.failed());
    consumer.end();
    assert_ne!(barn.one_sleeps(), UNSEEN);
}
