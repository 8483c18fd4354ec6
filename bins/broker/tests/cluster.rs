//! Clusters of real processes: any majority elects, at most one leads, numbers never fall.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use common::{Cluster, PATIENCE, broker};
use pehra_testbed::process::{Process, wait_until};
use rustix::process::Signal;

/// The acceptance test of the course that the seed was written for, and then some.
#[test]
fn any_majority_elects_whoever_is_killed() {
    let mut cluster = Cluster::new(5);
    cluster.start(0);
    cluster.nobody_leads();
    cluster.start(1);
    cluster.nobody_leads();
    cluster.start(2);
    let first = cluster.leader(0);
    cluster.start(3);
    cluster.start(4);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(cluster.leader_now(), Some(first), "newcomers change nothing");

    cluster.kill9(first.node);
    let second = cluster.leader(first.fencing);
    cluster.kill9(second.node);
    let third = cluster.leader(second.fencing);
    cluster.kill9(third.node);
    cluster.nobody_leads();

    cluster.start(first.node);
    let fourth = cluster.leader(third.fencing);
    cluster.start(second.node);
    cluster.start(third.node);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(cluster.leader_now(), Some(fourth), "who comes back changes nothing");

    // All at once, and all again.
    for id in 0..5 {
        cluster.kill9(id);
    }
    for id in 0..5 {
        cluster.start(id);
    }
    cluster.leader(fourth.fencing);
}

#[test]
fn a_leader_that_is_asked_to_stop_resigns_first() {
    let mut cluster = Cluster::new(3);
    (0..3).for_each(|id| cluster.start(id));
    let first = cluster.leader(0);
    cluster.stop(first.node);
    let log = cluster.log(first.node);
    assert!(
        log.contains("leads no longer") && log.contains("it was asked to"),
        "{log}"
    );
    assert!(log.contains("the node has stopped"), "{log}");
    let second = cluster.leader(first.fencing);
    // It came back to the same store.
    cluster.start(first.node);
    assert_eq!(cluster.status(first.node)["incarnation"], 2);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(cluster.leader_now(), Some(second));
}

