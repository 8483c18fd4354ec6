//! Who answers wrongly, late, or not at all is told apart, within the limits.

use std::time::{Duration, Instant};

use pehra_kafka_admin::{Admin, AdminError, Limits, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIMITS: Limits = Limits {
    connect: Duration::from_millis(300),
    request: Duration::from_millis(300),
    frame_max: 1000,
};

/// Connects to somebody who sends these bytes once asked, and then hangs up or stays.
async fn meet(answer: &'static [u8], stays: bool) -> AdminError {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("it is bound").to_string();
    let stranger = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody comes");
        let mut asked = [0; 512];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(answer).await;
        if stays {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    });
    let met = Admin::connect(&at, LIMITS).await;
    stranger.abort();
    met.expect_err("that is no broker")
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named_with_what_to_do() {
    let port = pehra_testbed::process::free_port();
    let error = Admin::connect(&format!("127.0.0.1:{port}"), LIMITS)
        .await
        .expect_err("nobody is there");
    assert!(matches!(error.problem, Problem::Unreachable(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&port.to_string()) && text.contains("give another address"),
        "{text}"
    );
}

#[tokio::test]
async fn of_several_brokers_every_failure_is_told() {
    let ports = [(); 2].map(|()| pehra_testbed::process::free_port());
    let both = format!("127.0.0.1:{}, 127.0.0.1:{}", ports[0], ports[1]);
    let text = Admin::connect(&both, LIMITS)
        .await
        .expect_err("nobody is there")
        .to_string();
    assert!(
        ports.iter().all(|port| text.matches(&port.to_string()).count() >= 2),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_no_address_is_said_before_anything_is_tried() {
    for wrong in ["localhost", "", ":9092", "localhost:kafka", "localhost:9092,"] {
        let error = Admin::connect(wrong, LIMITS).await.expect_err("that is none");
        assert_eq!(error.problem, Problem::Address, "{wrong}");
    }
}

#[tokio::test]
async fn somebody_who_never_answers_costs_the_deadline_and_no_more() {
    let began = Instant::now();
    assert_eq!(meet(b"", true).await.problem, Problem::Silent(LIMITS.request));
    // Half a frame is no answer either.
    assert_eq!(
        meet(b"\0\0\0\x20half", true).await.problem,
        Problem::Silent(LIMITS.request)
    );
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn somebody_who_hangs_up_is_told_apart_from_somebody_who_talks_nonsense() {
    assert!(matches!(meet(b"", false).await.problem, Problem::Closed(_)));
    // A TLS server's alert, a web server's answer, a frame above the limit, one with another's number, one cut short inside.
    let nonsense: [&[u8]; 5] = [
        b"\x15\x03\x03\0\x02\x02\x46",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0\0\x03\xe9",
        b"\0\0\0\x06\0\0\0\x07\0\0",
        b"\0\0\0\x07\0\0\0\x01\0\0\xff",
    ];
    for answer in nonsense {
        let error = meet(answer, true).await;
        assert!(matches!(error.problem, Problem::Garbled(_)), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_broker_that_only_speaks_old_versions_is_told_to_be_updated() {
    // "Unsupported version", and the one request that it knows; the same again when asked in the oldest that we speak.
    let answers = b"\0\0\0\x10\0\0\0\x01\0\x23\0\0\0\x01\0\x12\0\0\0\x02\0\0\0\x06\0\0\0\x02\0\x23";
    let error = meet(answers, true).await;
    assert!(matches!(error.problem, Problem::TooOld { wanted: 3, .. }), "{error:?}");
    assert!(error.to_string().contains("update the broker"), "{error}");
}
