//! `sockets` in `[node.broker]`: traffic by the kernel's counts, where no proxy can stand.

use std::collections::BTreeSet;

use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::traffic::Allowance;

use crate::check::{At, Draft};
use crate::problem::Problem;
use crate::sleep::SleepDraft;
use crate::toml_file::{Reader, Table};

/// The most bytes a second that can be said to be chatter: more than any client sends that has nothing to do.
const IDLE_BYTES_MAX: i64 = 1_000_000;

/// Where clients come to a broker that nothing stands in front of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets {
    /// The broker's ports for clients, and for nobody else.
    pub ports: BTreeSet<u16>,
    /// What of each connection there is chatter.
    pub idle: Allowance,
}

/// Reads `sockets = { ports = […] }`.
pub(crate) fn sockets(reader: &mut Reader<'_>, broker: &Table<'_>) -> Option<At<Sockets>> {
    let table = reader.table_of(broker, "sockets", "node.broker.sockets")?;
    reader.only(&table, &["ports", "idle-bytes-per-second"]);
    if !table.has("ports") {
        let instead = "write ports = [9092]: where the broker listens for clients";
        reader.wrong(table.line, table.path("ports"), "no port is named", instead);
    }
    let idle = reader.number(&table, "idle-bytes-per-second", 1, IDLE_BYTES_MAX);
    let idle = idle.and_then(|at| u32::try_from(at.value).ok());
    let ports = reader.numbers(&table, "ports", 1, i64::from(u16::MAX))?;
    let value = Sockets {
        ports: ports.into_iter().filter_map(|port| u16::try_from(port).ok()).collect(),
        idle: idle.map_or(Allowance::USUAL, |bytes_per_second| Allowance { bytes_per_second }),
    };
    Some(At {
        line: table.line,
        value,
    })
}

/// What cannot be had without a proxy.
pub(crate) fn check(draft: &mut Draft, written: &SleepDraft) {
    let mut found = Vec::new();
    for broker in draft.nodes.iter().filter_map(|node| node.broker.as_ref()) {
        let Some(At { line, value: sockets }) = &broker.sockets else {
            continue;
        };
        let mut wrong = |rule: String, instead: &str| {
            found.push(Problem::new(*line, "node.broker.sockets", rule, instead));
        };
        if broker.proxy.is_some() {
            let rule = "this broker has a proxy, which sees more".into();
            wrong(rule, "keep listen and upstream, or sockets, and not both");
        }
        if written.gear == Some(Gear::Watch) {
            let rule = "in gear watch a write waits for a wake, and nobody stands at a sleeper's address to take it";
            wrong(
                rule.into(),
                "write gear = \"lean\" in [sleep], or listen and upstream instead of sockets",
            );
        }
        if written.load_max > 0 {
            let rule = "load-max counts requests, and what passes at sockets is not read";
            wrong(
                rule.into(),
                "leave load-max out of [sleep], or write listen and upstream instead of sockets",
            );
        }
        if let Some(address) = &broker.address
            && sockets.ports.contains(&address.value.port)
        {
            let rule = format!(
                "brokers and nodes come by port {} too, and are never idle",
                address.value.port
            );
            wrong(
                rule,
                "give clients a listener of their own in the broker's properties, and name its port",
            );
        }
    }
    draft.problems.append(&mut found);
}
