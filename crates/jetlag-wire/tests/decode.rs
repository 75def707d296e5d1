//! What a server sends, cut anywhere, whole or broken.

use jetlag_model::{Headers, Message, Sid};
use jetlag_wire::{Decoder, ServerFrame, ServerInfo, WireError};
use proptest::collection::vec;
use proptest::prelude::*;

const LIMIT: usize = 1024;

/// Everything there is to poll after feeding the pieces one after the other, and the error if there is one.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ServerFrame>, Option<WireError>) {
    let mut decoder = Decoder::new(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.poll() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.poll(), Err(error.clone()), "an error stays");
                    return (frames, Some(error));
                }
            }
        }
    }
    (frames, None)
}

fn message(sid: u64, message: Message) -> ServerFrame {
    ServerFrame::Message { sid: Sid(sid), message }
}

#[test]
fn frames_are_read_as_the_protocol_says() {
    let status = Headers::from_status(503, "");
    for (bytes, frame) in [
        ("PING\r\n", ServerFrame::Ping),
        ("pong\r\n", ServerFrame::Pong),
        ("PING\n", ServerFrame::Ping),
        ("+OK\r\n", ServerFrame::Ok),
        ("-ERR 'Authorization Violation'\r\n", ServerFrame::Err("Authorization Violation".into())),
        ("-ERR without quotes\r\n", ServerFrame::Err("without quotes".into())),
        ("MSG orders.1 7 0\r\n\r\n", message(7, Message::new("orders.1", ""))),
        ("MSG orders.1 7 4\r\na\r\nb\r\n", message(7, Message::new("orders.1", "a\r\nb"))),
        ("MSG  orders.1\t7 _INBOX.1  2\r\nhi\r\n", message(7, Message::new("orders.1", "hi").with_reply("_INBOX.1"))),
        ("HMSG r 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", message(1, Message::new("r", "").with_headers(status.clone()))),
        ("HMSG r 1 s 16 18\r\nNATS/1.0 503\r\n\r\nhi\r\n", message(1, Message::new("r", "hi").with_headers(status).with_reply("s"))),
        (
            "INFO {\"server_id\":\"N\",\"port\":4222,\"unheard\":[1]} \r\n",
            ServerFrame::Info(Box::new(ServerInfo { server_id: "N".into(), port: 4222, ..ServerInfo::default() })),
        ),
    ] {
        assert_eq!(decode([bytes.as_bytes()]), (vec![frame], None), "{bytes}");
    }
}

#[test]
fn what_is_no_frame_says_what_is_wrong() {
    let malformed = |operation, line: &str| WireError::Malformed { operation, line: line.into() };
    for (bytes, error) in [
        ("HTTP/1.1 400 Bad Request\r\n", WireError::UnknownOperation("HTTP/1.1 400 Bad Request".into())),
        ("\r\n", WireError::UnknownOperation(String::new())),
        ("PUB a 1\r\nx\r\n", WireError::UnknownOperation("PUB a 1".into())),
        ("MSG a 1\r\n", malformed("MSG", "MSG a 1")),
        ("MSG a 1 b c 1\r\n", malformed("MSG", "MSG a 1 b c 1")),
        ("MSG a one 1\r\n", malformed("MSG", "MSG a one 1")),
        ("MSG a 1 +1\r\n", malformed("MSG", "MSG a 1 +1")),
        ("MSG a 1 -1\r\n", malformed("MSG", "MSG a 1 -1")),
        ("MSG a 1 99999999999999999999999\r\n", malformed("MSG", "MSG a 1 99999999999999999999999")),
        ("HMSG a 1 5 4\r\n", malformed("HMSG", "HMSG a 1 5 4")),
        ("HMSG a 1 4\r\n", malformed("HMSG", "HMSG a 1 4")),
        ("MSG a 1 1025\r\n", WireError::PayloadTooLarge { subject: "a".into(), size: 1025, limit: LIMIT }),
        ("MSG a 1 2\r\nabc\r\n", WireError::PayloadEnd("a".into())),
        ("MSG a 1 2\r\nab\n", WireError::PayloadEnd("a".into())),
        ("MSG a 1 2\r\nab\rX", WireError::PayloadEnd("a".into())),
        ("HMSG a 1 4 4\r\nNATS\r\n", WireError::Headers("a".into())),
        ("HMSG a 1 0 2\r\nhi\r\n", WireError::Headers("a".into())),
    ] {
        assert_eq!(decode([bytes.as_bytes()]), (Vec::new(), Some(error)), "{bytes}");
    }
    let (_, error) = decode([b"INFO {\"port\":\r\n".as_slice()]);
    assert!(matches!(error, Some(WireError::Json { operation: "INFO", .. })), "{error:?}");
    assert_eq!(decode([b"\xff\xfe\r\n".as_slice()]).1, Some(WireError::UnknownOperation("\u{fffd}\u{fffd}".into())));
}

