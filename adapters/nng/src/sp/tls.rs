//! TLS for `tls+tcp`: certificates from PEM files, no fallback to anything weaker.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, CommonState, Error, RootCertStore, ServerConfig,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::frame::Ended;
use crate::Endpoint;
use crate::port::{ConnectError, ListenError, Tls};

/// The connecting side.
pub(crate) struct Client {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Client {
    pub(crate) async fn wrap(&self, tcp: TcpStream) -> io::Result<client::TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), tcp).await
    }
}

/// The listening side.
pub(crate) struct Server {
    acceptor: TlsAcceptor,
}

impl Server {
    pub(crate) async fn wrap(&self, tcp: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        self.acceptor.accept(tcp).await
    }
}

/// What TLS had against the peer, or the peer against us, and what to do about it; `None` for other errors.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    let problem = error.get_ref()?.downcast_ref::<Error>()?;
    let hint = match problem {
        Error::NoCertificatesPresented | Error::AlertReceived(AlertDescription::CertificateRequired) => {
            ": the client needs a certificate and its key"
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer)
        | Error::AlertReceived(AlertDescription::UnknownCA) => ": it is not signed by the CA that is trusted here",
        Error::AlertReceived(AlertDescription::CertificateExpired) => ": renew this side's certificate",
        Error::AlertReceived(AlertDescription::BadCertificate | AlertDescription::DecryptError) => {
            ": the peer refuses this side's certificate"
        }
        Error::InvalidMessage(_) => ": the peer does not speak TLS: write tls+tcp:// on both sides or neither",
        _ => "",
    };
    Some(format!("TLS: {problem}{hint}"))
}

/// Why a TLS handshake failed. A peer that just goes away within one is no NNG peer either.
pub(crate) fn refused(error: io::Error) -> Ended {
    Ended::WrongPeer(explain(&error).unwrap_or_else(|| format!("TLS: {error}")))
}

/// The common name in the subject of the peer's certificate. Whoever had to show a certificate has one: were it missing,
/// the owner could not tell such a peer from one that may call itself anything.
pub(crate) fn identity(connection: &CommonState) -> Result<Option<String>, Ended> {
    let Some(certificate) = connection.peer_certificates().and_then(<[_]>::first) else {
        return Ok(None);
    };
    match common_name(certificate) {
        Some(name) => Ok(Some(name)),
        None => Err(Ended::WrongPeer(
            "TLS: the peer's certificate has no common name".into(),
        )),
    }
}

/// The common name in the first certificate of a PEM file.
pub(crate) fn name_in(path: &PathBuf) -> Result<Option<String>, String> {
    Ok(chain(path)?.first().and_then(|certificate| common_name(certificate)))
}

/// Walks to the subject instead of searching for a name: the issuer has one too, and extensions may repeat it.
fn common_name(certificate: &[u8]) -> Option<String> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    // Object identifier 2.5.4.3, as it is written.
    const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        fields = element(fields)?.2;
    }
    let (SEQUENCE, mut subject, _) = element(fields)? else {
        return None;
    };
    while !subject.is_empty() {
        let (_, set, rest) = element(subject)?;
        subject = rest;
        let (_, attribute, _) = element(set)?;
        let (_, kind, value) = element(attribute)?;
        if kind == COMMON_NAME {
            return String::from_utf8(element(value)?.1.to_vec()).ok();
        }
    }
    None
}

/// The first DER element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, bytes) = bytes.split_first()?;
    let (length, bytes) = match first {
        0..=0x7f => (usize::from(first), bytes),
        0x81..=0x83 => {
            let (digits, bytes) = bytes.split_at_checked(usize::from(first & 0x7f))?;
            (
                digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)),
                bytes,
            )
        }
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

pub(crate) fn client(endpoint: &Endpoint, tls: Option<&Tls>) -> Result<Client, ConnectError> {
    let build = || -> Result<Client, String> {
        let tls = tls.ok_or("no certificates were given")?;
        let roots = roots(tls.ca.as_deref().ok_or("a CA is needed to know the peer")?)?;
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => config
                .with_client_auth_cert(chain(cert)?, read_key(key)?)
                .map_err(|error| error.to_string())?,
            _ => config.with_no_client_auth(),
        };
        let name = ServerName::try_from(endpoint.server_name().to_owned()).map_err(|error| error.to_string())?;
        Ok(Client {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    };
    build().map_err(|problem| ConnectError(format!("TLS for {endpoint}: {problem}")))
}

pub(crate) fn server(endpoint: &Endpoint, tls: Option<&Tls>) -> Result<Server, ListenError> {
    let build = || -> Result<Server, String> {
        let tls = tls.ok_or("no certificates were given")?;
        let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
            return Err("a listener needs a certificate and its key".into());
        };
        let config = match &tls.ca {
            Some(ca) => {
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots(ca)?)).build();
                ServerConfig::builder().with_client_cert_verifier(verifier.map_err(|error| error.to_string())?)
            }
            None => ServerConfig::builder().with_no_client_auth(),
        };
        let config = config
            .with_single_cert(chain(cert)?, read_key(key)?)
            .map_err(|error| error.to_string())?;
        Ok(Server {
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    };
    build().map_err(|problem| ListenError(format!("TLS for {endpoint}: {problem}")))
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(&path.to_path_buf())? {
        roots
            .add(certificate)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(roots)
}

fn chain(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    let say = |error: tokio_rustls::rustls::pki_types::pem::Error| format!("{}: {error}", path.display());
    CertificateDer::pem_file_iter(path)
        .map_err(say)?
        .collect::<Result<_, _>>()
        .map_err(say)
}

fn read_key(path: &PathBuf) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| format!("{}: {error}", path.display()))
}
