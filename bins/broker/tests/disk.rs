//! A voter whose disk is full: a small file system of its own, filled to the last byte, so that the system itself says
//! that there is no space.

mod common;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Cluster, Leader, PATIENCE};
use pehra_testbed::process::wait_until;

/// Room for the database, the reserve (1 MiB), and twice that much free, which it takes to have the reserve again.
const DISK: &str = "6m";

/// What fills the disk, seen from outside of the node's name space.
fn filler(cluster: &mut Cluster, id: usize) -> PathBuf {
    let (pid, data) = (cluster.node(id).pid(), cluster.data(id));
    PathBuf::from(format!("/proc/{pid}/root{}/filler", data.display()))
}

/// Writes until there is no space.
fn fill(cluster: &mut Cluster, id: usize) {
    let path = filler(cluster, id);
    let mut file = File::options().create(true).append(true).open(path).expect("a file");
    // Large pieces, then small ones: not a byte is left.
    for piece in [vec![1; 64 * 1024], vec![1; 1]] {
        let full = loop {
            if let Err(error) = file.write_all(&piece) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
    }
}

fn trouble(cluster: &Cluster, id: usize) -> String {
    cluster.status(id)["trouble"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_full_disk_costs_a_leader_its_place_and_a_voter_its_vote_until_there_is_space() {
    let mut cluster = Cluster::new(3);
    cluster.wrap = Some(Box::new(|_, data| {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let script = format!("mkdir -p \"$0\" && mount -t tmpfs -o size={DISK} tmpfs \"$0\" && exec \"$@\"");
        command.args(["sh", "-c", &script]).arg(data);
        command
    }));
    (0..3).for_each(|id| cluster.start(id));
    let first = cluster.leader(0);
    let full = first.node;
    let began = Instant::now();
    fill(&mut cluster, full);
    let second = cluster.leader(first.fencing);
    println!("the others elected {:?} after the disk was full", began.elapsed());
    assert_ne!(second.node, full);
    let log = cluster.log(full);
    assert!(
        log.contains("leads no longer") && log.contains("the disk is full"),
        "{log}"
    );
    assert!(
        trouble(&cluster, full).contains("does not lead"),
        "{}",
        cluster.status(full)
    );

    // From its reserve it votes on: without its vote there would be no majority.
    let third = (0..3).find(|id| ![full, second.node].contains(id)).expect("three");
    cluster.kill9(second.node);
    let by_reserve = cluster.leader(second.fencing);
    assert_eq!(by_reserve.node, third, "one that is full does not lead");
    // (The mount is gone with the process, and so is its state: it comes back as one that was never there.)

    fill(&mut cluster, full);
    // Now the reserve is full too, and whatever becomes free is taken at once. A vote that cannot be kept is not given: it
    // fails, and the store is opened again. (That folds its log back, which frees the room that the log had, so now and then
    // a vote comes about. Both must be harmless.)
    let refused = cluster.ask(third, r#"{"ask":"resign"}"#).expect("an answer");
    assert_eq!(refused["done"]["ask"], "resign", "{refused}");
    let mut highest = by_reserve.fencing;
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        fill(&mut cluster, full);
        // (This looks at the numbers, too.)
        if let Some(leader) = cluster.leader_now() {
            assert_eq!(leader.node, third, "one that is full does not lead");
            highest = leader.fencing;
            let _ = cluster.ask(third, r#"{"ask":"resign"}"#);
        }
    }
    let log = cluster.log(full);
    assert!(
        log.contains("store failed") && log.contains("the disk is full: free some space"),
        "{log}"
    );

    std::fs::remove_file(filler(&mut cluster, full)).expect("the space is freed");
    let began = Instant::now();
    let back: Leader = cluster.leader(highest);
    println!("a leader {:?} after there was space again", began.elapsed());
    wait_until("nothing is wrong any more", PATIENCE, || {
        cluster.status(full)["trouble"].is_null()
    });
    // Each opening of the store was a life of its own, and the others have heard of the last one.
    let life = cluster.status(full)["incarnation"].as_u64().expect("a number");
    assert!(life > 1, "{life}");
    wait_until("the other one knows", PATIENCE, || {
        let status = cluster.status(third);
        let peers = status["peers"].as_array().expect("a list");
        peers
            .iter()
            .any(|peer| peer["node"] == full && peer["incarnation"] == life)
    });
    // And it may lead again.
    let back = cluster.leader(back.fencing - 1);
    if back.node != full {
        std::thread::sleep(Duration::from_millis(100));
        let order = format!(r#"{{"ask":"transfer","to":{full}}}"#);
        let done = cluster.ask(back.node, &order).expect("an answer");
        assert_eq!(done["done"]["ask"], "transfer", "{done}");
        assert_eq!(cluster.leader(back.fencing).node, full);
    }
}
