//! How each kind of record reads in a transcript.

use jetlag_model::{Duration, Headers, Time};
use jetlag_trace::{Direction, Key, Kind, Place, Record, Value, line};

/// A record at `at` seconds with the place written as in a transcript: empty for the script, `-` for the server, or a client.
fn record(at: i64, place: &str, kind: Kind, fields: &[(Key, Value)]) -> Record {
    let place = match place {
        "" => Place::Script,
        "-" => Place::Server,
        client => Place::client(client),
    };
    let record = Record::new(Time::START + Duration::from_secs(at), place, kind);
    fields.iter().fold(record, |record, (key, value)| record.with(*key, value.clone()))
}

fn text(text: &str) -> Value {
    text.into()
}

fn uint(value: u64) -> Value {
    value.into()
}

fn bytes(bytes: &[u8]) -> Value {
    bytes.into()
}

fn secs(secs: i64) -> Value {
    Duration::from_secs(secs).into()
}

#[test]
fn every_client_visible_kind_has_its_line() {
    use Key as K;
    let work = [(K::Stream, text("ORDERS")), (K::Consumer, text("WORK")), (K::StreamSeq, uint(1))];
    let with = |more: &[(Key, Value)]| [&work, more].concat();
    let delivery = with(&[
        (K::Subject, text("orders.1")),
        (K::Payload, bytes(b"a")),
        (K::Reply, text("$JS.ACK.ORDERS.WORK.1.1.1.0.0")),
        (K::ConsumerSeq, uint(1)),
        (K::DeliveryCount, uint(1)),
        (K::NumPending, uint(0)),
    ]);
    let pulled = [delivery.as_slice(), &[(K::Pull, text("p1"))]].concat();
    let headers = [pulled.as_slice(), &[(K::Headers, (&Headers::from_fields([("A", "1"), ("B", "two words")])).into())]].concat();

    let table: Vec<(Record, &str)> = vec![
        (
            record(0, "w1", Kind::Got, &pulled),
            r#"0s w1: got orders.1 "a" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1"#,
        ),
        (
            record(90, "w1", Kind::Got, &delivery),
            r#"1m30s w1: got orders.1 "a" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 consumer=ORDERS/WORK"#,
        ),
        (
            record(0, "w1", Kind::Got, &headers),
            r#"0s w1: got orders.1 "a" header=A:1 header="B:two words" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1"#,
        ),
        (
            record(0, "w1", Kind::Message, &[(K::Subject, text("a.b")), (K::Payload, bytes(b"x\n\"y\"\xff"))]),
            r#"0s w1: message a.b "x\n\"y\"\xff""#,
        ),
        (
            record(0, "w1", Kind::Message, &[(K::Subject, text("a.b")), (K::Payload, bytes(b"")), (K::Reply, text("_INBOX.1"))]),
            r#"0s w1: message a.b "" reply=_INBOX.1"#,
        ),
        (
            record(
                1,
                "w1",
                Kind::Status,
                &[
                    (K::Code, uint(408)),
                    (K::Description, text("Request Timeout")),
                    (K::PendingMessages, uint(1)),
                    (K::PendingBytes, uint(0)),
                    (K::Pull, text("p1")),
                ],
            ),
            r#"1s w1: status 408 "Request Timeout" pending-messages=1 pending-bytes=0 pull=p1"#,
        ),
        (
            record(
                1,
                "w1",
                Kind::Status,
                &[
                    (K::Code, uint(100)),
                    (K::Description, text("Idle Heartbeat")),
                    (K::LastConsumerSeq, uint(4)),
                    (K::LastStreamSeq, uint(2)),
                    (K::Stream, text("ORDERS")),
                    (K::Consumer, text("PUSH")),
                ],
            ),
            r#"1s w1: status 100 "Idle Heartbeat" last-consumer-seq=4 last-stream-seq=2 consumer=ORDERS/PUSH"#,
        ),
        (
            record(0, "adv", Kind::Advisory, &with(&[(K::Advisory, text("max_deliver")), (K::Deliveries, uint(3))])),
            "0s adv: advisory max_deliver ORDERS/WORK stream-seq=1 deliveries=3",
        ),
        (
            record(
                0,
                "adv",
                Kind::Advisory,
                &with(&[
                    (K::Advisory, text("terminated")),
                    (K::ConsumerSeq, uint(2)),
                    (K::Deliveries, uint(1)),
                    (K::Reason, text("poison")),
                ]),
            ),
            r#"0s adv: advisory terminated ORDERS/WORK stream-seq=1 consumer-seq=2 deliveries=1 reason="poison""#,
        ),
        (
            record(
                0,
                "adv",
                Kind::Advisory,
                &[(K::Advisory, text("stream_action")), (K::Stream, text("ORDERS")), (K::Action, text("create"))],
            ),
            "0s adv: advisory stream_action ORDERS action=create",
        ),
        (record(0, "producer", Kind::Stored, &[(K::Stream, text("ORDERS")), (K::StreamSeq, uint(1))]), "0s producer: stored stream-seq=1"),
        (
            record(0, "producer", Kind::Stored, &[(K::StreamSeq, uint(1)), (K::Duplicate, true.into())]),
            "0s producer: duplicate stream-seq=1",
        ),
        (record(0, "producer", Kind::Stored, &[(K::StreamSeq, uint(1)), (K::Duplicate, false.into())]), "0s producer: stored stream-seq=1"),
        (
            record(
                0,
                "producer",
                Kind::Refused,
                &[(K::Code, uint(400)), (K::ErrCode, uint(10071)), (K::Description, text("wrong last sequence: 1"))],
            ),
            "0s producer: error 400/10071 wrong last sequence: 1",
        ),
        (
            record(0, "", Kind::Refused, &[(K::Code, uint(503)), (K::Description, text("JetStream not enabled\r\n"))]),
            r"error 503 JetStream not enabled\r\n",
        ),
        (record(0, "", Kind::Refused, &[(K::Description, text("no such message"))]), "error no such message"),
        (record(0, "producer", Kind::NoResponders, &[]), "0s producer: no responders"),
        (record(0, "w1", Kind::Confirmed, &work), "0s w1: confirmed ORDERS/WORK:1"),
        (record(0, "w1", Kind::Confirmed, &with(&[(K::DeliveryCount, uint(2))])), "0s w1: confirmed ORDERS/WORK:1#2"),
        (record(0, "w1", Kind::Sent, &with(&[(K::Crossing, text("ack"))])), "0s w1: ack ORDERS/WORK:1"),
        (
            record(0, "w1", Kind::Sent, &with(&[(K::Crossing, text("nak")), (K::Delay, secs(2)), (K::Payload, bytes(b"-NAK"))])),
            "0s w1: nak ORDERS/WORK:1 delay=2s",
        ),
        (
            record(0, "w1", Kind::Sent, &with(&[(K::Crossing, text("term")), (K::Reason, text("bad payload"))])),
            r#"0s w1: term ORDERS/WORK:1 reason="bad payload""#,
        ),
        (record(0, "w1", Kind::Lost, &with(&[(K::Crossing, text("ack"))])).by_rule("r"), "0s w1: ack ORDERS/WORK:1 lost by=r"),
        (
            record(0, "w1", Kind::Lost, &with(&[(K::Crossing, text("delivery")), (K::DeliveryCount, uint(2)), (K::Pull, text("p2"))]))
                .by_rule("r"),
            "0s w1: delivery ORDERS/WORK:1#2 lost by=r",
        ),
        (
            record(
                0,
                "w1",
                Kind::Lost,
                &[(K::Crossing, text("pull")), (K::Stream, text("ORDERS")), (K::Consumer, text("WORK")), (K::Pull, text("p2"))],
            )
            .by_rule("r"),
            "0s w1: pull p2 lost by=r",
        ),
        (
            record(0, "p", Kind::Lost, &[(K::Crossing, text("publish")), (K::Subject, text("orders.1")), (K::Payload, bytes(b"a"))])
                .by_rule("r"),
            "0s p: publish orders.1 lost by=r",
        ),
        (
            record(0, "p", Kind::Lost, &[(K::Crossing, text("pub-ack")), (K::Stream, text("ORDERS")), (K::StreamSeq, uint(1))])
                .by_rule("r"),
            "0s p: pub-ack ORDERS:1 lost by=r",
        ),
        (
            record(0, "w1", Kind::Lost, &with(&[(K::Crossing, text("ack-reply"))])).by_rule("r"),
            "0s w1: confirmation ORDERS/WORK:1 lost by=r",
        ),
        (
            record(0, "w1", Kind::Delayed, &with(&[(K::Crossing, text("ack")), (K::For, secs(5))])).by_rule("slow net"),
            r#"0s w1: ack ORDERS/WORK:1 delayed by="slow net" for=5s"#,
        ),
        (
            record(0, "w1", Kind::Duplicated, &with(&[(K::Crossing, text("ack")), (K::Copies, uint(2))])).by_rule("r"),
            "0s w1: ack ORDERS/WORK:1 duplicated by=r copies=2",
        ),
        (
            record(0, "w1", Kind::Failed, &with(&[(K::Crossing, text("ack")), (K::Description, text("connection refused"))])).by_rule("r"),
            r#"0s w1: ack ORDERS/WORK:1 failed "connection refused" by=r"#,
        ),
        (record(0, "w1", Kind::Disconnected, &[]).by_rule("r"), "0s w1: disconnected by=r"),
        (record(0, "w1", Kind::Connected, &[]), "0s w1: connected"),
        (record(0, "w1", Kind::Crashed, &[]), "0s w1: crashed"),
        (record(0, "", Kind::Ok, &[]), "ok"),
        (record(7, "", Kind::Ok, &[(K::Purged, uint(3))]), "ok purged=3"),
        (
            record(
                0,
                "",
                Kind::StreamInfo,
                &[
                    (K::Stream, text("ORDERS")),
                    (K::Messages, uint(2)),
                    (K::Bytes, uint(80)),
                    (K::FirstSeq, uint(1)),
                    (K::LastSeq, uint(2)),
                    (K::ConsumerCount, uint(1)),
                ],
            ),
            "ORDERS messages=2 bytes=80 first-seq=1 last-seq=2 consumer-count=1",
        ),
        (
            record(
                0,
                "",
                Kind::ConsumerInfo,
                &[
                    (K::Stream, text("ORDERS")),
                    (K::Consumer, text("WORK")),
                    (K::Delivered, (2_u64, 1_u64).into()),
                    (K::AckFloor, (1_u64, 1_u64).into()),
                    (K::NumAckPending, uint(0)),
                    (K::NumRedelivered, uint(1)),
                    (K::NumPending, uint(0)),
                    (K::NumWaiting, uint(0)),
                ],
            ),
            "ORDERS/WORK delivered=2/1 ack-floor=1/1 num-ack-pending=0 num-redelivered=1 num-pending=0 num-waiting=0",
        ),
        (record(0, "-", Kind::ServerDown, &[]).by_rule("r"), "0s server down by=r"),
        (record(5, "-", Kind::ServerUp, &[]), "5s server up"),
        (record(0, "", Kind::ApiReply, &[(K::Text, text("{\"a\": 1}\n"))]), r#"{"a": 1}\n"#),
    ];

    for (record, expected) in &table {
        assert_eq!(line(record).as_deref(), Some(*expected), "{:?}", record.kind);
    }
    for kind in Kind::ALL {
        let tried = table.iter().any(|(record, _)| record.kind == *kind);
        assert_eq!(tried, kind.is_client_visible(), "{kind} is client-visible exactly when this table shows its line");
    }
}

#[test]
fn what_only_the_server_knows_has_no_line() {
    for kind in Kind::ALL.iter().filter(|kind| !kind.is_client_visible()) {
        assert_eq!(line(&record(0, "-", *kind, &[(Key::Stream, text("ORDERS"))])), None, "{kind}");
    }
}

#[test]
fn a_link_reads_as_its_client() {
    let at = Time::from_nanos(1_500_000);
    let lost = Record::new(at, Place::link("w1", Direction::Up), Kind::Lost).with(Key::Crossing, "pull").with(Key::Pull, "p1").by_rule("r");
    assert_eq!(line(&lost).as_deref(), Some("1.5ms w1: pull p1 lost by=r"));
}

#[test]
fn no_record_makes_an_empty_or_broken_line() {
    let nasty = "a\nb\u{2028}c\u{85}";
    for kind in Kind::ALL.iter().filter(|kind| kind.is_client_visible()) {
        let empty = Record::new(Time::START, Place::Script, *kind);
        let all = Key::ALL.iter().fold(Record::new(Time::START, Place::client(nasty), *kind), |record, key| record.with(*key, nasty));
        for record in [empty, all.by_rule(nasty)] {
            let line = line(&record).expect("the kind is client-visible");
            assert!(!line.is_empty(), "{kind}");
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{2028}'), "{kind}: {line}");
        }
    }
}
