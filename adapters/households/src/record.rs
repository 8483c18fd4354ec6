//! The record on the topic: one reading as one JSON object.
//!
//! | field | value |
//! | --- | --- |
//! | `node_id` | the household's name, 1 to 80 bytes |
//! | `power_value` | power in milliwatts, integer or float (rounded half away from zero), at most 10¹² either way |
//! | `timestamp` | event time in Unix milliseconds; absent or null: the record's Kafka timestamp is the event time |
//! | `energy` | import register in units of 10⁻¹⁰ kWh; may be absent or null |
//!
//! Other fields are ignored, so a household may send more than it must. Everything else is refused by a [`BadRecord`]
//! that says what is wrong and where.

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Reading, clock};

/// The longest record that is looked at.
pub const MAX_BYTES: usize = 4 * 1024;

/// The longest household name, in bytes.
pub const MAX_NAME: usize = 80;

/// The largest power taken for true, in milliwatts: a gigawatt.
pub const MAX_POWER_MW: i64 = 1_000_000_000_000;

/// Why a record was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadRecord {
    /// Longer than [`MAX_BYTES`].
    TooLong {
        /// The record's length.
        bytes: usize,
    },
    /// Not UTF-8.
    NotUtf8 {
        /// The first byte that does not fit, counted from 0.
        at: usize,
    },
    /// Well-formed or not, it does not begin as a JSON object.
    NotAnObject,
    /// Not JSON, or a field given twice, or a number beyond every range.
    Syntax {
        /// Line in the record, from 1.
        line: usize,
        /// Column in that line, from 1.
        column: usize,
        /// What the JSON reader found.
        found: String,
    },
    /// A field that must be there is absent or null.
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field holds a value of the wrong type.
    WrongType {
        /// The field.
        field: &'static str,
        /// What it must hold.
        wanted: &'static str,
        /// What it holds.
        found: &'static str,
    },
    /// `node_id` is the empty text.
    EmptyName,
    /// `node_id` is longer than [`MAX_NAME`].
    LongName {
        /// Its length.
        bytes: usize,
    },
    /// `power_value` lies beyond [`MAX_POWER_MW`].
    Power {
        /// The value as it stood there.
        found: String,
    },
    /// The event time lies before 1970 or after the year 9999.
    Time {
        /// The time.
        time_ms: i64,
    },
    /// No `timestamp`, and the record has no usable Kafka timestamp either.
    NoTime,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "the record has {bytes} bytes, more than {MAX_BYTES}"),
            Self::NotUtf8 { at } => write!(f, "the record is not UTF-8 at byte {at}"),
            Self::NotAnObject => write!(f, "the record does not begin with a JSON object"),
            Self::Syntax { line, column, found } => {
                write!(f, "the record is not readable at line {line} column {column}: {found}")
            }
            Self::Missing { field } => write!(f, "`{field}` is missing"),
            Self::WrongType { field, wanted, found } => write!(f, "`{field}` holds {found} where {wanted} belongs"),
            Self::EmptyName => write!(f, "`node_id` is empty"),
            Self::LongName { bytes } => write!(f, "`node_id` has {bytes} bytes, more than {MAX_NAME}"),
            Self::Power { found } => write!(f, "`power_value` is {found} mW, beyond {MAX_POWER_MW} mW"),
            Self::Time { time_ms } => write!(f, "the event time {time_ms} ms lies outside 1970 to 9999"),
            Self::NoTime => write!(f, "`timestamp` is missing and the record carries no Kafka timestamp"),
        }
    }
}

impl std::error::Error for BadRecord {}

/// What is written; the order of the fields is the order on the wire.
#[derive(Serialize)]
struct Written<'a> {
    node_id: &'a str,
    power_value: i64,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    energy: Option<u64>,
}

/// What is read; the types are looked at one by one, so that the refusal can name the field.
#[derive(Deserialize)]
struct Read {
    node_id: Option<Value>,
    power_value: Option<Value>,
    timestamp: Option<Value>,
    energy: Option<Value>,
}

