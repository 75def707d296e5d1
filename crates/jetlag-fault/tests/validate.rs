//! Which rules are contradictions, and what is said of them.

use jetlag_fault::*;
use jetlag_model::{Duration, Subject};

fn secs(secs: i64) -> Duration {
    Duration::from_secs(secs)
}

fn rule(matcher: Match, when: When, effect: Effect) -> Rule {
    Rule { id: "r".into(), matcher, when, effect }
}

/// A rule of this effect that asks for a kind.
fn of_kind(kind: CrossingKind, effect: Effect) -> Rule {
    rule(Match { kind: Some(kind), ..Match::default() }, When::default(), effect)
}

fn matching(matcher: Match) -> Rule {
    rule(matcher, When::default(), Effect::Drop)
}

fn when(when: When) -> Rule {
    rule(Match::default(), when, Effect::Drop)
}

fn doing(effect: Effect) -> Rule {
    rule(Match::default(), When::default(), effect)
}

#[test]
fn contradictions() {
    use CrossingKind as K;
    let probability = |numerator, denominator| When { probability: Some(Probability { numerator, denominator }), ..When::default() };
    let cycle = |every, active| When { cycle: Some(Cycle { every, active }), ..When::default() };
    let occurrence = |occurrence| When { occurrence: Some(occurrence), ..When::default() };
    let kind = |kind| Match { kind: Some(kind), ..Match::default() };
    let cut = Effect::Partition(Partition::Both);
    for (rule, expected) in [
        (Rule { id: "".into(), ..doing(Effect::Drop) }, "the rule has no id; give it one, because transcripts and draws name it"),
        (
            matching(Match { kind: Some(K::Ack), stream_seq: Some(0.into()), ..Match::default() }),
            "the rule can never match: stream sequences count from 1",
        ),
        (matching(Match { delivery_count: Some(0.into()), ..Match::default() }), "the rule can never match: deliveries are counted from 1"),
        (
            matching(Match { consumer: Some("C".into()), ..kind(K::Publish) }),
            "the rule can never match: publish has no consumer; leave out one of the two",
        ),
        (
            matching(Match { stream_seq: Some(1.into()), ..kind(K::Publish) }),
            "the rule can never match: publish has no stream-seq; leave out one of the two",
        ),
        (
            matching(Match { subject: Some(Subject::new("a.>").unwrap()), ..kind(K::Pull) }),
            "the rule can never match: pull has no subject; leave out one of the two",
        ),
        (
            matching(Match { delivery_count: Some(1.into()), ..kind(K::Status) }),
            "the rule can never match: status has no delivery-count; leave out one of the two",
        ),
        (
            matching(Match { stream: Some("S".into()), ..kind(K::Connect) }),
            "the rule can never match: connect has no stream; leave out one of the two",
        ),
        (
            matching(Match { subject: Some(Subject::new("a").unwrap()), ..kind(K::Connect) }),
            "the rule can never match: connect has no subject; leave out one of the two",
        ),
        (
            of_kind(K::Connect, Effect::Delay { min: secs(1), max: secs(1) }),
            "the rule can never match: a connection is made or not, which delay says nothing about; use error, drop, disconnect, crash or a partition",
        ),
        (
            of_kind(K::Connect, Effect::Duplicate { copies: 1 }),
            "the rule can never match: a connection is made or not, which duplicate says nothing about; use error, drop, disconnect, crash or a partition",
        ),
        (when(occurrence(Occurrence::First(0))), "the rule can never match: it would act no times"),
        (when(occurrence(Occurrence::Nth(vec![0]))), "the rule can never match: matches are counted from 1"),
        (
            when(occurrence(Occurrence::Nth(vec![]))),
            "the places of nth are not in order; write each once, in ascending order, such as nth=1,3,4",
        ),
        (
            when(occurrence(Occurrence::Nth(vec![2, 2]))),
            "the places of nth are not in order; write each once, in ascending order, such as nth=1,3,4",
        ),
        (
            when(occurrence(Occurrence::Burst { acting: 0, of: 2 })),
            "burst=0/2 is no share; it must be above 0 and below 1 (write `always` for all)",
        ),
        (
            when(occurrence(Occurrence::Ratio { acting: 2, of: 2 })),
            "ratio=2/2 is no share; it must be above 0 and below 1 (write `always` for all)",
        ),
        (
            matching(Match { delivery_count: Some(Numbers { first: 3, last: Some(2) }), ..Match::default() }),
            "the rule can never match: delivery-count=3..2 is no range; write the smaller number first",
        ),
        (
            matching(Match { header: Some(("a".into(), "b".into())), ..kind(K::Api) }),
            "the rule can never match: api has no header; leave out one of the two",
        ),
        (
            when(When { until: Some("r".into()), ..When::default() }),
            "the rule can never match: it waits for itself; name another rule, such as one that is a mark",
        ),
        (doing(Effect::Ramp { first: secs(1), last: secs(-1), over: secs(1) }), "by=-1s lies in the past; write 0s or more"),
        (doing(Effect::Ramp { first: secs(1), last: secs(0), over: secs(0) }), "over=0s does nothing; write a length of time above 0s"),
        (when(probability(0, 3)), "0/3 is no probability; it must be above 0 and at most 1"),
        (when(probability(4, 3)), "4/3 is no probability; it must be above 0 and at most 1"),
        (when(probability(1, 0)), "1/0 is no probability; it must be above 0 and at most 1"),
        (
            when(When { from: Some(secs(2)), to: Some(secs(2)), ..When::default() }),
            "the rule can never match: its window ends at 2s, and does not begin before 2s",
        ),
        (
            when(When { to: Some(secs(0)), ..When::default() }),
            "the rule can never match: its window ends at 0s, and does not begin before 0s",
        ),
        (
            when(When { from: Some(secs(-1)), ..When::default() }),
            "from=-1s is before the start of the run; windows count from the start, so write 0s or more",
        ),
        (when(cycle(secs(5), secs(0))), "every=5s for=0s is no cycle; the open part must be above 0s and at most the whole"),
        (when(cycle(secs(5), secs(6))), "every=5s for=6s is no cycle; the open part must be above 0s and at most the whole"),
        (when(cycle(secs(0), secs(0))), "every=0s for=0s is no cycle; the open part must be above 0s and at most the whole"),
        (doing(Effect::Delay { min: secs(0), max: secs(0) }), "by=0s does nothing; write a length of time above 0s"),
        (doing(Effect::Delay { min: secs(2), max: secs(1) }), "by=2s..1s is no range; write the shorter delay first"),
        (doing(Effect::Delay { min: secs(-1), max: secs(1) }), "by=-1s lies in the past; write 0s or more"),
        (doing(Effect::Duplicate { copies: 0 }), "copies=0 does nothing; write how many times more it arrives"),
        (doing(Effect::Disconnect { reconnect: Some(secs(-1)) }), "reconnect=-1s lies in the past; write 0s or more"),
        (doing(Effect::Restart { downtime: secs(-1) }), "downtime=-1s lies in the past; write 0s or more"),
        (doing(Effect::Kill { downtime: secs(0), lost: Lost::Since(secs(-1)).into() }), "lost=-1s lies in the past; write 0s or more"),
        (
            doing(Effect::Kill { downtime: secs(0), lost: LostTail { messages: Lost::Nothing, state: Lost::Since(secs(-1)) } }),
            "lost-state=-1s lies in the past; write 0s or more",
        ),
        (doing(Effect::Slow { by: secs(0) }), "by=0s does nothing; write a length of time above 0s"),
        (
            of_kind(K::Delivery, Effect::ReplyLost),
            "the rule can never match: delivery has no reply to lose; its kinds are publish, api, ack, nak, in-progress and term",
        ),
        (
            of_kind(K::Status, Effect::Error("x".into())),
            "the rule can never match: status is sent by the server, and an error is what a client meets when it sends; use drop",
        ),
        (of_kind(K::Ack, Effect::Slow { by: secs(1) }), "the rule can never match: slow is about handling deliveries, not about ack"),
        (
            of_kind(K::Ack, cut.clone()),
            "a partition cuts everything on a link, so it can not ask for kind; use drop, or match by client alone",
        ),
        (
            rule(Match { stream: Some("S".into()), ..Match::default() }, When::default(), cut.clone()),
            "a partition cuts everything on a link, so it can not ask for stream; use drop, or match by client alone",
        ),
        (
            rule(Match::default(), occurrence(Occurrence::First(1)), cut.clone()),
            "a partition lasts for a time; limit it by from, to, after, until, every and for, not by count or probability",
        ),
        (
            rule(Match::default(), probability(1, 2), cut),
            "a partition lasts for a time; limit it by from, to, after, until, every and for, not by count or probability",
        ),
    ] {
        let error = rule.validate().expect_err(expected);
        assert_eq!(error.to_string(), expected);
        assert_eq!(Rules::new(1).add(jetlag_model::Time::START, rule), Err(error));
    }
}

