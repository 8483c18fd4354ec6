//! Handshake and frames.
//!
//! Both sides send eight bytes: `00 'S' 'P' 00`, their protocol, `00 00`. Then each message is a 64-bit length and a
//! body, all numbers big-endian. The body of a request begins with a stack of 32-bit words, the last of which (and only
//! that) has its top bit set; a reply begins with the same stack.

use std::fmt;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::tls;

/// Req0.
pub(crate) const REQUEST: u16 = 0x30;
/// Rep0.
pub(crate) const REPLY: u16 = 0x31;
/// Pair0: its own other half.
pub(crate) const PAIR: u16 = 0x10;

/// The most words in a request's stack: each device on the way adds one.
const STACK_MAX: usize = 16;

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The peer closed it, or the network did.
    Gone(String),
    /// The peer speaks something else.
    WrongPeer(String),
    /// A frame broke a limit or the format.
    Refused(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(why) | Self::WrongPeer(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        // Over TLS 1.3 a client learns only after its own handshake that the listener refused its certificate.
        if let Some(refusal) = tls::explain(&error) {
            return Self::WrongPeer(refusal);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Gone("the peer closed the connection".into()),
            _ => Self::Gone(error.to_string()),
        }
    }
}

/// Sends our greeting, reads theirs, and checks that they are the other half of ours.
pub(crate) async fn shake_hands(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ours: u16,
    theirs: u16,
) -> Result<(), Ended> {
    // Heard out even if it takes in nothing any more: over TLS it may have said why.
    let wrote = match stream.write_all(&greeting(ours)).await {
        Ok(()) => stream.flush().await,
        failed => failed,
    };
    match hear_greeting(stream, &[theirs]).await {
        // Nothing was heard, and the reason may be why nothing could be said.
        Err(Ended::Gone(why)) => {
            wrote?;
            Err(Ended::Gone(why))
        }
        Err(ended) => Err(ended),
        Ok(_) => Ok(wrote?),
    }
}

/// Reads a greeting and says which of the expected protocols it was.
pub(crate) async fn hear_greeting(stream: &mut (impl AsyncRead + Unpin), expected: &[u16]) -> Result<u16, Ended> {
    let mut seen = Vec::with_capacity(8);
    let read = (&mut *stream).take(8).read_to_end(&mut seen).await;
    if let Some(protocol) = expected.iter().find(|protocol| seen == greeting(**protocol)) {
        return Ok(*protocol);
    }
    if seen.is_empty() {
        read?;
        return Err(Ended::Gone("the peer closed the connection before its greeting".into()));
    }
    Err(Ended::WrongPeer(stranger(&seen, expected)))
}

/// Sends our greeting.
pub(crate) async fn greet(stream: &mut (impl AsyncWrite + Unpin), ours: u16) -> Result<(), Ended> {
    stream.write_all(&greeting(ours)).await?;
    Ok(stream.flush().await?)
}

/// What to say of a greeting that is not the expected one.
fn stranger(seen: &[u8], expected: &[u16]) -> String {
    match seen {
        _ if expected.iter().any(|protocol| greeting(*protocol).starts_with(seen)) => {
            "the peer closed the connection within its greeting".into()
        }
        [0, b'S', b'P', version, ..] if *version != 0 => format!("the peer speaks SP version {version}, expected 0"),
        [0, b'S', b'P', 0, high, low, ..] if !expected.contains(&u16::from_be_bytes([*high, *low])) => {
            let spoken = u16::from_be_bytes([*high, *low]);
            let expected: Vec<String> = expected.iter().map(|protocol| format!("{protocol:#04x}")).collect();
            let expected = expected.join(" or ");
            format!("the peer speaks SP protocol {spoken:#04x}, expected {expected}: is this the right port?")
        }
        // The records of TLS begin with their type and the version.
        [0x14..=0x17, 3, ..] => {
            "the peer speaks TLS and this side does not: write tls+tcp:// on both or neither".into()
        }
        _ if seen
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t')) =>
        {
            format!(
                "the peer is no NNG socket, it says {:?}: is this the right port?",
                String::from_utf8_lossy(seen)
            )
        }
        _ => format!("the peer is no NNG socket, it begins with {seen:02x?}: is this the right port?"),
    }
}

