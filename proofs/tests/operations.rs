//! The table of operations in the README: each operation that the original protocol names is there, and every cell is the name of
//! something: a command of `pehra` or an input of the core, a row of a transition table, a claim, a test.

use std::fs;

use pehra_proofs::{defines, ledger, root, source};

/// As the original names them, in its order.
const OPERATIONS: [&str; 10] = [
    "election",
    "alarmClock",
    "wakeUpAll",
    "reElection",
    "maintenance",
    "allDown",
    "sleepCycle",
    "disablePehra",
    "enablePehra",
    "selfChk",
];

const INPUTS: &str = "core/src/sleep/guard/mod.rs";

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn cells(line: &str) -> Vec<&str> {
    let inside = line.trim().trim_start_matches('|').trim_end_matches('|');
    inside.split('|').map(str::trim).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The rows of the README's table.
fn table() -> Vec<Vec<String>> {
    let readme = read("README.md");
    let mut lines = readme.lines().skip_while(|line| !line.starts_with("| operation |"));
    assert_eq!(
        lines.next(),
        Some("| operation | command or input | transition | claim | test |"),
        "the README has a table of operations"
    );
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| cells(row).into_iter().map(str::to_owned).collect())
        .collect()
}

/// `pehra wake --all`: a subcommand that is there, with options that are there. `Order::Wake`: an input of guard duty.
fn assert_input(name: &str) {
    let Some(words) = name.strip_prefix("pehra ") else {
        let (kind, variant) = name.split_once("::").unwrap_or_else(|| panic!("`{name}` is no input"));
        let text = read(INPUTS);
        let body = text.split_once(&format!("pub enum {kind} {{")).map(|(_, body)| body);
        let body = body.unwrap_or_else(|| panic!("`{name}`: {INPUTS} has no {kind}"));
        let body = body.split_once("\n}").map_or(body, |(body, _)| body);
        let is_it = |line: &str| {
            line.trim().trim_end_matches(|c: char| !c.is_alphanumeric()) == variant
                || line.trim().starts_with(&format!("{variant}("))
                || line.trim().starts_with(&format!("{variant} {{"))
        };
        assert!(body.lines().any(is_it), "`{name}` is not there");
        return;
    };
    let mut words = words.split_whitespace();
    let command = words.next().expect("a subcommand");
    let main = read("bins/pehra/src/main.rs");
    let variant: String = command
        .split('-')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect();
    assert!(
        main.contains(&format!("    {variant}(")),
        "`pehra {command}` is not there"
    );
    let all: String = walk("bins/pehra/src");
    for option in words.filter_map(|word| word.strip_prefix("--")) {
        let field = option.replace('-', "_");
        assert!(
            all.contains(&format!("    {field}: ")),
            "`{name}`: no command has --{option}"
        );
    }
}

fn walk(folder: &str) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(root().join(folder)).expect("a folder") {
        let path = entry.expect("an entry").path();
        let inside = path.strip_prefix(root()).expect("it is inside").display().to_string();
        if path.is_dir() {
            all += &walk(&inside);
        } else {
            all += &read(&inside);
        }
    }
    all
}

/// `guard: Sleeping, Alarm timer`: a row of that module's tables, by its first two cells.
fn assert_transition(name: &str) {
    let (module, rest) = name
        .split_once(": ")
        .unwrap_or_else(|| panic!("`{name}` is no transition"));
    let (state, input) = rest.split_once(", ").unwrap_or_else(|| panic!("`{name}` has no input"));
    let path = match module {
        "guard" => "core/src/sleep/guard/mod.rs",
        "election" => "core/src/election/mod.rs",
        other => panic!("{other} has no transition table"),
    };
    let text = read(path);
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! |")).map(cells);
    let has = |cell: &str, word: &str| cell.split(", ").any(|part| part == word);
    let found = rows
        .filter(|row| row.len() == 5)
        .any(|row| has(row[0], state) && has(row[1], input));
    assert!(found, "{path} has no row for `{name}`");
}

#[test]
fn every_cell_of_the_table_of_operations_is_the_name_of_something() {
    let table = table();
    let names: Vec<&str> = table.iter().map(|row| quoted(&row[0])[0]).collect();
    assert_eq!(names, OPERATIONS);
    let claims = ledger().expect("the ledger can be read").claims;
    for row in &table {
        assert_eq!(row.len(), 5, "{row:?}");
        for cell in &row[1..] {
            assert!(!quoted(cell).is_empty(), "an empty cell in {row:?}");
        }
        quoted(&row[1]).into_iter().for_each(assert_input);
        quoted(&row[2]).into_iter().for_each(assert_transition);
        for id in quoted(&row[3]) {
            assert!(claims.iter().any(|claim| claim.id == id), "{id} is not in the ledger");
        }
        for place in quoted(&row[4]) {
            let (text, name) = source(place).unwrap_or_else(|error| panic!("{error}"));
            assert!(defines(&text, name), "{place} is not there");
        }
    }
}
