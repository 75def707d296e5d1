//! `jetlag conform` on a `jetlag serve`: the wire adds and loses nothing, and confirms nothing.

use std::fs;
use std::process::Command;

use crate::process::Serve;

const SCENARIO: &str = "\
title: what an account is told of, twice
unconfirmed: blessed from the simulator

stream S subjects=s
c: publish s \"a\"
request $JS.API.STREAM.NAMES
----
ok
0s c: stored stream-seq=1
{\"limit\":1024,\"offset\":0,\"streams\":[\"S\"],\"total\":1,\"type\":\"io.nats.jetstream.api.v1.stream_names_response\"}
";

#[test]
fn replays_agree_side_by_side_and_confirm_nothing() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    for name in ["a.scn", "b.scn", "c.scn"] {
        fs::write(folder.path().join(name), SCENARIO).expect("a file can be written");
    }
    let serve = Serve::start(&[]);
    let url = serve.said["url"].as_str().expect("a URL");
    for _ in 0..2 {
        let output = Command::new(env!("CARGO_BIN_EXE_jetlag"))
            .args(["conform", "--server", url, "."])
            .current_dir(folder.path())
            .output()
            .expect("jetlag can be started");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(told.contains("3 agree"), "{told}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("a.scn")).expect("it is there"), SCENARIO);
}
