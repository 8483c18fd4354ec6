//! Addresses as NNG writes them.

use std::fmt;
use std::str::FromStr;

/// `tcp://host:port` or `tls+tcp://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// A name or an address; IPv6 addresses stand in brackets.
    pub host: String,
    /// The port; 0 lets a listener choose.
    pub port: u16,
}

/// Text that is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError(String);

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no endpoint: expected tcp://HOST:PORT or tls+tcp://HOST:PORT",
            self.0
        )
    }
}

impl std::error::Error for EndpointError {}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "tcp" => false,
            "tls+tcp" => true,
            _ => return Err(wrong()),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if host.is_empty() || bare_v6 || host.contains('/') {
            return Err(wrong());
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: port.parse().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}:{}",
            if self.tls { "tls+tcp" } else { "tcp" },
            self.host,
            self.port
        )
    }
}

impl Endpoint {
    /// For the resolver and the socket.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The name that the peer's certificate must carry.
    pub(crate) fn server_name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_read_as_they_are_written() {
        for text in ["tcp://localhost:63271", "tls+tcp://cloud.example:1", "tcp://[::1]:0"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in [
            "localhost:1",
            "ipc:///x",
            "tcp://:1",
            "tcp://host",
            "tcp://host:65536",
            "tcp://::1:1",
            "tcp://a/b:1",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
