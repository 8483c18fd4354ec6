//! In front of a TLS listener of real Apache Kafka. Kafka's own tools are the clients: librdkafka is built without TLS here.

mod clients;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::{Console, SOON, TOPIC, seen};
use pehra_core::sleep::traffic::{Account, Allowance, Meaning};
use pehra_kafka_proxy::{BrokerTls, ClientTls, Clients, Judge, Options, Proxy, SocketCounter, StartError};
use pehra_testbed::certificates::{Ca, Signed};
use pehra_testbed::kafka::Kafka;
use pehra_testbed::process::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_real_kafka_in_tls_are_read_with_keys_and_counted_without() {
    let (ca, folder) = (Ca::new("a CA"), tempfile::tempdir().expect("a folder"));
    let (cert, key) = ca.certificate("broker", &HOSTS);
    let keystore = folder.path().join("broker.pem");
    let text = [&key, &cert]
        .map(|path| fs::read_to_string(path).expect("it was written"))
        .concat();
    fs::write(&keystore, text).expect("room for a file");
    let config = folder.path().join("client.properties");
    let text = format!(
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\n",
        ca.file().display()
    );
    fs::write(&config, text).expect("room for a file");
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut kafka = Kafka::start_behind_tls(&at.to_string(), &keystore);
    let upstream = kafka.inner().parse().expect("an address");

    with_keys(&ca, at, upstream, &mut kafka, &config).await;
    without_keys(at, upstream, &kafka, &config).await;
}

/// TLS ends at the proxy, and begins again towards the broker.
async fn with_keys(ca: &Ca, at: SocketAddr, upstream: SocketAddr, kafka: &mut Kafka, config: &Path) {
    const IDLE: Duration = Duration::from_secs(10);
    let (cert, key) = ca.certificate("proxy", &HOSTS);
    let options = Options {
        clients: Clients::Tls(ClientTls { cert, key, ca: None }),
        broker: Some(BrokerTls {
            ca: ca.file(),
            name: "localhost".into(),
            own: None,
        }),
        ..Options::plain(at, upstream)
    };
    let proxy = Proxy::start(options).await.expect("the port is free");
    produce(kafka, at, config, 1);
    let written = seen(&proxy);
    assert!(written.traffic > 0 && written.misframed == 0, "{written:?}");
    let console = console(kafka, at, config, "idle");
    console.prints("0");
    sleep(Duration::from_secs(2)).await;
    let read = seen(&proxy);
    assert!(read.traffic > written.traffic, "{read:?}");
    sleep(IDLE).await;
    let idle = seen(&proxy);
    assert_eq!(idle.traffic, read.traffic, "{idle:?}");
    assert!(idle.requests > read.requests + 20, "it was not there: {idle:?}");
    assert_eq!((idle.sealed_from_clients, idle.misframed), (0, 0));

    // It is asked what it wants inside TLS as well.
    assert!(block_in_place(|| kafka.stop()), "it ends by itself");
    sleep(Duration::from_secs(5)).await;
    let asleep = seen(&proxy);
    assert_eq!((asleep.wanted, asleep.traffic), (0, idle.traffic), "{asleep:?}");
    assert!(asleep.refused > 0, "{asleep:?}");
    proxy.stop().await;
    block_in_place(|| kafka.restart());
}

/// It passes unread: bytes are all that is known, the proxy's count and the kernel's.
async fn without_keys(at: SocketAddr, upstream: SocketAddr, kafka: &Kafka, config: &Path) {
    const STRETCH: Duration = Duration::from_secs(5);
    /// So many small records are more than what may be saved up.
    const MANY: u32 = 5000;
    let options = Options {
        clients: Clients::Sealed,
        ..Options::plain(at, upstream)
    };
    let proxy = Proxy::start(options).await.expect("the port is free again");
    produce(kafka, at, config, 1);
    let written = seen(&proxy);
    assert!(sealed(&proxy) > 1000, "{written:?}");
    assert_eq!((written.requests, written.traffic, written.misframed), (0, 0, 0));

    let console = console(kafka, at, config, "unread");
    console.prints("0");
    sleep(Duration::from_secs(2)).await;
    let mut kernel = SocketCounter::new(BTreeSet::from([at.port()])).expect("the kernel answers");
    // As the agent judges: each connection by itself. The proxy knows only what all of them passed, so here they share one allowance.
    let (mut judge, mut all) = (Judge::new(Allowance::USUAL), Account::NEW);
    let mut told = Vec::new();
    for records in [0, 1, MANY] {
        let (began, before) = (Instant::now(), sealed(&proxy));
        if records > 0 {
            produce(kafka, at, config, records);
        }
        sleep(STRETCH).await;
        let now = seen(&proxy);
        let (ours, theirs) = (sealed(&proxy) - before, kernel.passed().expect("the kernel answers"));
        let ms = u32::try_from(began.elapsed().as_millis()).expect("a few seconds");
        println!(
            "{records} records in {ms} ms: {ours} bytes by the proxy, {} by the kernel",
            theirs.bytes()
        );
        // The producer's connections are gone when the kernel is asked; it has told what they passed.
        assert!(ours > 0 && ours.abs_diff(theirs.bytes()) < 1000, "{ours}, {theirs:?}");
        assert_eq!(
            usize::try_from(now.opened - now.ended),
            Ok(theirs.open()),
            "{now:?}, {theirs:?}"
        );
        let by_connection = judge.traffic(&theirs, ms) > 0;
        let by_all = all.passed(Allowance::USUAL, ours, ms) == Meaning::Traffic;
        told.push((records, by_connection, by_all));
    }
    // One that comes, writes a record and goes passes little but its handshakes: bytes do not tell it from an idle one.
    assert_eq!(told, [(0, false, false), (1, false, false), (MANY, true, true)]);
}

