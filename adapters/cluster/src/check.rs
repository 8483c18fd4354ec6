//! From what a file says to a cluster that keeps the rules.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pehra_core::election::{Config, Invalid, Tenure, Timing};
use pehra_core::members::NodeSet;
use pehra_core::types::{NodeId, Ticks};

use crate::address::Address;
use crate::cluster::{Cluster, Commanders, Journal, Key, Member, Role, TlsFiles};
use crate::problem::{ConfigError, Problem};
use crate::signed::AdminKey;
use crate::sleep::{self, BrokerDraft, SleepDraft};

/// The highest id: sets of nodes are 64 bits wide.
pub(crate) const ID_MAX: u16 = 63;

/// A value and the line it stands on.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub line: usize,
    pub value: T,
}

/// Where the shared secret is.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    Digits(String),
    File(PathBuf),
}

/// A node as written. A part that is missing or wrong has been complained about already.
#[derive(Clone, Debug)]
pub(crate) struct NodeDraft {
    pub line: usize,
    pub id: Option<At<u16>>,
    pub address: Option<At<Address>>,
    pub role: Role,
    pub broker: Option<BrokerDraft>,
}

/// A tenure as written.
#[derive(Clone, Debug)]
pub(crate) struct TenureDraft {
    pub length_ms: At<u32>,
    pub margin_ms: Option<At<u32>>,
    pub strict: bool,
}

/// A cluster as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub name: Option<String>,
    pub number: Option<u32>,
    pub profile: Option<(&'static str, Timing)>,
    pub heartbeat_ms: Option<At<u32>>,
    pub election_ms: Option<At<u32>>,
    pub rank_step_ms: Option<At<u32>>,
    pub lease_ms: Option<At<u32>>,
    /// The line that chose the profile, for a rule that only the profile breaks.
    pub profile_line: Option<usize>,
    pub lease: bool,
    pub tenure: Option<TenureDraft>,
    pub journal: Option<Journal>,
    pub sleep: Option<SleepDraft>,
    pub commanders: Option<At<Commanders>>,
    pub key: Option<At<KeySource>>,
    pub admin: Option<AdminKey>,
    pub data: Option<PathBuf>,
    pub tls: Option<TlsFiles>,
    pub nodes: Vec<NodeDraft>,
    pub problems: Vec<Problem>,
    /// The text could not be taken apart, so that what is missing says nothing.
    pub is_unreadable: bool,
}

/// Checks what concerns more than one value, and makes the cluster.
pub(crate) fn finish(path: &Path, mut draft: Draft) -> Result<Cluster, ConfigError> {
    if draft.is_unreadable {
        return Err(ConfigError {
            path: path.to_owned(),
            problems: draft.problems,
        });
    }
    let mut warnings = Vec::new();
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let members = members(&draft.nodes, &mut draft.problems, &mut warnings);
    let (profile, timing) = timing(&mut draft, &mut warnings);
    let tenure = tenure(&timing, &mut draft);
    let sleep = sleep::settings(&mut draft, &mut warnings);
    let commanders = commanders(&draft, &mut warnings);
    let key = draft.key.take().and_then(|source| {
        key(path, &base, source, &mut warnings)
            .map_err(|problem| draft.problems.push(problem))
            .ok()
    });
    if !draft.problems.is_empty() {
        draft.problems.sort_by_key(|problem| problem.line);
        return Err(ConfigError {
            path: path.to_owned(),
            problems: draft.problems,
        });
    }
    warnings.sort_by_key(|problem| problem.line);
    Ok(Cluster {
        path: path.to_owned(),
        name: draft.name.unwrap_or_default(),
        number: draft.number.unwrap_or(1),
        profile,
        timing,
        lease: draft.lease,
        tenure,
        journal: draft.journal,
        sleep,
        commanders,
        admin: draft.admin,
        key,
        data: base.join(draft.data.unwrap_or_else(|| "pehra-data".into())),
        tls: draft.tls.map(|tls| TlsFiles {
            ca: base.join(tls.ca),
            cert: base.join(tls.cert),
            key: base.join(tls.key),
        }),
        members,
        warnings,
    })
}

