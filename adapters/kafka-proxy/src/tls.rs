//! TLS on either side of a proxy: certificates from PEM files, no fallback to anything weaker.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::stream::Stream;
use crate::{BrokerTls, ClientTls};

/// Ends the TLS of clients.
#[derive(Clone)]
pub(crate) struct Acceptor(TlsAcceptor);

impl Acceptor {
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<Stream> {
        let stream = self.0.accept(tcp).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

/// Begins TLS with the broker.
#[derive(Clone)]
pub(crate) struct Connector {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub async fn connect(&self, tcp: TcpStream) -> io::Result<Stream> {
        let stream = self.connector.connect(self.name.clone(), tcp).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

/// What is wrong is told in words, with the file.
pub(crate) fn acceptor(tls: &ClientTls) -> Result<Acceptor, String> {
    let config = match &tls.ca {
        Some(ca) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots(ca)?)).build();
            let verifier = verifier.map_err(|error| format!("{}: {error}", ca.display()))?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
        None => ServerConfig::builder().with_no_client_auth(),
    };
    let config = config
        .with_single_cert(chain(&tls.cert)?, key(&tls.key)?)
        .map_err(|error| format!("{}: {error}", tls.cert.display()))?;
    Ok(Acceptor(TlsAcceptor::from(Arc::new(config))))
}

/// What is wrong is told in words, with the file.
pub(crate) fn connector(tls: &BrokerTls) -> Result<Connector, String> {
    let config = ClientConfig::builder().with_root_certificates(roots(&tls.ca)?);
    let config = match &tls.own {
        Some((cert, own)) => config
            .with_client_auth_cert(chain(cert)?, key(own)?)
            .map_err(|error| format!("{}: {error}", cert.display()))?,
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from(tls.name.clone())
        .map_err(|error| format!("{:?} is no name of a broker: {error}", tls.name))?;
    Ok(Connector {
        connector: TlsConnector::from(Arc::new(config)),
        name,
    })
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(roots)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let say = |error: PemError| format!("{}: {error}", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(say)?
        .collect::<Result<_, _>>()
        .map_err(say)?;
    if chain.is_empty() {
        return Err(format!("{}: there is no certificate in it (PEM)", path.display()));
    }
    Ok(chain)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| format!("{}: {error}", path.display()))
}
