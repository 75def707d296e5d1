//! S1, S2 and S3 whole: a world is made, the scenario runs in it with its trace kept, and the world is dropped.

use criterion::Criterion;
use jetlag_fault::{CrossingKind, Effect, Match, Occurrence, Rule, When};
use jetlag_model::{AckPolicy, ConsumerConfig, Duration, StorageType, StreamConfig, Time};
use jetlag_sim::{Action, Delivery, Simulated, WorkerOptions, World, WorldError};
use jetlag_trace::Kind;

const SECOND: Duration = Duration::from_secs(1);

/// What is left of a run to look at.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    end: Time,
    deliveries: usize,
    advisories: usize,
    num_ack_pending: u64,
}

pub(crate) fn define(c: &mut Criterion) {
    let seconds = |count| Time::START + SECOND * count;
    for (name, run, expected) in [
        ("world/setup/stream-and-consumer", setup as fn() -> Result<Ran, WorldError>, (Time::START, 0, 0)),
        ("world/s1/two-acks-lost", s1, (seconds(2), 3, 0)),
        ("world/s2/backoff-of-three-steps", s2, (seconds(7), 4, 0)),
        ("world/s3/three-poison-of-ten", s3, (seconds(3), 16, 3)),
    ] {
        let (end, deliveries, advisories) = expected;
        c.bench_function(name, |b| {
            b.iter(|| {
                let ran = run().expect("the scenario makes no mistake");
                assert_eq!(ran, Ran { end, deliveries, advisories, num_ack_pending: 0 });
            });
        });
    }
}

/// A world with the stream ORDERS and the consumer WORK.
fn world(config: ConsumerConfig) -> Result<World<Simulated>, WorldError> {
    let mut world = World::new(Simulated::new());
    let (name, subjects) = ("ORDERS".to_owned(), vec!["orders.>".to_owned()]);
    world.create_stream(&StreamConfig { name, subjects, storage: StorageType::Memory, ..StreamConfig::default() })?;
    let durable_name = "WORK".to_owned();
    world.create_consumer("ORDERS", &ConsumerConfig { durable_name, ack_policy: AckPolicy::Explicit, ..config })?;
    Ok(world)
}

/// Lets the world come to rest, and looks at it.
fn finish(mut world: World<Simulated>) -> Result<Ran, WorldError> {
    let end = world.settle()?;
    let info = world.consumer_info("ORDERS", "WORK")?;
    Ok(Ran {
        end,
        deliveries: world.deliveries().len(),
        advisories: world.trace().records().iter().filter(|record| record.kind == Kind::Advisory).count(),
        num_ack_pending: info["num_ack_pending"].as_u64().unwrap_or(u64::MAX),
    })
}

/// What the others have in common.
fn setup() -> Result<Ran, WorldError> {
    finish(world(ConsumerConfig::default())?)
}

/// The acknowledgements of the first two deliveries get lost.
fn s1() -> Result<Ran, WorldError> {
    let mut world = world(ConsumerConfig { ack_wait: SECOND, max_deliver: 5, ..ConsumerConfig::default() })?;
    let matcher = Match { kind: Some(CrossingKind::Ack), ..Match::default() };
    let when = When { occurrence: Some(Occurrence::First(2)), ..When::default() };
    world.add_rule(Rule { id: "lost-acks".into(), matcher, when, effect: Effect::Drop })?;
    world.client("w1")?.work("ORDERS", "WORK", WorkerOptions::default(), |_: &Delivery| Action::ack())?;
    world.client("producer")?.publish("orders.1", [7; 16])?;
    finish(world)
}

/// Work takes too long three times, under a backoff of 1 s, 2 s, 4 s; the fourth time it is done at once.
fn s2() -> Result<Ran, WorldError> {
    let backoff = vec![SECOND, SECOND * 2, SECOND * 4];
    let mut world = world(ConsumerConfig { backoff, max_deliver: 4, ..ConsumerConfig::default() })?;
    let handler = |delivery: &Delivery| if delivery.delivery_count().0 < 4 { Action::ignore() } else { Action::ack() };
    world.client("w1")?.work("ORDERS", "WORK", WorkerOptions::default(), handler)?;
    world.client("producer")?.publish("orders.1", [7; 16])?;
    finish(world)
}

/// Of ten messages three are poison: nobody ever acknowledges them, and after three deliveries an advisory says so.
fn s3() -> Result<Ran, WorldError> {
    let mut world = world(ConsumerConfig { ack_wait: SECOND, max_deliver: 3, ..ConsumerConfig::default() })?;
    world.client("ops")?.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>")?;
    let handler = |delivery: &Delivery| if &*delivery.subject == "orders.poison" { Action::ignore() } else { Action::ack() };
    world.client("w1")?.work("ORDERS", "WORK", WorkerOptions::default(), handler)?;
    for number in 1..=10 {
        let subject = if number % 4 == 2 { "orders.poison" } else { "orders.good" };
        world.client("producer")?.publish(subject, [7; 16])?;
    }
    finish(world)
}
