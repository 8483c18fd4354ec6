//! The sixteen states of Germany, and the one a postal code lies in.

use crate::ranges::RANGES;

/// A state of the Federal Republic of Germany.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Baden-Württemberg.
    BW,
    /// Bayern.
    BY,
    /// Berlin.
    BE,
    /// Brandenburg.
    BB,
    /// Bremen.
    HB,
    /// Hamburg.
    HH,
    /// Hessen.
    HE,
    /// Mecklenburg-Vorpommern.
    MV,
    /// Niedersachsen.
    NI,
    /// Nordrhein-Westfalen.
    NW,
    /// Rheinland-Pfalz.
    RP,
    /// Saarland.
    SL,
    /// Sachsen.
    SN,
    /// Sachsen-Anhalt.
    ST,
    /// Schleswig-Holstein.
    SH,
    /// Thüringen.
    TH,
}

/// Every state, in the order of the names.
#[must_use]
pub const fn all() -> [State; 16] {
    use State::{BB, BE, BW, BY, HB, HE, HH, MV, NI, NW, RP, SH, SL, SN, ST, TH};
    [BW, BY, BE, BB, HB, HH, HE, MV, NI, NW, RP, SL, SN, ST, SH, TH]
}

impl State {
    /// The two letters that stand for the state.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.texts().0
    }

    /// The state's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.texts().1
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::BW => ("BW", "Baden-Württemberg"),
            Self::BY => ("BY", "Bayern"),
            Self::BE => ("BE", "Berlin"),
            Self::BB => ("BB", "Brandenburg"),
            Self::HB => ("HB", "Bremen"),
            Self::HH => ("HH", "Hamburg"),
            Self::HE => ("HE", "Hessen"),
            Self::MV => ("MV", "Mecklenburg-Vorpommern"),
            Self::NI => ("NI", "Niedersachsen"),
            Self::NW => ("NW", "Nordrhein-Westfalen"),
            Self::RP => ("RP", "Rheinland-Pfalz"),
            Self::SL => ("SL", "Saarland"),
            Self::SN => ("SN", "Sachsen"),
            Self::ST => ("ST", "Sachsen-Anhalt"),
            Self::SH => ("SH", "Schleswig-Holstein"),
            Self::TH => ("TH", "Thüringen"),
        }
    }
}

