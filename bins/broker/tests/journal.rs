//! A log over the election in real processes: what a client was told is decided is on every node, in one order, whoever is killed.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{Client, Cluster, PATIENCE};
use pehra_testbed::process::wait_until;
use serde_json::{Value, json};

/// How long a node may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(15);

/// Three nodes with a journal, none of them started.
fn journal(number: u32, snapshot_every: u32) -> Cluster {
    let cluster = Cluster::new(3);
    configure(&cluster, number, snapshot_every);
    cluster
}

fn configure(cluster: &Cluster, number: u32, snapshot_every: u32) {
    let addresses: Vec<SocketAddr> = (0..3).map(|id| cluster.address(id)).collect();
    let more = format!("[log]\nkeep = 100000\nsnapshot-every = {snapshot_every}\n");
    cluster.write_addresses("cluster.toml", number, &addresses, &more);
}

/// An entry as a node tells it: place, term, text.
type Entry = (u64, u64, String);

fn entry(value: &Value) -> Entry {
    let number = |key: &str| value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"));
    (
        number("index"),
        number("term"),
        value["text"].as_str().unwrap_or_default().into(),
    )
}

/// All of a node's own copy.
fn entries(cluster: &Cluster, id: usize) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let from = all.last().map_or(0, |(index, ..)| index + 1);
        let reply = cluster
            .ask(id, &json!({"ask": "entries", "from": from}).to_string())
            .expect("an answer");
        let list = reply["entries"]["list"].as_array().expect("a list").clone();
        if list.is_empty() {
            return all;
        }
        all.extend(list.iter().map(entry));
    }
}

