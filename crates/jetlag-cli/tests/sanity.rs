//! The sanity script as people run it: its shape, its logs, and all the ways in which it must fail.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = "scripts/run_fault_injection_e2e_tests.sh";

const SCENARIO: &str = "title: a stream\n\nstream ORDERS\n----\nok\n";

/// A repository with the script and one scenario.
fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(SCRIPT);
    for folder in ["scripts", "scenarios", "elsewhere"] {
        std::fs::create_dir(directory.path().join(folder)).expect("a directory can be made");
    }
    std::fs::copy(script, directory.path().join(SCRIPT)).expect("the script can be copied");
    std::fs::write(directory.path().join("scenarios/a.scn"), SCENARIO).expect("a file can be written");
    directory
}

/// Runs the script from somewhere else, with a jetlag that is built already.
fn sanity(repository: &Path, jetlag: &Path, runs: Option<&str>) -> (Option<i32>, String, String) {
    let mut command = Command::new("bash");
    command.arg(repository.join(SCRIPT)).current_dir(repository.join("elsewhere")).env("JETLAG", jetlag).env_remove("RUNS");
    if let Some(runs) = runs {
        command.env("RUNS", runs);
    }
    let output = command.output().expect("bash can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn jetlag() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_jetlag"))
}

fn logs(repository: &Path) -> Vec<String> {
    let folder = repository.join("reports/dry-run-logs/fault-injection-e2e");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn three_runs_unless_told_otherwise_each_with_its_log() {
    let repository = repository();
    let (code, out, err) = sanity(repository.path(), &jetlag(), None);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("run 3/3: pass  1 scenario, 1 line and 0 checks\n"), "{out}");
    assert!(out.ends_with("\ntotal 3, passed 3, failed 0\n"), "{out}");
    assert_eq!(logs(repository.path()), ["run-1.log", "run-1.xml", "run-2.log", "run-2.xml", "run-3.log", "run-3.xml"]);

    // Logs of before are gone: nobody takes them for those of this run.
    let (code, out, _) = sanity(repository.path(), &jetlag(), Some("1"));
    assert!(code == Some(0) && out.ends_with("\ntotal 1, passed 1, failed 0\n"), "{out}");
    assert_eq!(logs(repository.path()), ["run-1.log", "run-1.xml"]);
}

#[test]
fn a_failing_scenario_fails_every_run_and_all_of_them_happen() {
    let repository = repository();
    std::fs::write(repository.path().join("scenarios/b.scn"), SCENARIO.replace("\nok\n", "\nerror 400/1 no\n"))
        .expect("a file can be written");
    let (code, out, err) = sanity(repository.path(), &jetlag(), Some("2"));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("run 1/2: FAIL  jetlag exited with 1; see ") && out.ends_with("\ntotal 2, passed 0, failed 2\n"), "{out}");
    assert!(err.starts_with("logs: "), "{err}");
    let log = repository.path().join("reports/dry-run-logs/fault-injection-e2e/run-2.log");
    assert!(std::fs::read_to_string(log).expect("there is a log").contains("again: jetlag run scenarios/b.scn"));
}

#[test]
fn where_nothing_runs_nothing_passes() {
    let repository = repository();
    std::fs::remove_file(repository.path().join("scenarios/a.scn")).expect("a file can be removed");
    let (code, out, _) = sanity(repository.path(), &jetlag(), Some("1"));
    assert!(code == Some(1) && out.contains("jetlag exited with 5"), "{out}");
}

/// A program that stands in for jetlag, to be what jetlag never is.
fn stand_in(repository: &Path, script: &str) -> PathBuf {
    let path = repository.join("jetlag");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    path
}

#[test]
fn a_success_without_anything_compared_is_a_failure() {
    let repository = repository();
    for script in ["exit 0", "echo '1 scenario: 1 pass; 0 lines and 0 checks compared' >&2; echo 'name=\"digest\" value=\"aa\"'"] {
        let (code, out, _) = sanity(repository.path(), &stand_in(repository.path(), script), Some("1"));
        assert!(code == Some(1) && out.contains("FAIL  nothing was compared"), "{script}: {out}");
    }
}

#[test]
fn runs_with_other_digests_are_a_failure() {
    let repository = repository();
    let script = "echo '1 scenario: 1 pass; 1 line and 0 checks compared' >&2; echo \"name=\\\"digest\\\" value=\\\"$(ls reports/*/* | wc -l | tr -d ' ')\\\"\"";
    let (code, out, _) = sanity(repository.path(), &stand_in(repository.path(), script), Some("2"));
    assert!(code == Some(1) && out.contains("run 1/2: pass") && out.contains("run 2/2: FAIL  not the digests of run 1"), "{out}");
}

#[test]
fn a_number_of_runs_that_is_none_is_bad_input() {
    let repository = repository();
    for runs in ["0", "three", "-1", "3 4"] {
        let (code, out, err) = sanity(repository.path(), &jetlag(), Some(runs));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{runs}");
        assert!(err.contains("is no number of runs"), "{err}");
    }
    assert_eq!(logs(repository.path()), [] as [String; 0]);
}
