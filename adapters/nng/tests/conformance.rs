//! One suite for every pairing of back ends.

#![allow(clippy::unwrap_used)] // in helpers of tests

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pehra_nng::{Backend, Endpoint, Incoming, LinkEvent, Listener, Options, RequestError, Requester};
use tokio::sync::{RwLock, mpsc};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

/// Who counts what this process holds takes it for writing, whoever opens connections for reading.
static ALONE: RwLock<()> = RwLock::const_new(());

macro_rules! pairing {
    ($name:ident, $asks:expr, $answers:expr) => {
        mod $name {
            use super::*;

            const PAIR: Pair = Pair {
                asks: $asks,
                answers: $answers,
            };

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn bodies_of_every_size_up_to_the_limit_come_back() {
                let _others = ALONE.read().await;
                PAIR.sizes().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_body_above_the_limit_is_refused_in_both_directions() {
                let _others = ALONE.read().await;
                PAIR.too_large().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_peer_with_a_higher_limit_cannot_get_a_body_through() {
                let _others = ALONE.read().await;
                PAIR.uneven_limits().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn requests_in_flight_may_be_answered_in_any_order() {
                let _others = ALONE.read().await;
                PAIR.any_order().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_request_ends_at_its_deadline_and_its_late_reply_goes_to_nobody() {
                let _others = ALONE.read().await;
                PAIR.deadline().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_dropped_answer_is_an_empty_reply() {
                let _others = ALONE.read().await;
                PAIR.dropped_answer().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn the_link_goes_down_with_the_listener_and_comes_up_with_its_successor() {
                let _others = ALONE.read().await;
                PAIR.restart().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn requests_beyond_the_limit_are_refused_at_once() {
                let _others = ALONE.read().await;
                PAIR.busy().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn of_a_thousand_requests_none_is_lost_or_mixed_up() {
                let _others = ALONE.read().await;
                PAIR.a_thousand().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn either_side_can_be_dropped_at_any_moment() {
                let _alone = ALONE.write().await;
                PAIR.drops().await;
            }
        }
    };
}

pairing!(sp_asks_sp, Backend::Sp, Backend::Sp);
#[cfg(feature = "libnng")]
pairing!(libnng_asks_libnng, Backend::LibNng, Backend::LibNng);
#[cfg(feature = "libnng")]
pairing!(sp_asks_libnng, Backend::Sp, Backend::LibNng);
#[cfg(feature = "libnng")]
pairing!(libnng_asks_sp, Backend::LibNng, Backend::Sp);

struct Pair {
    asks: Backend,
    answers: Backend,
}

impl Pair {
    async fn listener(&self, port: u16, options: &Options) -> Listener {
        let endpoint = format!("tcp://127.0.0.1:{port}").parse().unwrap();
        let backend = self.answers;
        // A port that was just given up may need a moment.
        let began = Instant::now();
        loop {
            match Listener::bind(
                &endpoint,
                Options {
                    backend,
                    ..options.clone()
                },
            )
            .await
            {
                Ok(listener) => return listener,
                Err(error) if began.elapsed() > LONG => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn requester(&self, listener: &Listener, options: &Options) -> (Requester, mpsc::Receiver<LinkEvent>) {
        let endpoint = endpoint_of(listener);
        let backend = self.asks;
        let (requester, mut links) = Requester::connect(
            &endpoint,
            Options {
                backend,
                ..options.clone()
            },
        )
        .unwrap();
        let up = next(&mut links).await;
        assert!(
            matches!(up, LinkEvent::Up { address } if address == listener.local_addr()),
            "{up:?}"
        );
        (requester, links)
    }

    async fn echo(&self, options: &Options) -> (Requester, mpsc::Receiver<LinkEvent>) {
        let mut listener = self.listener(0, options).await;
        let (requester, links) = self.requester(&listener, options).await;
        tokio::spawn(async move {
            while let Some(incoming) = listener.next().await {
                incoming.answer.send(incoming.body);
            }
        });
        (requester, links)
    }

    async fn sizes(&self) {
        let options = quick();
        let (requester, _links) = self.echo(&options).await;
        for size in [
            0,
            1,
            3,
            4,
            5,
            127,
            4096,
            65_535,
            65_536,
            options.frame_max - 1,
            options.frame_max,
        ] {
            let body: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
            assert_eq!(requester.request(body.clone(), LONG).await, Ok(body), "{size} bytes");
        }
    }

    async fn too_large(&self) {
        let options = quick();
        let mut listener = self.listener(0, &options).await;
        let (requester, _links) = self.requester(&listener, &options).await;
        let (bytes, limit) = (options.frame_max + 1, options.frame_max);
        let large = Bytes::from(vec![7; bytes]);
        let refused = requester.request(large.clone(), LONG).await;
        assert_eq!(refused, Err(RequestError::TooLarge { bytes, limit }));
        let asked = requester.request(Bytes::from_static(b"send me much"), LONG);
        listener.next().await.unwrap().answer.send(large);
        assert_eq!(asked.await, Ok(Bytes::new()));
        assert_eq!(count(&listener.counters().refused_frames), 1);
    }

    async fn uneven_limits(&self) {
        let small = quick();
        let large = Options {
            frame_max: 10 * small.frame_max,
            ..quick()
        };
        for bytes in [small.frame_max + 1, 5 * small.frame_max] {
            let mut listener = self.listener(0, &small).await;
            let (requester, mut links) = self.requester(&listener, &large).await;
            let refused = requester.request(Bytes::from(vec![1; bytes]), LONG).await;
            assert_eq!(refused, Err(RequestError::LinkDown), "a request of {bytes} bytes");
            assert!(matches!(next(&mut links).await, LinkEvent::Down { .. }));
            assert!(timeout(Duration::from_millis(50), listener.next()).await.is_err());

            let mut listener = self.listener(0, &large).await;
            let (requester, mut links) = self.requester(&listener, &small).await;
            let asked = requester.request(Bytes::from_static(b"send me much"), LONG);
            listener.next().await.unwrap().answer.send(Bytes::from(vec![1; bytes]));
            assert_eq!(asked.await, Err(RequestError::LinkDown), "a reply of {bytes} bytes");
            assert!(matches!(next(&mut links).await, LinkEvent::Down { .. }));
        }
    }

    async fn any_order(&self) {
        let options = quick();
        let mut listener = self.listener(0, &options).await;
        let (requester, _links) = self.requester(&listener, &options).await;
        let asked: Vec<_> = (0..options.in_flight_max as u64)
            .map(|number| requester.request(number.to_be_bytes().to_vec().into(), LONG))
            .collect();
        let mut open = Vec::new();
        for number in 0..options.in_flight_max as u64 {
            let incoming = listener.next().await.unwrap();
            assert_eq!(
                incoming.body,
                number.to_be_bytes().as_slice(),
                "requests leave in the order of the calls"
            );
            open.push(incoming);
        }
        // The odd ones first, then the even ones, each backwards.
        let (even, odd): (Vec<_>, Vec<_>) = open.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
        for (_, Incoming { body, answer, .. }) in odd.into_iter().rev().chain(even.into_iter().rev()) {
            answer.send(body);
        }
        for (number, reply) in asked.into_iter().enumerate() {
            assert_eq!(reply.await.unwrap(), (number as u64).to_be_bytes().as_slice());
        }
    }

    async fn deadline(&self) {
        let options = quick();
        let mut listener = self.listener(0, &options).await;
        let (requester, _links) = self.requester(&listener, &options).await;
        let began = Instant::now();
        let late = requester.request(Bytes::from_static(b"slow"), Duration::from_millis(100));
        assert_eq!(late.await, Err(RequestError::Deadline));
        assert!((Duration::from_millis(100)..Duration::from_secs(2)).contains(&began.elapsed()));
        listener
            .next()
            .await
            .unwrap()
            .answer
            .send(Bytes::from_static(b"too late"));
        let asked = requester.request(Bytes::from_static(b"fast"), LONG);
        listener
            .next()
            .await
            .unwrap()
            .answer
            .send(Bytes::from_static(b"in time"));
        assert_eq!(asked.await.unwrap(), b"in time".as_slice());
        assert_eq!(count(&requester.counters().late_replies), 1);
    }

    async fn dropped_answer(&self) {
        let options = quick();
        let mut listener = self.listener(0, &options).await;
        let (requester, _links) = self.requester(&listener, &options).await;
        let asked = requester.request(Bytes::from_static(b"?"), LONG);
        drop(listener.next().await.unwrap());
        assert_eq!(asked.await, Ok(Bytes::new()));
    }

    async fn restart(&self) {
        let options = quick();
        let mut listener = self.listener(0, &options).await;
        let (requester, mut links) = self.requester(&listener, &options).await;
        let port = listener.local_addr().port();
        for round in 1..=3_u8 {
            let open = requester.request(Bytes::from_static(b"open"), LONG);
            let incoming = listener.next().await.unwrap();
            drop(listener);
            assert_eq!(open.await, Err(RequestError::LinkDown), "round {round}");
            // To a connection that is gone: it must do no harm.
            incoming.answer.send(Bytes::from_static(b"nobody hears"));
            assert!(matches!(next(&mut links).await, LinkEvent::Down { .. }));
            let refused = requester.request(Bytes::from_static(b"?"), LONG).await;
            assert_eq!(refused, Err(RequestError::LinkDown));
            listener = self.listener(port, &options).await;
            assert!(
                matches!(next(&mut links).await, LinkEvent::Up { .. }),
                "Down is said once"
            );
            let asked = requester.request(Bytes::copy_from_slice(&[round]), LONG);
            let incoming = listener.next().await.unwrap();
            assert_eq!(
                incoming.body,
                [round].as_slice(),
                "nothing of the old connection is sent again"
            );
            incoming.answer.send(Bytes::from_static(b"!"));
            assert_eq!(asked.await.unwrap(), b"!".as_slice());
        }
    }

    async fn busy(&self) {
        let options = Options {
            in_flight_max: 2,
            ..quick()
        };
        let listener = self.listener(0, &options).await;
        let (requester, _links) = self.requester(&listener, &options).await;
        let open = [
            requester.request(Bytes::new(), LONG),
            requester.request(Bytes::new(), LONG),
        ];
        assert_eq!(requester.request(Bytes::new(), LONG).await, Err(RequestError::Busy));
        drop(open);
        let freed = requester.request(Bytes::new(), Duration::from_millis(50)).await;
        assert_eq!(freed, Err(RequestError::Deadline), "given up requests make room");
    }

    async fn a_thousand(&self) {
        let options = quick();
        let mut listener = self.listener(0, &options).await;
        let mut asking = tokio::task::JoinSet::new();
        for house in 0..4_u64 {
            let (requester, links) = self.requester(&listener, &options).await;
            asking.spawn(async move {
                let numbers: Vec<_> = (0..250_u64).map(|number| house * 1000 + number).collect();
                for some in numbers.chunks(options.in_flight_max) {
                    let replies: Vec<_> = some
                        .iter()
                        .map(|number| (*number, requester.request(number.to_be_bytes().to_vec().into(), LONG)))
                        .collect();
                    for (number, reply) in replies {
                        assert_eq!(reply.await.unwrap(), (number ^ u64::MAX).to_be_bytes().as_slice());
                    }
                }
                drop(links);
            });
        }
        let began = Instant::now();
        let mut seen = BTreeSet::new();
        let mut peers = BTreeSet::new();
        let mut held = Vec::new();
        while seen.len() < 1000 {
            // Every third waits until later ones have overtaken it, or nobody asks any more.
            let quiet = match timeout(Duration::from_millis(5), listener.next()).await {
                Ok(incoming) => {
                    let Incoming { peer, body, answer } = incoming.unwrap();
                    let number = u64::from_be_bytes(body.as_ref().try_into().unwrap());
                    assert!(seen.insert(number), "{number} came twice");
                    peers.insert(peer.connection);
                    held.push((number, answer));
                    number % 3 != 0
                }
                Err(_) => true,
            };
            assert!(began.elapsed() < LONG, "only {} came", seen.len());
            if quiet || seen.len() == 1000 {
                for (number, answer) in held.drain(..).rev() {
                    answer.send((number ^ u64::MAX).to_be_bytes().to_vec().into());
                }
            }
        }
        asking.join_all().await;
        assert_eq!(peers.len(), 4);
    }

    async fn drops(&self) {
        let options = quick();
        let before = held();
        for round in 0..30_u64 {
            let mut listener = self.listener(0, &options).await;
            let (requester, links) = self.requester(&listener, &options).await;
            let open: Vec<_> = (0..8)
                .map(|_| requester.request(Bytes::from_static(b"x"), LONG))
                .collect();
            let incoming = listener.next().await.unwrap();
            tokio::time::sleep(Duration::from_micros(137 * round)).await;
            match round % 3 {
                0 => drop((requester, open, listener, incoming, links)),
                1 => drop((listener, requester, links, incoming, open)),
                _ => drop((incoming, links, open, listener, requester)),
            }
        }
        let began = Instant::now();
        // What the tests before this one held may go too, but nothing of this one may stay.
        loop {
            let left: Vec<_> = held().difference(&before).cloned().collect();
            if left.is_empty() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "left: {left:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The sockets of this process, and the threads of the libnng back end.
fn held() -> BTreeSet<String> {
    let sockets = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|what| what.to_string_lossy().into_owned())
        .filter(|what| what.starts_with("socket:"));
    let threads = fs::read_dir("/proc/self/task").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let number = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("nng-").then(|| format!("{}:{number}", name.trim()))
    });
    sockets.chain(threads).collect()
}

fn quick() -> Options {
    Options {
        frame_max: 200_000,
        in_flight_max: 16,
        reconnect_min: Duration::from_millis(10),
        reconnect_max: Duration::from_millis(50),
        ..Options::default()
    }
}

fn endpoint_of(listener: &Listener) -> Endpoint {
    format!("tcp://{}", listener.local_addr()).parse().unwrap()
}

fn count(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(std::sync::atomic::Ordering::Relaxed)
}

async fn next(links: &mut mpsc::Receiver<LinkEvent>) -> LinkEvent {
    timeout(LONG, links.recv())
        .await
        .expect("a link event")
        .expect("a living requester")
}
