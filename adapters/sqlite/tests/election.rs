//! The voter's store: against core's image, and against everything that could make it forget a vote.

use std::fs;
use std::path::{Path, PathBuf};

use pehra_core::election::{Election, HardImage, HardState};
use pehra_core::identity::Known;
use pehra_core::protocol::{Image, Recovered};
use pehra_core::types::{NodeId, Term};
use pehra_driver::Store;
use pehra_sqlite::{ElectionStore, Owner};
use proptest::prelude::*;

fn owner(number: u64) -> Owner {
    Owner {
        cluster: "home".into(),
        number,
        node: NodeId(2),
    }
}

fn open(folder: &Path) -> ElectionStore {
    ElectionStore::open(folder, &owner(1)).expect("the store opens")
}

fn hard(term: u64, vote: Option<u16>) -> HardState {
    HardState {
        term: Term(term),
        vote: vote.map(NodeId),
    }
}

fn load(store: &mut ElectionStore) -> Recovered<HardState> {
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

/// A store that has voted in term 7, and was killed.
fn killed() -> (tempfile::TempDir, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    let mut store = open(folder.path());
    store.commit(&[hard(6, None)]).expect("a commit");
    store.commit(&[hard(7, Some(1))]).expect("a commit");
    (as_if_killed(folder.path()), store.store())
}

fn at(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn records() -> impl Strategy<Value = HardState> {
    (any::<u64>(), any::<Option<u16>>()).prop_map(|(term, vote)| hard(term, vote))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_its_image(groups in prop::collection::vec(prop::collection::vec(records(), 1..4), 0..12), lost: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = open(folder.path());
        if lost {
            drop(store);
            fs::remove_file(at(&folder, "election.db")).expect("it was there");
            store = open(folder.path());
        }
        let mut image = HardImage { hard: None, lost };
        for (turn, group) in groups.iter().enumerate() {
            prop_assert_eq!(load(&mut store), Image::<Election<()>>::summary(&image));
            store.commit(group).expect("a commit");
            group.iter().for_each(|record| Image::<Election<()>>::apply(&mut image, record));
            if turn % 3 == 2 {
                drop(store);
                store = open(folder.path());
            }
        }
        prop_assert_eq!(load(&mut store), Image::<Election<()>>::summary(&image));
        let copy = as_if_killed(folder.path());
        prop_assert_eq!(load(&mut open(copy.path())), Image::<Election<()>>::summary(&image));
    }
}

#[test]
fn each_opening_raises_the_incarnation_and_keeps_the_identity() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(folder.path());
    assert_ne!(first.store(), 0);
    assert_eq!(first.incarnation(), 1);
    let identity = first.store();
    drop(first);
    for incarnation in 2..6 {
        // Also one that dies at once.
        let store = open(folder.path());
        assert_eq!((store.store(), store.incarnation()), (identity, incarnation));
    }
    let elsewhere = tempfile::tempdir().expect("a folder");
    assert_ne!(
        open(elsewhere.path()).store(),
        identity,
        "two stores have two identities"
    );
}

#[test]
fn a_killed_process_forgets_nothing() {
    let (folder, identity) = killed();
    let mut store = open(folder.path());
    assert_eq!(load(&mut store), Recovered::Known(hard(7, Some(1))));
    assert_eq!((store.store(), store.incarnation(), store.lost()), (identity, 3, None));
}

#[test]
fn a_torn_log_is_cut_back_to_its_last_whole_commit() {
    let (folder, _) = killed();
    let log = at(&folder, "election.db-wal");
    let bytes = fs::read(&log).expect("the log");
    fs::write(&log, &bytes[..bytes.len() - 7]).expect("a torn log");
    let mut store = open(folder.path());
    assert_eq!(load(&mut store), Recovered::Known(hard(6, None)));
}

#[test]
fn whatever_makes_it_forget_is_found_out_and_it_keeps_its_identity() {
    type Spoil = fn(&tempfile::TempDir);
    let spoil: [(&str, Spoil); 6] = [
        ("is gone", |folder| {
            for name in ["election.db", "election.db-wal", "election.db-shm"] {
                fs::remove_file(at(folder, name)).expect("it was there");
            }
        }),
        ("log is gone", |folder| {
            fs::remove_file(at(folder, "election.db-wal")).expect("it was there");
        }),
        ("log is gone", |folder| {
            fs::write(at(folder, "election.db-wal"), []).expect("an empty log");
        }),
        ("is damaged", |folder| {
            let bytes = vec![0x5a; 20_000];
            fs::write(at(folder, "election.db"), bytes).expect("garbage");
        }),
        ("is damaged", |folder| {
            fs::remove_file(at(folder, "election.db-wal")).expect("it was there");
            let bytes = fs::read(at(folder, "election.db")).expect("the file");
            fs::write(at(folder, "election.db"), &bytes[..bytes.len() / 2]).expect("a torn file");
        }),
        ("another store", |folder| {
            let other = tempfile::tempdir().expect("a folder");
            drop(open(other.path()));
            fs::remove_file(at(folder, "election.db-wal")).expect("it was there");
            fs::copy(other.path().join("election.db"), at(folder, "election.db")).expect("another's file");
        }),
    ];
    for (why, spoil) in spoil {
        let (folder, identity) = killed();
        spoil(&folder);
        let mut store = open(folder.path());
        assert_eq!(load(&mut store), Recovered::Lost, "{why}");
        let said = store.lost().expect("it says so");
        assert!(
            said.contains(why) && said.contains("raise `number`") && said.contains("from 1 to 2"),
            "{said}"
        );
        assert_eq!(
            (store.store(), store.incarnation()),
            (identity, 3),
            "{why}: the peers know it again"
        );
        // It follows and writes, and stays lost, also when it is killed.
        store.commit(&[hard(9, None)]).expect("a commit");
        drop(store);
        let mut store = open(folder.path());
        assert_eq!(load(&mut store), Recovered::Lost, "{why}");
        drop(store);
        // Until a person has decided.
        let mut store = ElectionStore::open(folder.path(), &owner(2)).expect("it opens");
        assert_eq!(load(&mut store), Recovered::Known(hard(9, None)), "{why}");
        assert_eq!(store.lost(), None);
    }
}

#[test]
fn a_copy_that_is_put_back_is_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    let backup = fs::read(at(&folder, "election.db")).expect("a backup");
    let mut store = open(folder.path());
    store.commit(&[hard(5, Some(0))]).expect("a commit");
    drop(store);
    fs::write(at(&folder, "election.db"), backup).expect("put back");
    assert_eq!(load(&mut open(folder.path())), Recovered::Lost);
}

