//! Files that cannot be used: each names its line, its key, the rule that is broken and what to write instead.

use std::path::Path;

use pehra_cluster::{Cluster, ConfigError, Problem};

/// A sound file, whose lines the tests replace or add to.
const SOUND: &str = "\
[cluster]
name = \"home\"
number = 1
profile = \"lan\"
lease = false

[[node]]
id = 0
address = \"localhost:60001\"
[[node]]
id = 1
address = \"localhost:60002\"
[[node]]
id = 2
address = \"localhost:60003\"
";

fn read(name: &str, text: &str) -> Result<Cluster, ConfigError> {
    Cluster::parse(Path::new(name), text)
}

/// The sound file with line `line` (from 1) replaced.
fn with(line: usize, replacement: &str) -> String {
    let mut lines: Vec<&str> = SOUND.lines().collect();
    lines[line - 1] = replacement;
    lines.join("\n")
}

/// The one thing that is wrong with `text`.
fn only_problem(name: &str, text: &str) -> Problem {
    let error = read(name, text).expect_err(text);
    assert_eq!(error.problems.len(), 1, "{error}\n{text}");
    error.problems[0].clone()
}

#[track_caller]
fn is(problem: &Problem, line: impl Into<Option<usize>>, key: &str, rule: &str, instead: &str) {
    assert_eq!((problem.line, problem.key.as_str()), (line.into(), key), "{problem:?}");
    assert!(problem.rule.contains(rule), "{problem:?} should say {rule:?}");
    assert!(
        problem.instead.contains(instead),
        "{problem:?} should advise {instead:?}"
    );
}

#[test]
fn one_line_that_is_wrong_is_named_with_its_rule() {
    for (line, replacement, key, rule, instead) in [
        (2, "name = 7", "cluster.name", "an integer", "text in quotation marks"),
        (2, "name = \"\"", "cluster.name", "no name for a cluster", "letters"),
        (
            2,
            "name = \"my home\"",
            "cluster.name",
            "no name for a cluster",
            "letters",
        ),
        (
            2,
            "nam = \"home\"\nname = \"home\"",
            "cluster.nam",
            "no such key",
            "did you mean `name`",
        ),
        (
            3,
            "number = 0",
            "cluster.number",
            "0 is out of range",
            "1 to 4294967295",
        ),
        (3, "number = -1", "cluster.number", "-1 is out of range", "1 to"),
        (3, "number = 4294967296", "cluster.number", "out of range", "1 to"),
        (
            3,
            "number = 99999999999999999999",
            "cluster.number",
            "out of range",
            "1 to",
        ),
        (3, "number = 1.5", "cluster.number", "a float", "whole number"),
        (3, "number = \"1\"", "cluster.number", "a string", "whole number"),
        (
            4,
            "profile = \"lann\"",
            "cluster.profile",
            "no profile \"lann\"",
            "did you mean `lan`?",
        ),
        (
            4,
            "profile = \"moon\"",
            "cluster.profile",
            "no profile",
            "there are: test, lan, zones, wan, edge",
        ),
        (4, "profile = \"LAN\"", "cluster.profile", "no profile", "test, lan"),
        (4, "profile = true", "cluster.profile", "a boolean", "text"),
        (5, "lease = \"off\"", "cluster.lease", "a string", "true or false"),
        (5, "lease = 1", "cluster.lease", "an integer", "true or false"),
        (
            5,
            "leese = true",
            "cluster.leese",
            "no such key",
            "did you mean `lease`?",
        ),
        (
            5,
            "commands-from = \"trusted ones\"",
            "cluster.commands-from",
            "not from \"trusted ones\"",
            "there are: trusted, anybody",
        ),
        (
            5,
            "commands-from = \"anyone\"",
            "cluster.commands-from",
            "not from \"anyone\"",
            "there are: trusted, anybody",
        ),
        (5, "commands-from = true", "cluster.commands-from", "a boolean", "text"),
        (5, "colour = 1", "cluster.colour", "no such key", "there are: name"),
        (5, "data = \"\"", "cluster.data", "empty", "name a file or folder"),
        (5, "data = 7", "cluster.data", "an integer", "text"),
        (8, "id = -1", "node.id", "out of range", "0 to 63"),
        (8, "id = 64", "node.id", "64 is out of range", "0 to 63"),
        (8, "id = \"0\"", "node.id", "a string", "whole number from 0 to 63"),
        (8, "id = 1", "node.id", "two nodes have the id 1", "id of its own"),
        (8, "", "node.id", "no id", "0 to 63"),
        (
            9,
            "address = \"localhost\"",
            "node.address",
            "no port",
            "localhost:60001",
        ),
        (9, "address = 60001", "node.address", "an integer", "text"),
        (
            9,
            "address = \"0.0.0.0:60001\"",
            "node.address",
            "connect to",
            "others reach",
        ),
        (
            9,
            "address = \"tcp://localhost:60001\"",
            "node.address",
            "protocol",
            "leave out what stands before",
        ),
        (
            9,
            "address = \"LOCALHOST:60003\"",
            "node.address",
            "two nodes have the address localhost:60003",
            "port of its own",
        ),
        (9, "", "node.address", "no address", "host:port"),
        (
            9,
            "address = \"localhost:60001\"\nrole = \"king\"",
            "node.role",
            "no role \"king\"",
            "voter, observer",
        ),
        (
            9,
            "address = \"localhost:60001\"\nrole = \"votter\"",
            "node.role",
            "no role",
            "did you mean `voter`?",
        ),
        (
            9,
            "address = \"localhost:60001\"\nrole = 1",
            "node.role",
            "an integer",
            "text",
        ),
        (
            9,
            "address = \"localhost:60001\"\nvotes = 2",
            "node.votes",
            "no such key",
            "id, address, role",
        ),
    ] {
        let text = with(line, replacement);
        let problem = only_problem("cluster.toml", &text);
        // A repeated id or address is found on the second line of the two; a key that is missing, at its table.
        let extra = replacement.matches('\n').count();
        let at = match (rule, key) {
            _ if rule.starts_with("two nodes have the id") => 11,
            _ if rule.starts_with("two nodes have the address") => 15,
            ("no id" | "no address", _) => 7,
            (_, "cluster.nam") => line,
            _ => line + extra,
        };
        is(&problem, at, key, rule, instead);
    }
}

