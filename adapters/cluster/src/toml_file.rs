//! `cluster.toml`.

use std::ops::Range;
use std::path::PathBuf;

use pehra_core::election::Timing;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::address::Address;
use crate::check::{At, Draft, ID_MAX, KeySource, NodeDraft, TenureDraft};
use crate::cluster::{Commanders, Journal, Role, TlsFiles};
use crate::problem::{Problem, one_of};
use crate::signed::AdminKey;
use crate::sleep_file;

/// The longest span of time that can be written: a day.
const TIME_MS_MAX: i64 = 86_400_000;
/// The most entries that are kept, or that come between two snapshots: all of them are in memory and in a snapshot.
const ENTRIES_MAX: i64 = 100_000;
/// The longest name: it travels in every greeting.
const NAME_BYTES_MAX: usize = 32;

/// Reads the text.
pub(crate) fn draft(text: &str) -> Draft {
    let mut draft = Draft::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    for error in &errors {
        let line = error.span().map(|span| line_of(span.start));
        let rule = format!("this is not TOML: {}", error.message());
        draft.problems.push(Problem::new(
            line,
            "",
            rule,
            "correct the line, or begin again with examples/cluster.toml",
        ));
    }
    if !errors.is_empty() {
        draft.is_unreadable = true;
        return draft;
    }
    let mut reader = Reader {
        line_of: &line_of,
        problems: Vec::new(),
    };
    let file = Table {
        name: "",
        line: 1,
        entries: document.get_ref(),
    };
    // What stands in [power] is for who starts brokers and wakes machines, and is checked there.
    reader.only(
        &file,
        &[
            "cluster", "timing", "tenure", "log", "sleep", "power", "tls", "admin", "node",
        ],
    );
    match reader.table(&file, "cluster") {
        Some(table) => cluster(&mut reader, &table, &mut draft),
        None if file.has("cluster") => {}
        None => {
            let rule = "the table [cluster] is missing";
            reader.wrong(None, "cluster", rule, "begin with [cluster] and name = \"…\"");
        }
    }
    if let Some(table) = reader.table(&file, "timing") {
        reader.only(&table, &["heartbeat-ms", "election-ms", "rank-step-ms", "lease-ms"]);
        draft.heartbeat_ms = reader.time(&table, "heartbeat-ms");
        draft.election_ms = reader.time(&table, "election-ms");
        draft.rank_step_ms = reader.time(&table, "rank-step-ms");
        draft.lease_ms = reader.time(&table, "lease-ms");
    }
    if let Some(table) = reader.table(&file, "tls") {
        draft.tls = tls(&mut reader, &table);
    }
    if let Some(table) = reader.table(&file, "admin") {
        draft.admin = admin(&mut reader, &table);
    }
    if let Some(table) = reader.table(&file, "log") {
        draft.journal = Some(journal(&mut reader, &table));
    }
    if let Some(table) = reader.table(&file, "sleep") {
        draft.sleep = Some(sleep_file::sleep(&mut reader, &table));
    }
    if let Some(table) = reader.table(&file, "tenure") {
        draft.tenure = tenure(&mut reader, &table);
    }
    draft.nodes = nodes(&mut reader, &file);
    draft.problems.append(&mut reader.problems);
    draft
}

