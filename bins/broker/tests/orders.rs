//! Orders that an admin signs, at real nodes: forged, replayed, stale, misdirected ones are refused and counted; waking needs none.

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Cluster, Leader, PATIENCE};
use pehra_cluster::ask::Ask;
use pehra_cluster::signed::{AdminSecret, Scope};
use pehra_testbed::process::wait_until;
use serde_json::Value;

const TRANSFER: Ask = Ask::Transfer { to: None };

fn secret() -> AdminSecret {
    AdminSecret::new(&[42; 32])
}

fn started() -> (Cluster, Leader) {
    let mut cluster = Cluster::new(3);
    let addresses: Vec<_> = (0..3).map(|id| cluster.address(id)).collect();
    let admin = format!("[admin]\nkey = \"{}\"\n", secret().public());
    cluster.write_addresses("cluster.toml", 7, &addresses, &admin);
    (0..3).for_each(|id| cluster.start(id));
    let leader = cluster.leader(0);
    (cluster, leader)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("not that late")
}

fn scope(node: usize) -> Scope {
    Scope {
        cluster: "test".into(),
        number: 7,
        node: u16::try_from(node).expect("an id"),
    }
}

fn signed(scope: &Scope, ask: &Ask, at_ms: u64) -> String {
    String::from_utf8(secret().sign(scope, ask, at_ms)).expect("text")
}

/// The reason why it was refused.
fn refused(cluster: &Cluster, node: usize, request: &str) -> String {
    let reply = cluster.ask(node, request).expect("an answer");
    let reason = reply["refused"]["reason"].as_str();
    reason
        .unwrap_or_else(|| panic!("{request} was not refused: {reply}"))
        .to_owned()
}

fn count(cluster: &Cluster, node: usize, what: &str) -> u64 {
    cluster.status(node)["refusals"][what].as_u64().unwrap_or(0)
}

#[test]
fn an_order_that_is_not_the_admins_own_for_this_node_and_moment_is_refused_counted_and_logged() {
    let (mut cluster, leader) = started();
    let at = leader.node;
    let other = AdminSecret::new(&[43; 32]);
    let forged = String::from_utf8(other.sign(&scope(at), &TRANSFER, now_ms())).expect("text");
    let elsewhere = Scope {
        cluster: "shed".into(),
        ..scope(at)
    };
    let older = Scope { number: 6, ..scope(at) };
    let neighbour = scope((at + 1) % 3);
    let altered = signed(&scope(at), &TRANSFER, now_ms()).replace("null", &((at + 1) % 3).to_string());
    let minute = 60_000 + 5_000;
    let cases = [
        (Ask::Transfer { to: None }.write(), "unsigned-orders", "--admin-key"),
        (Ask::Resign.write(), "unsigned-orders", "is not signed"),
        (Ask::Drain { on: true }.write(), "unsigned-orders", "is not signed"),
        (forged.into_bytes(), "forged-orders", "does not fit"),
        (
            signed(&elsewhere, &TRANSFER, now_ms()).into_bytes(),
            "forged-orders",
            "this cluster",
        ),
        (
            signed(&older, &TRANSFER, now_ms()).into_bytes(),
            "forged-orders",
            "number",
        ),
        (
            signed(&neighbour, &TRANSFER, now_ms()).into_bytes(),
            "forged-orders",
            "this node",
        ),
        (altered.into_bytes(), "forged-orders", "does not fit"),
        (
            signed(&scope(at), &TRANSFER, now_ms() - minute).into_bytes(),
            "stale-orders",
            "s old",
        ),
        (
            signed(&scope(at), &TRANSFER, now_ms() + minute).into_bytes(),
            "stale-orders",
            "s ahead",
        ),
    ];
    for (request, counted, words) in cases {
        let (request, before) = (String::from_utf8(request).expect("text"), count(&cluster, at, counted));
        let reason = refused(&cluster, at, &request);
        assert!(reason.contains(words), "{request}: {reason}");
        assert_eq!(count(&cluster, at, counted), before + 1, "{request}");
        assert_eq!(cluster.leader_now(), Some(leader), "{request} had an effect");
    }
    assert!(cluster.log(at).contains("was commanded by somebody who may not"));

    let order = signed(&scope(at), &TRANSFER, now_ms());
    let reply = cluster.ask(at, &order).expect("an answer");
    assert!(reply["done"].is_object(), "{reply}");
    let next = cluster.leader(leader.fencing);
    // Whoever has listened plays it again: to the same node, and to the one that leads now.
    assert!(refused(&cluster, at, &order).contains("taken already"));
    assert_eq!(count(&cluster, at, "replayed-orders"), 1);
    assert!(refused(&cluster, next.node, &order).contains("this node"));
    assert_eq!(cluster.leader_now(), Some(next));
}

#[test]
fn what_only_wakes_and_what_only_asks_needs_no_signature() {
    let (cluster, _) = started();
    for request in [
        r#"{"ask":"wake","all":true}"#,
        r#"{"ask":"disable"}"#,
        r#"{"ask":"stay-awake","on":true}"#,
        r#"{"ask":"self-check"}"#,
    ] {
        // It came as far as it can in a cluster whose brokers do not sleep.
        let reason = refused(&cluster, 0, request);
        assert!(
            reason.contains("no broker of this cluster sleeps"),
            "{request}: {reason}"
        );
    }
    for request in [
        r#"{"ask":"enable","epoch":1}"#,
        r#"{"ask":"maintain"}"#,
        r#"{"ask":"stay-awake","on":false}"#,
    ] {
        assert!(refused(&cluster, 0, request).contains("is not signed"), "{request}");
    }
    let status: Value = cluster.status(0);
    assert_eq!(status["refusals"]["unsigned-orders"], 3, "{status}");
}

/// A node keeps what it took in memory. This is the bound that the documentation names: after a restart the order is good again
/// while it is fresh, at this one node, and no longer.
#[test]
fn after_a_restart_an_order_is_good_once_more_while_it_is_fresh() {
    let (mut cluster, _) = started();
    let drain = Ask::Drain { on: true };
    let orders = [0, 55_000].map(|age| signed(&scope(0), &drain, now_ms() - age));
    assert!(cluster.ask(0, &orders[0]).expect("an answer")["done"].is_object());
    cluster.stop(0);
    cluster.start(0);
    let again = cluster.ask(0, &orders[1]).expect("an answer");
    assert!(again["done"].is_object(), "{again}");
    let again = cluster.ask(0, &orders[0]).expect("an answer");
    assert!(again["done"].is_object(), "{again}");
    cluster.stop(0);
    cluster.start(0);
    std::thread::sleep(Duration::from_secs(6));
    assert!(refused(&cluster, 0, &orders[1]).contains("s old"));
}

#[test]
fn without_certificates_a_node_says_so_loudly_when_it_starts() {
    let (cluster, _) = started();
    wait_until("the warning", PATIENCE, || cluster.log(0).contains("PLAIN CONNECTIONS"));
    assert!(!cluster.log(0).contains("no order needs a signature"));
    let mut open = Cluster::new(1);
    open.start(0);
    wait_until("the other warning", PATIENCE, || {
        open.log(0).contains("no order needs a signature")
    });
}
