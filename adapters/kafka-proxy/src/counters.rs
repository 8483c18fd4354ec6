//! How many bytes came to a port of this machine, as the kernel counts them: where nothing stands in front of the broker.

use std::collections::BTreeMap;
use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use pehra_core::sleep::traffic::Passed;

/// The kernel answers in pieces of at most 32 KiB.
const PIECE_BYTES: usize = 64 << 10;

/// What a look found: of each connection, by the kernel's own number for it, the bytes that came and went.
type Found = BTreeMap<[u8; 8], u64>;

/// Counts what passes at a port by asking the kernel (`sock_diag`), without touching a byte. It needs no rights. It counts no
/// connection that was opened and closed between two looks; four looks a second are enough to see one that asks for anything.
///
/// A look asks for all TCP connections of the machine and blocks for as long as the kernel takes: less than a millisecond for
/// a few hundred.
#[derive(Debug)]
pub struct SocketCounter {
    port: u16,
    seen: Found,
}

impl SocketCounter {
    /// Begins with what is there now.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn new(port: u16) -> io::Result<Self> {
        Ok(Self {
            port,
            seen: look(port)?,
        })
    }

    /// What passed since the last look. What a connection passed before it was first seen counts, too.
    ///
    /// # Errors
    /// If the kernel does not say. Nothing is lost by that: the next look counts it.
    pub fn passed(&mut self) -> io::Result<Passed> {
        let found = look(self.port)?;
        let grown =
            |(cookie, bytes): (&[u8; 8], &u64)| bytes.saturating_sub(self.seen.get(cookie).copied().unwrap_or(0));
        let passed = Passed {
            bytes: found.iter().map(grown).sum(),
            connections: u32::try_from(found.len()).unwrap_or(u32::MAX),
        };
        self.seen = found;
        Ok(passed)
    }
}

/// All connections at this port that are open.
fn look(port: u16) -> io::Result<Found> {
    let mut found = Found::new();
    // A listener for both families has its connections in the second one.
    for (family, socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        ask(family, socket_id, |connection| {
            let id = connection.header.socket_id;
            if id.source_port != port {
                return;
            }
            for nla in connection.nlas {
                if let Nla::TcpInfo(info) = nla {
                    found.insert(id.cookie, info.bytes_received.saturating_add(info.bytes_acked));
                }
            }
        })?;
    }
    Ok(found)
}

fn ask(family: u8, socket_id: SocketId, mut tell: impl FnMut(InetResponse)) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::INFO,
        states: StateFlags::ESTABLISHED,
        socket_id,
    };
    let mut request = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    loop {
        piece.clear();
        let length = socket.recv(&mut piece, 0)?;
        let mut rest = &piece[..length];
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(connection)) => tell(*connection),
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            // Messages begin at multiples of four bytes.
            rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
        }
    }
}
