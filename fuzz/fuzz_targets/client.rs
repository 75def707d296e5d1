//! What a client makes of arbitrary bytes: it does not panic, and comes to the same however the bytes are cut. The first byte of the input
//! chooses the size of the pieces.

#![no_main]

use jetlag_wire::{Decoder, ServerFrame, WireError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [size, bytes @ ..] = input else { return };
    let whole = decode([bytes]);
    assert_eq!(decode(bytes.chunks(usize::from(*size).max(1))), whole);
});

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ServerFrame>, Option<WireError>) {
    let mut decoder = Decoder::new(512);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.poll() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}
