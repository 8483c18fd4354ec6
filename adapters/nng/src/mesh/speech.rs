//! What members say to each other after their hellos: each frame begins with a byte that says what it is.

use bytes::{Buf, Bytes};

const MESSAGE: u8 = 0;
const PING: u8 = 1;
const PONG: u8 = 2;
const WELCOME: u8 = 3;
const REFUSED: u8 = 4;

/// The most bytes of a reason.
const REASON_MAX: usize = 512;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// For the host.
    Message(Bytes),
    /// Asks for a sign of life, with this number.
    Ping(u64),
    /// The sign of life that was asked for with this number.
    Pong(u64),
    /// Your hello is believed.
    Welcome,
    /// Your hello is not believed, for this reason.
    Refused(String),
}

impl Speech {
    /// The byte in front, and what follows it.
    pub(super) fn parts(&self) -> (u8, Bytes) {
        match self {
            Self::Message(bytes) => (MESSAGE, bytes.clone()),
            Self::Ping(number) => (PING, Bytes::copy_from_slice(&number.to_be_bytes())),
            Self::Pong(number) => (PONG, Bytes::copy_from_slice(&number.to_be_bytes())),
            Self::Welcome => (WELCOME, Bytes::new()),
            Self::Refused(why) => {
                let mut end = why.len().min(REASON_MAX);
                while !why.is_char_boundary(end) {
                    end -= 1;
                }
                (REFUSED, Bytes::copy_from_slice(&why.as_bytes()[..end]))
            }
        }
    }

    /// Reads a frame whose message may have `frame_max` bytes.
    pub(super) fn read(mut frame: Bytes, frame_max: usize) -> Result<Self, String> {
        if frame.is_empty() {
            return Err("an empty frame".into());
        }
        let kind = frame.get_u8();
        let number = |frame: &Bytes| frame.as_ref().try_into().map(u64::from_be_bytes);
        match kind {
            MESSAGE if frame.len() > frame_max => {
                Err(format!("a message of {} bytes, the limit is {frame_max}", frame.len()))
            }
            MESSAGE => Ok(Self::Message(frame)),
            PING => number(&frame)
                .map(Self::Ping)
                .map_err(|_| "a ping of another length".into()),
            PONG => number(&frame)
                .map(Self::Pong)
                .map_err(|_| "a pong of another length".into()),
            WELCOME if frame.is_empty() => Ok(Self::Welcome),
            WELCOME => Err("bytes follow a welcome".into()),
            REFUSED if frame.len() > REASON_MAX => Err("a reason that is too long".into()),
            REFUSED => Ok(Self::Refused(String::from_utf8_lossy(&frame).into_owned())),
            other => Err(format!("a frame of the unknown kind {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(speech: &Speech) -> Bytes {
        let (kind, body) = speech.parts();
        [&[kind], body.as_ref()].concat().into()
    }

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        let long = Speech::Refused("ß".repeat(REASON_MAX));
        assert_eq!(
            Speech::read(frame(&long), 0),
            Ok(Speech::Refused("ß".repeat(REASON_MAX / 2)))
        );
        let odd = Speech::Refused(format!("x{}", "ß".repeat(REASON_MAX)));
        assert_eq!(frame(&odd).len(), REASON_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, frame_max in 0usize..50) {
            if let Ok(speech) = Speech::read(bytes.clone().into(), frame_max) {
                let lossy = matches!(&speech, Speech::Refused(why) if why.contains('\u{fffd}'));
                prop_assert!(lossy || frame(&speech) == bytes);
            }
        }

        #[test]
        fn what_is_said_is_heard(bytes: Vec<u8>, number: u64, why in ".{0,40}") {
            for speech in [
                Speech::Message(bytes.into()),
                Speech::Ping(number),
                Speech::Pong(number),
                Speech::Welcome,
                Speech::Refused(why),
            ] {
                prop_assert_eq!(Speech::read(frame(&speech), 10_000), Ok(speech));
            }
        }
    }
}
