//! Certificates, made on the spot.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// A certificate authority with a directory for what it signs.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
    signed: AtomicU64,
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// Where a certificate and its key are.
pub type Signed = (PathBuf, PathBuf);

impl Ca {
    /// A new one.
    ///
    /// # Panics
    /// If there is no room for its files.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a certificate can be made"))
            .expect("a certificate can be made");
        let directory = TempDir::new().expect("a folder");
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("room for a file");
        Self {
            issuer,
            directory,
            signed: AtomicU64::new(0),
        }
    }

    /// Its own certificate, as a PEM file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// What a certificate with this common name says, for these hosts.
    ///
    /// # Panics
    /// If a host's name cannot be one.
    #[must_use]
    pub fn params(&self, name: &str, hosts: &[&str]) -> CertificateParams {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).expect("a certificate can be made");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "a grid operator");
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params
    }

    /// A certificate with this common name, for these hosts.
    #[must_use]
    pub fn certificate(&self, name: &str, hosts: &[&str]) -> Signed {
        self.sign(self.params(name, hosts))
    }

    /// One that has expired.
    #[must_use]
    pub fn expired(&self, name: &str, hosts: &[&str]) -> Signed {
        let mut params = self.params(name, hosts);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    /// Signs it, with a key made for it.
    ///
    /// # Panics
    /// If there is no room for the files.
    #[must_use]
    pub fn sign(&self, params: CertificateParams) -> Signed {
        let key = KeyPair::generate().expect("a certificate can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate can be made");
        let number = self.signed.fetch_add(1, Ordering::Relaxed);
        let path = |what: &str| self.directory.path().join(format!("{number}-{what}.pem"));
        std::fs::write(path("cert"), certificate.pem()).expect("room for a file");
        std::fs::write(path("key"), key.serialize_pem()).expect("room for a file");
        (path("cert"), path("key"))
    }
}
