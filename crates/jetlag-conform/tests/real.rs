//! A world on a real server: the same clients, workers and faults as in simulated time.

use jetlag_conform::{RealServer, find};
use jetlag_core::{Lost, LostTail};
use jetlag_fault::{CrossingKind, Effect, Match, Rule, When};
use jetlag_model::{AckPolicy, ConsumerConfig, Duration, StreamConfig};
use jetlag_sim::{BackendError, Publication, World, WorldError};

fn world() -> Option<World<RealServer>> {
    find::for_tests().map(|binary| World::new(RealServer::start(&binary).unwrap()))
}

fn stream_and_consumer(world: &mut World<RealServer>, ack_wait: i64) {
    let stream = StreamConfig { name: "ORDERS".into(), subjects: vec!["orders.>".into()], ..StreamConfig::default() };
    world.create_stream(&stream).unwrap();
    let consumer = ConsumerConfig {
        durable_name: "WORK".into(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_millis(ack_wait),
        ..ConsumerConfig::default()
    };
    world.create_consumer("ORDERS", &consumer).unwrap();
}

fn lines(world: &World<RealServer>) -> Vec<String> {
    let without_time = |line: String| line.split_once(' ').map_or(line.clone(), |(_, rest)| rest.to_owned());
    world.trace().lines().map(without_time).collect()
}

#[test]
fn an_ack_lost_on_the_wire_brings_the_message_back() {
    let Some(mut world) = world() else { return };
    stream_and_consumer(&mut world, 200);
    let published = world.client("producer").unwrap().publish("orders.1", "a").unwrap();
    assert!(matches!(published, Publication::Stored(_)), "{published:?}");
    let matcher = Match { kind: Some(CrossingKind::Ack), ..Match::default() };
    world.add_rule(Rule { id: "lost-ack".into(), matcher, when: When::default(), effect: Effect::Drop }).unwrap();
    let mut w1 = world.client("w1").unwrap();
    w1.fetch("ORDERS", "WORK", 1).unwrap();
    world.advance(Duration::from_millis(50)).unwrap();
    let mut w1 = world.client("w1").unwrap();
    w1.ack(1).unwrap();
    w1.fetch("ORDERS", "WORK", 1).unwrap();
    world.advance(Duration::from_millis(250)).unwrap();

    let deliveries: Vec<_> = world.deliveries().iter().map(|got| (got.at, got.delivery_count().0)).collect();
    let [(first, 1), (second, 2)] = deliveries[..] else { panic!("{deliveries:?}") };
    let waited = second.since(first);
    assert!((Duration::from_millis(195)..Duration::from_millis(250)).contains(&waited), "redelivered after {waited}");
    assert_eq!(
        lines(&world),
        [
            "producer: stored stream-seq=1",
            "w1: got orders.1 \"a\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1",
            "w1: ack ORDERS/WORK:1 lost by=lost-ack",
            "w1: got orders.1 \"a\" stream-seq=1 consumer-seq=2 delivery-count=2 num-pending=0 pull=p2",
        ]
    );
    world.client("w1").unwrap().ack(1).unwrap();
    world.backend_mut().barrier().unwrap();
    let info = world.consumer_info("ORDERS", "WORK").unwrap();
    assert_eq!(info["num_ack_pending"], 0, "after a barrier an info is not stale: {info}");
}

#[test]
fn a_restart_ends_pulls_and_keeps_messages() {
    let Some(mut world) = world() else { return };
    stream_and_consumer(&mut world, 60_000);
    world.client("w1").unwrap().fetch("ORDERS", "WORK", 1).unwrap();
    world.backend_mut().barrier().unwrap();
    world.restart(Duration::from_millis(30)).unwrap();
    assert!(!world.is_up());
    world.advance(Duration::from_millis(200)).unwrap();
    assert!(world.is_up());
    let published = world.client("w1").unwrap().publish("orders.1", "a").unwrap();
    assert!(matches!(published, Publication::Stored(_)), "{published:?}");
    assert_eq!(
        lines(&world),
        [
            "server down",
            "w1: status 409 \"Server Shutdown\" pending-messages=1 pending-bytes=0 pull=p1",
            "w1: disconnected",
            "server up",
            "w1: connected",
            "w1: stored stream-seq=1",
        ]
    );
}

#[test]
fn which_tail_is_lost_can_not_be_chosen() {
    let Some(mut world) = world() else { return };
    stream_and_consumer(&mut world, 60_000);
    world.client("w1").unwrap().publish("orders.1", "a").unwrap();
    let error = world.kill(Duration::from_millis(30), Lost::All.into()).unwrap_err();
    assert!(error.to_string().contains("which tail of its storage it loses"), "{error}");
}

#[test]
fn a_killed_server_comes_back_with_its_messages() {
    let Some(mut world) = world() else { return };
    stream_and_consumer(&mut world, 60_000);
    world.client("w1").unwrap().publish("orders.1", "a").unwrap();
    world.kill(Duration::from_millis(30), LostTail::default()).unwrap();
    world.advance(Duration::from_millis(200)).unwrap();
    world.client("w1").unwrap().fetch("ORDERS", "WORK", 1).unwrap();
    world.advance(Duration::from_millis(100)).unwrap();
    let expected = [
        "w1: stored stream-seq=1",
        "server down",
        "w1: disconnected",
        "server up",
        "w1: connected",
        "w1: got orders.1 \"a\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1",
    ];
    assert_eq!(lines(&world), expected);
}

#[test]
fn a_server_that_ends_by_itself_ends_the_run() {
    let Some(mut world) = world() else { return };
    world.client("w1").unwrap().subscribe("x").unwrap();
    let pid = world.backend().pid().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    let error = world.advance(Duration::from_secs(5)).unwrap_err();
    assert!(matches!(error, WorldError::Backend(BackendError::Failed(_))), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("closed a connection unasked") && error.contains("its log ends:"), "{error}");
}
