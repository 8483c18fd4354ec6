//! The store of a member with a log: against core's image, through crashes at every commit, and against everything that
//! could make it forget.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pehra_core::election::HardState;
use pehra_core::protocol::{Image, Recovered};
use pehra_core::replication::{
    Body, Durable, Entry, Index, LogId, LogImage, Query, Record, Replication, Rows, Run, Whom,
};
use pehra_core::types::{NodeId, Term};
use pehra_driver::Store;
use pehra_sqlite::{ElectionStore, LogStore, Owner};
use proptest::collection::vec;
use proptest::prelude::*;

type Bytes = Vec<u8>;
type Log = Replication<Bytes>;

fn owner(number: u64) -> Owner {
    Owner {
        cluster: "home".into(),
        number,
        node: NodeId(2),
    }
}

fn open(folder: &Path) -> LogStore<Bytes> {
    open_under(folder, 1)
}

fn open_under(folder: &Path, number: u64) -> LogStore<Bytes> {
    LogStore::open_with_reserve(folder, &owner(number), 4096).expect("the store opens")
}

fn load(store: &mut LogStore<Bytes>) -> Recovered<Durable> {
    store.load().expect("the store loads")
}

/// What a process leaves behind that is killed: the files as they are while the store is open.
fn as_if_killed(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for file in fs::read_dir(from).expect("a list") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.path().join(file.file_name())).expect("a copy");
    }
    to
}

