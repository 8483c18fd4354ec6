//! Messages as bytes: versioned, length-checked, with a checksum. Decoding yields a valid message or an error that says
//! what is wrong; it never panics and never allocates more than the input's own length calls for.
//!
//! A frame is `"PH"`, version, kind, body, CRC-32 of all before it. Numbers are LEB128 varints, signed ones zigzag.
//! Frames to the cloud begin their body with the edge's name, since one socket serves many edges.
//!
//! | kind | message | body |
//! | --- | --- | --- |
//! | 1 | Heartbeat | name, backlog |
//! | 2 | Hello | name, epoch, session, oldest |
//! | 3 | Batch | name, epoch, first, households (sorted), asks, rows |
//! | 16 | PreVote | term, position |
//! | 17 | PreVoted | term |
//! | 18 | Heartbeat (of a leader) | term, round |
//! | 19 | Resign | term |
//! | 20 | Vote | term, position, token |
//! | 21 | Voted | term |
//! | 22 | Ack (of a heartbeat) | term, round |
//! | 23 | Nack | term |
//! | 24 | Transfer | term, round |
//! | 25 | Behind | term, position |
//! | 26 | Append | term, entry before, entry or none, decided |
//! | 27 | Ask | entry, decided |
//! | 28 | Suffix | entry before, entry, last entry, whether it ends here |
//! | 29 | Piece | term, last entry, snapshot's end, number, whether it is the last, body |
//! | 30 | Appended | term, up to, decided |
//! | 31 | Missing | term, hint |
//! | 32 | Pieced | snapshot's end, next |
//! | 33 | Wake | ticket |
//! | 34 | Traffic | |
//! | 35 | Standing | latest decree, doing, willing, busy, lock, echo, whether it was carried out |
//! | 36 | Grant | purpose, plan, lock, who is counted |
//! | 65 | Alive | credit |
//! | 66 | Welcome | epoch, session, high, credit |
//! | 67 | Ack | epoch, high, credit, codes |
//! | 68 | Fenced | epoch |
//! | 128 | Hello between members | cluster's name, config number, node, store, incarnation |
//!
//! Between members with a log, positions in kinds 16 to 25 are those of entries: term, place. Without one they are nothing.
//!
//! Every message has exactly one form: what decodes encodes to the same bytes again. `core/tests/wire.rs` holds the
//! bytes of one frame of each kind; a change of any of them is a change of [`VERSION`].
//!
//! [`record`] writes inputs and recovered states for the flight recorder, which frames and checks its own entries.

mod ballots;
mod bytes;
mod decrees;
mod frames;
mod guards;
mod guards_recorded;
mod hello;
mod logs;
mod logs_recorded;
pub mod record;
mod settings;

pub use crate::replication::BODY_BYTES_MAX;
pub use ballots::{WirePosition, decode_ballot, encode_ballot};
pub use bytes::{Reader, Writer, crc32};
pub use frames::{BATCH_ROWS_MAX, decode_down, decode_up, encode_down, encode_up};
pub use guards::{decode_sleep, encode_sleep};
pub use hello::{HELLO_MAX, decode_hello, encode_hello};
pub use logs::{WireBody, decode_log, encode_log};
pub use record::Recorded;
pub use settings::Replayable;

use core::fmt;

/// The version that this build speaks. A peer with another one is refused with a clear message.
pub const VERSION: u8 = 1;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WireError {
    /// They end too early.
    Truncated,
    /// They go on after the message.
    Trailing,
    /// They do not begin as a frame of Pehra does: another program is talking.
    NotPehra,
    /// The peer speaks this version, which is not ours.
    Version(u8),
    /// There is no such message, or not in this direction.
    Kind(u8),
    /// The checksum does not fit: bits were flipped on the way.
    Checksum,
    /// A count or length that cannot be.
    Length,
    /// A list that is not in its one order: every message has exactly one form.
    Order,
    /// A name that is empty, too long or not UTF-8.
    Name,
    /// A number that does not fit its type.
    Number,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the frame ends too early"),
            Self::Trailing => f.write_str("bytes follow the frame"),
            Self::NotPehra => f.write_str("not a frame of Pehra: another program is talking to this port"),
            Self::Version(theirs) => {
                write!(
                    f,
                    "the peer speaks version {theirs}, this build speaks {VERSION}: install the same release on both"
                )
            }
            Self::Kind(kind) => write!(f, "message kind {kind} is unknown here"),
            Self::Checksum => f.write_str("the checksum does not fit: the frame was damaged on the way"),
            Self::Length => f.write_str("a length in the frame cannot be"),
            Self::Order => f.write_str("a list in the frame is out of order or has an entry that nothing uses"),
            Self::Name => f.write_str("a name in the frame is empty, too long or not UTF-8"),
            Self::Number => f.write_str("a number in the frame is out of range"),
        }
    }
}

impl core::error::Error for WireError {}
