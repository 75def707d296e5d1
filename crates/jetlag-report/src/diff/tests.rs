//! Scenarios played before and after a change, and what is said of it.

use std::path::PathBuf;

use jetlag_runner::{RunOptions, find_files, run_files};

use super::*;

/// The traces of scenarios that are written where no other test writes.
fn traces(scenarios: &[(&str, &str)]) -> Traces {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let play = |(name, text): &(&str, &str)| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        let [report] = &run_files(&[path], &RunOptions::default(), 1, 1)[..] else { panic!("one file gives one report") };
        let run = report.result.as_ref().unwrap_or_else(|bad| panic!("{name}: {bad:?}"));
        ((*name).to_owned(), Traced::of(run, None).1)
    };
    scenarios.iter().map(play).collect()
}

/// A scenario in which `w1` handles one message by these rules.
fn scenario(rules: &str) -> String {
    format!(
        "title: a message is handled\n\nstream ORDERS subjects=orders.>\nconsumer ORDERS/WORK ack-policy=explicit ack-wait=30s max-deliver=3\n\
         worker w1 ORDERS/WORK\n{rules}(producer: publish orders.1 \"a\")\nadvance 2m\ncheck no-message-lost\n----\nok\ncheck no-message-lost: ok\n"
    )
}

fn said(old: &str, new: &str) -> Vec<(Topic, String)> {
    let diff = Diff::between(&traces(&[("a.scn", &scenario(old))]), &traces(&[("a.scn", &scenario(new))]));
    let [changed] = diff.changed.as_slice() else { panic!("{diff:?}") };
    assert!(changed.old.is_some() && changed.new.is_some() && changed.old != changed.new, "{changed:?}");
    changed.changes.iter().filter(|change| change.topic != Topic::Script).map(|change| (change.topic, change.text.clone())).collect()
}

#[test]
fn the_same_is_the_same() {
    let set = traces(&[("a.scn", &scenario("  otherwise ack\n"))]);
    let diff = Diff::between(&set, &set);
    assert!(diff.is_empty() && diff.same == 1, "{diff:?}");
    assert_eq!(human(&diff), "0 changed, 0 added, 0 gone, 1 the same\n");
}

#[test]
fn a_moved_ack_is_an_ack_a_delivery_a_time_and_metrics() {
    let said = said("  otherwise ack\n", "  on delivery-count=1 ignore\n  otherwise ack after=1s\n");
    let has = |topic, text: &str| assert!(said.contains(&(topic, text.to_owned())), "{topic:?} {text}\n{said:#?}");
    has(Topic::Acks, "the ack of ORDERS/WORK:1 moved: at 31s, after attempt 2, was at 0s, after attempt 1");
    has(Topic::Deliveries, "ORDERS/WORK:1 is delivered 2 times, was once");
    has(Topic::Metrics, "jetlag_deliveries_total{consumer=\"WORK\",stream=\"ORDERS\"} is 2, was 1");
}

#[test]
fn a_nak_for_an_ack_and_used_up_deliveries_are_told() {
    let said = said("  otherwise ack\n", "  otherwise nak delay=10s\n");
    let has = |topic, text: &str| assert!(said.contains(&(topic, text.to_owned())), "{topic:?} {text}\n{said:#?}");
    has(Topic::Acks, "ORDERS/WORK:1 has its nak at 0s, after attempt 1, where its ack was at 0s, after attempt 1");
    has(Topic::Acks, "ORDERS/WORK:1 has another nak at 10s, after attempt 2");
    has(Topic::Deliveries, "ORDERS/WORK:1 is delivered 3 times, was once");
    has(Topic::Deliveries, "ORDERS/WORK:1 is used up at 30s, was not");
}

#[test]
fn timing_alone_is_told_as_timing() {
    let nak = |delay| format!("  on delivery-count=1 nak delay={delay}\n  otherwise ack\n");
    let said = said(&nak("10s"), &nak("15s"));
    let topics: Vec<Topic> = said.iter().map(|(topic, _)| *topic).collect();
    assert!(said.contains(&(Topic::Timing, "attempt 2 of ORDERS/WORK:1 comes at 15s, was 10s".to_owned())), "{said:#?}");
    assert!(said.contains(&(Topic::Acks, "the ack of ORDERS/WORK:1 after attempt 2 comes at 15s, was 10s".to_owned())), "{said:#?}");
    assert!(!topics.contains(&Topic::Deliveries) && !topics.contains(&Topic::Metrics), "{said:#?}");
}

#[test]
fn scenarios_come_and_go() {
    let one = scenario("  otherwise ack\n");
    let (old, new) = (traces(&[("a.scn", &one), ("b.scn", &one)]), traces(&[("b.scn", &one), ("c.scn", &one)]));
    let diff = Diff::between(&old, &new);
    assert_eq!((diff.same, diff.changed.len()), (1, 0));
    assert_eq!((diff.gone[0].name.as_str(), diff.added[0].name.as_str()), ("a.scn", "c.scn"));
    assert!(human(&diff).contains("added: c.scn: a message is handled\ngone: a.scn: a message is handled\n"), "{}", human(&diff));
    assert!(markdown(&diff).contains("## Gone\n\n- `a.scn`: a message is handled\n"), "{}", markdown(&diff));
}

#[test]
fn every_trace_of_the_library_reads_back() {
    let library = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = find_files(&[library]).expect("the library is there");
    let reports = run_files(&files, &RunOptions::default(), 1, 2);
    let mut kinds = std::collections::BTreeSet::new();
    for report in &reports {
        let run = report.result.as_ref().unwrap_or_else(|bad| panic!("{}: {bad:?}", report.path.display()));
        let mut text = Vec::new();
        run.outcome.trace.write_jsonl(&mut text, &[]).expect("a vector takes everything");
        let text = String::from_utf8(text).expect("JSON is text");
        let (read, _) = jetlag_trace::read_jsonl(&text).unwrap_or_else(|error| panic!("{}: {error}", report.path.display()));
        assert_eq!(read, run.outcome.trace, "{}", report.path.display());
        kinds.extend(read.records().iter().map(|record| record.kind));
    }
    assert!(kinds.len() > 30, "the library shows most kinds of records: {kinds:?}");
}
