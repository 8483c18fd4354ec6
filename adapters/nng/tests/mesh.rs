//! Members of one cluster in one process, over real sockets: who is linked with whom, what arrives, and what one of them
//! can do to the others.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod members;

use std::time::Duration;

use bytes::Bytes;
use members::{FRAME_MAX, LONG, Member, Stranger, Town, assert_linked, count, hello, reaches};
use pehra_core::types::NodeId;
use pehra_nng::mesh::{Config, Event, Lost, NotSent, Refusal};
use pehra_nng::{LinkEvent, Options, Requester};
use pehra_testbed::pynng::Venv;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn all_are_linked_by_one_connection_a_pair_whatever_the_order_of_starts() {
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
        let town = Town::new(5);
        let mut members: Vec<Member> = Vec::new();
        for node in order {
            members.push(town.start(node).await);
            sleep(Duration::from_millis(10)).await;
        }
        for member in &mut members {
            let me = member.mesh.me().node.0;
            member.all_up((0..5).filter(|node| *node != me).collect()).await;
        }
        for one in 0..5 {
            for other in one + 1..5 {
                let (left, right) = members.split_at_mut(other);
                assert_linked(&mut left[one], &mut right[0]).await;
            }
        }
        for member in &mut members {
            assert_eq!(count(&member.mesh.counters().links), 4);
            member.is_quiet().await;
        }
    }
}

