//! Wake-on-LAN: the magic packet.
//!
//! It is a broadcast that nobody acknowledges and that anybody can send; routers do not pass it on. That is harmless to data,
//! as waking never is anything else. The SecureOn password travels in clear and is no protection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use tokio::net::UdpSocket;

use crate::PowerError;

/// Where magic packets go unless the configuration names another place. On a host with several networks name the
/// broadcast address of the node's own one: this leaves by the default route only.
pub const EVERYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), 9);

/// Six bytes: a network card's address, or a SecureOn password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Six(pub [u8; 6]);

impl FromStr for Six {
    type Err = &'static str;

    /// Reads `52:54:00:12:34:56`, also with dashes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().unwrap_or_default();
            let is_pair = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(part, 16)
                .ok()
                .filter(|_| is_pair)
                .ok_or("six pairs of hexadecimal digits are needed, as in 52:54:00:12:34:56")?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err("there are more than six pairs of digits"),
        }
    }
}

impl fmt::Display for Six {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Six {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Six {
    /// Whether a network card can have this address: not zero, and not that of a group.
    #[must_use]
    pub fn is_card(&self) -> bool {
        self.0 != [0; 6] && self.0[0] & 1 == 0
    }
}

/// How one node is woken by magic packets.
#[derive(Clone, PartialEq, Eq)]
pub struct WakeOnLan {
    /// The address of its network card.
    pub mac: Six,
    /// Where to send: the broadcast address of the node's network.
    pub to: SocketAddr,
    /// Its SecureOn password, if its card wants one.
    pub secure_on: Option<Six>,
}

impl fmt::Debug for WakeOnLan {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeOnLan")
            .field("mac", &self.mac)
            .field("to", &self.to)
            .field("secure_on", &self.secure_on.is_some())
            .finish()
    }
}

impl WakeOnLan {
    /// Six times 0xff, sixteen times the address, then the password if there is one: 102 or 108 bytes.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let mut packet = vec![0xff; 6];
        packet.extend(self.mac.0.repeat(16));
        packet.extend(self.secure_on.iter().flat_map(|password| password.0));
        packet
    }

    /// Sends one packet.
    ///
    /// # Errors
    /// If it cannot leave this host. That it left says nothing about who heard it.
    pub async fn send(&self) -> Result<(), PowerError> {
        let wrong = |error: std::io::Error| {
            let at = format!("{} for {}", self.to, self.mac);
            let next = "is the network up, and is this the broadcast address of the node's network?";
            PowerError::new("send a magic packet", at, error, next)
        };
        let any: SocketAddr = match self.to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await.map_err(wrong)?;
        socket.set_broadcast(true).map_err(wrong)?;
        socket.send_to(&self.packet(), self.to).await.map_err(wrong)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_six_pairs_of_digits_and_nothing_else() {
        let mac = Six([0x52, 0x54, 0, 0x12, 0xab, 0xff]);
        assert_eq!("52:54:00:12:ab:ff".parse(), Ok(mac));
        assert_eq!("52-54-00-12-AB-FF".parse(), Ok(mac));
        assert_eq!(mac.to_string(), "52:54:00:12:ab:ff");
        for wrong in [
            "",
            "52:54:00:12:ab",
            "52:54:00:12:ab:ff:00",
            "52:54:0:12:ab:ff",
            "52:54:+1:12:ab:ff",
            "5254.0012.abff",
        ] {
            assert!(wrong.parse::<Six>().is_err(), "{wrong:?}");
        }
        assert!(mac.is_card());
        assert!(!Six([0; 6]).is_card() && !Six([0xff; 6]).is_card() && !Six([1, 0, 0x5e, 0, 0, 1]).is_card());
    }

    #[test]
    fn a_password_is_not_shown() {
        let wake = WakeOnLan {
            mac: Six([2, 0, 0, 0, 0, 1]),
            to: EVERYWHERE,
            secure_on: Some(Six([0xaa; 6])),
        };
        assert!(!format!("{wake:?}").contains("aa:aa"), "{wake:?}");
    }
}
