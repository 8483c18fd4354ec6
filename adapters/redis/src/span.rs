//! Windows and totals as the text that Redis holds: readable by a person with `redis-cli`.

use pehra_core::window::{Span, Total};

/// `sum,n,min,max,first register,last register,revision`, registers empty when unknown; or `gap,until`.
pub(crate) fn write(span: &Span) -> String {
    let register = |register: &Option<u64>| register.map(|register| register.to_string()).unwrap_or_default();
    match span {
        Span::Window {
            sum_mw,
            n,
            min_mw,
            max_mw,
            first_register,
            last_register,
            revision,
        } => format!(
            "{sum_mw},{n},{min_mw},{max_mw},{},{},{revision}",
            register(first_register),
            register(last_register)
        ),
        Span::Gap { until_ms } => format!("gap,{until_ms}"),
    }
}

/// Reads what [`write()`] wrote.
pub(crate) fn read(text: &str) -> Option<Span> {
    if let Some(until_ms) = text.strip_prefix("gap,") {
        return Some(Span::Gap {
            until_ms: until_ms.parse().ok()?,
        });
    }
    let mut parts = text.split(',');
    let mut next = || parts.next();
    let register = |text: &str| {
        if text.is_empty() {
            Some(None)
        } else {
            text.parse().ok().map(Some)
        }
    };
    Some(Span::Window {
        sum_mw: next()?.parse().ok()?,
        n: next()?.parse().ok()?,
        min_mw: next()?.parse().ok()?,
        max_mw: next()?.parse().ok()?,
        first_register: register(next()?)?,
        last_register: register(next()?)?,
        revision: next()?.parse().ok()?,
    })
}

/// `sum,n,windows`.
pub(crate) fn write_total(total: &Total) -> String {
    format!("{},{},{}", total.sum_mw, total.n, total.windows)
}

/// Reads what [`write_total`] wrote.
pub(crate) fn read_total(text: &str) -> Option<Total> {
    let mut parts = text.split(',');
    Some(Total {
        sum_mw: parts.next()?.parse().ok()?,
        n: parts.next()?.parse().ok()?,
        windows: parts.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let window = Span::Window {
            sum_mw: -5,
            n: 3,
            min_mw: -9,
            max_mw: 2,
            first_register: Some(u64::MAX),
            last_register: None,
            revision: 7,
        };
        let gap = Span::Gap { until_ms: -1 };
        for span in [window, gap] {
            assert_eq!(read(&write(&span)), Some(span));
        }
        let total = Total {
            sum_mw: -(1 << 70),
            n: 2,
            windows: 1,
        };
        assert_eq!(read_total(&write_total(&total)), Some(total));
        assert_eq!(read("1,2"), None);
    }
}
