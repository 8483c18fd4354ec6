//! Where a node listens.

use std::fmt;

/// A host and a port that the other nodes can reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// A name or an address; IPv6 addresses stand in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Reads `host:port`.
    ///
    /// # Errors
    /// The rule that is broken, and what to write instead.
    pub fn read(text: &str) -> Result<Self, (String, String)> {
        let example = || "write a host and a port, such as \"localhost:60001\"".to_owned();
        if text.contains("://") {
            return Err((
                format!("{text:?} names a protocol, and an address is only a host and a port"),
                "leave out what stands before the host; encryption is chosen by [tls]".into(),
            ));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err((format!("{text:?} has no port"), example()));
        };
        let bracketed = host.len() > 2 && host.starts_with('[') && host.ends_with(']');
        if host.contains(':') && !bracketed {
            return Err((
                format!("{text:?} is not clear: an IPv6 address stands in brackets"),
                "write it as \"[::1]:60001\"".into(),
            ));
        }
        if host.is_empty() || (!bracketed && !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))) {
            return Err((format!("{host:?} is not the name of a host"), example()));
        }
        if ["0.0.0.0", "[::]"].contains(&host) {
            return Err((
                format!("{host} is no place that the other nodes could connect to"),
                "write the name or the address by which the others reach this node".into(),
            ));
        }
        match port.parse::<u16>() {
            Ok(port) if port > 0 && !text.ends_with(&format!("+{port}")) => Ok(Self {
                host: host.to_ascii_lowercase(),
                port,
            }),
            _ => Err((
                format!("{port:?} is not a port"),
                "write a number from 1 to 65535 after the colon".into(),
            )),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_they_are_written() {
        for text in [
            "localhost:60001",
            "10.0.0.7:1",
            "[::1]:60001",
            "node-1.example.org:65535",
            "a_b:1",
        ] {
            assert_eq!(Address::read(text).expect(text).to_string(), text);
        }
        assert_eq!(Address::read("LocalHost:1"), Address::read("localhost:1"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for (text, rule) in [
            ("localhost", "no port"),
            ("", "no port"),
            (":60001", "not the name of a host"),
            ("local host:1", "not the name of a host"),
            ("a/b:1", "not the name of a host"),
            ("[]:1", "not the name of a host"),
            ("::1:60001", "brackets"),
            ("localhost:0", "not a port"),
            ("localhost:65536", "not a port"),
            ("localhost:-1", "not a port"),
            ("localhost:+1", "not a port"),
            ("localhost: 1", "not a port"),
            ("localhost:", "not a port"),
            ("tcp://localhost:1", "names a protocol"),
            ("0.0.0.0:60001", "connect to"),
            ("[::]:60001", "connect to"),
        ] {
            let (found, instead) = Address::read(text).expect_err(text);
            assert!(found.contains(rule), "{text}: {found}");
            assert!(!instead.is_empty());
        }
    }
}
