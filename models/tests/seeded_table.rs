//! The committed table of seeded bugs covers every bug, also where the bugs themselves are not compiled in.

use pehra_models::{Catch, results};

/// The names of all bugs, read from the text of the enum: without the cfg it does not exist.
fn bugs() -> Vec<String> {
    let mut names = Vec::new();
    for text in [
        include_str!("../../core/src/delivery/bugs.rs"),
        include_str!("../../core/src/pipeline/bugs.rs"),
        include_str!("../../core/src/window/bugs.rs"),
        include_str!("../../core/src/election/bugs.rs"),
        include_str!("../../core/src/replication/bugs.rs"),
        include_str!("../../core/src/sleep/guard/bugs.rs"),
        include_str!("../../core/src/sleep/coverage/bugs.rs"),
        include_str!("../../core/src/sleep/traffic/bugs.rs"),
    ] {
        // Those of election that only show with a log are hunted apart.
        let lists = ["pub const ALL", "pub const HUNTED", "pub const WITH_A_LOG"];
        let lists: Vec<&str> = lists.iter().filter_map(|list| text.split(list).nth(1)).collect();
        assert!(!lists.is_empty(), "the list of all bugs");
        for list in lists {
            let list = list.split("];").next().expect("its end");
            let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
            names.extend(list.split("Self::").skip(1).map(name));
        }
    }
    names.sort();
    names
}

#[test]
fn the_table_names_every_bug_and_what_caught_it() {
    let table: Vec<Catch> = results::kept("seeded");
    let names: Vec<String> = table.iter().map(|catch| catch.bug.clone()).collect();
    assert!(bugs().len() >= 80, "the list was not found in the text");
    assert_eq!(names, bugs(), "run tests/seeded, see the head of its main.rs");
    for catch in &table {
        assert!(!catch.stands_for.is_empty());
        assert!(
            catch.by.is_some() || catch.equivalent.as_ref().is_some_and(|why| why.len() > 80),
            "{} survives, and nothing says why that is right",
            catch.bug
        );
    }
}

/// The catalogue of mistakes at the head of the bugs of guard duty has a line for each, and names bugs that there are.
#[test]
fn the_catalogue_of_guard_duty_is_whole() {
    let text = include_str!("../../core/src/sleep/guard/bugs.rs");
    let (bugs, mut numbers) = (bugs(), Vec::new());
    for line in text.lines().filter_map(|line| line.strip_prefix("//! | P")) {
        let (number, says) = line.split_once(' ').expect("a number and a mistake");
        numbers.push(number.parse::<u8>().expect("a number"));
        let named: Vec<&str> = says.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "P{number} names no bug");
        for bug in named {
            assert!(
                bugs.iter().any(|known| known == bug),
                "P{number}: there is no bug {bug}"
            );
        }
    }
    assert_eq!(numbers, (1..=24).collect::<Vec<u8>>());
}
