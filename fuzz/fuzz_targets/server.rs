//! What a server makes of arbitrary bytes: it does not panic, holds no more than one unfinished operation, and comes to the same however the
//! bytes are cut. The first byte of the input chooses the options, the second the size of the pieces.

#![no_main]

use jetlag_model::Sid;
use jetlag_wire::{Asked, Closed, Limits, ServerConnection, ServerInfo};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { max_control_line: 128, max_payload: 512, max_pending: 64 * 1024, must_connect: false };

fuzz_target!(|input: &[u8]| {
    let [options, size, bytes @ ..] = input else { return };
    let limits = Limits { must_connect: options & 1 != 0, ..LIMITS };
    let whole = serve([bytes], limits);
    assert_eq!(serve(bytes.chunks(usize::from(*size).max(1)), limits), whole);
});

/// Lets everybody in, sends every message back on all subscriptions, and tells what it came to.
fn serve<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: Limits) -> (Vec<Asked>, Vec<u8>, Option<Closed>) {
    let mut connection = ServerConnection::new(ServerInfo::default(), limits);
    let (mut said, mut answered, mut sids) = (Vec::new(), Vec::new(), Vec::<Sid>::new());
    for piece in pieces {
        connection.feed(piece);
        while let Some(asked) = connection.poll() {
            match &asked {
                Asked::Connect => {
                    connection.accept();
                }
                Asked::Publish(message) => sids.iter().for_each(|sid| connection.deliver(*sid, message)),
                Asked::Subscribe { sid, .. } if sids.len() < 4 => sids.push(*sid),
                Asked::Unsubscribe { sid, .. } => sids.retain(|other| other != sid),
                Asked::Subscribe { .. } | Asked::Pong => {}
            }
            said.push(asked);
            answered.extend_from_slice(connection.outbound());
            connection.sent(connection.outbound().len());
        }
        assert!(connection.held() <= LIMITS.max_payload.max(LIMITS.max_control_line) + 2);
    }
    answered.extend_from_slice(connection.outbound());
    (said, answered, connection.closed().cloned())
}
