//! Files that can be used, and what they come to.

use std::path::{Path, PathBuf};

use pehra_cluster::{Cluster, Commanders, Journal, Role};
use pehra_core::election::Timing;
use pehra_core::members::NodeSet;
use pehra_core::types::{NodeId, Ticks};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

fn parse(text: &str) -> Cluster {
    Cluster::parse(Path::new("x/cluster.toml"), text).expect(text)
}

const HEAD: &str = "[cluster]\nname = \"home\"\n";

fn nodes(voters: u16, observers: u16) -> String {
    let node = |id| {
        let role = if id < voters { "voter" } else { "observer" };
        format!(
            "[[node]]\nid = {id}\naddress = \"h:{}\"\nrole = \"{role}\"\n",
            7000 + id
        )
    };
    (0..voters + observers).map(node).collect()
}

#[test]
fn both_examples_are_five_voters_on_the_ports_of_old() {
    for name in ["cluster.toml", "config.txt"] {
        let cluster = Cluster::read(&example(name)).expect(name);
        let addresses: Vec<String> = cluster.members.iter().map(|it| it.address.to_string()).collect();
        let expected = (60001..=60005).map(|port| format!("localhost:{port}"));
        assert_eq!(addresses, expected.collect::<Vec<_>>());
        assert_eq!((cluster.voters().count(), cluster.majority()), (5, 3));
        assert_eq!((cluster.profile, cluster.timing), ("lan", Timing::LAN));
        assert_eq!((cluster.lease, cluster.warnings.len()), (false, 0));
    }
}

/// Every line of the example that is commented out works when it is not.
#[test]
fn the_examples_comments_can_be_switched_on() {
    let text = std::fs::read_to_string(example("cluster.toml")).expect("the example");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("cluster.key"), "0f".repeat(32)).expect("a key");
    let is_key = |line: &str| line.starts_with("# [") || line.split(' ').nth(2) == Some("=");
    let on = |line: &str| {
        if is_key(line) {
            line[2..].to_owned()
        } else {
            line.to_owned()
        }
    };
    let all: Vec<String> = text.lines().map(on).collect();
    assert_ne!(all.join("\n"), text.trim_end());
    let cluster = Cluster::parse(&folder.path().join("cluster.toml"), &all.join("\n")).expect("all switched on");
    assert_eq!(cluster.timing, Timing::LAN);
    assert_eq!(cluster.key.expect("a key").bytes(), [0x0f; 32]);
    assert_eq!(cluster.tenure.expect("a tenure").length, Ticks(600_000));
    let of_three = cluster.tls.expect("certificates").of(3);
    assert!(of_three.cert.ends_with("certificates/node-3.pem"), "{of_three:?}");
    assert!(of_three.key.ends_with("certificates/node-3.key"), "{of_three:?}");
}

#[test]
fn a_config_txt_bears_what_editors_leave_behind() {
    let plain = "N: 2\nnode0: localhost:60001\nnode1: localhost:60002";
    let expected = Cluster::parse(Path::new("config.txt"), plain).expect("plain");
    for text in [
        "N: 2\nnode0: localhost:60001\nnode1: localhost:60002\n\n\n",
        "N: 2\r\nnode0: localhost:60001\r\nnode1: localhost:60002\r\n",
        "\u{feff}N: 2\nnode0: localhost:60001\nnode1: localhost:60002\n",
        "  N :2  \n\n node0:localhost:60001\t\n\tnode1 :   localhost:60002   \n",
        "# five of them\nN: 2 # no, two\nnode0: localhost:60001 # here\n#node9: nowhere\nnode1: localhost:60002",
        "node1: localhost:60002\nnode0: localhost:60001\nN: 2",
        "N: 2\nnode0: LOCALHOST:60001\nnode1: localhost:60002",
    ] {
        let cluster = Cluster::parse(Path::new("config.txt"), text).expect(text);
        // Only where the voters stand differs, and with it the line of the warning.
        assert_eq!(cluster.members, expected.members, "{text:?}");
    }
}

#[test]
fn a_toml_file_may_have_any_name_and_a_seed_file_any_but_that() {
    let toml = format!("{HEAD}{}", nodes(3, 0));
    for name in ["cluster.toml", "cluster", "cluster.conf"] {
        assert!(Cluster::parse(Path::new(name), &toml).is_ok(), "{name}");
    }
    let seed = "N: 1\nnode0: localhost:1";
    assert!(Cluster::parse(Path::new("nodes"), seed).is_ok());
    assert!(Cluster::parse(Path::new("nodes.toml"), seed).is_err());
}

#[test]
fn an_even_number_of_voters_and_a_lonely_voter_are_told() {
    for (voters, observers, told) in [
        (1, 0, None),
        (1, 1, Some("with one voter")),
        (2, 0, Some("2 voters bear the loss of 0, as 1 do")),
        (3, 0, None),
        (3, 2, None),
        (4, 1, Some("4 voters bear the loss of 1, as 3 do")),
        (64, 0, Some("64 voters bear the loss of 31, as 63 do")),
    ] {
        let cluster = parse(&format!("{HEAD}{}", nodes(voters, observers)));
        let rules: Vec<&str> = cluster.warnings.iter().map(|it| it.rule.as_str()).collect();
        match told {
            None => assert!(rules.is_empty(), "{rules:?}"),
            Some(told) => assert!(rules.len() == 1 && rules[0].contains(told), "{rules:?}"),
        }
    }
}

