//! What a page is told of a cluster, from replies of real nodes, as they came (bins/pehra/tests/guard.rs records them).

use std::path::{Path, PathBuf};

use pehra_asking::{Panels, View};
use pehra_cluster::ask::Reply;
use pehra_cluster::{Cluster, DoingNow, SleepStatus, WatchRole};
use pehra_web::ClusterPanel;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bins/pehra/tests/top")
}

/// The cluster of the recordings; with figures of what its machines draw.
fn cluster(watts: bool) -> Cluster {
    let text = std::fs::read_to_string(folder().join("cluster.toml")).expect("a cluster");
    let text = if watts {
        text.replace("[sleep]\n", "[sleep]\nidle-watts = 100\nasleep-watts = 6\n")
    } else {
        text
    };
    Cluster::parse(Path::new("cluster.toml"), &text).unwrap_or_else(|error| panic!("{error}"))
}

fn recorded(cluster: &Cluster, name: &str) -> Vec<View> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.jsonl"))).expect("a recording");
    let views = cluster.members.iter().zip(text.lines()).map(|(member, line)| View {
        member: member.clone(),
        status: match Reply::read(line.as_bytes()) {
            Ok(Reply::Status(status)) => Ok(*status),
            Ok(_) | Err(_) => Err(line.to_owned()),
        },
    });
    views.collect()
}

fn duty(views: &mut [View], nth: usize) -> &mut SleepStatus {
    let status = views[nth].status.as_mut().expect("it answered");
    status.sleep.as_mut().expect("it has a duty")
}

/// All machines sleep with their brokers.
fn suspended(views: &mut [View]) {
    for nth in 0..views.len() {
        duty(views, nth).power = "suspend".into();
    }
}

fn doing(panel: &ClusterPanel) -> Vec<&str> {
    panel.nodes.iter().map(|node| node.doing.as_str()).collect()
}

#[test]
fn who_watches_and_who_sleeps_is_as_the_nodes_say() {
    let cluster = cluster(false);
    let panel = Panels::of(&cluster).panel(&recorded(&cluster, "asleep"), 1234);
    assert_eq!((panel.name.as_str(), panel.updated_ms), ("barn", 1234));
    assert_eq!((panel.on, panel.epoch, panel.gear.as_str()), (true, 1, "lean"));
    assert_eq!((panel.pehredar, panel.plan), (Some(3), Some((3, 1))));
    assert_eq!(doing(&panel), ["asleep", "active", "active"]);
    assert_eq!(panel.nodes[0].boxes(), ["state-sleeping"]);
    assert_eq!(
        panel.nodes[0].awake_because, None,
        "who sleeps is not asked why it is awake"
    );
    let on_duty: Vec<bool> = panel.nodes.iter().map(|node| node.on_duty).collect();
    assert_eq!(on_duty, [false, true, true]);
    assert!(panel.nodes.iter().all(|node| node.reached && !node.alert));
    assert_eq!(panel.nodes[2].role, "pehredar");
}

#[test]
fn a_stopped_process_is_never_shown_to_save_anything() {
    let cluster = cluster(true);
    let panel = Panels::of(&cluster).panel(&recorded(&cluster, "asleep"), 0);
    assert_eq!(panel.watts, None);
    let note = panel.power_note.expect("a note");
    assert!(note.contains("saves next to nothing"), "{note}");
}

#[test]
fn watts_are_reckoned_from_the_file_and_never_called_measured() {
    let plain = cluster(false);
    let mut views = recorded(&plain, "asleep");
    suspended(&mut views);
    let panel = Panels::of(&plain).panel(&views, 0);
    assert_eq!(panel.watts, None, "nobody says what a machine draws");
    assert!(panel.power_note.is_some_and(|note| note.contains("idle-watts")));

    let known = cluster(true);
    let mut panels = Panels::of(&known);
    let panel = panels.panel(&views, 0);
    let watts = panel.watts.expect("figures");
    assert_eq!((watts.now, watts.all_up, watts.measured), (206.0, 300.0, false));
    assert_eq!(panel.power_note, None);
    // Whoever is on the way draws as much as one that is up, and a stopped process saves nothing.
    duty(&mut views, 0).doing = DoingNow::Waking;
    assert_eq!(panels.panel(&views, 0).watts.expect("figures").now, 300.0);
    duty(&mut views, 0).doing = DoingNow::Asleep;
    duty(&mut views, 0).power = "process".into();
    let panel = panels.panel(&views, 0);
    assert_eq!(panel.watts.expect("figures").now, 300.0);
    assert!(panel.power_note.is_some_and(|note| note.contains("1 of 3")));
}

#[test]
fn a_machine_that_went_to_sleep_is_asleep_and_another_silent_one_is_an_alert() {
    let cluster = cluster(true);
    let mut views = recorded(&cluster, "asleep");
    suspended(&mut views);
    let mut panels = Panels::of(&cluster);
    let silent = |view: &mut View| view.status = Err("no connection".into());
    // Never heard of: nothing is known of it.
    let mut unheard = views.clone();
    silent(&mut unheard[0]);
    let panel = panels.panel(&unheard, 0);
    assert_eq!(doing(&panel), ["-", "active", "active"]);
    assert!(panel.nodes[0].alert && panel.nodes[0].boxes().is_empty());
    // It said that it goes to sleep, and is silent.
    duty(&mut views, 0).doing = DoingNow::Draining;
    panels.panel(&views, 0);
    silent(&mut views[0]);
    let panel = panels.panel(&views, 0);
    assert_eq!(doing(&panel), ["asleep", "active", "active"]);
    assert!(!panel.nodes[0].reached && !panel.nodes[0].alert);
    assert_eq!(panel.nodes[0].boxes(), ["state-sleeping"]);
    assert_eq!(panel.watts.expect("figures").now, 206.0);
    // The Pehredar misses it.
    duty(&mut views, 2).alerts = vec![1];
    let panel = panels.panel(&views, 0);
    assert!(panel.nodes[0].alert && panel.nodes[0].doing == "-");
    assert_eq!(panel.watts.expect("figures").now, 300.0);
}

#[test]
fn without_anybody_who_watches_the_page_says_so() {
    let cluster = cluster(false);
    let mut views = recorded(&cluster, "asleep");
    duty(&mut views, 2).role = WatchRole::Temporary;
    let panel = Panels::of(&cluster).panel(&views, 0);
    assert_eq!(panel.pehredar, None);
    assert!(panel.held_back.is_some_and(|why| why.contains("nobody watches")));
    for view in &mut views {
        view.status = Err("no connection".into());
    }
    let panel = Panels::of(&cluster).panel(&views, 0);
    assert_eq!(panel.held_back.as_deref(), Some("no node answers"));
    assert_eq!(
        (panel.on, panel.gear.as_str(), panel.watts, panel.power_note),
        (false, "lean", None, None)
    );
}

/// Every word for what a broker does has its box, but for those who have no broker.
#[test]
fn everything_that_a_broker_can_do_has_a_box() {
    let cluster = cluster(false);
    let mut views = recorded(&cluster, "asleep");
    for doing in [
        DoingNow::Active,
        DoingNow::Draining,
        DoingNow::Asleep,
        DoingNow::Ringing,
        DoingNow::Waking,
        DoingNow::Maintenance,
        DoingNow::Unknown,
    ] {
        duty(&mut views, 0).doing = doing;
        let panel = Panels::of(&cluster).panel(&views, 0);
        assert_eq!(
            panel.nodes[0].boxes().is_empty(),
            doing == DoingNow::Unknown,
            "{doing:?}"
        );
    }
}
