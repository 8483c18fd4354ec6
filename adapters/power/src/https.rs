//! One request over HTTP, with or without TLS: on a connection of its own, as a node is woken a few times a day.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// More than any answer that we read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub is_tls: bool,
    /// Without the brackets of IPv6.
    pub host: String,
    /// As in the address: for the header `Host`.
    pub authority: String,
    pub port: u16,
}

impl Base {
    /// Whether nothing that is sent there leaves this host.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Base {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| "it is no address")?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("it begins neither with https:// nor with http://"),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("a name or password does not belong here");
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err("there is something after the host");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            authority: authority.as_str().to_owned(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
        })
    }
}

/// Trusts those whose certificates are signed by one in this file (PEM), and nobody else.
pub(crate) fn trusting(ca: &Path) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".into());
    }
    Ok(Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    ))
}

/// Sends a request, whose address is only a path, and reads the whole answer. Has no deadline: that is the caller's.
pub(crate) async fn send(
    base: &Base,
    tls: Option<&Arc<ClientConfig>>,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, String> {
    let host = base.authority.parse().map_err(|_| "the host's name cannot be sent")?;
    request.headers_mut().insert(HOST, host);
    let tcp = TcpStream::connect((base.host.as_str(), base.port));
    let tcp = tcp.await.map_err(|error| format!("no connection: {error}"))?;
    match (base.is_tls, tls) {
        (false, _) => over(tcp, request).await,
        (true, None) => Err("no certificate is trusted".into()),
        (true, Some(config)) => {
            let name = ServerName::try_from(base.host.clone()).map_err(|error| error.to_string())?;
            let connecting = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
            let stream = connecting.await.map_err(|error| format!("TLS: {error}"))?;
            over(stream, request).await
        }
    }
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| chain(&error))?;
    // Ends with `sender`, at the end of this function or of whoever waits for it. What is wrong is told below.
    tokio::spawn(async move { drop(connection.await) });
    let (head, body) = sender
        .send_request(request)
        .await
        .map_err(|error| chain(&error))?
        .into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("the answer's body: {error}"))?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// An error with its causes: hyper's own words do not name them.
fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        let base: Base = "https://10.0.0.2".parse().expect("an address");
        assert_eq!((base.is_tls, base.port, base.is_loopback()), (true, 443, false));
        let base: Base = "http://[::1]:8080/".parse().expect("an address");
        assert_eq!(
            (base.host.as_str(), base.authority.as_str(), base.port),
            ("::1", "[::1]:8080", 8080)
        );
        assert!(base.is_loopback());
        for wrong in [
            "",
            "10.0.0.2",
            "ftp://host",
            "https://",
            "https://me:secret@host",
            "https://host/redfish",
            "https://host?x",
        ] {
            assert!(wrong.parse::<Base>().is_err(), "{wrong:?}");
        }
    }
}
