//! Runs as a whole: the scenarios beside this file pass, and what must fail does and says why.

use std::path::{Path, PathBuf};

use jetlag_metrics::Contract;
use jetlag_model::{ServerVersion, Time};
use jetlag_runner::{Failure, Outcome, RunOptions, ScenarioFile, Verdict, bless_file, find_files, run_files, run_simulated};
use jetlag_scenario::{CheckName, parse};
use jetlag_trace::{Kind, Trace};

fn run(text: &str) -> Outcome {
    run_simulated(&parse(text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}")), &RunOptions::default())
}

/// A scenario on stream S with consumer S/C.
fn scenario(blocks: &str) -> String {
    format!("title: t\n\nstream S subjects=s.>\nconsumer S/C ack-policy=explicit ack-wait=10s\n----\nok\n\n{blocks}")
}

fn messages(outcome: &Outcome) -> Vec<String> {
    outcome.failures.iter().map(|failure| format!("{}: {failure}", failure.line())).collect()
}

#[test]
fn the_scenarios_beside_this_file_pass() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scn");
    let files = find_files(&[directory]).unwrap();
    assert!(files.len() >= 5, "{files:?}");
    for report in run_files(&files, &RunOptions::default(), 3, 2) {
        let run = report.result.unwrap_or_else(|error| panic!("{}: {error:?}", report.path.display()));
        let failures: Vec<_> = run.outcome.failures.iter().map(|failure| format!("{failure:?}")).collect();
        assert_eq!(run.outcome.verdict, Verdict::Pass, "{}: {failures:#?}", report.path.display());
        assert_eq!(run.nondeterminism, None);
    }
}

#[test]
fn what_must_fail_fails_and_says_where_and_why() {
    for (blocks, failures) in [
        ("advance 1s\n----\n1s w1: got nothing\n", vec!["9: the transcript is not what came"]),
        (
            "!info S\n----\nS messages=0 bytes=0 first-seq=0 last-seq=0 consumer-count=1\n",
            vec!["8: it must be refused (it begins with `!`), but it was not"],
        ),
        (
            "(info NONE)\n----\nerror 404/10059 stream not found\n",
            vec!["8: it must succeed (it stands in parentheses), but: error 404/10059 stream not found"],
        ),
        ("w1: ack 1\n----\n", vec!["8: there is no client w1; a client comes to be with its first command"]),
        (
            "fault f drop kind=ack\n----\n\ncheck idle\n----\ncheck idle: ok\n",
            vec!["8: fault f never acted: it was asked about 0 crossings, of which 0 matched"],
        ),
        ("fault f drop kind=ack probability=1/2\ncheck idle\n----\ncheck idle: ok\n", vec![]),
        (
            "check count-tracking\n----\ncheck count-tracking: failed\n",
            vec!["8: check count-tracking: it was never evaluated: nothing in this run is what it looks at"],
        ),
        ("!check count-tracking\n----\ncheck count-tracking: failed\n", vec![]),
        ("worker w S/C\n    otherwise nak\n(p: publish s.1 \"a\")\n----\n", vec!["10: 100000 things happened at 0s and there is no end: "]),
        (
            "worker w S/C\n    otherwise ignore\n(p: publish s.1 \"a\")\nsettle\n----\n",
            vec!["11: the run did not settle within 20000 steps, until "],
        ),
        ("worker w S/C\n    otherwise ack\nstop w\nsettle\ncheck idle\n----\ncheck idle: ok\n", vec![]),
    ] {
        let text = scenario(blocks);
        let outcome = run(&text);
        let found = messages(&outcome);
        let alike = found.len() == failures.len() && found.iter().zip(&failures).all(|(found, expected)| found.starts_with(expected));
        assert!(alike, "{blocks}\n{found:#?}");
        assert_eq!(outcome.verdict, if failures.is_empty() { Verdict::Pass } else { Verdict::Fail }, "{blocks}");
    }
}

