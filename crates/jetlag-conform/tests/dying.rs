//! Servers that die in the middle of a replay: it says nothing, and is made again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jetlag_conform::{Cell, ConformOptions, Server, Verdict, conform, find};

/// Takes two seconds, for a restart is played at its own pace; and gets a process of its own.
const SCENARIO: &str = "\
title: a message outlives its server

stream ORDERS subjects=orders.>
(producer: publish orders.1 \"a\")
advance 2s
restart downtime=100ms
advance 500ms
info ORDERS
----
ok
2s server down
2s producer: disconnected
2.1s server up
2.1s producer: connected
ORDERS messages=1 bytes=39 first-seq=1 last-seq=1 consumer-count=0
";

/// A nats-server that is killed one second after it was ready; only the first `times` of its processes are.
fn dying(server: &Path, folder: &Path, times: usize) -> PathBuf {
    let (path, server, folder) = (folder.join("dying"), server.display(), folder.display());
    let script = format!(
        "#!/bin/sh
        if [ \"$1\" != --version ]; then
            n=1
            while [ $n -le {times} ]; do
                if mkdir '{folder}/start'$n 2>/dev/null; then
                    (while kill -0 $$ && ! ls ports/*.ports; do sleep 0.05; done; sleep 1; kill -s KILL $$) >/dev/null 2>&1 & break
                fi
                n=$((n + 1))
            done
        fi
        exec '{server}' \"$@\"\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn conform_on_dying(times: usize) -> Option<Cell> {
    let server = find::for_tests()?;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.scn"), SCENARIO).unwrap();
    let options = ConformOptions::new(vec![Server::Binary(dying(&server, folder.path(), times))]);
    let mut report = conform(&[folder.path().to_owned()], &options, |_| {}).unwrap();
    Some(report.files.remove(0).result.unwrap().cells.remove(0))
}

#[test]
fn a_server_that_dies_once_does_not_count() {
    // One that accounts are on, and the first one that has the scenario to itself.
    let Some(cell) = conform_on_dying(2) else { return };
    assert_eq!((cell.verdict, cell.replays), (Verdict::Agree, 2));
}

#[test]
fn a_server_that_always_dies_is_told() {
    let Some(cell) = conform_on_dying(100) else { return };
    let Verdict::Inconclusive(reason) = cell.verdict else { panic!("{:?}", cell.verdict) };
    assert!(reason.starts_with("the server closed a connection unasked") && reason.contains("its log ends:\n"), "{reason}");
}
