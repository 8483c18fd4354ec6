//! The greeting between members. Unlike all else it keeps its form in every version, or two releases could not tell each
//! other which ones they are: the version in its head is part of what it says.

use alloc::vec::Vec;

use super::{Reader, WireError, Writer, crc32};
use crate::identity::Hello;
use crate::types::NodeId;

/// The most bytes that a hello can have: a peer that says more before it is known is cut off.
pub const HELLO_MAX: usize = 128;

const MEMBER: u8 = 128;

// The head, a name with its length, numbers of at most ten bytes each, the checksum.
const _: () = assert!(4 + 33 + 4 * 10 + 4 <= HELLO_MAX);

/// Writes a hello into `buffer`, which is emptied first.
pub fn encode_hello(hello: &Hello, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&[b'P', b'H', hello.protocol_version, MEMBER]);
    let w = &mut Writer(buffer);
    w.name(&hello.cluster);
    for number in [hello.config_number, hello.node.0.into(), hello.store, hello.incarnation] {
        w.number(number);
    }
    let checksum = crc32(buffer);
    buffer.extend_from_slice(&checksum.to_be_bytes());
}

/// Reads a hello, of whatever version.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_hello(bytes: &[u8]) -> Result<Hello, WireError> {
    if bytes.len() > HELLO_MAX {
        return Err(WireError::Length);
    }
    let mut head = Reader(bytes);
    if head.take(2)? != b"PH" {
        return Err(WireError::NotPehra);
    }
    let (protocol_version, kind) = (head.byte()?, head.byte()?);
    if kind != MEMBER {
        return Err(WireError::Kind(kind));
    }
    let end = bytes.len().checked_sub(4).ok_or(WireError::Truncated)?;
    let (covered, checksum) = bytes.split_at_checked(end).ok_or(WireError::Truncated)?;
    let body = covered.get(4..).ok_or(WireError::Truncated)?;
    if crc32(covered).to_be_bytes() != *checksum {
        return Err(WireError::Checksum);
    }
    let mut r = Reader(body);
    let hello = Hello {
        protocol_version,
        cluster: r.name()?,
        config_number: r.number()?,
        node: NodeId(r.small()?),
        store: r.number()?,
        incarnation: r.number()?,
    };
    r.end()?;
    Ok(hello)
}
