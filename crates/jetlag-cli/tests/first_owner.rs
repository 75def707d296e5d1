//! What the first owner accepts by: their scenarios give one digest however often, a handler with their bug is caught, and nothing that ran is no
//! success; triple faults, hours of soak, and the version in which their profile became valid. Their item on a page that goes out of date is in
//! `matrix.rs`, that on another language in docs/examples.

use std::path::{Path, PathBuf};

use jetlag_model::{Duration, ServerVersion};
use jetlag_runner::{Failure, FileRun, RunOptions, Verdict, find_files, run_files, run_simulated};
use jetlag_scenario::{CheckName, parse};

/// How often each scenario is run: a thousand times where that takes seconds. `.ci/nightly` does so for the whole library.
const RUNS: u64 = if cfg!(debug_assertions) { 20 } else { 1_000 };

fn library(folder: &str) -> Vec<PathBuf> {
    find_files(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(folder)]).expect("the library is there")
}

/// Runs scenarios, and hands each one over.
fn each(files: &[PathBuf], runs: u64, judge: impl Fn(&FileRun)) {
    for report in run_files(files, &RunOptions::default(), runs, 2) {
        judge(report.result.as_ref().unwrap_or_else(|bad| panic!("{}: {bad:?}", report.path.display())));
    }
}

#[test]
fn s1_to_s3_with_all_variants_give_exact_traces_and_one_digest_however_often() {
    let files: Vec<PathBuf> = ["s1", "s2", "s3"].iter().flat_map(|folder| library(folder)).collect();
    let shown = std::cell::RefCell::new(std::collections::BTreeSet::new());
    each(&files, RUNS, |run| {
        let path = run.file.path.display();
        assert_eq!(run.outcome.verdict, Verdict::Pass, "{path}: {:?}", run.outcome.failures);
        assert_eq!(run.nondeterminism, None, "{path}");
        assert_eq!(run.repeats.len() as u64, RUNS, "{path}");
        assert!(run.repeats.iter().all(|repeat| repeat.digest == run.outcome.digest()), "{path}");
        shown.borrow_mut().extend(run.file.scenario.header.ids.iter().cloned());
    });
    let variants = "S1a S1b S1c S1d S1e S1f S2a S2b S2c S2d S2e S2f S3 S3-1 S3-3 S3-5 S3-10".split(' ');
    let missing: Vec<&str> = variants.filter(|id| !shown.borrow().contains(*id)).collect();
    assert_eq!(missing, [] as [&str; 0], "no scenario shows them");
}

#[test]
fn a_handler_that_forgets_its_count_when_its_ack_fails_is_caught() {
    let files = library("tracking/forgetful-handler-is-caught.scn");
    each(&files, 1, |run| {
        assert_eq!(run.outcome.verdict, Verdict::Pass, "{:?}", run.outcome.failures);
        let counted = run.outcome.checks.iter().find(|check| check.name == CheckName::CountTracking).expect("the check was made");
        let caught = counted.failure.as_deref().expect("it failed");
        assert!(caught.contains("ORDERS") || caught.contains("RES/router-results"), "{caught}");
    });
    // The same scenario with the handler that does not forget: the check holds, so that what must fail does not, and the file fails.
    let text = std::fs::read_to_string(&files[0]).expect("it can be read").replace("handler=router-forgetful", "handler=router");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("mindful.scn");
    std::fs::write(&path, text).expect("a file can be written");
    each(&[path], 1, |run| assert_eq!(run.outcome.verdict, Verdict::Fail));
}

#[test]
fn an_empty_directory_is_no_success() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_jetlag")).arg("run").arg(directory.path()).output().expect("jetlag can be started");
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing ran"));
}

#[test]
fn triple_faults_run_with_every_rule_hit() {
    let shown = std::cell::RefCell::new(std::collections::BTreeSet::new());
    each(&library("tf"), 1, |run| {
        let path = run.file.path.display();
        assert_eq!(run.outcome.verdict, Verdict::Pass, "{path}: {:?}", run.outcome.failures);
        assert!(!run.outcome.rules.is_empty(), "{path} has no faults");
        for rule in run.outcome.rules.iter().filter(|rule| !rule.exempt) {
            assert!(rule.hits > 0, "{path}: {} never acted", rule.id);
        }
        shown.borrow_mut().extend(run.file.scenario.header.ids.iter().cloned());
    });
    let wanted = "TF1.1 TF1.2 TF1.3 TF1.4 TF1.5 TF3.1 TF3.2 TF4.1 TF4.2 TF5.1 TF5.2 TF6.1 TF6.2 TF6.3 TF6.4".split(' ');
    let missing: Vec<&str> = wanted.filter(|id| !shown.borrow().contains(*id)).collect();
    assert_eq!(missing, [] as [&str; 0], "no scenario shows them");
}

#[test]
fn a_rule_that_never_fires_fails_the_run() {
    let run = |rule: &str| {
        let text = format!(
            "title: t\n\nstream S subjects=s\nconsumer S/C ack-policy=explicit\n{rule}(p: publish s \"a\")\n(w: fetch S/C)\n(w: ack 1)\ncheck settled\n----\nok\ncheck settled: ok\n"
        );
        run_simulated(&parse(&text).unwrap_or_else(|found| panic!("{found:?}")), &RunOptions::default())
    };
    assert_eq!(run("").verdict, Verdict::Pass);
    let failures = run("fault never drop kind=nak client=w\n").failures;
    assert!(matches!(failures.as_slice(), [Failure::RuleNeverFired { report, .. }] if &*report.id == "never"), "{failures:?}");
}

#[test]
fn minutes_of_a_cut_and_hours_of_soak_take_seconds() {
    for (folder, id, least) in [("np", "NP-S5", Duration::from_secs(5 * 60)), ("../soak", "SK5", Duration::from_secs(6 * 3600))] {
        let found = std::cell::Cell::new(0);
        each(&library(folder), 1, |run| {
            if run.file.scenario.header.ids.iter().any(|shown| shown == id) && run.outcome.virtual_time >= least {
                let path = run.file.path.display();
                assert_eq!(run.outcome.verdict, Verdict::Pass, "{path}: {:?}", run.outcome.failures);
                assert!(run.repeats[0].wall.as_secs() < 30, "{path} took {:?}", run.repeats[0].wall);
                found.set(found.get() + 1);
            }
        });
        assert!(found.get() > 0, "no scenario shows {id} for {least}");
    }
}

#[test]
fn as_many_backoff_steps_as_deliveries_are_refused_before_2_10_23() {
    let profile =
        "title: t\n\nstream S subjects=s\nconsumer S/GEN ack-policy=explicit ack-wait=30s max-deliver=3 backoff=1s,2s,4s\n----\nok\n";
    let lines = |version| {
        let outcome =
            run_simulated(&parse(profile).unwrap_or_else(|found| panic!("{found:?}")), &RunOptions { version, ..RunOptions::default() });
        outcome.blocks.concat()
    };
    let refused = ["ok", "error 400/10116 max deliver is required to be > length of backoff values"];
    for version in ["2.10.7", "2.10.22"] {
        assert_eq!(lines(version.parse().expect(version)), refused, "{version}");
    }
    let at = "2.10.23".parse().expect("a version");
    for version in [at].into_iter().chain(ServerVersion::COMPARED) {
        assert_eq!(lines(version), ["ok"], "{version}");
    }
}