fn greeting(protocol: u16) -> [u8; 8] {
    let [high, low] = protocol.to_be_bytes();
    [0, b'S', b'P', 0, high, low, 0, 0]
}

/// Reads the next frame's body into `buffer` and takes it out.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    frame_max: usize,
) -> Result<Bytes, Ended> {
    fill(stream, buffer, 8).await?;
    let length = buffer.get_u64();
    // Room for the stack besides the body.
    let limit = frame_max.saturating_add(4 * STACK_MAX);
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= limit)
        .ok_or_else(|| {
            Ended::Refused(format!(
                "the peer announced a frame of {length} bytes, the limit is {frame_max}"
            ))
        })?;
    fill(stream, buffer, length).await?;
    Ok(buffer.split_to(length).freeze())
}

/// Grows as bytes come, not as they are announced: an announcement costs nothing.
async fn fill(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut, wanted: usize) -> Result<(), Ended> {
    while buffer.len() < wanted {
        let arrived = buffer.len();
        buffer.reserve((wanted - arrived).min(arrived.min(256 * 1024)).max(4096));
        if stream.read_buf(buffer).await? == 0 {
            return Err(Ended::Gone(if arrived == 0 {
                "the peer closed the connection".into()
            } else {
                "the peer closed the connection in the middle of a frame".into()
            }));
        }
    }
    Ok(())
}

/// Writes one frame; the caller flushes.
pub(crate) async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), header: &[u8], body: &[u8]) -> io::Result<()> {
    let length = header.len().saturating_add(body.len()) as u64;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(header).await?;
    stream.write_all(body).await
}

/// Splits a request or a reply into its stack and its body of at most `frame_max` bytes.
pub(crate) fn split_stack(mut frame: Bytes, frame_max: usize) -> Result<(Bytes, Bytes), Ended> {
    for words in 1..=STACK_MAX {
        let end = words * 4;
        let Some(word) = frame.get(end - 4..end) else { break };
        if word.first().is_some_and(|byte| byte & 0x80 != 0) {
            let header = frame.split_to(end);
            if frame.len() > frame_max {
                let bytes = frame.len();
                return Err(Ended::Refused(format!(
                    "the peer sent {bytes} bytes, the limit is {frame_max}"
                )));
            }
            return Ok((header, frame));
        }
    }
    Err(Ended::Refused("a request without an id".into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_split_or_refused(bytes: Vec<u8>) {
            if let Ok((header, body)) = split_stack(Bytes::from(bytes.clone()), 1000) {
                prop_assert_eq!([header.as_ref(), body.as_ref()].concat(), bytes);
                prop_assert!(header.len() % 4 == 0 && header[header.len() - 4] & 0x80 != 0);
            }
        }

        #[test]
        fn any_stream_of_bytes_ends_in_frames_within_the_limit_or_a_refusal(bytes: Vec<u8>, limit in 0usize..64) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut stream = bytes.as_slice();
                let mut buffer = BytesMut::new();
                let mut taken = 0;
                while let Ok(frame) = read_frame(&mut stream, &mut buffer, limit).await {
                    assert!(frame.len() <= limit + 4 * STACK_MAX);
                    taken += 8 + frame.len();
                    if let Ok((_, body)) = split_stack(frame, limit) {
                        assert!(body.len() <= limit);
                    }
                }
                assert!(taken <= bytes.len() && buffer.capacity() <= 512 * 1024);
            });
        }

        #[test]
        fn frames_survive_any_cut(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8), cut in 1usize..64) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut wire = Vec::new();
                for body in &bodies {
                    write_frame(&mut wire, &[0x80, 0, 0, 1], body).await.unwrap();
                }
                let (mut ours, mut theirs) = tokio::io::duplex(cut);
                let writer = tokio::spawn(async move { ours.write_all(&wire).await });
                let mut buffer = BytesMut::new();
                for body in &bodies {
                    let frame = read_frame(&mut theirs, &mut buffer, 1000).await.unwrap();
                    assert_eq!(split_stack(frame, 1000).unwrap().1, body);
                }
                drop(writer);
            });
        }
    }
}
