//! The `$JETLAG` controls, over a socket.

use std::time::Duration;

use serde_json::json;

use crate::process::{Client, Serve, TOKEN};

fn manual() -> Serve {
    Serve::start(&["--clock", "manual"])
}

/// Publishes one order.
fn order(client: &mut Client, payload: &str) {
    let ack = client.request("orders.1", payload).json();
    assert!(ack.get("error").is_none(), "{ack}");
}

#[test]
fn next_goes_from_deadline_to_deadline() {
    let serve = manual();
    let mut client = serve.client("");
    client.orders();
    order(&mut client, "a");
    assert_eq!(client.pull().payload, "a");
    assert_eq!(client.control("CLOCK.NOW", ""), json!({"now": "0s", "now_ns": 0, "next_ns": 30_000_000_000_u64}));
    let next = client.control("CLOCK.NEXT", "");
    assert_eq!((&next["now"], &next["instants"]), (&json!("30s"), &json!(1)), "{next}");
    assert_eq!(client.pull().payload, "a", "it is due again");
    // 30 s after this delivery, whatever is asked in between.
    client.control("CLOCK.ADVANCE", "10s");
    assert_eq!(client.control("CLOCK.NEXT", "")["now"], "1m");
    // Nobody pulls: the message waits in the queue, and nothing is due.
    let settled = client.control("CLOCK.SETTLE", "");
    assert_eq!((&settled["now"], &settled["next_ns"]), (&json!("1m"), &json!(null)), "{settled}");
    let wrong = client.control("CLOCK.ADVANCE", "soon");
    assert_eq!(wrong["error"]["code"], 400, "{wrong}");
}

#[test]
fn waiting_for_a_fault_ends_when_it_has_acted_so_often() {
    let serve = manual();
    let mut client = serve.client("");
    client.orders();
    assert_eq!(client.control("FAULT.ADD", "fault lost drop kind=publish subject=orders.> first=2"), json!({"added": ["lost"]}));
    let wait = client.ask("$JETLAG.FAULT.WAIT", "lost 2");
    client.send("PUB orders.1 1\r\na\r\n");
    let listed = client.control("FAULT.LIST", "");
    assert_eq!(listed["faults"][0]["hits"], 1, "it was not answered before this: {listed}");
    client.send("PUB orders.1 1\r\nb\r\n");
    let got = client.message().expect("an answer");
    assert_eq!((got.sid, &got.json()["hits"]), (wait, &json!(2)), "{got:?}");
    assert_eq!(client.control("FAULT.WAIT", "another")["error"]["code"], 404);
    assert_eq!(client.control("FAULT.CLEAR", ""), json!({"cleared": ["lost"]}));
    order(&mut client, "c");
    assert_eq!(client.pull().payload, "c");
    for wrong in ["fault bad drop kind=nothing", "publish a", "fault slow slow 1s"] {
        assert_eq!(client.control("FAULT.ADD", wrong)["error"]["code"], 400, "{wrong}");
    }
}

