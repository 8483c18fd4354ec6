//! Orders of an admin: each that is not what the admin signed, for this node and just now, is refused.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use pehra_cluster::ask::Ask;
use pehra_cluster::signed::{AGE_MS_MAX, AdminKey, AdminSecret, Scope, Untaken, Verifier};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000_000;
const ENABLE: Ask = Ask::Enable { epoch: 3 };

fn secret() -> AdminSecret {
    AdminSecret::new(&[7; 32])
}

fn scope() -> Scope {
    Scope {
        cluster: "barn".into(),
        number: 4,
        node: 2,
    }
}

fn verifier() -> Verifier {
    Verifier::new(secret().public(), scope())
}

fn changed(body: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::from_slice(body).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

#[test]
fn an_order_is_taken_once() {
    let (mut verifier, body) = (verifier(), secret().sign(&scope(), &ENABLE, NOW));
    assert_eq!(verifier.take(&body, NOW + 5), Ok(()));
    assert_eq!(verifier.take(&body, NOW + 6), Err(Untaken::Replayed));
    let older = secret().sign(&scope(), &Ask::Resign, NOW - 1);
    assert_eq!(verifier.take(&older, NOW + 6), Err(Untaken::Replayed));
    let newer = secret().sign(&scope(), &Ask::Resign, NOW + 1);
    assert_eq!(verifier.take(&newer, NOW + 6), Ok(()));
    // What reads requests still reads this one.
    assert_eq!(Ask::read(&body), Ok(ENABLE));
}

#[test]
fn an_order_is_good_for_a_minute_on_either_side() {
    let body = secret().sign(&scope(), &ENABLE, NOW);
    for (clock, taken) in [
        (NOW - AGE_MS_MAX - 1, Err(Untaken::Stale(-(AGE_MS_MAX as i64) - 1))),
        (NOW - AGE_MS_MAX, Ok(())),
        (NOW + AGE_MS_MAX, Ok(())),
        (NOW + AGE_MS_MAX + 1, Err(Untaken::Stale(AGE_MS_MAX as i64 + 1))),
        (u64::MAX, Err(Untaken::Stale(i64::MAX))),
        (0, Err(Untaken::Stale(-(NOW as i64)))),
    ] {
        assert_eq!(verifier().take(&body, clock), taken, "at {clock}");
    }
    assert_eq!(
        Untaken::Stale(90_000).to_string(),
        "the order is 90 s old by this node's clock, and may be 60 s: sign it anew, or set the clocks"
    );
}

#[test]
fn an_order_is_for_one_node_of_one_configuration_of_one_cluster() {
    let others = [
        Scope {
            cluster: "shed".into(),
            ..scope()
        },
        Scope { number: 5, ..scope() },
        Scope { node: 3, ..scope() },
        // The lines are kept apart.
        Scope {
            cluster: "barn\n4".into(),
            number: 2,
            node: 1,
        },
    ];
    for other in others {
        let body = secret().sign(&other, &ENABLE, NOW);
        assert_eq!(verifier().take(&body, NOW), Err(Untaken::Forged), "{other:?}");
    }
}

#[test]
fn what_was_altered_or_signed_by_another_is_refused() {
    let body = secret().sign(&scope(), &Ask::Maintain { nodes: vec![1] }, NOW);
    let stranger = AdminSecret::new(&[8; 32]).sign(&scope(), &Ask::Maintain { nodes: vec![1] }, NOW);
    let own = changed(&stranger, |value| {
        value["signed"]["key"] = json!(secret().public().to_string());
    });
    let forged = [
        stranger,
        own,
        changed(&body, |value| value["nodes"] = json!([1, 2])),
        changed(&body, |value| value["nodes"] = json!([])),
        changed(&body, |value| value["ask"] = json!("enable")),
        changed(&body, |value| value["more"] = json!(1)),
        changed(&body, |value| value["signed"]["at_ms"] = json!(NOW + 1)),
        changed(&body, |value| value["signed"]["signature"] = json!("00".repeat(64))),
    ];
    for body in forged {
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(verifier().take(&body, NOW), Err(Untaken::Forged), "{text}");
    }
    let missing = changed(&body, |value| drop(value.as_object_mut().unwrap().remove("signed")));
    assert_eq!(verifier().take(&missing, NOW), Err(Untaken::Missing));
    let unreadable = [
        changed(&body, |value| value["signed"] = Value::Null),
        changed(&body, |value| value["signed"] = json!([NOW, "00"])),
        changed(&body, |value| value["signed"]["at_ms"] = json!(-1)),
        changed(&body, |value| value["signed"]["at_ms"] = json!("now")),
        changed(&body, |value| value["signed"]["signature"] = json!("00")),
        changed(&body, |value| value["signed"]["signature"] = json!("é".repeat(64))),
        b"[]".to_vec(),
        b"{".to_vec(),
    ];
    for body in unreadable {
        assert_eq!(verifier().take(&body, NOW), Err(Untaken::Unreadable));
    }
}

/// The form is for every language, so it may not change by itself. Spaces and the order of keys do not matter.
#[test]
fn the_form_is_pinned_and_does_not_depend_on_how_json_is_written() {
    let body = secret().sign(&scope(), &ENABLE, NOW);
    let value: Value = serde_json::from_slice(&body).unwrap();
    let signature = value["signed"]["signature"].as_str().unwrap();
    assert_eq!(signature, include_str!("signature.txt").trim());
    let other = format!(
        "{{ \"signed\": {{\"signature\": \"{signature}\", \"at_ms\": {NOW}}},\n \"epoch\": 3, \"ask\": \"enable\" }}"
    );
    assert_eq!(verifier().take(other.as_bytes(), NOW), Ok(()));
}

#[test]
fn keys_are_read_as_they_are_written_and_secrets_do_not_show() {
    let secret = secret();
    assert_eq!(
        AdminSecret::read(&(secret.write() + "\n")).unwrap().public(),
        secret.public()
    );
    let public = secret.public();
    assert_eq!(AdminKey::read(&public.to_string()), Ok(public));
    assert!(!format!("{secret:?}").contains(&secret.write()));
    for (text, rule) in [
        ("", "64 hexadecimal digits"),
        ("zz", "64 hexadecimal digits"),
        (&"0g".repeat(32), "64 hexadecimal digits"),
        (&format!(" {public}"), "64 hexadecimal digits"),
        // The neutral element: every message has a signature under it.
        (&format!("01{}", "00".repeat(31)), "weak key"),
        (&format!("02{}", "00".repeat(31)), "no public key"),
    ] {
        let problem = AdminKey::read(text).unwrap_err();
        assert!(problem.contains(rule), "{text}: {problem}");
    }
}

#[test]
fn what_can_lead_towards_sleep_needs_a_signature_and_what_wakes_does_not() {
    let nodes = Vec::new();
    for ask in [
        ENABLE,
        Ask::Maintain { nodes },
        Ask::Maintained,
        Ask::StayAwake { on: false },
        Ask::Transfer { to: None },
        Ask::Drain { on: true },
        Ask::Drain { on: false },
        Ask::Resign,
    ] {
        assert!(ask.needs_signature() && !ask.is_question(), "{ask:?}");
    }
    for ask in [
        Ask::Disable,
        Ask::Wake { all: false },
        Ask::Wake { all: true },
        Ask::StayAwake { on: true },
        Ask::Leader,
        Ask::Status,
        Ask::SelfCheck,
        Ask::Append { text: String::new() },
        Ask::Entries {
            from: 0,
            confirmed: false,
        },
    ] {
        assert!(!ask.needs_signature(), "{ask:?}");
    }
}

proptest! {
    /// Whatever bit is changed of what was signed: it is not taken as another order.
    #[test]
    fn no_changed_byte_makes_another_order(at in 0_usize..400, to in any::<u8>()) {
        let body = secret().sign(&scope(), &Ask::Maintain { nodes: vec![1, 2] }, NOW);
        let mut other = body.clone();
        let at = at % other.len();
        other[at] = to;
        if verifier().take(&other, NOW).is_ok() {
            // A digit in capitals, say: the same order.
            prop_assert_eq!(Ask::read(&other), Ask::read(&body));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verifier().take(&body, NOW).is_err());
    }
}
