//! Who may talk, over real sockets: every reason to refuse a member, what is remembered of one, and two under one id.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod members;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use members::{Member, Stranger, Town, assert_linked, count, hello, options, reaches};
use pehra_core::identity::{ClusterName, Hello, Known, Refused};
use pehra_core::types::NodeId;
use pehra_nng::mesh::{Event, Lost, MeshOptions, Refusal};
use tokio::time::sleep;

#[tokio::test]
async fn each_reason_is_told_to_both_sides_counted_and_costs_the_others_nothing() {
    let town = Town::new(4);
    let mut config = town.config(1);
    let known = Known {
        store: 103,
        incarnation: 7,
    };
    config.known = vec![(NodeId(3), known)];
    let mut one = Member::start(config).await;
    let mut two = town.start(2).await;
    one.up(2).await;
    two.up(1).await;
    let good = hello(3);
    let cases: [(Hello, &str); 8] = [
        (
            Hello {
                protocol_version: 99,
                ..good
            },
            "speaks version 99",
        ),
        (
            Hello {
                cluster: ClusterName::new("barn").unwrap(),
                ..good
            },
            "belongs to cluster \"barn\"",
        ),
        (
            Hello {
                config_number: 3,
                ..good
            },
            "has number 3 and this member's 4",
        ),
        (hello(9), "no member n9"),
        (hello(1), "it says that it is n1, which is this member"),
        (Hello { store: 1, ..good }, "n3 came back with another store"),
        (Hello { incarnation: 6, ..good }, "n3 came with incarnation 6 after 7"),
        (hello(0), "the larger id dials"),
    ];
    for (number, (hello, words)) in cases.into_iter().enumerate() {
        let (mut stranger, _) = Stranger::introduced(&town, 1, &hello).await;
        let answer = stranger.hear().await.expect("the reason");
        let said = String::from_utf8_lossy(&answer[1..]);
        assert_eq!(answer[0], 4);
        assert!(said.contains(words), "{said:?} does not say {words:?}");
        stranger.is_hung_up_on().await;
        let (node, why) = one.refused().await;
        assert_eq!((node, why.to_string().as_str()), (Some(hello.node), said.as_ref()));
        assert_eq!(count(&one.mesh.counters().refused_hellos), number as u64 + 1);
    }
    assert_linked(&mut one, &mut two).await;
    let _welcome = Stranger::linked(&town, 1, &good).await;
    one.up(3).await;
}

#[tokio::test]
async fn one_of_another_cluster_hears_of_it_too_and_both_say_it_once() {
    let town = Town::new(2);
    let mut config = town.config(1);
    config.me.cluster = ClusterName::new("barn").unwrap();
    let mut zero = town.start(0).await;
    let mut one = Member::start(config).await;
    for member in [&mut zero, &mut one] {
        let (_, why) = member.refused().await;
        assert!(matches!(why, Refusal::Identity(Refused::Cluster { .. })), "{why:?}");
    }
    reaches(&zero.mesh.counters().refused_hellos, 4).await;
    zero.is_quiet().await;
    one.is_quiet().await;
}

#[tokio::test]
async fn a_member_at_the_address_of_another_is_found_out() {
    let town = Town::new(3);
    let mut zero = Member::start({
        let mut config = town.config(0);
        config.listen = town.endpoint(1);
        config
    })
    .await;
    let mut two = town.start(2).await;
    let (node, why) = two.refused().await;
    let expected = NodeId(1);
    assert_eq!((node, why), (Some(NodeId(0)), Refusal::Unexpected { expected }));
    let (node, why) = zero.refused().await;
    assert_eq!(node, Some(NodeId(2)));
    assert!(
        matches!(&why, Refusal::ByPeer(why) if why.contains("n1 was expected")),
        "{why:?}"
    );
}

#[tokio::test]
async fn a_member_whose_own_address_stands_for_another_finds_itself() {
    let town = Town::new(2);
    let mut config = town.config(1);
    config.members[0].1 = town.endpoint(1);
    let mut one = Member::start(config).await;
    let (node, why) = one.refused().await;
    assert_eq!(node, Some(NodeId(1)));
    assert!(
        matches!(why, Refusal::Identity(Refused::ClaimsToBeMe { .. })),
        "{why:?}"
    );
}

#[tokio::test]
async fn what_is_new_of_a_member_is_kept_before_it_is_heard_and_only_then() {
    let town = Town::new(2);
    let kept: Arc<Mutex<Vec<(NodeId, Known)>>> = Arc::default();
    let failures = Arc::new(AtomicU64::new(2));
    let mut config = town.config(0);
    let (keeper, failing) = (Arc::clone(&kept), Arc::clone(&failures));
    config.remember = Arc::new(move |node, known| {
        if failing.load(Ordering::Relaxed) > 0 {
            failing.fetch_sub(1, Ordering::Relaxed);
            return Err("the disk is full".into());
        }
        // Long enough that an Up that did not wait would come first.
        std::thread::sleep(Duration::from_millis(50));
        keeper.lock().unwrap().push((node, known));
        Ok(())
    });
    let mut zero = Member::start(config.clone()).await;
    let one = town.start(1).await;
    let (node, why) = zero.refused().await;
    assert_eq!(
        (node, why),
        (Some(NodeId(1)), Refusal::NotRemembered("the disk is full".into()))
    );
    zero.up(1).await;
    let first = Known {
        store: 101,
        incarnation: 7,
    };
    assert_eq!(*kept.lock().unwrap(), [(NodeId(1), first)]);
    drop(one);
    zero.down(1).await;

    // Twice the same life: nothing new. Then another life.
    let mut linked = Stranger::linked(&town, 0, &hello(1)).await;
    zero.up(1).await;
    drop(linked);
    zero.down(1).await;
    assert_eq!(kept.lock().unwrap().len(), 1);
    let next = Hello {
        incarnation: 8,
        ..hello(1)
    };
    linked = Stranger::linked(&town, 0, &next).await;
    zero.up(1).await;
    assert_eq!(
        kept.lock().unwrap()[1],
        (
            NodeId(1),
            Known {
                store: 101,
                incarnation: 8
            }
        )
    );
    drop(linked);

    // What was kept holds for the next life of the one who kept it.
    zero.mesh.close().await;
    config.known.clone_from(&kept.lock().unwrap());
    config.me.incarnation = 8;
    let mut zero = Member::start(config).await;
    let (mut wiped, _) = Stranger::introduced(&town, 0, &Hello { store: 5, ..next }).await;
    assert_eq!(wiped.hear().await.unwrap()[0], 4);
    let (_, why) = zero.refused().await;
    assert!(matches!(why, Refusal::Identity(Refused::OtherStore { .. })), "{why:?}");
}

