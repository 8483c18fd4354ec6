//! The account: what was sent, by the ledger of the one who sent it, against what the cloud's store holds.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use pehra_core::window::Span;
use pehra_households::Label;
use pehra_households::STEP_MS;
use pehra_households::ledger::{Ledger, energy_mws, floor, kwh_text, register_kwh_text};

use super::Shared;
use super::chaos::Chaos;
use super::parts::Parts;

const HOUR_MS: i64 = 3_600_000;

/// What came of everything that was sent.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    readings: u64,
    windows: u64,
    acked: u64,
    lost: u64,
    duplicated: u64,
    resent: u64,
    repeated: u64,
    late: u64,
    quarantined: u64,
    energy_generated: i128,
    energy_cloud: i128,
    register: u64,
    /// Household and hours whose energy differs.
    unequal_hours: u64,
    backlog: u64,
    taken: u64,
    /// Records that Kafka's producer wrote twice across a broker's restart; the edge must have set each aside.
    written_twice: u64,
    undelivered: u64,
    chaos: Chaos,
}

impl Verdict {
    /// Compares ledger and stores as they are now.
    pub fn take(parts: &Parts, ledger: &Ledger, chaos: &Chaos, shared: &Shared) -> Result<Self, String> {
        let mut verdict = Self {
            readings: shared.sent.load(Ordering::Relaxed),
            undelivered: shared.undelivered.load(Ordering::Relaxed),
            resent: parts.edge.resent(),
            taken: parts.taken()?,
            chaos: *chaos,
            ..Self::default()
        };
        let backlog = parts.backlog()?;
        verdict.backlog = backlog.last - backlog.acked;
        verdict.windows = pehra_sqlite::windows_closed(parts.database()).map_err(|error| error.to_string())?;
        verdict.compare_windows(parts, ledger)?;
        verdict.compare_set_aside(parts, ledger)?;
        let total = ledger.total();
        verdict.energy_generated = energy_mws(total.sum_mw, total.n, STEP_MS);
        verdict.register = ledger
            .households()
            .filter(|household| !ledger.fed_in(household))
            .filter_map(|household| ledger.register_difference(household))
            .sum();
        Ok(verdict)
    }

    /// Every window that was generated must be at the cloud with just its readings, and no other.
    fn compare_windows(&mut self, parts: &Parts, ledger: &Ledger) -> Result<(), String> {
        let (windows, rows, high) = parts.cloud_windows()?;
        // Rows are counted one by one as they take effect: more than the mark were applied twice.
        self.duplicated = rows.saturating_sub(high);
        let mut hours: BTreeMap<(String, i64), (i128, u64)> = BTreeMap::new();
        let mut found: BTreeMap<(String, i64), (i64, u64)> = BTreeMap::new();
        for (household, start_ms, span) in windows {
            let Span::Window { sum_mw, n, .. } = span else { continue };
            self.acked += 1;
            let hour = hours.entry((household.clone(), floor(start_ms, HOUR_MS))).or_default();
            hour.0 += i128::from(sum_mw);
            hour.1 += u64::from(n);
            found.insert((household, start_ms), (sum_mw, n.into()));
        }
        for (household, start_ms, window) in ledger.windows() {
            match found.remove(&(household.to_owned(), start_ms)) {
                Some((_, n)) if n > window.n => self.duplicated += n - window.n,
                Some((_, n)) if n < window.n => self.lost += window.n - n,
                Some((sum_mw, _)) if sum_mw != window.sum_mw => self.lost += window.n,
                Some(_) => {}
                None => self.lost += window.n,
            }
        }
        // What is left was never generated.
        self.duplicated += found.values().map(|(_, n)| n).sum::<u64>();
        let (sum_mw, n) = hours
            .values()
            .fold((0, 0), |sum, hour| (sum.0 + hour.0, sum.1 + hour.1));
        self.energy_cloud = energy_mws(sum_mw, n, STEP_MS);
        for (household, start_ms, sum) in ledger.hours() {
            let (there_mw, there_n) = hours.remove(&(household.to_owned(), start_ms)).unwrap_or_default();
            let ours = energy_mws(sum.sum_mw, sum.n, STEP_MS);
            self.unequal_hours += u64::from(ours != energy_mws(there_mw, there_n, STEP_MS) || sum.n != there_n);
        }
        self.unequal_hours += hours.len() as u64;
        Ok(())
    }

    /// Everything that was set aside must have been generated as such, once for each time it is listed.
    fn compare_set_aside(&mut self, parts: &Parts, ledger: &Ledger) -> Result<(), String> {
        let items = pehra_sqlite::list_set_aside(parts.database()).map_err(|error| error.to_string())?;
        let mut wrong = 0;
        for item in items {
            let label = match item.why.as_str() {
                "repeated" => Label::Repeated,
                "late" => Label::TooLate,
                "future" => Label::Future,
                "unreadable" => Label::Malformed,
                _ => {
                    wrong += 1;
                    continue;
                }
            };
            let generated = match &item.reading {
                // What Kafka's producer wrote twice is a repeat of something that was generated only once.
                Some((household, time_ms, _)) if label == Label::Repeated => Label::ALL
                    .iter()
                    .any(|label| ledger.contains(*label, household, *time_ms)),
                Some((household, time_ms, _)) => ledger.contains(label, household, *time_ms),
                None => label == Label::Malformed,
            };
            wrong += u64::from(!generated);
            match label {
                Label::Repeated => self.repeated += 1,
                Label::TooLate => self.late += 1,
                _ => self.quarantined += 1,
            }
        }
        self.lost += wrong;
        let counts = ledger.all_counts();
        let mut surplus = 0;
        for (listed, generated) in [
            (self.repeated, counts.of(Label::Repeated)),
            (self.late, counts.of(Label::TooLate)),
            (self.quarantined, counts.of(Label::Future) + counts.of(Label::Malformed)),
        ] {
            self.lost += generated.saturating_sub(listed);
            surplus += listed.saturating_sub(generated);
        }
        // Records that Kafka holds beyond those that were sent must be just those that are listed once too often.
        self.written_twice = self.taken.saturating_sub(self.readings);
        self.duplicated += surplus.saturating_sub(self.written_twice);
        Ok(())
    }