#[test]
fn times_that_do_not_go_together_are_named_with_the_bound() {
    for (tail, line, key, rule, instead) in [
        (
            "[timing]\nelection-ms = 249",
            17,
            "timing.election-ms",
            "shorter than five heartbeats",
            "at least 250",
        ),
        (
            "[timing]\nheartbeat-ms = 61",
            17,
            "timing.heartbeat-ms",
            "shorter than five heartbeats",
            "at least 305",
        ),
        (
            "[timing]\nheartbeat-ms = 61\nelection-ms = 304",
            18,
            "timing.election-ms",
            "five heartbeats",
            "305",
        ),
        (
            "[timing]\nheartbeat-ms = 0",
            17,
            "timing.heartbeat-ms",
            "0 is out of range",
            "1 to",
        ),
        (
            "[timing]\nrank-step-ms = 301",
            17,
            "timing.rank-step-ms",
            "rank step of 301",
            "two round trips",
        ),
        (
            "[timing]\nlease-ms = 246",
            17,
            "timing.lease-ms",
            "outlive",
            "at most 245",
        ),
        (
            "[timing]\nlease-ms = 50",
            17,
            "timing.lease-ms",
            "before the next heartbeat",
            "longer lease",
        ),
        (
            "[timing]\nlease-ms = \"200\"",
            17,
            "timing.lease-ms",
            "a string",
            "whole number",
        ),
        (
            "[timing]\nlease-ms = 86400001",
            17,
            "timing.lease-ms",
            "out of range",
            "86400000",
        ),
        ("[timing]\nlease = 200", 17, "timing.lease", "no such key", "lease-ms"),
        (
            "[timing]\nheartbeat_ms = 50",
            17,
            "timing.heartbeat_ms",
            "no such key",
            "did you mean `heartbeat-ms`?",
        ),
        (
            "[tenure]\nlength-ms = 2999",
            17,
            "tenure.length-ms",
            "ten election timeouts",
            "at least 3000",
        ),
        (
            "[tenure]\nlength-ms = 9000\nmargin-ms = 299",
            18,
            "tenure.margin-ms",
            "between",
            "in between",
        ),
        (
            "[tenure]\nlength-ms = 9000\nmargin-ms = 4501",
            18,
            "tenure.margin-ms",
            "between",
            "in between",
        ),
        (
            "[tenure]\nlength-ms = 9000\nstrict = 1",
            18,
            "tenure.strict",
            "an integer",
            "true or false",
        ),
        (
            "[tenure]\nstrict = true",
            16,
            "tenure.length-ms",
            "needs its length",
            "leave [tenure] out",
        ),
        (
            "[tenure]\nlength = 9000\nlength-ms = 9000",
            17,
            "tenure.length",
            "no such key",
            "length-ms",
        ),
    ] {
        let problem = only_problem("cluster.toml", &format!("{SOUND}{tail}\n"));
        is(&problem, line, key, rule, instead);
    }
    // The lease of a shortened profile counts once it is used.
    let text = format!("{}\n[timing]\nelection-ms = 280\n", with(5, "lease = true"));
    is(
        &only_problem("cluster.toml", &text),
        17,
        "timing.election-ms",
        "outlive",
        "at most 229",
    );
}

