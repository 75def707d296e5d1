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

/// A folder with a program that says it is this version of nats-server, and nothing more.
fn folder_with_a_server(version: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a directory can be made");
    let program = folder.path().join("nats-server");
    std::fs::write(&program, format!("#!/bin/sh\necho 'nats-server: v{version}'\n")).expect("a file can be written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    folder
}

#[test]
fn a_server_from_a_folder_is_used_only_if_it_is_what_it_should_be() {
    let cache = tempfile::tempdir().expect("a directory can be made");
    let fetch = |version: &str| {
        let from = folder_with_a_server(version);
        let output = Command::new(env!("CARGO_BIN_EXE_jetlag"))
            .args(["nats-server", "fetch", "--from", from.path().to_str().expect("a path of text"), version])
            .env("XDG_CACHE_HOME", cache.path())
            .output()
            .expect("jetlag can be started");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("jetlag writes UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let binary = cache.path().join("jetlag/nats-server/9.8.7/nats-server");
    let (code, out, err) = fetch("9.8.7");
    assert_eq!((code, out), (Some(0), format!("9.8.7  {}\n", binary.display())), "{err}");
    assert!(err.starts_with("nats-server 9.8.7 is taken on trust: its checksum for "), "{err}");
    let (code, out, err) = fetch("2.15.1");
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    // The table has the platforms that servers are packaged for.
    assert!(err.contains("is refused: its SHA-256 is ") && err.contains("not kept"), "{err}");
    assert!(!cache.path().join("jetlag/nats-server/2.15.1").exists());
}

#[test]
fn the_library_is_in_its_canonical_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (code, out, err) = jetlag(&root, &["fmt", "--check", "scenarios"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "not canonical; `jetlag fmt scenarios` makes it so:\n{out}");
}

#[test]
fn metrics_of_each_run_are_written_as_prometheus_text() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let scratch = tempfile::tempdir().expect("a directory can be made");
    let file = scratch.path().join("metrics.txt");
    let (first, second) = ("scenarios/s3/limit-1-by-nak.scn", "scenarios/tracking/forgetful-handler-is-caught.scn");
    let (code, _, err) = jetlag(&directory, &["run", first, second, "--metrics", file.to_str().expect("a path of text")]);
    assert_eq!(code, Some(0), "{err}");
    let text = std::fs::read_to_string(&file).expect("it was written");
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends so: {text}");
    for scenario in [first, second] {
        let of = format!("scenario=\"{scenario}\"");
        let deliveries = text.lines().filter(|line| line.starts_with("jetlag_deliveries_total{") && line.contains(&of));
        let counts: Vec<u64> = deliveries.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        assert!(!counts.is_empty() && counts.iter().all(|count| *count > 0), "{scenario}: {text}");
    }
    assert_eq!(text.matches("# TYPE jetlag_deliveries counter\n").count(), 1, "one family for all scenarios");
    let (code, _, err) = jetlag(&directory, &["run", first, "--metrics", "no/such/directory/metrics.txt"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("no/such/directory/metrics.txt can not be written"), "{err}");
}
