//! Processes of a real server: what they keep, what they leave behind, and what is said when there is none.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jetlag_conform::{ConnectionError, Requester, ServerError, ServerOptions, ServerProcess, find};
use jetlag_wire::ConnectOptions;

const SOON: Duration = Duration::from_secs(5);

fn ask(server: &ServerProcess, subject: &str, payload: &str) -> serde_json::Value {
    let mut requester = Requester::open(server.addr(), &ConnectOptions::default()).unwrap();
    serde_json::from_slice(&requester.request(subject, payload, SOON).unwrap().payload).unwrap()
}

fn is_alive(pid: u32) -> bool {
    Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "{what} did not come about");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn data_and_port_outlive_stop_and_kill() {
    let Some(binary) = find::for_tests() else { return };
    let mut server = ServerProcess::start(&binary, ServerOptions::default()).unwrap();
    assert!(server.is_running() && server.info().jetstream);
    assert_eq!(server.version(), find::version_of(&binary).unwrap());
    let (addr, first_pid) = (server.addr(), server.pid().unwrap());
    assert!(ask(&server, "$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#)["error"].is_null());
    assert_eq!(ask(&server, "s", "1")["seq"], 1);

    server.kill();
    assert!(!server.is_running() && server.pid().is_none() && !is_alive(first_pid));
    let refused = Requester::open(addr, &ConnectOptions::default()).unwrap_err();
    assert_eq!(refused, ConnectionError::Refused { addr });
    server.restart().unwrap();
    assert_eq!((server.addr(), ask(&server, "s", "2")["seq"].as_u64()), (addr, Some(2)));

    server.stop().unwrap();
    assert!(!server.is_running());
    assert!(server.log().unwrap().contains("Server Exiting"), "a stop is graceful");
    server.stop().unwrap();
    server.kill();
    server.restart().unwrap();
    assert_eq!((server.addr(), ask(&server, "s", "3")["seq"].as_u64()), (addr, Some(3)));

    let third_pid = server.pid().unwrap();
    server.restart().unwrap();
    assert!(!is_alive(third_pid), "a restart stops what runs");
    assert_eq!((server.addr(), ask(&server, "s", "4")["seq"].as_u64()), (addr, Some(4)));
    assert_eq!(server.log().unwrap().matches("Server Exiting").count(), 2);
}

#[test]
fn dropped_nothing_is_left() {
    let Some(binary) = find::for_tests() else { return };
    let server = ServerProcess::start(&binary, ServerOptions::default()).unwrap();
    let (pid, folder) = (server.pid().unwrap(), server.folder().to_owned());
    assert!(is_alive(pid) && folder.join("store").is_dir());
    drop(server);
    assert!(!is_alive(pid) && !folder.exists());
}

#[test]
fn an_end_of_its_own_is_noticed() {
    let Some(binary) = find::for_tests() else { return };
    let mut server = ServerProcess::start(&binary, ServerOptions::default()).unwrap();
    let addr = server.addr();
    assert!(Command::new("kill").args(["-9", &server.pid().unwrap().to_string()]).status().unwrap().success());
    let start = Instant::now();
    while server.is_running() {
        assert!(start.elapsed() < SOON, "the end is not noticed");
        thread::sleep(Duration::from_millis(2));
    }
    server.stop().unwrap();
    server.restart().unwrap();
    assert_eq!(server.addr(), addr);
}

/// Not a test of its own: the program that `a_killed_parent_leaves_nothing` kills.
#[test]
#[ignore = "run by a_killed_parent_leaves_nothing"]
fn parent_to_be_killed() {
    let binary = find::for_tests().expect("a server");
    let server = ServerProcess::start(&binary, ServerOptions::default()).unwrap();
    println!("\nserver {} {}", server.pid().unwrap(), server.folder().display());
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_parent_leaves_nothing() {
    let Some(binary) = find::for_tests() else { return };
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "parent_to_be_killed", "--nocapture"])
        .env(find::VARIABLE, binary)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.into_iter().find(|line| line.starts_with("server ")).unwrap();
    let (pid, folder) = line.strip_prefix("server ").unwrap().split_once(' ').unwrap();
    let (pid, folder) = (pid.parse().unwrap(), Path::new(folder));
    assert!(is_alive(pid) && folder.is_dir());
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the end of the server", || !is_alive(pid));
    wait_until("the end of its folder", || !folder.exists());
}

#[test]
fn a_program_that_is_no_server_is_told() {
    let error = ServerProcess::start(Path::new("/bin/echo"), ServerOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ServerError::Ended { .. }), "{text}");
    assert!(text.starts_with("/bin/echo ended with exit status: 0 before it was ready; is it a nats-server, and is its configuration right? its log ends:\n-c "), "{text}");

    let error = ServerProcess::start(Path::new("/no/such/nats-server"), ServerOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("/no/such/nats-server ended with exit status: 127") && text.contains("not found"), "{text}");
}