#[tokio::test]
async fn a_copy_of_a_living_member_is_refused_and_the_first_stays() {
    let town = Town::new(3);
    let mut zero = town.start(0).await;
    let mut two = town.start(2).await;
    zero.up(2).await;
    two.up(0).await;
    // A copied state directory: the same store, opened once more. It runs elsewhere, so its address is free.
    let mut config = town.config(2);
    config.listen = town.endpoint(7);
    config.me.incarnation = 8;
    let mut copy = Member::start(config).await;
    let (node, why) = zero.refused().await;
    let expected = Refused::HereAlready {
        node: NodeId(2),
        incarnation: 8,
    };
    assert_eq!((node, why), (Some(NodeId(2)), Refusal::Identity(expected)));
    let (node, why) = copy.refused().await;
    assert_eq!(node, Some(NodeId(0)));
    assert!(
        matches!(&why, Refusal::ByPeer(why) if why.contains("copied")),
        "{why:?}"
    );
    reaches(&zero.mesh.counters().refused_hellos, 3).await;
    assert_linked(&mut zero, &mut two).await;
    assert_eq!(count(&zero.mesh.counters().links), 1);
    // With the first gone, the copy is the only one there is; the first cannot come back.
    drop(two);
    zero.down(2).await;
    assert_eq!(zero.up(2).await.incarnation, 8);
    let mut two = town.start(2).await;
    let (_, why) = zero.refused().await;
    assert!(
        matches!(why, Refusal::Identity(Refused::OlderIncarnation { .. })),
        "{why:?}"
    );
    two.refused().await;
}

#[tokio::test]
async fn a_store_that_is_opened_again_is_told_to_all_who_then_refuse_what_is_older() {
    let town = Town::new(3);
    let mut members = [town.start(0).await, town.start(1).await, town.start(2).await];
    for (me, member) in [0, 1, 2].into_iter().zip(&mut members) {
        member.all_up((0..3).filter(|node| *node != me).collect()).await;
    }
    let [mut zero, mut one, mut two] = members;
    // The one in the middle is dialled by one and dials the other.
    one.mesh.renew(8);
    assert_eq!(one.mesh.me().incarnation, 8);
    for other in [&mut zero, &mut two] {
        assert!(matches!(other.down(1).await, Lost::Gone(_)));
        assert_eq!(other.up(1).await.incarnation, 8);
    }
    for _ in 0..2 {
        match one.next().await {
            Event::Down { why, .. } => assert_eq!(why, Lost::Renewed),
            Event::Up { .. } => {}
            other => panic!("expected a new greeting, not {other:?}"),
        }
    }
    drop(one);
    let mut older = town.start(1).await;
    let (_, why) = zero.refused_after_down(1).await;
    assert!(
        matches!(why, Refusal::Identity(Refused::OlderIncarnation { known: 8, .. })),
        "{why:?}"
    );
    older.refused().await;
}

#[tokio::test]
async fn one_that_gives_no_sign_of_life_makes_way_for_itself() {
    let town = Town::new(2);
    let mut config = town.config(0);
    config.options = MeshOptions {
        silence_max: None,
        proof_timeout: Duration::from_millis(100),
        ..options()
    };
    let mut zero = Member::start(config).await;
    // Its machine lost its power: no end of the connection ever comes.
    let mut before = Stranger::linked(&town, 0, &hello(1)).await;
    zero.up(1).await;
    let mut config = town.config(1);
    config.me.incarnation = 8;
    let mut one = Member::start(config).await;
    assert_eq!(zero.down(1).await, Lost::Replaced);
    assert_eq!(zero.up(1).await.incarnation, 8);
    one.up(0).await;
    assert_linked(&mut zero, &mut one).await;
    before.is_hung_up_on().await;
}

#[tokio::test]
async fn of_many_that_come_at_once_under_one_id_one_is_linked() {
    let town = Town::new(2);
    let mut zero = town.start(0).await;
    let mut copies = Vec::new();
    for copy in 0..5 {
        let mut config = town.config(1);
        config.listen = town.endpoint(10 + copy);
        copies.push(Member::start(config).await);
    }
    let mut ups = 0;
    sleep(Duration::from_millis(500)).await;
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(100), zero.events.next()).await {
        match event {
            Event::Up { .. } => ups += 1,
            Event::Refused { why, .. } => {
                assert!(matches!(why, Refusal::Identity(Refused::HereAlready { .. })), "{why:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ups, 1);
}
