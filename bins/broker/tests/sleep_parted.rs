//! T4, the brokers' side: brokers are parted from each other and from the controllers, and their agents are not. Each broker is on a host
//! of its own, and so are the controllers: network name spaces behind a router, which is this process; agents and clients are beside it.

mod common;
mod sleeping;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use common::network::{Hosts, Links, hosts_are_forbidden, in_own_network};
use pehra_testbed::kafka::Kafka;
use pehra_testbed::kafka::cluster::Host;
use sleeping::{Barn, Client};

/// Says that this process is the router.
const ROUTER: &str = "PEHRA_TEST_ROUTER";
/// The controllers' host; a broker's has the broker's number.
const CONTROLLERS: usize = 0;
/// Long beside all timers of profile `test`, and beside the session of a broker.
const A_WHILE: Duration = Duration::from_secs(8);

#[test]
#[ignore = "real brokers, three minutes: ./run deep"]
fn brokers_are_parted_and_agents_are_not() {
    if std::env::var_os(ROUTER).is_some() {
        return parted();
    }
    if let Some(why) = hosts_are_forbidden() {
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: brokers are parted and their agents are not. This machine allows no network name spaces ({why}); run as root, or \
             allow them with `sysctl kernel.unprivileged_userns_clone=1`. Nothing is run instead."
        );
        return;
    }
    // There is no way to the world from in there.
    let _jars = Kafka::fetch();
    let mut command = in_own_network();
    command.arg(std::env::current_exe().expect("a path"));
    let name = "brokers_are_parted_and_agents_are_not";
    let status = command
        .args([name, "--exact", "--ignored", "--nocapture"])
        .env(ROUTER, "1")
        .status();
    let status = status.expect("unshare is a part of every Debian");
    assert!(status.success(), "it failed in its own network: see above");
}

/// Who is what while one of three brokers is cut off.
struct Parted {
    /// It sleeps, or is on its way down, when that happens.
    sleeper: u16,
    /// It runs, and reaches neither the other brokers nor the controllers.
    victim: u16,
    /// It has the last copies that are in sync, as soon as the victim's session has ended.
    last: u16,
}

impl Parted {
    fn of(sleeper: u16, victim: u16) -> Self {
        let last = (1..=3)
            .find(|id| ![sleeper, victim].contains(id))
            .expect("there are three");
        Self { sleeper, victim, last }
    }
}