#[tokio::test]
async fn what_is_sent_arrives_once_and_in_order() {
    let (_town, mut zero, mut one) = two().await;
    let sizes = [0, 1, 7, 4096, FRAME_MAX];
    for number in 0..500_usize {
        let mut body = vec![b'x'; sizes[number % sizes.len()]];
        if body.len() >= 7 {
            body[..4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
        }
        zero.send(1, body.clone());
        one.send(0, body.clone());
        assert_eq!(one.message(0).await, body);
        assert_eq!(zero.message(1).await, body);
    }
    for number in 0..200_u32 {
        zero.send(1, number.to_be_bytes().to_vec());
    }
    for number in 0..200_u32 {
        assert_eq!(one.message(0).await, number.to_be_bytes().to_vec());
    }
    one.is_quiet().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_dropped_at_once_and_says_why() {
    let town = Town::new(3);
    let mut config = town.config(0);
    config.options.queue_frames = 4;
    config.options.queue_bytes = 2 * FRAME_MAX;
    config.options.write_deadline = Duration::from_secs(10);
    let mut zero = Member::start(config).await;
    let send = |bytes: usize| zero.mesh.send(NodeId(1), vec![0; bytes].into());
    assert_eq!(send(1), Err(NotSent::NoLink));
    assert_eq!(zero.mesh.send(NodeId(9), Bytes::new()), Err(NotSent::NotAMember));
    assert_eq!(
        zero.mesh.send(NodeId(0), Bytes::new()),
        Err(NotSent::NotAMember),
        "itself"
    );
    let limit = FRAME_MAX;
    assert_eq!(
        send(FRAME_MAX + 1),
        Err(NotSent::TooLarge {
            bytes: FRAME_MAX + 1,
            limit
        })
    );
    assert_eq!(count(&zero.mesh.counters().unlinked), 1);

    let _deaf = Stranger::linked(&town, 0, &hello(1)).await;
    zero.up(1).await;
    let mut full = 0;
    for _ in 0..2000 {
        match zero.mesh.send(NodeId(1), vec![0; FRAME_MAX].into()) {
            Ok(()) => tokio::task::yield_now().await,
            Err(why) => {
                assert_eq!(why, NotSent::Full);
                full += 1;
            }
        }
    }
    assert!(full > 0, "more than a socket takes");
    assert_eq!(count(&zero.mesh.counters().overflows), full);
    assert_eq!(zero.mesh.overflows(NodeId(1)), full);
    assert_eq!(zero.mesh.overflows(NodeId(2)), 0);
}

#[tokio::test]
async fn a_member_that_takes_nothing_in_delays_nobody_and_is_hung_up_on() {
    let town = Town::new(3);
    let mut zero = town.start(0).await;
    let mut one = town.start(1).await;
    zero.up(1).await;
    one.up(0).await;
    let mut deaf = Stranger::linked(&town, 0, &hello(2)).await;
    zero.up(2).await;
    let mut stuck = false;
    while !stuck {
        stuck = zero.mesh.send(NodeId(2), vec![0; FRAME_MAX].into()) == Err(NotSent::Full);
        assert_linked(&mut zero, &mut one).await;
    }
    let mut exchanged = 0;
    loop {
        zero.send(1, "still here");
        assert_eq!(one.message(0).await, "still here");
        one.send(0, "so am I");
        match zero.next().await {
            Event::Message { from, .. } => assert_eq!(from, NodeId(1)),
            Event::Down { node, why } => {
                assert_eq!((node, why), (NodeId(2), Lost::Slow));
                break;
            }
            other => panic!("{other:?}"),
        }
        exchanged += 1;
    }
    assert!(exchanged > 10, "{exchanged}");
    assert_eq!(count(&zero.mesh.counters().slow_writes), 1);
    let mut rest = Vec::new();
    let _ = timeout(LONG, deaf.0.read_to_end(&mut rest)).await.expect("an end");
}

#[tokio::test]
async fn a_host_that_is_late_hears_of_one_member_however_much_another_said() {
    let town = Town::new(3);
    let mut config = town.config(0);
    config.options.inbox_frames = 10;
    let mut zero = Member::start(config).await;
    let one = town.start(1).await;
    zero.up(1).await;
    let mut chatty = Stranger::linked(&town, 0, &hello(2)).await;
    zero.up(2).await;
    let chat = tokio::spawn(async move {
        loop {
            chatty.say(&[0; 1000]).await;
        }
    });
    reaches(&zero.mesh.counters().messages_in, 10).await;
    one.mesh.close().await;
    let mut before = 0;
    loop {
        match zero.next().await {
            Event::Message { from, .. } => assert_eq!(from, NodeId(2)),
            Event::Down { node, .. } => {
                assert_eq!(node, NodeId(1));
                break;
            }
            other => panic!("{other:?}"),
        }
        before += 1;
        // So that what makes room is used.
        sleep(Duration::from_millis(1)).await;
    }
    assert!(before <= 20, "{before} messages of the other came first");
    chat.abort();
}

#[tokio::test]
async fn an_idle_link_stays_and_a_silent_one_is_given_up() {
    let town = Town::new(3);
    let start = async |node| {
        let mut config = town.config(node);
        config.options.silence_max = Some(Duration::from_millis(200));
        Member::start(config).await
    };
    let (mut zero, mut one) = (start(0).await, start(1).await);
    zero.up(1).await;
    one.up(0).await;
    // A machine without power, as far as anybody can tell.
    let _silent = Stranger::linked(&town, 0, &hello(2)).await;
    zero.up(2).await;
    assert_eq!(zero.down(2).await, Lost::Silent);
    assert_eq!(count(&zero.mesh.counters().silences), 1);
    sleep(Duration::from_secs(1)).await;
    zero.is_quiet().await;
    one.is_quiet().await;
    assert_linked(&mut zero, &mut one).await;
    assert_eq!(count(&zero.mesh.counters().links), 2);
}

#[tokio::test]
async fn a_member_that_starts_again_is_linked_again() {
    let town = Town::new(3);
    let mut zero = town.start(0).await;
    let mut two = town.start(2).await;
    zero.up(2).await;
    two.up(0).await;
    for incarnation in 8..12 {
        // The one in the middle is dialled by one and dials the other.
        let mut config = town.config(1);
        config.me.incarnation = incarnation;
        let mut one = Member::start(config).await;
        for other in [&mut zero, &mut two] {
            assert_eq!(other.up(1).await.incarnation, incarnation);
        }
        one.all_up(vec![0, 2]).await;
        assert_linked(&mut zero, &mut one).await;
        assert_linked(&mut two, &mut one).await;
        drop(one);
        for other in [&mut zero, &mut two] {
            assert!(matches!(other.down(1).await, Lost::Gone(_)));
            assert_eq!(other.mesh.send(NodeId(1), Bytes::new()), Err(NotSent::NoLink));
        }
    }
}

#[tokio::test]
async fn what_is_queued_still_arrives_when_a_member_closes() {
    for closes_first in [0, 1] {
        let (_town, mut zero, mut one) = two().await;
        let (leaver, stayer) = if closes_first == 0 {
            (&mut zero, &mut one)
        } else {
            (&mut one, &mut zero)
        };
        let (me, other) = (closes_first, 1 - closes_first);
        for number in 0..100_u32 {
            leaver.send(other, [&number.to_be_bytes()[..], &[0; 50_000]].concat());
            // Unread when it hangs up: that must not cost what it said.
            stayer.send(me, vec![1; 100]);
        }
        leaver.mesh.close().await;
        assert_eq!(leaver.mesh.send(NodeId(other), Bytes::new()), Err(NotSent::NoLink));
        for number in 0..100_u32 {
            assert_eq!(stayer.message(me).await[..4], number.to_be_bytes());
        }
        assert!(matches!(stayer.down(me).await, Lost::Gone(_)));
    }
}

#[tokio::test]
async fn a_closed_member_lets_go_of_its_port_and_of_its_host() {
    let (town, zero, mut one) = two().await;
    zero.mesh.close().await;
    one.down(0).await;
    let mut config = town.config(0);
    config.me.incarnation = 8;
    let _again = Member::start(config).await;
    assert_eq!(one.up(0).await.incarnation, 8);
    let Member { mesh, mut events, .. } = zero;
    drop(mesh);
    let ended = async {
        while let Some(event) = events.next().await {
            assert!(matches!(event, Event::Down { why: Lost::Closed, .. }), "{event:?}");
        }
    };
    timeout(LONG, ended).await.expect("the end of the events");
}

#[tokio::test]
async fn frames_that_break_the_rules_end_their_own_link_only() {
    let (town, mut zero, mut one) = two().await;
    let oversized = (FRAME_MAX as u64 + 100).to_be_bytes().to_vec();
    let absurd = u64::MAX.to_be_bytes().to_vec();
    let framed = |body: &[u8]| [&(body.len() as u64).to_be_bytes(), body].concat();
    let cases = [
        ("announced too large", oversized),
        ("announced beyond all measure", absurd),
        ("just too large", framed(&vec![0; FRAME_MAX + 2])),
        ("empty", framed(&[])),
        ("of no known kind", framed(&[77, 1, 2])),
        ("a short ping", framed(&[1, 2, 3])),
        ("a second welcome", framed(&[3])),
        ("a late refusal", framed(&[4, b'n', b'o'])),
    ];
    for (number, (what, bytes)) in cases.into_iter().enumerate() {
        let mut rude = Stranger::linked(&town, 0, &hello(2)).await;
        zero.up(2).await;
        rude.0.write_all(&bytes).await.unwrap();
        assert!(matches!(zero.down(2).await, Lost::Broke(_)), "{what}");
        rude.is_hung_up_on().await;
        assert_eq!(count(&zero.mesh.counters().refused_frames), number as u64 + 1, "{what}");
        assert_linked(&mut zero, &mut one).await;
    }
    assert_eq!(count(&zero.mesh.counters().messages_in), 8, "none of theirs");
}

#[tokio::test]
async fn strangers_are_refused_before_anything_they_say_is_heard() {
    let (town, mut zero, mut one) = two().await;
    let mut frames = 0;
    let mut others = 0;
    // The last is told like the first, so it is only counted.
    let first_frames: [(&[u8], bool); 4] = [(b"", true), (&[0; 120], true), (&[b'x'; 150], true), (b"PH", false)];
    for (first, told) in first_frames {
        let mut stranger = Stranger::greeted(&town, 0).await;
        stranger.hear().await.unwrap();
        stranger.say(first).await;
        frames += 1;
        stranger.is_hung_up_on().await;
        reaches(&zero.mesh.counters().refused_frames, frames).await;
        if told {
            assert!(matches!(zero.refused().await, (None, Refusal::Malformed(_))));
        }
    }
    let mut greedy = Stranger::greeted(&town, 0).await;
    greedy.0.write_all(&(1_u64 << 40).to_be_bytes()).await.unwrap();
    greedy.is_hung_up_on().await;
    assert!(matches!(zero.refused().await, (None, Refusal::Malformed(_))));
    for greeting in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0, b'S', b'P', 0, 0, 0x20, 0, 0],
        &[0, b'S', b'P', 1, 0, 0x10, 0, 0],
    ] {
        let mut stranger = Stranger::connect(&town, 0).await;
        stranger.0.write_all(greeting).await.unwrap();
        others += 1;
        let mut rest = Vec::new();
        let _ = timeout(LONG, stranger.0.read_to_end(&mut rest)).await.expect("an end");
        reaches(&zero.mesh.counters().wrong_peers, others).await;
        assert!(matches!(zero.refused().await, (None, Refusal::WrongPeer(_))));
    }
    assert_linked(&mut zero, &mut one).await;
}

