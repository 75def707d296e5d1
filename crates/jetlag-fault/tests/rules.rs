//! What rules match, when they act, and how they combine.

use jetlag_fault::*;
use jetlag_model::{DeliveryCount, Duration, StreamSeq, Subject, Time};

fn secs(secs: i64) -> Duration {
    Duration::from_secs(secs)
}

fn at(secs: i64) -> Time {
    Time::START + Duration::from_secs(secs)
}

fn rule(id: &str, matcher: Match, when: When, effect: Effect) -> Rule {
    Rule { id: id.into(), matcher, when, effect }
}

fn always() -> When {
    When { occurrence: Some(Occurrence::Always), ..When::default() }
}

/// Rules of these effects, which act on everything, always.
fn rules(effects: impl IntoIterator<Item = (&'static str, Effect)>) -> Rules {
    let mut rules = Rules::new(1);
    for (id, effect) in effects {
        rules.add(Time::START, rule(id, Match::default(), always(), effect)).unwrap();
    }
    rules
}

fn delivery() -> Crossing<'static> {
    Crossing {
        stream: Some("ORDERS"),
        consumer: Some("WORK"),
        subject: Some("orders.eu.1"),
        stream_seq: Some(StreamSeq(7)),
        delivery_count: Some(DeliveryCount(2)),
        payload: b"a",
        ..Crossing::new(CrossingKind::Delivery, "w1")
    }
}

fn ack() -> Crossing<'static> {
    Crossing { kind: CrossingKind::Ack, answered: true, ..delivery() }
}

#[test]
fn what_matches() {
    let nothing = Match::default();
    let subject = |filter: &str| Match { subject: Some(Subject::new(filter).unwrap()), ..Match::default() };
    let bare = Crossing::new(CrossingKind::Delivery, "w1");
    for (matcher, crossing, expected) in [
        (nothing.clone(), delivery(), true),
        (nothing.clone(), bare, true),
        (Match { kind: Some(CrossingKind::Delivery), ..nothing.clone() }, delivery(), true),
        (Match { kind: Some(CrossingKind::Ack), ..nothing.clone() }, delivery(), false),
        (Match { client: Some("w1".into()), ..nothing.clone() }, delivery(), true),
        (Match { client: Some("w".into()), ..nothing.clone() }, delivery(), false),
        (Match { stream: Some("ORDERS".into()), ..nothing.clone() }, delivery(), true),
        (Match { stream: Some("orders".into()), ..nothing.clone() }, delivery(), false),
        (Match { stream: Some("ORDERS".into()), ..nothing.clone() }, bare, false),
        (Match { consumer: Some("WORK".into()), ..nothing.clone() }, delivery(), true),
        (Match { consumer: Some("IDLE".into()), ..nothing.clone() }, delivery(), false),
        (subject("orders.>"), delivery(), true),
        (subject("orders.*"), delivery(), false),
        (subject("orders.eu.1"), delivery(), true),
        (subject(">"), bare, false),
        (Match { stream_seq: Some(StreamSeq(7)), ..nothing.clone() }, delivery(), true),
        (Match { stream_seq: Some(StreamSeq(8)), ..nothing.clone() }, delivery(), false),
        (Match { stream_seq: Some(StreamSeq(7)), ..nothing.clone() }, bare, false),
        (Match { delivery_count: Some(DeliveryCount(2)), ..nothing.clone() }, delivery(), true),
        (Match { delivery_count: Some(DeliveryCount(1)), ..nothing.clone() }, delivery(), false),
        (Match { stream: Some("ORDERS".into()), stream_seq: Some(StreamSeq(8)), ..nothing.clone() }, delivery(), false),
    ] {
        assert_eq!(matcher.matches(&crossing), expected, "{matcher:?}");
    }
}

#[test]
fn effects_act_only_where_they_can() {
    let next = Crossing { kind: CrossingKind::Next, answered: true, ..delivery() };
    let cut = |partition| Effect::Partition(partition);
    for (effect, crossing, expected) in [
        (Effect::ReplyLost, ack(), true),
        (Effect::ReplyLost, Crossing { answered: false, ..ack() }, false),
        (Effect::ReplyLost, next, false),
        (Effect::ReplyLost, delivery(), false),
        (Effect::Error("x".into()), ack(), true),
        (Effect::Error("x".into()), delivery(), false),
        (Effect::Slow { by: secs(1) }, delivery(), true),
        (Effect::Slow { by: secs(1) }, ack(), false),
        (cut(Partition::Up), ack(), true),
        (cut(Partition::Up), delivery(), false),
        (cut(Partition::Down), ack(), false),
        (cut(Partition::Down), delivery(), true),
        (cut(Partition::Both), ack(), true),
        (cut(Partition::Both), delivery(), true),
        (Effect::Crash, delivery(), true),
    ] {
        let mut rules = rules([("r", effect.clone())]);
        assert_eq!(!rules.evaluate(at(0), &crossing).hits.is_empty(), expected, "{effect:?} on {}", crossing.kind);
        let report = rules.reports().next().unwrap();
        assert_eq!((report.evaluated, report.matched, report.hits), (1, u64::from(expected), u64::from(expected)));
    }
}

