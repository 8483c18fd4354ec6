//! Frames of Kafka's protocol: a length of four bytes, then so many bytes. And a look at them that lets no length inside
//! promise more than there is.

use std::io;
use std::ops::Range;

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads one frame's content. A length that is negative or above `max` is an error before anything is reserved.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), max: usize) -> io::Result<Bytes> {
    let announced = stream.read_i32().await?;
    let length = usize::try_from(announced).ok().filter(|length| *length <= max);
    let Some(length) = length else {
        let what = format!("a frame of {announced} bytes, and at most {max} are taken");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    };
    // Grows with what arrives: a peer that announces much and sends nothing costs nothing.
    let mut content = Vec::new();
    let arrived = stream.take(length as u64).read_to_end(&mut content).await?;
    if arrived < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(content.into())
}

/// How far a number that is no length, such as the number of a tagged field, may be above what is left.
const SLACK: u64 = 64;

/// A frame that is being decoded.
///
/// `kafka-protocol` reserves room for as many elements as an array's length says, before it looks whether they are there. In
/// flexible versions such a length is a varint, and those are all read byte by byte through [`Buf::try_get_u8`]. So they are
/// put together here a second time, and one that says more than the frame has left ends the decoding: each element has at
/// least one byte. (A boolean comes through the same door; as a varint it is 0 or 1. If it is neither, what follows is
/// judged too strictly, never too mildly.)
#[derive(Debug)]
pub(crate) struct Guarded {
    left: Bytes,
    varint: u64,
    varint_bytes: u32,
}

impl Guarded {
    pub(crate) const fn new(frame: Bytes) -> Self {
        Self {
            left: frame,
            varint: 0,
            varint_bytes: 0,
        }
    }
}

impl Buf for Guarded {
    fn remaining(&self) -> usize {
        self.left.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.left.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.left.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.left.try_get_u8()?;
        self.varint |= u64::from(byte & 0x7f) << (7 * self.varint_bytes);
        self.varint_bytes += 1;
        let left = self.left.remaining();
        if byte >= 0x80 {
            // The decoder looks at five bytes at most.
            if self.varint_bytes < 5 {
                return Ok(byte);
            }
            return Err(TryGetError {
                requested: usize::MAX,
                available: left,
            });
        }
        let said = std::mem::take(&mut self.varint);
        self.varint_bytes = 0;
        if said > left as u64 + SLACK {
            return Err(TryGetError {
                requested: usize::try_from(said).unwrap_or(usize::MAX),
                available: left,
            });
        }
        Ok(byte)
    }
}

impl ByteBuf for Guarded {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        self.left.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.left.split_to(size)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
    use kafka_protocol::messages::{
        AlterPartitionReassignmentsResponse, ApiVersionsResponse, DescribeClusterResponse, DescribeConfigsResponse,
        DescribeQuorumResponse, DescribeTopicPartitionsResponse, ElectLeadersResponse, ListOffsetsResponse,
        ListPartitionReassignmentsResponse,
    };
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    use super::*;

    fn answer() -> Bytes {
        let broker = DescribeClusterBroker::default()
            .with_broker_id(7.into())
            .with_host(StrBytes::from_static_str("somewhere"))
            .with_is_fenced(true);
        let answer = DescribeClusterResponse::default()
            .with_cluster_id(StrBytes::from_static_str("c"))
            .with_brokers(vec![broker; 3]);
        let mut bytes = BytesMut::new();
        answer.encode(&mut bytes, 2).expect("it can be written");
        bytes.freeze()
    }

    #[test]
    fn an_honest_answer_is_read_to_its_end() {
        let mut guarded = Guarded::new(answer());
        let read = DescribeClusterResponse::decode(&mut guarded, 2).expect("it can be read");
        assert_eq!((read.brokers.len(), guarded.remaining()), (3, 0));
    }

    #[test]
    fn an_answer_cut_short_anywhere_is_an_error() {
        let whole = answer();
        for length in 0..whole.len() {
            let cut = DescribeClusterResponse::decode(&mut Guarded::new(whole.slice(..length)), 2);
            assert!(cut.is_err(), "{length} of {} bytes", whole.len());
        }
    }

    #[test]
    fn an_array_that_claims_billions_of_elements_is_refused_before_room_is_made() {
        // Throttle time, error code, no message, endpoint type, cluster id "c", controller, then the array.
        let mut bytes = BytesMut::new();
        bytes.put_slice(&[0, 0, 0, 0, 0, 0, 0, 1, 2, b'c', 0, 0, 0, 1]);
        bytes.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        bytes.put_bytes(0, 100);
        let refused = DescribeClusterResponse::decode(&mut Guarded::new(bytes.freeze()), 2);
        assert!(refused.is_err());
    }

    #[test]
    fn any_byte_changed_to_any_value_never_takes_much_room() {
        let whole = answer();
        for at in 0..whole.len() {
            for value in 0..=u8::MAX {
                let mut changed = BytesMut::from(&whole[..]);
                changed[at] = value;
                if let Ok(read) = DescribeClusterResponse::decode(&mut Guarded::new(changed.freeze()), 2) {
                    assert!(read.brokers.capacity() <= whole.len() + 64, "byte {at} as {value}");
                }
            }
        }
    }

    #[test]
    fn noise_is_read_to_an_error_or_to_something_small_and_never_panics() {
        let mut seed: u64 = 88_172_645_463_325_252;
        let mut draw = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let mut read_at_all = 0;
        for _ in 0..30_000 {
            let length = draw() % 200;
            // Mostly small numbers, so that some of it makes sense.
            let bytes = (0..length).map(|_| {
                let wide = draw() % 8 == 0;
                u8::try_from(if wide { draw() % 256 } else { draw() % 4 }).expect("a byte")
            });
            let noise: Bytes = bytes.collect();
            let read = [
                ApiVersionsResponse::decode(&mut Guarded::new(noise.clone()), 3).is_ok(),
                DescribeClusterResponse::decode(&mut Guarded::new(noise.clone()), 2).is_ok(),
                DescribeTopicPartitionsResponse::decode(&mut Guarded::new(noise.clone()), 0).is_ok(),
                DescribeConfigsResponse::decode(&mut Guarded::new(noise.clone()), 4).is_ok(),
                DescribeQuorumResponse::decode(&mut Guarded::new(noise.clone()), 2).is_ok(),
                ListOffsetsResponse::decode(&mut Guarded::new(noise.clone()), 10).is_ok(),
                ElectLeadersResponse::decode(&mut Guarded::new(noise.clone()), 2).is_ok(),
                AlterPartitionReassignmentsResponse::decode(&mut Guarded::new(noise.clone()), 1).is_ok(),
                ListPartitionReassignmentsResponse::decode(&mut Guarded::new(noise), 0).is_ok(),
            ];
            read_at_all += read.iter().filter(|ok| **ok).count();
        }
        assert!(read_at_all > 1000, "too little was read to say anything: {read_at_all}");
    }

    #[tokio::test]
    async fn a_frame_that_is_too_long_or_negative_is_refused() {
        let mut long: &[u8] = &[0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(read(&mut { long }, 9).await.expect("it fits").len(), 9);
        let refused = read(&mut long, 8).await.expect_err("it does not fit");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        let mut negative: &[u8] = &[0xff, 0xff, 0xff, 0xff];
        assert!(read(&mut negative, 8).await.is_err());
        let mut short: &[u8] = &[0, 0, 0, 9, 1];
        let ended = read(&mut short, 9).await.expect_err("it ends early");
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
    }
}
