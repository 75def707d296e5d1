//! JUnit's XML as other programs read it.

use std::path::Path;
use std::process::Command;

fn junit(below: &str, path: &str) -> (Option<i32>, String) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd").join(below);
    let output = Command::new(env!("CARGO_BIN_EXE_jetlag")).args(["run", path, "--format", "junit"]).current_dir(directory).output();
    let output = output.expect("jetlag can be started");
    (output.status.code(), String::from_utf8(output.stdout).expect("jetlag writes UTF-8"))
}

#[test]
fn one_case_a_scenario() {
    let (code, xml) = junit("run.in", "scenarios");
    assert_eq!(code, Some(0), "{xml}");
    let report = quick_junit::Report::deserialize_from_str(&xml).expect("it is JUnit");
    assert_eq!((report.tests, report.failures, report.errors), (3, 0, 0));
    let names: Vec<_> = report.test_suites.iter().flat_map(|suite| &suite.test_cases).map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["lost-ack", "other-version", "unconfirmed"]);
    assert!(xml.contains("<skipped message=\"it is not about this version of the server\"/>"), "{xml}");
    assert!(xml.contains("<property name=\"ids\" value=\"S1b,R1\"/>") && xml.contains("file=\"scenarios/lost-ack.scn\""), "{xml}");
}

#[test]
fn failures_and_unreadable_files_are_told() {
    let (code, xml) = junit("fail.in", "fail.scn");
    assert_eq!(code, Some(1), "{xml}");
    let report = quick_junit::Report::deserialize_from_str(&xml).expect("it is JUnit");
    assert!(report.failures > 0 && report.errors == 0, "{xml}");
    assert!(xml.contains("expected:") && xml.contains("got:"), "{xml}");
    let (code, xml) = junit("bad.in", "words.scn");
    assert_eq!(code, Some(2), "{xml}");
    let report = quick_junit::Report::deserialize_from_str(&xml).expect("it is JUnit");
    assert!(report.errors > 0 && xml.contains("type=\"unreadable\""), "{xml}");
}