/// Appends at whoever leads, until it is acknowledged or this long is over. The place and the term.
fn append(addresses: &[SocketAddr], text: &str, patience: Duration) -> Option<(u64, u64)> {
    let question = json!({"ask": "append", "text": text}).to_string();
    let until = Instant::now() + patience;
    let mut at = 0;
    while Instant::now() < until {
        let Some(mut client) = Client::connect(addresses[at]) else {
            at = (at + 1) % addresses.len();
            continue;
        };
        let reply = client.ask(&question);
        let appended = reply.as_ref().map(|reply| &reply["appended"]);
        if let Some(appended) = appended.filter(|appended| appended.is_object()) {
            return Some((
                appended["index"].as_u64().expect("a place"),
                appended["term"].as_u64().expect("a term"),
            ));
        }
        // Whether it was appended may be open, and the same text must not be offered twice: then it is over.
        let refused = reply.as_ref().map(|reply| &reply["refused"]);
        let hint = refused.and_then(|refused| refused["try"].as_u64());
        let reason = refused.and_then(|refused| refused["reason"].as_str()).unwrap_or("");
        let is_out = reason.contains("does not lead") || reason.contains("ask again");
        if !is_out || reason.contains("still may") {
            return None;
        }
        at = hint.map_or((at + 1) % addresses.len(), |node| {
            usize::try_from(node).expect("a node")
        });
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

fn must_append(cluster: &Cluster, text: &str) -> (u64, u64) {
    let addresses: Vec<SocketAddr> = (0..3).map(|id| cluster.address(id)).collect();
    append(&addresses, text, PATIENCE).unwrap_or_else(|| panic!("{text:?} was not acknowledged"))
}

/// Waits until all these nodes have applied the same, and as much as `least`; then tells what it is.
fn agreed(cluster: &Cluster, ids: &[usize], least: u64) -> Vec<Entry> {
    let applied = |id: &usize| cluster.status(*id)["log"]["applied"].as_u64().unwrap_or(0);
    let until = Instant::now() + CATCH_UP;
    loop {
        let all: Vec<u64> = ids.iter().map(applied).collect();
        if all.iter().all(|one| *one == all[0] && *one >= least) {
            break;
        }
        if Instant::now() > until {
            let told = |id: &usize| format!("--- {id}: {}\n{}", cluster.status(*id), cluster.log(*id));
            panic!(
                "not all have applied the same, and {least}: {}",
                ids.iter().map(told).collect::<String>()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let first = entries(cluster, ids[0]);
    for id in &ids[1..] {
        assert_eq!(entries(cluster, *id), first, "node {id} and node {}", ids[0]);
    }
    first
}

/// A client that appends one numbered text after the other, and keeps what it was told.
fn numbered(cluster: &Cluster, stop: &Arc<AtomicBool>) -> JoinHandle<Vec<Entry>> {
    let addresses: Vec<SocketAddr> = (0..3).map(|id| cluster.address(id)).collect();
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let mut told = Vec::new();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let text = format!("number {number}");
            if let Some((index, term)) = append(&addresses, &text, PATIENCE) {
                told.push((index, term, text));
            }
        }
        told
    })
}

#[test]
fn what_was_acknowledged_is_on_all_nodes_in_one_order_whoever_is_killed() {
    let mut cluster = journal(1, 100);
    (0..3).for_each(|id| cluster.start(id));
    let mut leader = cluster.leader(0);
    let stop = Arc::new(AtomicBool::new(false));
    let client = numbered(&cluster, &stop);
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(700));
        cluster.kill9(leader.node);
        let next = cluster.leader(leader.fencing);
        std::thread::sleep(Duration::from_millis(300));
        cluster.start(leader.node);
        leader = next;
    }
    std::thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    let told = client.join().expect("the client");
    let last = told.last().expect("something was acknowledged").0;
    let all = agreed(&cluster, &[0, 1, 2], last);

    assert!(all.is_sorted_by(|a, b| a.0 < b.0), "one entry in each place");
    let places: BTreeMap<&str, (u64, u64)> = all
        .iter()
        .map(|(index, term, text)| (&**text, (*index, *term)))
        .collect();
    assert_eq!(places.len(), all.len(), "no text twice");
    for (index, term, text) in &told {
        assert_eq!(
            places.get(&**text),
            Some(&(*index, *term)),
            "{text} was acknowledged there"
        );
    }
    assert!(told.is_sorted_by(|a, b| a.0 < b.0), "what came later stands later");
    assert!(
        told.len() > 100,
        "only {} were acknowledged: that shows little",
        told.len()
    );
    let snapshots: Vec<u64> = (0..3)
        .map(|id| cluster.status(id)["log"]["snapshot"].as_u64().unwrap_or(0))
        .collect();
    assert!(snapshots.iter().all(|upto| *upto > 0), "{snapshots:?}");
    println!(
        "{} acknowledged, {} in the journal, snapshots {snapshots:?}",
        told.len(),
        all.len()
    );
}

#[test]
fn who_was_away_for_long_gets_the_snapshot_and_all_go_on_from_their_own() {
    let mut cluster = journal(1, 20);
    (0..3).for_each(|id| cluster.start(id));
    let leader = cluster.leader(0);
    must_append(&cluster, "before");
    let away = (leader.node + 1) % 3;
    cluster.kill9(away);
    // Several pieces.
    let long = "x".repeat(2000);
    let mut last = 0;
    for number in 0..70 {
        last = must_append(&cluster, &format!("{number} {long}")).0;
    }
    wait_until("a snapshot is taken", PATIENCE, || {
        cluster.status(leader.node)["log"]["snapshot"].as_u64() > Some(40)
    });
    cluster.start(away);
    let all = agreed(&cluster, &[0, 1, 2], last);
    assert_eq!(all.len(), 71);
    assert!(
        cluster.log(away).contains("goes on from a snapshot"),
        "{}",
        cluster.log(away)
    );

    (0..3).for_each(|id| cluster.kill9(id));
    (0..3).for_each(|id| cluster.start(id));
    cluster.leader(leader.fencing);
    let last = must_append(&cluster, "after").0;
    let again = agreed(&cluster, &[0, 1, 2], last);
    assert_eq!(again[..71], all[..]);
    assert_eq!(again.len(), 72);
}