#[test]
fn many_commits_keep_the_log_short_and_are_all_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path());
    let book = store.peers();
    for term in 1..=2500 {
        store.commit(&[hard(term, Some(1))]).expect("a commit");
        if term % 100 == 0 {
            let known = Known {
                store: 1,
                incarnation: term,
            };
            book.remember(NodeId(1), known).expect("remembered");
        }
    }
    let log = fs::metadata(at(&folder, "election.db-wal")).expect("the log").len();
    assert!(log < 20 * 1024 * 1024, "the log has {log} bytes");
    let copy = as_if_killed(folder.path());
    assert_eq!(load(&mut open(copy.path())), Recovered::Known(hard(2500, Some(1))));
    fs::remove_file(at(&folder, "election.db-wal")).expect("it was there");
    let copy = as_if_killed(folder.path());
    assert_eq!(load(&mut open(copy.path())), Recovered::Lost);
}

#[test]
fn two_processes_never_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let error = ElectionStore::open(folder.path(), &owner(1))
        .expect_err("it is taken")
        .to_string();
    assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
    drop(store);
    drop(open(folder.path()));
}

#[test]
fn a_folder_of_another_voter_or_an_older_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(ElectionStore::open(folder.path(), &owner(4)).expect("it opens"));
    for (owner, words) in [
        (
            Owner {
                node: NodeId(3),
                ..owner(4)
            },
            "belongs to node 2",
        ),
        (
            Owner {
                cluster: "away".into(),
                ..owner(4)
            },
            "of cluster \"home\"",
        ),
        (owner(3), "use the newer file"),
    ] {
        let error = ElectionStore::open(folder.path(), &owner)
            .expect_err("not its")
            .to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(
        open_with(folder.path(), 4).incarnation(),
        2,
        "a refusal changes nothing"
    );
}

fn open_with(folder: &Path, number: u64) -> ElectionStore {
    ElectionStore::open(folder, &owner(number)).expect("it opens")
}

#[test]
fn a_marker_that_is_no_marker_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    fs::write(at(&folder, "marker"), "hello").expect("garbage");
    let error = ElectionStore::open(folder.path(), &owner(1))
        .expect_err("garbage")
        .to_string();
    assert!(error.contains("marker") && error.contains("three numbers"), "{error}");
}

#[test]
fn an_opening_that_is_cut_short_is_finished_by_the_next() {
    // Before the first marker.
    let folder = tempfile::tempdir().expect("a folder");
    let identity = open(folder.path()).store();
    fs::remove_file(at(&folder, "marker")).expect("it was there");
    let mut store = open(folder.path());
    assert_eq!((store.store(), load(&mut store)), (identity, Recovered::Fresh));
    drop(store);
    // Before the first row.
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(at(&folder, "election.db"), []).expect("an empty file");
    assert_eq!(load(&mut open(folder.path())), Recovered::Fresh);
}

#[test]
fn peers_are_remembered_under_the_number_of_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = |store, incarnation| Known { store, incarnation };
    let store = open(folder.path());
    let book = store.peers();
    assert_eq!(book.known().expect("a list"), []);
    book.remember(NodeId(1), known(u64::MAX, 3)).expect("remembered");
    book.remember(NodeId(0), known(9, 1)).expect("remembered");
    book.remember(NodeId(1), known(u64::MAX, 4)).expect("remembered");
    drop((book, store));
    let expected = [(NodeId(0), known(9, 1)), (NodeId(1), known(u64::MAX, 4))];
    assert_eq!(open(folder.path()).peers().known().expect("a list"), expected);
    // A person who raises the number begins with a clean book.
    assert_eq!(open_with(folder.path(), 2).peers().known().expect("a list"), []);
}
