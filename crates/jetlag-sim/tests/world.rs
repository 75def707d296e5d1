//! The world on the simulated server: order at one instant, faults, workers, errors, and the same bytes twice.

use jetlag_core::LostTail;
use jetlag_fault::{CrossingKind, Effect, Match, Occurrence, Partition, Rule, When};
use jetlag_model::{AckKind, AckPolicy, ConsumerConfig, Duration, Message, PullRequest, StreamConfig, Time};
use jetlag_sim::{
    Action, Backend, ClientOptions, Delivery, DeliveryRef, Plan, Publication, Router, Sent, Simulated, WorkerOptions, World, WorldError,
};
use jetlag_trace::{Key, Kind};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: i64) -> Time {
    Time::START + SECOND * seconds
}

/// A world with stream S and consumer S/C, whose ack_wait is 10 s.
fn world() -> World<Simulated> {
    let mut world = World::new(Simulated::new());
    world.create_stream(&StreamConfig { name: "S".into(), subjects: vec!["s.>".into()], ..StreamConfig::default() }).unwrap();
    let config = ConsumerConfig {
        durable_name: "C".into(),
        name: "C".into(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: SECOND * 10,
        ..ConsumerConfig::default()
    };
    world.create_consumer("S", &config).unwrap();
    world
}

fn rule(id: &str, kind: CrossingKind, effect: Effect) -> Rule {
    Rule { id: id.into(), matcher: Match { kind: Some(kind), ..Match::default() }, when: When::default(), effect }
}

/// What a client got: when, and the delivery count.
fn got(world: &World<Simulated>, client: &str) -> Vec<(Time, u64)> {
    world
        .deliveries()
        .iter()
        .filter(|delivery| &*delivery.client == client)
        .map(|delivery| (delivery.at, delivery.delivery_count().0))
        .collect()
}

fn pull(batch: i64, expires: Duration) -> PullRequest {
    PullRequest { batch, expires, ..PullRequest::default() }
}

#[test]
fn an_ack_that_arrives_at_the_deadline_is_in_time() {
    for (delay, redelivered) in [(SECOND * 10, false), (SECOND * 10 + Duration::from_nanos(1), true)] {
        let mut world = world();
        world.add_rule(rule("late", CrossingKind::Ack, Effect::Delay { min: delay, max: delay })).unwrap();
        world.client("w").unwrap().fetch("S", "C", 2).unwrap();
        world.client("p").unwrap().publish("s.1", "a").unwrap();
        assert_eq!(world.client("w").unwrap().ack(1).unwrap(), Sent::Done);
        world.advance(SECOND * 11).unwrap();
        assert_eq!(got(&world, "w").len(), 1 + usize::from(redelivered), "{delay}");
    }
}

#[test]
fn a_worker_acts_before_the_deadline_of_the_same_instant_and_a_pull_expires_before_it() {
    let mut world = world();
    let slow = |_: &Delivery| Action::ack().after(SECOND * 10);
    world.client("w").unwrap().work("S", "C", WorkerOptions::default(), slow).unwrap();
    world.client("p").unwrap().publish("s.1", "a").unwrap();
    world.advance(SECOND * 20).unwrap();
    assert_eq!(got(&world, "w"), [(at(0), 1)]);
    world.stop_worker("w").unwrap();
    world.client("v").unwrap().fetch_with("S", "C", &pull(1, SECOND * 5)).unwrap();
    world.client("p").unwrap().publish("s.1", "b").unwrap();
    world.client("v").unwrap().fetch_with("S", "C", &pull(1, SECOND * 10)).unwrap();
    world.advance(SECOND * 10).unwrap();
    assert_eq!(got(&world, "v"), [(at(20), 1)], "the second pull expired with ack_wait, so it got nothing");
    let expired = world.trace().records().iter().filter(|record| record.kind == Kind::Status).map(|record| record.at);
    assert_eq!(expired.collect::<Vec<_>>(), [at(30)]);
}

#[test]
fn a_message_comes_until_its_acknowledgement_arrives() {
    let mut world = world();
    let when = When { occurrence: Some(Occurrence::First(2)), ..When::default() };
    world.add_rule(Rule { when, ..rule("lost", CrossingKind::Ack, Effect::Drop) }).unwrap();
    let mut handled = 0;
    let handler = move |delivery: &Delivery| {
        handled += 1;
        assert_eq!(delivery.delivery_count().0, handled);
        Plan::new([Action::ack().after(SECOND), Action::ignore()])
    };
    world.client("w").unwrap().work("S", "C", WorkerOptions::default(), handler).unwrap();
    let publication = world.client("p").unwrap().publish("s.1", "a").unwrap();
    assert!(matches!(publication, Publication::Stored(ack) if ack.stream_seq.0 == 1 && !ack.duplicate));
    assert_eq!(world.settle().unwrap(), at(21), "two losses, and a second of work on the third delivery");
    assert_eq!(got(&world, "w"), [(at(0), 1), (at(10), 2), (at(20), 3)]);
    assert!(world.is_quiet());
    assert_eq!(world.rule_reports().map(|report| report.hits).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_pull_that_a_partition_swallowed_is_given_up() {
    let mut world = world();
    let when = When { from: Some(Duration::ZERO), to: Some(SECOND * 3), ..When::default() };
    let cut = Rule { id: "cut".into(), matcher: Match::default(), when, effect: Effect::Partition(Partition::Both) };
    world.add_rule(cut).unwrap();
    let options = WorkerOptions { expires: Some(SECOND * 5), ..WorkerOptions::default() };
    world.client("w").unwrap().work("S", "C", options, |_: &Delivery| Action::ack()).unwrap();
    world.advance(SECOND * 4).unwrap();
    world.client("p").unwrap().publish("s.1", "a").unwrap();
    world.advance(SECOND * 4).unwrap();
    // Five seconds of waiting and a tenth of that.
    assert_eq!(got(&world, "w"), [(Time::START + Duration::from_millis(5_500), 1)]);
}

#[test]
fn a_client_reconnects_when_its_link_is_whole_again() {
    let mut world = world();
    world.client("w").unwrap().subscribe("x").unwrap();
    world.client("w").unwrap().disconnect().unwrap();
    let when = When { to: Some(SECOND * 3), ..When::default() };
    let cut = Rule { id: "cut".into(), matcher: Match::default(), when, effect: Effect::Partition(Partition::Up) };
    world.add_rule(cut).unwrap();
    world.client("w").unwrap().reconnect().unwrap();
    world.advance(SECOND * 10).unwrap();
    let connected = world.trace().records().iter().filter(|record| record.kind == Kind::Connected).map(|record| record.at);
    assert_eq!(connected.collect::<Vec<_>>(), [at(4)], "every two seconds it tries again");
    world.publish("p", Message::new("x", "1"), false).unwrap();
    world.finish_instant().unwrap();
    assert!(world.trace().records().iter().any(|record| record.kind == Kind::Message), "it has its subscription back");
}

#[test]
fn routers_differ_in_what_they_remember_of_a_failed_ack() {
    for (forgetful, counts) in [(false, [1, 2, 3]), (true, [1, 1, 1])] {
        let mut world = world();
        let router = Router::new(["acme"], 3);
        let router = if forgetful { router.forgetful() } else { router };
        let when = When { occurrence: Some(Occurrence::First(2)), ..When::default() };
        world.add_rule(Rule { when, ..rule("refused", CrossingKind::Ack, Effect::Error("connection refused".into())) }).unwrap();
        world.client("r").unwrap().work("S", "C", WorkerOptions::default(), router).unwrap();
        world.client("p").unwrap().publish("s.1", r#"{"tenant_id":"acme"}"#).unwrap();
        world.settle().unwrap();
        let counted = world.trace().records().iter().filter(|record| record.kind == Kind::WorkerCount);
        assert_eq!(counted.filter_map(|record| record.fields.uint(Key::Count)).collect::<Vec<_>>(), counts);
    }
}

#[test]
fn mistakes_are_errors_that_say_what_to_do() {
    let mut world = world();
    let mut errors: Vec<String> = Vec::new();
    let mut note = |error: WorldError| errors.push(error.to_string());
    note(world.publish("p", Message::new("a b", ""), true).unwrap_err());
    note(world.subscribe("p", "a..b", None, None).unwrap_err());
    note(world.unsubscribe("p", "a").unwrap_err());
    note(world.ack("nobody", &DeliveryRef::from(1), &AckKind::Ack, false).unwrap_err());
    note(world.ack("p", &DeliveryRef::from(1), &AckKind::Ack, false).unwrap_err());
    note(world.add_client("p", ClientOptions::default()).unwrap_err());
    note(world.reconnect("p").unwrap_err());
    note(world.clear_rule("none").unwrap_err());
    note(world.stop_worker("none").unwrap_err());
    world.fetch("p", "S", "C", &pull(1, Duration::ZERO), Some("x")).unwrap();
    note(world.fetch("p", "S", "C", &pull(1, Duration::ZERO), Some("x")).unwrap_err());
    note(world.fetch("p", "a stream", "C", &pull(1, Duration::ZERO), None).unwrap_err());
    world.advance(SECOND).unwrap();
    note(world.advance_to(Time::START).unwrap_err());
    note(world.create_stream(&StreamConfig { name: "T".into(), subjects: vec!["s.>".into()], ..StreamConfig::default() }).unwrap_err());
    world.restart(SECOND).unwrap();
    note(world.restart(SECOND).unwrap_err());
    note(world.disconnect("p").unwrap_err());
    assert_eq!(
        errors,
        [
            "\"a b\" can not be published to: a subject has no wildcards, no white space and no empty tokens",
            "\"a..b\" is not a valid subject to listen to",
            "p has no subscription to a",
            "there is no client nobody; a client comes to be with its first command",
            "p has got no delivery 1; it has got no delivery at all",
            "there is a client p already; say what it is like before its first command",
            "p is connected; only a client without a connection can reconnect",
            "there is no rule \"none\" to clear; it was never added, or was cleared before",
            "there is no running worker none",
            "p has a pull named x already",
            "\"$JS.API.CONSUMER.MSG.NEXT.a stream.C\" can not be published to: a subject has no wildcards, no white space and no empty tokens",
            "the run is at 1s already; it can not go to 0s",
            "$JS.API.STREAM.CREATE.T was refused: 400/10065 subjects overlap with an existing stream",
            "the server is down until 2s",
            "p is not connected",
        ]
    );
}

#[test]
fn time_that_stands_still_is_an_error_and_so_is_work_without_end() {
    let mut world = world();
    world.client("w").unwrap().work("S", "C", WorkerOptions::default(), |_: &Delivery| Action::nak()).unwrap();
    let error = world.client("p").unwrap().publish("s.1", "a").unwrap_err();
    assert!(matches!(&error, WorldError::Loop { what, .. } if what.contains("w: nak S/C")), "{error}");
    let mut world = self::world();
    world.client("w").unwrap().work("S", "C", WorkerOptions::default(), |_: &Delivery| Plan::ignore()).unwrap();
    world.client("p").unwrap().publish("s.1", "a").unwrap();
    let error = world.settle().unwrap_err();
    assert!(matches!(&error, WorldError::NotSettled { what, .. } if what.contains("expired S/C")), "{error}");
}

#[test]
fn a_year_in_which_nothing_happens_costs_nothing() {
    let mut world = world();
    let before = world.trace().records().len();
    world.advance(SECOND * (3_600 * 24 * 365)).unwrap();
    assert_eq!(world.trace().records().len(), before);
    assert_eq!(world.backend().now(), world.now());
}

/// One thing that happens in a random run.
#[derive(Clone, Debug)]
enum Move {
    Publish(u8),
    Fetch(u8, i64),
    Ack(u8, u64),
    Nak(u8, u64),
    Advance(i64),
    Restart,
    Kill,
    Drop(CrossingKind),
    Delay(CrossingKind, i64),
    Break(CrossingKind),
    Crash(u8),
    Reconnect(u8),
    Work(u8, i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let kind = prop::sample::select(CrossingKind::ALL.to_vec());
    let one = prop_oneof![
        4 => (0_u8..3).prop_map(Move::Publish),
        4 => ((0_u8..3), 0_i64..4).prop_map(|(client, batch)| Move::Fetch(client, batch)),
        4 => ((0_u8..3), 1_u64..5).prop_map(|(client, seq)| Move::Ack(client, seq)),
        2 => ((0_u8..3), 1_u64..5).prop_map(|(client, seq)| Move::Nak(client, seq)),
        4 => (1_i64..15).prop_map(Move::Advance),
        1 => Just(Move::Restart),
        1 => Just(Move::Kill),
        1 => kind.clone().prop_map(Move::Drop),
        1 => (kind.clone(), 1_i64..20).prop_map(|(kind, seconds)| Move::Delay(kind, seconds)),
        1 => kind.prop_map(Move::Break),
        1 => (0_u8..3).prop_map(Move::Crash),
        1 => (0_u8..3).prop_map(Move::Reconnect),
        2 => ((0_u8..3), 0_i64..12).prop_map(|(client, seconds)| Move::Work(client, seconds)),
    ];
    prop::collection::vec(one, 1..40)
}

/// Makes one move. A mistake is refused, which is part of what happens.
fn make(world: &mut World<Simulated>, id: &str, one: &Move) -> Result<(), WorldError> {
    let name = |client: &u8| format!("c{client}");
    match one {
        Move::Publish(client) => world.publish(&name(client), Message::new("s.1", "a"), true).map(|_| ()),
        Move::Fetch(client, batch) => world.fetch(&name(client), "S", "C", &pull(*batch, SECOND * 7), None).map(|_| ()),
        Move::Ack(client, seq) => world.ack(&name(client), &(*seq).into(), &AckKind::Ack, true).map(|_| ()),
        Move::Nak(client, seq) => world.ack(&name(client), &(*seq).into(), &AckKind::Nak { delay: None }, false).map(|_| ()),
        Move::Advance(seconds) => world.advance(SECOND * *seconds),
        Move::Restart => world.restart(SECOND),
        Move::Kill => world.kill(SECOND, jetlag_core::LostTail::default()),
        Move::Drop(kind) => world.add_rule(rule(id, *kind, Effect::Drop)),
        Move::Delay(kind, seconds) => {
            let (min, max) = (SECOND * *seconds, SECOND * *seconds * 2);
            world.add_rule(rule(id, *kind, Effect::Delay { min, max }))
        }
        Move::Break(kind) => world.add_rule(rule(id, *kind, Effect::Disconnect { reconnect: Some(SECOND) })),
        Move::Crash(client) => world.crash(&name(client)),
        Move::Reconnect(client) => world.reconnect(&name(client)),
        Move::Work(client, seconds) => {
            let after = SECOND * *seconds;
            let handler = move |_: &Delivery| Action::ack().after(after).sync();
            world.start_worker(&name(client), "S", "C", WorkerOptions { batch: 2, ..WorkerOptions::default() }, Box::new(handler))
        }
    }
}

fn play(moves: &[Move]) -> World<Simulated> {
    let mut world = world();
    for (index, one) in moves.iter().enumerate() {
        if let Err(error) = make(&mut world, &format!("f{index}"), one) {
            let fatal = matches!(error, WorldError::Backend(_) | WorldError::Loop { .. } | WorldError::NotSettled { .. });
            assert!(!fatal, "{error}");
        }
        world.finish_instant().unwrap();
    }
    world.advance(SECOND * 30).unwrap();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_happens_the_same_way_twice(moves in moves()) {
        let (first, second) = (play(&moves), play(&moves));
        prop_assert_eq!(first.trace().first_difference(second.trace()), None);
        let times: Vec<_> = first.trace().records().iter().map(|record| record.at).collect();
        prop_assert!(times.is_sorted(), "time runs forwards");
    }
}

#[test]
fn a_client_publishes_by_itself_until_it_crashes() {
    let mut world = world();
    world.publish_every("p", Message::new("s.1", "a"), true, 10, Duration::from_secs(1)).unwrap();
    world.advance(Duration::from_millis(2_500)).unwrap();
    assert!(!world.is_quiet(), "more is to come");
    world.disconnect("p").unwrap();
    world.advance(Duration::from_secs(1)).unwrap();
    world.reconnect("p").unwrap();
    world.advance(Duration::from_secs(1)).unwrap();
    world.crash("p").unwrap();
    assert_eq!(world.settle().unwrap(), Time::START + Duration::from_millis(4_500));
    let publishes =
        |kind: Kind| world.trace().records().iter().filter(|record| record.kind == kind).map(|record| record.at).collect::<Vec<_>>();
    assert_eq!(publishes(Kind::Stored), [at(0), at(1), at(2), at(4)]);
    assert_eq!(publishes(Kind::Failed), [at(3)], "it had no connection");
}

#[test]
fn a_world_that_forgets_goes_on_as_it_would() {
    let run = |forgets: bool| {
        let mut world = world();
        world.client("p").unwrap().publish("s.1", "a").unwrap();
        let expires = pull(5, Duration::from_secs(60));
        world.client("w").unwrap().fetch_with("S", "C", &expires).unwrap();
        if forgets {
            world.forget();
            assert_eq!((world.trace().records().len(), world.deliveries().len()), (0, 0));
        }
        world.client("p").unwrap().publish("s.1", "b").unwrap();
        world.client("w").unwrap().ack(1).unwrap();
        world.advance(Duration::from_secs(60)).unwrap();
        (world.trace().digest(), world.trace().len(), world.delivered())
    };
    assert_eq!(run(false), run(true));
    assert!(run(true).2.deliveries > 2, "it was an interesting run");
}

#[test]
fn time_below_zero_is_refused() {
    let mut world = World::new(Simulated::new());
    let back = Duration::from_secs(-1);
    let texts =
        [world.advance(back), world.restart(back), world.kill(back, LostTail::default())].map(|result| result.unwrap_err().to_string());
    assert_eq!(texts[0], "an advance of -1s lies in the past; give 0s or more");
    assert_eq!(texts[1..], ["a downtime of -1s lies in the past; give 0s or more"; 2]);
    assert!(world.is_up());
}