#[test]
fn the_file_overrides_its_profile() {
    let cluster = parse(&format!(
        "{HEAD}profile = \"wan\"\nlease = true\n{}[timing]\nheartbeat-ms = 200\nlease-ms = 1_500\n[tenure]\nlength-ms = 100000\nstrict = true\n",
        nodes(3, 1)
    ));
    let expected = Timing {
        heartbeat: Ticks(200),
        lease: Ticks(1500),
        ..Timing::WAN
    };
    assert_eq!((cluster.profile, cluster.timing), ("wan", expected));
    // A twentieth.
    let tenure = cluster.tenure.expect("a tenure");
    assert_eq!((tenure.margin, tenure.strict), (Ticks(5000), true));
    assert!(cluster.warnings.is_empty());
    let config = cluster.election(3).expect("it is a member");
    assert_eq!((config.me, config.voters), (NodeId(3), NodeSet::first(3)));
    assert_eq!(config.observers, NodeSet::only(NodeId(3)));
    assert!(config.lease && config.pre_vote);
    assert_eq!(config.check(), Ok(()));
    assert_eq!(cluster.election(4), None);
}

#[test]
fn a_lease_that_is_not_used_does_not_stand_in_the_way() {
    // 100 ms allow a lease of 81 ms at the most, and lan's is 240.
    let short = format!("{HEAD}{}[timing]\nheartbeat-ms = 20\nelection-ms = 100\n", nodes(3, 0));
    let cluster = parse(&short);
    assert_eq!(cluster.timing.lease, Ticks(81));
    let told = parse(&format!("{short}lease-ms = 70\n"));
    assert!(told.warnings[0].rule.contains("means nothing"), "{:?}", told.warnings);
}

#[test]
fn members_are_found_by_id_wherever_they_stand_in_the_file() {
    let text = "[[node]]\nid = 7\naddress = \"h:7\"\n[[node]]\nid = 3\naddress = \"h:3\"\nrole = \"observer\"\n";
    let cluster = parse(&format!("{HEAD}{text}"));
    assert_eq!(cluster.members.iter().map(|it| it.id).collect::<Vec<_>>(), [3, 7]);
    assert_eq!(cluster.member(3).expect("three").role, Role::Observer);
    assert_eq!(cluster.node_folder(7), Path::new("x/pehra-data/node7"));
    assert!(cluster.member(5).is_none());
}

#[test]
fn a_key_that_others_can_read_is_told_and_never_shown() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cluster.key");
    let digits = "5a".repeat(32);
    std::fs::write(&file, format!("  {digits}\n")).expect("a key");
    let text = format!("{HEAD}key-file = \"cluster.key\"\n{}", nodes(3, 0));
    for (mode, warnings) in [(0o600, 0), (0o644, 1)] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("its mode");
        let cluster = Cluster::parse(&folder.path().join("cluster.toml"), &text).expect("sound");
        assert_eq!(cluster.warnings.len(), warnings);
        assert!(cluster.warnings.iter().all(|it| it.instead.contains("chmod 600")));
        assert_eq!(cluster.key.as_ref().expect("a key").bytes(), [0x5a; 32]);
        let shown = format!("{cluster:?}");
        assert!(
            shown.contains("Key(of 32 bytes)") && !shown.contains("5a5a") && !shown.contains("90, 90"),
            "{shown}"
        );
    }
}

#[test]
fn who_may_command_is_the_files_to_say() {
    let tls = "[tls]\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\n";
    for (written, tail, expected, warnings) in [
        ("", "", Commanders::Trusted, 0),
        ("commands-from = \"trusted\"\n", "", Commanders::Trusted, 0),
        ("commands-from = \"anybody\"\n", tls, Commanders::Anybody, 0),
        ("commands-from = \"anybody\"\n", "", Commanders::Anybody, 1),
    ] {
        let cluster = parse(&format!("{HEAD}{written}{tail}{}", nodes(3, 0)));
        assert_eq!(cluster.commanders, expected);
        assert_eq!(cluster.warnings.len(), warnings, "{:?}", cluster.warnings);
        for warning in &cluster.warnings {
            assert_eq!((warning.line, warning.key.as_str()), (Some(3), "cluster.commands-from"));
        }
    }
}

#[test]
fn a_journal_is_kept_if_the_file_says_so() {
    let node = "[[node]]\nid = 0\naddress = \"h:1\"\n";
    let with = |log: &str| parse(&format!("[cluster]\nname = \"a\"\n{log}{node}")).journal;
    assert_eq!(with(""), None);
    assert_eq!(with("[log]\n"), Some(Journal::default()));
    let journal = Journal {
        keep: 7,
        snapshot_every: 20,
    };
    assert_eq!(with("[log]\nkeep = 7\nsnapshot-every = 20\n"), Some(journal));
    let wrong = format!("[cluster]\nname = \"a\"\n[log]\nkeep = 0\nsnapshots = 1\n{node}");
    let problems = Cluster::parse(Path::new("cluster.toml"), &wrong)
        .expect_err("both are wrong")
        .problems;
    let keys: Vec<&str> = problems.iter().map(|problem| &*problem.key).collect();
    assert_eq!(keys, ["log.keep", "log.snapshots"]);
}
