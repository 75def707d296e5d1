//! The reference's worked traces, as conversations with the core. The same rules stand as scenarios that real servers confirm; these tests
//! say without the layers above where a rule broke.

mod driver;

use driver::Driver;
use jetlag_core::{CoreConfig, Lost, LostTail};
use jetlag_model::{Duration, ServerVersion};

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms)
}

#[track_caller]
fn check(driver: &mut Driver, expected: &[&str]) {
    assert_eq!(driver.heard(), expected);
}

#[test]
fn redeliveries_come_before_new_messages() {
    let mut d = Driver::setup(6, "memory", r#""ack_wait":400000000"#);
    d.pull("p", "3");
    check(&mut d, &["0s s1 d1 dc1", "0s s2 d2 dc1", "0s s3 d3 dc1"]);
    d.advance(ms(600));
    check(&mut d, &[]);
    d.pull("p", "6");
    check(&mut d, &["600ms s1 d4 dc2", "600ms s2 d5 dc2", "600ms s3 d6 dc2", "600ms s4 d7 dc1", "600ms s5 d8 dc1", "600ms s6 d9 dc1"]);
    assert_eq!(d.info(), "D9/6 F0/0 ap6 rd3 np0 w0");
}

#[test]
fn naks_come_back_in_the_order_they_were_sent() {
    let mut d = Driver::setup(5, "memory", r#""ack_wait":30000000000"#);
    d.pull("p", "5");
    d.heard();
    d.ack((1, 5, 5), "-NAK");
    d.ack((1, 2, 2), "-NAK");
    d.ack((1, 4, 4), "-NAK");
    d.pull("p", "3");
    check(&mut d, &["0s s5 d6 dc2", "0s s2 d7 dc2", "0s s4 d8 dc2"]);
}

#[test]
fn a_long_pull_sees_expiries_interleaved() {
    let mut d = Driver::setup(1, "memory", r#""ack_wait":500000000"#);
    d.pull("p", "9");
    d.advance(ms(200));
    d.publish("s.2", "x");
    d.advance(ms(850));
    check(&mut d, &["0s s1 d1 dc1", "200ms s2 d2 dc1", "500ms s1 d3 dc2", "700ms s2 d4 dc2", "1s s1 d5 dc3"]);
}

#[test]
fn acks_out_of_order_move_the_floor_when_the_gap_closes() {
    let mut d = Driver::setup(5, "memory", r#""ack_wait":30000000000"#);
    d.pull("p", "5");
    for (seq, info) in [
        (2, "D5/5 F0/0 ap4 rd0 np0 w0"),
        (4, "D5/5 F0/0 ap3 rd0 np0 w0"),
        (1, "D5/5 F2/2 ap2 rd0 np0 w0"),
        (5, "D5/5 F2/2 ap1 rd0 np0 w0"),
        (3, "D5/5 F5/5 ap0 rd0 np0 w0"),
    ] {
        d.ack((1, seq, seq), "+ACK");
        assert_eq!(d.info(), info, "ack {seq}");
    }
}

#[test]
fn backoff_steps_and_a_delayed_nak_that_waits_longer_than_asked() {
    let mut d = Driver::setup(1, "memory", r#""backoff":[300000000,600000000,900000000],"max_deliver":6"#);
    d.pull("p", "9");
    d.advance(ms(6000));
    check(
        &mut d,
        &[
            "0s s1 d1 dc1",
            "300ms s1 d2 dc2",
            "900ms s1 d3 dc3",
            "1.8s s1 d4 dc4",
            "2.7s s1 d5 dc5",
            "3.6s s1 d6 dc6",
            "4.5s MAX_DELIVERIES s1 deliveries 6",
        ],
    );
    let mut d = Driver::setup(1, "memory", r#""backoff":[300000000,1200000000],"max_deliver":8"#);
    d.pull("p", "9");
    d.ack((1, 1, 1), "-NAK 500ms");
    d.advance(ms(500));
    d.ack((2, 1, 2), "-NAK 500ms");
    d.advance(ms(1400));
    d.ack((3, 1, 3), "-NAK 500ms");
    d.advance(ms(1400));
    check(&mut d, &["0s s1 d1 dc1", "500ms s1 d2 dc2", "1.9s s1 d3 dc3", "3.3s s1 d4 dc4"]);
}

#[test]
fn exhaustion_above_one_waits_for_somebody_to_pull() {
    let mut d = Driver::setup(1, "memory", r#""max_deliver":3,"ack_wait":300000000"#);
    for _ in 0..3 {
        d.pull("p", "1");
        d.advance(ms(300));
    }
    d.advance(ms(1000));
    check(&mut d, &["0s s1 d1 dc1", "300ms s1 d2 dc2", "600ms s1 d3 dc3"]);
    assert_eq!(d.info(), "D3/1 F0/0 ap1 rd1 np0 w0");
    d.pull("late", r#"{"batch":1,"no_wait":true}"#);
    check(&mut d, &["1.9s MAX_DELIVERIES s1 deliveries 3", "1.9s late 404 No Messages"]);
    assert_eq!(d.info(), "D3/1 F0/0 ap0 rd1 np0 w0");
    d.request("sync", "$JS.ACK.S.C.3.1.3.0.0", "");
    check(&mut d, &["1.9s sync "]);
    assert_eq!(d.info(), "D3/1 F0/0 ap0 rd0 np0 w0");
}

#[test]
fn exhaustion_at_one_needs_no_pull() {
    let mut d = Driver::setup(1, "memory", r#""max_deliver":1,"ack_wait":400000000"#);
    d.pull("p", "1");
    d.advance(ms(1000));
    check(&mut d, &["0s s1 d1 dc1", "400ms MAX_DELIVERIES s1 deliveries 1"]);
    assert_eq!(d.info(), "D1/1 F0/0 ap0 rd0 np0 w0");
}

#[test]
fn max_ack_pending_stops_new_messages_only() {
    let mut d = Driver::setup(5, "memory", r#""max_ack_pending":2,"ack_wait":600000000"#);
    d.pull("p", "5");
    d.advance(ms(1200));
    check(&mut d, &["0s s1 d1 dc1", "0s s2 d2 dc1", "600ms s1 d3 dc2", "600ms s2 d4 dc2", "1.2s s1 d5 dc3"]);
}

#[test]
fn pull_requests_take_turns_and_end_with_their_status() {
    let mut d = Driver::setup(0, "memory", r#""ack_wait":30000000000"#);
    for (name, batch) in [("r0", "3"), ("r1", "1"), ("r2", "2")] {
        d.request(name, "$JS.API.CONSUMER.MSG.NEXT.S.C", batch);
    }
    for number in 1..=7 {
        d.publish(&format!("s.{number}"), "x");
    }
    assert_eq!(d.heard().len(), 6);
    assert_eq!(d.info(), "D6/6 F0/0 ap6 rd0 np1 w0");
    d.pull("few", r#"{"batch":5,"no_wait":true}"#);
    d.pull("none", r#"{"batch":5,"no_wait":true}"#);
    d.pull("short", r#"{"batch":2,"expires":400000000,"idle_heartbeat":150000000}"#);
    d.pull("bad", r#"{"batch":2,"expires":400000000,"idle_heartbeat":250000000}"#);
    d.advance(ms(400));
    check(
        &mut d,
        &[
            "0s s7 d7 dc1",
            "0s few 404 No Messages",
            "0s none 404 No Messages",
            "0s bad 400 Bad Request - heartbeat value too large",
            "150ms short 100 Idle Heartbeat",
            "300ms short 100 Idle Heartbeat",
            "400ms short 408 Request Timeout 2/0",
        ],
    );
}

#[test]
fn a_requester_that_left_gets_nothing_and_costs_nothing() {
    let mut d = Driver::setup(0, "memory", r#""ack_wait":30000000000"#);
    d.subscribe(9, "gone.p", None);
    let conn = jetlag_model::ConnId(1);
    let message = jetlag_model::Message::new("$JS.API.CONSUMER.MSG.NEXT.S.C", "1").with_reply("gone.p");
    d.input(jetlag_core::Input::Publish { conn, message });
    d.unsubscribe(9);
    d.publish("s.1", "x");
    assert_eq!(d.info(), "D0/0 F0/0 ap0 rd0 np1 w0");
    d.pull("p", "1");
    check(&mut d, &["0s s1 d1 dc1"]);
}

#[test]
fn deleting_an_unsettled_message_terminates_it() {
    let mut d = Driver::setup(2, "memory", r#""max_ack_pending":1,"ack_wait":30000000000"#);
    d.pull("p", "5");
    d.api("STREAM.MSG.DELETE.S", r#"{"seq":1}"#);
    assert_eq!(d.info(), "D2/2 F1/1 ap1 rd0 np0 w1");
    let mut d = Driver::setup(1, "memory", r#""ack_wait":30000000000"#);
    d.pull("p", "1");
    d.request("x", "$JS.API.STREAM.MSG.DELETE.S", r#"{"seq":1}"#);
    let heard = d.heard();
    assert!(heard.contains(&"0s MSG_TERMINATED s1 deliveries 1".to_owned()), "{heard:?}");
}

#[test]
fn a_partial_purge_empties_the_redelivery_queue() {
    let mut d = Driver::setup(5, "memory", r#""ack_wait":800000000"#);
    d.pull("p", "4");
    for seq in 1..=4 {
        d.ack((1, seq, seq), "-NAK");
    }
    d.heard();
    d.api("STREAM.PURGE.S", r#"{"seq":3}"#);
    d.pull("p", "5");
    check(&mut d, &["0s s5 d5 dc1"]);
    d.advance(ms(800));
    check(&mut d, &["800ms s3 d6 dc2", "800ms s4 d7 dc2", "800ms s5 d8 dc2"]);
}

#[test]
fn a_restart_redelivers_by_the_time_of_publishing() {
    let mut d = Driver::setup(1, "file", r#""ack_wait":6000000000"#);
    d.advance(ms(3000));
    d.pull("p", "1");
    d.advance(ms(900));
    let stored = d.stop();
    check(&mut d, &["3s s1 d1 dc1"]);
    d.start(stored);
    d.pull("p", "1");
    d.advance(ms(3000));
    check(&mut d, &["6s s1 d2 dc2"]);
}

#[test]
fn a_graceful_stop_tells_waiting_pulls_and_memory_is_gone() {
    let mut d = Driver::setup(0, "memory", r#""ack_wait":6000000000"#);
    d.pull("p", r#"{"batch":3,"expires":60000000000}"#);
    let stored = d.stop();
    check(&mut d, &["0s p 409 Server Shutdown 3/0"]);
    d.start(stored);
    d.request("x", "$JS.API.STREAM.INFO.S", "");
    let heard = d.heard();
    assert!(heard[0].contains("10059"), "{heard:?}");
}

#[test]
fn a_killed_server_forgets_the_acks_it_had_not_written() {
    for (lost, info) in [(Lost::Nothing, "D2/2 F2/2 ap0 rd0 np0 w0"), (Lost::Operations(1), "D2/2 F1/1 ap1 rd0 np0 w0")] {
        let mut d = Driver::setup(2, "file", r#""ack_wait":60000000000"#);
        d.pull("p", "2");
        d.ack((1, 1, 1), "");
        d.ack((1, 2, 2), "");
        let stored = d.kill(LostTail { consumers: lost, ..LostTail::default() });
        d.start(stored);
        assert_eq!(d.info(), info, "{lost:?}");
    }
}

/// The subscription ends with its first message, so the second one is sent to nobody and comes back. As 2.12.8 and 2.15.1 did it.
#[test]
fn a_delivery_that_meets_nobody_comes_back() {
    for (version, before, again) in [
        (ServerVersion::new(2, 12, 8), "D2/2 F0/0 ap2 rd1 np0 w0", "0s s2 d3 dc1"),
        (ServerVersion::NEWEST, "D2/2 F0/0 ap2 rd0 np0 w0", "0s s2 d3 dc2"),
    ] {
        let mut d = Driver::with(CoreConfig::of(version));
        d.prepare(2, "memory", r#""ack_wait":30000000000,"max_deliver":5"#);
        d.subscribe(9, "gone.p", None);
        let conn = jetlag_model::ConnId(1);
        d.input(jetlag_core::Input::Unsubscribe { conn, sid: jetlag_model::Sid(9), max: Some(1) });
        let message = jetlag_model::Message::new("$JS.API.CONSUMER.MSG.NEXT.S.C", "2").with_reply("gone.p");
        d.input(jetlag_core::Input::Publish { conn, message });
        check(&mut d, &["0s s1 d1 dc1"]);
        assert_eq!(d.info(), before, "{version}");
        d.pull("p", "2");
        check(&mut d, &[again]);
        assert_eq!(d.info(), "D3/2 F0/0 ap2 rd1 np0 w1", "{version}");
    }
}

#[test]
fn versions_differ_where_their_rules_say_so() {
    for (version, expected) in [
        (ServerVersion::new(2, 10, 26), vec!["0s s1 d1 dc1", "0s p 408 Request Timeout 4/0"]),
        (ServerVersion::NEWEST, vec!["0s s1 d1 dc1", "0s p 404 No Messages"]),
    ] {
        let mut d = Driver::with(CoreConfig::of(version));
        d.prepare(1, "memory", r#""ack_wait":30000000000"#);
        d.pull("p", r#"{"batch":5,"no_wait":true}"#);
        assert_eq!(d.heard(), expected, "{version}");
    }
}