#[test]
fn a_program_that_never_gets_ready_is_given_up_and_killed() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("dawdler");
    // Written by another process: a file that this one has open for writing could not be run.
    let made = Command::new("sh")
        .args(["-c", r#"printf '#!/bin/sh\necho $$\nexec sleep 60\n' >"$0" && chmod +x "$0""#])
        .arg(&script)
        .status()
        .unwrap();
    assert!(made.success());
    let options = ServerOptions { start_timeout: Duration::from_millis(300), ..ServerOptions::default() };
    let error = ServerProcess::start(&script, options).unwrap_err();
    let text = error.to_string();
    let ServerError::NotReady { log, .. } = error else { panic!("{text}") };
    assert!(text.contains("was not ready within 300ms: it has not named its port"), "{text}");
    let pid = log.lines().last().unwrap().parse().unwrap();
    assert!(!is_alive(pid));
}

#[test]
fn a_port_in_use_is_told() {
    let Some(binary) = find::for_tests() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = ServerOptions { port: Some(port), ..ServerOptions::default() };
    let error = ServerProcess::start(&binary, options.clone()).unwrap_err();
    assert!(matches!(error, ServerError::PortInUse { port: told } if told == port), "{error}");
    drop(taken);
    assert_eq!(ServerProcess::start(&binary, options).unwrap().addr().port(), port);
}

#[test]
fn a_restart_waits_for_a_port_that_was_lent() {
    let Some(binary) = find::for_tests() else { return };
    let mut server = ServerProcess::start(&binary, ServerOptions::default()).unwrap();
    server.stop().unwrap();
    let taken = TcpListener::bind(server.addr()).unwrap();
    let release = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        drop(taken);
    });
    server.restart().unwrap();
    release.join().unwrap();
    assert!(server.is_running());
}

#[test]
fn a_configuration_is_in_force() {
    let Some(binary) = find::for_tests() else { return };
    let config = "max_payload: 4096\njetstream { sync_interval: always }\nauthorization { user: a, password: b }".to_owned();
    let refused = ServerProcess::start(&binary, ServerOptions { config: config.clone(), ..ServerOptions::default() }).unwrap_err();
    assert!(matches!(&refused, ServerError::Refused { reason, .. } if reason == "Authorization Violation"), "{refused}");

    let connect = ConnectOptions { user: Some("a".into()), pass: Some("b".into()), ..ConnectOptions::default() };
    let server = ServerProcess::start(&binary, ServerOptions { config, connect, ..ServerOptions::default() }).unwrap();
    assert_eq!(server.info().max_payload, 4096);
    assert!(server.folder().join("store/jetstream").is_dir(), "the store stays in its folder");

    let broken = ServerOptions { config: "max_payload: {".to_owned(), ..ServerOptions::default() };
    let error = ServerProcess::start(&binary, broken).unwrap_err();
    assert!(matches!(&error, ServerError::Ended { log, .. } if log.contains("Parse error")), "{error}");
}
