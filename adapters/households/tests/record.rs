//! The record: what is read, what is refused, and that the two directions agree.

use pehra_households::{
    Reading,
    faults::Malformed,
    record::{BadRecord, MAX_BYTES, MAX_NAME, MAX_POWER_MW, parse, to_json},
};
use proptest::prelude::*;

const KAFKA_MS: i64 = 1_577_206_801_842;

fn read(text: &str) -> Result<Reading, BadRecord> {
    parse(text.as_bytes(), KAFKA_MS)
}

#[test]
fn the_bytes_are_the_documented_ones() {
    let reading = Reading {
        household: "household_ab".to_owned(),
        time_ms: KAFKA_MS,
        power_mw: -17,
        register: Some(90_902_114_006_000),
    };
    let text = r#"{"node_id":"household_ab","power_value":-17,"timestamp":1577206801842,"energy":90902114006000}"#;
    assert_eq!(String::from_utf8(to_json(&reading)).unwrap(), text);
    assert_eq!(read(text), Ok(reading));
}

#[test]
fn a_record_of_two_fields_takes_its_time_from_kafka() {
    let reading = read(r#"{"node_id": "household_ab", "power_value": 1636020}"#).unwrap();
    assert_eq!(
        (reading.time_ms, reading.power_mw, reading.register),
        (KAFKA_MS, 1_636_020, None)
    );
    let nulls = r#"{"node_id":"household_ab","power_value":1636020,"timestamp":null,"energy":null,"note":[{}]}"#;
    assert_eq!(read(nulls), Ok(reading));
    assert_eq!(parse(br#"{"node_id":"a","power_value":1}"#, -1), Err(BadRecord::NoTime));
}

#[test]
fn floats_are_rounded_half_away_from_zero() {
    for (text, power_mw) in [
        ("0.5", 1),
        ("-0.5", -1),
        ("0.49", 0),
        ("-0.0", 0),
        ("2.5", 3),
        ("-2.5", -3),
        ("1636020.0", 1_636_020),
        ("1.63602e6", 1_636_020),
        ("1e12", MAX_POWER_MW),
        ("-1000000000000", -MAX_POWER_MW),
        ("1000000000000.4", MAX_POWER_MW),
    ] {
        let reading = read(&format!(r#"{{"node_id":"a","power_value":{text}}}"#)).unwrap();
        assert_eq!(reading.power_mw, power_mw, "{text}");
    }
}

#[test]
fn refusals_say_what_and_where() {
    for (text, said) in [
        ("", "does not begin with a JSON object"),
        ("[1,2]", "does not begin with a JSON object"),
        ("null", "does not begin with a JSON object"),
        ("{", "not readable at line 1 column 1: EOF"),
        (r#"{"power_value":1}"#, "`node_id` is missing"),
        (r#"{"node_id":null,"power_value":1}"#, "`node_id` is missing"),
        (
            r#"{"node_id":7,"power_value":1}"#,
            "`node_id` holds a number where a text belongs",
        ),
        (r#"{"node_id":"","power_value":1}"#, "`node_id` is empty"),
        (r#"{"node_id":"a"}"#, "`power_value` is missing"),
        (
            r#"{"node_id":"a","power_value":"1"}"#,
            "`power_value` holds a text where a number of milliwatts belongs",
        ),
        (r#"{"node_id":"a","power_value":true}"#, "holds a truth value"),
        (r#"{"node_id":"a","power_value":{}}"#, "holds an object"),
        (
            r#"{"node_id":"a","power_value":1e300}"#,
            "`power_value` is 1e+300 mW, beyond",
        ),
        (
            r#"{"node_id":"a","power_value":1e400}"#,
            "column 34: number out of range",
        ),
        (
            r#"{"node_id":"a","power_value":1000000000001}"#,
            "is 1000000000001 mW, beyond",
        ),
        (r#"{"node_id":"a","power_value":-1000000000000.5}"#, "mW, beyond"),
        (
            r#"{"node_id":"a","power_value":18446744073709551615}"#,
            "is 18446744073709551615 mW, beyond",
        ),
        (
            r#"{"node_id":"a","power_value":NaN}"#,
            "not readable at line 1 column 30",
        ),
        (
            r#"{"node_id":"a","power_value":Infinity}"#,
            "not readable at line 1 column 30",
        ),
        (
            r#"{"node_id":"a","power_value":1,"power_value":2}"#,
            "duplicate field `power_value`",
        ),
        (
            r#"{"node_id":"a","power_value":1,"timestamp":1.5}"#,
            "`timestamp` holds a fraction or",
        ),
        (
            r#"{"node_id":"a","power_value":1,"timestamp":"1"}"#,
            "`timestamp` holds a text",
        ),
        (
            r#"{"node_id":"a","power_value":1,"timestamp":-1}"#,
            "the event time -1 ms lies outside",
        ),
        (
            r#"{"node_id":"a","power_value":1,"timestamp":9223372036854775807}"#,
            "lies outside 1970 to 9999",
        ),
        (
            r#"{"node_id":"a","power_value":1,"energy":-1}"#,
            "`energy` holds a negative number",
        ),
        (r#"{"node_id":"a","power_value":1} x"#, "trailing characters"),
    ] {
        let said_indeed = read(text).expect_err(text).to_string();
        assert!(said_indeed.contains(said), "{text}: {said_indeed}");
    }
}

#[test]
fn lengths_are_kept_to_the_byte() {
    let named = |len: usize| format!(r#"{{"node_id":"{}","power_value":1}}"#, "n".repeat(len));
    assert!(read(&named(MAX_NAME)).is_ok());
    assert_eq!(
        read(&named(MAX_NAME + 1)),
        Err(BadRecord::LongName { bytes: MAX_NAME + 1 })
    );
    let umlauts = format!(r#"{{"node_id":"{}","power_value":1}}"#, "ü".repeat(41));
    assert_eq!(read(&umlauts), Err(BadRecord::LongName { bytes: 82 }));
    let mut text = named(1);
    text.push_str(&" ".repeat(MAX_BYTES - text.len()));
    assert!(read(&text).is_ok());
    text.push(' ');
    assert_eq!(read(&text), Err(BadRecord::TooLong { bytes: MAX_BYTES + 1 }));
    assert_eq!(parse(b"{\"node_id\":\"\xff\"", 0), Err(BadRecord::NotUtf8 { at: 12 }));
}

#[test]
fn every_malformed_kind_is_refused() {
    for kind in Malformed::ALL {
        let bytes = kind.bytes(&format!("household_{}", "0123456789abcdef".repeat(4)));
        assert!(parse(&bytes, KAFKA_MS).is_err(), "{kind:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        household in "[a-z_\"\\\\\u{e4}]{1,30}",
        time_ms in 0i64..253_402_300_800_000,
        power_mw in -MAX_POWER_MW..=MAX_POWER_MW,
        register in prop::option::of(any::<u64>()),
    ) {
        let reading = Reading { household, time_ms, power_mw, register };
        prop_assert_eq!(parse(&to_json(&reading), -1), Ok(reading));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kafka_ms in any::<i64>()) {
        if let Ok(reading) = parse(&bytes, kafka_ms) {
            prop_assert!(reading.power_mw.abs() <= MAX_POWER_MW && !reading.household.is_empty());
        }
    }

    #[test]
    fn broken_records_never_panic(at in 0usize..94, byte in any::<u8>()) {
        let mut bytes =
            br#"{"node_id":"household_ab","power_value":-17.5,"timestamp":1577206801842,"energy":9090211406000}"#.to_vec();
        bytes[at] = byte;
        let _ = parse(&bytes, 0);
    }

    #[test]
    fn any_float_is_rounded_or_refused(power in any::<f64>()) {
        let Some(text) = serde_json::Number::from_f64(power) else { return Ok(()) };
        match read(&format!(r#"{{"node_id":"a","power_value":{text}}}"#)) {
            Ok(reading) => prop_assert!((reading.power_mw as f64 - power).abs() <= 0.5),
            Err(error) => {
                prop_assert!(power.abs() > MAX_POWER_MW as f64, "{}", error);
            }
        }
    }
}
