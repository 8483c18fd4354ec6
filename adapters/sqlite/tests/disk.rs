//! A full disk: a small file system of its own, mounted by the child in a name space of its own. That needs root, or a
//! system that lets users have name spaces.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{DATABASE, ROLE, as_child, me, told};
use pehra_core::delivery::{Codes, Downlink, Heartbeat, ReceiverClaim, Refusal, SenderClaim, SenderConfig};
use pehra_core::delivery::{SenderRecord, Seq};
use pehra_core::pipeline::{Content, Pipeline, PipelineConfig, PipelineEvent, PipelineImage, PipelineRecord};
use pehra_core::pipeline::{PipelineReport, Taken};
use pehra_core::protocol::Image;
use pehra_core::types::{Broken, Household, NodeId, RequestId};
use pehra_core::window::{Code, Reading, Take, WindowConfig};
use pehra_driver::{End, Mail, Mailbox, Options, Shell, Store, StoreError, mailbox, run};
use pehra_sqlite::EdgeStore;
use pehra_testbed::process::wait_until;
use pehra_testbed::records::{calm_acts, longest_edge_life};

const MIB: u64 = 1024 * 1024;
const RESERVE: u64 = 4 * MIB;
const CLOUD: NodeId = NodeId(2);

fn on_a_small_disk(role: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = as_child(&me(), role, &folder.path().join("edge.db"), 0);
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["sh", "-c", "mount -t tmpfs -o size=24m tmpfs \"$0\" && exec \"$@\""])
        .arg(folder.path())
        .arg(plain.get_program())
        .args(plain.get_args());
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.output().expect("unshare is a part of every Debian");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "if it could not mount a file system: run this test as root, or allow name spaces with \
         `sysctl kernel.unprivileged_userns_clone=1`\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_nearly_full_disk_is_drained_from_the_reserve_and_nothing_is_lost() {
    on_a_small_disk("drain");
}

#[test]
fn without_a_reserve_a_full_disk_is_an_error_that_loses_nothing() {
    on_a_small_disk("no-reserve");
}

#[test]
fn an_edge_takes_nothing_on_a_full_disk_and_resumes_alone() {
    on_a_small_disk("edge");
}

#[test]
#[ignore = "no test of its own: the tests beside it start it as a child process"]
fn child() {
    let path = PathBuf::from(told(DATABASE));
    match told(ROLE).as_str() {
        "drain" => drain(&path),
        "no-reserve" => no_reserve(&path),
        "edge" => edge(&path),
        role => panic!("no role {role}"),
    }
}

fn filler(database: &Path) -> PathBuf {
    database.with_extension("filler")
}

/// Takes all but `left` bytes of the disk.
fn fill(database: &Path, left: u64) {
    let stat = rustix::fs::statvfs(database.parent().expect("a folder")).expect("figures of the disk");
    let take = (stat.f_bavail * stat.f_frsize).saturating_sub(left);
    let block = vec![1; usize::try_from(take).expect("it fits")];
    File::create(filler(database))
        .and_then(|mut file| file.write_all(&block))
        .expect("a filler");
}

fn summary(image: &PipelineImage) -> pehra_core::protocol::Recovered<pehra_core::pipeline::PipelineDurable> {
    Image::<Pipeline>::summary(image)
}

fn drain(path: &Path) {
    let mut store = EdgeStore::open_with_reserve(path, RESERVE).expect("it opens");
    assert!(!store.is_short());
    let mut image = PipelineImage::default();
    fill(path, 3 * MIB);
    let life = longest_edge_life(&calm_acts(5, 100_000));
    let mut commits = life.chunks(20).map(<[_]>::concat);
    while !store.is_short() {
        let commit: Vec<PipelineRecord> = commits.next().expect("the disk is full before the life ends");
        store.commit(&commit).expect("a commit, from the reserve if need be");
        commit.iter().for_each(|record| image.apply(record));
    }
    assert!(!path.with_extension("reserve").exists(), "the reserve is still there");
    // What draining writes: rows marked sent and acknowledged, one commit each.
    let cursors = *image.outbox().cursors();
    for _ in 0..2000 {
        let records = [
            SenderRecord::Sent(cursors.last),
            SenderRecord::Rewound { to: cursors.acked },
        ];
        let records = records.map(PipelineRecord::Sender);
        store.commit(&records).expect("draining has room");
        records.iter().for_each(|record| image.apply(record));
        assert!(store.is_short());
    }
    assert_eq!(store.load().expect("it loads"), summary(&image));
    fs::remove_file(filler(path)).expect("the filler goes");
    assert!(!store.is_short(), "space is back, and it is not seen");
    let reserve = fs::metadata(path.with_extension("reserve"))
        .expect("the reserve is back")
        .len();
    assert_eq!(reserve, RESERVE);
    drop(store);
    let mut store = EdgeStore::open_with_reserve(path, RESERVE).expect("it opens again");
    assert_eq!(store.load().expect("it loads"), summary(&image));
}