#[test]
fn a_table_that_is_missing_or_of_another_kind_is_named() {
    let nodes = &SOUND[SOUND.find("[[node]]").expect("nodes")..];
    for (text, line, key, rule, instead) in [
        (nodes.to_owned(), None, "cluster", "missing", "begin with [cluster]"),
        (
            format!("cluster = 1\n{nodes}"),
            Some(1),
            "cluster",
            "an integer",
            "[cluster]",
        ),
        (
            format!("\n[cluster]\n{nodes}"),
            Some(2),
            "cluster.name",
            "no name",
            "name =",
        ),
        (
            "[cluster]\nname = \"a\"\n".to_owned(),
            None,
            "node",
            "no node",
            "[[node]]",
        ),
        (
            "node = []\n[cluster]\nname = \"a\"\n".to_owned(),
            None,
            "node",
            "no node",
            "[[node]]",
        ),
        (
            format!("{SOUND}[nodes]\n"),
            Some(16),
            "nodes",
            "no such key",
            "did you mean `node`?",
        ),
        (
            format!("{SOUND}[tls]\nca = \"a\"\ncert = \"b\"\n"),
            Some(16),
            "tls.key",
            "all of",
            "{id}",
        ),
        (
            format!("{SOUND}[tls]\nca = \"a\"\ncert = \"\"\nkey = \"c\"\n"),
            Some(18),
            "tls.cert",
            "empty",
            "name a file",
        ),
        (
            format!("{SOUND}[tls]\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\nkei = 1\n"),
            Some(20),
            "tls.kei",
            "no such",
            "`key`",
        ),
    ] {
        is(&only_problem("cluster.toml", &text), line, key, rule, instead);
    }
    let one = "[cluster]\nname = \"a\"\n[node]\nid = 0\naddress = \"localhost:1\"\n";
    let error = read("cluster.toml", one).expect_err("no list");
    is(&error.problems[1], 3, "node", "a list of tables", "[[node]]");
    let numbers = "node = [1]\n[cluster]\nname = \"a\"\n";
    let error = read("cluster.toml", numbers).expect_err("no tables");
    is(&error.problems[1], 1, "node", "a node is a table", "[[node]]");
}

#[test]
fn a_cluster_in_which_nobody_votes_is_refused() {
    let text = SOUND.replace("address", "role = \"observer\"\naddress");
    let problem = only_problem("cluster.toml", &text);
    is(&problem, 15, "node.role", "nobody votes", "voter");
}

