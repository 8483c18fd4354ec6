//! `[sleep]` and `[node.broker]`: what a sound file comes to, and what is said of others.

use std::path::Path;

use pehra_cluster::{Cluster, ConfigError, MachineWatts};
use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Timing, WakeRule};
use pehra_core::sleep::traffic::Allowance;
use pehra_core::types::{NodeId, Ticks};

const HEAD: &str = "[cluster]\nname = \"barn\"\n[sleep]\n";

/// Nodes 1 to 3 with brokers 101 to 103.
fn nodes() -> String {
    (1..=3).map(|id| node(id, 100 + id)).collect()
}

fn node(id: u16, broker: u16) -> String {
    format!(
        "[[node]]\nid = {id}\naddress = \"barn{id}:1\"\n[node.broker]\nid = {broker}\naddress = \"barn{id}:9093\"\nlisten = \
         \"0.0.0.0:9092\"\nupstream = \"127.0.0.1:9094\"\n"
    )
}

fn read(text: &str) -> Result<Cluster, ConfigError> {
    Cluster::parse(Path::new("cluster.toml"), text)
}

fn sound(text: &str) -> Cluster {
    read(text).unwrap_or_else(|error| panic!("{error}"))
}

/// All that is wrong, as a person reads it.
fn wrong(text: &str) -> String {
    read(text)
        .map(|_| text.to_owned())
        .expect_err("something is wrong")
        .to_string()
}

#[test]
fn the_example_says_what_its_comments_say() {
    let cluster = Cluster::read(Path::new("../../examples/sleep.toml")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(cluster.warnings, []);
    let guard = cluster.guard(2).expect("node 2 takes part");
    assert_eq!(guard.check(), Ok(()));
    assert_eq!(
        (guard.gear, guard.wake, guard.voter_spare),
        (Gear::Lean, WakeRule::Needed, 1)
    );
    assert_eq!(guard.timing, Timing::SERVERS);
    let ids = |ids: &[u16]| ids.iter().map(|id| NodeId(*id)).collect::<NodeSet>();
    assert_eq!((guard.voters, guard.brokers), (ids(&[11, 12, 13]), ids(&[1, 2, 3])));
    let text = std::fs::read_to_string("../../examples/sleep.toml").expect("it is there");
    let switched = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) && !rest.contains("mac =") => {
            rest
        }
        _ => line,
    });
    // What follows [sleep] up to the next table: with each comment on, only the profile is another one.
    let switched: Vec<&str> = switched.take_while(|line| !line.starts_with("[power]")).collect();
    let all = format!("{}\n{}", switched.join("\n"), nodes());
    let all = sound(&all);
    let (settings, plain) = (all.sleep.expect("there"), cluster.sleep.expect("there"));
    assert_eq!(settings.kafka.len(), 1);
    assert_eq!(settings.watts, Some(MachineWatts { idle: 100, asleep: 6 }));
    assert_eq!(
        pehra_cluster::SleepSettings {
            kafka: vec![],
            watts: None,
            ..settings
        },
        plain,
        "the comments show the defaults"
    );
}

#[test]
fn what_the_file_leaves_out_is_as_documented() {
    let cluster = sound(&format!("{HEAD}{}", nodes()));
    let settings = cluster.sleep.as_ref().expect("it is there");
    assert_eq!(settings.hold_max, Ticks(20_000));
    let broker = cluster
        .member(2)
        .and_then(|member| member.broker.as_ref())
        .expect("it has one");
    assert_eq!(
        (broker.id, broker.address.to_string(), broker.stay_awake),
        (102, "barn2:9093".into(), false)
    );
    assert_eq!(settings.timing.alarm, Timing::ALARM_ALONE, "nobody but sleepers votes");
    let warnings = format!("{:?}", cluster.warnings);
    assert!(warnings.contains("3 of 3 voters stay awake"), "{warnings}");
    let calm = sound(&format!("{HEAD}voter-spare = 0\nidle-ms = 7000\n{}", nodes()));
    assert_eq!(calm.warnings, []);
    assert_eq!(calm.guard(1).expect("it takes part").timing.idle, Ticks(7000));
    assert!(
        sound("[cluster]\nname = \"a\"\n[[node]]\nid = 0\naddress = \"h:1\"\n")
            .guard(0)
            .is_none()
    );
}

