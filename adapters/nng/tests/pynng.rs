//! Both back ends with a Python program that speaks through pynng.

#![allow(clippy::unwrap_used)] // in helpers of tests

use std::time::Duration;

use bytes::Bytes;
use pehra_nng::{Backend, Incoming, Listener, Options, Requester};
use pehra_testbed::pynng::{Req, Venv};
use tokio::time::timeout;

/// For one step.
const LONG: Duration = Duration::from_secs(20);

/// Far above what a request takes, so that nothing is sent twice unless that is what a test wants.
const NO_RESEND_MS: u32 = 60_000;

macro_rules! backend {
    ($name:ident, $backend:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn our_requester_is_answered_by_pynng() {
                asks_pynng($backend).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn our_listener_answers_pynng() {
                answers_pynng($backend).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_request_that_pynng_sends_again_is_answered_once_for_it() {
                resent_by_pynng($backend).await;
            }
        }
    };
}

backend!(sp, Backend::Sp);
#[cfg(feature = "libnng")]
backend!(libnng, Backend::LibNng);

async fn asks_pynng(backend: Backend) {
    let rep = blocking(|| Venv::fetch().rep("pynng heard: ")).await;
    let endpoint = format!("tcp://127.0.0.1:{}", rep.port()).parse().unwrap();
    let (requester, mut links) = Requester::connect(&endpoint, options(backend)).unwrap();
    timeout(LONG, links.recv()).await.unwrap().unwrap();
    for size in [0, 1, 4, 1000, 100_000] {
        let body = Bytes::from(vec![b'x'; size]);
        let reply = requester.request(body.clone(), LONG).await.unwrap();
        assert_eq!(reply, [b"pynng heard: ".as_slice(), &body].concat(), "{size} bytes");
    }
    // It answers one after the other; that many may wait here meanwhile.
    let asked: Vec<_> = (0..10)
        .map(|number| requester.request(number.to_string().into(), LONG))
        .collect();
    for (number, reply) in asked.into_iter().enumerate() {
        assert_eq!(reply.await.unwrap(), format!("pynng heard: {number}"));
    }
}

async fn answers_pynng(backend: Backend) {
    let (mut listener, url) = listener(backend).await;
    let req = blocking(move || Venv::fetch().req(&url, 20, NO_RESEND_MS)).await;
    for number in 0..20 {
        let Incoming { body, answer, .. } = next(&mut listener).await;
        assert_eq!(body, format!("request {number}"));
        answer.send([b"we heard: ".as_slice(), &body].concat().into());
    }
    let replies = blocking(move || (0..20).map(|_| req.reply()).collect::<Vec<_>>()).await;
    for (number, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply, format!("we heard: request {number}"));
    }
}

async fn resent_by_pynng(backend: Backend) {
    let (mut listener, url) = listener(backend).await;
    let req = blocking(move || Venv::fetch().req(&url, 2, 100)).await;
    let first = next(&mut listener).await;
    let mut again = vec![next(&mut listener).await];
    assert_eq!(first.body, "request 0");
    assert_eq!(again[0].body, "request 0", "the same request comes a second time");
    assert_eq!(again[0].peer, first.peer, "over the same connection");

    // pynng takes an answer by its id, so the resent request had the id of the first, whose answer this is.
    first.answer.send(Bytes::from_static(b"to the first"));
    let (req, reply) = next_reply(req).await;
    assert_eq!(reply, "to the first");

    // The answers to the duplicates arrive while the next request waits, and must not be taken for its own.
    let second = loop {
        let incoming = next(&mut listener).await;
        if incoming.body == "request 1" {
            break incoming;
        }
        again.push(incoming);
    };
    for duplicate in again {
        duplicate.answer.send(Bytes::from_static(b"late"));
    }
    second.answer.send(Bytes::from_static(b"to the second"));
    let (_req, reply) = next_reply(req).await;
    assert_eq!(reply, "to the second");
}

async fn listener(backend: Backend) -> (Listener, String) {
    let endpoint = "tcp://127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(&endpoint, options(backend)).await.unwrap();
    let url = format!("tcp://{}", listener.local_addr());
    (listener, url)
}

async fn next(listener: &mut Listener) -> Incoming {
    let next = timeout(LONG, listener.next()).await;
    next.expect("a request in time").expect("a living listener")
}

async fn next_reply(req: Req) -> (Req, String) {
    blocking(move || {
        let reply = req.reply();
        (req, reply)
    })
    .await
}

/// Off the threads that serve the connections. The first call may fetch pynng.
async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(act);
    timeout(Duration::from_secs(180), done).await.expect("in time").unwrap()
}

fn options(backend: Backend) -> Options {
    Options {
        backend,
        ..Options::default()
    }
}