#[test]
fn a_leader_that_was_stopped_does_not_lead_when_it_wakes() {
    let mut cluster = Cluster::new(3);
    (0..3).for_each(|id| cluster.start(id));
    for _ in 0..3 {
        let before = cluster.leader(0);
        cluster.node(before.node).signal(Signal::STOP);
        let after = {
            let others: Vec<usize> = cluster.up().into_iter().filter(|id| *id != before.node).collect();
            let mut found = 0;
            wait_until("the others elect", PATIENCE, || {
                let confirmed = |id: &usize| cluster.ask(*id, r#"{"ask":"leader"}"#)?["leader"]["fencing"].as_u64();
                found = others.iter().filter_map(confirmed).max().unwrap_or(0);
                found > before.fencing
            });
            found
        };
        cluster.node(before.node).signal(Signal::CONT);
        for _ in 0..20 {
            let reply = cluster
                .ask(before.node, r#"{"ask":"leader"}"#)
                .expect("it answers again");
            let fencing = reply["leader"]["fencing"].as_u64();
            assert!(
                fencing.is_none_or(|fencing| fencing >= after),
                "{reply}: {after} leads already"
            );
        }
        wait_until("it follows", PATIENCE, || {
            cluster.status(before.node)["leader"].is_u64()
        });
        assert!(cluster.log(before.node).contains("the process stood still"));
    }
}

#[test]
fn leadership_is_handed_over_and_a_drained_node_does_not_take_it() {
    let mut cluster = Cluster::new(3);
    (0..3).for_each(|id| cluster.start(id));
    let first = cluster.leader(0);
    let to = (first.node + 1) % 3;
    let follower = cluster.ask(to, r#"{"ask":"transfer"}"#).expect("an answer");
    assert_eq!(follower["refused"]["try"], first.node, "{follower}");
    let done = cluster
        .ask(first.node, &format!(r#"{{"ask":"transfer","to":{to}}}"#))
        .expect("an answer");
    assert_eq!(done["done"]["ask"], "transfer", "{done}");
    let second = cluster.leader(first.fencing);
    assert_eq!(second.node, to);

    let drained = cluster.ask(to, r#"{"ask":"drain","on":true}"#).expect("an answer");
    assert_eq!(drained["done"]["ask"], "drain", "{drained}");
    assert_eq!(cluster.status(to)["draining"], true);
    let third = cluster.leader(second.fencing);
    assert_ne!(third.node, to);
    let resigned = cluster.ask(third.node, r#"{"ask":"resign"}"#).expect("an answer");
    assert_eq!(resigned["done"]["ask"], "resign", "{resigned}");
    assert_ne!(cluster.leader(third.fencing).node, to, "it is drained");
    let back = cluster.ask(to, r#"{"ask":"drain","on":false}"#).expect("an answer");
    assert_eq!(back["done"]["ask"], "drain", "{back}");
    // To a node that is not there.
    let leader = cluster.leader(third.fencing);
    let other = (leader.node + 1) % 3;
    cluster.kill9(other);
    let refused = cluster
        .ask(leader.node, &format!(r#"{{"ask":"transfer","to":{other}}}"#))
        .expect("an answer");
    assert!(refused["refused"]["reason"].is_string(), "{refused}");
}

#[test]
fn a_copied_state_directory_is_refused_and_reported() {
    let mut cluster = Cluster::new(3);
    (0..3).for_each(|id| cluster.start(id));
    let leader = cluster.leader(0);
    // The copy runs "elsewhere": its own address is another one, all else is the same.
    let elsewhere = cluster.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    for file in fs::read_dir(cluster.data(2)).expect("the state directory") {
        let file = file.expect("a file");
        fs::copy(file.path(), elsewhere.join(file.file_name())).expect("a copy");
    }
    let mut ports = cluster.ports.clone();
    ports[2] = pehra_testbed::process::free_port();
    let config = cluster.write_config("copy.toml", 1, &ports);
    let log = cluster.folder.path().join("copy.log");
    let mut command = broker(&config, 2);
    command
        .arg("--data")
        .arg(&elsewhere)
        .stderr(fs::File::create(&log).expect("a log"));
    let _copy = Process::start(&mut command, "cargo build -p pehra-broker");
    for id in 0..2 {
        wait_until("the copy is refused", PATIENCE, || {
            cluster.status(id)["refusals"]["hellos"].as_u64().unwrap_or(0) > 0
        });
        wait_until("and reported", PATIENCE, || {
            cluster.log(id).contains("the state directory was copied")
        });
    }
    wait_until("the copy is told", PATIENCE, || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("the state directory was copied"))
    });
    assert_eq!(cluster.leader_now(), Some(leader));
}

#[test]
fn a_lost_state_file_costs_the_vote_and_nothing_else() {
    let mut cluster = Cluster::new(3);
    (0..3).for_each(|id| cluster.start(id));
    let first = cluster.leader(0);
    let lost = (first.node + 1) % 3;
    cluster.kill9(lost);
    let database = cluster.data(lost).join("election.db");
    fs::write(&database, "torn").expect("a torn file");
    cluster.start(lost);
    let status = cluster.status(lost);
    let trouble = status["trouble"].as_str().unwrap_or_default();
    assert!(
        trouble.contains("does not vote") && trouble.contains("raise `number`"),
        "{status}"
    );
    wait_until("it follows", PATIENCE, || cluster.status(lost)["leader"] == first.node);
    // Without its vote, two are no majority once the leader is gone.
    cluster.kill9(first.node);
    cluster.nobody_leads();
    cluster.start(first.node);
    let second = cluster.leader(first.fencing);
    assert_ne!(second.node, lost);
    // A person decides.
    (0..3).for_each(|id| cluster.stop(id));
    cluster.write_config("cluster.toml", 2, &cluster.ports.clone());
    cluster.start(lost);
    cluster.start(second.node);
    assert!(cluster.status(lost)["trouble"].is_null());
    cluster.leader(second.fencing);
}

#[test]
fn nodes_of_another_cluster_or_number_are_refused() {
    let mut cluster = Cluster::new(3);
    (0..2).for_each(|id| cluster.start(id));
    cluster.leader(0);
    let config = cluster.write_config("newer.toml", 7, &cluster.ports.clone());
    let mut command = broker(&config, 2);
    let _stranger = Process::start(command.stderr(Stdio::null()), "cargo build -p pehra-broker");
    wait_until("it is refused", PATIENCE, || {
        cluster
            .log(0)
            .contains("its configuration has number 7 and this member's 1")
    });
    assert_eq!(cluster.status(0)["links"], 0b10);
}

#[test]
fn what_is_no_question_is_answered_with_what_to_send() {
    let mut cluster = Cluster::new(1);
    cluster.start(0);
    assert_eq!(cluster.leader(0).node, 0, "a cluster of one elects itself");
    for (question, kind) in [
        ("hello", "not-json"),
        (r#"{"ask":"dance"}"#, "unknown-ask"),
        (r#"{"ask":"leader","version":9}"#, "version"),
        (r#"{"ask":"drain"}"#, "bad-field"),
    ] {
        let reply = cluster.ask(0, question).expect("an answer");
        assert_eq!(reply["error"]["kind"], kind, "{reply}");
    }
    assert_eq!(cluster.status(0)["refusals"]["questions"], 4);
    let reply = cluster
        .ask(0, r#"{"ask":"leader","version":1,"color":"blue"}"#)
        .expect("an answer");
    assert_eq!(reply["leader"]["node"], 0, "{reply}");
}

#[test]
fn a_frame_that_breaks_the_rules_ends_its_own_connection_and_is_counted() {
    const REQ: &[u8] = b"\0SP\0\0\x30\0\0";
    const PAIR: &[u8] = b"\0SP\0\0\x10\0\0";
    let mut cluster = Cluster::new(3);
    (0..3).for_each(|id| cluster.start(id));
    let leader = cluster.leader(0);
    let id = leader.node;
    let mut good = common::Client::connect(cluster.address(id)).expect("a connection");
    assert!(good.ask(r#"{"ask":"leader"}"#).expect("an answer")["leader"].is_object());
    let frame = |body: &[u8]| [&(body.len() as u64).to_be_bytes(), body].concat();
    for (what, greeting, bytes, counted) in [
        (
            "announced beyond all measure",
            REQ,
            u64::MAX.to_be_bytes().to_vec(),
            "client-frames",
        ),
        ("just too large", REQ, frame(&vec![0; 64 * 1024 + 100]), "client-frames"),
        ("without a request's id", REQ, frame(b"hello"), "client-frames"),
        (
            "a member's, too large",
            PAIR,
            (1_u64 << 20).to_be_bytes().to_vec(),
            "frames",
        ),
        ("a member's, no hello", PAIR, frame(b"hello"), "frames"),
        ("no greeting", b"GET / HTTP/1.1\r\n\r\n", Vec::new(), "wrong-peers"),
    ] {
        let count = |cluster: &Cluster| cluster.status(id)["refusals"][counted].as_u64().unwrap_or(0);
        let before = count(&cluster);
        assert!(
            common::is_hung_up_on(cluster.address(id), greeting, &bytes),
            "{what}: the connection stands"
        );
        wait_until(what, PATIENCE, || count(&cluster) == before + 1);
        let reply = good.ask(r#"{"ask":"leader"}"#).expect(what);
        assert_eq!(reply["leader"]["fencing"], leader.fencing, "{what}: {reply}");
    }
    let status = cluster.status(id);
    assert_eq!(status["links"].as_u64().map(u64::count_ones), Some(2), "{status}");
    assert_eq!(cluster.leader_now(), Some(leader));
}

#[test]
fn what_cannot_be_started_says_why() {
    let mut cluster = Cluster::new(1);
    cluster.start(0);
    let fails = |arguments: &[&str], code: i32, words: &[&str]| {
        let mut command = broker(&cluster.config(), 0);
        let output = command.args(arguments).output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    // The same folder, and the same port with another folder.
    fails(&[], 1, &["another process", &cluster.status(0)["pid"].to_string()]);
    let other = cluster.folder.path().join("other").display().to_string();
    fails(
        &["--data", &other],
        1,
        &["cannot listen", "another program has this port"],
    );
    let bad = cluster.folder.path().join("bad.toml");
    fs::write(&bad, "[cluster]\nname = \"a\"\nprofil = \"lan\"\n").expect("a file");
    let output = broker(&bad, 0).output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("bad.toml:3: cluster.profil: ") && said.contains("did you mean `profile`"),
        "{said}"
    );
    let output = broker(&cluster.config(), 9).output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no node 9") && said.contains("--id 0"), "{said}");
    let output = broker(&cluster.config(), 0)
        .arg("--check-config")
        .output()
        .expect("it ends");
    assert!(output.status.success());
}

#[test]
fn the_log_has_a_line_for_each_change_and_none_for_a_heartbeat() {
    let mut cluster = Cluster::new(3);
    (0..3).for_each(|id| cluster.start(id));
    cluster.leader(0);
    std::thread::sleep(Duration::from_millis(300));
    let lines = |cluster: &Cluster| (0..3).map(|id| cluster.log(id).lines().count()).sum::<usize>();
    let before = lines(&cluster);
    // Some forty heartbeats, and as many questions.
    for _ in 0..20 {
        cluster.leader_now();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(lines(&cluster), before, "{}", cluster.log(0));
}
