//! A trace as a whole: numbering, JSON lines, and where two traces first differ.

use jetlag_model::{Duration, Time};
use jetlag_trace::{Direction, Key, Kind, Place, Record, Trace, first_difference};

fn at(ms: i64) -> Time {
    Time::START + Duration::from_millis(ms)
}

fn sample() -> Trace {
    let mut trace = Trace::new();
    let command = trace.push(Record::new(at(0), Place::Script, Kind::Command).with(Key::Text, "publish orders.1 \"a\""));
    let stored = Record::new(at(0), Place::Server, Kind::MsgStored).caused_by(command);
    let stored = trace.push(stored.with(Key::Payload, &b"\xff\x00"[..]).with(Key::StreamSeq, 1_u64));
    let lost = Record::new(at(1), Place::link("w1", Direction::Up), Kind::Lost).caused_by(stored).by_rule("lost-ack");
    trace.push(lost.with(Key::Crossing, "ack").with(Key::Delay, Duration::from_nanos(-3)).with(Key::Payload, &b"+ACK\n"[..]));
    trace.push(Record::new(at(1), Place::link("w1", Direction::Down), Kind::Delayed).with(Key::Count, -1_i64));
    trace.push(
        Record::new(at(2), Place::client("w1"), Kind::ConsumerInfo)
            .with(Key::Delivered, (2_u64, u64::MAX))
            .with(Key::Paused, false)
            .with(Key::Duplicate, true),
    );
    trace
}

#[test]
fn json_lines() {
    let trace = sample();
    let mut out = Vec::new();
    trace.write_jsonl(&mut out, &[("title", "a \"golden\" one"), ("seed", "1")]).unwrap();
    let expected = [
        format!(
            r#"{{"schema":"jetlag-trace/1","records":5,"digest":"{}","title":"a \"golden\" one","seed":"1"}}"#,
            trace.digest()
        ),
        r#"{"n":0,"at":0,"place":"script","kind":"command","text":"publish orders.1 \"a\""}"#.into(),
        r#"{"n":1,"at":0,"place":"server","kind":"msg-stored","cause":0,"payload":{"base64":"/wA="},"stream-seq":1}"#.into(),
        r#"{"n":2,"at":1000000,"place":"link-up","client":"w1","kind":"lost","cause":1,"rule":"lost-ack","crossing":"ack","payload":"+ACK\n","delay":-3}"#.into(),
        r#"{"n":3,"at":1000000,"place":"link-down","client":"w1","kind":"delayed","count":-1}"#.into(),
        r#"{"n":4,"at":2000000,"place":"client","client":"w1","kind":"consumer-info","duplicate":true,"delivered":[2,18446744073709551615],"paused":false}"#.into(),
    ];
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert!(text.ends_with("}\n"));
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("every line is JSON");
    }
}

#[test]
fn a_writer_that_fails_is_reported() {
    let mut full: &mut [u8] = &mut [0; 100];
    assert_eq!(sample().write_jsonl(&mut full, &[]).unwrap_err().kind(), std::io::ErrorKind::WriteZero);
}

#[test]
fn the_json_keys_of_a_record_are_not_keys_of_fields() {
    for key in ["n", "at", "place", "client", "kind", "cause", "rule"] {
        assert_eq!(Key::from_name(key), None, "{key}");
    }
}

#[test]
fn records_are_numbered_and_rendered_in_order() {
    let trace = sample();
    assert_eq!(trace.records().iter().map(|record| record.n).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(trace.lines().count(), 3);
    assert_eq!((sample().digest(), sample()), (trace.digest(), trace));
}

#[test]
#[should_panic(expected = "as its cause")]
fn a_cause_comes_before_its_effect() {
    let mut trace = sample();
    trace.push(Record::new(at(3), Place::Server, Kind::Acked).caused_by(5));
}

#[test]
fn the_first_difference_names_both_sides() {
    let left = sample();
    assert_eq!(left.first_difference(&sample()), None);
    assert_eq!(first_difference(&[], &[]), None);

    let mut right = sample().records().to_vec();
    right[2].at += Duration::from_nanos(1);
    right[4].fields.set(Key::Paused, true);
    let difference = first_difference(left.records(), &right).unwrap();
    assert_eq!((difference.index, difference.left, difference.right), (2, left.records().get(2), right.get(2)));
    assert!(difference.to_string().contains("\n- {\"n\":2,\"at\":1000000,"), "{difference}");
    assert!(difference.to_string().contains("\n+ {\"n\":2,\"at\":1000001,"), "{difference}");

    let shorter = &left.records()[..3];
    let difference = first_difference(shorter, left.records()).unwrap();
    assert_eq!((difference.index, difference.left, difference.right), (3, None, left.records().get(3)));
    assert_eq!(difference.to_string().lines().nth(1), Some("- (the run is over)"));
}

#[test]
fn a_trace_that_forgets_has_the_digest_of_one_that_does_not() {
    let whole = sample();
    let mut short = Trace::new();
    for record in whole.records() {
        short.push(record.clone());
        if short.len() == 2 {
            short.forget();
        }
    }
    assert_eq!((short.digest(), short.len(), short.is_whole()), (whole.digest(), whole.len(), false));
    assert_eq!((short.records(), short.since(3)), (&whole.records()[2..], &whole.records()[3..]));
    assert_ne!(short, whole);
}