#[test]
fn a_line_without_end_is_given_up() {
    let endless = vec![b'x'; 1 << 20];
    let (_, error) = decode(endless.chunks(4096));
    assert_eq!(error, Some(WireError::LineTooLong { limit: 16 * 4096, start: "x".repeat(60) }));
}

#[test]
fn the_limit_can_follow_the_info() {
    let mut decoder = Decoder::new(0);
    decoder.feed(b"INFO {\"max_payload\":2}\r\nMSG a 1 2\r\nhi\r\n");
    let Ok(Some(ServerFrame::Info(info))) = decoder.poll() else { panic!("no INFO") };
    decoder.set_max_payload(usize::try_from(info.max_payload).unwrap());
    assert_eq!(decoder.poll(), Ok(Some(message(1, Message::new("a", "hi")))));
}

fn bytes_of(frame: &ServerFrame) -> Vec<u8> {
    match frame {
        ServerFrame::Info(info) => format!("INFO {}\r\n", serde_json::to_string(info).unwrap()).into_bytes(),
        ServerFrame::Ping => b"PING\r\n".to_vec(),
        ServerFrame::Pong => b"PONG\r\n".to_vec(),
        ServerFrame::Ok => b"+OK\r\n".to_vec(),
        ServerFrame::Err(text) => format!("-ERR '{text}'\r\n").into_bytes(),
        ServerFrame::Message { sid, message } => {
            let reply = message.reply.as_ref().map(|reply| format!(" {reply}")).unwrap_or_default();
            let headers = message.headers.as_ref().map_or(&[][..], Headers::as_bytes);
            let mut bytes = match &message.headers {
                Some(_) => format!("HMSG {} {}{reply} {} {}\r\n", message.subject, sid.0, headers.len(), message.size()),
                None => format!("MSG {} {}{reply} {}\r\n", message.subject, sid.0, message.size()),
            }
            .into_bytes();
            bytes.extend_from_slice(headers);
            bytes.extend_from_slice(&message.payload);
            bytes.extend_from_slice(b"\r\n");
            bytes
        }
    }
}

fn any_frame() -> impl Strategy<Value = ServerFrame> {
    let word = "[a-zA-Z0-9$_.>*-]{1,20}";
    let headers = vec(("[A-Za-z-]{1,8}", "[a-z0-9]{0,8}"), 0..3).prop_map(Headers::from_fields);
    prop_oneof![
        Just(ServerFrame::Ping),
        Just(ServerFrame::Pong),
        Just(ServerFrame::Ok),
        "[A-Z][a-zA-Z ]{0,20}[a-z]".prop_map(ServerFrame::Err),
        (any::<u16>(), any::<u32>()).prop_map(|(port, max)| ServerFrame::Info(Box::new(ServerInfo {
            port,
            max_payload: u64::from(max),
            ..ServerInfo::default()
        }))),
        (any::<u64>(), word, proptest::option::of(word), proptest::option::of(headers), vec(any::<u8>(), 0..200)).prop_map(
            |(sid, subject, reply, headers, payload)| message(
                sid,
                Message { subject: subject.into(), reply: reply.map(Into::into), headers, payload: payload.into() }
            )
        ),
    ]
}

/// The same bytes in pieces, cut at these places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn what_was_written_is_read_however_it_is_cut(frames in vec(any_frame(), 0..8), cuts in vec(any::<usize>(), 0..20)) {
        let bytes: Vec<u8> = frames.iter().flat_map(bytes_of).collect();
        prop_assert_eq!(decode(pieces(&bytes, &cuts)), (frames.clone(), None));
        prop_assert_eq!(decode(bytes.chunks(1)), (frames, None));
    }

    #[test]
    fn damaged_bytes_are_read_the_same_however_they_are_cut(
        frames in vec(any_frame(), 1..6),
        damage in vec((any::<usize>(), any::<u8>()), 1..4),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        let mut bytes: Vec<u8> = frames.iter().flat_map(bytes_of).collect();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let whole = decode([bytes.as_slice()]);
        prop_assert_eq!(decode(pieces(&bytes, &cuts)), whole.clone());
        prop_assert_eq!(decode(bytes.chunks(1)), whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), cuts in vec(any::<usize>(), 0..10)) {
        prop_assert_eq!(decode(pieces(&bytes, &cuts)), decode([bytes.as_slice()]));
    }

    #[test]
    fn arbitrary_protocol_words_never_panic(
        words in vec(prop_oneof!["MSG", "HMSG", "INFO", "-ERR", "[0-9]{1,3}", "[a-z]{1,3}", "\r\n", " ", "NATS/1.0\r\n\r\n", "\\{\\}"], 0..40),
        cuts in vec(any::<usize>(), 0..10),
    ) {
        let bytes = words.concat().into_bytes();
        prop_assert_eq!(decode(pieces(&bytes, &cuts)), decode([bytes.as_slice()]));
    }
}