fn parted() {
    let hosts = Hosts::new(4);
    // What a broker's line names is a file beside this, as it is the same line for all of them.
    let names = tempfile::tempdir().expect("a folder");
    let host = |node: u16, host: usize| {
        let name = names.path().join(format!("{node}.net"));
        std::os::unix::fs::symlink(hosts.name_space(host), &name).expect("a link");
        let host = Host {
            address: Hosts::address(host).to_string(),
            enter: vec!["nsenter".into(), format!("--net={}", name.display())],
        };
        (node, host)
    };
    let brokers = (1..=3).map(|id| host(id, id.into()));
    let controllers = (101..=103).map(|id| host(id, CONTROLLERS));
    let places: BTreeMap<u16, Host> = brokers.chain(controllers).collect();

    // Load that awake brokers bear, so that brokers sleep under it.
    let mut barn = Barn::on(places, "load-max = 1000", 0);
    (1..=3).for_each(|id| barn.start(id));
    barn.all_are_up();
    barn.topic("readings");
    barn.enable();
    let writer = barn.producer("readings", &[]);
    barn.wait("it writes", || writer.sent().len() > 100);

    let sleeper = barn.one_sleeps();
    let pehredar = barn.pehredar().expect("somebody let it sleep");
    let other = Parted::of(sleeper, pehredar).last;
    barn.say("--- one sleeps, and a broker is cut off whose agent does not watch");
    let it = Parted::of(sleeper, other);
    one_is_cut_off(&barn, &hosts, &writer, &it);
    not_even_for_maintenance(&barn, &hosts, &it);

    let sleeper = barn.one_sleeps();
    let pehredar = barn.pehredar().expect("somebody let it sleep");
    barn.say("--- one sleeps, and the Pehredar's broker is cut off");
    one_is_cut_off(&barn, &hosts, &writer, &Parted::of(sleeper, pehredar));
    heal(&barn, &hosts);

    let sleeper = barn.one_sleeps();
    let woken = barn.ask(sleeper, r#"{"ask":"wake"}"#).expect("it answers");
    assert!(!woken["done"].is_null(), "{woken}");
    let draining = || {
        let mut stands = barn.stands().into_iter();
        stands.find(|(_, stand)| stand.doing == "draining").map(|(id, _)| id)
    };
    barn.wait("it is up", || !barn.sleepers().contains(&sleeper));
    let mut leaving = None;
    barn.wait("one is on its way down", || {
        leaving = draining();
        leaving.is_some()
    });
    let leaving = leaving.expect("it was waited for");
    barn.say(&format!(
        "--- broker {leaving} is on its way down, and another one is cut off"
    ));
    let victim = (1..=3).find(|id| *id != leaving).expect("there are three");
    one_is_cut_off(&barn, &hosts, &writer, &Parted::of(leaving, victim));
    heal(&barn, &hosts);

    // All is as before: one may sleep, under load.
    barn.one_sleeps();
    barn.nothing_is_lost("readings", writer);
}

/// The sleeper is woken for it, writes go on without it, and nobody else is let go.
fn one_is_cut_off(barn: &Barn, hosts: &Hosts, writer: &Client, it: &Parted) {
    let pids = (barn.broker_pid(it.last), barn.broker_pid(it.victim));
    let rest = [CONTROLLERS, it.sleeper.into(), it.last.into()];
    rest.iter().for_each(|other| hosts.part(it.victim.into(), *other));
    let cut = Instant::now();
    barn.say(&format!("broker {} reaches nobody; all agents do", it.victim));
    let stay = || {
        let others = barn.sleepers().into_iter().filter(|id| *id != it.sleeper).count();
        assert_eq!(others, 0, "somebody else was let sleep\n{}", barn.logs());
        let now = (barn.broker_pid(it.last), barn.broker_pid(it.victim));
        assert_eq!(now, pids, "a broker was let go, or started anew\n{}", barn.logs());
    };
    barn.wait("the sleeper is up, as one copy is too few", || {
        stay();
        let stand = barn.stand(it.sleeper);
        barn.answers(it.sleeper) && stand.is_some_and(|stand| stand.doing == "active")
    });
    let up = cut.elapsed();
    // What is under way may be answered yet; this is more than that.
    let before = writer.sent().len() + 100;
    barn.wait("writes are taken", || {
        stay();
        writer.sent().len() > before
    });
    barn.say(&format!(
        "broker {} is up {:.1} s after the cut, and writes are taken after {:.1} s",
        it.sleeper,
        up.as_secs_f64(),
        cut.elapsed().as_secs_f64()
    ));
    let until = Instant::now() + A_WHILE;
    while Instant::now() < until {
        stay();
        assert_eq!(
            barn.sleepers(),
            [0; 0],
            "somebody sleeps while a copy is missing\n{}",
            barn.logs()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let said: Vec<_> = barn
        .stands()
        .iter()
        .map(|(_, stand)| stand.all["held_back"].clone())
        .collect();
    println!("what holds the Pehredar back: {said:?}");
}

/// Nobody is stopped to be worked on, either, and as soon as all is healed it is.
fn not_even_for_maintenance(barn: &Barn, hosts: &Hosts, it: &Parted) {
    let pid = barn.broker_pid(it.last);
    barn.tell_pehredar(|_| format!(r#"{{"ask":"maintain","nodes":[{}]}}"#, it.last));
    std::thread::sleep(A_WHILE);
    assert_eq!(barn.broker_pid(it.last), pid, "it was let go\n{}", barn.logs());
    hosts.heal();
    barn.say("healed");
    barn.wait("it is worked on", || {
        barn.stand(it.last).is_some_and(|stand| stand.doing == "maintenance") && barn.broker_pid(it.last).is_none()
    });
    let done = barn.ask(it.last, r#"{"ask":"maintained"}"#).expect("it answers");
    assert!(!done["done"].is_null(), "{done}");
    barn.all_are_up();
}

fn heal(barn: &Barn, hosts: &Hosts) {
    hosts.heal();
    barn.say("healed");
}
