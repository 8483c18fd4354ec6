//! The kernel's own count of what came to a port.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use pehra_core::sleep::traffic::Passed;
use pehra_kafka_proxy::SocketCounter;

fn passed(counter: &mut SocketCounter) -> Passed {
    counter.passed().expect("the kernel answers")
}

fn bytes_are_counted_once_in_both_directions(address: &str) {
    let listener = TcpListener::bind(address).expect("a free port");
    let at = listener.local_addr().expect("it is bound");
    let mut counter = SocketCounter::new(at.port()).expect("the kernel answers");
    assert_eq!(passed(&mut counter), Passed::default(), "who listens is no connection");

    let mut client = TcpStream::connect(at).expect("it listens");
    let (mut broker, _) = listener.accept().expect("it comes");
    let none = passed(&mut counter);
    assert!(none.connections == 1 && none.bytes <= 1, "{none:?}");
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
    // The last acknowledgement may be under way.
    let mut bytes = 0;
    for _ in 0..100 {
        bytes += passed(&mut counter).bytes;
        if bytes >= 201_000 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // The kernel counts the handshake as one.
    assert!((201_000..=201_002).contains(&bytes), "{bytes}");
    assert_eq!(passed(&mut counter).bytes, 0, "nothing twice");

    let other = TcpStream::connect(at).expect("it listens");
    assert_eq!(passed(&mut counter).connections, 2);
    drop((client, broker, other));
    assert_eq!(passed(&mut counter).connections, 0);
}

#[test]
fn bytes_are_counted_once_in_both_directions_over_ip_4() {
    bytes_are_counted_once_in_both_directions("127.0.0.1:0");
}

#[test]
fn bytes_are_counted_once_in_both_directions_over_ip_6() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("NOT CHECKED: this machine has no IP 6");
        return;
    }
    bytes_are_counted_once_in_both_directions("[::1]:0");
}
