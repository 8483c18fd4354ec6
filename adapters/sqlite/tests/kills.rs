//! `kill -9` at random moments: what is there afterwards is what was reported, or a little more, never a torn commit.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{DATABASE, FROM, ROLE, as_child, group_end, me, told};
use pehra_core::delivery::{CloudImage, Receiver, RowsQuery, Seq};
use pehra_core::pipeline::{Pipeline, PipelineImage};
use pehra_core::protocol::{Image, Protocol};
use pehra_core::types::EdgeName;
use pehra_core::window::Tuple;
use pehra_driver::Store;
use pehra_sqlite::{CloudStore, EdgeStore, list_set_aside, read_windows};
use pehra_testbed::process::Process;
use pehra_testbed::records::{calm_acts, image_after, longest_cloud_life, longest_edge_life};
use rand::{RngExt, SeedableRng};

const SEED: u64 = 11;
const ACTS: usize = 20_000;
const KILLS: usize = 20;

fn edge(path: &Path) -> EdgeStore {
    EdgeStore::open_with_reserve(path, 4096).expect("the store opens")
}

fn cloud(path: &Path) -> CloudStore {
    let name = EdgeName::new("edge").expect("a name");
    CloudStore::open(path, name, Box::new(|_, _, _| {})).expect("the store opens")
}

/// Commits the rest of a life, and says after each group how far it is.
fn commit_on<P: Protocol>(store: &mut impl Store<P>, life: &[Vec<P::Record>], from: usize) {
    let mut at = from;
    while at < life.len() {
        let end = group_end(at, life.len());
        store.commit(&life[at..end].concat()).expect("a commit");
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {end}")
            .and_then(|()| out.flush())
            .expect("a parent");
        at = end;
    }
}

#[test]
#[ignore = "no test of its own: the tests beside it start it as a child process"]
fn child() {
    let path = std::path::PathBuf::from(told(DATABASE));
    let from = told(FROM).parse().expect("a number");
    match told(ROLE).as_str() {
        "edge" => commit_on::<Pipeline>(&mut edge(&path), &longest_edge_life(&calm_acts(SEED, ACTS)), from),
        "cloud" => commit_on::<Receiver<Tuple>>(&mut cloud(&path), &longest_cloud_life(&calm_acts(SEED, ACTS)), from),
        role => panic!("no role {role}"),
    }
}

/// Starts the child, kills it after `moment` counted from its first report, and says what it last reported.
fn run_and_kill(command: &mut Command, from: usize, moment: Duration) -> usize {
    let mut process = Process::start(command.stdout(Stdio::piped()), "");
    let mut lines = BufReader::new(process.child().stdout.take().expect("a pipe")).lines();
    let mut reported = from;
    let mut read = |reported: &mut usize| -> bool {
        let Some(Ok(line)) = lines.next() else { return false };
        // The harness puts its own words before the first line.
        if let Some((_, number)) = line.rsplit_once("durable ") {
            *reported = number.parse().expect("a number");
        }
        true
    };
    while reported == from && read(&mut reported) {}
    std::thread::sleep(moment);
    process.kill9();
    while read(&mut reported) {}
    reported
}

/// Kills `KILLS` children; `stands` finds where the reopened store stands, from the reported commit on.
fn kill_often(role: &str, len: usize, mut stands: impl FnMut(&Path, usize) -> usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("store.db");
    let mut rng = rand::rngs::StdRng::seed_from_u64(SEED);
    let (mut from, mut beyond) = (0, 0);
    for kill in 0..KILLS {
        assert!(
            from < len,
            "the life is too short for {KILLS} kills: it ended at kill {kill}"
        );
        let moment = Duration::from_micros(rng.random_range(0..15_000));
        let reported = run_and_kill(&mut as_child(&me(), role, &database, from), from, moment);
        assert!(reported > from, "nothing was committed before kill {kill}");
        from = stands(&database, reported);
        beyond += usize::from(from > reported);
    }
    println!("{role}: {KILLS} kills in {from} commits; {beyond} times one more group was there than reported");
}

/// Where a group ended that the child may have committed without having said so.
fn possible(reported: usize, len: usize) -> [usize; 2] {
    [reported, group_end(reported, len)]
}

#[test]
fn a_killed_edge_keeps_what_it_reported_and_tears_nothing() {
    let life = longest_edge_life(&calm_acts(SEED, ACTS));
    kill_often("edge", life.len(), |path, reported| {
        let mut store = edge(path);
        let found = store.load().expect("it loads");
        let aside = list_set_aside(path).expect("a list").len();
        let fits = |at: &usize| {
            let image: PipelineImage = image_after(&life, *at);
            let query = RowsQuery {
                first: Seq(1),
                count: 100_000,
            };
            Image::<Pipeline>::summary(&image) == found
                && aside == image.set_aside().len()
                && store.answer(&query).expect("an answer") == image.answer(&query)
        };
        // Both may fit, when the next group says nothing new: then the store stands at the later one.
        let fitting = possible(reported, life.len()).into_iter().rfind(fits);
        fitting.unwrap_or_else(|| panic!("after a report of {reported} the store is at no whole group of commits"))
    });
}

#[test]
fn a_killed_cloud_keeps_what_it_reported_and_tears_nothing() {
    let life = longest_cloud_life(&calm_acts(SEED, ACTS));
    kill_often("cloud", life.len(), |path, reported| {
        let found = cloud(path).load().expect("it loads");
        let (windows, rows, high) = read_windows(path, "edge").expect("windows");
        let fits = |at: &usize| {
            let image: CloudImage<Tuple> = image_after(&life, *at);
            let mut starts: Vec<_> = image
                .applied()
                .iter()
                .map(|(_, _, t)| (t.household, t.start_ms))
                .collect();
            starts.sort_unstable();
            starts.dedup();
            Image::<Receiver<Tuple>>::summary(&image) == found
                && starts.len() == windows.len()
                && (rows, high) == (image.marks().high.0, image.marks().high.0)
        };
        let fitting = possible(reported, life.len()).into_iter().rfind(fits);
        fitting.unwrap_or_else(|| panic!("after a report of {reported} the store is at no whole group of commits"))
    });
}