/// A node whose broker nothing stands in front of.
fn seen_by_sockets(id: u16, sockets: &str) -> String {
    node(id, 100 + id).replace(
        "listen = \"0.0.0.0:9092\"\nupstream = \"127.0.0.1:9094\"\n",
        &format!("sockets = {sockets}\n"),
    )
}

#[test]
fn a_broker_is_seen_by_its_sockets_if_the_file_says_so() {
    let written = "{ ports = [9092, 9095], idle-bytes-per-second = 300 }";
    let text = [
        HEAD,
        "voter-spare = 0\n",
        &seen_by_sockets(1, "{ ports = [9092] }"),
        &seen_by_sockets(2, written),
        &node(3, 103),
    ];
    let cluster = sound(&text.concat());
    assert_eq!(cluster.warnings, []);
    let broker = |id| {
        cluster
            .member(id)
            .and_then(|member| member.broker.clone())
            .expect("it has one")
    };
    let seen = |id| {
        let sockets = broker(id).sockets?;
        Some((
            sockets.ports.into_iter().collect::<Vec<_>>(),
            sockets.idle.bytes_per_second,
        ))
    };
    assert_eq!(seen(1), Some((vec![9092], Allowance::USUAL.bytes_per_second)));
    assert_eq!(seen(2), Some((vec![9092, 9095], 300)));
    assert_eq!(seen(3), None);
    assert!(broker(1).proxy.is_none() && broker(3).proxy.is_some());
}

#[test]
fn what_sockets_cannot_do_is_said_with_its_line_and_rule() {
    let (all, usual) = (nodes(), "{ ports = [9092] }");
    let both = node(1, 101) + "sockets = { ports = [9092] }\n";
    for (text, said) in [
        (
            format!("{HEAD}gear = \"watch\"\n{}", seen_by_sockets(1, usual)),
            "cluster.toml:11: node.broker.sockets: in gear watch a write waits for a wake, and nobody stands at a sleeper's address to take \
             it; write gear = \"lean\" in [sleep], or listen and upstream instead of sockets",
        ),
        (
            format!("{HEAD}load-max = 5\n{}", seen_by_sockets(1, usual)),
            "node.broker.sockets: load-max counts requests, and what passes at sockets is not read; leave load-max out",
        ),
        (
            format!("{HEAD}{both}"),
            "node.broker.sockets: this broker has a proxy, which sees more; keep listen and upstream, or sockets, and not both",
        ),
        (
            format!("{HEAD}{}", seen_by_sockets(1, "{ ports = [9093] }")),
            "node.broker.sockets: brokers and nodes come by port 9093 too, and are never idle; give clients a listener of their own",
        ),
        (
            format!("{HEAD}{}", seen_by_sockets(1, "{ idle-bytes-per-second = 9 }")),
            "node.broker.sockets.ports: no port is named; write ports = [9092]",
        ),
        (
            format!("{HEAD}{}", seen_by_sockets(1, "{ ports = [] }")),
            "node.broker.sockets.ports: the list is empty; write a list of whole numbers from 1 to 65535",
        ),
        (
            format!("{HEAD}{}", seen_by_sockets(1, "{ ports = [9092, 0] }")),
            "node.broker.sockets.ports: 0 is out of range; write a whole number from 1 to 65535",
        ),
        (
            format!("{HEAD}{}", seen_by_sockets(1, "{ ports = 9092 }")),
            "node.broker.sockets.ports: there is an integer; write a list",
        ),
        (
            format!(
                "{HEAD}{}",
                seen_by_sockets(1, "{ ports = [9092], idle-bytes-per-second = 0 }")
            ),
            "node.broker.sockets.idle-bytes-per-second: 0 is out of range",
        ),
        (
            format!("{HEAD}{}", seen_by_sockets(1, "{ port = [9092] }")),
            "node.broker.sockets.port: there is no such key; did you mean `ports`",
        ),
        (
            format!("{HEAD}{}", seen_by_sockets(1, "[9092]")),
            "node.broker.sockets: there is an array; write the table [node.broker.sockets]",
        ),
    ] {
        let wrong = wrong(&text);
        assert!(wrong.contains(said), "{wrong}\nshould say: {said}\n{text}");
    }
    // The others are sound with each of these.
    for more in ["gear = \"watch\"\n", "load-max = 5\n"] {
        sound(&format!("{HEAD}{more}{all}"));
    }
}

