//! Reads `[power]` out of a file, and says what in it breaks which rule.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::config::{AlarmKind, BrokerKind, HostKind, NodeConfig, Power};
use crate::host::Sleep;
use crate::redfish::Base;
use crate::wol::Six;

/// The longest time that can be written: a day.
const TIME_MS_MAX: u64 = 86_400_000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none if it is not known, or the file as a whole is meant.
    pub line: Option<usize>,
    /// The key, such as `power.process.command` or `power.node[0].mac`; empty if no key is meant.
    pub key: String,
    /// The rule that is broken, with what was found.
    pub rule: String,
    /// What to write instead.
    pub instead: String,
}

/// A file whose `[power]` cannot be used. All that is wrong with it is told at once, unless it cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            let line = problem.line.map_or(String::new(), |line| format!(":{line}"));
            let colon = if problem.key.is_empty() { "" } else { ": " };
            let (path, key) = (self.path.display(), &problem.key);
            write!(f, "{path}{line}{colon}{key}: {}; {}", problem.rule, problem.instead)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Power {
    /// Takes the table `[power]` out of a file's text, checks it, and makes its paths absolute as seen from the file. Without
    /// that table all is as by default, which lacks the broker's command. Other tables are not looked at.
    ///
    /// # Errors
    /// If the text is no TOML, or a rule is broken.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let wrong = |problems| ConfigError {
            path: path.to_owned(),
            problems,
        };
        let unreadable = |error: toml::de::Error| {
            wrong(vec![Problem {
                line: error.span().map(|span| line_of(span.start)),
                key: String::new(),
                rule: error.message().to_owned(),
                instead: "correct the line".into(),
            }])
        };
        let file: File = toml::from_str(text).map_err(unreadable)?;
        let mut problems = file.power.check();
        if problems.is_empty() {
            let mut power = file.power;
            power.seen_from(path.parent().unwrap_or(Path::new("")));
            return Ok(power);
        }
        let table = DeTable::parse(text).map_err(unreadable)?;
        for problem in &mut problems {
            problem.line = span_start(table.get_ref(), &problem.key).map(line_of);
        }
        problems.sort_by_key(|problem| problem.line);
        Err(wrong(problems))
    }

    /// What breaks a rule, without lines.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |key: &str, rule: String, instead: &str| {
            problems.push(Problem {
                line: None,
                key: format!("power.{key}"),
                rule,
                instead: instead.into(),
            });
        };
        match (self.broker, &self.process, &self.systemd) {
            (BrokerKind::Process, None, _) => {
                let instead = "add [power.process] with command = [\"…\"], or write broker = \"systemd\"";
                wrong(
                    "process",
                    "the broker is a process, and nothing says how it is started".into(),
                    instead,
                );
            }
            (BrokerKind::Systemd, _, None) => {
                let instead = "add [power.systemd] with unit = \"kafka.service\"";
                wrong(
                    "systemd",
                    "the broker is a unit of systemd, and nothing says which".into(),
                    instead,
                );
            }
            (BrokerKind::Process | BrokerKind::Systemd, ..) => {}
        }
        if let Some(process) = &self.process
            && process.command.first().is_none_or(String::is_empty)
        {
            wrong(
                "process.command",
                "there is no program".into(),
                "write command = [\"PROGRAM\", \"ARGUMENT\"]",
            );
        }
        if let Some(systemd) = &self.systemd
            && !systemd.unit.ends_with(".service")
        {
            let rule = format!("{:?} is no unit that runs a process", systemd.unit);
            wrong("systemd.unit", rule, "write its whole name, such as kafka.service");
        }
        if self.alarm == AlarmKind::Timer && self.sleep != Sleep::Suspend {
            let rule = format!("a timer of the kernel does not wake from {:?}", self.sleep.name());
            wrong("alarm", rule, "write alarm = \"rtc\"");
        }
        if self.host == HostKind::Rtcwake && self.rtcwake.first().is_none_or(String::is_empty) {
            wrong("rtcwake", "there is no program".into(), "write rtcwake = [\"rtcwake\"]");
        }
        if self
            .wake_interface
            .as_ref()
            .is_some_and(|card| card.is_empty() || card.contains('/'))
        {
            wrong(
                "wake-interface",
                "this is no network card".into(),
                "write its name, such as eth0",
            );
        }
        let mut time = |key: &str, ms: Option<u64>| {
            if let Some(ms) = ms.filter(|ms| !(1..=TIME_MS_MAX).contains(ms)) {
                wrong(
                    key,
                    format!("{ms} is out of range"),
                    "write a whole number of milliseconds from 1 to 86400000",
                );
            }
        };
        time("drain-ms", Some(self.drain_ms));
        time("wake.packet-every-ms", self.wake.packet_every_ms);
        time("wake.bmc-every-ms", self.wake.bmc_every_ms);
        time("wake.bmc-after-ms", self.wake.bmc_after_ms);
        time("wake.page-after-ms", self.wake.page_after_ms);
        time("wake.stagger-ms", self.wake.stagger_ms);
        let times = self.times();
        if times.page_after <= times.power_on_after {
            let (page, bmc) = (times.page_after.as_millis(), times.power_on_after.as_millis());
            let rule = format!("a person would be called after {page} ms, before a BMC is tried after {bmc} ms");
            wrong("wake.page-after-ms", rule, "write a longer time");
        }
        if !(1..=366).contains(&self.proof_days) {
            wrong(
                "proof-days",
                format!("{} is out of range", self.proof_days),
                "write a whole number from 1 to 366",
            );
        }
        if self.alarm_only && self.host == HostKind::StaysUp {
            let instead = "write host = \"logind\" or \"rtcwake\", or leave alarm-only out";
            let rule = "the host stays up, so its agent hears every wake and needs no alarm clock";
            wrong("alarm-only", rule.into(), instead);
        }
        let mut ids = BTreeSet::new();
        for (at, node) in self.node.iter().enumerate() {
            if !ids.insert(node.id) {
                let rule = format!("two nodes have the id {}", node.id);
                wrong(&format!("node[{at}].id"), rule, "give each node one [[power.node]]");
            }
            node.check(|key, rule, instead| wrong(&format!("node[{at}].{key}"), rule, instead));
        }
        problems
    }
}

