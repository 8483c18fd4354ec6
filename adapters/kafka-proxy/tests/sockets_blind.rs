//! The kernel does not answer: a process that may open no more files gets no socket to ask it by. One test, as the limit is the process's.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use pehra_core::sleep::traffic::Allowance;
use pehra_kafka_proxy::{Sight, SocketOptions, Sockets};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn who_cannot_see_says_so_and_takes_what_it_missed_for_traffic() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("it is bound");
    let usual = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(0),
        ..usual
    };
    setrlimit(Resource::Nofile, none).expect("it is lowered");
    let sockets = Sockets::start(SocketOptions {
        ports: BTreeSet::from([at.port()]),
        allowance: Allowance::USUAL,
        sample: Duration::from_millis(50),
    });
    let mut sight = sockets.sight();
    let blind = timeout(SOON, sight.wait_for(|sight| matches!(sight, Sight::Blind(_)))).await;
    let blind = blind.expect("in time").expect("it goes on").clone();
    let Sight::Blind(why) = blind else { panic!("{blind:?}") };
    for said in ["sock_diag", "os error 24", "RestrictAddressFamilies="] {
        assert!(why.contains(said), "{why}");
    }
    assert_eq!(
        sockets.seen().borrow().traffic,
        0,
        "nothing is told while nothing is known"
    );

    setrlimit(Resource::Nofile, usual).expect("it is raised");
    let _client = TcpStream::connect(at).expect("it listens");
    let sees = timeout(SOON, sight.wait_for(|sight| matches!(sight, Sight::Sees { .. }))).await;
    sees.expect("it tries again").expect("it goes on");
    assert_eq!(sockets.seen().borrow().traffic, 1, "what it missed");
}
