//! What an edge delivers: one tuple for each revision of a window, and one for each gap.

use core::fmt;

use crate::delivery::Body;
use crate::types::Household;

/// A household's five-character postal code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub [u8; 5]);

impl Code {
    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("?????")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a tuple says of its stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// One window, with what was counted in it. The mean is `sum_mw / n`.
    Window {
        /// Sum of the powers, mW.
        sum_mw: i64,
        /// Readings counted, at least 1.
        n: u32,
        /// The least power, mW.
        min_mw: i64,
        /// The greatest power, mW.
        max_mw: i64,
        /// The import register at the first reading that had one, 10⁻¹⁰ kWh.
        first_register: Option<u64>,
        /// The import register at the last reading that had one, 10⁻¹⁰ kWh.
        last_register: Option<u64>,
        /// 0 when it closed; each late reading makes one more, which replaces those before. A window that fills a gap
        /// starts at 1.
        revision: u32,
    },
    /// No reading from the start up to here (exclusive), ms since 1970: not zero, unknown.
    Gap {
        /// End of the gap, ms since 1970.
        until_ms: i64,
    },
}

/// One row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Whose.
    pub household: Household,
    /// Start of the stretch, ms since 1970.
    pub start_ms: i64,
    /// What it says.
    pub span: Span,
}

impl Body for Tuple {
    type Household = Household;
    type Code = Code;

    fn household(&self) -> Household {
        self.household
    }

    fn first_code(household: &Household) -> Code {
        // FNV-1a: the same on every machine and for ever, and spread well enough over so few codes.
        let hash = household
            .as_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let count = u64::try_from(FIRST_CODES.len()).unwrap_or(1);
        let at = usize::try_from((hash >> 7).checked_rem(count).unwrap_or(0)).unwrap_or(0);
        FIRST_CODES.get(at).map_or(Code(*b"10115"), |code| Code(**code))
    }
}

/// Real German codes, four from each state, so that a household without a known address lands somewhere on the map.
const FIRST_CODES: [&[u8; 5]; 64] = [
    b"70173", b"76131", b"79098", b"89073", b"80331", b"90402", b"86150", b"93047", b"10115", b"10557", b"12043",
    b"13353", b"14467", b"03046", b"15230", b"16225", b"28195", b"28717", b"27568", b"28309", b"20095", b"22765",
    b"21073", b"22041", b"60311", b"65183", b"34117", b"64283", b"30159", b"38100", b"26122", b"49074", b"19053",
    b"18055", b"17489", b"17033", b"50667", b"40213", b"44135", b"48143", b"55116", b"56068", b"67655", b"54290",
    b"66111", b"66424", b"66538", b"66740", b"01067", b"04109", b"09111", b"02826", b"39104", b"06108", b"06844",
    b"38820", b"24103", b"23552", b"24937", b"25524", b"99084", b"07743", b"98527", b"07545",
];
