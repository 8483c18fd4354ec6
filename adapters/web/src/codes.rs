//! A first postal code for a household that has not told its own.

use crate::states::State::{self, BB, BE, BW, BY, HB, HE, HH, MV, NI, NW, RP, SH, SL, SN, ST, TH};

/// Codes of towns and city quarters that exist, thirteen a state. Not weighted: a demonstration wants every state.
#[rustfmt::skip]
const CODES: [(State, [&str; 13]); 16] = [
    (BW, ["70173", "68159", "76133", "79098", "69117", "89073", "74072", "75172", "72764", "78462", "73430", "88212", "97980"]),
    (BY, ["80331", "90402", "86150", "93047", "97070", "91054", "95028", "94032", "87435", "88131", "63739", "96450", "84028"]),
    (BE, ["10115", "10117", "10178", "10243", "10405", "10585", "10783", "10961", "12043", "12157", "12555", "13347", "14163"]),
    (BB, ["14467", "03046", "15230", "16225", "14770", "01968", "16515", "15711", "17291", "19348", "12529", "04910", "03238"]),
    (HB, ["28195", "28199", "28201", "28203", "28205", "28209", "28213", "28217", "28237", "28259", "28309", "28717", "27568"]),
    (HH, ["20095", "20144", "20253", "20355", "20457", "20535", "21029", "21073", "21129", "22041", "22081", "22303", "22765"]),
    (HE, ["60311", "65183", "34117", "64283", "63065", "35390", "36037", "35037", "61348", "63450", "65549", "37213", "64625"]),
    (MV, ["19053", "18055", "17489", "18435", "23966", "17033", "18273", "17192", "19370", "17235", "18528", "17309", "19288"]),
    (NI, ["30159", "38100", "26122", "49074", "37073", "31134", "21335", "26382", "29221", "48527", "34346", "38440", "27472"]),
    (NW, ["50667", "40213", "44135", "45127", "33602", "48143", "52062", "53111", "42103", "47051", "59065", "57072", "32423"]),
    (RP, ["55116", "56068", "54290", "67059", "67655", "67547", "76829", "55543", "56564", "66953", "66482", "65582", "53474"]),
    (SL, ["66111", "66424", "66538", "66740", "66606", "66663", "66763", "66280", "66333", "66386", "66822", "66571", "66693"]),
    (SN, ["01067", "04109", "09111", "08056", "02826", "08523", "02625", "01587", "01662", "04860", "09599", "01796", "02977"]),
    (ST, ["39104", "06108", "06844", "06886", "38820", "06484", "39576", "29410", "06217", "06618", "38855", "06449", "39218"]),
    (SH, ["24103", "23552", "24937", "24534", "22844", "25524", "25746", "25813", "23795", "21502", "25335", "23909", "24340"]),
    (TH, ["99084", "07743", "07545", "99423", "98527", "99974", "99734", "36433", "98617", "04600", "07318", "99817", "96515"]),
];

/// A postal code for a household, chosen by the FNV-1a hash of its name: the same name gets the same code everywhere
/// and always.
#[must_use]
pub fn plz_for(household: &str) -> [u8; 5] {
    let hash = household.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let states = CODES.len() as u64;
    let (_, codes) = CODES[(hash % states) as usize];
    let code = codes[(hash / states % codes.len() as u64) as usize].as_bytes();
    core::array::from_fn(|digit| code.get(digit).copied().unwrap_or(b'0'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{state_of, states::all};

    #[test]
    fn every_code_lies_in_its_state_and_none_is_there_twice() {
        assert_eq!(CODES.map(|(state, _)| state), all());
        let mut seen = std::collections::BTreeSet::new();
        for (state, codes) in CODES {
            for code in codes {
                assert_eq!(state_of(code), Some(state), "{code}");
                assert!(seen.insert(code), "{code}");
            }
        }
        assert_eq!(seen.len(), 208);
    }

    #[test]
    fn names_keep_their_code_and_reach_every_state() {
        // Stored codes depend on these: a change of the list or of the hash moves households.
        assert_eq!(&plz_for("household_0"), b"06449");
        assert_eq!(&plz_for(""), b"20355");
        let mut states = BTreeMap::new();
        for index in 0..3_200 {
            let code = plz_for(&format!("household_{index:064x}"));
            *states
                .entry(state_of(core::str::from_utf8(&code).unwrap()).unwrap())
                .or_insert(0) += 1;
        }
        assert_eq!(states.len(), 16);
        assert!(states.values().all(|n| (120..280).contains(n)), "{states:?}");
    }
}