/// One crossing a second, from 0s; an `x` for each on which the rule acts.
fn pattern(when: When, effect: Effect, added: i64) -> String {
    let mut rules = Rules::new(1);
    rules.add(at(added), rule("r", Match::default(), when, effect)).unwrap();
    (added..12).map(|now| if rules.evaluate(at(now), &ack()).hits.is_empty() { '.' } else { 'x' }).collect()
}

#[test]
fn when_rules_act() {
    let nothing = When::default();
    let first = |n| When { occurrence: Some(Occurrence::First(n)), ..nothing };
    let nth = |n| When { occurrence: Some(Occurrence::Nth(n)), ..nothing };
    let window = |from: Option<i64>, to: Option<i64>| When { from: from.map(secs), to: to.map(secs), ..nothing };
    let cycle = |every, active| When { cycle: Some(Cycle { every: secs(every), active: secs(active) }), ..nothing };
    let certain = Some(Probability { numerator: 1, denominator: 1 });
    let cut = Effect::Partition(Partition::Both);
    let disconnect = Effect::Disconnect { reconnect: None };
    for (what, when, effect, expected) in [
        ("a drop, once", nothing, Effect::Drop, "x..........."),
        ("a crash, once", nothing, Effect::Crash, "x..........."),
        ("a disconnect, once", nothing, disconnect, "x..........."),
        ("a partition lasts", nothing, cut.clone(), "xxxxxxxxxxxx"),
        ("always", always(), Effect::Drop, "xxxxxxxxxxxx"),
        ("the first 3", first(3), Effect::Drop, "xxx........."),
        ("the third", nth(3), Effect::Drop, "..x........."),
        ("certain", When { probability: certain, ..nothing }, Effect::Drop, "xxxxxxxxxxxx"),
        ("certain, twice", When { probability: certain, ..first(2) }, Effect::Drop, "xx.........."),
        ("a window is half open", window(Some(2), Some(5)), Effect::Drop, "..xxx......."),
        ("from", window(Some(9), None), Effect::Drop, ".........xxx"),
        ("to", window(None, Some(2)), Effect::Drop, "xx.........."),
        ("the first in a window", When { occurrence: Some(Occurrence::First(1)), ..window(Some(2), None) }, Effect::Drop, "..x........."),
        ("the second in a window", When { occurrence: Some(Occurrence::Nth(2)), ..window(Some(2), None) }, Effect::Drop, "...x........"),
        ("a cycle", cycle(4, 1), Effect::Drop, "x...x...x..."),
        ("a cycle that never closes", cycle(4, 4), Effect::Drop, "xxxxxxxxxxxx"),
        ("a cycle counts from its window", When { cycle: cycle(4, 2).cycle, ..window(Some(3), Some(11)) }, Effect::Drop, "...xx..xx..."),
        ("the third in a cycle", When { occurrence: Some(Occurrence::Nth(3)), ..cycle(4, 2) }, Effect::Drop, "....x......."),
        ("a partition that comes and goes", cycle(6, 3), cut, "xxx...xxx..."),
    ] {
        assert_eq!(pattern(when, effect, 0), expected, "{what}");
    }
}

#[test]
fn a_cycle_without_window_counts_from_when_the_rule_came() {
    let cycle = Some(Cycle { every: secs(4), active: secs(1) });
    assert_eq!(pattern(When { cycle, ..When::default() }, Effect::Drop, 3), "x...x...x");
    assert_eq!(pattern(When { cycle, from: Some(secs(0)), ..When::default() }, Effect::Drop, 3), ".x...x...");
}

#[test]
fn slowness_lasts() {
    let mut rules = Rules::new(1);
    rules.add(at(0), rule("r", Match::default(), When::default(), Effect::Slow { by: secs(2) })).unwrap();
    for now in 0..3 {
        assert_eq!(rules.evaluate(at(now), &delivery()).slowness(), secs(2));
    }
}

#[test]
fn delays_and_copies_add_up() {
    let verdict = rules([
        ("d1", Effect::Delay { min: secs(1), max: secs(1) }),
        ("c1", Effect::Duplicate { copies: 1 }),
        ("lost", Effect::ReplyLost),
        ("d2", Effect::Delay { min: secs(2), max: secs(2) }),
        ("lost2", Effect::ReplyLost),
        ("c2", Effect::Duplicate { copies: 2 }),
    ])
    .evaluate(at(0), &ack());
    assert_eq!(verdict.fate, Fate::Pass);
    assert_eq!((verdict.delay(), verdict.copies(), verdict.slowness()), (secs(3), 3, secs(0)));
    assert_eq!(verdict.delays, [("d1".into(), secs(1)), ("d2".into(), secs(2))]);
    assert_eq!(verdict.duplicates, [("c1".into(), 1), ("c2".into(), 2)]);
    assert_eq!(verdict.reply_lost, Some("lost".into()));
    assert_eq!(verdict.hits.iter().map(|id| &**id).collect::<Vec<_>>(), ["d1", "c1", "lost", "d2", "lost2", "c2"]);
}

