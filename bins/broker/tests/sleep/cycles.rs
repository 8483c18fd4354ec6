//! T1, T2, T3: brokers sleep and wake again and again while Kafka's own verifiable clients write and read with `acks=all`. What was
//! acknowledged is there, once, and in order for each key; the longest pause between two acknowledgements is printed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::sleeping::client::{Read, Sent, is_all_there};
use crate::sleeping::{Barn, Client};

/// So many keys take turns.
const KEYS: usize = 30;

/// Load that awake brokers bear, so that brokers sleep and wake *under* it.
#[test]
fn seven_sleeps_and_wakes_in_lean_gear_under_load() {
    lean(7);
}

#[test]
#[ignore = "takes a quarter of an hour: ./run deep"]
fn a_hundred_sleeps_and_wakes_in_lean_gear_under_load() {
    lean(100);
}

/// All but one sleep, and writes wait for a wake.
#[test]
fn three_sleeps_and_wakes_in_watch_gear() {
    watch(3);
}

#[test]
#[ignore = "takes half an hour: ./run deep"]
fn a_hundred_sleeps_and_wakes_in_watch_gear() {
    watch(100);
}

fn lean(cycles: u32) {
    let mut barn = Barn::enabled("load-max = 1000", 0);
    let mut producer = producer(&barn);
    barn.wait("it writes", || producer.sent().len() > 50);
    let mut slept = BTreeMap::new();
    let mut wakes = Vec::new();
    for cycle in 1..=cycles {
        let sleeper = barn.one_sleeps();
        *slept.entry(sleeper).or_insert(0) += 1;
        let took = wake(&barn, sleeper);
        barn.all_are_up();
        wakes.push(took.elapsed());
        barn.say(&format!(
            "cycle {cycle}: broker {sleeper} is up after {:.1} s",
            took.elapsed().as_secs_f64()
        ));
        // Another one watches, so that another one sleeps.
        let pehredar = barn.pehredar().unwrap_or(1);
        let _ = barn.ask(pehredar, r#"{"ask":"transfer","to":null}"#);
    }
    println!("who slept, and how often: {slept:?}");
    spread("from a wake until all are up", wakes);
    pauses("no agent was killed", &producer.sent());
    let before = producer.sent().len();
    the_pehredar_is_killed_in_each_phase(&mut barn);
    producer.end();
    // Its proxy is gone with it, so that the clients of its broker wait until it is started again.
    pauses(
        "the Pehredar was killed, and its broker's proxy with it",
        &producer.sent()[before..],
    );
    account(&barn, &producer);
}

fn wake(barn: &Barn, sleeper: u16) -> Instant {
    let now = Instant::now();
    let reply = barn.ask(sleeper, r#"{"ask":"wake"}"#).expect("it answers");
    assert!(!reply["done"].is_null(), "{reply}");
    now
}

/// T3. Whatever was under way, all brokers come up again.
fn the_pehredar_is_killed_in_each_phase(barn: &mut Barn) {
    let kill = |barn: &mut Barn| {
        let killed = kill_the_pehredar(barn);
        barn.all_are_up();
        barn.start(killed);
        barn.all_are_up();
    };
    barn.wait("one is on its way down", || doing(barn, "draining").is_some());
    kill(barn);
    barn.one_sleeps();
    kill(barn);
    let sleeper = barn.one_sleeps();
    wake(barn, sleeper);
    barn.wait("it is on its way up", || doing(barn, "waking").is_some());
    kill(barn);
}

fn doing(barn: &Barn, what: &str) -> Option<u16> {
    let mut stands = barn.stands().into_iter();
    stands.find(|(_, stand)| stand.doing == what).map(|(id, _)| id)
}

/// `kill -9`. Who it was.
fn kill_the_pehredar(barn: &mut Barn) -> u16 {
    let mut pehredar = None;
    barn.wait("somebody watches", || {
        pehredar = barn.pehredar();
        pehredar.is_some()
    });
    let pehredar = pehredar.expect("it was waited for");
    barn.kill9(pehredar);
    pehredar
}

fn watch(cycles: u32) {
    let mut barn = Barn::enabled("gear = \"watch\"\nalarm-ms = 8000", 3);
    let mut producer = producer(&barn);
    barn.wait("it writes", || producer.sent().len() > 50);
    let mut outages = Vec::new();
    for cycle in 1..=cycles {
        stand_still(&barn, &producer);
        let sleepers = barn.so_many_sleep(2);
        let before = nearly_acknowledged(&producer);
        let ends = (cycle == 1).then(|| barn.ends("readings", 3));
        producer.thaw();
        let thawed = Instant::now();
        if let Some(ends) = ends {
            a_poller_of_offsets_sees_nothing(&barn, &ends);
        }
        barn.wait("writes are taken again", || last(&producer) > before);
        let sent = producer.sent().into_iter().filter(|sent| number(&sent.value) > before);
        let first = sent.map(|sent| sent.at).min().expect("there are some");
        outages.push(first - thawed);
        let awake = 3 - barn.sleepers().len();
        assert!(awake >= 2, "writes need two copies, and {awake} are up");
        barn.say(&format!(
            "cycle {cycle}: {sleepers:?} slept; the first write is taken after {:.1} s, with {awake} brokers up",
            (first - thawed).as_secs_f64()
        ));
    }
    the_watchman_is_killed_in_each_phase(&mut barn, &producer);
    producer.end();
    alarm_clocks_ring_and_wake_no_broker(&barn);
    // What reads next is a new group, which is written down first: that takes more than the one broker that is up.
    assert_eq!(barn.sleepers().len(), 2);
    spread("from traffic until the first write is taken", outages);
    account(&barn, &producer);
}

/// T3 where all but one sleep, and writes wait for whoever watches next. It has no broker of its own, so that nobody's clients are cut
/// off with it.
fn the_watchman_is_killed_in_each_phase(barn: &mut Barn, producer: &Client) {
    stand_still(barn, producer);
    barn.wait("one is on its way down", || doing(barn, "draining").is_some());
    let killed = kill_the_pehredar(barn);
    barn.so_many_sleep(2);
    barn.start(killed);

    let killed = kill_the_pehredar(barn);
    barn.wait("another one watches", || barn.pehredar().is_some());
    barn.so_many_sleep(2);
    barn.start(killed);

    let before = nearly_acknowledged(producer);
    producer.thaw();
    barn.wait("somebody is woken", || doing(barn, "waking").is_some());
    let killed = kill_the_pehredar(barn);
    let began = Instant::now();
    barn.wait("writes are taken again", || last(producer) > before);
    barn.say(&format!(
        "writes are taken again after {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    barn.start(killed);
}

/// It stands still, so that there is no traffic, and goes on where it was.
fn stand_still(barn: &Barn, producer: &Client) {
    caught_up(barn, producer);
    producer.freeze();
}

/// What was acknowledged before and not read yet is no sign of what comes.
fn nearly_acknowledged(producer: &Client) -> u64 {
    last(producer) + 25
}

/// T7: writes that are refused leave no trace in any log, so whoever watches offsets never learns that somebody wants to write.
fn a_poller_of_offsets_sees_nothing(barn: &Barn, before: &[Option<i64>]) {
    barn.wait("somebody is woken", || doing(barn, "waking").is_some());
    let now = barn.ends("readings", 3);
    assert!(doing(barn, "waking").is_some(), "they were up again too soon to say");
    let grown: Vec<_> = before
        .iter()
        .zip(&now)
        .filter(|(before, now)| before.is_some() && before != now)
        .collect();
    assert!(grown.is_empty(), "logs have grown before anybody was awake: {grown:?}");
    assert!(before.iter().any(Option::is_some), "nobody could say where a log ends");
    barn.say("the offsets stand still, and the agents have seen the traffic");
}

/// Writes for ever.
fn producer(barn: &Barn) -> Client {
    barn.producer("readings", &["--repeating-keys", &KEYS.to_string()])
}

/// Whoever sleeps looks for a Pehredar when its alarm clock rings, and sleeps on by a new grant; its broker is not started for that.
fn alarm_clocks_ring_and_wake_no_broker(barn: &Barn) {
    let sleepers = barn.so_many_sleep(2);
    // It asks, and is granted, within a moment: all that is seen is that it looks once more whether it is missed.
    let rung = |id| barn.logged(id, "its broker state=Draining { stage: Settling");
    let before: Vec<usize> = sleepers.iter().map(|id| rung(*id)).collect();
    let wakes = |id| barn.stand(id).and_then(|stand| stand.all["wakes"].as_u64());
    let woken: Vec<_> = sleepers.iter().map(|id| wakes(*id)).collect();
    for (id, before) in sleepers.iter().zip(before) {
        barn.wait("its alarm clock rings twice", || rung(*id) >= before + 2);
    }
    assert_eq!(barn.so_many_sleep(2), sleepers);
    let now: Vec<_> = sleepers.iter().map(|id| wakes(*id)).collect();
    assert_eq!(now, woken, "an alarm clock started a broker\n{}", barn.logs());
    barn.say("alarm clocks have rung, and they sleep on");
}

/// Waits until it sends no faster than it should, as it does after it stood still.
fn caught_up(barn: &Barn, producer: &Client) {
    barn.wait("it has caught up", || {
        let before = producer.sent().len();
        std::thread::sleep(Duration::from_millis(400));
        let grown = producer.sent().len() - before;
        (1..40).contains(&grown)
    });
}

/// The highest number that was acknowledged.
fn last(producer: &Client) -> u64 {
    producer
        .sent()
        .iter()
        .map(|sent| number(&sent.value))
        .max()
        .unwrap_or(0)
}

/// The producer counts its messages.
fn number(value: &str) -> u64 {
    value.parse().expect("it counts")
}

/// Everything that was acknowledged is there, and in the order in which it was sent.
fn account(barn: &Barn, producer: &Client) {
    let (sent, failed) = (producer.sent(), producer.failed());
    let read = barn.consume("readings", &sent);
    assert!(
        failed.is_empty(),
        "the producer gave up on these: {failed:?}\n{}",
        barn.logs()
    );
    lost_nothing(&sent, &read);
    kept_the_order(&read);
    println!("{} messages acknowledged, and read", sent.len());
}

/// Prints the least, the median and the longest of these.
fn spread(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |place: usize| times[place].as_secs_f64();
    let (median, last) = (times.len() / 2, times.len() - 1);
    println!(
        "{what}: least {:.1} s, median {:.1} s, longest {:.1} s",
        at(0),
        at(median),
        at(last)
    );
}

/// Prints the longest pauses between acknowledgements.
fn pauses(when: &str, sent: &[Sent]) {
    let all = longest_gap(sent.iter());
    let partitions: BTreeMap<i64, Duration> = (0..3)
        .map(|partition| {
            (
                partition,
                longest_gap(sent.iter().filter(|sent| sent.partition == partition)),
            )
        })
        .collect();
    println!("longest pause between acknowledgements while {when}: {all:?}; by partition: {partitions:?}");
}

fn lost_nothing(sent: &[Sent], read: &[Read]) {
    is_all_there(sent, read);
    let values: BTreeMap<&str, usize> = read.iter().fold(BTreeMap::new(), |mut values, it| {
        *values.entry(it.value.as_str()).or_default() += 1;
        values
    });
    let twice: Vec<_> = values.iter().filter(|(_, count)| **count > 1).collect();
    assert!(
        twice.is_empty(),
        "there twice, and the producer is idempotent: {twice:?}"
    );
}

/// The producer gives each message the key of its number modulo [`KEYS`].
fn kept_the_order(read: &[Read]) {
    let mut by_place: Vec<(i64, i64, u64)> = read
        .iter()
        .map(|it| (it.partition, it.offset, number(&it.value)))
        .collect();
    by_place.sort_unstable();
    let mut last = BTreeMap::new();
    for (partition, offset, value) in by_place {
        let key = value % KEYS as u64;
        let (before, home) = last.insert(key, (value, partition)).unwrap_or((0, partition));
        assert_eq!(home, partition, "key {key} is in two partitions");
        assert!(
            before <= value,
            "key {key}: {value} stands behind {before}, at {partition}/{offset}"
        );
    }
    assert_eq!(last.len(), KEYS, "all keys were used");
}

fn longest_gap<'s>(sent: impl Iterator<Item = &'s Sent>) -> Duration {
    let mut times: Vec<Instant> = sent.map(|sent| sent.at).collect();
    times.sort();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