fn cluster(reader: &mut Reader<'_>, table: &Table<'_>, draft: &mut Draft) {
    reader.only(
        table,
        &[
            "name",
            "number",
            "profile",
            "lease",
            "commands-from",
            "key",
            "key-file",
            "data",
        ],
    );
    if !table.has("name") {
        let rule = "the cluster has no name, and nodes of another cluster could not be told from its own";
        reader.wrong(table.line, "cluster.name", rule, "write name = \"…\"");
    }
    if let Some(name) = reader.text(table, "name") {
        let is_good = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        if name.value.is_empty() || name.value.len() > NAME_BYTES_MAX || !name.value.chars().all(is_good) {
            let rule = format!("{:?} is no name for a cluster", name.value);
            let instead = format!("write letters, digits, `-`, `_`, `.`: 1 to {NAME_BYTES_MAX} bytes");
            reader.wrong(name.line, "cluster.name", rule, instead);
        }
        draft.name = Some(name.value);
    }
    let number = reader.number(table, "number", 1, i64::from(u32::MAX));
    draft.number = number.and_then(|number| u32::try_from(number.value).ok());
    if let Some(profile) = reader.text(table, "profile") {
        let names = Timing::PROFILES.map(|(name, _)| name);
        draft.profile = Timing::PROFILES.into_iter().find(|(name, _)| *name == profile.value);
        draft.profile_line = Some(profile.line);
        if draft.profile.is_none() {
            let rule = format!("there is no profile {:?}", profile.value);
            reader.wrong(profile.line, "cluster.profile", rule, one_of(&profile.value, &names));
        }
    }
    draft.lease = reader.flag(table, "lease").unwrap_or(false);
    draft.commanders = commanders(reader, table);
    let (digits, file) = (reader.text(table, "key"), reader.text(table, "key-file"));
    if let (Some(_), Some(file)) = (&digits, &file) {
        let rule = "there are a key and a file with a key";
        reader.wrong(file.line, "cluster.key-file", rule, "keep one of them, better the file");
    }
    let digits = digits.map(|text| At {
        line: text.line,
        value: KeySource::Digits(text.value),
    });
    draft.key = digits.or(file.map(|text| At {
        line: text.line,
        value: KeySource::File(text.value.into()),
    }));
    draft.data = reader.path(table, "data");
}

fn commanders(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<At<Commanders>> {
    let At { line, value: text } = reader.text(table, "commands-from")?;
    let found = Commanders::NAMES.into_iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names = Commanders::NAMES.map(|(name, _)| name);
        let rule = format!("commands come from \"trusted\" or \"anybody\", not from {text:?}");
        reader.wrong(line, table.path("commands-from"), rule, one_of(&text, &names));
    }
    found.map(|(_, value)| At { line, value })
}

