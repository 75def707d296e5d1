//! Does `conform` see what a server does differently? A proxy tampers with what a real server says, so that it is known what is wrong.

mod proxy;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use jetlag_conform::{ConformOptions, Difference, Programs, Server, ServerOptions, ServerProcess, Verdict, conform, find};
use jetlag_scenario::Scenario;
use proxy::{Frame, Proxy, Tamper};

/// Two messages come, come again together, and use up their deliveries.
const SCENARIO: &str = "\
title: two messages come again and use up their deliveries

stream ORDERS subjects=orders.>
consumer ORDERS/WORK ack-policy=explicit ack-wait=30s max-deliver=2
adv: subscribe $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>
(producer: publish orders.1 \"a\" count=2)
w1: fetch ORDERS/WORK batch=5 expires=10m
----
ok
0s w1: got orders.1 \"a\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=1 pull=p1
0s w1: got orders.1 \"a\" stream-seq=2 consumer-seq=2 delivery-count=1 num-pending=0 pull=p1

advance 1m
info ORDERS/WORK
----
30s w1: got orders.1 \"a\" stream-seq=1 consumer-seq=3 delivery-count=2 num-pending=0 pull=p1
30s w1: got orders.1 \"a\" stream-seq=2 consumer-seq=4 delivery-count=2 num-pending=0 pull=p1
1m adv: advisory max_deliver ORDERS/WORK stream-seq=1 deliveries=2
1m adv: advisory max_deliver ORDERS/WORK stream-seq=2 deliveries=2
ORDERS/WORK delivered=4/2 ack-floor=0/0 num-ack-pending=0 num-redelivered=2 num-pending=0 num-waiting=1
";

/// What `conform` says of the scenario when a server is tampered with, and how many frames came by.
///
/// `tamper` makes one tamperer a connection, and is handed where to count how often it acted. It has to act at least once a replay.
fn through(tamper: impl Fn(Arc<AtomicUsize>) -> Tamper + Send + 'static) -> Option<Verdict> {
    let binary = find::for_tests()?;
    let process = ServerProcess::start(&binary, ServerOptions::default()).unwrap();
    let acted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&acted);
    let proxy = Proxy::start(process.addr(), move || tamper(Arc::clone(&counter)));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.scn"), SCENARIO).unwrap();
    let options = ConformOptions::new(vec![Server::Running(proxy.url().parse().unwrap())]);
    let report = conform(&[folder.path().to_owned()], &options, |_| {}).unwrap();
    let cell = report.files[0].result.as_ref().unwrap().cells[0].clone();
    assert!(proxy.frames.load(Ordering::SeqCst) > 0, "it went through the proxy");
    assert!(acted.load(Ordering::SeqCst) >= cell.replays as usize, "{:?} after {} replays", acted, cell.replays);
    Some(cell.verdict)
}

/// The rows that differ, the simulator's and the server's.
fn different_rows(difference: &Difference) -> Vec<(&str, &str)> {
    let rows = difference.rows(20).into_iter().filter(|row| !row.agrees());
    rows.map(|row| (row.simulator.unwrap_or("-"), row.server.unwrap_or("-"))).collect()
}

fn differs(verdict: &Verdict) -> Vec<(&str, &str)> {
    match verdict {
        Verdict::Differ(difference) => different_rows(difference),
        other => panic!("{other:?}"),
    }
}

fn is_redelivery(frame: &Frame) -> bool {
    frame.delivery_count() == Some(2)
}

#[test]
fn an_honest_proxy_changes_nothing() {
    let honest = |acted: Arc<AtomicUsize>| -> Tamper {
        Box::new(move |frame| {
            acted.fetch_add(1, Ordering::SeqCst);
            vec![frame]
        })
    };
    let Some(verdict) = through(honest) else { return };
    assert_eq!(verdict, Verdict::Agree);
}

#[test]
fn a_delivery_count_that_is_one_too_high_is_seen() {
    let one_more = |acted: Arc<AtomicUsize>| -> Tamper {
        Box::new(move |frame| match is_redelivery(&frame) {
            true => {
                acted.fetch_add(1, Ordering::SeqCst);
                vec![frame.with_delivery_count(3)]
            }
            false => vec![frame],
        })
    };
    let Some(verdict) = through(one_more) else { return };
    let got = |seq, count| {
        format!("30s w1: got orders.1 \"a\" stream-seq={seq} consumer-seq={} delivery-count={count} num-pending=0 pull=p1", seq + 2)
    };
    let expected = [(got(1, 2), got(1, 3)), (got(2, 2), got(2, 3))];
    let expected: Vec<_> = expected.iter().map(|(simulator, server)| (simulator.as_str(), server.as_str())).collect();
    assert_eq!(differs(&verdict), expected);
}

