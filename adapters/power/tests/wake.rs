//! Waking others: real packets and real requests, to FAKES of sleeping nodes and of their BMCs, as no machine of tests may be
//! switched on or off.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pehra_power::config::{BmcLogin, NodeConfig};
use pehra_power::ladder::Times;
use pehra_power::{Means, Redfish, Six, WakeOnLan, wake, wake_all};
use pehra_testbed::certificates::Ca;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const MAC: Six = Six([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

/// The design's, a hundred times as fast; a person is called late unless a test waits for that.
const TIMES: Times = Times {
    packets: 3,
    packet_every: Duration::from_millis(20),
    power_on_after: Duration::from_millis(60),
    power_on_every: Duration::from_millis(300),
    page_after: Duration::from_secs(30),
};

const SOON: Times = Times {
    page_after: Duration::from_millis(700),
    ..TIMES
};

/// A FAKE of a sleeping node's network card: a socket that hears packets.
struct Card {
    socket: UdpSocket,
    means: Means,
}

impl Card {
    async fn new(secure_on: Option<Six>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let wake_on_lan = WakeOnLan {
            mac: MAC,
            to: socket.local_addr().expect("an address"),
            secure_on,
        };
        Self {
            socket,
            means: Means {
                wake_on_lan: Some(wake_on_lan),
                bmc: None,
            },
        }
    }

    async fn hears(&self) -> Vec<u8> {
        let mut buffer = vec![0; 1500];
        let length = self.socket.recv(&mut buffer).await.expect("a packet");
        buffer.truncate(length);
        buffer
    }

    fn heard_nothing(&self) -> bool {
        self.socket.try_recv(&mut [0; 1500]).is_err()
    }
}

async fn never() {
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_magic_packet_reaches_a_fake_card_as_the_standard_says() {
    for secure_on in [None, Some(Six([1, 2, 3, 4, 5, 6]))] {
        let card = Card::new(secure_on).await;
        card.means
            .wake_on_lan
            .as_ref()
            .expect("it is there")
            .send()
            .await
            .expect("it leaves");
        let packet = card.hears().await;
        assert_eq!(packet[..6], [0xff; 6]);
        assert!(packet[6..102].chunks(6).all(|part| part == MAC.0));
        assert_eq!(packet[102..], *secure_on.map_or(vec![], |password| password.0.to_vec()));
    }
}

#[tokio::test]
async fn a_fake_node_that_answers_gets_no_further_packet() {
    let card = Card::new(None).await;
    let second = async {
        card.hears().await;
        card.hears().await;
    };
    let woken = wake(1, &card.means, &TIMES, second).await.expect("it answers");
    assert_eq!((woken.tried.packets, woken.tried.power_ons), (2, 0));
    tokio::time::sleep(TIMES.packet_every * 3).await;
    assert!(card.heard_nothing());
    let woken = wake(1, &card.means, &TIMES, async {}).await.expect("it is up");
    assert_eq!(
        woken.tried,
        pehra_power::Tried::default(),
        "who is up already is left alone"
    );
    assert!(card.heard_nothing());
}

#[tokio::test]
async fn a_node_that_nothing_wakes_is_a_persons_business() {
    let card = Card::new(None).await;
    let error = wake(7, &card.means, &SOON, never()).await.expect_err("nobody is there");
    assert_eq!((error.tried.packets, error.tried.power_ons), (3, 0));
    assert!(error.after >= SOON.page_after);
    let text = error.to_string();
    assert!(
        text.contains("node 7") && text.contains("3 magic packets") && text.contains("a person has to look"),
        "{text}"
    );
    let error = wake(7, &Means::default(), &SOON, never())
        .await
        .expect_err("by nothing");
    assert!(
        error.after >= SOON.page_after,
        "its agent may hear the message yet, and its alarm may ring"
    );
}

#[tokio::test]
async fn fake_nodes_are_woken_in_order_each_after_the_other_and_not_who_is_up() {
    let stagger = Duration::from_millis(150);
    let cards = [Card::new(None).await, Card::new(None).await, Card::new(None).await];
    let began = std::time::Instant::now();
    let (told, _) = watch::channel(false);
    let answers = cards.iter().enumerate().map(|(at, card)| {
        let mut other = told.subscribe();
        let told = &told;
        async move {
            match at {
                // Up by itself before its turn.
                1 => drop(other.wait_for(|told| *told).await),
                _ => {
                    card.hears().await;
                    told.send_replace(true);
                }
            }
        }
    });
    let nodes = cards
        .iter()
        .zip(answers)
        .zip(1_u16..)
        .map(|((card, answered), id)| (id, &card.means, answered));
    let mut outcomes = Vec::new();
    let mut stream = std::pin::pin!(wake_all(nodes, &TIMES, stagger));
    while let Some((id, outcome)) = stream.next().await {
        outcomes.push((id, outcome.expect("all answer").tried.packets, began.elapsed()));
    }
    let order: Vec<(u16, u32)> = outcomes.iter().map(|(id, packets, _)| (*id, *packets)).collect();
    assert_eq!(order, [(1, 1), (2, 0), (3, 1)]);
    assert!(
        outcomes[2].2 >= stagger * 2,
        "the third waits for two turns: {outcomes:?}"
    );
    assert!(cards[1].heard_nothing());
}

/// A FAKE of a BMC: a small Redfish server that notes what it is asked.
struct Bmc {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    power_ons: mpsc::UnboundedReceiver<()>,
}

/// How the fake behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Willing,
    /// It wants a session.
    Sessions,
    Refusing,
    Silent,
    Redirecting,
}

impl Bmc {
    async fn new(manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (power_on, power_ons) = mpsc::unbounded_channel();
        let notes = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (notes, power_on, tls) = (Arc::clone(&notes), power_on.clone(), tls.clone());
                let service = service_fn(move |request| answer(manner, request, Arc::clone(&notes), power_on.clone()));
                tokio::spawn(async move {
                    let server = http1::Builder::new();
                    match tls {
                        None => drop(server.serve_connection(TokioIo::new(tcp), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept::<TcpStream>(tcp).await {
                                let _ = server.serve_connection(TokioIo::new(stream), service).await;
                            }
                        }
                    }
                });
            }
        });
        Self { at, asked, power_ons }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

async fn answer(
    manner: Manner,
    request: Request<Incoming>,
    notes: Arc<Mutex<Vec<String>>>,
    power_on: mpsc::UnboundedSender<()>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let header = |name: &str| {
        head.headers
            .get(name)
            .map_or("-", |value| value.to_str().expect("text"))
            .to_owned()
    };
    let who = format!("{} {}", header("authorization"), header("x-auth-token"));
    let text = String::from_utf8(body.into()).expect("text");
    notes
        .lock()
        .expect("nobody panics with it")
        .push(format!("{} {} {who} {text}", head.method, head.uri));
    let reply = |status: u16| Response::builder().status(status);
    let empty = Full::new(Bytes::new());
    let response = match (manner, head.method.as_str(), head.uri.path()) {
        (Manner::Silent, ..) => std::future::pending().await,
        (Manner::Redirecting, ..) => reply(307).header("location", "http://127.0.0.1:9/").body(empty),
        (Manner::Refusing, ..) => reply(403).body(Full::new(Bytes::from_static(
            br#"{"error":{"code":"x","message":"general","@Message.ExtendedInfo":[{"Message":"This user may not."}]}}"#,
        ))),
        (Manner::Sessions, "POST", "/redfish/v1/SessionService/Sessions") => reply(201)
            .header("x-auth-token", "token-17")
            .header("location", "https://bmc/redfish/v1/SessionService/Sessions/5")
            .body(empty),
        (Manner::Sessions, "POST", _) if header("x-auth-token") != "token-17" => reply(401).body(empty),
        (_, "POST", path) if path.ends_with("/Actions/ComputerSystem.Reset") => {
            let _ = power_on.send(());
            reply(204).body(empty)
        }
        (_, "DELETE", _) => reply(204).body(empty),
        _ => reply(404).body(empty),
    };
    Ok(response.expect("a whole answer"))
}

/// How that fake is configured.
fn node(folder: &Path, bmc: String, ca: Option<PathBuf>, login: BmcLogin) -> NodeConfig {
    let password = folder.join("password");
    fs::write(&password, "geheim\n").expect("there is room");
    NodeConfig {
        id: 2,
        bmc: Some(bmc),
        bmc_system: Some("Self".into()),
        bmc_user: Some("pehra".into()),
        bmc_password_file: Some(password),
        bmc_ca: ca,
        bmc_login: login,
        ..NodeConfig::default()
    }
}

fn redfish(bmc: &Bmc, login: BmcLogin) -> Redfish {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path(), format!("http://{}", bmc.at), None, login);
    Redfish::of(&node).expect("all is there").expect("it has one")
}

const RESET: &str = "POST /redfish/v1/Systems/Self/Actions/ComputerSystem.Reset";

#[tokio::test]
async fn a_fake_bmc_is_told_to_power_on_with_name_and_password() {
    let bmc = Bmc::new(Manner::Willing, None).await;
    let redfish = redfish(&bmc, BmcLogin::Basic);
    redfish.power_on().await.expect("it takes the order");
    // The same as `printf pehra:geheim | base64`.
    assert_eq!(
        bmc.asked(),
        [format!("{RESET} Basic cGVocmE6Z2VoZWlt - {{\"ResetType\":\"On\"}}")]
    );
    assert!(!format!("{redfish:?}").contains("geheim"), "{redfish:?}");
}

#[tokio::test]
async fn a_session_of_a_fake_bmc_is_opened_used_and_given_back() {
    let bmc = Bmc::new(Manner::Sessions, None).await;
    redfish(&bmc, BmcLogin::Session)
        .power_on()
        .await
        .expect("it takes the order");
    let sessions = "/redfish/v1/SessionService/Sessions";
    assert_eq!(
        bmc.asked(),
        [
            format!("POST {sessions} - - {{\"Password\":\"geheim\",\"UserName\":\"pehra\"}}"),
            format!("{RESET} - token-17 {{\"ResetType\":\"On\"}}"),
            format!("DELETE {sessions}/5 - token-17 "),
        ]
    );
    let error = redfish(&bmc, BmcLogin::Basic)
        .power_on()
        .await
        .expect_err("it wants a session");
    assert!(error.to_string().contains("401"), "{error}");
}

#[tokio::test]
async fn a_refusal_of_a_fake_bmc_is_told_in_its_words_and_its_redirection_is_not_followed() {
    let bmc = Bmc::new(Manner::Refusing, None).await;
    let error = redfish(&bmc, BmcLogin::Basic)
        .power_on()
        .await
        .expect_err("it refuses")
        .to_string();
    assert!(error.contains("403") && error.contains("This user may not."), "{error}");
    assert!(
        error.contains(&bmc.at.to_string()) && !error.contains("geheim"),
        "{error}"
    );
    let bmc = Bmc::new(Manner::Redirecting, None).await;
    let error = redfish(&bmc, BmcLogin::Basic)
        .power_on()
        .await
        .expect_err("it sends us away");
    assert!(error.to_string().contains("307"), "{error}");
}

#[tokio::test]
async fn a_fake_bmc_with_a_certificate_is_believed_and_one_with_anothers_is_told_nothing() {
    let (ca, other) = (Ca::new("ours"), Ca::new("another"));
    let (cert, key) = ca.certificate("bmc", &["127.0.0.1"]);
    let chain = CertificateDer::pem_file_iter(cert)
        .expect("a file")
        .map(|it| it.expect("a certificate"));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.collect(), PrivateKeyDer::from_pem_file(key).expect("a key"))
        .expect("they belong together");
    let bmc = Bmc::new(Manner::Willing, Some(Arc::new(config).into())).await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |ca: &Ca| {
        node(
            folder.path(),
            format!("https://{}", bmc.at),
            Some(ca.file()),
            BmcLogin::Basic,
        )
    };
    let redfish = |ca: &Ca| Redfish::of(&at(ca)).expect("all is there").expect("it has one");
    let error = redfish(&other)
        .power_on()
        .await
        .expect_err("it is not known")
        .to_string();
    assert!(error.contains("TLS"), "{error}");
    assert_eq!(bmc.asked(), [""; 0]);
    redfish(&ca).power_on().await.expect("it is known");
    assert_eq!(bmc.asked().len(), 1);
}