fn tenure(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<TenureDraft> {
    reader.only(table, &["length-ms", "margin-ms", "strict"]);
    if !table.has("length-ms") {
        let rule = "a tenure needs its length";
        reader.wrong(
            table.line,
            "tenure.length-ms",
            rule,
            "write length-ms = …, or leave [tenure] out",
        );
    }
    Some(TenureDraft {
        margin_ms: reader.time(table, "margin-ms"),
        strict: reader.flag(table, "strict").unwrap_or(false),
        length_ms: reader.time(table, "length-ms")?,
    })
}

fn journal(reader: &mut Reader<'_>, table: &Table<'_>) -> Journal {
    reader.only(table, &["keep", "snapshot-every"]);
    let usual = Journal::default();
    let mut count = |key, usual| {
        let written = reader.number(table, key, 1, ENTRIES_MAX);
        written.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(usual)
    };
    Journal {
        keep: count("keep", usual.keep),
        snapshot_every: count("snapshot-every", usual.snapshot_every),
    }
}

fn tls(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<TlsFiles> {
    reader.only(table, &["ca", "cert", "key"]);
    for key in ["ca", "cert", "key"] {
        if !table.has(key) {
            let rule = "certificates need all of ca, cert and key";
            let instead = format!("add {key} = \"….pem\"; {{id}} in a path stands for the node's id");
            reader.wrong(table.line, format!("tls.{key}"), rule, instead);
        }
    }
    Some(TlsFiles {
        ca: reader.path(table, "ca")?,
        cert: reader.path(table, "cert")?,
        key: reader.path(table, "key")?,
    })
}

fn admin(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<AdminKey> {
    reader.only(table, &["key"]);
    let instead = "write key = \"…\" as `pehra admin-key` prints it, or leave [admin] out";
    if !table.has("key") {
        reader.wrong(table.line, "admin.key", "an admin needs a key", instead);
    }
    let At { line, value: text } = reader.text(table, "key")?;
    AdminKey::read(&text)
        .map_err(|rule| reader.wrong(line, "admin.key", rule, instead))
        .ok()
}

fn nodes(reader: &mut Reader<'_>, file: &Table<'_>) -> Vec<NodeDraft> {
    let Some((line, value)) = reader.entry(file, "node") else {
        return Vec::new();
    };
    let Some(list) = value.as_array() else {
        reader.wrong(
            line,
            "node",
            "the nodes are a list of tables",
            "write [[node]] with two brackets",
        );
        return Vec::new();
    };
    let mut nodes = Vec::new();
    for item in list {
        let line = reader.line(&item.span());
        let Some(entries) = item.get_ref().as_table() else {
            let instead = "write [[node]], then id = … and address = \"…\"";
            reader.wrong(line, "node", "a node is a table", instead);
            continue;
        };
        let table = Table {
            name: "node",
            line,
            entries,
        };
        nodes.push(node(reader, &table));
    }
    nodes
}

fn node(reader: &mut Reader<'_>, table: &Table<'_>) -> NodeDraft {
    reader.only(table, &["id", "address", "role", "broker"]);
    if !table.has("id") {
        let instead = format!("write id = a number from 0 to {ID_MAX}");
        reader.wrong(table.line, "node.id", "this node has no id", instead);
    }
    if !table.has("address") {
        let instead = "write address = \"host:port\"";
        reader.wrong(table.line, "node.address", "this node has no address", instead);
    }
    let id = reader.number(table, "id", 0, i64::from(ID_MAX)).and_then(|id| {
        let line = id.line;
        u16::try_from(id.value).ok().map(|value| At { line, value })
    });
    let address = reader.text(table, "address").and_then(|text| {
        let line = text.line;
        match Address::read(&text.value) {
            Ok(value) => Some(At { line, value }),
            Err((rule, instead)) => {
                reader.wrong(line, "node.address", rule, instead);
                None
            }
        }
    });
    let role = match reader.text(table, "role") {
        None => Role::Voter,
        Some(text) => match text.value.as_str() {
            "voter" => Role::Voter,
            "observer" => Role::Observer,
            other => {
                let rule = format!("there is no role {other:?}");
                reader.wrong(text.line, "node.role", rule, one_of(other, &["voter", "observer"]));
                Role::Voter
            }
        },
    };
    let broker = reader
        .table_of(table, "broker", "node.broker")
        .map(|broker| sleep_file::broker(reader, &broker));
    NodeDraft {
        line: table.line,
        id,
        address,
        role,
        broker,
    }
}

/// A table of the file, and how it is called.
pub(crate) struct Table<'t> {
    name: &'static str,
    pub line: usize,
    entries: &'t DeTable<'t>,
}

impl Table<'_> {
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}

/// Takes values out of tables and keeps what is wrong with them.
pub(crate) struct Reader<'r> {
    line_of: &'r dyn Fn(usize) -> usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        (self.line_of)(span.start)
    }

    pub fn wrong(
        &mut self,
        line: impl Into<Option<usize>>,
        key: impl Into<String>,
        rule: impl Into<String>,
        instead: impl Into<String>,
    ) {
        self.problems.push(Problem::new(line, key, rule, instead));
    }

    /// Complains about all keys but these.
    pub fn only(&mut self, table: &Table<'_>, known: &[&str]) {
        for (key, _) in table.entries {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let line = self.line(&key.span());
                self.wrong(line, table.path(name), "there is no such key", one_of(name, known));
            }
        }
    }

    fn entry<'t>(&self, table: &'t Table<'_>, key: &str) -> Option<(usize, &'t DeValue<'t>)> {
        let value: &Spanned<DeValue<'_>> = table.entries.get(key)?;
        Some((self.line(&value.span()), value.get_ref()))
    }

    fn mistyped(&mut self, line: usize, table: &Table<'_>, key: &str, found: &DeValue<'_>, expected: &str) {
        let kind = found.type_str();
        let a = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
        let rule = format!("there is {a} {kind}");
        self.wrong(line, table.path(key), rule, format!("write {expected}"));
    }

    fn table<'t>(&mut self, file: &'t Table<'_>, key: &'static str) -> Option<Table<'t>> {
        self.table_of(file, key, key)
    }

    /// A table in another one, and how it is called.
    pub fn table_of<'t>(&mut self, outer: &'t Table<'_>, key: &str, name: &'static str) -> Option<Table<'t>> {
        let (line, value) = self.entry(outer, key)?;
        let Some(entries) = value.as_table() else {
            self.mistyped(line, outer, key, value, &format!("the table [{name}]"));
            return None;
        };
        Some(Table { name, line, entries })
    }

    pub fn text(&mut self, table: &Table<'_>, key: &str) -> Option<At<String>> {
        let (line, value) = self.entry(table, key)?;
        let Some(text) = value.as_str() else {
            self.mistyped(line, table, key, value, "a text in quotation marks");
            return None;
        };
        Some(At {
            line,
            value: text.to_owned(),
        })
    }

    fn path(&mut self, table: &Table<'_>, key: &str) -> Option<PathBuf> {
        let text = self.text(table, key)?;
        if text.value.is_empty() {
            self.wrong(
                text.line,
                table.path(key),
                "the path is empty",
                "name a file or folder, seen from this file",
            );
            return None;
        }
        Some(text.value.into())
    }

    pub fn flag(&mut self, table: &Table<'_>, key: &str) -> Option<bool> {
        let (line, value) = self.entry(table, key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.mistyped(line, table, key, value, "true or false, without quotation marks");
        }
        flag
    }

    pub fn number(&mut self, table: &Table<'_>, key: &str, least: i64, most: i64) -> Option<At<i64>> {
        let (line, value) = self.entry(table, key)?;
        self.in_range(line, table, key, value, least, most)
    }

    /// A list of numbers, of which there is at least one.
    pub fn numbers(&mut self, table: &Table<'_>, key: &str, least: i64, most: i64) -> Option<Vec<i64>> {
        let (line, value) = self.entry(table, key)?;
        let expected = format!("a list of whole numbers from {least} to {most}, such as [9092]");
        let Some(list) = value.as_array() else {
            self.mistyped(line, table, key, value, &expected);
            return None;
        };
        if list.is_empty() {
            self.wrong(line, table.path(key), "the list is empty", format!("write {expected}"));
            return None;
        }
        let mut numbers = Vec::new();
        for item in list {
            let line = self.line(&item.span());
            numbers.extend(self.in_range(line, table, key, item.get_ref(), least, most));
        }
        (numbers.len() == list.len()).then(|| numbers.into_iter().map(|at| at.value).collect())
    }

    fn in_range(
        &mut self,
        line: usize,
        table: &Table<'_>,
        key: &str,
        value: &DeValue<'_>,
        least: i64,
        most: i64,
    ) -> Option<At<i64>> {
        let Some(digits) = value.as_integer() else {
            self.mistyped(
                line,
                table,
                key,
                value,
                &format!("a whole number from {least} to {most}"),
            );
            return None;
        };
        let number = i64::from_str_radix(digits.as_str(), digits.radix());
        match number {
            Ok(value) if (least..=most).contains(&value) => Some(At { line, value }),
            _ => {
                let rule = format!("{digits} is out of range");
                self.wrong(
                    line,
                    table.path(key),
                    rule,
                    format!("write a whole number from {least} to {most}"),
                );
                None
            }
        }
    }

    pub fn time(&mut self, table: &Table<'_>, key: &str) -> Option<At<u32>> {
        let time = self.number(table, key, 1, TIME_MS_MAX)?;
        let value = u32::try_from(time.value).ok()?;
        Some(At { line: time.line, value })
    }
}
