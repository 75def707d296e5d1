//! Scenario files on a real server, from path to verdict.

use std::fs;

use jetlag_conform::{
    ConformOptions, Conformed, Counts, Requester, Server, ServerOptions, ServerProcess, Verdict, confirm, conform, find, server_version,
};
use jetlag_model::{Duration, ServerVersion};
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
    let options = ConformOptions::new(vec![server.clone()]);
    let report = conform(&[folder.path().to_owned()], &options, |progress| told.push((progress.done, progress.all))).unwrap();
    let each: Vec<_> = (1..=files.len()).map(|done| (done, files.len())).collect();
    assert_eq!(told, each, "each is told once");
    report.files.into_iter().map(|file| file.result.unwrap()).collect()
}

fn verdict(server: &Server, text: &str) -> Verdict {
    on(server, &[("x.scn", text)]).remove(0).cells.remove(0).verdict
}

#[test]
fn files_are_replayed_each_as_if_it_were_alone() {
    let Some(binary) = find::for_tests() else { return };
    let server = Server::Binary(binary);
    let files = on(&server, &[("1.scn", REDELIVERED), ("2.scn", REDELIVERED), ("3.scn", RESTARTED), ("4.scn", SILENT)]);
    let verdicts: Vec<_> = files.iter().map(|file| (&file.cells[0].verdict, file.confirms())).collect();
    let agree = &Verdict::Agree;
    assert_eq!(verdicts, [(agree, true), (agree, true), (agree, false), (agree, false)]);
    let second = Duration::from_secs(1);
    let pace = |file: &Conformed| file.cells[0].ratio.unwrap().of(second);
    // How fast depends on how late the machine is; `plan.rs` knows what it is on one that is not.
    assert!(pace(&files[0]) >= Duration::from_millis(5) && pace(&files[0]) < second, "{}", pace(&files[0]));
    assert_eq!(pace(&files[2]), second, "a restart is played at its own pace");
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
    for (text, reason) in [
        (other_version, "it is about servers <2.0.0"),
        (lost, "only nothing and what it had not written"),
        (declared, "conform: no - it is random"),
    ] {
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
        assert_eq!(file.cells[0].verdict, Verdict::Agree);
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
    let options = ConformOptions::new(vec![Server::Binary(binary)]);
    let empty = conform(&[folder.path().to_owned()], &options, |_| panic!("there is nothing to tell")).unwrap();
    assert_eq!(empty.counts(), Counts::default());
    fs::write(folder.path().join("bad.scn"), "title: t\n\nstraem S\n----\nok\n").unwrap();
    let report = conform(&[folder.path().to_owned()], &options, |_| {}).unwrap();
    assert_eq!(report.counts(), Counts { unreadable: 1, ..Counts::default() });
    let missing = conform(&[folder.path().join("missing")], &options, |_| {}).unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
    let no_server = ConformOptions::new(vec![Server::Binary("/bin/echo".into())]);
    let error = conform(&[folder.path().to_owned()], &no_server, |_| {}).unwrap_err();
    assert!(error.to_string().contains("nats-server binary itself"), "{error}");
}

#[test]
fn one_file_on_several_servers_and_a_simulator_that_plays_another_version() {
    let Some(binary) = find::for_tests() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::Binary(binary);
    let version = server_version(&server).unwrap();
    let known = "title: t\ndiffers: >=2.0.0 - #1 it is not so\n\nstream S subjects=s\n----\nok\n";
    for (name, text) in [("1.scn", REDELIVERED), ("2.scn", known)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let report = conform(&[folder.path().to_owned()], &ConformOptions::new(vec![server.clone(), server.clone()]), |_| {}).unwrap();
    assert_eq!(report.versions, [version, version]);
    assert_eq!(report.counts(), Counts { agree: 2, closed: 2, ..Counts::default() }, "a known difference that is none is told");
    assert_eq!(report.counts_on(1), Counts { agree: 1, closed: 1, ..Counts::default() });

    // The rule that separates the two is named in the core: NoWaitEndsWith404.
    fs::remove_file(folder.path().join("2.scn")).unwrap();
    let ends = |known: &str| {
        format!(
            "title: t\n{known}\nstream S subjects=s\nconsumer S/C ack-policy=explicit\n(p: publish s \"a\")\nw1: fetch S/C batch=2 no-wait\n----\n\
             ok\n0s w1: got s \"a\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1\n\
             0s w1: status 404 \"No Messages\" pull=p1\n---- server<2.11.0: the status was another\n\
             ok\n0s w1: got s \"a\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1\n\
             0s w1: status 408 \"Request Timeout\" pending-messages=1 pending-bytes=0 pull=p1\n"
        )
    };
    let mut options = ConformOptions::new(vec![server]);
    for (plays, header, counts) in [
        (None, "", Counts { agree: 2, ..Counts::default() }),
        (Some(ServerVersion::new(2, 10, 26)), "", Counts { agree: 1, separated: 1, ..Counts::default() }),
    ] {
        fs::write(folder.path().join("3.scn"), ends(header)).unwrap();
        options.as_version = plays;
        let report = conform(&[folder.path().to_owned()], &options, |_| {}).unwrap();
        assert_eq!(report.counts(), counts, "{plays:?} {header}: {:#?}", report.files[1]);
        if plays.is_some() {
            let cells = &report.files[1].result.as_ref().unwrap().cells;
            assert_eq!(cells[0].verdict, Verdict::Separated(vec!["no-wait-ends-with-404"]));
        }
    }
}
