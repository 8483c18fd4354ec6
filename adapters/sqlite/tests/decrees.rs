//! The store of a member of PEHRA: its log's commands are decrees. All else is tested with commands that are bytes.

use pehra_core::members::NodeSet;
use pehra_core::protocol::Image;
use pehra_core::replication::{Body, Entry, Index, LogId, LogImage, Query, Record, Replication, Whom};
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Decree, Plan};
use pehra_core::types::{NodeId, Term};
use pehra_driver::Store;
use pehra_sqlite::{LogStore, Owner};

type Decrees = Replication<Decree>;

fn open(folder: &std::path::Path) -> LogStore<Decree> {
    let owner = Owner {
        cluster: "barn".into(),
        number: 1,
        node: NodeId(0),
    };
    LogStore::open_with_reserve(folder, &owner, 4096).expect("the store opens")
}

fn records() -> Vec<Record<Decree>> {
    let plan = Decree::Plan(Plan {
        gear: Gear::Watch,
        watch: NodeSet::from_bits(u64::MAX),
        members: NodeSet::first(64),
    });
    let switch = Decree::Switch {
        epoch: u64::MAX,
        on: true,
    };
    let round = Decree::Round {
        left: NodeSet::first(3),
    };
    let bodies = [
        Body::Empty,
        Body::Command(plan),
        Body::Command(switch),
        Body::Command(round),
    ];
    let id = |index| LogId::new(Term(2), Index(index));
    let mut records: Vec<_> = (1..)
        .zip(bodies)
        .map(|(index, body)| Record::Append(Entry { id: id(index), body }))
        .collect();
    for piece in [plan, switch] {
        records.push(Record::Piece {
            base: id(3),
            nth: u32::from(piece == switch),
            piece,
        });
    }
    records.push(Record::Install { base: id(3) });
    records
}

#[test]
fn decrees_come_back_as_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut image = LogImage::<Decree>::default();
    for record in records() {
        open(folder.path())
            .commit(std::slice::from_ref(&record))
            .expect("a commit");
        Image::<Decrees>::apply(&mut image, &record);
        let mut store = open(folder.path());
        let whom = Whom::Host;
        let base = LogId::new(Term(2), Index(3));
        let (from, upto) = (Index(1), Index(9));
        let mut queries = vec![
            Query::Entries { from, upto, whom },
            Query::Entries {
                from: Index(4),
                upto,
                whom,
            },
        ];
        queries.extend((0..3).map(|nth| Query::Piece { base, nth, whom }));
        for query in queries {
            let answer = store.answer(&query).expect("an answer");
            assert_eq!(
                answer,
                Image::<Decrees>::answer(&image, &query),
                "{query:?} after {record:?}"
            );
        }
    }
}

#[test]
fn a_body_that_is_no_decree_is_an_error_and_not_another_decree() {
    let folder = tempfile::tempdir().expect("a folder");
    open(folder.path()).commit(&records()).expect("a commit");
    let file = folder.path().join("election.db");
    let other = rusqlite::Connection::open(file).expect("it opens");
    let changed = other.execute("UPDATE entries SET body = x'0700' WHERE idx = 4", []);
    assert_eq!(changed, Ok(1));
    drop(other);
    let query = Query::Entries {
        from: Index(4),
        upto: Index(4),
        whom: Whom::Host,
    };
    let error = open(folder.path())
        .answer(&query)
        .expect_err("it is no decree")
        .to_string();
    assert!(error.contains("fetching from the log"), "{error}");
}