/// The first power-on comes while the host is still going off: it is taken, and nothing happens.
#[tokio::test]
async fn a_power_on_that_a_fake_bmc_swallows_is_sent_again() {
    let mut bmc = Bmc::new(Manner::Willing, None).await;
    let card = Card::new(None).await;
    let means = Means {
        bmc: Some(redfish(&bmc, BmcLogin::Basic)),
        ..card.means.clone()
    };
    let second = async {
        bmc.power_ons.recv().await;
        bmc.power_ons.recv().await;
    };
    let woken = wake(2, &means, &TIMES, second).await.expect("it comes up");
    assert_eq!(woken.tried.packets, 3, "the packets came first");
    assert!(woken.after >= TIMES.power_on_after + TIMES.power_on_every, "{woken:?}");
    assert_eq!(bmc.asked().len(), 2);
}

#[tokio::test]
async fn a_fake_bmc_that_is_silent_or_refuses_keeps_neither_an_answer_nor_a_person_waiting() {
    let bmc = Bmc::new(Manner::Silent, None).await;
    let means = Means {
        wake_on_lan: None,
        bmc: Some(redfish(&bmc, BmcLogin::Basic)),
    };
    let answered = tokio::time::sleep(Duration::from_millis(200));
    let woken = wake(2, &means, &TIMES, answered).await.expect("it answers");
    assert!(woken.after < Duration::from_secs(5), "{woken:?}");

    let bmc = Bmc::new(Manner::Refusing, None).await;
    let means = Means {
        wake_on_lan: None,
        bmc: Some(redfish(&bmc, BmcLogin::Basic)),
    };
    let error = wake(2, &means, &SOON, never()).await.expect_err("it does not come up");
    assert_eq!(error.tried.power_ons, 0, "what was refused does not count");
    assert!(error.to_string().contains("This user may not."), "{error}");
    assert!(bmc.asked().len() >= 2, "a refusal does not end the climb");
}