/// Which attributes a kind has is what a driver can know of its crossings.
#[test]
fn what_kinds_have() {
    use Attribute as A;
    let delivery = [A::Stream, A::Consumer, A::Subject, A::StreamSeq, A::DeliveryCount, A::Header, A::Payload, A::PayloadContains];
    for kind in CrossingKind::ALL {
        use CrossingKind as K;
        let has: &[Attribute] = match kind {
            K::Publish | K::Message => &[A::Subject, A::Header, A::Payload, A::PayloadContains],
            K::Connect => &[],
            K::ApiReply => &[A::Subject, A::Payload, A::PayloadContains],
            K::Pull | K::Status | K::Heartbeat => &[A::Stream, A::Consumer],
            K::Api => &[A::Stream, A::Consumer, A::Subject, A::Payload, A::PayloadContains],
            K::PubAck => &[A::Stream, A::Subject, A::StreamSeq],
            K::Advisory => &[A::Stream, A::Consumer, A::Subject, A::StreamSeq, A::Payload, A::PayloadContains],
            K::Delivery | K::Ack | K::Nak | K::InProgress | K::Term | K::Next | K::AckReply => &delivery,
        };
        for attribute in delivery {
            let mut matcher = Match { kind: Some(kind), ..Match::default() };
            match attribute {
                A::Kind => continue,
                A::Stream => matcher.stream = Some("S".into()),
                A::Consumer => matcher.consumer = Some("C".into()),
                A::Subject => matcher.subject = Some(Subject::new("a.*").unwrap()),
                A::StreamSeq => matcher.stream_seq = Some(1.into()),
                A::DeliveryCount => matcher.delivery_count = Some(1.into()),
                A::Header => matcher.header = Some(("a".into(), "b".into())),
                A::Payload => matcher.payload = Some(b"a".as_slice().into()),
                A::PayloadContains => matcher.payload_contains = Some(b"a".as_slice().into()),
            }
            let expected = if has.contains(&attribute) { Ok(()) } else { Err(RuleError::NotCarried { kind, attribute }) };
            assert_eq!(matching(matcher).validate(), expected, "{kind} {attribute}");
        }
    }
}

