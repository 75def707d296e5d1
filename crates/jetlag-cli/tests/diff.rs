//! `jetlag diff` and `jetlag run --baseline`: from scenario files to words and exit codes.

use std::path::Path;
use std::process::Command;

const SCENARIO: &str = "\
title: a message is handled

stream ORDERS subjects=orders.>
consumer ORDERS/WORK ack-policy=explicit ack-wait=30s
worker w1 ORDERS/WORK
  on delivery-count=1 nak delay=10s
  otherwise ack
(producer: publish orders.1 \"a\")
advance 1m
check no-message-lost
----
ok
10s w1: got orders.1 \"a\" stream-seq=1 consumer-seq=2 delivery-count=2 num-pending=0 pull=p2
10s w1: ack ORDERS/WORK:1
check no-message-lost: ok
";

/// A directory with two scenarios, one of them below a directory whose name has a dot.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    std::fs::create_dir(directory.path().join("my.scenarios")).expect("a directory can be made");
    for name in ["my.scenarios/one.scn", "my.scenarios/two.scn"] {
        std::fs::write(directory.path().join(name), SCENARIO).expect("a file can be written");
    }
    directory
}

fn jetlag(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetlag"));
    let output = command.args(arguments).env("NO_COLOR", "1").current_dir(directory).output().expect("jetlag can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("jetlag writes UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_changed_is_told_in_three_forms() {
    let directory = directory();
    let below = directory.path();
    assert_eq!(jetlag(below, &["run", "my.scenarios", "--trace", "old"]).0, Some(0));
    let (code, out, _) = jetlag(below, &["run", "my.scenarios", "--baseline", "old"]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert_eq!(jetlag(below, &["diff", "old", "old"]), (Some(0), "0 changed, 0 added, 0 gone, 2 the same\n".to_owned(), String::new()));

    // The handler is another, and so is what is expected of it: the run passes, the baseline says what moved.
    let text = SCENARIO.replace("delay=10s", "delay=12s").replace("\n10s ", "\n12s ");
    std::fs::write(below.join("my.scenarios/one.scn"), text).expect("a file can be written");
    std::fs::remove_file(below.join("my.scenarios/two.scn")).expect("a file can be removed");
    let (code, _, err) = jetlag(below, &["run", "my.scenarios", "--baseline", "old", "--trace", "new"]);
    assert_eq!(code, Some(1), "{err}");
    let moved = "attempt 2 of ORDERS/WORK:1 comes at 12s, was 10s";
    assert!(err.contains("1 scenario: 1 pass"), "{err}");
    assert!(err.contains(moved) && err.contains("gone: my.scenarios/two: a message is handled"), "{err}");
    // Of files that were not named nothing is said.
    let (code, _, err) = jetlag(below, &["run", "my.scenarios/one.scn", "--baseline", "old"]);
    assert!(code == Some(1) && err.contains(moved) && !err.contains("gone: "), "{err}");

    for format in ["human", "markdown", "json"] {
        let (code, out, err) = jetlag(below, &["diff", "old", "new", "--format", format]);
        assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
        assert!(out.contains(moved) && out.contains("my.scenarios/two"), "{out}");
    }
    let (code, out, _) = jetlag(below, &["diff", "old/my.scenarios/one.jsonl", "new/my.scenarios/one.jsonl"]);
    assert!(code == Some(1) && out.starts_with("the trace: a message is handled\n") && out.contains(moved), "{out}");
}

#[test]
fn what_is_no_trace_is_bad_input() {
    let directory = directory();
    let below = directory.path();
    assert_eq!(jetlag(below, &["run", "my.scenarios", "--trace", "old"]).0, Some(0));
    std::fs::create_dir(below.join("empty")).expect("a directory can be made");
    let trace = below.join("old/my.scenarios/one.jsonl");
    let text = std::fs::read_to_string(&trace).expect("there is a trace");
    std::fs::write(&trace, text.replace("orders.1", "orders.2")).expect("a file can be written");
    for (arguments, complaint) in [
        (&["diff", "old", "old"][..], "one.jsonl: line 1 is not of a jetlag-trace/1 trace: the records have the digest "),
        (&["diff", "none", "old"], "none can not be read"),
        (&["diff", "empty", "old"], "empty: no trace is below it"),
        (&["run", "my.scenarios", "--baseline", "old"], "one.jsonl: line 1"),
        (&["run", "my.scenarios", "--baseline", "none"], "none can not be read"),
    ] {
        let (code, out, err) = jetlag(below, arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(complaint), "{err}");
    }
}
