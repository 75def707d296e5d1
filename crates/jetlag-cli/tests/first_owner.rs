//! What the first owner accepts by: their scenarios give one digest however often, a handler with their bug is caught, and nothing that ran is no
//! success. Their item on a page that goes out of date is in `matrix.rs`.

use std::path::{Path, PathBuf};

use jetlag_runner::{FileRun, RunOptions, Verdict, find_files, run_files};
use jetlag_scenario::CheckName;

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
