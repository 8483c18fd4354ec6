//! What goes wrong on purpose, and how often.

use crate::rng::Rng;

/// How often each fault happens, in per mille of a household's readings, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// A gap begins: a run of steps is missing.
    pub gap: u32,
    /// Fewest and most steps of a gap.
    pub gap_steps: (i64, i64),
    /// A reading is held back for a while.
    pub late: u32,
    /// Shortest and longest time a late reading is held back, in milliseconds.
    pub late_ms: (i64, i64),
    /// A record is sent again.
    pub repeated: u32,
    /// Shortest and longest time until it is, in milliseconds.
    pub repeated_ms: (i64, i64),
    /// A reading is held back until its window is long closed.
    pub too_late: u32,
    /// Shortest and longest time that takes, in milliseconds.
    pub too_late_ms: (i64, i64),
    /// An extra record with an event time far ahead.
    pub future: u32,
    /// How far ahead, in milliseconds.
    pub future_ms: (i64, i64),
    /// An extra record that is none.
    pub malformed: u32,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            gap: 0,
            gap_steps: (3, 60),
            late: 0,
            late_ms: (6_000, 40_000),
            repeated: 0,
            repeated_ms: (2_000, 30_000),
            too_late: 0,
            too_late_ms: (121_000, 300_000),
            future: 0,
            future_ms: (601_000, 7_200_000),
            malformed: 0,
        }
    }
}

impl Default for Faults {
    /// Every fault now and then.
    fn default() -> Self {
        Self {
            gap: 1,
            late: 5,
            repeated: 5,
            too_late: 1,
            future: 1,
            malformed: 2,
            ..Self::none()
        }
    }
}

/// A way in which bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// No bytes at all.
    Empty,
    /// Text that is no JSON.
    Text,
    /// A record cut off in the middle.
    CutOff,
    /// JSON, but a list.
    List,
    /// No household.
    NoName,
    /// The household is the empty text.
    EmptyName,
    /// The household is a number.
    NumberName,
    /// The household's name is too long.
    LongName,
    /// No power.
    NoPower,
    /// The power is a text.
    TextPower,
    /// The power is NaN, which JSON does not know.
    NanPower,
    /// The power is 1e300.
    HugePower,
    /// The time is a text.
    TextTime,
    /// The time lies before 1970.
    NegativeTime,
    /// The register has a fraction.
    FractionRegister,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// A record with five kibibytes of filling.
    Oversized,
    /// Two records in one.
    Twice,
}

impl Malformed {
    /// Every way.
    pub const ALL: [Self; 18] = [
        Self::Empty,
        Self::Text,
        Self::CutOff,
        Self::List,
        Self::NoName,
        Self::EmptyName,
        Self::NumberName,
        Self::LongName,
        Self::NoPower,
        Self::TextPower,
        Self::NanPower,
        Self::HugePower,
        Self::TextTime,
        Self::NegativeTime,
        Self::FractionRegister,
        Self::NotUtf8,
        Self::Oversized,
        Self::Twice,
    ];

    /// One of them.
    pub const fn any(rng: &mut Rng) -> Self {
        Self::ALL[rng.below(Self::ALL.len() as u64) as usize]
    }

    /// Such bytes, as `household` might have sent them.
    #[must_use]
    pub fn bytes(self, household: &str) -> Vec<u8> {
        let whole = format!(r#"{{"node_id":"{household}","power_value":421337}}"#);
        let text = match self {
            Self::Empty => String::new(),
            Self::Text => "power is on".to_owned(),
            Self::CutOff => format!(r#"{{"node_id":"{household}","power_va"#),
            Self::List => format!(r#"["{household}",421337]"#),
            Self::NoName => r#"{"power_value":421337}"#.to_owned(),
            Self::EmptyName => r#"{"node_id":"","power_value":421337}"#.to_owned(),
            Self::NumberName => r#"{"node_id":17,"power_value":421337}"#.to_owned(),
            Self::LongName => format!(r#"{{"node_id":"{household}{}","power_value":421337}}"#, "f".repeat(80)),
            Self::NoPower => format!(r#"{{"node_id":"{household}","energy":90902114006000}}"#),
            Self::TextPower => format!(r#"{{"node_id":"{household}","power_value":"421337"}}"#),
            Self::NanPower => format!(r#"{{"node_id":"{household}","power_value":NaN}}"#),
            Self::HugePower => format!(r#"{{"node_id":"{household}","power_value":1e300}}"#),
            Self::TextTime => format!(r#"{{"node_id":"{household}","power_value":421337,"timestamp":"noon"}}"#),
            Self::NegativeTime => format!(r#"{{"node_id":"{household}","power_value":421337,"timestamp":-5}}"#),
            Self::FractionRegister => format!(r#"{{"node_id":"{household}","power_value":421337,"energy":1.5}}"#),
            Self::NotUtf8 => {
                let mut bytes = whole.into_bytes();
                bytes.splice(12..12, [0xff, 0xfe]);
                return bytes;
            }
            Self::Oversized => whole.replace('}', &format!(r#","note":"{}"}}"#, "x".repeat(5 * 1024))),
            Self::Twice => format!("{whole}{whole}"),
        };
        text.into_bytes()
    }
}
