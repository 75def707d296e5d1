//! What a server makes of a client's bytes, cut anywhere, whole or broken. What exactly it answers is compared with a real server elsewhere
//! (`crates/jetlag/tests/conversations`).

use jetlag_model::{Headers, Message, Sid};
use jetlag_wire::{
    Asked, ClientFrame, Closed, ConnectOptions, Decoder, Limits, Refusal, ServerConnection, ServerFrame, ServerInfo, WireError,
};
use proptest::collection::vec;
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_control_line: 64, max_payload: 256, max_pending: 1 << 20, must_connect: false };

/// What a client asked for, what was answered, and how it ended.
#[derive(Debug, PartialEq)]
struct Outcome {
    asked: Vec<Asked>,
    answered: Vec<u8>,
    closed: Option<Closed>,
}

/// A server that lets everybody in and sends every message back, on the subscription 1.
fn serve<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, must_connect: bool) -> Outcome {
    let mut connection = ServerConnection::new(ServerInfo::default(), Limits { must_connect, ..LIMITS });
    let mut outcome = Outcome { asked: Vec::new(), answered: Vec::new(), closed: None };
    for piece in pieces {
        connection.feed(piece);
        while let Some(asked) = connection.poll() {
            match &asked {
                Asked::Connect if connection.accept() => connection.welcome(),
                Asked::Publish(message) => connection.deliver(Sid(1), message),
                _ => {}
            }
            outcome.asked.push(asked);
        }
        assert!(connection.held() <= LIMITS.max_payload.max(LIMITS.max_control_line) + 2, "{} bytes are held", connection.held());
    }
    outcome.answered.extend_from_slice(connection.outbound());
    outcome.closed = connection.closed().cloned();
    outcome
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn any_frame() -> impl Strategy<Value = ClientFrame> {
    let word = "[a-zA-Z0-9$_]{1,8}(\\.[a-zA-Z0-9*]{1,4}){0,2}";
    let headers = vec(("[A-Za-z-]{1,8}", "[a-z0-9]{0,8}"), 0..3).prop_map(Headers::from_fields);
    let message = (word, proptest::option::of(word), proptest::option::of(headers), vec(any::<u8>(), 0..60)).prop_map(
        |(subject, reply, headers, payload)| Message {
            subject: subject.into(),
            reply: reply.map(Into::into),
            headers,
            payload: payload.into(),
        },
    );
    prop_oneof![
        Just(ClientFrame::Ping),
        Just(ClientFrame::Pong),
        message.prop_map(ClientFrame::Publish),
        (word, proptest::option::of("[a-z]{1,4}"), 0..9_u64).prop_map(|(subject, queue, sid)| ClientFrame::Subscribe {
            subject,
            queue,
            sid: Sid(sid)
        }),
        (0..9_u64, proptest::option::of(1..4_u64)).prop_map(|(sid, max)| ClientFrame::Unsubscribe { sid: Sid(sid), max }),
    ]
}

fn connect() -> ClientFrame {
    ClientFrame::Connect(ConnectOptions { lang: String::new(), version: String::new(), pedantic: false, ..ConnectOptions::default() })
}

fn bytes_of(frames: &[ClientFrame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes).unwrap());
    bytes
}

/// The connect options of this crate's client are longer than the control line that these tests allow.
fn hello() -> Vec<u8> {
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n".to_vec()
}

#[test]
fn what_a_client_says_is_what_the_server_hears() {
    let message = Message::new("a.b", "x").with_headers(Headers::from_fields([("k", "v")])).with_reply("r");
    let frames = [
        ClientFrame::Subscribe { subject: "a.*".into(), queue: Some("q".into()), sid: Sid(7) },
        ClientFrame::Publish(message.clone()),
        ClientFrame::Unsubscribe { sid: Sid(7), max: Some(3) },
        ClientFrame::Unsubscribe { sid: Sid(7), max: None },
        ClientFrame::Pong,
    ];
    let bytes = [hello(), bytes_of(&frames)].concat();
    let asked = vec![
        Asked::Connect,
        Asked::Subscribe { subject: "a.*".into(), queue: Some("q".into()), sid: Sid(7) },
        Asked::Publish(message),
        Asked::Unsubscribe { sid: Sid(7), max: Some(3) },
        Asked::Unsubscribe { sid: Sid(7), max: None },
        Asked::Pong,
    ];
    let outcome = serve([bytes.as_slice()], false);
    assert_eq!((outcome.asked, outcome.closed), (asked, None));
}

#[test]
fn the_clients_own_connect_is_understood() {
    let mut connection = ServerConnection::new(ServerInfo::default(), Limits { max_control_line: 4096, ..LIMITS });
    let options = ConnectOptions { name: Some("w1".into()), user: Some("u".into()), pass: Some("p".into()), ..ConnectOptions::default() };
    connection.feed(&bytes_of(&[ClientFrame::Connect(options.clone()), connect()]));
    assert_eq!(connection.poll(), Some(Asked::Connect));
    assert_eq!(connection.options(), &options);
    assert!(connection.accept());
}

