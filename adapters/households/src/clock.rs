//! Calendar text for Unix milliseconds, in UTC: `YYYY-MM-DD HH:mm:ss`, the form GEM House files use.

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// The last millisecond of the year 9999, beyond which four digits of year do not suffice.
pub const LAST_MS: i64 = 253_402_300_799_999;

/// `time_ms` as `YYYY-MM-DD HH:mm:ss`, milliseconds cut off.
#[must_use]
pub fn date_text(time_ms: i64) -> String {
    let (days, rest) = (time_ms.div_euclid(DAY_MS), time_ms.rem_euclid(DAY_MS) / 1_000);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The inverse of [`date_text`]; a fraction of a second after a point is read as well, a `T` in place of the blank
/// is accepted. Returns nothing for text that is no such date.
#[must_use]
pub fn parse_date(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches('Z');
    let (date, time) = text.split_once([' ', 'T'])?;
    let mut parts = date.splitn(3, '-').map(|part| digits(part, 4));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = time.splitn(3, ':').map(|part| digits(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    digits(fraction, 9)?;
    let millis = digits(&format!("{fraction:0<3}")[..3], 3)?;
    let days = days(year, month, day);
    if civil(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days * DAY_MS + hour * HOUR_MS + minute * 60_000 + second * 1_000 + millis)
}

/// A number of at most `most` ASCII digits.
fn digits(text: &str, most: usize) -> Option<i64> {
    (!text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Year, month and day of the day `days` after 1970-01-01, by counting in 400-year eras that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, doe) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + i64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, yoe) = (year.div_euclid(400), year.rem_euclid(400));
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_both_ways() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00"),
            (1_577_145_600_000, "2019-12-24 00:00:00"),
            (1_577_206_801_000, "2019-12-24 17:00:01"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (LAST_MS - 999, "9999-12-31 23:59:59"),
        ] {
            assert_eq!(date_text(ms), text);
            assert_eq!(parse_date(text), Some(ms));
        }
        assert_eq!(date_text(1_577_206_801_842), "2019-12-24 17:00:01");
        assert_eq!(parse_date("2019-12-24 17:00:01.842"), Some(1_577_206_801_842));
        assert_eq!(parse_date("2019-12-24T17:00:01.8Z"), Some(1_577_206_801_800));
        assert_eq!(parse_date("2019-12-24T17:00:01.842917Z"), Some(1_577_206_801_842));
    }

    #[test]
    fn texts_that_are_no_dates() {
        for text in [
            "",
            "2019-12-24",
            "2019-02-29 00:00:00",
            "2019-13-01 00:00:00",
            "2019-12-24 24:00:00",
            "a-b-c d:e:f",
            "2019-12-24 17:00",
            "2019-12-24 17:00:01.x",
            "2019-12-24 17:00:01.äö",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
