//! Certificates for tests.
#![allow(dead_code)] // each test binary uses its part

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use pehra_nng::Tls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// A certificate authority with a directory for what it signs.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
    signed: AtomicU64,
}

/// Where a certificate and its key are.
pub type Signed = (PathBuf, PathBuf);

impl Ca {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self {
            issuer,
            directory,
            signed: AtomicU64::new(0),
        }
    }

    pub fn params(&self, name: &str, hosts: &[&str]) -> CertificateParams {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "a grid operator");
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params
    }

    pub fn certificate(&self, name: &str, hosts: &[&str]) -> Signed {
        self.sign(self.params(name, hosts))
    }

    pub fn expired(&self, name: &str, hosts: &[&str]) -> Signed {
        let mut params = self.params(name, hosts);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    pub fn sign(&self, params: CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let number = self.signed.fetch_add(1, Ordering::Relaxed);
        let path = |what: &str| self.directory.path().join(format!("{number}-{what}.pem"));
        std::fs::write(path("cert"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("cert"), path("key"))
    }

    /// Knows this CA and has no certificate.
    pub fn trusts(&self) -> Tls {
        Tls {
            ca: Some(self.directory.path().join("ca.pem")),
            ..Tls::default()
        }
    }

    pub fn shows(&self, (cert, key): &Signed) -> Tls {
        Tls {
            cert: Some(cert.clone()),
            key: Some(key.clone()),
            ..self.trusts()
        }
    }
}
