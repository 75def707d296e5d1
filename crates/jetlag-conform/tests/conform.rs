//! Scenario files on a real server, from path to verdict.

use std::fs;
use std::path::PathBuf;

use jetlag_conform::{
    ConformOptions, Conformed, Counts, Requester, Server, ServerOptions, ServerProcess, Verdict, confirm, conform, find, server_version,
};
use jetlag_wire::ConnectOptions;

const REDELIVERED: &str = "\
title: a message that is not acknowledged comes again
unconfirmed: blessed from the simulator

stream ORDERS subjects=orders.>
consumer ORDERS/WORK ack-policy=explicit ack-wait=30s
producer: publish orders.1 \"a\"
w1: fetch ORDERS/WORK
w1: fetch ORDERS/WORK
----
ok
0s producer: stored stream-seq=1
0s w1: got orders.1 \"a\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1

advance 30s
w1: ack WORK:1
info ORDERS/WORK
----
30s w1: got orders.1 \"a\" stream-seq=1 consumer-seq=2 delivery-count=2 num-pending=0 pull=p2
ORDERS/WORK delivered=2/1 ack-floor=2/1 num-ack-pending=0 num-redelivered=0 num-pending=0 num-waiting=0
";

const RESTARTED: &str = "\
title: a message outlives its server

stream ORDERS subjects=orders.>
(producer: publish orders.1 \"a\")
restart downtime=100ms
advance 500ms
info ORDERS
----
ok
0s server down
0s producer: disconnected
100ms server up
100ms producer: connected
ORDERS messages=1 bytes=39 first-seq=1 last-seq=1 consumer-count=0
";

const SILENT: &str = "\
title: a request that nobody answers

client c no-responders=no
c: request nobody.listens
c: request nobody.listens
----
no answer
no answer
";

fn on(server: &Server, files: &[(&str, &str)]) -> Vec<Conformed> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut told = Vec::new();
    let report = conform(&[folder.path().to_owned()], &ConformOptions::new(server.clone()), |file| told.push(file.path.clone())).unwrap();
    let paths: Vec<PathBuf> = report.files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(told, paths, "each is told once, in order");
    report.files.into_iter().map(|file| file.result.unwrap()).collect()
}

fn verdict(server: &Server, text: &str) -> Verdict {
    on(server, &[("x.scn", text)]).remove(0).verdict
}

#[test]
fn files_are_replayed_each_on_a_process_of_its_own() {
    let Some(binary) = find::for_tests() else { return };
    let server = Server::Binary(binary);
    let files = on(&server, &[("1.scn", REDELIVERED), ("2.scn", REDELIVERED), ("3.scn", RESTARTED), ("4.scn", SILENT)]);
    let verdicts: Vec<_> = files.iter().map(|file| (&file.verdict, file.confirms())).collect();
    let agree = &Verdict::Agree;
    assert_eq!(verdicts, [(agree, true), (agree, true), (agree, false), (agree, false)]);
    let paces: Vec<_> = files.iter().map(|file| file.ratio.unwrap().to_string()).collect();
    assert_eq!((paces[0].as_str(), paces[2].as_str()), ("1/200", "1"), "a restart is played at its own pace");
    let confirmed = confirm(REDELIVERED);
    assert_eq!(confirmed, REDELIVERED.replace("unconfirmed: blessed from the simulator\n", ""));
}

#[test]
fn what_can_not_be_asked_is_skipped_with_the_reason() {
    let Some(binary) = find::for_tests() else { return };
    let server = Server::Binary(binary);
    let other_version = "title: t\nserver: <2.0.0\n\nstream S subjects=s\n----\nok\n";
    let lost = "title: t\n\nstream S subjects=s\nkill downtime=1s lost=all\nadvance 1s\n----\nok\n0s server down\n1s server up\n";
    let declared = "title: t\nconform: no - it is random\n\nstream S subjects=s\n----\nok\n";
    for (text, reason) in [(other_version, "it is about servers <2.0.0"), (lost, "lost=nothing"), (declared, "conform: no - it is random")]
    {
        match verdict(&server, text) {
            Verdict::Skipped(found) if found.contains(reason) => {}
            found => panic!("{reason}: {found:?}"),
        }
    }
    let slow = "title: t\n\nadvance 1h\nstream S subjects=s\nconsumer S/C ack-wait=100ms\n----\nok\n";
    match verdict(&server, slow) {
        Verdict::Inconclusive(reason) => assert!(reason.contains("it takes 1h at pace 1, and 20s is the most"), "{reason}"),
        found => panic!("{found:?}"),
    }
}

#[test]
fn a_server_that_someone_else_runs_is_left_as_it_was() {
    let Some(binary) = find::for_tests() else { return };
    let process = ServerProcess::start(&binary, ServerOptions::default()).unwrap();
    let server = Server::Running(process.url().parse().unwrap());
    assert_eq!(server_version(&server).unwrap(), process.version());
    // Twice: the first leaves nothing that would be in the way of the second.
    for file in on(&server, &[("1.scn", REDELIVERED), ("2.scn", REDELIVERED)]) {
        assert_eq!(file.verdict, Verdict::Agree);
    }
    match verdict(&server, RESTARTED) {
        Verdict::Skipped(reason) => assert!(reason.contains("given by URL"), "{reason}"),
        found => panic!("{found:?}"),
    }
    let mut api = Requester::open(process.addr(), &ConnectOptions::default()).unwrap();
    let timeout = std::time::Duration::from_secs(5);
    api.request("$JS.API.STREAM.CREATE.ORDERS", r#"{"name":"ORDERS","subjects":["mine"]}"#, timeout).unwrap();
    match verdict(&server, REDELIVERED) {
        Verdict::Skipped(reason) => assert!(reason.contains("has a stream ORDERS already"), "{reason}"),
        found => panic!("{found:?}"),
    }
    let info = api.request("$JS.API.STREAM.INFO.ORDERS", "", timeout).unwrap();
    assert!(String::from_utf8_lossy(&info.payload).contains("\"mine\""), "what is not ours stays");
}

#[test]
fn what_is_no_scenario_is_told_and_counted() {
    let Some(binary) = find::for_tests() else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = ConformOptions::new(Server::Binary(binary));
    let empty = conform(&[folder.path().to_owned()], &options, |_| panic!("there is nothing to tell")).unwrap();
    assert_eq!(empty.counts(), Counts::default());
    fs::write(folder.path().join("bad.scn"), "title: t\n\nstraem S\n----\nok\n").unwrap();
    let report = conform(&[folder.path().to_owned()], &options, |_| {}).unwrap();
    assert_eq!(report.counts(), Counts { unreadable: 1, ..Counts::default() });
    let missing = conform(&[folder.path().join("missing")], &options, |_| {}).unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
    let no_server = ConformOptions::new(Server::Binary("/bin/echo".into()));
    let error = conform(&[folder.path().to_owned()], &no_server, |_| {}).unwrap_err();
    assert!(error.to_string().contains("nats-server binary itself"), "{error}");
}
