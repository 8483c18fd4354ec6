//! Cut links between real processes. Each test runs through TCP proxies on loopback, and again between hosts of its own,
//! network name spaces behind a router, where the machine allows it. Which of both was run is said on standard error.

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use common::network::{Hosts, Links, Proxies, hosts_are_forbidden, in_own_network};
use common::{Cluster, Leader, PATIENCE};
use pehra_testbed::process::wait_until;

/// What a child is to do.
const ROLE: &str = "PEHRA_TEST_ROLE";

/// Where else a test is run.
const BESIDE: &str = "Through proxies it is run beside this.";

/// Says something that is seen although the test passes.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "partitions: {words}");
}

/// Starts `nodes` voters behind links of the kind that is wanted.
fn start(nodes: usize, over_hosts: bool) -> (Cluster, Box<dyn Links>) {
    let mut cluster = Cluster::new(nodes);
    let links: Box<dyn Links> = if over_hosts {
        Box::new(Hosts::of(&mut cluster))
    } else {
        Box::new(Proxies::between(&cluster))
    };
    (0..nodes).for_each(|id| cluster.start(id));
    (cluster, links)
}

/// Waits until one of these is confirmed with a number above `above`, asking them only.
fn elected(cluster: &Cluster, among: &[usize], above: u64) -> Leader {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        for id in among {
            let reply = cluster.ask(*id, r#"{"ask":"leader"}"#).unwrap_or_default();
            if let Some(fencing) = reply["leader"]["fencing"].as_u64().filter(|fencing| *fencing > above) {
                return Leader { node: *id, fencing };
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let logs: String = (0..cluster.ports.len())
        .map(|id| format!("--- {id}\n{}", cluster.log(id)))
        .collect();
    panic!("none of {among:?} leads above {above} within {PATIENCE:?}\n{logs}");
}

/// It leads, and nobody else does, for five election timeouts.
fn stays(cluster: &mut Cluster, leader: Leader) {
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        assert_eq!(cluster.leader_now(), Some(leader));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn others(cluster: &Cluster, than: usize) -> Vec<usize> {
    (0..cluster.ports.len()).filter(|id| *id != than).collect()
}

/// The rest elects, the old leader does not know that and does not say that it leads, and nothing changes when it is back.
fn a_leader_is_cut_off(over_hosts: bool) {
    let (mut cluster, links) = start(3, over_hosts);
    let first = cluster.leader(0);
    let rest = others(&cluster, first.node);
    rest.iter().for_each(|other| links.part(first.node, *other));
    let began = Instant::now();
    let unknown = cluster.ask(first.node, r#"{"ask":"leader"}"#).expect("an answer");
    assert!(
        unknown["leader"].is_null() && unknown["reason"].is_string(),
        "{unknown}"
    );
    let told = began.elapsed();
    let second = elected(&cluster, &rest, first.fencing);
    say(&format!(
        "a leader cut off: unknown after {told:?}, the next one confirmed within {:?}",
        began.elapsed()
    ));
    stays(&mut cluster, second);
    let status = cluster.status(first.node);
    assert_ne!(status["role"], "leader", "{status}");
    links.heal();
    stays(&mut cluster, second);
    wait_until("the old one follows the new one", PATIENCE, || {
        cluster.status(first.node)["leader"] == second.node
    });
    assert_eq!(cluster.leader_now(), Some(second));
}

/// It is heard and hears nothing: it gives up, and what it says afterwards unseats nobody.
fn a_leader_hears_nothing(over_hosts: bool) {
    let (mut cluster, links) = start(3, over_hosts);
    let first = cluster.leader(0);
    let rest = others(&cluster, first.node);
    rest.iter().for_each(|other| links.cut(*other, first.node));
    let began = Instant::now();
    let second = elected(&cluster, &rest, first.fencing);
    say(&format!(
        "a leader deaf: the next one confirmed within {:?}",
        began.elapsed()
    ));
    stays(&mut cluster, second);
    links.heal();
    stays(&mut cluster, second);
    wait_until("the old one follows the new one", PATIENCE, || {
        cluster.status(first.node)["leader"] == second.node
    });
    assert_eq!(cluster.leader_now(), Some(second));
    let log = cluster.log(first.node);
    assert!(log.contains("leads no longer"), "{log}");
}

/// Four that reach nobody but the fifth: only that one has a majority, and it gets to lead.
fn only_a_hub_reaches_a_majority(over_hosts: bool) {
    let (mut cluster, links) = start(5, over_hosts);
    let first = cluster.leader(0);
    let hub = (first.node + 1) % 5;
    for one in others(&cluster, hub) {
        for other in others(&cluster, hub).into_iter().filter(|other| one < *other) {
            links.part(one, other);
        }
    }
    let began = Instant::now();
    let second = elected(&cluster, &[hub], first.fencing);
    say(&format!("a hub: confirmed within {:?}", began.elapsed()));
    stays(&mut cluster, second);
    links.heal();
    stays(&mut cluster, second);
}

/// Commands without certificates: not from another machine, and from the node's own.
fn commands_come_from_the_nodes_own_machine() {
    let mut cluster = Cluster::new(3);
    let hosts = Hosts::of(&mut cluster);
    (0..3).for_each(|id| cluster.start(id));
    let first = cluster.leader(0);
    for command in [
        r#"{"ask":"transfer","to":null}"#,
        r#"{"ask":"resign"}"#,
        r#"{"ask":"drain","on":true}"#,
    ] {
        let refused = cluster.ask(first.node, command).expect("an answer");
        let reason = refused["refused"]["reason"].as_str().unwrap_or_default();
        assert!(
            reason.contains("own machine") && reason.contains("commands-from"),
            "{refused}"
        );
    }
    assert_eq!(cluster.leader_now(), Some(first));
    let status = cluster.status(first.node);
    assert_eq!(
        (&status["refusals"]["commands"], &status["draining"]),
        (&3.into(), &false.into())
    );
    assert!(cluster.log(first.node).contains("commanded by somebody who may not"));
    // Another node's machine is another machine, too.
    let other = (first.node + 1) % 3;
    let address = cluster.address(first.node);
    let ask = |host: usize| hosts.inside(host, || common::ask(address, r#"{"ask":"resign"}"#).expect("an answer"));
    assert!(ask(other)["refused"].is_object());
    assert_eq!(ask(first.node)["done"]["ask"], "resign");
    cluster.leader(first.fencing);
}

fn between_hosts(role: &str, instead: &str) {
    if let Some(why) = hosts_are_forbidden() {
        say(&format!(
            "NOT RUN between hosts: {role}. This machine allows no network name spaces ({why}); run as root, or allow them \
             with `sysctl kernel.unprivileged_userns_clone=1`. {instead}"
        ));
        return;
    }
    let mut command = in_own_network();
    command.arg(std::env::current_exe().expect("a path"));
    command
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(ROLE, role);
    let output = command.output().expect("unshare is a part of every Debian");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    say(&format!("run between hosts in network name spaces: {role}"));
    for line in said.lines().filter(|line| line.starts_with("partitions:")) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn through_proxies(what: &str, run: fn(bool)) {
    say(&format!("run through proxies on loopback: {what}"));
    run(false);
}

#[test]
#[ignore = "no test of its own: the tests beside it start it as a child process"]
fn child() {
    match std::env::var(ROLE).unwrap_or_default().as_str() {
        "a leader is cut off" => a_leader_is_cut_off(true),
        "a leader hears nothing" => a_leader_hears_nothing(true),
        "only a hub reaches a majority" => only_a_hub_reaches_a_majority(true),
        "commands" => commands_come_from_the_nodes_own_machine(),
        role => panic!("no role {role:?}"),
    }
}

#[test]
fn a_leader_cut_off_is_replaced_says_unknown_and_comes_back_as_a_follower() {
    through_proxies("a leader is cut off", a_leader_is_cut_off);
}

#[test]
fn a_leader_cut_off_is_replaced_says_unknown_and_comes_back_as_a_follower_between_hosts() {
    between_hosts("a leader is cut off", BESIDE);
}

#[test]
fn a_leader_that_hears_nothing_gives_up_and_unseats_nobody() {
    through_proxies("a leader hears nothing", a_leader_hears_nothing);
}

#[test]
fn a_leader_that_hears_nothing_gives_up_and_unseats_nobody_between_hosts() {
    between_hosts("a leader hears nothing", BESIDE);
}

#[test]
fn the_only_one_that_reaches_a_majority_gets_to_lead() {
    through_proxies("only a hub reaches a majority", only_a_hub_reaches_a_majority);
}

#[test]
fn the_only_one_that_reaches_a_majority_gets_to_lead_between_hosts() {
    between_hosts("only a hub reaches a majority", BESIDE);
}

#[test]
fn without_certificates_a_command_from_another_machine_is_refused_and_counted() {
    between_hosts("commands", "The rule itself is tested in src/trust.rs.");
}
