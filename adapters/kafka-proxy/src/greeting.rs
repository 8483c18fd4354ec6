//! How the broker answers ApiVersions, so that clients can be answered while it is down: they say what they want only after.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader};
use kafka_protocol::protocol::{Encodable, HeaderVersion, Message, StrBytes};
use pehra_core::sleep::traffic::{API_VERSIONS, Answers, Awaited};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::connection::connect;
use crate::proxy::Shared;
use crate::stream::Stream;

/// An answer longer than this is none: those of Kafka have less than 1 KiB.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where the number of its request stands in an answer.
const CORRELATION: std::ops::Range<usize> = 4..8;

/// The broker's answers, by the version that they were asked in.
#[derive(Debug, Default)]
pub(crate) struct Greeting(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    answers: Vec<(i16, Vec<u8>)>,
    /// Whether the broker that is up now has been asked.
    is_new: bool,
}

impl Greeting {
    /// It may come back as another version of itself.
    pub fn broker_is_down(&self) {
        self.known().is_new = false;
    }

    /// The answer to a question in this version with this number, if it is known.
    pub fn answer(&self, version: i16, correlation: i32) -> Option<Vec<u8>> {
        let known = self.known();
        let (_, answer) = known.answers.iter().find(|(asked, _)| *asked == version)?;
        let mut answer = answer.clone();
        answer.get_mut(CORRELATION)?.copy_from_slice(&correlation.to_be_bytes());
        Some(answer)
    }

    /// Asks the broker, which is up, unless that was done since it came.
    pub async fn learn_if_new(&self, shared: &Shared) {
        if shared.is_sealed || std::mem::replace(&mut self.known().is_new, true) {
            return;
        }
        let learned = timeout(shared.limits.handshake_max, learn(shared)).await;
        let mut known = self.known();
        match learned {
            Ok(Some(answers)) => known.answers = answers,
            // The next client that meets the broker asks again.
            Ok(None) | Err(_) => known.is_new = false,
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks in every version that we know.
async fn learn(shared: &Shared) -> Option<Vec<(i16, Vec<u8>)>> {
    let mut broker = connect(shared).await?;
    let mut answers = Vec::new();
    for version in ApiVersionsRequest::VERSIONS.min..=ApiVersionsRequest::VERSIONS.max {
        broker.write_all(&question(version)?).await.ok()?;
        broker.flush().await.ok()?;
        let mut answer = frame(&mut broker).await?;
        let is_right = answer.get(CORRELATION) == Some(&i32::from(version).to_be_bytes());
        // What it offers to clients who come later is what it offers to those who come now.
        Answers::new()
            .feed(&mut answer, |_| Awaited::Versions(version))
            .ok()
            .filter(|_| is_right)?;
        answers.push((version, answer));
    }
    Some(answers)
}

fn question(version: i16) -> Option<Vec<u8>> {
    let mut content = BytesMut::new();
    let header = RequestHeader::default()
        .with_request_api_key(API_VERSIONS)
        .with_request_api_version(version)
        .with_correlation_id(version.into())
        .with_client_id(Some(StrBytes::from_static_str("pehra-proxy")));
    let mut request = ApiVersionsRequest::default();
    if version >= 3 {
        request = request
            .with_client_software_name(StrBytes::from_static_str("pehra"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    }
    header
        .encode(&mut content, ApiVersionsRequest::header_version(version))
        .and_then(|()| request.encode(&mut content, version))
        .ok()?;
    let length = i32::try_from(content.len()).ok()?;
    Some([&length.to_be_bytes()[..], &content].concat())
}

/// One answer, with its length.
async fn frame(broker: &mut Stream) -> Option<Vec<u8>> {
    let mut head = [0; 4];
    broker.read_exact(&mut head).await.ok()?;
    let length = usize::try_from(i32::from_be_bytes(head)).ok()?;
    if !(4..=ANSWER_BYTES_MAX).contains(&length) {
        return None;
    }
    let mut answer = vec![0; 4 + length];
    answer[..4].copy_from_slice(&head);
    broker.read_exact(&mut answer[4..]).await.ok()?;
    Some(answer)
}