/// The commands that a lie takes to be told are what is left of a random program that met it.
#[test]
fn a_random_program_that_meets_a_lie_is_made_small() {
    let Some(binary) = find::for_tests() else { return };
    let process = ServerProcess::start(&binary, ServerOptions::default()).unwrap();
    let lie = |frame: Frame| if frame.delivery_count() == Some(1) { frame.with_delivery_count(7) } else { frame };
    let proxy = Proxy::start(process.addr(), move || Box::new(move |frame| vec![lie(frame)]));
    let options = ConformOptions::new(vec![Server::Running(proxy.url().parse().unwrap())]);
    let programs = Programs::new(&options).unwrap();
    let mut played = Vec::new();
    programs.play(0..4, |it| played.push(it));
    played.sort_by_key(|it| it.seed);
    assert_eq!(played.iter().map(|it| it.seed).collect::<Vec<_>>(), [0, 1, 2, 3], "each is told once");
    let different = played.iter().filter(|it| matches!(it.cell.verdict, Verdict::Differ(_)));
    let first = different.min_by_key(|it| it.cell.took).expect("some program fetches something");
    let commands = |scenario: &Scenario| scenario.blocks.iter().flat_map(|block| &block.steps).map(ToString::to_string).collect::<Vec<_>>();
    let unshrunk = programs.smallest(first, 0, |_| {}).unwrap();
    assert_eq!((commands(&unshrunk.scenario), unshrunk.tried, unshrunk.stopped), (commands(&first.scenario), 0, true));
    let smallest = programs.smallest(first, 300, |_| {}).unwrap();
    let left = commands(&smallest.scenario);
    assert!(left.len() <= 4 && !smallest.stopped, "{left:#?} after {}", smallest.tried);
    assert!(smallest.difference.server.iter().any(|line| line.contains("delivery-count=7")), "{:?}", smallest.difference);
    assert!(programs.differs_too(&smallest, first));
}

#[test]
fn an_advisory_that_does_not_come_is_seen() {
    let swallow = |acted: Arc<AtomicUsize>| -> Tamper {
        let mut swallowed = false;
        Box::new(move |frame| {
            let is_advisory = frame.subject().is_some_and(|subject| subject.starts_with("$JS.EVENT.ADVISORY."));
            if is_advisory && !swallowed {
                swallowed = true;
                acted.fetch_add(1, Ordering::SeqCst);
                return vec![];
            }
            vec![frame]
        })
    };
    let Some(verdict) = through(swallow) else { return };
    let rows = differs(&verdict);
    let line = "1m adv: advisory max_deliver ORDERS/WORK stream-seq=1 deliveries=2";
    assert_eq!(rows.first().map(|(simulator, _)| *simulator), Some(line), "{rows:?}");
}

#[test]
fn two_redeliveries_that_are_swapped_are_seen() {
    let swap = |acted: Arc<AtomicUsize>| -> Tamper {
        let mut held = None;
        Box::new(move |frame| {
            if !is_redelivery(&frame) {
                return vec![frame];
            }
            match held.take() {
                None => {
                    held = Some(frame);
                    vec![]
                }
                Some(first) => {
                    acted.fetch_add(1, Ordering::SeqCst);
                    vec![frame, first]
                }
            }
        })
    };
    let Some(verdict) = through(swap) else { return };
    let rows = differs(&verdict);
    let sequences: Vec<(bool, bool)> =
        rows.iter().map(|(simulator, server)| (simulator.contains("stream-seq=1 "), server.contains("stream-seq=1 "))).collect();
    assert_eq!(sequences, [(true, false), (false, true)], "{rows:?}");
}

#[test]
fn a_redelivery_that_is_60_ms_late_is_no_difference() {
    let delay = |acted: Arc<AtomicUsize>| -> Tamper {
        let mut delayed = false;
        Box::new(move |frame| {
            if is_redelivery(&frame) && !delayed {
                delayed = true;
                acted.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(60));
            }
            vec![frame]
        })
    };
    let Some(verdict) = through(delay) else { return };
    assert_eq!(verdict, Verdict::Agree);
}
