//! Ports that a node finds free again when it comes back.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;

use rand::RngExt;

/// Where ports are taken from. It ends below the range from which systems take the near end of outgoing connections: the
/// probers open hundreds of these a second, and one of them must not sit on the port of a node that is down for a moment.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// An address on loopback that was free a moment ago and was not given before.
pub fn free_address() -> SocketAddr {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = rand::rng().random_range(RANGE);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && GIVEN.lock().expect("nobody panics with it").insert(port) {
            return address;
        }
    }
}