fn sealed(proxy: &Proxy) -> u64 {
    let seen = seen(proxy);
    seen.sealed_from_clients + seen.sealed_from_broker
}

fn console(kafka: &Kafka, at: SocketAddr, config: &Path, group: &str) -> Console {
    let config = config.display().to_string();
    let more = ["--from-beginning", "--command-config", &config];
    Console::start(kafka, &at.to_string(), group, &more)
}

/// Records with the values from 0 on, each acknowledged by all.
fn produce(kafka: &Kafka, at: SocketAddr, config: &Path, records: u32) {
    let (brokers, config, count) = (at.to_string(), config.display().to_string(), records.to_string());
    let mut arguments = vec!["--bootstrap-server", &brokers, "--topic", TOPIC, "--acks", "-1"];
    arguments.extend(["--max-messages", &count, "--command-config", &config]);
    let mut command = kafka.tool("org.apache.kafka.tools.VerifiableProducer", &arguments);
    command.stdin(Stdio::null());
    let output = block_in_place(|| command.output()).expect("java starts");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let written = out
        .lines()
        .filter(|line| line.contains("producer_send_success"))
        .count();
    assert_eq!(u32::try_from(written), Ok(records), "{out}{err}");
    assert!(out.contains(&format!("\"value\":\"{}\"", records - 1)), "{out}");
}

/// A client in TLS, with its own certificate if it has one.
async fn client(at: SocketAddr, ca: &Path, own: Option<&Signed>) -> std::io::Result<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).expect("a certificate"))
        .expect("a CA");
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some((cert, key)) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(cert).expect("a certificate")],
                PrivateKeyDer::from_pem_file(key).expect("a key"),
            )
            .expect("they belong together"),
    };
    let tcp = TcpStream::connect(at).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    // A short Metadata.
    stream.write_all(&[0, 0, 0, 8, 0, 3, 0, 12, 0, 0, 0, 7]).await?;
    let mut answer = vec![0; 8];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn whoever_shows_the_wrong_certificate_or_none_reaches_nobody() {
    let (ca, other) = (Ca::new("a CA"), Ca::new("another"));
    let (cert, key) = ca.certificate("proxy", &HOSTS);
    let listener = TcpListener::bind(anywhere()).await.expect("a free port");
    let options = Options {
        clients: Clients::Tls(ClientTls {
            cert,
            key,
            ca: Some(ca.file()),
        }),
        ..Options::plain(anywhere(), listener.local_addr().expect("it is bound"))
    };
    let proxy = Proxy::start(options).await.expect("a free port");
    let broker = tokio::spawn(async move {
        let (mut broker, _) = listener.accept().await.expect("the proxy comes");
        let mut asked = [0; 12];
        broker.read_exact(&mut asked).await.expect("it is read");
        broker.write_all(&[0, 0, 0, 4, 0, 0, 0, 7]).await.expect("it is taken");
        // Until the client has it.
        sleep(Duration::from_secs(1)).await;
        asked
    });
    for (count, wrong) in (1..).zip([
        None,
        Some(other.certificate("client", &HOSTS)),
        Some(ca.expired("client", &HOSTS)),
    ]) {
        let refused = client(proxy.address(), &ca.file(), wrong.as_ref()).await;
        assert!(refused.is_err(), "{wrong:?}");
        let mut seen = proxy.seen();
        let counted = timeout(SOON, seen.wait_for(|seen| seen.misframed == count)).await;
        counted.expect("it is counted in time").expect("the proxy is there");
    }
    // One that does not speak TLS at all.
    let mut plain = TcpStream::connect(proxy.address()).await.expect("it listens");
    plain
        .write_all(&[0, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0, 7])
        .await
        .expect("it is taken");
    let ended = timeout(SOON, plain.read_to_end(&mut Vec::new())).await;
    ended.expect("it ends in time").ok();
    let right = ca.certificate("client", &HOSTS);
    let answer = client(proxy.address(), &ca.file(), Some(&right)).await;
    assert_eq!(answer.expect("it is answered"), [0, 0, 0, 4, 0, 0, 0, 7]);
    assert_eq!(broker.await.expect("it was reached")[5], 3);
    let seen = seen(&proxy);
    assert_eq!((seen.requests, seen.traffic, seen.wanted, seen.misframed), (1, 0, 0, 4));
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_with_the_file() {
    let ca = Ca::new("a CA");
    let (cert, key) = ca.certificate("proxy", &HOSTS);
    let missing = key.with_extension("missing");
    let empty = key.with_extension("empty");
    fs::write(&empty, "").expect("room for a file");
    for (cert, key, named) in [
        (&cert, &missing, &missing),
        (&empty, &key, &empty),
        (&ca.file(), &key, &ca.file()),
    ] {
        let (cert, key) = (cert.clone(), key.clone());
        let options = Options {
            clients: Clients::Tls(ClientTls { cert, key, ca: None }),
            ..Options::plain(anywhere(), anywhere())
        };
        let refused = Proxy::start(options).await.expect_err("it cannot be read");
        let text = refused.to_string();
        assert!(text.contains(&named.display().to_string()), "{text}");
    }
    let options = Options {
        clients: Clients::Sealed,
        broker: Some(BrokerTls {
            ca: ca.file(),
            name: "localhost".into(),
            own: None,
        }),
        ..Options::plain(anywhere(), anywhere())
    };
    let refused = Proxy::start(options).await.expect_err("one of both");
    assert!(matches!(refused, StartError::Options(_)), "{refused}");
}