fn no_reserve(path: &Path) {
    let mut image = PipelineImage::default();
    let life = longest_edge_life(&calm_acts(5, 100_000));
    let mut commits = life.chunks(20).map(<[_]>::concat);
    let mut store = EdgeStore::open_with_reserve(path, 64 * MIB).expect("it opens");
    assert!(store.is_short(), "there is no room for a reserve, and it is not said");
    fill(path, 2 * MIB);
    let (refused, error) = loop {
        let commit: Vec<PipelineRecord> = commits.next().expect("the disk is full before the life ends");
        match store.commit(&commit) {
            Ok(()) => commit.iter().for_each(|record| image.apply(record)),
            Err(error) => break (commit, error.to_string()),
        }
    };
    assert!(
        error.contains("the disk is full") && error.contains("free some space"),
        "{error}"
    );
    drop(store);
    // Still full: the driver tries again and again, and each time it is the same store.
    for _ in 0..3 {
        let mut store = EdgeStore::open_with_reserve(path, 64 * MIB).expect("it opens although the disk is full");
        assert_eq!(store.load().expect("it loads"), summary(&image));
        store.commit(&refused).expect_err("the disk is still full");
    }
    fs::remove_file(filler(path)).expect("the filler goes");
    let mut store = EdgeStore::open_with_reserve(path, 64 * MIB).expect("it opens");
    store.commit(&refused).expect("there is room again");
    refused.iter().for_each(|record| image.apply(record));
    assert_eq!(store.load().expect("it loads"), summary(&image));
}

/// What an edge's node said, and a cloud that answers it at once.
#[derive(Clone)]
struct Seen {
    letters: Mailbox<Pipeline>,
    refused: Arc<Mutex<usize>>,
    acked: Arc<Mutex<Seq>>,
    position: Arc<Mutex<Option<u64>>>,
}

impl Seen {
    fn refused(&self) -> usize {
        *self.refused.lock().expect("not poisoned")
    }

    fn position(&self) -> u64 {
        self.position.lock().expect("not poisoned").unwrap_or(0)
    }
}

impl Shell<Pipeline> for Seen {
    fn notice(&mut self, _to: NodeId, _notice: Heartbeat) {}

    fn claim(&mut self, _to: NodeId, claim: SenderClaim<pehra_core::window::Tuple>) {
        let credit = 1000;
        let answer = match claim {
            SenderClaim::Hello { epoch, session, .. } => ReceiverClaim::Welcome {
                epoch,
                session,
                high: *self.acked.lock().expect("not poisoned"),
                credit,
            },
            SenderClaim::Batch { epoch, rows } => {
                *self.acked.lock().expect("not poisoned") = rows.last();
                ReceiverClaim::Ack {
                    epoch,
                    high: rows.last(),
                    codes: Some(Codes {
                        first: rows.first,
                        codes: rows
                            .asks
                            .iter()
                            .map(|household| (*household, Code(*b"10115")))
                            .collect(),
                    }),
                    credit,
                }
            }
        };
        let letter = Mail::Message {
            from: CLOUD,
            message: Downlink::from(answer),
        };
        let letters = self.letters.clone();
        tokio::spawn(async move { letters.send(letter).await.is_ok() });
    }

    fn event(&mut self, _event: PipelineEvent) {}

    fn report(&mut self, report: PipelineReport) {
        if let PipelineReport::Refused(_, why) = report {
            assert_eq!(why, Refusal::Stalled);
            *self.refused.lock().expect("not poisoned") += 1;
        }
    }

    fn look(&mut self, state: &Pipeline) {
        *self.position.lock().expect("not poisoned") = state.position(0);
    }

    fn store_failed(&mut self, error: &StoreError) {
        panic!("the reserve was to prevent this: {error}");
    }

    fn fault(&mut self, broken: Broken) {
        panic!("{broken}");
    }
}

fn taken(at: u64) -> Taken {
    let reading = Reading {
        household: Household::new(&format!("H{}", at % 50)).expect("a name"),
        time_ms: 1_700_000_000_000 + i64::try_from(at / 50).unwrap_or(0) * 1000,
        power_mw: 100,
        register: None,
    };
    let now_ms = reading.time_ms;
    Taken {
        partition: 0,
        before: at,
        after: at + 1,
        content: Content::Reading(Take { reading, now_ms }),
    }
}

fn edge(path: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let (letters, inbox) = mailbox::<Pipeline>(64);
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let seen = Seen {
            letters: letters.clone(),
            refused: Arc::default(),
            acked: Arc::default(),
            position: Arc::default(),
        };
        let config = PipelineConfig {
            windows: WindowConfig::default(),
            sender: SenderConfig::deployed(CLOUD),
        };
        let mut shell = seen.clone();
        let database = path.to_owned();
        let open = move || EdgeStore::open_with_reserve(&database, RESERVE);
        let node =
            tokio::spawn(
                async move { run(&config, Options::deployed("edge"), open, &mut shell, inbox, stopping).await },
            );
        let offer = async |at: u64| {
            let command = Mail::Command(RequestId(at), taken(at));
            letters.send(command).await.expect("the node takes mail");
        };
        offer(0).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        fill(path, 2 * MIB);
        let started = Instant::now();
        let mut at = 1;
        while seen.refused() == 0 {
            assert!(started.elapsed() < Duration::from_secs(60), "the disk never filled up");
            offer(at).await;
            at += 1;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (stands, before) = (seen.position(), seen.refused());
        for _ in 0..10 {
            offer(stands).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(seen.position(), stands, "it took something in on a full disk");
        assert_eq!(seen.refused(), before + 10);
        let drained = pehra_sqlite::backlog(path).expect("the cursors");
        assert_eq!(drained.last, drained.acked, "it did not drain");
        fs::remove_file(filler(path)).expect("the filler goes");
        // Nobody tells it: it sees for itself.
        let mut tries = 0;
        while seen.position() == stands {
            tries += 1;
            assert!(tries < 200, "it did not resume");
            offer(stands).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.send(true).expect("a node");
        assert_eq!(node.await.expect("no panic"), End::Stopped);
    });
    wait_until("the reserve is back", Duration::from_secs(1), || {
        path.with_extension("reserve").exists()
    });
}
