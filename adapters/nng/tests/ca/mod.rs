//! Certificates for tests, as this crate's settings name them.
#![allow(dead_code)] // each test binary uses its part

use pehra_nng::Tls;
pub use pehra_testbed::certificates::{Ca, Signed};

/// What a side is told of a CA.
pub trait Shows {
    /// Knows this CA and has no certificate.
    fn trusts(&self) -> Tls;
    /// Knows this CA and shows a certificate.
    fn shows(&self, signed: &Signed) -> Tls;
}

impl Shows for Ca {
    fn trusts(&self) -> Tls {
        Tls {
            ca: Some(self.file()),
            ..Tls::default()
        }
    }

    fn shows(&self, (cert, key): &Signed) -> Tls {
        Tls {
            cert: Some(cert.clone()),
            key: Some(key.clone()),
            ..self.trusts()
        }
    }
}
