//! What rules match, when they act, and how they combine.

use jetlag_fault::*;
use jetlag_model::{DeliveryCount, Duration, Headers, StreamSeq, Subject, Time};

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
        content: Some(b"a b"),
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
    let headers = Headers::from_fields([("tenant", "acme")]);
    let tenant = Crossing { headers: Some(&headers), ..delivery() };
    let header = |name: &str, value: &str| Match { header: Some((name.into(), value.into())), ..Match::default() };
    let payload = |payload: &[u8]| Match { payload: Some(payload.into()), ..Match::default() };
    let part = |part: &[u8]| Match { payload_contains: Some(part.into()), ..Match::default() };
    let seqs = |first, last| Match { stream_seq: Some(Numbers { first, last }), ..Match::default() };
    let counts = |first, last| Match { delivery_count: Some(Numbers { first, last }), ..Match::default() };
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
        (Match { stream_seq: Some(7.into()), ..nothing.clone() }, delivery(), true),
        (Match { stream_seq: Some(8.into()), ..nothing.clone() }, delivery(), false),
        (Match { stream_seq: Some(7.into()), ..nothing.clone() }, bare, false),
        (Match { delivery_count: Some(2.into()), ..nothing.clone() }, delivery(), true),
        (Match { delivery_count: Some(1.into()), ..nothing.clone() }, delivery(), false),
        (Match { stream: Some("ORDERS".into()), stream_seq: Some(8.into()), ..nothing.clone() }, delivery(), false),
        (seqs(7, Some(9)), delivery(), true),
        (seqs(5, Some(7)), delivery(), true),
        (seqs(5, Some(6)), delivery(), false),
        (seqs(8, None), delivery(), false),
        (seqs(1, None), bare, false),
        (counts(2, None), delivery(), true),
        (counts(3, None), delivery(), false),
        (header("tenant", "acme"), tenant, true),
        (header("tenant", "acm"), tenant, false),
        (header("Tenant", "acme"), tenant, false),
        (header("tenant", "acme"), delivery(), false),
        (payload(b"a b"), delivery(), true),
        (payload(b"a"), delivery(), false),
        (payload(b""), bare, false),
        (part(b" b"), delivery(), true),
        (part(b""), delivery(), true),
        (part(b"ab"), delivery(), false),
        (part(b"a b c"), delivery(), false),
        (part(b""), bare, false),
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
    let nothing = When::default;
    let first = |n| When { occurrence: Some(Occurrence::First(n)), ..nothing() };
    let nth = |n| When { occurrence: Some(Occurrence::Nth(vec![n])), ..nothing() };
    let window = |from: Option<i64>, to: Option<i64>| When { from: from.map(secs), to: to.map(secs), ..nothing() };
    let cycle = |every, active| When { cycle: Some(Cycle { every: secs(every), active: secs(active) }), ..nothing() };
    let picking = |occurrence| When { occurrence: Some(occurrence), ..nothing() };
    let burst = Some(Occurrence::Burst { acting: 1, of: 3 });
    let certain = Some(Probability { numerator: 1, denominator: 1 });
    let cut = Effect::Partition(Partition::Both);
    let disconnect = Effect::Disconnect { reconnect: None };
    for (what, when, effect, expected) in [
        ("a drop, once", nothing(), Effect::Drop, "x..........."),
        ("a crash, once", nothing(), Effect::Crash, "x..........."),
        ("a disconnect, once", nothing(), disconnect, "x..........."),
        ("a partition lasts", nothing(), cut.clone(), "xxxxxxxxxxxx"),
        ("always", always(), Effect::Drop, "xxxxxxxxxxxx"),
        ("the first 3", first(3), Effect::Drop, "xxx........."),
        ("the third", nth(3), Effect::Drop, "..x........."),
        ("some", picking(Occurrence::Nth(vec![1, 3, 4])), Effect::Drop, "x.xx........"),
        ("in bursts", picking(Occurrence::Burst { acting: 2, of: 5 }), Effect::Drop, "xx...xx...xx"),
        ("every third", picking(Occurrence::Ratio { acting: 1, of: 3 }), Effect::Drop, "..x..x..x..x"),
        ("two of five", picking(Occurrence::Ratio { acting: 2, of: 5 }), Effect::Drop, "..x.x..x.x.."),
        ("in bursts, within a window", When { occurrence: burst, ..window(Some(3), None) }, Effect::Drop, "...x..x..x.."),
        ("a mark, once", nothing(), Effect::Mark, "x..........."),
        ("a ramp lasts", nothing(), Effect::Ramp { first: secs(0), last: secs(1), over: secs(1) }, "xxxxxxxxxxxx"),
        ("certain", When { probability: certain, ..nothing() }, Effect::Drop, "xxxxxxxxxxxx"),
        ("certain, twice", When { probability: certain, ..first(2) }, Effect::Drop, "xx.........."),
        ("a window is half open", window(Some(2), Some(5)), Effect::Drop, "..xxx......."),
        ("from", window(Some(9), None), Effect::Drop, ".........xxx"),
        ("to", window(None, Some(2)), Effect::Drop, "xx.........."),
        ("the first in a window", When { occurrence: Some(Occurrence::First(1)), ..window(Some(2), None) }, Effect::Drop, "..x........."),
        (
            "the second in a window",
            When { occurrence: Some(Occurrence::Nth(vec![2])), ..window(Some(2), None) },
            Effect::Drop,
            "...x........",
        ),
        ("a cycle", cycle(4, 1), Effect::Drop, "x...x...x..."),
        ("a cycle that never closes", cycle(4, 4), Effect::Drop, "xxxxxxxxxxxx"),
        ("a cycle counts from its window", When { cycle: cycle(4, 2).cycle, ..window(Some(3), Some(11)) }, Effect::Drop, "...xx..xx..."),
        ("the third in a cycle", When { occurrence: Some(Occurrence::Nth(vec![3])), ..cycle(4, 2) }, Effect::Drop, "....x......."),
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

/// One crossing a second: acks, and at 2s the nak that is the event. An `x` for each on which the rule `r` acts.
fn around(when: When, effect: Effect, first: bool) -> String {
    let mut rules = Rules::new(1);
    let mark = Match { kind: Some(CrossingKind::Nak), ..Match::default() };
    let event = rule("event", mark, When::default(), Effect::Mark);
    let other = rule("other", Match::default(), always(), Effect::Mark);
    // A rule stands behind the one that it waits for; which of the two that comes next makes no difference.
    rules.add(at(0), if first { event.clone() } else { other.clone() }).unwrap();
    rules.add(at(0), if first { other } else { event }).unwrap();
    rules.add(at(0), rule("r", Match::default(), when, effect)).unwrap();
    let kinds = [CrossingKind::Ack, CrossingKind::Ack, CrossingKind::Nak];
    let acts = |now: i64| {
        let crossing = Crossing { kind: *kinds.get(now as usize).unwrap_or(&CrossingKind::Ack), ..ack() };
        rules.evaluate(at(now), &crossing).hits.iter().any(|id| **id == *"r")
    };
    (0..8).map(acts).map(|acts| if acts { 'x' } else { '.' }).collect()
}

#[test]
fn after_and_until_an_event() {
    let event = || Some("event".into());
    let nothing = When::default;
    for (what, when, expected) in [
        ("behind the crossing that it acted on", When { after: event(), ..nothing() }, "...xxxxx"),
        ("that crossing included", When { until: event(), ..nothing() }, "xxx....."),
        ("never both", When { after: event(), until: event(), ..nothing() }, "........"),
        ("twice", When { after: event(), occurrence: Some(Occurrence::First(2)), ..nothing() }, "...xx..."),
        ("the third after it", When { after: event(), occurrence: Some(Occurrence::Nth(vec![3])), ..nothing() }, ".....x.."),
        ("a window too", When { after: event(), from: Some(secs(5)), to: Some(secs(7)), ..nothing() }, ".....xx."),
        (
            "a cycle counts from the event",
            When { after: event(), cycle: Some(Cycle { every: secs(4), active: secs(2) }), ..nothing() },
            "...x..xx",
        ),
    ] {
        for first in [true, false] {
            assert_eq!(around(when.clone(), Effect::Drop, first), expected, "{what}");
        }
    }
}

/// Both look at what was before the crossing, in whatever order they stand.
#[test]
fn an_event_and_its_rule_on_one_crossing() {
    let mut rules = Rules::new(1);
    rules.add(at(0), rule("a", Match::default(), When::default(), Effect::Mark)).unwrap();
    rules.add(at(0), rule("b", Match::default(), When { after: Some("a".into()), ..When::default() }, Effect::Drop)).unwrap();
    rules.clear("a").unwrap();
    rules.add(at(0), rule("a", Match::default(), When::default(), Effect::Mark)).unwrap();
    let hits = |rules: &mut Rules| rules.evaluate(at(0), &ack()).hits.iter().map(ToString::to_string).collect::<String>();
    // `a` stands behind `b` now, and started afresh.
    assert_eq!([hits(&mut rules), hits(&mut rules)], ["a", "b"]);
    rules.clear("a").unwrap();
    assert_eq!(hits(&mut rules), "b", "that it has acted stays true");
    rules.add(at(0), rule("a", Match { client: Some("nobody".into()), ..Match::default() }, When::default(), Effect::Mark)).unwrap();
    assert_eq!(hits(&mut rules), "", "a rule that comes back has not acted yet");
}

/// Attempts to connect are put to those rules alone that ask for them.
#[test]
fn who_means_an_attempt_to_connect_says_so() {
    let mut rules = Rules::new(1);
    let kind = Some(CrossingKind::Connect);
    let refusal = rule("refused", Match { kind, ..Match::default() }, When::default(), Effect::Error("no".into()));
    rules.add(at(0), rule("everything", Match::default(), When::default(), Effect::Drop)).unwrap();
    rules.add(at(0), rule("cut", Match::default(), When::default(), Effect::Partition(Partition::Both))).unwrap();
    rules.add(at(0), refusal).unwrap();
    let connect = Crossing::new(CrossingKind::Connect, "w1");
    assert_eq!(rules.evaluate(at(1), &connect).fate, Fate::Error("refused".into(), "no".into()));
    assert_eq!(rules.evaluate(at(1), &connect).fate, Fate::Pass, "once unless told otherwise");
    let counts: Vec<_> = rules.reports().map(|report| (report.evaluated, report.matched, report.hits)).collect();
    assert_eq!(counts, [(0, 0, 0), (0, 0, 0), (2, 2, 1)]);
}

/// A connection that is refused is something a partition did.
#[test]
fn a_partition_keeps_its_client_from_connecting() {
    let mut rules = Rules::new(1);
    let matcher = Match { client: Some("w1".into()), ..Match::default() };
    let window = When { from: Some(secs(2)), to: Some(secs(4)), ..When::default() };
    rules.add(at(0), rule("cut", matcher, window, Effect::Partition(Partition::Down))).unwrap();
    rules
        .add(at(0), rule("all", Match::default(), When { from: Some(secs(3)), ..When::default() }, Effect::Partition(Partition::Up)))
        .unwrap();
    rules.add(at(0), rule("lost", Match::default(), When { after: Some("all".into()), ..When::default() }, Effect::Drop)).unwrap();
    let by = [1, 2, 3].map(|now| rules.connects(at(now), "w1").map(|id| id.to_string()));
    assert_eq!(by, [None, Some("cut".to_owned()), Some("cut".to_owned())]);
    assert_eq!(rules.connects(at(2), "w2"), None);
    assert_eq!(rules.evaluate(at(2), &delivery()).fate, Fate::Drop("cut".into()), "the other has not acted yet");
    assert_eq!(rules.connects(at(3), "w2"), Some("all".into()));
    assert_eq!(rules.evaluate(at(5), &delivery()).fate, Fate::Drop("lost".into()), "and that it refused a connection is an event");
    let counts: Vec<_> = rules.reports().map(|report| (report.evaluated, report.matched, report.hits)).collect();
    assert_eq!(counts, [(5, 5, 3), (7, 5, 1), (2, 2, 1)]);
}

#[test]
fn a_partition_waits_for_an_event() {
    let mut rules = Rules::new(1);
    rules.add(at(0), rule("event", Match::default(), When::default(), Effect::Mark)).unwrap();
    let when = When { after: Some("event".into()), ..When::default() };
    rules.add(at(0), rule("cut", Match::default(), when, Effect::Partition(Partition::Both))).unwrap();
    assert_eq!(rules.partitioned(at(0), "w1", Direction::Up), None);
    assert_eq!(rules.evaluate(at(0), &ack()).fate, Fate::Pass);
    assert_eq!(rules.partitioned(at(0), "w1", Direction::Up), Some(&"cut".into()));
}

#[test]
fn a_ramp_goes_from_one_delay_to_the_other() {
    let delays = |first, last, added, when: When| {
        let mut rules = Rules::new(1);
        let effect = Effect::Ramp { first: secs(first), last: secs(last), over: secs(4) };
        rules.add(at(0), rule("event", Match { client: Some("w1".into()), ..Match::default() }, When::default(), Effect::Mark)).unwrap();
        rules.add(at(added), rule("r", Match::default(), when, effect)).unwrap();
        (added..7).map(|now| rules.evaluate(at(now), &ack()).delay().as_nanos() / 1_000_000).collect::<Vec<_>>()
    };
    let from = When { from: Some(secs(2)), ..When::default() };
    let after = When { after: Some("event".into()), ..When::default() };
    assert_eq!(delays(0, 8, 0, When::default()), [0, 2000, 4000, 6000, 8000, 8000, 8000]);
    assert_eq!(delays(5, 0, 1, When::default()), [5000, 3750, 2500, 1250, 0, 0]);
    assert_eq!(delays(1, 5, 0, from), [0, 0, 1000, 2000, 3000, 4000, 5000]);
    // The event is at 0s.
    assert_eq!(delays(0, 4, 0, after), [0, 1000, 2000, 3000, 4000, 4000, 4000]);
}