/// Rules about attempts to connect: a client hears the words, or nothing, or loses what it has just got.
#[test]
fn a_rule_says_who_may_connect() {
    let serve = manual();
    let mut client = serve.client("");
    let rules = "fault full error \"maximum connections exceeded\" kind=connect client=w1 first=2\nfault unheard drop kind=connect client=w2\n\
                 fault broken disconnect kind=connect client=w3";
    assert_eq!(client.control("FAULT.ADD", rules), json!({"added": ["full", "unheard", "broken"]}));
    // Even who wants each step confirmed hears nothing but this.
    let connect = |name: &str| serve.connecting(&format!(r#"{{"verbose":{},"name":"{name}"}}"#, name != "w3"));
    for _ in 0..2 {
        let mut refused = connect("w1");
        assert_eq!((refused.line().as_deref(), refused.line()), (Some("-ERR 'maximum connections exceeded'"), None));
    }
    assert_eq!(connect("w1").line().as_deref(), Some("+OK"), "the third is let in");
    let mut unheard = connect("w2");
    assert_eq!(client.control("FAULT.WAIT", "unheard")["hits"], 1);
    assert!(!unheard.says_something_within(Duration::from_millis(200)), "nobody answers");
    assert_eq!(connect("w2").line().as_deref(), Some("+OK"));
    assert_eq!(connect("w3").line(), None, "it breaks");
    assert_eq!(connect("w3").line().as_deref(), Some("PONG"));
    let lines: Vec<String> = ["full", "unheard", "broken"].map(|rule| client.control("FAULT.WAIT", rule)["hits"].to_string()).to_vec();
    assert_eq!(lines, ["2", "1", "1"]);
    assert_eq!(client.control("FAULT.ADD", "fault bad error \"no\" kind=ack")["error"]["code"], 400);
}

#[test]
fn a_snapshot_brings_back_state_and_time() {
    let serve = manual();
    let mut client = serve.client("");
    client.orders();
    order(&mut client, "a");
    client.control("CLOCK.ADVANCE", "10s");
    assert_eq!(client.control("SNAPSHOT", "before"), json!({"snapshot": "before"}));
    assert_eq!(client.pull().payload, "a");
    client.control("CLOCK.ADVANCE", "1h");
    assert_eq!(client.control("RESTORE", "nothing")["error"]["code"], 404);
    assert_eq!(client.control("RESTORE", "before"), json!({"restored": "before"}));
    assert_eq!(client.message(), None, "the connection breaks");
    let mut client = serve.client("");
    assert_eq!(client.control("CLOCK.NOW", "")["now"], "10s");
    let state = client.control("STATE", "");
    assert_eq!(state["connections"].as_array().map(Vec::len), Some(1), "{state}");
    let work = &state["streams"][0]["consumers"][0];
    assert_eq!((&work["num_pending"], &work["num_ack_pending"]), (&json!(1), &json!(0)), "{state}");
    assert_eq!(client.pull().payload, "a");
}

#[test]
fn state_and_trace_tell_what_there_is_and_was() {
    let serve = manual();
    let mut client = serve.client_with(&format!(r#"{{"verbose":false,"headers":true,"name":"w1","pass":"{TOKEN}"}}"#));
    client.orders();
    order(&mut client, "a");
    client.pull();
    let state = client.control("STATE", "");
    assert_eq!(state["connections"][0]["name"], "w1");
    assert_eq!(state["streams"][0]["config"]["name"], "ORDERS");
    assert_eq!(state["streams"][0]["consumers"][0]["num_ack_pending"], 1);
    let trace = client.request("$JETLAG.TRACE", "2").payload;
    let records: Vec<serde_json::Value> = trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2, "{trace}");
    let trace = client.request("$JETLAG.TRACE", "").payload;
    assert!(trace.lines().any(|line| line.contains(r#""kind":"delivered""#)), "{trace}");
    assert_eq!(client.control("NOTHING", "")["error"]["code"], 404);
}

#[test]
fn controls_are_for_those_who_show_the_token() {
    let serve = manual();
    for connect in [r#"{"verbose":false}"#, r#"{"verbose":false,"user":"w","pass":"wrong"}"#] {
        let refused = serve.client_with(connect).control("CLOCK.NOW", "");
        assert_eq!(refused["error"]["code"], 403, "{refused}");
    }
    let mut allowed = serve.client_with(&format!(r#"{{"verbose":false,"auth_token":"{TOKEN}"}}"#));
    assert_eq!(allowed.control("CLOCK.NOW", "")["now"], "0s");
}

#[test]
fn a_manual_clock_refuses_timers_that_the_client_keeps_too() {
    let pull = |client: &mut Client, request: &str| client.request("$JS.API.CONSUMER.MSG.NEXT.ORDERS.WORK", request).headers;
    let (expires, beats) = (r#"{"batch":1,"expires":5000000000}"#, r#"{"batch":1,"expires":5000000000,"idle_heartbeat":1000000000}"#);
    let serve = manual();
    let mut client = serve.client("");
    client.orders();
    for request in [expires, beats] {
        let status = pull(&mut client, request);
        assert!(status.starts_with("NATS/1.0 400 jetlag: on a manual clock the client's own timers run on; "), "{status}");
    }
    assert!(pull(&mut client, r#"{"batch":1,"no_wait":true}"#).starts_with("NATS/1.0 404 "));

    let serve = Serve::start(&["--clock", "manual", "--allow-client-timers"]);
    let mut client = serve.client("");
    client.orders();
    let pull = client.ask("$JS.API.CONSUMER.MSG.NEXT.ORDERS.WORK", expires);
    client.control_beside("CLOCK.ADVANCE", "5s", pull, |got| assert!(got.headers.starts_with("NATS/1.0 408 "), "{got:?}"));
}

#[test]
fn many_tests_share_one_process() {
    let serve = manual();
    let mut clients: Vec<Client> = (0..100).map(|n| serve.client(&format!("test{n}"))).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.orders();
        order(client, &format!("of test {n}"));
        client.control("CLOCK.ADVANCE", &format!("{n}s"));
    }
    clients[7].control("FAULT.ADD", "fault lost drop kind=delivery");
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.control("CLOCK.NOW", "")["now_ns"], n as u64 * 1_000_000_000);
        let state = client.control("STATE", "");
        assert_eq!((state["streams"][0]["state"]["messages"].as_u64(), state["connections"].as_array().map(Vec::len)), (Some(1), Some(1)));
        if n != 7 {
            assert_eq!(client.pull().payload, format!("of test {n}"));
        }
    }
}

#[test]
fn real_time_goes_on_by_itself_and_by_leaps() {
    let serve = Serve::start(&[]);
    let mut client = serve.client("");
    client.orders();
    order(&mut client, "a");
    assert_eq!(client.pull().payload, "a");
    let before = client.control("CLOCK.NOW", "")["now_ns"].as_u64().unwrap();
    let after = client.control("CLOCK.ADVANCE", "31s")["now_ns"].as_u64().unwrap();
    assert!((31_000_000_000..60_000_000_000).contains(&(after - before)), "{before} {after}");
    let again = client.pull();
    assert_eq!(again.payload, "a");
    assert!(client.control("CLOCK.NOW", "")["now_ns"].as_u64().unwrap() > after, "it goes on from there");
}
