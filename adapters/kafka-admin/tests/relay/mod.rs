//! A relay in front of a real broker that notes what is asked, and can keep back what the broker has to pass on to the controllers: so a
//! broker looks to its clients that is cut off from them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Requests that a broker passes on: to list moves, and to describe the controllers' quorum.
const PASSED_ON: [i16; 2] = [46, 55];

pub struct Relay {
    pub address: String,
    asked: Arc<Mutex<BTreeSet<i16>>>,
}

impl Relay {
    pub async fn start(broker: &str, is_cut_off: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let relay = Self {
            address: listener.local_addr().expect("it is bound").to_string(),
            asked: Arc::default(),
        };
        let (broker, asked) = (broker.to_owned(), Arc::clone(&relay.asked));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, broker.clone(), is_cut_off, Arc::clone(&asked)));
            }
        });
        relay
    }

    /// The keys of the requests that came, answered or not.
    pub fn asked(&self) -> BTreeSet<i16> {
        self.asked.lock().expect("nobody panics with it").clone()
    }

    /// What came so far.
    pub fn forget(&self) {
        self.asked.lock().expect("nobody panics with it").clear();
    }
}

async fn serve(client: TcpStream, broker: String, is_cut_off: bool, asked: Arc<Mutex<BTreeSet<i16>>>) {
    let broker = TcpStream::connect(broker).await.expect("the broker is up");
    let ((mut requests, mut to_client), (mut answers, mut to_broker)) = (client.into_split(), broker.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut answers, &mut to_client).await });
    while let Ok(length) = requests.read_u32().await {
        let mut request = vec![0; usize::try_from(length).expect("it fits")];
        if requests.read_exact(&mut request).await.is_err() {
            return;
        }
        let key = i16::from_be_bytes([request[0], request[1]]);
        asked.lock().expect("nobody panics with it").insert(key);
        if is_cut_off && PASSED_ON.contains(&key) {
            continue;
        }
        to_broker.write_u32(length).await.expect("the broker is up");
        to_broker.write_all(&request).await.expect("the broker is up");
    }
}
