//! Members that are processes of their own: killed, stopped, continued, started again.
//!
//! A child is this test binary once more, as `child` below; it sends back what it is sent.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod members;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use members::{LONG, Member, Town, assert_linked, count, options};
use pehra_core::types::NodeId;
use pehra_nng::mesh::{Event, Lost, MeshOptions, Refusal};
use pehra_testbed::process::Process;
use rustix::process::Signal;
use tokio::time::timeout;

/// What a child is told: the host, how many members, its id, its incarnation, its port's number.
const ROLE: &str = "PEHRA_TEST_MEMBER";

#[test]
#[ignore = "not a test: the other ones start it as a member of its own"]
fn child() {
    let role = std::env::var(ROLE).unwrap_or_else(|_| panic!("{ROLE} is not set: this is a child of the other tests"));
    let words: Vec<&str> = role.split(' ').collect();
    let town = Town {
        host: words[0].to_owned(),
        members: words[1].parse().unwrap(),
    };
    let mut config = town.config(words[2].parse().unwrap());
    config.me.incarnation = words[3].parse().unwrap();
    config.listen = town.endpoint(words[4].parse().unwrap());
    config.options = quick();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut member = Member::start(config).await;
        while let Some(event) = member.events.next().await {
            if let Event::Message { from, bytes } = event {
                let _ = member.mesh.send(from, bytes);
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_killed_is_down_at_once_and_up_again_when_it_restarts() {
    // Both directions: 0 is dialled by the ones here, 3 dials them.
    for node in [0, 3] {
        let town = Town::new(4);
        let mut one = start(&town, 1).await;
        let mut two = start(&town, 2).await;
        one.up(2).await;
        two.up(1).await;
        let (mut downs, mut ups) = (Vec::new(), Vec::new());
        for incarnation in 1..=10 {
            let began = Instant::now();
            let mut process = child_of(&town, node, incarnation);
            for member in [&mut one, &mut two] {
                assert_eq!(member.up(node).await.incarnation, incarnation);
                ups.push(began.elapsed());
                echoes(member, node, &incarnation.to_string()).await;
            }
            let killed = Instant::now();
            process.signal(Signal::KILL);
            for member in [&mut one, &mut two] {
                assert!(matches!(member.down(node).await, Lost::Gone(_)));
                downs.push(killed.elapsed());
            }
            process.kill9();
        }
        tell(&format!("n{node}: from kill -9 to Down"), &mut downs);
        tell(&format!("n{node}: from the start of its process to Up"), &mut ups);
        // Generous: it must not be a timeout of ours that found it out.
        assert!(*downs.last().unwrap() < Duration::from_millis(1000), "{downs:?}");
        assert_linked(&mut one, &mut two).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_stopped_delays_nobody_and_is_linked_again_when_it_goes_on() {
    for node in [0, 3] {
        let town = Town::new(4);
        let mut one = start(&town, 1).await;
        let mut two = start(&town, 2).await;
        one.up(2).await;
        two.up(1).await;
        let process = child_of(&town, node, 1);
        one.up(node).await;
        two.up(node).await;
        process.signal(Signal::STOP);
        // With much to say to it or nothing, the others go on, and the link is given up in the end.
        let mut why = None;
        while why.is_none() {
            let _ = one.mesh.send(NodeId(node), vec![0; 10_000].into());
            one.send(2, "still here");
            match two.next().await {
                Event::Message { from, bytes } => assert_eq!((from, bytes.as_ref()), (NodeId(1), &b"still here"[..])),
                Event::Down { node: gone, why } => assert_eq!((gone, why), (NodeId(node), Lost::Silent)),
                other => panic!("{other:?}"),
            }
            while let Ok(Some(event)) = timeout(Duration::from_millis(1), one.events.next()).await {
                match event {
                    Event::Down { node: gone, why: lost } if gone == NodeId(node) => why = Some(lost),
                    // What it sent back before it was stopped.
                    Event::Message { from, .. } if from == NodeId(node) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(matches!(why, Some(Lost::Slow | Lost::Silent)), "{why:?}");
        process.signal(Signal::CONT);
        loop {
            match one.next().await {
                Event::Up { node: who, .. } if who == NodeId(node) => break,
                Event::Message { from, .. } => assert_eq!(from, NodeId(node)),
                other => panic!("{other:?}"),
            }
        }
        // The other may not have given it up yet; and a stopped process may have found its own links dead, and come twice.
        settles(&mut one, node).await;
        settles(&mut two, node).await;
        assert_linked(&mut one, &mut two).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_on_a_copied_state_directory_is_refused_while_the_first_runs() {
    let town = Town::new(4);
    let mut zero = start(&town, 0).await;
    let mut first = child_of(&town, 3, 1);
    zero.up(3).await;
    let mut copy = Command::new(std::env::current_exe().unwrap());
    let _copy = as_child(&mut copy, &town, 3, 2, 8);
    let (node, why) = zero.refused().await;
    assert_eq!(node, Some(NodeId(3)));
    assert!(
        matches!(&why, Refusal::Identity(refused) if refused.to_string().contains("state directory was copied")),
        "{why:?}"
    );
    echoes(&mut zero, 3, "the first").await;
    assert_eq!(count(&zero.mesh.counters().links), 1);
    first.kill9();
    zero.down(3).await;
    assert_eq!(zero.up(3).await.incarnation, 2);
    echoes(&mut zero, 3, "the second").await;
}

/// Takes the silence of a stopped process for an end soon, so that the tests are short.
fn quick() -> MeshOptions {
    MeshOptions {
        silence_max: Some(Duration::from_millis(800)),
        ..options()
    }
}

async fn start(town: &Town, node: u16) -> Member {
    let mut config = town.config(node);
    config.options = quick();
    Member::start(config).await
}

fn child_of(town: &Town, node: u16, incarnation: u64) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    as_child(&mut command, town, node, incarnation, node)
}

fn as_child(command: &mut Command, town: &Town, node: u16, incarnation: u64, port: u16) -> Process {
    let role = format!("{} {} {node} {incarnation} {port}", town.host, town.members);
    command
        .args(["--ignored", "--exact", "child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Process::start(command, "nothing: it is this very program")
}

async fn echoes(member: &mut Member, node: u16, words: &str) {
    member.send(node, words.to_owned());
    assert_eq!(member.message(node).await, words);
}

/// Until it answers something that was said just now.
async fn settles(member: &mut Member, node: u16) {
    let began = Instant::now();
    for attempt in 0.. {
        assert!(began.elapsed() < LONG, "n{node} does not answer");
        let question = format!("settled? {attempt}");
        let _ = member.mesh.send(NodeId(node), question.clone().into());
        while let Ok(Some(event)) = timeout(Duration::from_millis(200), member.events.next()).await {
            if matches!(event, Event::Message { from, bytes } if from == NodeId(node) && bytes == question) {
                return;
            }
        }
    }
}

fn tell(what: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    eprintln!("{what}: median {median:?}, longest {longest:?} of {}", took.len());
}