fn at(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn id(term: u64, index: u64) -> LogId {
    LogId::new(Term(term), Index(index))
}

fn hard(term: u64, vote: Option<u16>) -> Record<Bytes> {
    Record::Hard(HardState {
        term: Term(term),
        vote: vote.map(NodeId),
    })
}

fn append(id: LogId, command: &[u8]) -> Record<Bytes> {
    let body = Body::Command(command.to_vec());
    Record::Append(Entry { id, body })
}

/// What a record of a sound life is made of; the places come from the image.
#[derive(Clone, Debug)]
enum Act {
    Hard(u64, Option<u16>),
    Append {
        newer: bool,
        body: Option<Bytes>,
    },
    Truncate(u64),
    Piece {
        base: (u64, u64),
        first: bool,
        piece: Bytes,
    },
    Install {
        gathered: bool,
        back: u64,
    },
    Whole,
}

fn acts() -> impl Strategy<Value = Act> {
    let bytes = || vec(any::<u8>(), 0..6);
    prop_oneof![
        1 => (0..20_u64, any::<Option<u16>>()).prop_map(|(term, vote)| Act::Hard(term, vote)),
        6 => (prop::bool::weighted(0.3), prop::option::of(bytes()))
            .prop_map(|(newer, body)| Act::Append { newer, body }),
        1 => (0..4_u64).prop_map(Act::Truncate),
        3 => ((1..4_u64, 0..3_u64), any::<bool>(), bytes())
            .prop_map(|(base, first, piece)| Act::Piece { base, first, piece }),
        2 => (prop::bool::weighted(0.7), 0..4_u64).prop_map(|(gathered, back)| Act::Install { gathered, back }),
        1 => Just(Act::Whole),
    ]
}

fn record(image: &LogImage<Bytes>, act: Act) -> Record<Bytes> {
    let last = image.last();
    let back = |count: u64| Index(last.index.0.saturating_sub(count).max(image.base.index.0));
    match act {
        Act::Hard(term, vote) => hard(term, vote),
        Act::Append { newer, body } => Record::Append(Entry {
            id: id(last.term.0 + u64::from(newer), last.index.0 + 1),
            body: body.map_or(Body::Empty, Body::Command),
        }),
        Act::Truncate(count) => Record::Truncate { after: back(count) },
        Act::Piece {
            base: (ahead, newer),
            first,
            piece,
        } => {
            // Ahead of the log, at its end, or within it.
            let fresh = id(last.term.0 + newer / 2, (last.index.0 + ahead).saturating_sub(2).max(1));
            let (base, nth) = match &image.gathered {
                // Now and then one of another snapshot, which is not gathered.
                Some((base, _)) if !first && newer == 2 => (id(base.term.0 + 1, base.index.0), 1),
                Some((base, pieces)) if !first => (*base, u32::try_from(pieces.len()).expect("few")),
                _ => (fresh, 0),
            };
            Record::Piece { base, nth, piece }
        }
        Act::Install { gathered, back: count } => {
            let index = back(count);
            let own = image.entry(index).map_or(image.base, |entry| entry.id);
            let base = image
                .gathered
                .as_ref()
                .filter(|_| gathered)
                .map_or(own, |(base, _)| *base);
            Record::Install { base }
        }
        Act::Whole => Record::Whole,
    }
}

/// All that can be asked: the recovered state, every stretch of entries, and every piece.
fn assert_alike(store: &mut LogStore<Bytes>, image: &LogImage<Bytes>) {
    assert_eq!(load(store), Image::<Log>::summary(image));
    let (first, last) = (image.base.index.0, image.last().index.0 + 2);
    let whom = Whom::Host;
    let mut queries = Vec::new();
    for from in first.saturating_sub(1)..=last {
        for upto in [from.saturating_sub(1), from, from + 1, last] {
            let (from, upto) = (Index(from), Index(upto));
            queries.push(Query::Entries { from, upto, whom });
        }
    }
    let count = u32::try_from(image.pieces.len()).expect("few");
    for nth in 0..count + 2 {
        for base in [image.base, id(image.base.term.0 + 1, image.base.index.0)] {
            queries.push(Query::Piece { base, nth, whom });
        }
    }
    for query in queries {
        let answer = store.answer(&query).expect("an answer");
        assert_eq!(answer, Image::<Log>::answer(image, &query), "{query:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_its_image_whenever_it_is_killed(groups in vec(vec(acts(), 1..8), 1..10), lost: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = open(folder.path());
        if lost {
            drop(store);
            fs::remove_file(at(&folder, "election.db")).expect("it was there");
            store = open(folder.path());
        }
        let mut image = LogImage { lost, lacks: lost, ..LogImage::default() };
        for group in groups {
            let mut records = Vec::new();
            for act in group {
                let record = record(&image, act);
                Image::<Log>::apply(&mut image, &record);
                records.push(record);
            }
            store.commit(&records).expect("a commit");
            assert_alike(&mut store, &image);
            if lost {
                // What it gathered is its log once a person has decided, and nothing before.
                let decided = LogImage { lost: false, ..image.clone() };
                assert_alike(&mut open_under(as_if_killed(folder.path()).path(), 2), &decided);
                image = LogImage { hard: image.hard, lost, lacks: lost, ..LogImage::default() };
                drop(store);
                store = open(folder.path());
                assert_alike(&mut store, &image);
            } else {
                assert_alike(&mut open(as_if_killed(folder.path()).path()), &image);
            }
        }
    }
}

/// A member that has voted in term 7 and holds three entries, the last of them of its last commit, and was killed.
fn killed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    let mut store = open(folder.path());
    store
        .commit(&[hard(6, None), append(id(6, 1), b"a")])
        .expect("a commit");
    store
        .commit(&[hard(7, Some(1)), append(id(6, 2), b"b"), append(id(7, 3), b"c")])
        .expect("a commit");
    as_if_killed(folder.path())
}

fn known(term: u64, vote: Option<u16>, runs: &[(u64, u64)], last: u64) -> Recovered<Durable> {
    let run = |(first, term): &(u64, u64)| Run {
        first: Index(*first),
        term: Term(*term),
    };
    Recovered::Known(Durable {
        hard: HardState {
            term: Term(term),
            vote: vote.map(NodeId),
        },
        base: LogId::ZERO,
        runs: runs.iter().map(run).collect(),
        last: Index(last),
        lacks: false,
    })
}

/// The same, of a member that may lack entries.
fn lacking(known: Recovered<Durable>) -> Recovered<Durable> {
    match known {
        Recovered::Known(durable) => Recovered::Known(Durable { lacks: true, ..durable }),
        other => other,
    }
}

#[test]
fn a_killed_member_forgets_nothing() {
    let mut store = open(killed().path());
    assert_eq!(load(&mut store), known(7, Some(1), &[(1, 6), (3, 7)], 3));
    assert_eq!((store.incarnation(), store.lost()), (3, None));
}

#[test]
fn a_log_that_is_torn_anywhere_is_cut_back_to_a_whole_commit_or_found_out() {
    let folder = killed();
    let bytes = fs::read(at(&folder, "election.db-wal")).expect("the log");
    let states = [
        Recovered::Lost,
        Recovered::Fresh,
        known(6, None, &[(1, 6)], 1),
        known(7, Some(1), &[(1, 6), (3, 7)], 3),
    ];
    let mut before = 0;
    for end in (0..=bytes.len()).step_by(509).chain([bytes.len()]) {
        let torn = as_if_killed(folder.path());
        fs::write(at(&torn, "election.db-wal"), &bytes[..end]).expect("a torn log");
        let found = load(&mut open(torn.path()));
        let which = states.iter().position(|state| *state == found);
        let which = which.unwrap_or_else(|| panic!("cut at {end}: {found:?} was never committed"));
        assert!(which >= before, "cut at {end}: less than with a shorter log");
        before = which;
    }
    assert_eq!(before, 3, "the whole log holds all");
}

#[test]
fn whatever_makes_it_forget_is_found_out_and_its_log_begins_anew() {
    type Spoil = fn(&tempfile::TempDir);
    let spoil: [(&str, Spoil); 4] = [
        ("is gone", |folder| {
            for name in ["election.db", "election.db-wal", "election.db-shm"] {
                fs::remove_file(at(folder, name)).expect("it was there");
            }
        }),
        ("log is gone", |folder| {
            fs::remove_file(at(folder, "election.db-wal")).expect("it was there");
        }),
        ("is damaged", |folder| {
            fs::write(at(folder, "election.db"), vec![0x5a; 20_000]).expect("garbage");
        }),
        ("another store", |folder| {
            let other = tempfile::tempdir().expect("a folder");
            drop(open(other.path()));
            fs::remove_file(at(folder, "election.db-wal")).expect("it was there");
            fs::copy(other.path().join("election.db"), at(folder, "election.db")).expect("another's file");
        }),
    ];
    for (why, spoil) in spoil {
        let folder = killed();
        spoil(&folder);
        let mut store = open(folder.path());
        assert_eq!(load(&mut store), Recovered::Lost, "{why}");
        let said = store.lost().expect("it says so");
        assert!(
            said.contains(why) && said.contains("whole log") && said.contains("from 1 to 2"),
            "{said}"
        );
        // It gathers a log, and loses it at each start, because it starts as one without.
        for _ in 0..2 {
            store
                .commit(&[hard(9, None), append(id(8, 1), b"a")])
                .expect("a commit");
            drop(store);
            store = open(folder.path());
            assert_eq!(load(&mut store), Recovered::Lost, "{why}");
        }
        store.commit(&[append(id(8, 1), b"a")]).expect("a commit");
        drop(store);
        // Until a person has decided.
        let mut store = open_under(folder.path(), 2);
        assert_eq!(load(&mut store), lacking(known(9, None, &[(1, 8)], 1)), "{why}");
        assert_eq!(store.lost(), None);
        // It votes once it says that it has all.
        store.commit(&[Record::Whole]).expect("a commit");
        drop(store);
        let mut store = open_under(folder.path(), 2);
        assert_eq!(load(&mut store), known(9, None, &[(1, 8)], 1), "{why}");
    }
}

/// Nothing in an empty folder tells a newcomer from a member that has lost all of it.
#[test]
fn a_store_that_is_made_under_a_later_number_may_lack_entries() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open_under(folder.path(), 3);
    assert_eq!(load(&mut store), lacking(known(0, None, &[], 0)));
    assert_eq!(store.lost(), None);
    drop(store);
    let again = as_if_killed(folder.path());
    assert_eq!(load(&mut open_under(again.path(), 4)), lacking(known(0, None, &[], 0)));
    let first = tempfile::tempdir().expect("a folder");
    assert_eq!(load(&mut open(first.path())), Recovered::Fresh);
    assert_eq!(
        load(&mut open_under(as_if_killed(first.path()).path(), 2)),
        Recovered::Fresh
    );
}

