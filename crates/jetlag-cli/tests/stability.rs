//! Stability from end to end: a handler that depends on more than its input, the history, the report, and the ticket.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jetlag_cli::Registry;
use jetlag_sim::{Action, Delivery, Handler};

const SCENARIO: &str = "\
title: a worker acks what it gets

stream ORDERS subjects=orders.>
consumer ORDERS/WORK ack-policy=explicit ack-wait=30s
worker w1 ORDERS/WORK handler=counting
producer: publish orders.1 \"a\"
stop w1
check no-message-lost
----
ok
0s producer: stored stream-seq=1
0s w1: got orders.1 \"a\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1
0s w1: ack ORDERS/WORK:1
check no-message-lost: ok
";

/// Handlers with `counting`: it acks, but `flakes` times out of all of them it naks first. Its count outlives the run, which is the mistake.
fn handlers(flakes: impl Fn(u64) -> bool + Send + Sync + 'static) -> Registry {
    let count = Arc::new(AtomicU64::new(0));
    let flakes = Arc::new(flakes);
    let mut registry = Registry::new();
    registry.add("counting", move |_| {
        let (count, flakes) = (count.clone(), flakes.clone());
        let handler = move |delivery: &Delivery| match delivery.delivery_count().0 {
            1 if flakes(count.fetch_add(1, Ordering::Relaxed)) => Action::nak(),
            _ => Action::ack(),
        };
        Ok(Box::new(handler) as Box<dyn Handler>)
    });
    registry
}

/// A directory with one scenario.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    std::fs::write(directory.path().join("counting.scn"), SCENARIO).expect("a file can be written");
    directory
}

/// Types a command, with the paths in it below a directory. Gives the exit code, and what was written to standard output and error.
fn jetlag(handlers: &Registry, below: &Path, arguments: &[&str]) -> (u8, String, String) {
    let place = |argument: &&str| match argument.strip_prefix('@') {
        Some(name) => below.join(name).into_os_string(),
        None => OsString::from(argument),
    };
    let arguments = std::iter::once(OsString::from("jetlag")).chain(arguments.iter().map(place));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = jetlag_cli::run(handlers, arguments, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("jetlag writes UTF-8");
    (code, text(out), text(err))
}

#[test]
fn stable_runs_add_up() {
    let directory = directory();
    let steady = handlers(|_| false);
    for _ in 0..2 {
        let (code, _, err) = jetlag(&steady, directory.path(), &["run", "@counting.scn", "--runs", "3", "--history", "@history.jsonl"]);
        assert_eq!(code, 0, "{err}");
    }
    let (code, out, err) = jetlag(&steady, directory.path(), &["report", "stability", "@history.jsonl"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("stable for 0 days, no flake since the history begins"), "{out}");
    assert!(out.contains("2 runs of the suite, 6 of scenarios") && out.ends_with("known flaky: none\n"), "{out}");
    let (code, out, _) = jetlag(&steady, directory.path(), &["report", "stability", "@history.jsonl", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!((code, &json["scenario_runs"], &json["known_flaky"]), (0, &6.into(), &serde_json::json!([])));
}

#[test]
fn a_flake_is_nondeterminism_and_a_ticket() {
    let directory = directory();
    // Each run asks the handler once. The fourth one flakes.
    let flaky = handlers(|count| count == 3);
    let run = ["run", "@counting.scn", "--runs", "5", "--history", "@history.jsonl"];
    let (code, _, err) = jetlag(&flaky, directory.path(), &run);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("run 4 differs from run 1: record ") && err.contains("counting.scn --runs 4\n"), "{err}");

    let line = std::fs::read_to_string(directory.path().join("history.jsonl")).expect("there is a history");
    let entry: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
    let scenario = &entry["scenarios"][0];
    let runs: Vec<_> = scenario["digests"].as_array().into_iter().flatten().map(|digest| digest["runs"].clone()).collect();
    assert_eq!(runs, [4, 1], "all runs are counted, those after the flake too");
    assert_eq!((&scenario["divergence"]["run"], &scenario["verdict"]), (&4.into(), &"pass".into()));

    for format in ["human", "markdown", "json"] {
        let (code, out, _) = jetlag(&flaky, directory.path(), &["report", "stability", "@history.jsonl", "--format", format]);
        assert_eq!(code, 3, "{out}");
        for part in ["Nondeterministic: ", "Run 4 differs from run 1", "1 of 5 runs differ", "counting.scn --runs 5"] {
            assert!(out.contains(part), "{part} is not in\n{out}");
        }
        // The first record that differs, in both runs: the nak where the ack was.
        assert!(out.contains("ack") && out.contains("nak"), "{out}");
    }
}

#[test]
fn a_stable_run_after_a_flake_is_no_nondeterminism_but_the_flake_stays_listed() {
    let directory = directory();
    let run = ["run", "@counting.scn", "--runs", "3", "--history", "@history.jsonl"];
    assert_eq!(jetlag(&handlers(|count| count == 1), directory.path(), &run).0, 3);
    // The history has whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(jetlag(&handlers(|_| false), directory.path(), &run).0, 0);
    let (code, out, _) = jetlag(&handlers(|_| false), directory.path(), &["report", "stability", "@history.jsonl"]);
    assert!(code == 0 && out.contains("known flaky: see the tickets") && out.contains("1 of 6 runs differ"), "{out}");
}

#[test]
fn a_broken_history_is_told_before_anything_runs() {
    let directory = directory();
    std::fs::write(directory.path().join("history.jsonl"), "{\"schema\":\"jetlag-trace/1\"}\n").expect("a file can be written");
    let ran = Arc::new(AtomicU64::new(0));
    let seen = ran.clone();
    let handlers = handlers(move |_| seen.fetch_add(1, Ordering::Relaxed) > u64::MAX / 2);
    for arguments in [&["run", "@counting.scn", "--history", "@history.jsonl"][..], &["report", "stability", "@history.jsonl"]] {
        let (code, out, err) = jetlag(&handlers, directory.path(), arguments);
        assert_eq!((code, out.as_str(), ran.load(Ordering::Relaxed)), (2, "", 0), "{err}");
        assert!(err.contains("history.jsonl:1: no line of a history: its schema is \"jetlag-trace/1\""), "{err}");
    }
    std::fs::write(directory.path().join("empty.jsonl"), "").expect("a file can be written");
    let (code, _, err) = jetlag(&handlers, directory.path(), &["report", "stability", "@empty.jsonl"]);
    assert!(code == 2 && err.contains("is empty"), "{err}");
}

#[test]
fn nothing_that_ran_leaves_no_line() {
    let directory = directory();
    std::fs::create_dir(directory.path().join("none")).expect("a directory can be made");
    let (code, _, err) = jetlag(&handlers(|_| false), directory.path(), &["run", "@none", "--history", "@history.jsonl"]);
    assert_eq!(code, 5, "{err}");
    assert!(!directory.path().join("history.jsonl").exists());
}