#[test]
fn what_cannot_work_is_said_with_its_line_and_rule() {
    let all = nodes();
    for (text, said) in [
        (
            format!("{HEAD}gear = \"lena\"\n{all}"),
            "cluster.toml:4: sleep.gear: there is no gear \"lena\"; did you mean `lean`",
        ),
        (
            format!("{HEAD}wake = \"none\"\n{all}"),
            "sleep.wake: there is no wake \"none\"; there are: needed, all",
        ),
        (
            format!("{HEAD}idel-ms = 1\n{all}"),
            "sleep.idel-ms: there is no such key; did you mean `idle-ms`",
        ),
        (
            format!("{HEAD}tell-ms = 9\nidle-ms = 8\n{all}"),
            "cluster.toml:4: sleep.tell-ms: members tell how they stand every 9 ms",
        ),
        (
            format!("{HEAD}rouse-ms = 9\nwake-ms = 9\n{all}"),
            "sleep.rouse-ms: a wake is repeated every 9 ms, and given up after 9 ms",
        ),
        (
            format!("{HEAD}answer-ms = 60000\n{all}"),
            "sleep.answer-ms: whoever is called has 60000 ms to answer, and its wake is given up after 60000 ms",
        ),
        (
            format!("{HEAD}alarm-ms = 3000\n{all}"),
            "sleep.alarm-ms: a sleeper whose alarm clock rings every 3000 ms",
        ),
        (
            format!("{HEAD}idle-watts = 40\nasleep-watts = 40\n{all}"),
            "cluster.toml:5: sleep.asleep-watts: a machine that draws 40 W asleep and 40 W up saves nothing; write fewer than 40 W",
        ),
        (
            format!("{HEAD}asleep-watts = 3\n{all}"),
            "cluster.toml:4: sleep.idle-watts: what a machine draws takes two figures, and there is no idle-watts",
        ),
        (
            format!("{HEAD}idle-watts = 0\n{all}"),
            "cluster.toml:4: sleep.idle-watts: 0 is out of range; write a whole number from 1 to 100000",
        ),
        (
            format!("{HEAD}[log]\n{all}"),
            "cluster.toml:3: sleep: this cluster's log is that of [sleep]",
        ),
        (
            format!("{HEAD}kafka = \"barn\"\n{all}"),
            "sleep.kafka: \"barn\" has no port",
        ),
        (
            format!("{HEAD}[[node]]\nid = 1\naddress = \"h:1\"\n"),
            "sleep: no member has a broker",
        ),
        (
            all.replacen("[[node]]", "[cluster]\nname = \"a\"\n[[node]]", 1),
            "cluster.toml:6: node.broker: a node has a broker, and nothing says",
        ),
        (
            format!("{HEAD}{}{}", node(1, 101), node(2, 101)),
            "node.broker.id: two nodes have the broker 101, the other one on line 8",
        ),
        (
            format!("{HEAD}{}", node(1, 1).replace("listen = \"0.0.0.0:9092\"\n", "")),
            "node.broker.listen: a proxy needs both",
        ),
        (
            format!("{HEAD}{}", node(1, 1).replace("0.0.0.0:9092", "barn")),
            "node.broker.listen: \"barn\" is no address with a port",
        ),
        (
            format!("{HEAD}{}", node(1, 1).replace("0.0.0.0:9092", "127.0.0.1:9094")),
            "would both listen at 127.0.0.1:9094",
        ),
        (
            format!("{HEAD}{}", node(1, 1).replace("address = \"barn1:9093\"\n", "")),
            "node.broker.address: this broker has no address",
        ),
    ] {
        let wrong = wrong(&text);
        assert!(wrong.contains(said), "{wrong}\nshould say: {said}\n{text}");
    }
}
