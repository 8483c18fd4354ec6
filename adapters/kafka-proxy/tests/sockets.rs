//! What passes at a port, as the kernel counts it. Real sockets on loopback, and the real kernel: where it does not answer, these fail.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use pehra_core::sleep::traffic::Allowance;
use pehra_kafka_proxy::{Judge, Seen, Sight, SocketCounter, SocketOptions, Sockets, Stretch};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

/// One floods the kernel with ends of connections, which all who count are told of.
static TURN: Mutex<()> = Mutex::const_new(());

const SOON: Duration = Duration::from_secs(10);
const ANYWHERE: &str = "127.0.0.1:0";

fn turn() -> MutexGuard<'static, ()> {
    TURN.blocking_lock()
}

fn listen(address: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind(address).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

fn counter(port: u16) -> SocketCounter {
    SocketCounter::new(BTreeSet::from([port])).expect("the kernel answers: netlink, sock_diag")
}

fn passed(counter: &mut SocketCounter) -> Stretch {
    counter.passed().expect("the kernel answers")
}

/// All that passes until so many bytes came and so many connections have ended.
fn until(counter: &mut SocketCounter, bytes: u64, ended: usize) -> Stretch {
    let mut all = Stretch::default();
    for _ in 0..200 {
        all.connections.extend(passed(counter).connections);
        let gone = all.connections.iter().filter(|it| it.has_ended).count();
        if all.bytes() >= bytes && gone >= ended {
            return all;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {bytes} bytes and {ended} ends: {all:?}");
}

fn bytes_are_counted_once_in_both_directions(address: &str) {
    let _turn = turn();
    let (listener, port) = listen(address);
    let at = listener.local_addr().expect("it is bound");
    let mut counter = counter(port);
    let none = passed(&mut counter);
    assert_eq!(none.connections, [], "who listens is no connection");
    assert!(none.is_listening && !none.is_overrun);

    let mut client = TcpStream::connect(at).expect("it listens");
    let (mut broker, _) = listener.accept().expect("it comes");
    let greeted = passed(&mut counter);
    assert!(greeted.open() == 1 && greeted.bytes() <= 1, "{greeted:?}");
    // Long enough to come in several pieces; received and acknowledged when it has been read.
    let request = vec![7; 200_000];
    let reader = std::thread::spawn(move || {
        let mut whole = vec![0; 200_000];
        broker.read_exact(&mut whole).expect("it comes whole");
        broker.write_all(&whole[..1000]).expect("it is taken");
        broker
    });
    client.write_all(&request).expect("it is taken");
    client.read_exact(&mut [0; 1000]).expect("it comes whole");
    let broker = reader.join().expect("it was read");
    // The last acknowledgement may be under way; the kernel counts the handshake as one.
    let all = until(&mut counter, 201_000, 0);
    assert!(all.bytes() <= 201_001, "{all:?}");
    let came: u64 = all.connections.iter().map(|it| it.received).sum();
    assert_eq!(came, 200_000);
    assert_eq!(passed(&mut counter).bytes(), 0, "nothing twice");

    let other = TcpStream::connect(at).expect("it listens");
    assert_eq!(passed(&mut counter).open(), 2);
    drop((client, broker, other));
    drop(listener);
    let ended = until(&mut counter, 0, 2);
    assert!(ended.bytes() <= 3, "ends and a handshake: {ended:?}");
    assert!(!passed(&mut counter).is_listening, "nobody does");
}

#[test]
fn bytes_are_counted_once_in_both_directions_over_ip_4() {
    bytes_are_counted_once_in_both_directions(ANYWHERE);
}

#[test]
fn bytes_are_counted_once_in_both_directions_over_ip_6() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("NOT CHECKED: this machine has no IP 6");
        return;
    }
    bytes_are_counted_once_in_both_directions("[::1]:0");
}

/// As Java listens: one socket for both families.
#[test]
fn a_client_of_ip_4_at_a_listener_for_both_is_seen() {
    let _turn = turn();
    let Ok(listener) = TcpListener::bind("[::]:0") else {
        println!("NOT CHECKED: this machine has no IP 6");
        return;
    };
    let port = listener.local_addr().expect("it is bound").port();
    let mut counter = counter(port);
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    client.write_all(&[7; 100]).expect("it is taken");
    let (mut broker, _) = listener.accept().expect("it comes");
    broker.read_exact(&mut [0; 100]).expect("it comes whole");
    assert!(until(&mut counter, 100, 0).bytes() <= 101);
}

/// Whoever ends first, and however.
#[test]
fn what_came_and_went_between_two_looks_is_counted() {
    let _turn = turn();
    for how in ["the client ends", "the broker ends", "the client resets"] {
        let (listener, port) = listen(ANYWHERE);
        let mut counter = counter(port);
        let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let (mut broker, _) = listener.accept().expect("it comes");
        client.write_all(&[7; 5000]).expect("it is taken");
        broker.read_exact(&mut [0; 5000]).expect("it comes whole");
        broker.write_all(&[8; 300]).expect("it is taken");
        match how {
            "the client ends" => {
                client.read_exact(&mut [0; 300]).expect("it comes whole");
                client.shutdown(Shutdown::Both).expect("it is open");
                assert_eq!(broker.read(&mut [0; 1]).expect("an end"), 0);
                drop(broker);
            }
            "the broker ends" => {
                client.read_exact(&mut [0; 300]).expect("it comes whole");
                drop(broker);
                assert_eq!(client.read(&mut [0; 1]).expect("an end"), 0);
                drop(client);
            }
            // What was not read is reset.
            _ => {
                drop(client);
                let end = broker.read(&mut [0; 1]);
                assert!(end.is_err(), "{end:?}");
                drop(broker);
            }
        }
        let all = until(&mut counter, 5300, 1);
        let [only] = all.connections[..] else {
            panic!("{how}: {all:?}")
        };
        assert!(
            only.is_new && only.has_ended,
            "{how}: it was never seen while it was there: {all:?}"
        );
        // An end counts as one byte.
        assert!((5000..=5001).contains(&only.received), "{how}: {only:?}");
        assert!((300..=302).contains(&only.sent), "{how}: {only:?}");
    }
}

#[test]
fn other_ports_and_the_clients_own_ends_are_no_business_of_its() {
    let _turn = turn();
    let ((listener, port), (other, elsewhere)) = (listen(ANYWHERE), listen(ANYWHERE));
    let mut counter = counter(port);
    let mut client = TcpStream::connect(("127.0.0.1", elsewhere)).expect("it listens");
    let (mut broker, _) = other.accept().expect("it comes");
    client.write_all(&[7; 5000]).expect("it is taken");
    broker.read_exact(&mut [0; 5000]).expect("it comes whole");
    // A client of ours: its own side has the port as the far one.
    let ours = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    drop((client, broker));
    std::thread::sleep(Duration::from_millis(100));
    let seen = passed(&mut counter);
    assert!(seen.open() == 1 && seen.bytes() <= 1, "{seen:?}");
    drop((ours, listener));
}

/// Many end at once, more than the kernel keeps: each end is told, or it is told that some were not, and that is traffic.
#[test]
fn more_ends_than_the_kernel_keeps_are_traffic() {
    let _turn = turn();
    let (listener, port) = listen(ANYWHERE);
    let overrun = [1000, 4000, 16_000].into_iter().find_map(|ends| {
        let mut counter = counter(port);
        for _ in 0..ends {
            let client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
            let (mut broker, _) = listener.accept().expect("it comes");
            // Not read, so it is reset, and no port waits for a minute.
            broker.write_all(&[1]).expect("it is taken");
            drop(client);
            drop(broker);
        }
        // The kernel tells of ends a little later, and nobody listens meanwhile.
        std::thread::sleep(Duration::from_secs(1));
        let (began, mut told) = (Instant::now(), 0);
        loop {
            let seen = passed(&mut counter);
            told += seen.connections.iter().filter(|it| it.has_ended).count();
            if seen.is_overrun {
                println!("{ends} ended: {told} were told, and that there were more");
                assert!(!passed(&mut counter).is_overrun, "once");
                return Some(seen);
            }
            if told >= ends {
                println!("{ends} ended, and all were told");
                return None;
            }
            assert!(
                began.elapsed() < SOON,
                "{told} of {ends} ends were told, and nothing of the others"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let mut judge = Judge::new(Allowance::USUAL);
    let traffic = judge.traffic(&overrun.expect("the kernel does not keep so many"), 250);
    assert!(traffic > 0);
}

fn now(sockets: &Sockets) -> Seen {
    *sockets.seen().borrow()
}

/// An idle client, then one that writes: what is told while it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chatter_is_no_traffic_and_a_writer_is() {
    let _turn = TURN.lock().await;
    let (listener, port) = listen(ANYWHERE);
    let sockets = Sockets::start(SocketOptions {
        ports: BTreeSet::from([port]),
        allowance: Allowance { bytes_per_second: 1000 },
        sample: Duration::from_millis(50),
    });
    let mut sight = sockets.sight();
    let sees = timeout(SOON, sight.wait_for(|sight| matches!(sight, Sight::Sees { .. }))).await;
    sees.expect("in time").expect("it goes on");

    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let (mut broker, _) = listener.accept().expect("it comes");
    let mut exchange = |bytes: usize| {
        block_in_place(|| {
            client.write_all(&vec![7; bytes]).expect("it is taken");
            broker.read_exact(&mut vec![0; bytes]).expect("it comes whole");
        });
    };
    for _ in 0..20 {
        exchange(40);
        sleep(Duration::from_millis(100)).await;
    }
    let idle = now(&sockets);
    assert!(idle.sealed_from_clients > 0 && idle.opened == 1, "{idle:?}");
    assert_eq!(idle.traffic, 0, "{idle:?}");
    exchange(20_000);
    let mut seen = sockets.seen();
    let told = timeout(SOON, seen.wait_for(|seen| seen.traffic > 0)).await;
    told.expect("it is told in time").expect("it goes on");
    // It passes as much as it may, and nothing more is told.
    let after = now(&sockets);
    for _ in 0..10 {
        exchange(40);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(now(&sockets).traffic, after.traffic);
    drop(listener);
    let waits = timeout(SOON, sight.wait_for(|sight| *sight == Sight::Waits)).await;
    waits.expect("in time").expect("it goes on");
}