/// The state a postal code lies in: five digits, a leading zero included. Nothing if the text is no such code or lies
/// outside every range; such households are shown as unknown. A code that spans two states goes to the larger part.
/// A range may hold numbers that no place has: this is a lookup, not a check that the code exists.
#[must_use]
pub fn state_of(plz: &str) -> Option<State> {
    if plz.len() != 5 || !plz.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u32 = plz.parse().ok()?;
    let index = RANGES.partition_point(|range| range.1 < number);
    RANGES.get(index).filter(|range| range.0 <= number).map(|range| range.2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_ranges_ascend_and_do_not_overlap() {
        assert!(RANGES.iter().all(|range| range.0 <= range.1 && range.1 <= 99_999));
        assert!(RANGES.windows(2).all(|pair| pair[0].1 < pair[1].0));
        // Neighbours that touch are different states, or they would be one range.
        assert!(
            RANGES
                .windows(2)
                .all(|pair| pair[0].1 + 1 < pair[1].0 || pair[0].2 != pair[1].2)
        );
        assert_eq!(
            RANGES.iter().map(|range| range.2).collect::<BTreeSet<_>>(),
            all().into_iter().collect()
        );
    }

    #[test]
    fn names_are_in_order_and_all_different() {
        assert!(all().windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(all().map(State::code).into_iter().collect::<BTreeSet<_>>().len(), 16);
        assert_eq!(all().map(State::name).into_iter().collect::<BTreeSet<_>>().len(), 16);
        for state in all() {
            assert_eq!(format!("{state:?}"), state.code());
        }
    }

    /// Centres first, then both sides of the borders, then the pockets where a border runs through a range of numbers.
    const PLACES: [(&str, State); 16] = {
        use State::*;
        [
            ("70173", BW),
            ("80331", BY),
            ("10117", BE),
            ("14467", BB),
            ("28195", HB),
            ("20095", HH),
            ("65183", HE),
            ("19053", MV),
            ("30159", NI),
            ("40213", NW),
            ("55116", RP),
            ("66111", SL),
            ("01067", SN),
            ("39104", ST),
            ("24103", SH),
            ("99084", TH),
        ]
    };

    #[rustfmt::skip]
    const BORDERS: [(&str, State); 115] = {
        use State::*;
        [
            // Sachsen, Brandenburg, Thüringen, Sachsen-Anhalt.
            ("01936", SN), ("01945", BB), ("01968", BB), ("02625", SN), ("02999", SN), ("03046", BB), ("03253", BB),
            ("04109", SN), ("04579", SN), ("04600", TH), ("04639", TH), ("04651", SN), ("04889", SN), ("04895", BB),
            ("04938", BB), ("06108", ST), ("06542", ST), ("06556", TH), ("06577", TH), ("06618", ST), ("06928", ST),
            ("07318", TH), ("07907", TH), ("07919", SN), ("07937", TH), ("07952", SN), ("07973", TH), ("07985", SN),
            ("07989", TH), ("08056", SN), ("09669", SN),
            // Berlin within Brandenburg.
            ("12527", BE), ("12529", BB), ("12555", BE), ("14199", BE), ("14469", BB), ("16949", BB),
            // Mecklenburg-Vorpommern and the north.
            ("17258", MV), ("17268", BB), ("17291", BB), ("17309", MV), ("17326", BB), ("17328", MV), ("17337", BB),
            ("19260", MV), ("19273", NI), ("19288", MV), ("19309", BB), ("19322", BB), ("19339", BB), ("19357", BB),
            ("19370", MV), ("21149", HH), ("21217", NI), ("21465", SH), ("21522", NI), ("21529", SH), ("21614", NI),
            ("22145", HH), ("22769", HH), ("22844", SH), ("23919", SH), ("23923", MV), ("23999", MV), ("25999", SH),
            ("27478", NI), ("27498", SH), ("27499", HH), ("27568", HB), ("27607", NI), ("28779", HB), ("28790", NI),
            ("29410", ST), ("29439", NI),
            // Hessen, Niedersachsen, Nordrhein-Westfalen, Thüringen.
            ("34329", HE), ("34346", NI), ("34355", NI), ("34369", HE), ("34414", NW), ("34454", HE), ("36433", TH),
            ("37194", NI), ("37213", HE), ("37269", HE), ("37299", HE), ("37308", TH), ("37688", NW), ("37691", NI),
            ("37696", NW), ("38489", ST), ("38518", NI), ("48455", NI), ("48477", NW), ("48480", NI), ("49477", NW),
            ("51598", RP), ("53359", NW), ("53604", NW), ("53619", RP), ("55246", HE), ("55252", HE), ("55257", RP),
            // Rhein, Main, Neckar.
            ("63739", BY), ("65582", RP), ("65589", HE), ("65623", RP), ("65627", HE), ("65629", RP), ("66482", RP),
            ("68519", HE), ("69239", HE), ("76829", RP), ("88131", BY), ("89312", BY), ("97877", BW),
        ]
    };

    #[rustfmt::skip]
    const POCKETS: [(&str, State); 20] = {
        use State::*;
        [
            ("88099", BW), ("88147", BW), ("88149", BY), ("88179", BY), ("88212", BW), ("89198", BW), ("89231", BY),
            ("89446", BY), ("89518", BW), ("97859", BY), ("97892", BY), ("97896", BW), ("97900", BW), ("97903", BY),
            ("97909", BY), ("97922", BW), ("96489", BY), ("96515", TH), ("69434", HE), ("69469", BW),
        ]
    };

    #[test]
    fn places_lie_where_they_lie() {
        for (plz, state) in PLACES.into_iter().chain(BORDERS).chain(POCKETS) {
            assert_eq!(state_of(plz), Some(state), "{plz}");
        }
        assert_eq!(PLACES.map(|place| place.1), all());
    }

    #[test]
    fn everything_else_is_unknown() {
        for plz in [
            "",
            "0",
            "1067",
            "001067",
            "0106a",
            "o1067",
            " 1067",
            "00000",
            "05000",
            "43000",
            "62000",
            "99999",
            "٠١٠٦٧",
        ] {
            assert_eq!(state_of(plz), None, "{plz}");
        }
        // Two valleys of Austria have German numbers.
        assert_eq!([state_of("87491"), state_of("87568")], [None, None]);
    }
}
