//! Every name in the ledger must be the name of something: code, a property that ran and held, a bug that was caught.

use std::collections::BTreeSet;
use std::fs;

use pehra_proofs::{Claim, defines, ledger, root, source};
use serde_json::Value;

fn claims() -> Vec<Claim> {
    ledger().expect("the ledger can be read").claims
}

fn results(file: &str) -> Vec<Value> {
    let path = root().join("models/results").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("results are a list")
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Names of the properties that ran in some gate, and of those that were good in every gate that asked them.
fn properties() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut ran, mut bad) = (BTreeSet::new(), BTreeSet::new());
    for gate in results("gates.json") {
        assert_eq!(gate["failures"], Value::Array(Vec::new()), "{}", text(&gate, "name"));
        for property in gate["properties"].as_array().expect("a list") {
            let name = text(property, "name").to_owned();
            if property["good"] != Value::Bool(true) {
                bad.insert(name.clone());
            }
            ran.insert(name);
        }
    }
    let good = ran.difference(&bad).cloned().collect();
    (ran, good)
}

#[test]
fn every_claim_is_stated_once_and_held_by_something() {
    let mut ids = BTreeSet::new();
    for claim in claims() {
        assert!(ids.insert(claim.id.clone()), "{} stands twice", claim.id);
        let (protocol, number) = claim.id.split_once('/').expect("protocol/number");
        assert!(!protocol.is_empty() && !number.is_empty());
        assert!(claim.says.ends_with('.') && claim.bound.len() > 20, "{}", claim.id);
        assert!(!claim.code.is_empty(), "{} names no code", claim.id);
        assert!(
            !claim.properties.is_empty() || !claim.tests.is_empty(),
            "{} is held by nothing",
            claim.id
        );
    }
}

#[test]
fn the_code_and_the_tests_exist() {
    for claim in claims() {
        for place in claim.code.iter().chain(&claim.tests) {
            let (text, name) = source(place).unwrap_or_else(|error| panic!("{}: {error}", claim.id));
            assert!(defines(&text, name), "{}: {place} is not there", claim.id);
        }
    }
}

/// Each claim can be watched in a golden trace.
#[test]
fn every_claim_is_shown_by_a_golden_trace() {
    let folder = root().join("core/tests/golden");
    let mut named = BTreeSet::new();
    for claim in claims() {
        let trace = claim.trace.unwrap_or_else(|| panic!("{} names no trace", claim.id));
        let path = folder.join(&trace).with_extension("txt");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {}: {error}", claim.id, path.display()));
        assert!(!text.trim().is_empty(), "{} is empty", path.display());
        named.insert(trace);
    }
    let all = [
        "coverage",
        "delivery",
        "election",
        "fencing",
        "gate",
        "hand-over",
        "lease",
        "pipeline",
        "replication",
        "rewind",
        "rousing",
        "sleep",
        "traffic",
        "window",
    ];
    assert!(named.iter().map(String::as_str).eq(all), "{named:?}");
}

#[test]
fn the_properties_ran_and_held() {
    let (ran, good) = properties();
    for claim in claims() {
        for property in &claim.properties {
            assert!(ran.contains(property), "{}: \"{property}\" never ran", claim.id);
            assert!(good.contains(property), "{}: \"{property}\" does not hold", claim.id);
        }
    }
}

#[test]
fn the_bugs_were_caught_by_properties_of_the_ledger() {
    let claims = claims();
    let known: BTreeSet<&str> = claims
        .iter()
        .flat_map(|claim| &claim.properties)
        .map(String::as_str)
        .collect();
    let caught = results("seeded.json");
    for claim in &claims {
        for bug in &claim.bugs {
            let entry = caught.iter().find(|entry| text(entry, "bug") == bug);
            let entry = entry.unwrap_or_else(|| panic!("{}: {bug} was never hunted", claim.id));
            assert!(known.contains(text(entry, "by")), "{}: {bug} was not caught", claim.id);
        }
    }
    // The other way round: what was caught breaks a claim.
    for entry in caught.iter().filter(|entry| entry["by"].is_string()) {
        let bug = text(entry, "bug");
        assert!(
            claims.iter().any(|claim| claim.bugs.iter().any(|b| b == bug)),
            "no claim names {bug}"
        );
    }
}

/// Every id that the head of a protocol's module lists is in the ledger, and the other way round.
#[test]
fn the_modules_and_the_ledger_list_the_same_claims() {
    for (protocol, least) in [
        ("delivery", 10),
        ("pipeline", 2),
        ("window", 4),
        ("election", 19),
        ("replication", 7),
        ("coverage", 6),
        ("traffic", 6),
        ("sleep", 17),
    ] {
        let file = match protocol {
            "coverage" => "sleep/coverage/mod.rs".to_owned(),
            "traffic" => "sleep/traffic.rs".to_owned(),
            "sleep" => "sleep/guard/mod.rs".to_owned(),
            _ => format!("{protocol}/mod.rs"),
        };
        let path = root().join("core/src").join(file);
        let module = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let head = format!("//! * `{protocol}/");
        let listed: BTreeSet<String> = module
            .lines()
            .filter_map(|line| Some(line.strip_prefix(&head)?.split_once('`')?.0.to_owned()))
            .collect();
        let claimed: BTreeSet<String> = claims()
            .iter()
            .filter_map(|claim| Some(claim.id.strip_prefix(protocol)?.strip_prefix('/')?.to_owned()))
            .collect();
        assert!(listed.len() >= least, "{protocol}");
        assert_eq!(listed, claimed, "{protocol}");
    }
}

/// What excludes a failure of the original is a claim of ours, and what brings it back is a bug that breaks one of these claims.
#[test]
fn the_failures_of_the_original_are_excluded_by_claims() {
    let (claims, caught, found) = (claims(), results("seeded.json"), results("as_written.json"));
    let names = |value: &Value, field: &str| -> Vec<String> {
        let list = value[field].as_array().expect("a list").iter();
        list.map(|name| name.as_str().expect("a name").to_owned()).collect()
    };
    let failures: BTreeSet<&str> = found.iter().map(|entry| text(entry, "failure")).collect();
    assert_eq!(failures.len(), 5);
    for failure in failures {
        let mut texts = found.iter().filter(|entry| text(entry, "failure") == failure);
        assert!(
            texts.any(|entry| entry["holds"] == Value::Bool(false)),
            "{failure} was not found in any text"
        );
    }
    for entry in &found {
        let name = text(entry, "name");
        let excluded_by = names(entry, "claims");
        assert!(!excluded_by.is_empty(), "{name}");
        let mut broken = BTreeSet::new();
        for id in &excluded_by {
            let claim = claims.iter().find(|claim| claim.id == *id);
            let claim = claim.unwrap_or_else(|| panic!("{name}: there is no claim {id}"));
            broken.extend(claim.bugs.iter().cloned());
        }
        for bug in names(entry, "bugs") {
            assert!(
                caught
                    .iter()
                    .any(|catch| text(catch, "bug") == bug && catch["by"].is_string()),
                "{name}: {bug} was not caught"
            );
            assert!(broken.contains(&bug), "{name}: {bug} breaks none of {excluded_by:?}");
        }
    }
}
