//! The rows that are kept, and the page that is written from them.
//!
//! Rows come one at a time, so that one system can be measured anew without the others: a row takes the place of the one
//! with the same system, timeout and fault. Rows of another machine are not comparable and are thrown out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::prober::{DEADLINE, PERIOD, STALL};
use crate::report::{Machine, Row, table};
use crate::stop::Stop;

/// Keeps one row and writes the page anew.
pub fn keep(folder: &Path, machine: &Machine, row: &Row) -> Result<(), Stop> {
    let failed = |error: std::io::Error| Stop::failed(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    let path = folder.join("failover.json");
    let mut rows = kept(&path, machine)?;
    let row = row.to_json();
    rows.insert(key(&row), row);
    let rows: Vec<Value> = rows.into_values().collect();
    let kept = json!({ "machine": machine.words, "rows": rows });
    fs::write(&path, format!("{kept:#}\n")).map_err(failed)?;
    fs::write(folder.join("failover.md"), page(machine, &rows)).map_err(failed)
}

/// What orders the rows: timeout, the place of the fault among the faults, system.
type Key = (u64, usize, String);

fn key(row: &Value) -> Key {
    let fault = row["fault"].as_str().unwrap_or_default();
    let place = ["kill", "stop", "term", "move"]
        .iter()
        .position(|known| *known == fault);
    (
        u64::MAX - row["timeout_ms"].as_u64().unwrap_or(0),
        place.unwrap_or(usize::MAX),
        row["system"].as_str().unwrap_or_default().to_owned(),
    )
}

fn kept(path: &Path, machine: &Machine) -> Result<BTreeMap<Key, Value>, Stop> {
    let Ok(text) = fs::read_to_string(path) else {
        return Ok(BTreeMap::new());
    };
    let kept: Value = serde_json::from_str(&text)
        .map_err(|error| Stop::failed(format!("{}: {error}; remove it to begin anew", path.display())))?;
    if kept["machine"] != machine.words {
        eprintln!("the rows in {} are of another machine; they make way", path.display());
        return Ok(BTreeMap::new());
    }
    let rows = kept["rows"].as_array().cloned().unwrap_or_default();
    Ok(rows.into_iter().map(|row| (key(&row), row)).collect())
}

fn page(machine: &Machine, rows: &[Value]) -> String {
    let asks: BTreeMap<&str, &str> = rows
        .iter()
        .filter_map(|row| Some((row["system"].as_str()?, row["asks"].as_str()?)))
        .collect();
    let asks: Vec<String> = asks.iter().map(|(system, asks)| format!("{system}: {asks}")).collect();
    format!(
        "# How long nobody answers when a leader fails\n\n\
         Written by `./run bench-failover --results benches/results`; the single trials are in `failover.json`.\n\n\
         Machine: {machine}. All three nodes, their disks and the probers share it.\n\n\
         {}\n\
         `kill` is SIGKILL (connections close), `stop` is SIGSTOP (they stay open), `term` is SIGTERM, `move` an order to\n\
         hand over. After `kill` and `stop` the figure is the time from the fault to the first answer of the next\n\
         leadership; after `term` and `move`, where the old leader may go on answering for a while, the longest time\n\
         without an answer. `quiet gap` is the longest time without an answer in one T before the fault, at the median:\n\
         what lies below it is noise. `over 2 T` counts trials, `made again` those that said nothing, because the prober\n\
         itself was held up for more than {} ms or the leader was another one by the time of the fault. `CPU pressure`\n\
         is the share of a trial in which something waited for a processor, at the median; `load` is the machine's load\n\
         average over the five minutes before the row was done: far above 1 means that other work ran beside it.{}\n\n\
         Every surviving node is asked every {} ms, on a connection of its own for each attempt, with {} ms for it, whatever\n\
         became of the attempts before. An attempt is, for {}.\n\
         The time before each fault is random, from 1.5 to 2.5 T after all nodes answer.\n",
        table(rows),
        STALL.as_millis(),
        priority(rows),
        PERIOD.as_millis(),
        DEADLINE.as_millis(),
        asks.join("; for "),
    )
}

/// A sentence, if the nodes ran before other work.
fn priority(rows: &[Value]) -> String {
    let nices: BTreeSet<i64> = rows.iter().filter_map(|row| row["nice"].as_i64()).collect();
    match nices.first() {
        None | Some(0) if nices.len() < 2 => String::new(),
        _ => {
            let nices: Vec<String> = nices.iter().map(i64::to_string).collect();
            format!(
                " All nodes and\nprobers of a row ran with the same priority (--nice {}).",
                nices.join(" or ")
            )
        }
    }
}