#[test]
fn what_is_no_toml_is_named_with_its_line() {
    for (text, line) in [
        (with(3, "number ="), 3),
        (with(2, "name = \"home"), 2),
        (with(1, "[cluster"), 1),
        (with(3, "name = \"again\""), 3),
        ("{\"cluster\": 1}".to_owned(), 1),
        ("<xml/>".to_owned(), 1),
    ] {
        let error = read("cluster.toml", &text).expect_err(&text);
        assert_eq!(error.problems[0].line, Some(line), "{error}\n{text}");
        assert!(error.problems[0].rule.contains("not TOML"), "{error}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines() {
    let text = "[cluster]\nprofile = \"x\"\nname = 1\n[[node]]\nid = 99\naddress = \"a\"\n[timing]\nlease-ms = 0\n";
    let error = read("some/cluster.toml", text).expect_err("wrong");
    let told = error.to_string();
    let starts: Vec<&str> = told
        .lines()
        .map(|line| line.split(": ").next().unwrap_or_default())
        .collect();
    let expected = ["2", "3", "5", "6", "8"].map(|line| format!("some/cluster.toml:{line}"));
    assert_eq!(starts, expected, "{told}");
    assert!(told.lines().all(|line| line.contains("; ")), "{told}");
}

#[test]
fn keys_that_are_none_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.toml");
    let digits = "ab".repeat(16);
    for (lines, line, key, rule) in [
        (
            format!("key = \"{}\"", "ab".repeat(15)),
            5,
            "cluster.key",
            "there are 30",
        ),
        (format!("key = \"{digits}a\""), 5, "cluster.key", "there are 33"),
        (format!("key = \"{digits}xy\""), 5, "cluster.key", "hexadecimal"),
        ("key = \"\"".to_owned(), 5, "cluster.key", "there are 0"),
        ("key = 7".to_owned(), 5, "cluster.key", "an integer"),
        ("key-file = \"absent\"".to_owned(), 5, "cluster.key-file", "cannot read"),
        ("key-file = \"short\"".to_owned(), 5, "cluster.key-file", "there are 4"),
        (
            format!("key = \"{digits}\"\nkey-file = \"good\""),
            6,
            "cluster.key-file",
            "a key and a file",
        ),
    ] {
        std::fs::write(folder.path().join("short"), "abcd\n").expect("a file");
        std::fs::write(folder.path().join("good"), &digits).expect("a file");
        let error = Cluster::parse(&path, &with(5, &lines)).expect_err(&lines);
        is(&error.problems[0], line, key, rule, "");
        assert!(
            !error.to_string().contains(&digits),
            "an error must not show a key: {error}"
        );
    }
}

#[test]
fn lines_of_a_config_txt_are_named_too() {
    let nodes = |count: usize| {
        let line = |id| format!("node{id}: localhost:{}\n", 60001 + id);
        (0..count).map(line).collect::<String>()
    };
    for (text, line, key, rule, instead) in [
        (nodes(3), None, "N", "missing", "`N: 3`"),
        (
            format!("N: five\n{}", nodes(5)),
            Some(1),
            "N",
            "\"five\" is not a number of nodes",
            "1 to 64",
        ),
        (format!("N: 0\n{}", nodes(1)), Some(1), "N", "\"0\" is not", "1 to 64"),
        (format!("N: 65\n{}", nodes(3)), Some(1), "N", "\"65\" is not", "1 to 64"),
        (format!("N:\n{}", nodes(3)), Some(1), "N", "\"\" is not", "1 to 64"),
        (
            format!("N: 3\nN: 3\n{}", nodes(3)),
            Some(2),
            "N",
            "given twice",
            "keep one",
        ),
        (
            format!("N: 5\n{}", nodes(3)),
            Some(1),
            "N",
            "there is no node3, node4",
            "add the missing lines",
        ),
        (
            format!("N: 2\n{}", nodes(3)),
            Some(4),
            "node2",
            "the last node is node1",
            "`N: 3`",
        ),
        (
            format!("N: 3\n{}node1: localhost:7", nodes(3)),
            Some(5),
            "node.id",
            "the other one on line 3",
            "of its own",
        ),
        (
            format!("N: 2\n{}node1: localhost:60001", nodes(1)),
            Some(3),
            "node.address",
            "line 2",
            "of its own",
        ),
        (
            format!("N: 2\n{}node1: localhost", nodes(1)),
            Some(3),
            "node1",
            "no port",
            "localhost:60001",
        ),
        (
            format!("N: 2\n{}node1:", nodes(1)),
            Some(3),
            "node1",
            "no port",
            "localhost:60001",
        ),
        (
            format!("N: 2\n{}node99: localhost:7", nodes(2)),
            Some(4),
            "node99",
            "not the number of a node",
            "node63",
        ),
        (
            format!("N: 2\n{}node: localhost:7", nodes(2)),
            Some(4),
            "node",
            "not the number of a node",
            "node0",
        ),
        (
            format!("N: 2\n{}nodeB: localhost:7", nodes(2)),
            Some(4),
            "nodeB",
            "no key \"nodeB\"",
            "node0",
        ),
        (format!("N: 2\n{}hello", nodes(2)), Some(4), "", "neither", "colon"),
    ] {
        let problem = only_problem("config.txt", &text);
        is(&problem, line, key, rule, instead);
    }
}

#[test]
fn a_file_that_cannot_be_read_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.toml");
    let error = Cluster::read(&path).expect_err("absent").to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    assert!(
        error.contains("--config") && error.contains("examples/cluster.toml"),
        "{error}"
    );
    std::fs::write(&path, [0xff, 0xfe, 0x00]).expect("a file");
    let error = Cluster::read(&path).expect_err("no text").to_string();
    assert!(error.contains("UTF-8"), "{error}");
    assert!(
        Cluster::read(folder.path())
            .expect_err("a folder")
            .to_string()
            .contains("cannot read it")
    );
}

