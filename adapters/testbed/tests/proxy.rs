//! The proxy's faults, each against a real echo server.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use pehra_testbed::proxy::{Direction, Proxy};

#[test]
fn bytes_pass_and_are_counted() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, b"hello").unwrap(), b"hello");
    let counts = proxy.counts();
    assert_eq!(
        (counts.connections, counts.bytes_to_target, counts.bytes_from_target),
        (1, 5, 5)
    );
}

#[test]
fn an_end_of_stream_passes_one_way() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    stream.write_all(b"last words").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"last words");
}

#[test]
fn a_cut_ends_standing_connections_and_takes_new_ones() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    ask(&mut stream, b"x").unwrap();
    proxy.cut();
    assert!(is_closed(&mut stream));
    assert_eq!(ask(&mut connect(&proxy), b"again").unwrap(), b"again");
}

#[test]
fn refusal_hits_new_connections_only() {
    let proxy = Proxy::start(echo());
    let mut standing = connect(&proxy);
    ask(&mut standing, b"x").unwrap();
    proxy.refuse();
    assert!(is_closed(&mut connect(&proxy)));
    assert_eq!(ask(&mut standing, b"still").unwrap(), b"still");
    assert_eq!(proxy.counts().refused, 1);
    proxy.resume();
    assert_eq!(ask(&mut connect(&proxy), b"open").unwrap(), b"open");
}

#[test]
fn a_stall_is_silent_in_its_direction_and_loses_nothing() {
    for direction in [Direction::ToTarget, Direction::FromTarget, Direction::Both] {
        let proxy = Proxy::start(echo());
        let mut stream = connect(&proxy);
        ask(&mut stream, b"x").unwrap();
        proxy.stall(direction);
        thread::sleep(Duration::from_millis(50));
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let silent = ask(&mut stream, b"held").unwrap_err();
        assert!(
            matches!(silent.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            "{silent}"
        );
        let reached_target = proxy.counts().bytes_to_target == 5;
        assert_eq!(reached_target, direction == Direction::FromTarget);
        // A new one is taken, and is as silent.
        let mut other = connect(&proxy);
        other.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(ask(&mut other, b"x").is_err());
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        proxy.resume();
        let mut held = [0; 4];
        stream.read_exact(&mut held).unwrap();
        assert_eq!(&held, b"held");
    }
}

#[test]
fn a_delay_holds_both_ways() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    proxy.delay(Direction::Both, Duration::from_millis(100));
    let began = Instant::now();
    ask(&mut stream, b"slow").unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_connection_is_cut_in_the_middle_of_a_word_once() {
    let proxy = Proxy::start(echo());
    proxy.cut_after(Direction::FromTarget, 3);
    let mut stream = connect(&proxy);
    stream.write_all(b"hello").unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    assert_eq!(all, b"hel");
    assert_eq!(ask(&mut connect(&proxy), b"hello").unwrap(), b"hello");
}

#[test]
fn one_byte_is_flipped() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    proxy.flip_next_byte(Direction::ToTarget);
    assert_eq!(ask(&mut stream, &[1, 2, 3]).unwrap(), [!1, 2, 3]);
    assert_eq!(ask(&mut stream, &[1, 2, 3]).unwrap(), [1, 2, 3]);
}

#[test]
fn without_a_target_connections_are_closed() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(gone);
    assert!(is_closed(&mut connect(&proxy)));
}

#[test]
fn a_dropped_proxy_frees_its_port_and_ends_its_connections_even_while_stalled() {
    let proxy = Proxy::start(echo());
    let address = proxy.address();
    let mut stream = connect(&proxy);
    ask(&mut stream, b"x").unwrap();
    proxy.stall(Direction::Both);
    drop(proxy);
    assert!(is_closed(&mut stream));
    assert!(TcpStream::connect(address).is_err());
}

fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = stream.unwrap();
            thread::spawn(move || {
                let mut writer = reader.try_clone().unwrap();
                let _ = io::copy(&mut reader, &mut writer);
                let _ = writer.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, words: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(words)?;
    let mut reply = vec![0; words.len()];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    }
}
