//! Figures, and how they are shown.

use std::fmt::{self, Write};
use std::fs;

use serde_json::{Value, json};

use crate::stop::Stop;
use crate::system::{Fault, System};
use crate::trial::Outage;

/// All trials of one fault of one system at one pace.
#[derive(Clone, Debug)]
pub struct Row {
    pub system: String,
    pub version: String,
    pub settings: String,
    pub asks: String,
    pub timeout_ms: u32,
    pub fault: String,
    /// ms, one for each trial that answers came back in.
    pub outages: Vec<f64>,
    /// Trials in which they did not.
    pub lost: u32,
    /// Trials that were made again.
    pub repeated: u32,
    quiet_gaps: Vec<f64>,
    quiet_answers: Vec<f64>,
    pressures: Vec<f64>,
    last: String,
}

impl Row {
    pub fn new(system: &dyn System, fault: Fault) -> Self {
        Self {
            system: system.name().to_owned(),
            version: String::new(),
            settings: system.settings(),
            asks: system.asks().to_owned(),
            timeout_ms: system.pace().timeout_ms,
            fault: fault.to_string(),
            outages: Vec::new(),
            lost: 0,
            repeated: 0,
            quiet_gaps: Vec::new(),
            quiet_answers: Vec::new(),
            pressures: Vec::new(),
            last: String::new(),
        }
    }

    /// Trials that count.
    pub fn trials(&self) -> u32 {
        u32::try_from(self.outages.len()).expect("few trials") + self.lost
    }

    pub fn take(&mut self, outage: Outage) {
        self.last = format!("{:.0} ms (CPU pressure {:.0} %)", outage.ms, outage.pressure);
        self.outages.push(outage.ms);
        self.quiet_gaps.push(outage.quiet_gap_ms);
        self.quiet_answers.push(outage.quiet_answer_ms);
        self.pressures.push(outage.pressure);
    }

    pub fn take_lost(&mut self, waited_ms: f64) {
        self.last = format!("no answer in {waited_ms:.0} ms");
        self.lost += 1;
    }

    /// Counts a trial that is made again; too many of them, and the machine is not fit for this.
    pub fn repeat(&mut self, why: &str, trials: u32) -> Result<(), Stop> {
        self.last = format!("made again: {why}");
        self.repeated += 1;
        if self.repeated > 20 + 4 * trials {
            return Err(Stop::failed(format!(
                "{} {}: {} trials said nothing, the last because {why}; free the machine of other load",
                self.system, self.fault, self.repeated
            )));
        }
        Ok(())
    }

    /// A line for the trial that just ended.
    pub fn progress(&self, trials: u32) -> String {
        let Self {
            system,
            timeout_ms,
            fault,
            ..
        } = self;
        format!(
            "{system}, T = {timeout_ms} ms, {fault} {}/{trials}: {}",
            self.trials(),
            self.last
        )
    }

    pub fn to_json(&self) -> Value {
        json!({
            "system": self.system, "version": self.version, "settings": self.settings, "asks": self.asks,
            "timeout_ms": self.timeout_ms, "fault": self.fault, "trials": self.trials(),
            "median_ms": round(median(&self.outages)), "max_ms": round(max(&self.outages)),
            "outages_ms": self.outages.iter().map(|ms| round(*ms)).collect::<Vec<_>>(),
            "over_2t": self.over_2t(), "lost": self.lost, "repeated": self.repeated,
            "quiet_gap_median_ms": round(median(&self.quiet_gaps)),
            "quiet_answer_median_ms": round(median(&self.quiet_answers)),
            "cpu_pressure_median_percent": round(median(&self.pressures)),
            "load_average_5_min": round(load_average()), "nice": own_nice(),
        })
    }

    fn over_2t(&self) -> usize {
        let limit = f64::from(self.timeout_ms) * 2.0;
        self.outages.iter().filter(|ms| **ms > limit).count()
    }
}

/// The middle one; of an even number the upper.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn max(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(f64::NAN, f64::max)
}

/// To a tenth.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The table, as Markdown that is aligned enough for a terminal.
pub fn table(rows: &[Value]) -> String {
    let mut cells = vec![HEAD.map(str::to_owned)];
    cells.extend(rows.iter().map(cells_of));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut table = String::new();
    for (number, row) in cells.iter().enumerate() {
        line(&mut table, row, &widths);
        if number == 0 {
            line(
                &mut table,
                &widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>(),
                &widths,
            );
        }
    }
    table
}

const HEAD: [&str; 11] = [
    "system",
    "settings",
    "fault",
    "trials",
    "median, ms",
    "max, ms",
    "over 2 T",
    "quiet gap, ms",
    "made again",
    "CPU pressure",
    "load",
];

fn cells_of(row: &Value) -> [String; HEAD.len()] {
    let text = |key: &str| row[key].as_str().unwrap_or("?").to_owned();
    let number = |key: &str| {
        row[key]
            .as_f64()
            .map_or("-".to_owned(), |number| format!("{number:.0}"))
    };
    let lost = row["lost"].as_u64().unwrap_or(0);
    [
        format!("{} {}", text("system"), text("version")),
        text("settings"),
        text("fault"),
        number("trials"),
        number("median_ms"),
        if lost == 0 {
            number("max_ms")
        } else {
            format!("{}, {lost} never", number("max_ms"))
        },
        number("over_2t"),
        number("quiet_gap_median_ms"),
        number("repeated"),
        format!("{} %", number("cpu_pressure_median_percent")),
        row["load_average_5_min"]
            .as_f64()
            .map_or("-".to_owned(), |load| format!("{load:.1}")),
    ]
}

fn line(table: &mut String, cells: &[String], widths: &[usize]) {
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(table, "| {cell:<width$} ");
    }
    table.push_str("|\n");
}

/// How long, since the machine started, something has waited for a processor, in µs; none where the kernel does not tell.
pub fn cpu_pressure_us() -> Option<u64> {
    let pressure = fs::read_to_string("/proc/pressure/cpu").ok()?;
    pressure.lines().next()?.rsplit_once("total=")?.1.parse().ok()
}

/// How many processes ran or wanted to, over the last five minutes, those of others among them.
fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .nth(1)
        .and_then(|load| load.parse().ok())
        .unwrap_or(f64::NAN)
}

/// The priority that this program and all nodes run with.
fn own_nice() -> Option<i32> {
    rustix::process::getpriority_process(None).ok()
}

/// The machine in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub words: String,
}

impl Machine {
    pub fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_once(':')
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let cpu_info = read("/proc/cpuinfo");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let virtual_one = if cpu_info.contains(" hypervisor") {
            ", a virtual machine"
        } else {
            ""
        };
        let memory = after(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        let kernel = read("/proc/sys/kernel/osrelease");
        let kernel = kernel.split('-').next().unwrap_or_default().trim();
        let words = format!(
            "{cores} cores ({}){virtual_one}, {} GiB of memory, Linux {kernel}",
            after(&cpu_info, "model name"),
            (kib + 512 * 1024) / (1024 * 1024),
        );
        Self { words }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.words)
    }
}
