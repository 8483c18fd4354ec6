//! One connection to one broker: one request at a time, each with a deadline. The first one asks which versions it speaks.

use std::collections::BTreeMap;
use std::io;

use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::admin::Limits;
use crate::error::{AdminError, Problem};
use crate::frame::{self, Guarded};

/// What we call ourselves in the broker's log.
const NAME: &str = "pehra";

/// Kafka's code for "I do not speak this version", which still comes with the versions that are spoken.
const UNSUPPORTED_VERSION: i16 = 35;

/// The first version of a request's header that belongs to flexible messages.
const FLEXIBLE_HEADER: i16 = 2;

/// A connection.
///
/// Not to be used again after an error or after a call that was given up: an answer may still be on its way.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    at: String,
    limits: Limits,
    last_id: i32,
    spoken: BTreeMap<i16, (i16, i16)>,
    /// The level of each of the cluster's features, such as `metadata.version`.
    pub features: BTreeMap<String, i16>,
}

impl Connection {
    /// Connects, and asks for the versions that are spoken.
    pub async fn open(at: &str, limits: Limits) -> Result<Self, AdminError> {
        let fail = |problem| AdminError::new("connecting", at, problem);
        let connected = timeout(limits.connect, TcpStream::connect(at)).await;
        let stream = connected
            .map_err(|_| fail(Problem::Silent(limits.connect)))?
            .map_err(|error| fail(Problem::Unreachable(error.to_string())))?;
        // Requests are small, and each waits for its answer.
        let _ = stream.set_nodelay(true);
        let mut connection = Self {
            stream,
            at: at.to_owned(),
            limits,
            last_id: 0,
            spoken: BTreeMap::new(),
            features: BTreeMap::new(),
        };
        let versions = connection.versions().await?;
        let spoken = versions.api_keys.iter();
        connection.spoken = spoken
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        let features = versions.finalized_features.iter();
        connection.features = features
            .map(|feature| (feature.name.to_string(), feature.max_version_level))
            .collect();
        Ok(connection)
    }

    /// The broker's address.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Asks, in the newest version that both speak and that is at least `from`.
    pub async fn ask<R: Request>(&mut self, doing: &str, request: &R, from: i16) -> Result<R::Response, AdminError> {
        let version = self
            .version_for::<R>(from)
            .map_err(|problem| AdminError::new(doing, &self.at, problem))?;
        let body = self.exchange(doing, request, version).await?;
        let header = <R::Response as HeaderVersion>::header_version(version);
        self.decode(doing, body, header, version)
    }

    fn version_for<R: Request>(&self, from: i16) -> Result<i16, Problem> {
        let (ours, theirs) = (R::VERSIONS, self.spoken.get(&R::KEY));
        let flexible = (ours.min..=ours.max).find(|version| R::header_version(*version) >= FLEXIBLE_HEADER);
        let wanted = from.max(flexible.unwrap_or(ours.max));
        let newest = theirs.map(|(_, max)| ours.max.min(*max));
        match (newest, theirs) {
            (Some(version), Some((min, _))) if version >= wanted && version >= *min => Ok(version),
            _ => Err(Problem::TooOld {
                api_key: R::KEY,
                newest: theirs.map(|(_, max)| *max),
                wanted,
            }),
        }
    }

    async fn versions(&mut self) -> Result<ApiVersionsResponse, AdminError> {
        let doing = "asking for the versions spoken";
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str(NAME))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let (mut version, oldest) = (ApiVersionsRequest::VERSIONS.max, 3);
        loop {
            let body = self.exchange(doing, &request, version).await?;
            // A broker that does not speak our version answers in version 0; the code stands first in every version.
            if body.get(4..6) != Some(&UNSUPPORTED_VERSION.to_be_bytes()[..]) {
                let response: ApiVersionsResponse = self.decode(doing, body, 0, version)?;
                return match response.error_code {
                    0 => Ok(response),
                    code => Err(self.refused(doing, code)),
                };
            }
            if version == oldest {
                let problem = Problem::TooOld {
                    api_key: ApiVersionsRequest::KEY,
                    newest: None,
                    wanted: oldest,
                };
                return Err(AdminError::new(doing, &self.at, problem));
            }
            version = oldest;
        }
    }

    /// Sends a request and waits for the answer with its number.
    async fn exchange<R: Request>(
        &mut self,
        doing: &str,
        request: &R,
        version: i16,
    ) -> Result<bytes::Bytes, AdminError> {
        self.last_id = self.last_id.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.last_id)
            .with_client_id(Some(StrBytes::from_static_str(NAME)));
        let frame = encode(&header, request, version)
            .map_err(|why| AdminError::new(doing, &self.at, Problem::Garbled(format!("our own request: {why}"))))?;
        let (stream, max) = (&mut self.stream, self.limits.frame_max);
        let exchange = async {
            stream.write_all(&frame).await?;
            frame::read(stream, max).await
        };
        let problem = match timeout(self.limits.request, exchange).await {
            Ok(Ok(body)) if body.get(..4) == Some(&self.last_id.to_be_bytes()[..]) => return Ok(body),
            Ok(Ok(_)) => Problem::Garbled("it answers another request".into()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Problem::Garbled(error.to_string()),
            Ok(Err(error)) => Problem::Closed(error.to_string()),
            Err(_) => Problem::Silent(self.limits.request),
        };
        Err(AdminError::new(doing, &self.at, problem))
    }

    fn decode<T: Decodable>(
        &self,
        doing: &str,
        body: bytes::Bytes,
        header: i16,
        version: i16,
    ) -> Result<T, AdminError> {
        let mut body = Guarded::new(body);
        let decoded = ResponseHeader::decode(&mut body, header).and_then(|_| T::decode(&mut body, version));
        let problem = match decoded {
            Ok(response) if body.remaining() == 0 => return Ok(response),
            Ok(_) => format!("{} bytes are left over", body.remaining()),
            Err(error) => error.to_string(),
        };
        Err(AdminError::new(doing, &self.at, Problem::Garbled(problem)))
    }

    /// A refusal by code alone.
    pub fn refused(&self, doing: &str, code: i16) -> AdminError {
        let message = String::new();
        AdminError::new(doing, &self.at, Problem::Refused { code, message })
    }
}

/// A request as a frame.
fn encode<R: Request>(header: &RequestHeader, request: &R, version: i16) -> Result<BytesMut, String> {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    let encoded = header
        .encode(&mut frame, R::header_version(version))
        .and_then(|()| request.encode(&mut frame, version));
    encoded.map_err(|error| error.to_string())?;
    let length = i32::try_from(frame.len() - 4).map_err(|error| error.to_string())?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}