#[test]
fn a_loop_is_named() {
    let outcome = run(&scenario("worker w S/C\n    otherwise nak\n(p: publish s.1 \"a\")\n----\n"));
    let message = messages(&outcome).remove(0);
    for part in ["w: nak S/C", "delivered S/C", "w: got S/C"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_file_that_expects_nothing_fails() {
    for (text, fails) in [
        ("title: t\n\nadvance 1s\n----\n", true),
        ("title: t\n\n# nothing but words\n", true),
        ("title: t\n\nstream S subjects=s\n----\nok\n", false),
    ] {
        let outcome = run(text);
        assert_eq!(outcome.failures.contains(&Failure::NothingExpected), fails, "{text}");
    }
}

#[test]
fn versions_decide_what_runs_and_which_transcript_applies() {
    let text = "title: t\nserver: >=2.12.0\n\nstream S subjects=s\n----\nok\n---- server<2.14.0: made up\nnot ok\n";
    let verdict = |version| run_simulated(&parse(text).unwrap(), &RunOptions { version, ..RunOptions::default() }).verdict;
    assert_eq!(verdict(ServerVersion::new(2, 15, 1)), Verdict::Pass);
    assert_eq!(verdict(ServerVersion::new(2, 12, 8)), Verdict::Fail);
    assert_eq!(verdict(ServerVersion::new(2, 11, 0)), Verdict::Skip);
    let unconfirmed = "title: t\nunconfirmed: yet\n\nstream S subjects=s\n----\nok\n";
    assert_eq!(run(unconfirmed).verdict, Verdict::Unconfirmed);
}

/// Client-visible lines that did not come from a command's answer.
fn times(trace: &Trace) -> Vec<(Kind, Time)> {
    trace.records().iter().map(|record| (record.kind, record.at)).collect()
}

const STRETCHABLE: &str = "worker w1 S/C expires=20s concurrency=2\n    on delivery-count=1 ignore\n    on delivery-count=2 nak delay=3s after=1s\n    otherwise ack after=2s\n\
    fault late delay by=1s..2s kind=publish\n(p: publish s.1 \"a\")\n(p: publish s.2 \"b\")\nadvance 10s\nrestart downtime=2s\nadvance 2m\n----\n";

#[test]
fn a_run_with_all_durations_stretched_is_the_same_run() {
    let scenario = parse(&scenario(STRETCHABLE)).unwrap();
    let options = RunOptions::default();
    let plain = run_simulated(&scenario, &options);
    assert!(plain.redeliveries > 2, "{:?}", plain.failures);
    let stretched = run_simulated(&scenario.scaled(7, 1), &options);
    let expected: Vec<_> = times(&plain.trace).into_iter().map(|(kind, at)| (kind, Time::from_nanos(at.as_nanos() * 7))).collect();
    // A drawn delay is drawn from a longer range, so it need not be seven times as long.
    let fixed = |times: &[(Kind, Time)]| times.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
    assert_eq!(fixed(&times(&stretched.trace)), fixed(&expected));
    assert_eq!(stretched.virtual_time, plain.virtual_time * 7);
}

#[test]
fn a_byte_or_a_nanosecond_more_is_another_digest() {
    let text = scenario("p: publish s.1 \"a\"\nadvance 30s\n----\n0s p: stored stream-seq=1\n");
    let digest = run(&text).digest();
    assert_eq!(run(&text).digest(), digest);
    for (old, new) in [("\"a\"", "\"b\""), ("30s", "30.000000001s"), ("ack-wait=10s", "ack-wait=10.000000001s"), ("s.1", "s.2")] {
        assert_ne!(run(&text.replace(old, new)).digest(), digest, "{new}");
    }
}

#[test]
fn the_seed_decides_what_chance_decides() {
    let text = scenario("fault f drop kind=publish probability=1/2\n(p: publish s.1 \"a\" count=64)\ninfo S\n----\n");
    let hits = |seed| run_simulated(&parse(&text).unwrap(), &RunOptions { seed, ..RunOptions::default() }).faults_hit();
    assert_eq!(hits(Some(1)), hits(None));
    assert!((16..48).contains(&hits(Some(1))), "{}", hits(Some(1)));
    assert!((2..12).any(|seed| hits(Some(seed)) != hits(Some(1))));
}

#[test]
fn checks_count_what_they_saw_and_whom_they_exempted() {
    let blocks = "w1: fetch S/C batch=3\np: publish s.1 \"a\"\nw1: nak 1\nadvance 10s\nw1: fetch S/C\nw1: ack 1\ncheck redelivery-deadline settled\n----\n";
    let outcome = run(&scenario(blocks));
    let check = |name| outcome.checks.iter().find(|check| check.name == name).unwrap();
    let deadline = check(CheckName::RedeliveryDeadline);
    assert_eq!((deadline.evaluated, &deadline.exemptions[..], &deadline.failure), (2, &[("plain nak", 1)][..], &None));
    // One acknowledgement sent, one that took effect.
    assert_eq!((check(CheckName::Settled).evaluated, check(CheckName::Settled).exemptions.len()), (2, 0));
}

#[test]
fn blessing_touches_what_differs_and_nothing_else() {
    let directory = tempfile();
    let path = directory.join("a.scn");
    let text = "title: t\n# kept\n\nstream   S subjects=s\n----\nok\n\ninfo S\n# kept too\n----\nwrong\n---- server<2.10.0: old\nkept\n";
    std::fs::write(&path, text).unwrap();
    let report = run_files(std::slice::from_ref(&path), &RunOptions::default(), 1, 1).remove(0);
    let run = report.result.unwrap();
    let before = std::env::var_os("CI");
    assert!(before.is_none() || bless_file(&run).is_err(), "a build machine does not bless");
    if before.is_none() {
        assert_eq!(bless_file(&run).unwrap().blocks, 1);
        let expected = text
            .replace("# kept\n\n", "# kept\nunconfirmed: blessed from the simulator\n\n")
            .replace("wrong\n", "S messages=0 bytes=0 first-seq=0 last-seq=0 consumer-count=0\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "no file is left beside it");
        let again = ScenarioFile::read(&path, &RunOptions::default()).unwrap();
        assert_eq!(run_simulated(&again.scenario, &RunOptions::default()).verdict, Verdict::Unconfirmed);
    }
    std::fs::remove_dir_all(directory).unwrap();
}

/// A new directory.
fn tempfile() -> PathBuf {
    let directory = std::env::temp_dir().join(format!("jetlag-runner-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn a_metric_is_exactly_what_is_expected_of_it() {
    let before = "(p: publish s.1 \"a\" count=2)\n(w: fetch S/C batch=2)\n(w: nak 1)\n(w: fetch S/C)\n";
    for (expected, said, failures) in [
        ("expect metric jetlag_redelivery_total +1 cause=nak\nexpect metric jetlag_redelivery_total 1", "ok", vec![]),
        ("expect metric jetlag_deliveries_total +3 stream=S\nexpect metric jetlag_deliveries_total +0 stream=T", "ok", vec![]),
        (
            "expect metric jetlag_redelivery_total +2 stream=S",
            "expect metric jetlag_redelivery_total +2 stream=S: failed",
            vec!["it changed by +1, from 0 to 1; there are jetlag_redelivery_total{cause=\"nak\",consumer=\"C\",stream=\"S\"} 1"],
        ),
        ("!expect metric jetlag_redelivery_total +2", "expect metric jetlag_redelivery_total +2: failed", vec![]),
        ("!expect metric jetlag_redelivery_total +1", "ok", vec!["it must be refused"]),
        ("expect metric jetlag_terms_total 1", "expect metric jetlag_terms_total 1: failed", vec!["it is 0; it has no series"]),
        (
            "expect metric jetlag_naks_total +1\nexpect no-other-metric jetlag_naks_total\nexpect no-other-metric jetlag_terms*",
            "ok",
            vec![],
        ),
        (
            "expect no-other-metric jetlag_n*",
            "expect no-other-metric jetlag_n*: failed",
            vec!["more has changed: jetlag_naks_total{consumer=\"C\",stream=\"S\"} +1"],
        ),
        // What is named does not count as something else, and the next row of expectations begins where this one stood.
        (
            "expect metric jetlag_naks_total +1\nexpect no-other-metric jetlag_n*\nadvance 1s\nexpect metric jetlag_naks_total +0\nexpect no-other-metric",
            "ok",
            vec![],
        ),
        // A row that is interrupted by an alert goes on.
        ("expect metric jetlag_naks_total +1\nexpect alert A\nexpect no-other-metric jetlag_n*", "ok", vec![]),
    ] {
        let outcome = run(&scenario(&format!("{before}{expected}\n----\n{said}\n")));
        let found: Vec<_> = messages(&outcome);
        assert_eq!(found.len(), failures.len(), "{expected}\n{found:#?}");
        for (found, failure) in found.iter().zip(&failures) {
            assert!(found.contains(failure), "{found}\nlacks: {failure}");
        }
    }
}

#[test]
fn the_contract_is_checked_in_every_run() {
    let router = scenario(
        "(p: publish s.1 \"a\" header=tenant_id:acme)\n(worker r S/C handler=router)\n(stop r)\ncheck idle\n----\ncheck idle: ok\n",
    );
    let spec = |from: &str, to: &str| {
        let text = include_str!("../../jetlag-metrics/contract.toml");
        assert!(text.contains(from), "{from}");
        RunOptions { contract: std::sync::Arc::new(Contract::parse(&text.replace(from, to)).expect(to)), ..RunOptions::default() }
    };
    for (options, failure) in [
        (RunOptions::default(), None),
        (spec("name = \"router_nats_ack_total\"", "name = \"acks_total\""), Some("router_nats_ack_total is not in the contract")),
        (spec("required = [\"state\"]", "required = [\"status\"]"), Some("the contract knows no label state of this metric")),
        (spec("required = [\"state\"]", "required = [\"state\", \"instance\"]"), Some("the label instance is required")),
        (spec("max_series = 2000", "max_series = 0"), Some("jetlag_got_total has 1 series, and may have 0")),
    ] {
        let outcome = run_simulated(&parse(&router).expect(&router), &options);
        let found = messages(&outcome);
        assert_eq!(outcome.verdict == Verdict::Pass, failure.is_none(), "{found:?}");
        assert!(failure.is_none_or(|failure| found.iter().any(|found| found.contains(failure))), "{found:?} lacks {failure:?}");
    }
}

#[test]
fn a_run_that_holds_few_records_says_the_same() {
    let text = "title: t\n\nstream S subjects=s retention=workqueue\nconsumer S/C ack-policy=explicit ack-wait=5s\nfault lost drop kind=ack every=10s for=2s\n\
                worker w S/C batch=5 expires=30s\n  otherwise ack\n(p: publish s \"a\" every=1s for=1m)\nadvance 1m\nadvance 1m\nstop w\nadvance 1m\n\
                expect metric jetlag_stored_total +60\n\
                check no-message-lost max-deliver redelivery-deadline ack-floor max-ack-pending settled idle\n----\n";
    let run = |most_records| run_simulated(&parse(text).unwrap(), &RunOptions { most_records, ..RunOptions::default() });
    let (whole, short) = (run(usize::MAX), run(50));
    assert!(whole.trace.is_whole() && !short.trace.is_whole() && whole.trace.len() > 500);
    assert!(short.trace.records().len() < 200, "{} are held", short.trace.records().len());
    assert_eq!((whole.digest(), &whole.blocks, &whole.checks), (short.digest(), &short.blocks, &short.checks));
    assert_eq!(
        (whole.metrics.snapshot(), whole.deliveries, whole.redeliveries),
        (short.metrics.snapshot(), short.deliveries, short.redeliveries)
    );
    assert!(whole.checks.iter().all(|check| check.failure.is_none()) && whole.redeliveries > 0, "{:?}", whole.checks);
    assert_eq!(whole.failures, short.failures);
}