fn members(nodes: &[NodeDraft], problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Vec<Member> {
    let (mut ids, mut addresses) = (BTreeMap::new(), BTreeMap::new());
    let mut members = Vec::new();
    for node in nodes {
        if let Some(id) = &node.id
            && let Some(first) = ids.insert(id.value, id.line)
        {
            let rule = format!("two nodes have the id {}, the other one on line {first}", id.value);
            problems.push(Problem::new(
                id.line,
                "node.id",
                rule,
                "give each node an id of its own",
            ));
        }
        if let Some(address) = &node.address
            && let Some(first) = addresses.insert(address.value.clone(), address.line)
        {
            let rule = format!(
                "two nodes have the address {}, the other one on line {first}",
                address.value
            );
            let instead = "give each node a port of its own on its host";
            problems.push(Problem::new(address.line, "node.address", rule, instead));
        }
        if let (Some(id), Some(address)) = (&node.id, &node.address) {
            members.push(Member {
                id: id.value,
                address: address.value.clone(),
                role: node.role,
                broker: node.broker.as_ref().and_then(BrokerDraft::broker),
            });
        }
    }
    members.sort_by_key(|member| member.id);
    let voters = nodes.iter().filter(|node| node.role == Role::Voter).count();
    let last = nodes.last().map(|node| node.line);
    if nodes.is_empty() {
        let instead = "add one [[node]] with id and address for each node";
        problems.push(Problem::new(None, "node", "there is no node", instead));
    } else if voters == 0 {
        let instead = "give at least one node role = \"voter\"";
        problems.push(Problem::new(
            last,
            "node.role",
            "nobody votes, so nobody can be elected",
            instead,
        ));
    } else if voters == 1 && nodes.len() > 1 {
        let rule = "with one voter nobody leads while it is down";
        warnings.push(Problem::new(last, "node", rule, "three voters bear the loss of one"));
    } else if voters % 2 == 0 {
        let rule = format!(
            "{voters} voters bear the loss of {}, as {} do",
            (voters - 1) / 2,
            voters - 1
        );
        let instead = "make one of them an observer, or add a voter";
        warnings.push(Problem::new(last, "node", rule, instead));
    }
    members
}

/// The profile with what the file overrides. The rules themselves are core's.
fn timing(draft: &mut Draft, warnings: &mut Vec<Problem>) -> (&'static str, Timing) {
    let (name, mut timing) = draft.profile.unwrap_or(("lan", Timing::LAN));
    let written = [
        (&draft.heartbeat_ms, &mut timing.heartbeat),
        (&draft.election_ms, &mut timing.election),
        (&draft.rank_step_ms, &mut timing.rank_step),
        (&draft.lease_ms, &mut timing.lease),
    ];
    for (at, ticks) in written {
        if let Some(at) = at {
            *ticks = Ticks(at.value);
        }
    }
    // A shorter election timeout alone must not need a second line for a lease that is not used.
    if draft.lease_ms.is_none() && !draft.lease {
        timing.lease = timing
            .lease
            .min(Timing::lease_max(timing.election))
            .max(timing.heartbeat.plus(Ticks(1)));
    }
    if let Err(invalid) = timing.check() {
        draft.problems.push(broken_rule(invalid, draft));
    } else if let Some(at) = &draft.lease_ms
        && !draft.lease
    {
        let rule = "without a lease its length means nothing";
        warnings.push(Problem::new(
            at.line,
            "timing.lease-ms",
            rule,
            "leave it out, or write lease = true in [cluster]",
        ));
    }
    (name, timing)
}

/// Where the rule is broken: on the first of these lines that is in the file.
fn broken_rule(invalid: Invalid, draft: &Draft) -> Problem {
    let line = |at: &Option<At<u32>>| at.as_ref().map(|at| at.line);
    let heartbeat = (line(&draft.heartbeat_ms), "timing.heartbeat-ms");
    let election = (line(&draft.election_ms), "timing.election-ms");
    let lease = (line(&draft.lease_ms), "timing.lease-ms");
    let rank_step = (line(&draft.rank_step_ms), "timing.rank-step-ms");
    let tenure = draft.tenure.as_ref();
    let length = (tenure.map(|tenure| tenure.length_ms.line), "tenure.length-ms");
    let margin = (tenure.and_then(|tenure| line(&tenure.margin_ms)), "tenure.margin-ms");
    let (keys, advice) = match invalid {
        Invalid::HeartbeatZero => (vec![heartbeat], "write at least 1"),
        Invalid::ElectionTooShort { .. } => (vec![election, heartbeat], "write a longer election timeout"),
        Invalid::RankStep { .. } => (
            vec![rank_step, election],
            "write about two round trips and one durable write",
        ),
        Invalid::LeaseTooLong { .. } => (vec![lease, election], "write a shorter lease"),
        Invalid::LeaseTooShort { .. } => (vec![lease, heartbeat], "write a longer lease, or a shorter heartbeat"),
        Invalid::TenureTooShort { .. } => (vec![length], "write a longer tenure"),
        Invalid::TenureMargin { .. } => (vec![margin, length], "write a margin in between"),
        Invalid::NoVoters | Invalid::BothRoles(_) | Invalid::NotAMember(_) => (vec![], "change the nodes"),
    };
    let (line, key) = keys
        .iter()
        .find(|(line, _)| line.is_some())
        .or(keys.first())
        .copied()
        .unwrap_or((None, "node"));
    let said = invalid.to_string();
    let (rule, instead) = said.split_once("; ").unwrap_or((&said, advice));
    Problem::new(line.or(draft.profile_line), key, rule, instead)
}

/// How long a leadership may last. The margin is a twentieth unless the file says otherwise.
fn tenure(timing: &Timing, draft: &mut Draft) -> Option<Tenure> {
    let written = draft.tenure.as_ref()?;
    let length = Ticks(written.length_ms.value);
    let margin = match &written.margin_ms {
        Some(at) => Ticks(at.value),
        None => Ticks(length.0 / 20).max(timing.election),
    };
    let tenure = Tenure {
        length,
        margin,
        strict: written.strict,
    };
    if timing.check().is_ok()
        && let Err(invalid) = tenure_rules(tenure, timing)
    {
        draft.problems.push(broken_rule(invalid, draft));
    }
    Some(tenure)
}

/// Core checks a tenure together with a whole configuration; any members do.
fn tenure_rules(tenure: Tenure, timing: &Timing) -> Result<(), Invalid> {
    let me = NodeId(0);
    let mut config = Config::new(me, NodeSet::only(me), *timing);
    config.tenure = Some(tenure);
    config.check()
}

fn commanders(draft: &Draft, warnings: &mut Vec<Problem>) -> Commanders {
    let Some(written) = &draft.commanders else {
        return Commanders::default();
    };
    if written.value == Commanders::Anybody && draft.tls.is_none() {
        let rule = "without certificates whoever reaches a port may move the leadership";
        let instead = "write \"trusted\", or add [tls]";
        warnings.push(Problem::new(written.line, "cluster.commands-from", rule, instead));
    }
    written.value
}

fn key(path: &Path, base: &Path, source: At<KeySource>, warnings: &mut Vec<Problem>) -> Result<Key, Problem> {
    let advice = "write at least 32 hexadecimal digits, such as `openssl rand -hex 32` prints";
    let (name, file, text) = match source.value {
        KeySource::Digits(text) => ("cluster.key", path.to_owned(), text),
        KeySource::File(file) => {
            let file = base.join(file);
            let text = std::fs::read_to_string(&file).map_err(|error| {
                let rule = format!("cannot read {}: {error}", file.display());
                Problem::new(source.line, "cluster.key-file", rule, "name a file that holds the key")
            })?;
            ("cluster.key-file", file, text)
        }
    };
    let wrong = |rule: String| Problem::new(source.line, name, rule, advice);
    let digits: Vec<u32> = text
        .trim()
        .chars()
        .map(|digit| digit.to_digit(16))
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("a key is hexadecimal digits, and there is something else".into()))?;
    if digits.len() < 32 || digits.len() % 2 == 1 {
        return Err(wrong(format!(
            "a key has an even number of digits, at least 32, and there are {}",
            digits.len()
        )));
    }
    let is_open = std::fs::metadata(&file).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    if is_open {
        let rule = format!("other users can read the key in {}", file.display());
        let instead = format!("chmod 600 {}", file.display());
        warnings.push(Problem::new(source.line, name, rule, instead));
    }
    let bytes = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit));
    Ok(Key::new(bytes.filter_map(|byte| u8::try_from(byte).ok()).collect()))
}
