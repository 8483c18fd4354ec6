//! Brokers of a real Kafka cluster sleep and wake, by real agents: three controllers, three brokers behind proxies, three agents.

mod common;
mod sleeping;

use std::collections::BTreeSet;
use std::time::Duration;

use sleeping::{Barn, Read, Sent};

#[test]
fn one_sleeps_when_all_is_idle_and_whatever_goes_wrong_it_wakes() {
    let mut barn = Barn::enabled("");
    idle_lets_one_sleep_and_no_more(&barn);
    traffic_wakes_it_and_nothing_is_lost(&barn);
    the_pehredar_is_killed(&mut barn);
    the_sleepers_agent_is_killed(&mut barn);
    the_sleepers_agent_is_asked_to_end(&mut barn);
    barn.say("done");
}

/// R = 3, min ISR 2: one may sleep.
fn idle_lets_one_sleep_and_no_more(barn: &Barn) {
    let sleeper = barn.one_sleeps();
    assert!(
        barn.broker_pid(sleeper).is_none(),
        "it says that it sleeps, and its broker runs"
    );
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while std::time::Instant::now() < until {
        assert!(barn.one_sleeps() == sleeper, "another one sleeps now");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn traffic_wakes_it_and_nothing_is_lost(barn: &Barn) {
    let sent = barn.produce("readings", 100);
    assert_eq!(sent.len(), 100, "all were acknowledged\n{}", barn.logs());
    barn.all_are_up();
    let read = barn.consume("readings", 100);
    is_all_there(&sent, &read);
}

fn is_all_there(sent: &[Sent], read: &[Read]) {
    let key = |partition: i64, offset: i64, value: &str| (partition, offset, value.to_owned());
    let read: BTreeSet<_> = read.iter().map(|it| key(it.partition, it.offset, &it.value)).collect();
    let lost: Vec<&Sent> = sent
        .iter()
        .filter(|it| !read.contains(&key(it.partition, it.offset, &it.value)))
        .collect();
    assert!(lost.is_empty(), "acknowledged, and not there as it was: {lost:?}");
}

fn the_pehredar_is_killed(barn: &mut Barn) {
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
