//! `kill -9` at random moments: what is there afterwards is what was reported, or a little more, never a torn commit.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{DATABASE, FROM, GROUPS, ROLE, TO, as_child, group_end, me, told};
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

/// Commits a life from here to there, and says after each group how far it is; then waits to be killed.
fn commit_on<P: Protocol>(store: &mut impl Store<P>, life: &[Vec<P::Record>], share: Range<usize>) {
    let mut at = share.start;
    while at < share.end {
        let end = group_end(at, life.len());
        store.commit(&life[at..end].concat()).expect("a commit");
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {end}")
            .and_then(|()| out.flush())
            .expect("a parent");
        at = end;
    }
    // A closed pipe tells that the parent is gone.
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
#[ignore = "no test of its own: the tests beside it start it as a child process"]
fn child() {
    let path = std::path::PathBuf::from(told(DATABASE));
    let number = |name| told(name).parse().expect("a number");
    let share = number(FROM)..number(TO);
    match told(ROLE).as_str() {
        "edge" => commit_on::<Pipeline>(&mut edge(&path), &longest_edge_life(&calm_acts(SEED, ACTS)), share),
        "cloud" => commit_on::<Receiver<Tuple>>(&mut cloud(&path), &longest_cloud_life(&calm_acts(SEED, ACTS)), share),
        role => panic!("no role {role}"),
    }
}

/// Starts the child, kills it a `moment` after it has reported `groups` times, and says what it last reported.
fn run_and_kill(command: &mut Command, from: usize, groups: usize, moment: Duration) -> usize {
    let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()), "");
    let mut reports = BufReader::new(process.child().stdout.take().expect("a pipe"))
        .lines()
        .map_while(Result::ok)
        // The harness puts its own words before the first line.
        .filter_map(|line| Some(line.rsplit_once("durable ")?.1.parse().expect("a number")));
    let heard = reports.by_ref().take(groups).last();
    std::thread::sleep(moment);
    process.kill9();
    reports.last().or(heard).unwrap_or(from)
}

/// Kills `KILLS` children; `stands` finds where the reopened store stands, from the reported commit on.
///
/// Each child has its share of what is left of the life, and waits at its end: on a fast disk none can use it all up.
fn kill_often(role: &str, len: usize, mut stands: impl FnMut(&Path, usize) -> usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("store.db");
    let mut rng = rand::rngs::StdRng::seed_from_u64(SEED);
    let (mut from, mut beyond, mut at_work) = (0, 0, 0);
    let longest = GROUPS.into_iter().max().unwrap_or(1);
    for kill in 0..KILLS {
        let to = group_end(from + (len - from) / (KILLS - kill), len);
        let groups = (to - from) / longest;
        assert!(
            groups > 0,
            "the life is too short for {KILLS} kills: it ended at kill {kill}"
        );
        let groups = rng.random_range(1..=groups);
        let moment = Duration::from_micros(rng.random_range(0..1000));
        let mut command = as_child(&me(), role, &database, from);
        let reported = run_and_kill(command.env(TO, to.to_string()), from, groups, moment);
        assert!(reported > from, "nothing was committed before kill {kill}");
        at_work += usize::from(reported < to);
        from = stands(&database, reported);
        beyond += usize::from(from > reported);
    }
    println!(
        "{role}: {KILLS} kills in {from} commits, {at_work} of them at work; \
         {beyond} times one more group was there than reported"
    );
    assert!(
        at_work > 0,
        "every child had come to the end of its share before it was killed"
    );
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
