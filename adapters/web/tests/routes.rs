//! The routes over a real port, spoken to in plain HTTP.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pehra_web::{ClusterPanel, NodePanel, ServeError, Shown, Snapshot, Totals, bind, serve, serve_on};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

const PATIENCE: Duration = Duration::from_secs(10);

struct Served {
    addr: SocketAddr,
    snapshots: watch::Sender<Arc<Snapshot>>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServeError>>,
}

async fn served() -> Served {
    let (snapshots, rx) = watch::channel(Arc::new(of(1)));
    serving(snapshots, rx).await
}

/// A page that shows this; the snapshots may be among it.
async fn serving(snapshots: watch::Sender<Arc<Snapshot>>, shown: impl Into<Shown>) -> Served {
    let shown = shown.into();
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(serve_on(listener, shown, async {
        let _ = stopped.await;
    }));
    Served {
        addr,
        snapshots,
        stop,
        server,
    }
}

fn of(tuples: u64) -> Snapshot {
    Snapshot {
        price_eur_per_kwh: 0.372,
        totals: Totals {
            tuples,
            ..Totals::default()
        },
        ..Snapshot::default()
    }
}

async fn open(addr: SocketAddr, path: &str, extra: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n{extra}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn get(addr: SocketAddr, path: &str, extra: &str) -> String {
    let mut stream = open(addr, path, &format!("connection: close\r\n{extra}")).await;
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads on until `text` has come; returns everything so far.
async fn until(stream: &mut TcpStream, so_far: &mut String, text: &str) {
    while !so_far.contains(text) {
        let mut bytes = [0; 4096];
        let n = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert!(n > 0, "the stream ended before {text:?}: {so_far}");
        so_far.push_str(core::str::from_utf8(&bytes[..n]).unwrap());
    }
}

#[tokio::test]
async fn the_page_and_its_files_are_there_and_need_nothing_else() {
    let served = served().await;
    let page = get(served.addr, "/", "").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("content-type: text/html; charset=utf-8"));
    assert!(page.contains("<title>Pehra – household power, live</title>"));
    assert!(page.contains("content-security-policy: default-src 'self'"));
    let mut files = Vec::new();
    for part in page.split(['"', '\'']).filter(|part| part.starts_with("/assets/")) {
        let file = get(served.addr, part, "").await;
        assert!(file.starts_with("HTTP/1.1 200 OK\r\n"), "{part}");
        assert!(
            !file.replace("http://www.w3.org/2000/svg", "").contains("://"),
            "{part} names another host"
        );
        files.push(part.rsplit('/').next().unwrap());
    }
    assert_eq!(files, ["icon.svg", "page.css", "cluster.css", "page.js"]);
    for script in ["common.js", "households.js", "cluster.js"] {
        let file = get(served.addr, &format!("/assets/{script}"), "").await;
        assert!(file.contains("content-type: text/javascript"), "{script}");
        assert!(
            !file.replace("http://www.w3.org/2000/svg", "").contains("://"),
            "{script} names another host"
        );
    }
    assert!(
        get(served.addr, "/assets/page.js", "")
            .await
            .contains("content-type: text/javascript")
    );
    for path in [
        "/assets/none.js",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/",
        "/other",
    ] {
        assert!(get(served.addr, path, "").await.starts_with("HTTP/1.1 404"), "{path}");
    }
}

#[tokio::test]
async fn a_file_the_browser_has_is_not_sent_again() {
    let served = served().await;
    let first = get(served.addr, "/assets/page.css", "").await;
    let tag = first.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let again = get(served.addr, "/assets/page.css", &format!("if-none-match: {tag}\r\n")).await;
    assert!(again.starts_with("HTTP/1.1 304") && again.ends_with("\r\n\r\n"));
    assert!(
        get(served.addr, "/assets/page.css", "if-none-match: \"0\"\r\n")
            .await
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn the_state_is_the_newest_snapshot() {
    let served = served().await;
    assert!(get(served.addr, "/healthz", "").await.ends_with("\r\n\r\nok\n"));
    for tuples in [1, 2] {
        served.snapshots.send_replace(Arc::new(of(tuples)));
        let answer = get(served.addr, "/api/state", "").await;
        assert!(answer.contains("content-type: application/json") && answer.contains("cache-control: no-store"));
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(body).unwrap(), of(tuples));
    }
}

#[tokio::test]
async fn the_stream_begins_at_once_and_never_hurries() {
    let served = served().await;
    let mut stream = open(served.addr, "/api/live", "").await;
    let (mut text, begun) = (String::new(), Instant::now());
    until(&mut stream, &mut text, "\"tuples\":1,").await;
    assert!(text.contains("content-type: text/event-stream"));
    assert!(
        begun.elapsed() < Duration::from_millis(400),
        "the first snapshot comes at once"
    );
    for tuples in 2..=120 {
        served.snapshots.send_replace(Arc::new(of(tuples)));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until(&mut stream, &mut text, "\"tuples\":120,").await;
    let events = text.matches("data:").count() as u128;
    let most = begun.elapsed().as_millis() / 500 + 1;
    assert!((2..=most).contains(&events), "{events} events, {most} allowed");
}

#[tokio::test]
async fn stopping_ends_open_streams_and_the_server() {
    let served = served().await;
    let mut stream = open(served.addr, "/api/live", "").await;
    until(&mut stream, &mut String::new(), "\"tuples\":1,").await;
    served.stop.send(()).unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    timeout(PATIENCE, served.server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(served.addr).await.is_err());
}

#[tokio::test]
async fn a_stream_ends_with_its_snapshots() {
    let served = served().await;
    let mut stream = open(served.addr, "/api/live", "").await;
    until(&mut stream, &mut String::new(), "\"tuples\":1,").await;
    drop(served.snapshots);
    let mut rest = String::new();
    until(&mut stream, &mut rest, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let served = served().await;
    let (_tx, rx) = watch::channel(Arc::new(Snapshot::default()));
    let error = serve(served.addr, rx, core::future::pending()).await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("port {} on 127.0.0.1 is in use; ", served.addr.port())),
        "{said}"
    );
    assert!(said.contains("choose another port"), "{said}");
}

fn barn(doing: &str) -> Arc<ClusterPanel> {
    let node = NodePanel {
        id: 3,
        broker: Some(103),
        reached: true,
        doing: doing.into(),
        ..NodePanel::default()
    };
    Arc::new(ClusterPanel {
        name: "barn".into(),
        nodes: vec![node],
        ..ClusterPanel::default()
    })
}

fn body(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[tokio::test]
async fn a_page_may_show_only_a_cluster() {
    let (panels, shown) = watch::channel(barn("active"));
    let served = serving(watch::channel(Arc::new(Snapshot::default())).0, shown).await;
    let has = body(&get(served.addr, "/api/shown", "").await);
    assert_eq!(has, serde_json::json!({ "households": false, "cluster": true }));
    for path in ["/api/state", "/api/live"] {
        let answer = get(served.addr, path, "").await;
        assert!(
            answer.starts_with("HTTP/1.1 404") && answer.contains("/api/cluster"),
            "{answer}"
        );
    }
    let answer = get(served.addr, "/api/cluster", "").await;
    assert!(answer.contains("cache-control: no-store"));
    let sent = body(&answer);
    assert_eq!(sent["boxes"]["3"], serde_json::json!(["state-active"]));
    assert_eq!(serde_json::from_value::<ClusterPanel>(sent).unwrap(), *barn("active"));
    let mut stream = open(served.addr, "/api/cluster/live", "").await;
    let mut text = String::new();
    until(&mut stream, &mut text, "\"boxes\":{\"3\":[\"state-active\"]}").await;
    panels.send_replace(barn("asleep"));
    until(&mut stream, &mut text, "\"boxes\":{\"3\":[\"state-sleeping\"]}").await;
    drop(panels);
    until(&mut stream, &mut text, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_page_may_show_households_and_a_cluster_and_says_what_it_does_not_show() {
    let (snapshots, households) = watch::channel(Arc::new(of(7)));
    let (_panels, cluster) = watch::channel(barn("waking"));
    let both = Shown {
        households: Some(households),
        cluster: Some(cluster),
    };
    let both = serving(snapshots, both).await;
    assert_eq!(
        body(&get(both.addr, "/api/shown", "").await),
        serde_json::json!({ "households": true, "cluster": true })
    );
    assert_eq!(body(&get(both.addr, "/api/state", "").await)["totals"]["tuples"], 7);
    assert_eq!(body(&get(both.addr, "/api/cluster", "").await)["name"], "barn");
    let served = served().await;
    for path in ["/api/cluster", "/api/cluster/live"] {
        let answer = get(served.addr, path, "").await;
        assert!(
            answer.starts_with("HTTP/1.1 404") && answer.contains("--cluster"),
            "{answer}"
        );
    }
}

/// The chart of this crate has all boxes that nodes can be in, and no other: each word and each stage leads to some.
#[test]
fn every_word_for_what_a_broker_does_has_its_boxes_in_the_chart() {
    let chart = include_str!("../assets/sleep-flow.svg");
    let mut reached = std::collections::BTreeSet::new();
    for doing in ["active", "draining", "asleep", "ringing", "waking", "maintenance"] {
        for stage in [
            None,
            Some("looking"),
            Some("stopping"),
            Some("settling"),
            Some("later words"),
        ] {
            let node = NodePanel {
                doing: doing.into(),
                stage: stage.map(str::to_owned),
                ..NodePanel::default()
            };
            assert!(!node.boxes().is_empty(), "{doing} {stage:?}");
            reached.extend(node.boxes());
        }
    }
    let boxes: std::collections::BTreeSet<&str> = chart
        .split("<g id=\"")
        .skip(1)
        .filter(|rest| rest.contains("class=\"state\""))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(reached, boxes);
    assert!(
        NodePanel {
            doing: "-".into(),
            ..NodePanel::default()
        }
        .boxes()
        .is_empty()
    );
}