impl NodeConfig {
    fn check(&self, mut wrong: impl FnMut(&str, String, &str)) {
        if self.mac.is_none() && self.bmc.is_none() {
            let rule = format!("nothing says how node {} is woken", self.id);
            wrong(
                "id",
                rule,
                "add mac = \"…\", bmc = \"https://…\", or both; or leave this node out",
            );
        }
        let mut six = |key: &str, text: &Option<String>| -> Option<Six> {
            let text = text.as_ref()?;
            text.parse()
                .map_err(|why| {
                    wrong(
                        key,
                        format!("{text:?} is none: {why}"),
                        "write it like 52:54:00:12:34:56",
                    );
                })
                .ok()
        };
        let mac = six("mac", &self.mac);
        six("secure-on", &self.secure_on);
        if mac.is_some_and(|mac| !mac.is_card()) {
            let rule = format!(
                "no network card has the address {}",
                self.mac.as_deref().unwrap_or_default()
            );
            wrong("mac", rule, "write what `ip link` shows on that node");
        }
        if let Some(to) = self.broadcast.as_ref().filter(|to| to.parse::<SocketAddr>().is_err()) {
            let rule = format!("{to:?} is no address with a port");
            wrong("broadcast", rule, "write it like 192.168.1.255:9");
        }
        if let Some(bmc) = &self.bmc {
            let is_tls = match bmc.parse::<Base>() {
                Ok(base) => {
                    if !base.is_tls && !base.is_loopback() {
                        let rule = "http:// would send the password in clear".into();
                        wrong("bmc", rule, "write https://, or go through a tunnel on this host");
                    }
                    base.is_tls
                }
                Err(why) => {
                    wrong(
                        "bmc",
                        format!("{bmc:?} is none: {why}"),
                        "write it like https://10.0.0.2",
                    );
                    false
                }
            };
            let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if let Some(system) = self.bmc_system.as_ref()
                && (system.is_empty() || !system.chars().all(is_good))
            {
                let rule = format!("{system:?} is no system of a BMC");
                wrong(
                    "bmc-system",
                    rule,
                    "write what its page /redfish/v1/Systems lists, such as 1",
                );
            }
            if self
                .bmc_user
                .as_ref()
                .is_none_or(|user| user.is_empty() || user.contains(':'))
            {
                let rule = "nobody is named who may power it on, or by a name with a colon".into();
                wrong("bmc-user", rule, "add bmc-user = \"…\"");
            }
            if self.bmc_password_file.is_none() {
                let instead = "add bmc-password-file = \"…\": a file with the password, chmod 600";
                wrong("bmc-password-file", "the BMC wants a password".into(), instead);
            }
            if is_tls && self.bmc_ca.is_none() {
                let instead = "add bmc-ca = \"….pem\": what its certificate is signed by";
                wrong("bmc-ca", "nothing says which certificate is the BMC's".into(), instead);
            }
        }
    }
}

/// All that we read of a file.
#[derive(serde::Deserialize)]
struct File {
    #[serde(default)]
    power: Power,
}

/// Where a key stands, or else the table that it should stand in.
fn span_start(file: &DeTable<'_>, key: &str) -> Option<usize> {
    let (mut table, mut found) = (file, None);
    for part in key.split('.') {
        let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((name, index)) => (name, index.parse::<usize>().ok()),
            None => (part, None),
        };
        let Some((key, mut value)) = table.get_key_value(name) else {
            break;
        };
        found = Some(key.span().start);
        if let (Some(index), DeValue::Array(list)) = (index, value.get_ref())
            && let Some(item) = list.get(index)
        {
            value = item;
            found = Some(item.span().start);
        }
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found
}