#[test]
fn a_lost_store_is_fed_and_votes_only_when_it_has_caught_up() {
    for loses_all in [false, true] {
        let mut cluster = journal(1, 1000);
        (0..3).for_each(|id| cluster.start(id));
        let first = cluster.leader(0);
        let (behind, wiped) = ((first.node + 1) % 3, (first.node + 2) % 3);
        let early = must_append(&cluster, "early").0;
        agreed(&cluster, &[0, 1, 2], early);
        cluster.kill9(behind);
        let (late, _) = must_append(&cluster, "late");
        cluster.stop(wiped);
        cluster.stop(first.node);
        if loses_all {
            fs::remove_dir_all(cluster.data(wiped)).expect("it was there");
        } else {
            fs::remove_file(cluster.data(wiped).join("election.db")).expect("it was there");
            cluster.start(wiped);
            let trouble = cluster.status(wiped)["trouble"].to_string();
            assert!(trouble.contains("is lost"), "{trouble}");
            cluster.stop(wiped);
        }
        configure(&cluster, 2, 1000);

        // These two are a majority of three, and neither holds what was acknowledged last.
        cluster.start(behind);
        cluster.start(wiped);
        cluster.nobody_leads();
        let status = cluster.status(wiped);
        assert_eq!(status["log"]["lacks"], true, "{status}");
        assert!(
            status["trouble"].as_str().expect("words").contains("votes when"),
            "{status}"
        );

        cluster.start(first.node);
        let second = cluster.leader(first.fencing);
        wait_until("it has caught up", CATCH_UP, || {
            cluster.status(wiped)["log"]["lacks"] == false
        });
        let all = agreed(&cluster, &[0, 1, 2], late);
        let texts: Vec<&str> = all.iter().map(|(.., text)| &**text).collect();
        assert_eq!(texts, ["early", "late"]);
        assert!(cluster.log(wiped).contains("votes again"), "{}", cluster.log(wiped));

        // Its vote counts now: without the leader it is one of a majority.
        let other = (0..3).find(|id| *id != second.node && *id != wiped).expect("three");
        cluster.kill9(second.node);
        cluster.leader(second.fencing);
        // And after a restart.
        cluster.kill9(wiped);
        cluster.start(wiped);
        assert_eq!(cluster.status(wiped)["log"]["lacks"], false);
        cluster.leader(second.fencing);
        let last = must_append(&cluster, "last").0;
        assert_eq!(agreed(&cluster, &[other, wiped], last).len(), 3);
    }
}

#[test]
fn questions_about_the_journal_are_answered_or_refused_with_what_to_do() {
    let mut cluster = journal(1, 1000);
    (0..3).for_each(|id| cluster.start(id));
    let leader = cluster.leader(0);
    let follower = (leader.node + 1) % 3;
    let (index, term) = must_append(&cluster, "wa\u{1f4a1}tch \"x\"");
    assert_eq!(term, leader.fencing);
    let asked = cluster
        .ask(leader.node, r#"{"ask":"entries","from":1,"confirmed":true}"#)
        .expect("an answer");
    assert_eq!(asked["entries"]["confirmed"], true, "{asked}");
    assert_eq!(
        entry(&asked["entries"]["list"][0]),
        (index, term, "wa\u{1f4a1}tch \"x\"".into())
    );
    for question in [
        r#"{"ask":"entries","confirmed":true}"#,
        r#"{"ask":"append","text":"no"}"#,
    ] {
        let refused = cluster.ask(follower, question).expect("an answer");
        assert_eq!(refused["refused"]["try"], leader.node, "{refused}");
    }
    let long = json!({"ask": "append", "text": "x".repeat(5000)}).to_string();
    let refused = cluster.ask(leader.node, &long).expect("an answer");
    assert_eq!(refused["error"]["kind"], "too-long", "{refused}");

    let mut plain = Cluster::new(1);
    plain.start(0);
    let refused = plain.ask(0, r#"{"ask":"append","text":"x"}"#).expect("an answer");
    assert!(
        refused["refused"]["reason"].as_str().expect("words").contains("[log]"),
        "{refused}"
    );
}