/// `reading` as the record's bytes.
#[must_use]
pub fn to_json(reading: &Reading) -> Vec<u8> {
    let written = Written {
        node_id: &reading.household,
        power_value: reading.power_mw,
        timestamp: reading.time_ms,
        energy: reading.register,
    };
    serde_json::to_vec(&written).unwrap_or_default()
}

/// Reads one record whose Kafka timestamp is `kafka_timestamp_ms` (negative: it has none).
///
/// # Errors
///
/// Everything that is not a record as described at the top of this module.
pub fn parse(bytes: &[u8], kafka_timestamp_ms: i64) -> Result<Reading, BadRecord> {
    if bytes.len() > MAX_BYTES {
        return Err(BadRecord::TooLong { bytes: bytes.len() });
    }
    let text = core::str::from_utf8(bytes).map_err(|e| BadRecord::NotUtf8 { at: e.valid_up_to() })?;
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(BadRecord::NotAnObject);
    }
    let read: Read = serde_json::from_str(text).map_err(|e| syntax(&e))?;
    Ok(Reading {
        household: name(read.node_id)?,
        power_mw: power(read.power_value)?,
        time_ms: time(read.timestamp, kafka_timestamp_ms)?,
        register: read.energy.map(register).transpose()?,
    })
}

fn syntax(error: &serde_json::Error) -> BadRecord {
    let text = error.to_string();
    let found = text.split(" at line ").next().unwrap_or_default().to_owned();
    BadRecord::Syntax {
        line: error.line(),
        column: error.column(),
        found,
    }
}

fn name(value: Option<Value>) -> Result<String, BadRecord> {
    match value {
        None => Err(BadRecord::Missing { field: "node_id" }),
        Some(Value::String(name)) if name.is_empty() => Err(BadRecord::EmptyName),
        Some(Value::String(name)) if name.len() > MAX_NAME => Err(BadRecord::LongName { bytes: name.len() }),
        Some(Value::String(name)) => Ok(name),
        Some(other) => Err(wrong("node_id", "a text", &other)),
    }
}

fn power(value: Option<Value>) -> Result<i64, BadRecord> {
    let number = match value {
        None => return Err(BadRecord::Missing { field: "power_value" }),
        Some(Value::Number(number)) => number,
        Some(other) => return Err(wrong("power_value", "a number of milliwatts", &other)),
    };
    let whole = match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => Some(whole),
        // Within the bound a rounded float is a whole number below 2⁵³, so the cast is exact.
        (None, Some(float)) if float.round().abs() <= MAX_POWER_MW as f64 => Some(float.round() as i64),
        _ => None,
    };
    let found = whole.filter(|whole| (-MAX_POWER_MW..=MAX_POWER_MW).contains(whole));
    found.ok_or_else(|| BadRecord::Power {
        found: number.to_string(),
    })
}

fn time(value: Option<Value>, kafka_timestamp_ms: i64) -> Result<i64, BadRecord> {
    let time_ms = match value {
        None if kafka_timestamp_ms < 0 => return Err(BadRecord::NoTime),
        None => kafka_timestamp_ms,
        Some(value) => value
            .as_i64()
            .ok_or_else(|| wrong("timestamp", "whole Unix milliseconds", &value))?,
    };
    if (0..=clock::LAST_MS).contains(&time_ms) {
        Ok(time_ms)
    } else {
        Err(BadRecord::Time { time_ms })
    }
}

fn register(value: Value) -> Result<u64, BadRecord> {
    value
        .as_u64()
        .ok_or_else(|| wrong("energy", "a whole number of 1e-10 kWh", &value))
}

fn wrong(field: &'static str, wanted: &'static str, found: &Value) -> BadRecord {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(number) if number.is_f64() => "a fraction or a number too large",
        Value::Number(number) if number.is_u64() => {
            if number.is_i64() {
                "a number"
            } else {
                "a number too large"
            }
        }
        Value::Number(_) => "a negative number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    BadRecord::WrongType { field, wanted, found }
}