#[test]
fn a_place_is_never_written_twice_and_a_commit_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    store
        .commit(&[hard(1, None), append(id(1, 1), b"a")])
        .expect("a commit");
    let twice = [hard(2, None), append(id(2, 2), b"b"), append(id(2, 1), b"c")];
    store.commit(&twice).expect_err("the place is taken");
    assert_eq!(load(&mut store), known(1, None, &[(1, 1)], 1));
    assert_eq!(
        load(&mut open(as_if_killed(folder.path()).path())),
        known(1, None, &[(1, 1)], 1)
    );
}

#[test]
fn only_the_last_snapshot_takes_space() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    for index in 1..=5 {
        let base = id(1, index);
        let piece = |nth| Record::Piece {
            base,
            nth,
            piece: vec![1; 100],
        };
        let install = Record::Install { base };
        store
            .commit(&[append(base, b"a"), piece(0), piece(0), piece(1), install])
            .expect("a commit");
    }
    let connection = rusqlite::Connection::open(at(&folder, "election.db")).expect("it opens");
    let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).expect("a count") };
    assert_eq!(count("SELECT count(*) FROM pieces"), 2);
    assert_eq!(count("SELECT count(*) FROM entries"), 0);
}

#[test]
fn a_log_with_a_hole_is_refused() {
    let folder = killed();
    drop(open(folder.path()));
    let connection = rusqlite::Connection::open(at(&folder, "election.db")).expect("it opens");
    connection
        .execute("DELETE FROM entries WHERE idx = 2", [])
        .expect("a hole");
    drop(connection);
    let error = open(folder.path()).load().expect_err("a hole").to_string();
    assert!(error.contains("missing") && error.contains("empty folder"), "{error}");
}