#[tokio::test]
async fn one_that_says_nothing_is_hung_up_on() {
    let town = Town::new(2);
    let mut config = town.config(0);
    config.options.connect_timeout = Duration::from_millis(100);
    let zero = Member::start(config).await;
    let mut mute = Stranger::connect(&town, 0).await;
    let mut half = Stranger::greeted(&town, 0).await;
    half.is_hung_up_on().await;
    let mut rest = Vec::new();
    let _ = timeout(LONG, mute.0.read_to_end(&mut rest)).await.expect("an end");
    reaches(&zero.mesh.counters().wrong_peers, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_answered_at_the_port_of_the_members() {
    let (town, mut zero, mut one) = two().await;
    let (requester, mut links) = Requester::connect(&town.endpoint(0), Options::default()).unwrap();
    assert!(matches!(
        timeout(LONG, links.recv()).await.unwrap(),
        Some(LinkEvent::Up { .. })
    ));
    for round in 0..10 {
        let asked = tokio::spawn(requester.request(format!("who leads? {round}").into(), LONG));
        let incoming = timeout(LONG, zero.clients.recv()).await.unwrap().unwrap();
        assert_eq!(incoming.body, format!("who leads? {round}"));
        assert_linked(&mut zero, &mut one).await;
        incoming.answer.send("n1, 42".into());
        assert_eq!(asked.await.unwrap().unwrap(), "n1, 42");
    }
    assert_eq!(count(&zero.mesh.counters().clients.connections), 1);

    let url = format!("tcp://{}", town.address(0));
    let asking = tokio::task::spawn_blocking(move || {
        let req = Venv::fetch().req(&url, 3, 60_000);
        (0..3).map(|_| req.reply()).collect::<Vec<_>>()
    });
    for round in 0..3 {
        // The first call may fetch pynng.
        let incoming = timeout(Duration::from_secs(180), zero.clients.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(incoming.body, format!("request {round}"));
        assert_linked(&mut zero, &mut one).await;
        incoming.answer.send(format!("answer {round}").into());
    }
    assert_eq!(asking.await.unwrap(), ["answer 0", "answer 1", "answer 2"]);
    zero.is_quiet().await;
}

#[cfg(feature = "libnng")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_through_the_c_library_are_answered_too() {
    let town = Town::new(2);
    let mut zero = town.start(0).await;
    let options = Options {
        backend: pehra_nng::Backend::LibNng,
        ..Options::default()
    };
    let (requester, mut links) = Requester::connect(&town.endpoint(0), options).unwrap();
    assert!(matches!(
        timeout(LONG, links.recv()).await.unwrap(),
        Some(LinkEvent::Up { .. })
    ));
    let asked = tokio::spawn(requester.request("who leads?".into(), LONG));
    let incoming = timeout(LONG, zero.clients.recv()).await.unwrap().unwrap();
    incoming.answer.send(incoming.body);
    assert_eq!(asked.await.unwrap().unwrap(), "who leads?");
}

#[tokio::test]
async fn clients_that_are_too_many_are_turned_away_and_members_are_not() {
    let town = Town::new(2);
    let mut config = town.config(0);
    config.options.clients_max = 2;
    let mut zero = Member::start(config).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = Stranger::connect(&town, 0).await;
        client.0.write_all(&[0, b'S', b'P', 0, 0, 0x30, 0, 0]).await.unwrap();
        let mut seen = [0; 8];
        client.0.read_exact(&mut seen).await.unwrap();
        clients.push(client);
    }
    reaches(&zero.mesh.counters().refused_connections, 2).await;
    let mut one = town.start(1).await;
    zero.up(1).await;
    one.up(0).await;
    assert_linked(&mut zero, &mut one).await;
}

#[tokio::test]
async fn configurations_that_cannot_be_are_refused_before_anything_starts() {
    let town = Town::new(3);
    let problem = async |config: Config| {
        let started = pehra_nng::mesh::Mesh::start(config).await;
        started.map(|_| ()).unwrap_err().to_string()
    };
    let mut twice = town.config(0);
    twice.members.push((NodeId(2), town.endpoint(1)));
    assert!(problem(twice).await.contains("n2 stands twice"));
    let mut mixed = town.config(0);
    mixed.members[1].1.tls = true;
    assert!(problem(mixed).await.contains("tls+tcp:// for all members or for none"));
    let _there = town.start(0).await;
    assert!(problem(town.config(0)).await.contains("another program has this port"));
}

/// Two members, linked.
async fn two() -> (Town, Member, Member) {
    let town = Town::new(3);
    let mut zero = town.start(0).await;
    let mut one = town.start(1).await;
    zero.up(1).await;
    assert_eq!(one.up(0).await, hello(0));
    (town, zero, one)
}
