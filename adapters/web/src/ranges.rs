//! Which postal codes lie in which state.
//!
//! Postal codes follow delivery regions, not borders, so a state is a set of ranges, and small pockets on the other
//! side of a border are ranges of their own. Numbers that no region uses (00, 05, 43, 62 in front) are in no range.

use crate::states::State::{self, BB, BE, BW, BY, HB, HE, HH, MV, NI, NW, RP, SH, SL, SN, ST, TH};

/// First code, last code, state; ascending, without overlap.
#[rustfmt::skip]
pub(crate) const RANGES: [(u32, u32, State); N] = [
    // 0: Sachsen, Sachsen-Anhalt, Thüringen, the south of Brandenburg.
    (1_000, 1_936, SN), (1_940, 1_998, BB), (2_600, 2_999, SN), (3_000, 3_253, BB), (4_000, 4_579, SN),
    (4_580, 4_639, TH), (4_640, 4_889, SN), (4_890, 4_938, BB), (6_000, 6_548, ST), (6_550, 6_578, TH),
    (6_600, 6_928, ST), (7_300, 7_907, TH), (7_917, 7_919, SN), (7_920, 7_950, TH), (7_951, 7_952, SN),
    (7_953, 7_980, TH), (7_982, 7_985, SN), (7_987, 7_989, TH), (8_000, 9_669, SN),
    // 1: Berlin, Brandenburg, Mecklenburg-Vorpommern. 17326 Brüssow and 17337 Uckerland, the Prignitz from 19309 on,
    // and across the Elbe 19273 Amt Neuhaus.
    (10_000, 12_527, BE), (12_529, 12_529, BB), (12_531, 14_199, BE), (14_400, 16_949, BB), (17_000, 17_259, MV),
    (17_260, 17_291, BB), (17_300, 17_325, MV), (17_326, 17_326, BB), (17_327, 17_336, MV), (17_337, 17_337, BB),
    (17_338, 19_269, MV), (19_270, 19_273, NI), (19_274, 19_308, MV), (19_309, 19_357, BB), (19_360, 19_417, MV),
    // 2: Hamburg, Schleswig-Holstein, Bremen, the north of Niedersachsen. 27498 is Helgoland, 27499 Neuwerk.
    (20_000, 21_149, HH), (21_202, 21_449, NI), (21_450, 21_521, SH), (21_522, 21_522, NI), (21_524, 21_529, SH),
    (21_600, 21_789, NI), (22_000, 22_769, HH), (22_801, 23_919, SH), (23_920, 23_999, MV), (24_000, 25_999, SH),
    (26_000, 27_478, NI), (27_483, 27_498, SH), (27_499, 27_499, HH), (27_500, 27_580, HB), (27_607, 27_809, NI),
    (28_000, 28_779, HB), (28_784, 29_399, NI), (29_400, 29_416, ST),
    // 3: Niedersachsen, Hessen, the Weser. 34346 Hann. Münden is west of 37213 Witzenhausen.
    (29_430, 31_868, NI), (32_000, 33_829, NW), (34_000, 34_329, HE), (34_330, 34_355, NI), (34_356, 34_399, HE),
    (34_400, 34_439, NW), (34_440, 36_399, HE), (36_400, 36_469, TH), (37_000, 37_194, NI), (37_195, 37_195, HE),
    (37_197, 37_199, NI), (37_200, 37_299, HE), (37_300, 37_359, TH), (37_400, 37_649, NI), (37_650, 37_688, NW),
    (37_689, 37_691, NI), (37_692, 37_696, NW), (37_697, 38_479, NI), (38_480, 38_489, ST), (38_500, 38_729, NI),
    (38_800, 39_649, ST),
    // 4: Nordrhein-Westfalen and, in between, the Emsland.
    (40_000, 42_999, NW), (44_000, 48_432, NW), (48_442, 48_465, NI), (48_466, 48_477, NW), (48_478, 48_480, NI),
    (48_481, 48_485, NW), (48_486, 48_488, NI), (48_489, 48_496, NW), (48_497, 48_531, NI), (48_541, 48_739, NW),
    (49_000, 49_459, NI), (49_461, 49_549, NW), (49_550, 49_849, NI),
    // 5: Rheinland and Sauerland. 55246 Kostheim and 55252 Kastel have numbers of Mainz and belong to Wiesbaden.
    (50_100, 51_597, NW), (51_598, 51_598, RP), (51_600, 53_359, NW), (53_400, 53_579, RP), (53_580, 53_604, NW),
    (53_614, 53_619, RP), (53_620, 53_949, NW), (54_200, 55_239, RP), (55_240, 55_252, HE), (55_253, 56_869, RP),
    (57_000, 57_489, NW), (57_500, 57_648, RP), (58_000, 59_969, NW),
    // 6: Hessen, Saarland, Pfalz, Kurpfalz. Around Diez the border with Rheinland-Pfalz runs through the numbers of
    // Limburg, along the Bergstraße that with Baden-Württemberg.
    (60_000, 61_999, HE), (63_000, 63_699, HE), (63_700, 63_939, BY), (64_200, 65_556, HE), (65_558, 65_582, RP),
    (65_583, 65_620, HE), (65_621, 65_626, RP), (65_627, 65_627, HE), (65_629, 65_629, RP), (65_700, 65_936, HE),
    (66_000, 66_459, SL), (66_460, 66_509, RP), (66_510, 66_839, SL), (66_840, 67_829, RP), (68_000, 68_309, BW),
    (68_501, 68_519, HE), (68_520, 68_549, BW), (68_600, 68_649, HE), (68_700, 69_234, BW), (69_235, 69_239, HE),
    (69_240, 69_429, BW), (69_430, 69_434, HE), (69_435, 69_469, BW), (69_479, 69_488, HE), (69_489, 69_502, BW),
    (69_503, 69_509, HE), (69_510, 69_514, BW), (69_515, 69_518, HE),
    // 7: Baden-Württemberg and the south of the Pfalz.
    (70_000, 76_709, BW), (76_710, 76_891, RP), (77_600, 79_879, BW),
    // 8: the south. 87491 and 87567 to 87569 are Austria's; 88147 Achberg is a pocket in the district of Lindau.
    (80_000, 87_490, BY), (87_493, 87_561, BY), (87_570, 87_789, BY), (88_000, 88_099, BW), (88_100, 88_146, BY),
    (88_147, 88_147, BW), (88_148, 88_179, BY), (88_180, 89_198, BW), (89_200, 89_449, BY), (89_500, 89_619, BW),
    // 9: Franken and Thüringen. On the Main below Wertheim the left bank is Baden-Württemberg, the right one Bayern.
    (90_000, 96_489, BY), (96_500, 96_529, TH), (97_000, 97_859, BY), (97_860, 97_891, BW), (97_892, 97_892, BY),
    (97_893, 97_900, BW), (97_901, 97_909, BY), (97_910, 97_999, BW), (98_500, 99_998, TH),
];

/// How many ranges there are.
const N: usize = 149;
