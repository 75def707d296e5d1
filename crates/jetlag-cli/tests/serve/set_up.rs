//! What a server begins with, and what it leaves behind.

use std::fs;

use jetlag_trace::{Kind, read_jsonl};
use serde_json::json;

use crate::process::Serve;

const SCENARIO: &str = "\
title: two orders, one of them being worked on

stream ORDERS subjects=orders.>
consumer ORDERS/WORK ack-policy=explicit ack-wait=30s
shop: publish orders.1 \"a\"
shop: publish orders.2 \"b\"
w1: fetch ORDERS/WORK batch=1
advance 20s
----
ok
0s shop: stored stream-seq=1
0s shop: stored stream-seq=2
0s w1: got orders.1 \"a\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=1 pull=p1
";

#[test]
fn a_scenario_is_what_every_user_begins_with() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("orders.scn"), SCENARIO).unwrap();
    let serve = Serve::in_folder(folder.path(), &["--clock", "manual", "--scenario", "orders.scn"]);
    for user in ["a", "b"] {
        let mut client = serve.client(user);
        assert_eq!(client.control("CLOCK.NOW", "")["now"], "20s");
        let state = client.control("STATE", "");
        assert_eq!(state["connections"].as_array().unwrap().len(), 1, "the scenario's clients are gone: {state}");
        assert_eq!(client.pull().payload, "b");
        // What the scenario's worker has taken comes again when its ack_wait is over.
        assert!(client.pull().headers.starts_with("NATS/1.0 404"));
        client.control("CLOCK.ADVANCE", "10s");
        assert_eq!(client.pull().payload, "a");
    }
}

#[test]
fn faults_of_a_file_are_there_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("faults"), "# one pull is lost\nfault lost-ack drop kind=ack\n").unwrap();
    let serve = Serve::in_folder(folder.path(), &["--faults", "faults", "--clock", "manual"]);
    let mut client = serve.client("");
    client.orders();
    client.send("PUB orders.1 1\r\na\r\n");
    let order = client.pull();
    client.send(&format!("PUB {} 0\r\n\r\n", order.reply.unwrap()));
    assert_eq!(client.control("FAULT.WAIT", "lost-ack")["hits"], 1);
    client.control("CLOCK.ADVANCE", "30s");
    assert_eq!(client.pull().payload, "a");
}

#[test]
fn the_trace_is_whole_when_the_server_stops_and_another_for_each_user() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.jsonl");
    let serve = Serve::in_folder(folder.path(), &["--trace", "trace.jsonl"]);
    let mut clients = ["", "w1"].map(|user| serve.client(user));
    for client in &mut clients {
        client.orders();
        client.send("PUB orders.1 1\r\na\r\n");
        assert_eq!(client.pull().payload, "a");
    }
    // What has happened is in the file at once, though not that it is all.
    let text = fs::read_to_string(&trace).unwrap();
    assert!(text.contains(r#""kind":"delivered""#), "{text}");
    assert!(read_jsonl(&text).is_err());
    serve.interrupt();
    for name in ["trace.jsonl", "trace.w1.jsonl"] {
        let (trace, _) = read_jsonl(&fs::read_to_string(folder.path().join(name)).unwrap()).unwrap();
        let count = |kind| trace.records().iter().filter(|record| record.kind == kind).count();
        assert_eq!((count(Kind::Delivered), count(Kind::ServerDown)), (1, 1), "{name}");
    }
}

#[test]
fn the_monitor_tells_health_figures_and_metrics() {
    let serve = Serve::start(&["-m", "0"]);
    let mut client = serve.client("");
    client.orders();
    client.send("PUB orders.1 5\r\nhello\r\n");
    assert_eq!(client.pull().payload, "hello");

    let (head, body) = serve.get("/healthz");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("application/json"), "{head}");
    assert_eq!(body, r#"{"status":"ok"}"#);

    let varz: serde_json::Value = serde_json::from_str(&serve.get("/varz").1).unwrap();
    // Two requests for stream and consumer, the order, and the pull.
    assert_eq!((&varz["connections"], &varz["total_connections"], &varz["in_msgs"]), (&json!(1), &json!(1), &json!(4)), "{varz}");
    assert_eq!((&varz["out_msgs"], &varz["port"], &varz["version"]), (&json!(3), &serve.said["port"], &serve.said["version"]), "{varz}");

    let (head, body) = serve.get("/metrics");
    assert!(head.contains("text/plain") || head.contains("openmetrics"), "{head}");
    for line in [
        r#"jetlag_deliveries_total{consumer="WORK",stream="ORDERS"} 1"#,
        r#"jetlag_num_ack_pending{consumer="WORK",stream="ORDERS"} 1"#,
        r#"jetlag_stream_messages{stream="ORDERS"} 1"#,
    ] {
        assert!(body.contains(line), "{line} is missing in:\n{body}");
    }
    let (head, body) = serve.get("/metrics?user=nobody");
    assert!(head.starts_with("HTTP/1.1 404") && body.contains("no client has used the user name \"nobody\" yet"), "{head} {body}");

    client.control("SERVER.RESTART", "1h");
    let (head, body) = serve.get("/healthz");
    assert!(head.starts_with("HTTP/1.1 503") && body.contains(r#""status":"unavailable""#), "{head} {body}");
}