#[test]
fn an_answer_is_bounded_and_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    let big = vec![7; 512 * 1024];
    let records: Vec<_> = (1..=20).map(|index| append(id(1, index), &big)).collect();
    store.commit(&records).expect("a commit");
    let (mut next, mut answers) = (1, 0);
    while next <= 20 {
        let query = Query::Entries {
            from: Index(next),
            upto: Index(20),
            whom: Whom::Host,
        };
        let Rows::Entries(entries) = store.answer(&query).expect("an answer") else {
            panic!("no entries")
        };
        assert!((1..=8).contains(&entries.len()) && entries[0].id.index == Index(next));
        next += entries.len() as u64;
        answers += 1;
    }
    assert_eq!(answers, 3);
    let log = fs::metadata(at(&folder, "election.db-wal")).expect("the log").len();
    assert!(log < 20 * 1024 * 1024, "the log has {log} bytes");
}

#[test]
fn a_voter_that_gets_a_log_keeps_its_vote_and_cannot_go_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut voter = ElectionStore::open(folder.path(), &owner(1)).expect("it opens");
    let vote = HardState {
        term: Term(4),
        vote: Some(NodeId(0)),
    };
    voter.commit(&[vote]).expect("a commit");
    let store = voter.store();
    drop(voter);
    let mut member = open(folder.path());
    assert_eq!((member.store(), load(&mut member)), (store, known(4, Some(0), &[], 0)));
    assert_eq!(member.peers().known().expect("a list"), []);
    drop(member);
    let error = ElectionStore::open(folder.path(), &owner(1))
        .expect_err("it has a log")
        .to_string();
    assert!(error.contains("newer release"), "{error}");
}

/// Prints the figures; what must hold is only that nothing is slower than a person would wait.
#[test]
fn an_append_takes_about_one_sync() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = LogStore::<Bytes>::open(folder.path(), &owner(1)).expect("it opens");
    let command = [7; 256];
    let mut index = 0;
    for group in [1, 64] {
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..300 {
            let records: Vec<_> = (1..=group).map(|at| append(id(1, index + at), &command)).collect();
            index += group;
            let start = Instant::now();
            store.commit(&records).expect("a commit");
            took.push(start.elapsed());
        }
        took.sort_unstable();
        println!(
            "{group} entries of 256 bytes: median {:?}, p99 {:?}",
            took[150], took[297]
        );
        assert!(took[150] < Duration::from_secs(1), "{:?}", took[150]);
    }
    store.commit(&[hard(1, None)]).expect("a commit");
    let start = Instant::now();
    assert_eq!(load(&mut store), known(1, None, &[(1, 1)], index));
    println!("recovery of {index} entries: {:?}", start.elapsed());
}
