//! What must hold for any bytes. The fuzz targets call these with bytes of their own making, and plain `cargo test`
//! with those of the committed corpora.
#![allow(dead_code, unused_imports)]

#[path = "../../tests/shared/site.rs"]
mod site;
mod steps;
mod world;

pub use steps::steps;

use pehra_core::delivery::Receiver;
use pehra_core::pipeline::Pipeline;
use pehra_core::protocol::Input;
use pehra_core::window::Tuple;
use pehra_core::wire::{Recorded, Writer, crc32, decode_down, decode_up, encode_down, encode_up};

/// A frame to the cloud decodes to nothing, or to what encodes to the very same bytes.
pub fn wire_up(bytes: &[u8]) {
    for frame in [bytes.to_vec(), sealed(bytes)] {
        if let Ok((edge, message)) = decode_up(&frame) {
            let mut again = Vec::new();
            encode_up(&edge, &message, &mut again);
            assert_eq!(again, frame, "{message:?}");
            assert!(decode_down(&frame).is_err(), "a frame for both directions");
        }
    }
}

/// A frame to an edge decodes to nothing, or to what encodes to the very same bytes.
pub fn wire_down(bytes: &[u8]) {
    for frame in [bytes.to_vec(), sealed(bytes)] {
        if let Ok(message) = decode_down(&frame) {
            let mut again = Vec::new();
            encode_down(&message, &mut again);
            assert_eq!(again, frame, "{message:?}");
            assert!(decode_up(&frame).is_err(), "a frame for both directions");
        }
    }
}

/// An entry of a recording decodes to nothing, or to what encodes to the very same bytes. The first byte chooses whose
/// entry it is.
pub fn record(bytes: &[u8]) {
    let Some((which, entry)) = bytes.split_first() else {
        return;
    };
    match which % 6 {
        0 => one_input::<Pipeline>(entry),
        1 => one_input::<Receiver<Tuple>>(entry),
        2 => one_recovered::<Pipeline>(entry),
        3 => one_recovered::<Receiver<Tuple>>(entry),
        4 => one_input::<Pipeline>(&received(entry)),
        _ => one_input::<Receiver<Tuple>>(&received(entry)),
    }
}

fn one_input<P: Recorded>(entry: &[u8]) {
    let Ok(input) = P::decode_input(entry) else { return };
    let mut again = Vec::new();
    P::encode_input(&input, &mut again);
    // A frame to the cloud names its edge, and a recording does not keep that name: there only the meaning stays.
    if matches!(input, Input::Received { .. }) {
        assert_eq!(P::decode_input(&again).as_ref(), Ok(&input));
    } else {
        assert_eq!(again, entry, "{input:?}");
    }
}

fn one_recovered<P: Recorded>(entry: &[u8]) {
    let Ok(recovered) = P::decode_recovered(entry) else {
        return;
    };
    let mut again = Vec::new();
    P::encode_recovered(&recovered, &mut again);
    assert_eq!(again, entry, "{recovered:?}");
}

/// Puts the right checksum at the end, which no search would ever guess.
fn sealed(frame: &[u8]) -> Vec<u8> {
    let body = &frame[..frame.len().saturating_sub(4)];
    [body, &crc32(body).to_be_bytes()].concat()
}

/// An entry that says: node 1 said this.
fn received(frame: &[u8]) -> Vec<u8> {
    let mut entry = vec![1, 1];
    Writer(&mut entry).bytes(&sealed(frame));
    entry
}
