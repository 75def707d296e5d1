//! The scenario library, played as every version of the server that it is about: the whole test of the core. Mutants of the core are judged by
//! this target and by `storage.rs` alone (`cargo xtask mutants`), so nothing else belongs here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use jetlag_model::ServerVersion;
use jetlag_runner::{Outcome, RunOptions, ScenarioFile, Verdict, find_files, in_order, run_simulated};

/// One of every line of releases, as the library is confirmed on.
const VERSIONS: &[ServerVersion] = &[
    ServerVersion::new(2, 10, 26),
    ServerVersion::new(2, 11, 11),
    ServerVersion::new(2, 12, 8),
    ServerVersion::new(2, 14, 6),
    ServerVersion::new(2, 15, 1),
];

/// Says that a scenario failed as a version, in a line `failed VERSION PATH` that `cargo xtask wrong-rules` reads, and why.
fn complaint(path: &Path, version: ServerVersion, outcome: &Outcome) -> Option<String> {
    if outcome.verdict != Verdict::Fail {
        return None;
    }
    let mut text = format!("failed {version} {}", path.display());
    for failure in &outcome.failures {
        let _ = write!(text, "\n    {}: {failure}", failure.line());
    }
    Some(text)
}

/// Plays all scenarios below a directory as these versions; until the first that fails where only that is asked for.
fn play(directory: &Path, versions: &[ServerVersion], at_least: usize) {
    let files = find_files(&[directory.to_owned()]).unwrap();
    assert!(files.len() >= at_least, "scenarios are missing: there are {}", files.len());
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let first_only = std::env::var_os("JETLAG_FIRST_FAILURE").is_some();
    let failed = AtomicBool::new(false);
    let complaints = in_order(&files, jobs, |path| {
        let shown = path.strip_prefix(directory).unwrap_or(path);
        let file = match ScenarioFile::read(path, &RunOptions::default()) {
            Ok(file) => file,
            Err(unreadable) => return vec![format!("{}: {unreadable:?}", shown.display())],
        };
        let play = |version| {
            if first_only && failed.load(Ordering::Relaxed) {
                return None;
            }
            let complaint = complaint(shown, version, &run_simulated(&file.scenario, &RunOptions { version, ..RunOptions::default() }));
            failed.fetch_or(complaint.is_some(), Ordering::Relaxed);
            complaint
        };
        versions.iter().copied().filter_map(play).collect()
    });
    let complaints: Vec<String> = complaints.into_iter().flatten().collect();
    assert!(complaints.is_empty(), "{} of {} cells:\n{}", complaints.len(), files.len() * versions.len(), complaints.join("\n"));
}

#[test]
fn every_scenario_holds_as_every_version() {
    play(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios"), VERSIONS, 200);
}

#[test]
#[ignore = "run by cargo xtask wrong-rules"]
fn random_programs_hold() {
    let directory = std::env::var_os("JETLAG_PROGRAMS").expect("JETLAG_PROGRAMS names the directory that the programs are in");
    play(&PathBuf::from(directory), &[ServerVersion::NEWEST], 1);
}