    /// Nothing is under way any more: all that was sent has been taken, closed and acknowledged.
    pub fn is_complete(&self) -> bool {
        self.taken >= self.readings && self.backlog == 0 && self.lost == 0 && self.windows == self.acked
    }

    /// What is wrong, in sentences; empty if nothing is.
    pub fn trouble(&self, chaos: bool, seconds: Option<u64>) -> Vec<String> {
        let mut trouble = Vec::new();
        let mut check = |bad: bool, what: String| {
            if bad {
                trouble.push(what);
            }
        };
        check(
            self.undelivered > 0,
            format!("{} readings did not reach Kafka", self.undelivered),
        );
        check(
            self.taken < self.readings,
            format!("the edge took {} of {} readings", self.taken, self.readings),
        );
        check(self.backlog > 0, format!("{} rows are not acknowledged", self.backlog));
        check(self.lost > 0, format!("{} readings are LOST", self.lost));
        check(
            self.duplicated > 0,
            format!("{} readings or rows count TWICE", self.duplicated),
        );
        check(
            self.unequal_hours > 0,
            format!("{} household-hours differ in energy", self.unequal_hours),
        );
        if chaos {
            let least = seconds.unwrap_or(30) / 3;
            for (who, kills) in [("edge", self.chaos.edge), ("cloud", self.chaos.cloud)] {
                check(
                    kills < least,
                    format!("the {who} was killed {kills} times only, expected at least {least}"),
                );
            }
            check(self.chaos.min_backlog == Some(0), "a kill found no row waiting".into());
            let all = self.chaos.edge + self.chaos.cloud;
            check(
                self.chaos.at_stop * 5 < all * 2,
                format!("only {} of {all} kills were at the stop", self.chaos.at_stop),
            );
        }
        trouble
    }

    fn twice(&self) -> String {
        match self.written_twice {
            0 => String::new(),
            count => format!(", {count} of them written twice by Kafka's producer"),
        }
    }

    fn generated(&self) -> String {
        kwh_text(self.energy_generated, 6)
    }

    fn cloud(&self) -> String {
        kwh_text(self.energy_cloud, 6)
    }

    /// One JSON object.
    pub fn json(&self, chaos: bool) -> String {
        let number = |text: String| {
            text.parse::<serde_json::Number>()
                .map_or(serde_json::Value::Null, Into::into)
        };
        let mut object = serde_json::json!({
            "readings": self.readings,
            "windows": self.windows,
            "acked": self.acked,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "resent": self.resent,
            "repeated": self.repeated,
            "late": self.late,
            "quarantined": self.quarantined,
            "kwh_generated": number(self.generated()),
            "kwh_cloud": number(self.cloud()),
            "kwh_register": number(register_kwh_text(self.register, 6)),
        });
        if chaos && let Some(fields) = object.as_object_mut() {
            fields.insert("kills_edge".into(), self.chaos.edge.into());
            fields.insert("kills_cloud".into(), self.chaos.cloud.into());
            fields.insert("kills_at_stop".into(), self.chaos.at_stop.into());
            fields.insert("min_backlog_at_kill".into(), self.chaos.min_backlog.into());
        }
        object.to_string()
    }

    /// A table for people.
    pub fn text(&self, chaos: bool) -> String {
        let mut lines = vec![
            format!("readings sent        {:>12}", self.readings),
            format!("  repeated           {:>12}   set aside{}", self.repeated, self.twice()),
            format!("  too late           {:>12}   set aside", self.late),
            format!("  quarantined        {:>12}   set aside", self.quarantined),
            format!("windows closed       {:>12}", self.windows),
            format!("windows at the cloud {:>12}", self.acked),
            format!("rows sent again      {:>12}", self.resent),
            format!("lost                 {:>12}", self.lost),
            format!("counted twice        {:>12}", self.duplicated),
            format!("energy generated     {:>12} kWh", self.generated()),
            format!("energy at the cloud  {:>12} kWh", self.cloud()),
            format!(
                "energy by registers  {:>12} kWh   (imports only: houses that feed in are left out)",
                register_kwh_text(self.register, 6)
            ),
        ];
        if chaos {
            lines.push(format!(
                "kills                {:>12}   edge {}, cloud {}, at the stop {}, fewest rows waiting {}",
                self.chaos.edge + self.chaos.cloud,
                self.chaos.edge,
                self.chaos.cloud,
                self.chaos.at_stop,
                self.chaos.min_backlog.unwrap_or(0)
            ));
        }
        lines.join("\n")
    }
}
