//! What the kernel says of connections (netlink, `sock_diag`). It needs no rights, and no byte is touched.

use std::collections::BTreeSet;
use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, TCP_LISTEN};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};

/// The kernel answers in pieces of at most 32 KiB.
const PIECE_BYTES: usize = 64 << 10;

/// The kernel's groups of those who want to know of TCP sockets that end (`SKNLGRP_INET_TCP_DESTROY` and the same for IPv6).
const ENDINGS: [u32; 2] = [1, 3];

/// The room for endings that nobody has read yet. The kernel gives twice as much, and no more than twice `net.core.rmem_max`.
const ENDINGS_BYTES: i32 = 1 << 20;

/// `ENOBUFS`: more ended than there was room for.
const NO_ROOM: i32 = 105;

/// One connection, as the kernel counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// The kernel's own number for it, which no other connection gets before the machine is started anew.
    pub id: u64,
    /// Bytes that came.
    pub received: u64,
    /// Bytes that went and were acknowledged; the handshake counts as one.
    pub sent: u64,
}

/// What the kernel says at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Connections that are there.
    pub open: Vec<Counted>,
    /// Connections that have ended since the last look, with all that they passed.
    pub ended: Vec<Counted>,
    /// Ports that somebody listens at.
    pub listening: BTreeSet<u16>,
    /// More ended than the kernel kept: of those nothing is known.
    pub is_overrun: bool,
}

/// The kernel, asked about these ports.
#[derive(Debug)]
pub(super) struct Kernel {
    ports: BTreeSet<u16>,
    asking: Socket,
    endings: Socket,
    piece: Vec<u8>,
}

impl Kernel {
    pub fn open(ports: BTreeSet<u16>) -> io::Result<Self> {
        let mut asking = Socket::new(NETLINK_SOCK_DIAG)?;
        asking.bind_auto()?;
        asking.connect(&SocketAddr::new(0, 0))?;
        let mut endings = Socket::new(NETLINK_SOCK_DIAG)?;
        endings.bind_auto()?;
        endings.set_rx_buf_sz(ENDINGS_BYTES)?;
        endings.set_non_blocking(true)?;
        for group in ENDINGS {
            endings.add_membership(group)?;
        }
        Ok(Self {
            ports,
            asking,
            endings,
            piece: Vec::with_capacity(PIECE_BYTES),
        })
    }

    /// Connections first, then endings: one that ends in between is in both, and never in none.
    pub fn look(&mut self) -> io::Result<Look> {
        let mut look = Look::default();
        for port in self.ports.clone() {
            // A listener for both families has its connections in the second one.
            for (family, id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
                self.ask(
                    family,
                    SocketId {
                        source_port: port,
                        ..id
                    },
                    &mut look,
                )?;
            }
        }
        self.hear(&mut look)?;
        Ok(look)
    }

    fn ask(&mut self, family: u8, socket_id: SocketId, look: &mut Look) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::INFO,
            // Those on their way down have counts too. In TIME_WAIT they have none: those have ended.
            states: StateFlags::LISTEN
                | StateFlags::ESTABLISHED
                | StateFlags::FIN_WAIT1
                | StateFlags::FIN_WAIT2
                | StateFlags::CLOSE_WAIT
                | StateFlags::LAST_ACK
                | StateFlags::CLOSING,
            socket_id,
        };
        let mut request = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.asking.send(&bytes, 0)?;
        let mut is_done = false;
        while !is_done {
            self.piece.clear();
            let length = self.asking.recv(&mut self.piece, 0)?;
            is_done = read(self.piece.get(..length).unwrap_or_default(), |socket| {
                let id = &socket.header.socket_id;
                if !self.ports.contains(&id.source_port) {
                } else if socket.header.state == TCP_LISTEN {
                    look.listening.insert(id.source_port);
                } else {
                    look.open.extend(counted(&socket));
                }
            })?;
        }
        Ok(())
    }

    /// What has ended since it was asked last.
    fn hear(&mut self, look: &mut Look) -> io::Result<()> {
        loop {
            self.piece.clear();
            let length = match self.endings.recv(&mut self.piece, 0) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.raw_os_error() == Some(NO_ROOM) => {
                    look.is_overrun = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            read(self.piece.get(..length).unwrap_or_default(), |socket| {
                if self.ports.contains(&socket.header.socket_id.source_port) {
                    look.ended.extend(counted(&socket));
                }
            })?;
        }
    }
}

fn counted(socket: &InetResponse) -> Option<Counted> {
    socket.nlas.iter().find_map(|nla| {
        let Nla::TcpInfo(info) = nla else { return None };
        Some(Counted {
            id: u64::from_ne_bytes(socket.header.socket_id.cookie),
            received: info.bytes_received,
            sent: info.bytes_acked,
        })
    })
}

/// Reads a piece. Whether the answer ends with it.
fn read(mut piece: &[u8], mut tell: impl FnMut(InetResponse)) -> io::Result<bool> {
    if piece.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    while !piece.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(piece)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(socket)) => tell(*socket),
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            _ => {}
        }
        // Messages begin at multiples of four bytes.
        piece = piece
            .get(length.checked_next_multiple_of(4).unwrap_or(usize::MAX).max(4)..)
            .unwrap_or_default();
    }
    Ok(false)
}
