//! The command as people use it: what is typed, what is printed, the exit code, and the files afterwards.

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn what_is_typed_gives_what_is_printed() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("tests/cmd/*.trycmd");
}

/// Runs the command in a directory and gives its exit code, standard output and standard error.
fn jetlag(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_jetlag")).args(arguments).current_dir(directory).output().expect("jetlag can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("jetlag writes UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn traces_are_the_same_bytes_whatever_the_threads() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/run.in");
    let scratch = tempfile::tempdir().expect("a directory can be made");
    let trace = |name: &str, jobs: &str| {
        let below = scratch.path().join(name);
        let arguments = ["run", "--jobs", jobs, "--trace", below.to_str().expect("a path of text")];
        let (code, out, _) = jetlag(&directory, &arguments);
        assert_eq!((code, out.as_str()), (Some(0), ""), "people read standard error");
        std::fs::read(below.join("scenarios/lost-ack.jsonl")).expect("a trace was written")
    };
    let first = trace("a", "1");
    assert_eq!(trace("b", "2"), first);
    let header = String::from_utf8_lossy(&first).lines().next().map(str::to_owned).unwrap_or_default();
    assert!(header.contains("\"title\":\"a lost ack brings the message back\",\"seed\":\"1\""), "{header}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/run.in");
    let mut child = Command::new(env!("CARGO_BIN_EXE_jetlag"))
        .args(["run", "--format", "json"])
        .current_dir(&directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("jetlag can be started");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