#[test]
fn who_may_not_come_in_hears_nothing_more() {
    let mut connection = ServerConnection::new(ServerInfo::default(), LIMITS);
    connection.feed(b"CONNECT {}\r\nPING\r\n");
    assert_eq!(connection.poll(), Some(Asked::Connect));
    connection.refuse(Refusal::AuthorizationViolation);
    assert_eq!(connection.poll(), None);
    connection.deliver(Sid(1), &Message::new("a", "x"));
    connection.ping();
    assert_eq!(connection.held(), 0, "nor is kept what nobody reads");
    let said = String::from_utf8(connection.outbound().to_vec()).unwrap();
    assert!(said.ends_with(" \r\n-ERR 'Authorization Violation'\r\n"), "{said}");
}

#[test]
fn who_reads_too_slowly_is_closed_without_a_word() {
    let mut connection = ServerConnection::new(ServerInfo::default(), Limits { max_pending: 1000, ..LIMITS });
    let message = Message::new("a", vec![7; 100]);
    let mut delivered = 0;
    while connection.closed().is_none() {
        connection.deliver(Sid(1), &message);
        delivered += 1;
        assert!(connection.outbound().len() <= 1000, "what waits is bounded");
    }
    assert!((5..10).contains(&delivered), "{delivered}");
    assert_eq!((connection.closed(), connection.outbound()), (Some(&Closed::SlowConsumer), &b""[..]));
}

#[test]
fn who_reads_in_time_is_no_slow_consumer() {
    let mut connection = ServerConnection::new(ServerInfo::default(), Limits { max_pending: 1000, ..LIMITS });
    let message = Message::new("a", vec![7; 100]);
    for _ in 0..100 {
        connection.deliver(Sid(1), &message);
        // Never all of it at once.
        connection.sent(connection.outbound().len() - 1);
    }
    assert_eq!(connection.closed(), None);
}

#[test]
fn an_endless_line_is_given_up_at_its_limit() {
    for start in ["SUB ", "CONNECT ", "-ERR "] {
        let endless = [start.as_bytes(), &vec![b'x'; 1 << 20]].concat();
        let outcome = serve(endless.chunks(1000), false);
        assert!(matches!(outcome.closed, Some(Closed::Protocol(WireError::LineTooLong { limit: 64, .. }))), "{outcome:?}");
    }
    // What means nothing is not kept.
    let endless = [b"PING".as_slice(), &vec![b'x'; 1 << 20]].concat();
    assert_eq!(serve(endless.chunks(1000), false).closed, None);
}

proptest! {
    #[test]
    fn what_was_written_is_heard_however_it_is_cut(frames in vec(any_frame(), 0..8), cuts in vec(any::<usize>(), 0..20)) {
        let bytes = [hello(), bytes_of(&frames)].concat();
        let whole = serve([bytes.as_slice()], false);
        prop_assert_eq!(&whole.closed, &None);
        prop_assert_eq!(&serve(pieces(&bytes, &cuts), false), &whole);
        prop_assert_eq!(&serve(bytes.chunks(1), false), &whole);
        // And a client understands what is answered.
        let mut decoder = Decoder::new(LIMITS.max_payload);
        decoder.feed(&whole.answered);
        let mut heard = Vec::new();
        while let Some(frame) = decoder.poll().unwrap() {
            heard.extend(if let ServerFrame::Message { message, .. } = frame { Some(message) } else { None });
        }
        let said: Vec<Message> = whole.asked.into_iter().filter_map(|asked| if let Asked::Publish(message) = asked { Some(message) } else { None }).collect();
        prop_assert_eq!(heard, said);
    }

    #[test]
    fn damaged_bytes_come_to_the_same_however_they_are_cut(
        frames in vec(any_frame(), 1..6),
        damage in vec((any::<usize>(), any::<u8>()), 1..4),
        cuts in vec(any::<usize>(), 0..20),
        must_connect in any::<bool>(),
    ) {
        let mut bytes = [hello(), bytes_of(&frames)].concat();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let whole = serve([bytes.as_slice()], must_connect);
        prop_assert_eq!(&serve(pieces(&bytes, &cuts), must_connect), &whole);
        prop_assert_eq!(&serve(bytes.chunks(1), must_connect), &whole);
    }

    #[test]
    fn arbitrary_protocol_words_come_to_the_same_however_they_are_cut(
        words in vec(prop_oneof![
            "PUB", "HPUB", "SUB", "UNSUB", "PING", "PONG", "CONNECT", "INFO", "\\+OK", "-ERR", "[0-9]{1,3}", "[a-z]{1,3}", "\r\n", "\r", "\n", " ",
            "\t", "NATS/1.0\r\n\r\n", "\\{\\}", "\\{\"verbose\":false\\}", "x{70}",
        ], 0..40),
        cuts in vec(any::<usize>(), 0..10),
    ) {
        let bytes = words.concat().into_bytes();
        prop_assert_eq!(serve(pieces(&bytes, &cuts), false), serve([bytes.as_slice()], false));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), cuts in vec(any::<usize>(), 0..10)) {
        prop_assert_eq!(serve(pieces(&bytes, &cuts), false), serve([bytes.as_slice()], false));
    }
}