proptest::proptest! {
    /// Whatever stands in the file: an answer and no panic; and what is refused says a line that is there.
    #[test]
    fn any_text_is_answered(text in "[ -~\n]{0,200}", name in "(cluster.toml|config.txt)") {
        if let Err(error) = read(&name, &text) {
            let lines = text.lines().count().max(1) + 1;
            proptest::prop_assert!(!error.problems.is_empty());
            proptest::prop_assert!(error.problems.iter().all(|problem| problem.line.is_none_or(|line| (1..=lines).contains(&line))));
        }
    }

    /// The same with text that is nearly right.
    #[test]
    fn a_sound_file_with_a_byte_changed_is_answered(at in 0..SOUND.len(), byte in 32_u8..127) {
        let mut bytes = SOUND.as_bytes().to_vec();
        bytes[at] = byte;
        let text = String::from_utf8(bytes).expect("ascii");
        let _ = read("cluster.toml", &text);
    }
}

#[test]
fn an_admins_key_is_a_public_key() {
    let sound = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
    let admin = |entry: &str| format!("{SOUND}[admin]\n{entry}\n");
    let cluster = read("cluster.toml", &admin(&format!("key = \"{sound}\""))).expect("sound");
    assert_eq!(cluster.admin.map(|key| key.to_string()).as_deref(), Some(sound));
    let advice = "pehra admin-key";
    for (entry, line, key, rule) in [
        ("", 16, "admin.key", "needs a key"),
        ("key = 7", 17, "admin.key", "an integer"),
        ("key = \"\"", 17, "admin.key", "64 hexadecimal digits"),
        ("key = \"0a\"", 17, "admin.key", "64 hexadecimal digits"),
    ] {
        let problem = only_problem("cluster.toml", &admin(entry));
        let advice = if entry.ends_with('7') {
            "text in quotation marks"
        } else {
            advice
        };
        is(&problem, line, key, rule, advice);
    }
    let two = format!("key = \"{sound}\"\nkeys = \"{sound}\"");
    is(
        &only_problem("cluster.toml", &admin(&two)),
        18,
        "admin.keys",
        "no such key",
        "did you mean `key`",
    );
}
