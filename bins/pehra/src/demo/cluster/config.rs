//! The files of the demo's clusters.

use std::fmt::Write as _;
use std::process::Command;

use super::Gear;

/// Brokers, each with a node beside it.
pub const BROKERS: u16 = 3;

/// In gear watch all brokers may sleep but one, so others elect.
const VOTERS: u16 = 3;

/// What a file says of a node's broker beside its id.
pub struct Broker {
    /// Where nodes ask about the cluster.
    pub address: String,
    /// Where its proxy listens, and where that finds the broker; none without a proxy.
    pub proxy: Option<(u16, String)>,
}

/// How many nodes there are.
pub const fn nodes(gear: Gear) -> u16 {
    match gear {
        Gear::Lean => BROKERS,
        Gear::Watch => BROKERS + VOTERS,
    }
}

/// A cluster's file, with nodes at these ports of this machine, the first of them with these brokers. Ids begin at `first`.
pub fn text(gear: Gear, power: &str, first: u16, ports: &[u16], brokers: &[Broker]) -> String {
    let name = match gear {
        Gear::Lean => "lean",
        Gear::Watch => "watch",
    };
    let mut text = format!(
        "[cluster]
name = \"demo\"
profile = \"wan\"               # calm elections: a busy machine is no reason for one
data = \"data\"

[sleep]
gear = \"{name}\"
profile = \"test\"              # seconds instead of minutes: two without traffic, and one may sleep
voter-spare = 0

{power}"
    );
    let role = match gear {
        Gear::Lean => "voter",
        // It follows, and nobody misses its vote.
        Gear::Watch => "observer",
    };
    for ((id, port), nth) in (first..).zip(ports).zip(0..) {
        let _ = write!(text, "\n[[node]]\nid = {id}\naddress = \"127.0.0.1:{port}\"\n");
        let Some(Broker { address, proxy }) = brokers.get(nth) else {
            continue;
        };
        let _ = write!(
            text,
            "role = \"{role}\"\n[node.broker]\nid = {id}\naddress = \"{address}\"\n"
        );
        if let Some((listen, upstream)) = proxy {
            let _ = write!(text, "listen = \"127.0.0.1:{listen}\"\nupstream = \"{upstream}\"\n");
        }
    }
    text
}

/// How agents start their brokers: by this command of broker 1.
pub fn power(command: &Command) -> String {
    // A text of JSON is one of TOML too.
    let quoted = |text: &std::ffi::OsStr| serde_json::Value::from(text.to_string_lossy()).to_string();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| quoted(word).replace("/1.properties", "/{broker}.properties"))
        .collect();
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{} = {}", name.to_string_lossy(), quoted(value?))));
    let set: Vec<String> = set.collect();
    format!(
        "[power.process]
command = [{}]
environment = {{ {} }}
log = \"broker-{{broker}}.log\"
pid-file = \"broker-{{broker}}.pid\"
",
        words.join(", "),
        set.join(", ")
    )
}