/// What a rule waits for must be there, and may be cleared already.
#[test]
fn events_are_rules_that_were_added() {
    let mut rules = Rules::new(1);
    let waiting = when(When { after: Some("seen".into()), ..When::default() });
    let missing = Err(RuleError::NoSuchEvent("seen".into()));
    assert_eq!(rules.add(jetlag_model::Time::START, waiting.clone()), missing);
    rules.add(jetlag_model::Time::START, Rule { id: "seen".into(), ..doing(Effect::Mark) }).unwrap();
    rules.clear("seen").unwrap();
    assert_eq!(rules.add(jetlag_model::Time::START, waiting), Ok(()));
}

#[test]
fn all_contradictions_are_found() {
    let matcher = Match { kind: Some(CrossingKind::Pull), stream_seq: Some(0.into()), ..Match::default() };
    let when = When { occurrence: Some(Occurrence::Nth(vec![0])), to: Some(secs(0)), ..When::default() };
    let bad = rule(matcher, when, Effect::Slow { by: secs(0) });
    let expected = [
        RuleError::Zero("stream-seq"),
        RuleError::NotCarried { kind: CrossingKind::Pull, attribute: Attribute::StreamSeq },
        RuleError::Zero("nth"),
        RuleError::EmptyWindow { from: secs(0), to: secs(0) },
        RuleError::NotHandled(CrossingKind::Pull),
        RuleError::NotPositive { what: "by", value: secs(0) },
    ];
    assert_eq!(bad.contradictions(), expected);
    assert_eq!(bad.validate(), Err(RuleError::Zero("stream-seq")));
}

#[test]
fn rules_that_make_sense() {
    use CrossingKind as K;
    let window = When { from: Some(secs(0)), to: Some(secs(1)), cycle: Some(Cycle { every: secs(5), active: secs(5) }), ..When::default() };
    let both = When { occurrence: Some(Occurrence::Always), ..window.clone() };
    let ack = Match {
        kind: Some(K::Ack),
        client: Some("w1".into()),
        stream: Some("S".into()),
        consumer: Some("C".into()),
        subject: Some(Subject::new("a.*").unwrap()),
        stream_seq: Some(1.into()),
        delivery_count: Some(Numbers { first: 1, last: None }),
        header: Some(("a".into(), "".into())),
        payload: Some(b"".as_slice().into()),
        payload_contains: Some(b"".as_slice().into()),
    };
    for good in [
        rule(ack, window, Effect::Drop),
        rule(Match { client: Some("w1".into()), ..Match::default() }, both, Effect::Partition(Partition::Up)),
        doing(Effect::Delay { min: secs(0), max: secs(1) }),
        doing(Effect::Ramp { first: secs(2), last: secs(0), over: secs(1) }),
        doing(Effect::Mark),
        doing(Effect::Restart { downtime: secs(0) }),
        doing(Effect::Kill { downtime: secs(1), lost: Lost::Last(3).into() }),
        doing(Effect::Disconnect { reconnect: None }),
        when(When { probability: Some(Probability { numerator: 3, denominator: 3 }), ..When::default() }),
        of_kind(K::Publish, Effect::ReplyLost),
        of_kind(K::Publish, Effect::Error("connection refused".into())),
        of_kind(K::Delivery, Effect::Slow { by: secs(1) }),
    ] {
        assert_eq!(good.validate(), Ok(()), "{good:?}");
    }
}
