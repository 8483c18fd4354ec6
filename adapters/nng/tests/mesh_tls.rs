//! Members that know each other by their certificates, and those that show another's, a stranger's or none.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod ca;
mod members;

use std::sync::Arc;
use std::time::Duration;

use ca::{Ca, Shows};
use members::{LONG, Member, PAIR, Stranger, Town, assert_linked, count, hello, reaches};
use pehra_core::identity::Hello;
use pehra_core::types::NodeId;
use pehra_core::wire::encode_hello;
use pehra_nng::mesh::{Config, Mesh, Refusal};
use pehra_nng::{Endpoint, LinkEvent, Options, Requester, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[tokio::test]
async fn members_with_their_own_certificates_are_linked() {
    let (town, ca) = (Town::new(3), Ca::new("our CA"));
    let mut members = Vec::new();
    for node in [1, 0, 2] {
        members.push(Member::start(config(&town, node, own(&ca, &town, node))).await);
    }
    for member in &mut members {
        let me = member.mesh.me().node.0;
        member.all_up((0..3).filter(|node| *node != me).collect()).await;
    }
    for one in 0..3 {
        for other in one + 1..3 {
            let (left, right) = members.split_at_mut(other);
            assert_linked(&mut left[one], &mut right[0]).await;
        }
    }
    // What is said last still arrives, through the end of TLS too.
    let last = members.pop().unwrap();
    for number in 0..50_u32 {
        last.send(0, number.to_be_bytes().to_vec());
    }
    last.mesh.close().await;
    let zero = &mut members[1];
    assert_eq!(zero.mesh.me().node, NodeId(0));
    for number in 0..50_u32 {
        assert_eq!(zero.message(2).await, number.to_be_bytes().to_vec());
    }
    zero.down(2).await;
}

#[tokio::test]
async fn a_member_that_is_dialled_must_have_the_certificate_of_its_id() {
    let (town, ca) = (Town::new(2), Ca::new("our CA"));
    // At the address of 0 answers one who says that it is 0, with a good certificate, but another member's.
    let (cert, key) = ca.certificate("node-7", &[town.host.as_str()]);
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(cert).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    let port = TcpListener::bind(town.address(0)).await.unwrap();
    let mut one = Member::start(config(&town, 1, own(&ca, &town, 1))).await;
    let (tcp, _) = timeout(LONG, port.accept()).await.unwrap().unwrap();
    let mut stream = TlsAcceptor::from(Arc::new(server)).accept(tcp).await.unwrap();
    let mut hello_of_0 = Vec::new();
    encode_hello(&hello(0), &mut hello_of_0);
    let frame = [&PAIR, &(hello_of_0.len() as u64).to_be_bytes()[..], &hello_of_0].concat();
    stream.write_all(&frame).await.unwrap();
    let (node, why) = one.refused().await;
    let expected = "node-0".to_owned();
    let shown = Some("node-7".to_owned());
    assert_eq!((node, why), (Some(NodeId(0)), Refusal::Certificate { expected, shown }));
}

#[tokio::test]
async fn a_member_with_anothers_certificate_is_refused() {
    let (town, ca) = (Town::new(3), Ca::new("our CA"));
    let mut zero = Member::start(config(&town, 0, own(&ca, &town, 0))).await;
    let mut two = Member::start(config(&town, 2, own(&ca, &town, 2))).await;
    zero.up(2).await;
    two.up(0).await;
    // It says that it is 1, and its certificate says that it is 2.
    let client = TlsStranger::connect(&town, &ca, "node-2").await;
    let answer = client.introduce(&hello(1)).await;
    assert_eq!(answer[0], 4);
    let said = String::from_utf8_lossy(&answer[1..]).into_owned();
    assert!(said.contains("is for node-2, not for node-1"), "{said}");
    let (node, why) = zero.refused().await;
    let expected = "node-1".to_owned();
    let shown = Some("node-2".to_owned());
    assert_eq!((node, why), (Some(NodeId(1)), Refusal::Certificate { expected, shown }));
    assert_eq!(count(&zero.mesh.counters().refused_hellos), 1);

    let honest = TlsStranger::connect(&town, &ca, "node-1").await;
    assert_eq!(honest.introduce(&hello(1)).await, [3]);
    assert_linked(&mut zero, &mut two).await;
}

#[tokio::test]
async fn members_without_a_certificate_of_our_ca_are_not_let_in() {
    let (town, ca, other) = (Town::new(2), Ca::new("our CA"), Ca::new("another CA"));
    let foreign = Tls {
        ca: ca.trusts().ca,
        ..own(&other, &town, 1)
    };
    let cases = [
        ("another CA", foreign),
        ("expired", ca.shows(&ca.expired("node-1", &[town.host.as_str()]))),
    ];
    for (what, tls) in cases {
        let mut zero = Member::start(config(&town, 0, own(&ca, &town, 0))).await;
        let mut one = Member::start(config(&town, 1, tls)).await;
        let (_, why) = zero.refused().await;
        assert!(
            matches!(&why, Refusal::WrongPeer(why) if why.contains("TLS")),
            "{what}: {why:?}"
        );
        let (_, why) = one.refused().await;
        assert!(
            matches!(&why, Refusal::WrongPeer(why) if why.contains("TLS")),
            "{what}: {why:?}"
        );
        reaches(&zero.mesh.counters().wrong_peers, 2).await;
        assert_eq!(count(&zero.mesh.counters().links), 0, "{what}");
    }
    // No TLS at all.
    let mut zero = Member::start(config(&town, 0, own(&ca, &town, 0))).await;
    let mut plain = Stranger::connect(&town, 0).await;
    plain.0.write_all(&PAIR).await.unwrap();
    let (_, why) = zero.refused().await;
    assert!(
        matches!(&why, Refusal::WrongPeer(why) if why.contains("does not speak TLS")),
        "{why:?}"
    );
}

#[tokio::test]
async fn a_member_that_could_never_be_believed_does_not_start() {
    let (town, ca) = (Town::new(2), Ca::new("our CA"));
    let problem = async |config: Config| Mesh::start(config).await.map(|_| ()).unwrap_err().to_string();
    let anothers = problem(config(&town, 0, own(&ca, &town, 1))).await;
    assert!(anothers.contains("is for node-1, and member n0 needs"), "{anothers}");
    let none = problem(config(&town, 0, ca.trusts())).await;
    assert!(none.contains("need a CA, a certificate and its key"), "{none}");
    let mut nothing = config(&town, 0, ca.trusts());
    nothing.options.tls = None;
    assert!(problem(nothing).await.contains("need a CA, a certificate and its key"));
}

#[tokio::test]
async fn clients_with_a_certificate_are_answered_and_others_are_not() {
    let (town, ca) = (Town::new(2), Ca::new("our CA"));
    let mut zero = Member::start(config(&town, 0, own(&ca, &town, 0))).await;
    let with = |tls| Options {
        tls: Some(tls),
        ..Options::default()
    };
    let endpoint = tls_endpoint(&town, 0);
    let shown = ca.shows(&ca.certificate("meter-5", &["meter.invalid"]));
    let (requester, mut links) = Requester::connect(&endpoint, with(shown)).unwrap();
    let up = timeout(LONG, links.recv()).await.unwrap();
    assert!(matches!(up, Some(LinkEvent::Up { .. })));
    let asked = tokio::spawn(requester.request("who leads?".into(), LONG));
    let incoming = timeout(LONG, zero.clients.recv()).await.unwrap().unwrap();
    assert_eq!(incoming.peer.identity.as_deref(), Some("meter-5"));
    incoming.answer.send("n1".into());
    assert_eq!(asked.await.unwrap().unwrap(), "n1");

    let (_requester, mut links) = Requester::connect(&endpoint, with(ca.trusts())).unwrap();
    let down = timeout(LONG, links.recv()).await.unwrap();
    assert!(matches!(down, Some(LinkEvent::Down { .. })), "{down:?}");
}

fn own(ca: &Ca, town: &Town, node: u16) -> Tls {
    ca.shows(&ca.certificate(&format!("node-{node}"), &[town.host.as_str()]))
}

fn tls_endpoint(town: &Town, node: u16) -> Endpoint {
    Endpoint {
        tls: true,
        ..town.endpoint(node)
    }
}

fn config(town: &Town, node: u16, tls: Tls) -> Config {
    let mut config = town.config(node);
    config.listen = tls_endpoint(town, node);
    for (_, endpoint) in &mut config.members {
        endpoint.tls = true;
    }
    config.options.tls = Some(tls);
    config.options.connect_timeout = Duration::from_secs(5);
    config
}

/// A raw connection through TLS.
struct TlsStranger(TlsStream<TcpStream>);

impl TlsStranger {
    async fn connect(town: &Town, ca: &Ca, name: &str) -> Self {
        let (cert, key) = ca.certificate(name, &["a.invalid"]);
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(ca.trusts().ca.unwrap()).unwrap())
            .unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(cert).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap();
        let tcp = TcpStream::connect(town.address(0)).await.unwrap();
        let server = ServerName::try_from(town.host.clone()).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        Self(connector.connect(server, tcp).await.unwrap())
    }

    /// Says who it is; the answer.
    async fn introduce(mut self, hello: &Hello) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_hello(hello, &mut bytes);
        let frame = [&PAIR, &(bytes.len() as u64).to_be_bytes()[..], &bytes].concat();
        self.0.write_all(&frame).await.unwrap();
        let mut seen = [0; 8];
        self.0.read_exact(&mut seen).await.unwrap();
        let mut frames = Vec::new();
        for _ in 0..2 {
            let length = self.0.read_u64().await.unwrap();
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut frame).await.unwrap();
            frames.push(frame);
        }
        frames.pop().unwrap()
    }
}
