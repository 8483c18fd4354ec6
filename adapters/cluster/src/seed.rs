//! `config.txt`, the older format: a line `N: 5`, then `node0: localhost:60001` and so on.
//!
//! Blank lines, spaces, Windows line ends and comments (`#`) are skipped. All else is the same as an empty
//! `cluster.toml` with these nodes: profile `lan`, no lease, no certificates.

use crate::address::Address;
use crate::check::{At, Draft, ID_MAX, NodeDraft};
use crate::cluster::Role;
use crate::problem::Problem;

/// What a cluster from such a file is called: the file has no name for it.
const NAME: &str = "pehra";

/// Lines with content: number, content without comment and spaces.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(before, line)| {
        let content = line.split('#').next().unwrap_or_default().trim();
        (!content.is_empty()).then_some((before + 1, content))
    })
}

/// Whether this is such a file: its first line with content is `N: …` or `node…: …`. No TOML line begins like that.
pub(crate) fn is_seed(text: &str) -> bool {
    lines(text).next().is_some_and(|(_, line)| {
        line.split_once(':')
            .is_some_and(|(key, _)| key.trim() == "N" || node_index(key.trim()).is_some())
    })
}

/// Whatever follows `node`, if the key is that of a node.
fn node_index(key: &str) -> Option<&str> {
    let index = key.strip_prefix("node")?;
    index.chars().all(|digit| digit.is_ascii_digit()).then_some(index)
}

/// Reads the text.
pub(crate) fn draft(text: &str) -> Draft {
    let mut draft = Draft {
        name: Some(NAME.into()),
        ..Draft::default()
    };
    let mut count: Option<At<u16>> = None;
    let mut has_count = false;
    for (line, content) in lines(text) {
        let Some((key, value)) = content.split_once(':') else {
            let rule = format!("{content:?} is neither `N: count` nor `nodeK: host:port`");
            draft.problems.push(Problem::new(
                line,
                "",
                rule,
                "separate the key from its value with a colon",
            ));
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        if key == "N" {
            if has_count {
                let rule = "the number of nodes is given twice";
                draft
                    .problems
                    .push(Problem::new(line, "N", rule, "keep one of the two lines"));
            }
            has_count = true;
            match value.parse() {
                Ok(value @ 1..=64) => count = Some(At { line, value }),
                _ => {
                    let rule = format!("{value:?} is not a number of nodes");
                    draft
                        .problems
                        .push(Problem::new(line, "N", rule, "write a number from 1 to 64"));
                }
            }
        } else if let Some(index) = node_index(key) {
            let node = node(line, key, index, value, &mut draft.problems);
            draft.nodes.push(node);
        } else {
            let rule = format!("there is no key {key:?}");
            draft
                .problems
                .push(Problem::new(line, key, rule, "there are: N, node0, node1 and so on"));
        }
    }
    if !has_count {
        let rule = "the number of nodes is missing";
        let instead = format!("begin with the line `N: {}`", draft.nodes.len().max(1));
        draft.problems.push(Problem::new(None, "N", rule, instead));
    }
    if let Some(count) = count {
        compare(&count, &mut draft);
    }
    draft
}

fn node(line: usize, key: &str, index: &str, value: &str, problems: &mut Vec<Problem>) -> NodeDraft {
    let id = index
        .parse()
        .ok()
        .filter(|id| *id <= ID_MAX)
        .map(|value| At { line, value });
    if id.is_none() {
        let rule = format!("{index:?} is not the number of a node");
        problems.push(Problem::new(line, key, rule, format!("write node0 up to node{ID_MAX}")));
    }
    let address = match Address::read(value) {
        Ok(value) => Some(At { line, value }),
        Err((rule, instead)) => {
            problems.push(Problem::new(line, key, rule, instead));
            None
        }
    };
    NodeDraft {
        line,
        id,
        address,
        role: Role::Voter,
        broker: None,
    }
}

/// The nodes must be 0 to N − 1.
fn compare(count: &At<u16>, draft: &mut Draft) {
    let has = |id: u16| {
        draft
            .nodes
            .iter()
            .any(|node| node.id.as_ref().is_some_and(|at| at.value == id))
    };
    let missing: Vec<String> = (0..count.value)
        .filter(|id| !has(*id))
        .map(|id| format!("node{id}"))
        .collect();
    if !missing.is_empty() && draft.nodes.iter().all(|node| node.id.is_some()) {
        let rule = format!("N is {}, and there is no {}", count.value, missing.join(", "));
        let instead = "add the missing lines, or make N smaller";
        draft.problems.push(Problem::new(count.line, "N", rule, instead));
    }
    for node in &draft.nodes {
        if let Some(id) = &node.id
            && id.value >= count.value
        {
            let rule = format!("N is {}, so the last node is node{}", count.value, count.value - 1);
            let instead = format!("leave this line out, or write `N: {}`", id.value + 1);
            draft
                .problems
                .push(Problem::new(id.line, format!("node{}", id.value), rule, instead));
        }
    }
}