#[test]
fn a_drop_beats_everything_but_what_is_done_afterwards() {
    let verdict = rules([
        ("error", Effect::Error("refused".into())),
        ("delay", Effect::Delay { min: secs(1), max: secs(1) }),
        ("drop", Effect::Drop),
        ("twice", Effect::Duplicate { copies: 1 }),
        ("cut", Effect::Partition(Partition::Both)),
        ("lost", Effect::ReplyLost),
        ("gone", Effect::Disconnect { reconnect: Some(secs(3)) }),
        ("kill", Effect::Kill { downtime: secs(1), lost: Lost::All.into() }),
        ("restart", Effect::Restart { downtime: secs(1) }),
        ("crash", Effect::Crash),
    ])
    .evaluate(at(0), &ack());
    assert_eq!(
        verdict,
        Verdict {
            fate: Fate::Drop("drop".into()),
            actions: vec![
                ("gone".into(), Action::Disconnect { reconnect: Some(secs(3)) }),
                ("kill".into(), Action::Kill { downtime: secs(1), lost: Lost::All.into() }),
                ("restart".into(), Action::Restart { downtime: secs(1) }),
                ("crash".into(), Action::Crash),
            ],
            hits: ["error", "delay", "drop", "twice", "cut", "lost", "gone", "kill", "restart", "crash"].map(Into::into).into(),
            ..Verdict::default()
        }
    );
}

#[test]
fn the_first_error_wins() {
    let verdict = rules([
        ("delay", Effect::Delay { min: secs(1), max: secs(1) }),
        ("e1", Effect::Error("refused".into())),
        ("e2", Effect::Error("broken pipe".into())),
    ])
    .evaluate(at(0), &ack());
    assert_eq!((verdict.fate.clone(), verdict.delay()), (Fate::Error("e1".into(), "refused".into()), secs(0)));
}

#[test]
fn a_dropped_delivery_is_not_handled_slowly() {
    let verdict = rules([("slow", Effect::Slow { by: secs(1) }), ("drop", Effect::Drop)]).evaluate(at(0), &delivery());
    assert_eq!((verdict.slowness(), verdict.hits.len()), (secs(0), 2));
}

#[test]
fn rules_come_and_go() {
    let mut rules = Rules::new(1);
    let drop = |id: &str| rule(id, Match::default(), When::default(), Effect::Drop);
    rules.add(at(0), drop("a")).unwrap();
    rules.add(at(0), drop("b")).unwrap();
    assert_eq!(rules.add(at(0), drop("a")), Err(RuleError::Taken("a".into())));
    assert_eq!(rules.evaluate(at(0), &ack()).fate, Fate::Drop("a".into()));
    assert_eq!(rules.evaluate(at(0), &ack()).fate, Fate::Pass, "both have acted once");

    rules.clear("a").unwrap();
    assert_eq!(rules.clear("a"), Err(RuleError::NotThere("a".into())));
    assert_eq!(rules.clear("c"), Err(RuleError::NotThere("c".into())));
    rules.evaluate(at(0), &ack());
    rules.add(at(1), drop("a")).unwrap();
    assert_eq!(rules.evaluate(at(1), &ack()).fate, Fate::Drop("a".into()), "a rule that comes back starts afresh");

    let report = |id: &str, evaluated, matched, hits| Report { id: id.into(), evaluated, matched, hits, exempt: false };
    assert_eq!(rules.reports().cloned().collect::<Vec<_>>(), [report("b", 4, 4, 1), report("a", 3, 3, 2)]);
}

#[test]
fn rules_of_chance_may_stay_without_hits() {
    let mut rules = Rules::new(1);
    let probability = Some(Probability { numerator: 1, denominator: 2 });
    rules.add(at(0), rule("maybe", Match::default(), When { probability, ..When::default() }, Effect::Drop)).unwrap();
    rules.add(at(0), rule("surely", Match::default(), When::default(), Effect::Drop)).unwrap();
    assert_eq!(rules.reports().map(|report| report.exempt).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_partition_can_be_asked_about() {
    let mut rules = Rules::new(1);
    let matcher = Match { client: Some("w1".into()), ..Match::default() };
    let when = When { from: Some(secs(2)), to: Some(secs(4)), ..When::default() };
    rules.add(at(0), rule("cut", matcher, when, Effect::Partition(Partition::Up))).unwrap();
    for (now, client, direction, expected) in [
        (1, "w1", Direction::Up, false),
        (2, "w1", Direction::Up, true),
        (2, "w1", Direction::Down, false),
        (2, "w2", Direction::Up, false),
        (4, "w1", Direction::Up, false),
    ] {
        assert_eq!(rules.partitioned(at(now), client, direction).is_some(), expected, "{now}s {client} {direction:?}");
    }
    assert_eq!(rules.reports().next().unwrap().evaluated, 0);
    rules.clear("cut").unwrap();
    assert_eq!(rules.partitioned(at(2), "w1", Direction::Up), None);
}
