//! TLS for `tls+tcp`: certificates from PEM files, no fallback to anything weaker.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

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

/// The client certificate's fingerprint-free name: its serialized subject is for people, so it is only shown.
pub(crate) fn identity(stream: &server::TlsStream<TcpStream>) -> Option<String> {
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates()?.first()?;
    common_name(certificate)
}

/// Finds the common name (object identifier 2.5.4.3) of the subject, the last one in the certificate.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let bytes = certificate.as_ref();
    let at = bytes
        .windows(5)
        .rposition(|five| five == [0x06, 0x03, 0x55, 0x04, 0x03])?;
    let value = bytes.get(at + 5..)?;
    let length = usize::from(*value.get(1).filter(|length| **length < 0x80)?);
    String::from_utf8(value.get(2..2 + length)?.to_vec()).ok()
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
