//! `[sleep]` and `[node.broker]` in `cluster.toml`.

use std::net::SocketAddr;

use pehra_core::sleep::guard::Timing;

use crate::address::Address;
use crate::check::At;
use crate::problem::one_of;
use crate::sleep::{BrokerDraft, GEARS, Proxy, SleepDraft, Times, WAKE_RULES, WATTS_MAX};
use crate::sleep_sockets;
use crate::toml_file::{Reader, Table};

/// Reads `[sleep]`.
pub(crate) fn sleep(reader: &mut Reader<'_>, table: &Table<'_>) -> SleepDraft {
    reader.only(
        table,
        &[
            "kafka",
            "profile",
            "gear",
            "lean-spare",
            "controller-spare",
            "voter-spare",
            "wake",
            "disable-on-traffic",
            "load-max",
            "sample-ms",
            "hold-max-ms",
            "idle-watts",
            "asleep-watts",
            "idle-ms",
            "tell-ms",
            "probe-ms",
            "drain-ms",
            "alarm-ms",
            "rouse-ms",
            "answer-ms",
            "wake-ms",
        ],
    );
    let mut number = |key, least, most| {
        let at = reader.number(table, key, least, most)?;
        let value = u32::try_from(at.value).ok()?;
        Some(At { line: at.line, value })
    };
    let (lean_spare, controller_spare) = (number("lean-spare", 0, 63), number("controller-spare", 0, 63));
    let (voter_spare, load_max) = (number("voter-spare", 0, 63), number("load-max", 0, 1_000_000));
    let watts_max = i64::from(WATTS_MAX);
    let (idle_watts, asleep_watts) = (number("idle-watts", 1, watts_max), number("asleep-watts", 0, watts_max));
    SleepDraft {
        line: table.line,
        kafka: kafka(reader, table),
        profile: named(reader, table, "profile", Timing::PROFILES),
        gear: named(reader, table, "gear", GEARS),
        lean_spare: lean_spare.and_then(|at| u16::try_from(at.value).ok()),
        controller_spare: controller_spare.and_then(|at| u16::try_from(at.value).ok()),
        voter_spare: voter_spare.and_then(|at| {
            let value = u8::try_from(at.value).ok()?;
            Some(At { line: at.line, value })
        }),
        wake: named(reader, table, "wake", WAKE_RULES),
        disable_on_traffic: reader.flag(table, "disable-on-traffic").unwrap_or(false),
        load_max: load_max.map_or(0, |at| at.value),
        times: Times {
            idle: reader.time(table, "idle-ms"),
            tell: reader.time(table, "tell-ms"),
            probe: reader.time(table, "probe-ms"),
            drain: reader.time(table, "drain-ms"),
            alarm: reader.time(table, "alarm-ms"),
            rouse: reader.time(table, "rouse-ms"),
            answer: reader.time(table, "answer-ms"),
            wake: reader.time(table, "wake-ms"),
        },
        sample: reader.time(table, "sample-ms"),
        hold_max: reader.time(table, "hold-max-ms"),
        idle_watts,
        asleep_watts,
    }
}

/// Reads `[node.broker]`.
pub(crate) fn broker(reader: &mut Reader<'_>, table: &Table<'_>) -> BrokerDraft {
    reader.only(table, &["id", "address", "listen", "upstream", "sockets", "stay-awake"]);
    if !table.has("id") {
        let instead = "write id = the node.id of the broker in Kafka";
        reader.wrong(table.line, table.path("id"), "this broker has no id", instead);
    }
    if !table.has("address") {
        let instead = "write address = \"host:port\": a listener of the broker without TLS, with no proxy in front";
        reader.wrong(table.line, table.path("address"), "this broker has no address", instead);
    }
    let id = reader.number(table, "id", 0, i64::from(i32::MAX)).and_then(|at| {
        let value = i32::try_from(at.value).ok()?;
        Some(At { line: at.line, value })
    });
    let address = reader.text(table, "address").and_then(|text| {
        let read = Address::read(&text.value);
        let value = read
            .map_err(|(rule, instead)| reader.wrong(text.line, table.path("address"), rule, instead))
            .ok()?;
        Some(At { line: text.line, value })
    });
    let (listen, upstream) = (socket(reader, table, "listen"), socket(reader, table, "upstream"));
    for (key, other) in [("listen", "upstream"), ("upstream", "listen")] {
        if table.has(key) && !table.has(other) {
            let rule = format!("a proxy needs both, and there is no {other}");
            let instead = "write listen = what clients are told, and upstream = where the broker listens for the proxy";
            reader.wrong(table.line, table.path(other), rule, instead);
        }
    }
    let proxy = listen
        .zip(upstream)
        .map(|(listen, upstream)| Proxy { listen, upstream });
    if let Some(proxy) = proxy.filter(|proxy| proxy.listen == proxy.upstream) {
        let rule = format!(
            "the proxy and the broker behind it would both listen at {}",
            proxy.listen
        );
        let instead = "give the broker another port, and its own listener a name that only the proxy uses";
        reader.wrong(table.line, table.path("upstream"), rule, instead);
    }
    BrokerDraft {
        line: table.line,
        id,
        address,
        proxy,
        sockets: sleep_sockets::sockets(reader, table),
        stay_awake: reader.flag(table, "stay-awake").unwrap_or(false),
    }
}

fn socket(reader: &mut Reader<'_>, table: &Table<'_>, key: &str) -> Option<SocketAddr> {
    let text = reader.text(table, key)?;
    let found = text.value.parse().ok();
    if found.is_none() {
        let rule = format!("{:?} is no address with a port", text.value);
        reader.wrong(text.line, table.path(key), rule, "write it like 127.0.0.1:9092");
    }
    found
}

/// `host:port`, several with commas between.
fn kafka(reader: &mut Reader<'_>, table: &Table<'_>) -> Vec<Address> {
    let Some(text) = reader.text(table, "kafka") else {
        return Vec::new();
    };
    let mut addresses = Vec::new();
    for part in text.value.split(',') {
        match Address::read(part.trim()) {
            Ok(address) => addresses.push(address),
            Err((rule, instead)) => reader.wrong(text.line, table.path("kafka"), rule, instead),
        }
    }
    addresses
}

fn named<T, const N: usize>(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    key: &str,
    all: [(&'static str, T); N],
) -> Option<T> {
    let text = reader.text(table, key)?;
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let rule = format!("there is no {key} {:?}", text.value);
    let advice = one_of(&text.value, &names);
    let found = all.into_iter().find(|(name, _)| *name == text.value);
    if found.is_none() {
        reader.wrong(text.line, table.path(key), rule, advice);
    }
    found.map(|(_, value)| value)
}
