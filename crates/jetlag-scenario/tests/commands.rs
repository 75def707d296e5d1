//! Every command: what is written, what is read, and its canonical form.

use jetlag_fault::{CrossingKind, Cycle, Effect, Lost, LostTail, Match, Numbers, Occurrence, Partition, Probability, When};
use jetlag_model::{DeliveryCount, Duration, StreamSeq, Subject};
use jetlag_scenario::{
    AckCommand, AckVerb, Action, ActionKind, Advance, Amount, Check, CheckName, ClientCommand, Command, Comparison, Conform, ConsumerPath,
    CountCondition, DeliveryRef, Expect, ExpectAlert, ExpectMetric, Fetch, Info, Kill, Mode, Publish, Purge, Request, Scenario,
    SettingValue, Step, Subscribe, Wanted, WorkerMatch, format, parse,
};

fn secs(s: i64) -> Duration {
    Duration::from_secs(s)
}

/// A scenario of one block. Fault rules may name the clients `w1` and `producer`, because they are there.
fn scenario_of(commands: &str) -> String {
    format!("title: t\n\nclient w1\nclient producer\n----\n\n{commands}\n----\nok\n")
}

fn parsed(commands: &str) -> Scenario {
    parse(&scenario_of(commands)).unwrap_or_else(|found| panic!("{commands}: {found:?}"))
}

fn step(command: &str) -> Step {
    parsed(command).blocks[1].steps.last().expect("a step").clone()
}

fn command(text: &str) -> Command {
    step(text).command
}

fn path() -> ConsumerPath {
    ConsumerPath { stream: "S".into(), consumer: "C".into() }
}

#[test]
fn canonical_lines_are_printed_as_they_are_read() {
    for text in [
        "stream ORDERS",
        "stream ORDERS subjects=orders.>,bills.* description=\"two words\" retention=workqueue max-consumers=-1 max-msgs=10 max-bytes=1024",
        "stream ORDERS max-age=1h max-msgs-per-subject=1 max-msg-size=10 discard=new discard-new-per-subject=yes storage=memory",
        "stream ORDERS num-replicas=1 no-ack=yes duplicate-window=2m first-seq=5 allow-direct=no sealed=no deny-delete=yes",
        "stream ORDERS deny-purge=yes allow-rollup-hdrs=yes allow-msg-ttl=yes",
        "stream \"bad name\" subjects=x",
        "update stream ORDERS max-age=10s subjects=\"\"",
        "delete stream ORDERS",
        "purge ORDERS",
        "purge ORDERS filter=orders.* seq=10 keep=2",
        "delete message ORDERS 7",
        "consumer ORDERS/WORK durable=no deliver-policy=by_start_sequence opt-start-seq=3 ack-policy=explicit ack-wait=30s max-deliver=-1",
        "consumer ORDERS/WORK opt-start-time=start+10s pause-until=2026-01-01T00:00:00Z backoff=1s,5s,1m30s filter-subject=\"\"",
        "consumer ORDERS/WORK opt-start-time=start-1.5s filter-subjects=a,b.* replay-policy=original rate-limit-bps=8 sample-freq=100%",
        "consumer ORDERS/WORK max-waiting=1 max-ack-pending=1 headers-only=yes max-batch=1 max-expires=1s max-bytes=1 backoff=\"\"",
        "consumer ORDERS/WORK deliver-subject=push deliver-group=g flow-control=yes idle-heartbeat=5s inactive-threshold=5s",
        "consumer ORDERS/WORK num-replicas=1 mem-storage=yes deliver-policy=last_per_subject ack-wait=-1s description=\"\"",
        "update consumer ORDERS/WORK ack-wait=10s",
        "delete consumer ORDERS/WORK",
        "info ORDERS",
        "info ORDERS/WORK",
        "publish orders.1 \"a\"",
        "producer: publish orders.1 \"a \\\"quoted\\\" \\\\ \\n\\t\\r\\0 \\xff ü\" id=x expected-last-seq=0 expected-last-subject-seq=1",
        "publish orders.1 \"\" expected-stream=ORDERS expected-last-msg-id=x header=A:b header=\"C: d e\" header=E: count=3 no-reply",
        "w1: fetch S/C batch=10 expires=5s no-wait idle-heartbeat=1s max-bytes=1024 as=slow",
        "fetch S/C",
        "w1: ack 1",
        "w1: ack S/C:1#2 sync",
        "w1: nak C:1 delay=2s sync",
        "w1: in-progress C:1",
        "w1: term C:1 reason=\"no use\"",
        "w1: next C:1 batch=3",
        "w1: subscribe orders.> queue=g max=3",
        "w1: unsubscribe orders.>",
        "request $JS.API.INFO",
        "w1: request $JS.API.STREAM.CREATE.X\n  {\n    \"name\": \"X\"  # no comment\n  }",
        "client c2",
        "client c2 reconnect=no no-responders=no headers=no echo=no",
        "w1: disconnect",
        "w1: reconnect",
        "w1: crash",
        "restart",
        "restart downtime=1s",
        "kill",
        "kill downtime=1s lost=unwritten",
        "kill lost=all",
        "kill lost=2s",
        "kill lost=3",
        "kill lost-state=3",
        "kill lost=3 lost-state=nothing",
        "fault f drop",
        "fault f delay by=5s",
        "fault f delay by=1s..2s",
        "fault f duplicate copies=2",
        "fault f reply-lost kind=publish",
        "fault f error \"connection refused\" kind=ack",
        "fault f disconnect reconnect=1s",
        "fault f partition both client=w1 from=1s to=2s",
        "fault f restart downtime=1s nth=2",
        "fault f kill downtime=1s lost=2s",
        "fault f crash client=w1",
        "fault f slow by=5ms client=w1",
        "fault f drop kind=delivery client=w1 stream=S consumer=C subject=orders.* stream-seq=1 delivery-count=2 first=3",
        "fault f drop kind=ack probability=1/3 from=5s to=10s every=1s for=500ms",
        "fault f drop always",
        "fault f mark kind=nak\nfault g drop kind=ack nth=2,3,7 after=f",
        "fault f mark kind=nak\nfault g drop kind=ack burst=2/5 after=f until=f every=5s for=1s",
        "fault f drop kind=ack stream-seq=2..5 delivery-count=2.. header=tenant:acme payload=\"a\" payload-contains=\"\\0b\" ratio=1/3",
        "fault f drop kind=ack header=\"tenant:acme corp\"",
        "fault f delay by=100ms..5s over=1m kind=publish",
        "fault f delay by=5s..0s over=1m kind=publish",
        "fault f drop\nclear f",
        "worker w2 S/C",
        "worker w2 S/C batch=10 expires=5s concurrency=4",
        "worker w2 S/C handler=router limit=5s name=\"5s\" other=x",
        "worker w2 S/C\n  # why\n  on subject=orders.bad nak delay=2s\n  on delivery-count<=2 ignore # twice\n  otherwise ack after=20ms sync\n  # end",
        "worker w2 S/C\n  on delivery-count>=2 stream-seq=1 payload=\"a\\xff\" in-progress after=5s, term reason=\"x, y\"\n  on delivery-count=1 ack",
        "worker w2 S/C\nstop w2",
        "advance 30s",
        "advance to start+1m30s",
        "settle",
        "check no-message-lost max-deliver redelivery-deadline ack-floor max-ack-pending settled idle count-tracking",
        "!stream ORDERS",
        "!producer: publish a \"\"",
        "(stream ORDERS)",
        "(producer: publish a \"(b)\") # remark",
        "# above\n#\n#  twice\nsettle # behind\n# below",
    ] {
        assert_eq!(parsed(text).to_string(), scenario_of(text));
    }
}

#[test]
fn other_spellings_become_canonical() {
    for (written, canonical) in [
        ("stream   ORDERS\tsubjects=\"a,b\"", "stream ORDERS subjects=a,b"),
        ("stream subjects=a ORDERS", "stream ORDERS subjects=a"),
        ("stream ORDERS max-age=60000ms sealed=true deny-purge=false", "stream ORDERS max-age=1m sealed=yes deny-purge=no"),
        ("publish a hello", "publish a \"hello\""),
        ("publish a \"\\x41\\x0a\" count=1", "publish a \"A\\n\""),
        ("client c2 reconnect=yes", "client c2"),
        ("fault f duplicate copies=1", "fault f duplicate"),
        ("fault f delay by=1s..1s", "fault f delay by=1s"),
        ("fault f drop stream-seq=2..2", "fault f drop stream-seq=2"),
        ("fault f restart downtime=0s", "fault f restart"),
        ("fault f kill lost=nothing downtime=0s", "fault f kill"),
        ("kill lost=nothing downtime=0s", "kill downtime=0s"),
        ("kill lost-state=2s lost=2s", "kill lost=2s"),
        ("kill lost=nothing lost-state=all", "kill lost-state=all"),
        ("settle\n    # indented", "settle\n# indented"),
        ("( settle )#x", "(settle) #x"),
        ("request a\n\t\t{\n\t\t\tb\n\t\t}", "request a\n  {\n  \tb\n  }"),
        ("worker w2 S/C\n otherwise ack , nak", "worker w2 S/C\n  otherwise ack, nak"),
    ] {
        assert_eq!(format(&scenario_of(written)), Ok(scenario_of(canonical)), "{written}");
    }
}

#[test]
fn commands_carry_what_is_written() {
    let orders = "ORDERS".into();
    let purge = Purge { name: orders, filter: Some("a.*".into()), seq: Some(StreamSeq(3)), keep: None };
    assert_eq!(command("purge ORDERS seq=3 filter=a.*"), Command::Purge(purge));
    assert_eq!(command("info S/C"), Command::Info(Info::Consumer(path())));
    assert_eq!(command("info S"), Command::Info(Info::Stream("S".into())));
    let publish = Publish {
        headers: vec![("A".into(), " b:c".into())],
        id: Some(String::new()),
        no_reply: true,
        count: 3,
        ..Publish::new("a", [0xff, b'x'])
    };
    assert_eq!(command("publish a \"\\xffx\" header=\"A: b:c\" id=\"\" count=3 no-reply"), Command::Publish(publish));
    let hour = Publish { every: Some(secs(7)), lasting: Some(secs(60)), count: 9, ..Publish::new("a", *b"x") };
    assert_eq!(command("publish a \"x\" every=7s for=1m"), Command::Publish(hour.clone()), "at 0s, 7s ... 56s");
    assert_eq!(command("publish a \"x\" every=20s for=1m"), Command::Publish(Publish { every: Some(secs(20)), count: 3, ..hour }));
    let paced = Publish { every: Some(secs(7)), count: 2, ..Publish::new("a", *b"x") };
    assert_eq!(command("publish a \"x\" every=7s count=2"), Command::Publish(paced));
    let fetch = Fetch {
        path: path(),
        batch: Some(2),
        expires: Some(secs(5)),
        no_wait: true,
        idle_heartbeat: Some(secs(1)),
        max_bytes: Some(9),
        group: Some("A".into()),
        id: Some("last".into()),
        priority: Some(3),
        min_pending: Some(4),
        min_ack_pending: Some(5),
        alias: Some("slow".into()),
    };
    let text = "fetch S/C batch=2 expires=5s no-wait idle-heartbeat=1s max-bytes=9 group=A id=last priority=3 min-pending=4 min-ack-pending=5 as=slow";
    assert_eq!(command(text), Command::Fetch(fetch));
    let subscribe = Subscribe { subject: "a.>".into(), queue: Some("g".into()), max: Some(1) };
    assert_eq!(command("w1: subscribe a.> queue=g max=1"), Command::Subscribe(subscribe));
    let client = ClientCommand { echo: false, no_responders: false, ..ClientCommand::new("c2") };
    assert_eq!(command("client c2 echo=no no-responders=no"), Command::Client(client));
    assert_eq!(command("advance 1m"), Command::Advance(Advance::By(secs(60))));
    assert_eq!(command("advance to start+1m"), Command::Advance(Advance::To(secs(60))));
    let check = Check { names: vec![CheckName::Idle, CheckName::AckFloor] };
    assert_eq!(command("check idle ack-floor"), Command::Check(check));
    let labels = vec![("state".to_owned(), "connected".to_owned()), ("reason".to_owned(), "a b".to_owned())];
    let metric = |wanted, labels| Command::Expect(Expect::Metric(ExpectMetric { name: "m_total".into(), wanted, labels }));
    assert_eq!(command("expect metric m_total +2"), metric(Wanted::Change(Amount::from(2)), vec![]));
    assert_eq!(command("expect metric m_total state=connected -1 reason=\"a b\""), metric(Wanted::Change(Amount::from(-1)), labels));
    assert_eq!(command("expect metric m_total 0.5"), metric(Wanted::Value(Amount::from_thousandths(500)), vec![]));
    assert_eq!(command("expect no-other-metric"), Command::Expect(Expect::NoOtherMetric(None)));
    assert_eq!(command("expect no-other-metric router_*"), Command::Expect(Expect::NoOtherMetric(Some("router_*".into()))));
    let labels = vec![("severity".to_owned(), "critical".to_owned())];
    let alert = |name: &str, fires, labels| Command::Expect(Expect::Alert(ExpectAlert { name: name.into(), fires, labels }));
    assert_eq!(command("expect alert Down severity=critical"), alert("Down", true, labels));
    assert_eq!(command("expect no-alert Down"), alert("Down", false, vec![]));
    let body = Some("{\n  \"a\": 1\n}".into());
    assert_eq!(command("request a\n    {\n      \"a\": 1\n    }"), Command::Request(Request { subject: "a".into(), body }));
    let kill = |messages, state| Command::Kill(Kill { downtime: None, lost: LostTail { messages, state } });
    for (text, lost) in
        [("nothing", Lost::Nothing), ("unwritten", Lost::Unwritten), ("all", Lost::All), ("2s", Lost::Since(secs(2))), ("3", Lost::Last(3))]
    {
        assert_eq!(command(&format!("kill lost={text}")), kill(lost, lost));
        assert_eq!(command(&format!("kill lost-state={text}")), kill(Lost::Nothing, lost));
        assert_eq!(command(&format!("kill lost=9 lost-state={text}")), kill(Lost::Last(9), lost));
    }
}

#[test]
fn settings_have_types() {
    let text =
        "consumer S/C durable=no ack-policy=explicit max-deliver=-1 ack-wait=30s backoff=1s,5s filter-subjects=a,b opt-start-time=start+1s";
    let Command::Consumer(consumer) = command(text) else { panic!("{text}") };
    let found: Vec<_> = consumer.settings.0.iter().map(|setting| (setting.json_key(), setting.value.clone())).collect();
    let expected = [
        ("durable_name", SettingValue::Flag(false)),
        ("ack_policy", SettingValue::Text("explicit".into())),
        ("max_deliver", SettingValue::Integer(-1)),
        ("ack_wait", SettingValue::Duration(secs(30))),
        ("backoff", SettingValue::Durations(vec![secs(1), secs(5)])),
        ("filter_subjects", SettingValue::Texts(vec!["a".into(), "b".into()])),
        ("opt_start_time", SettingValue::SinceStart(secs(1))),
    ];
    assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
    assert_eq!(consumer.settings.value("ack-wait"), Some(&SettingValue::Duration(secs(30))));
    assert_eq!(consumer.settings.value("max-waiting"), None);
}

#[test]
fn acknowledgements_name_a_delivery() {
    let reference = |stream: Option<&str>, consumer: Option<&str>, seq, count: Option<u64>| DeliveryRef {
        stream: stream.map(Into::into),
        consumer: consumer.map(Into::into),
        seq: StreamSeq(seq),
        delivery_count: count.map(DeliveryCount),
        span: Default::default(),
    };
    for (text, verb, delivery, sync) in [
        ("ack S/C:1", AckVerb::Ack, reference(Some("S"), Some("C"), 1, None), false),
        ("nak C:2#3 delay=1s", AckVerb::Nak { delay: Some(secs(1)) }, reference(None, Some("C"), 2, Some(3)), false),
        ("in-progress 4#1 sync", AckVerb::InProgress, reference(None, None, 4, Some(1)), true),
        ("term C:D:4 reason=x", AckVerb::Term { reason: Some("x".into()) }, reference(None, Some("C:D"), 4, None), false),
        ("next 1", AckVerb::Next { batch: None }, reference(None, None, 1, None), false),
    ] {
        assert_eq!(command(&format!("w1: {text}")), Command::Ack(AckCommand { verb, delivery, sync }), "{text}");
    }
}

#[test]
fn faults_have_effect_match_and_when() {
    let fault = |text: &str| match command(text) {
        Command::Fault(spec) => spec.rule,
        other => panic!("{other:?}"),
    };
    let events = "fault e mark kind=ack\nfault u mark kind=nak\n";
    let rule = fault(&format!(
        "{events}fault f delay by=1s..2s kind=ack client=w1 subject=a.* stream-seq=1 delivery-count=2..4 \
         header=tenant:acme:eu payload=\"a b\" payload-contains=\"a\\0\" probability=1/3 from=1s to=9s after=e until=u every=2s for=1s"
    ));
    assert_eq!(&*rule.id, "f");
    assert_eq!(rule.effect, Effect::Delay { min: secs(1), max: secs(2) });
    let matcher = Match {
        kind: Some(CrossingKind::Ack),
        client: Some("w1".into()),
        subject: Some(Subject::new("a.*").expect("a filter")),
        stream_seq: Some(1.into()),
        delivery_count: Some(Numbers { first: 2, last: Some(4) }),
        header: Some(("tenant".into(), "acme:eu".into())),
        payload: Some(b"a b".as_slice().into()),
        payload_contains: Some(b"a\0".as_slice().into()),
        ..Match::default()
    };
    assert_eq!(rule.matcher, matcher);
    let when = When {
        occurrence: None,
        probability: Some(Probability { numerator: 1, denominator: 3 }),
        from: Some(secs(1)),
        to: Some(secs(9)),
        after: Some("e".into()),
        until: Some("u".into()),
        cycle: Some(Cycle { every: secs(2), active: secs(1) }),
    };
    assert_eq!(rule.when, when);
    for (text, effect) in [
        ("partition down", Effect::Partition(Partition::Down)),
        ("duplicate", Effect::Duplicate { copies: 1 }),
        ("error \"a b\"", Effect::Error("a b".into())),
        ("disconnect", Effect::Disconnect { reconnect: None }),
        ("disconnect reconnect=0s", Effect::Disconnect { reconnect: Some(secs(0)) }),
        ("restart", Effect::Restart { downtime: secs(0) }),
        ("kill", Effect::Kill { downtime: secs(0), lost: LostTail::default() }),
        ("kill downtime=1s lost=3", Effect::Kill { downtime: secs(1), lost: Lost::Last(3).into() }),
        ("kill lost=all lost-state=3", Effect::Kill { downtime: secs(0), lost: LostTail { messages: Lost::All, state: Lost::Last(3) } }),
        ("slow by=1s", Effect::Slow { by: secs(1) }),
        ("mark", Effect::Mark),
        ("delay by=1s..2s over=1m", Effect::Ramp { first: secs(1), last: secs(2), over: secs(60) }),
        ("delay by=2s..0s over=1m", Effect::Ramp { first: secs(2), last: secs(0), over: secs(60) }),
        ("delay by=1s over=1m", Effect::Ramp { first: secs(1), last: secs(1), over: secs(60) }),
    ] {
        assert_eq!(fault(&format!("fault f {text}")).effect, effect, "{text}");
    }
    for (text, occurrence) in [
        ("drop", None),
        ("drop first=2", Some(Occurrence::First(2))),
        ("drop nth=2", Some(Occurrence::Nth(vec![2]))),
        ("drop nth=2,3,7", Some(Occurrence::Nth(vec![2, 3, 7]))),
        ("drop burst=2/5", Some(Occurrence::Burst { acting: 2, of: 5 })),
        ("drop ratio=1/3", Some(Occurrence::Ratio { acting: 1, of: 3 })),
        ("drop always", Some(Occurrence::Always)),
    ] {
        assert_eq!(fault(&format!("fault f {text}")).when.occurrence, occurrence, "{text}");
    }
    for (text, first, last) in [("7", 7, Some(7)), ("2..5", 2, Some(5)), ("2..2", 2, Some(2)), ("2..", 2, None)] {
        assert_eq!(fault(&format!("fault f drop stream-seq={text}")).matcher.stream_seq, Some(Numbers { first, last }), "{text}");
    }
    for kind in CrossingKind::ALL {
        assert_eq!(fault(&format!("fault f drop kind={kind}")).matcher.kind, Some(kind));
    }
}

#[test]
fn workers_have_rules() {
    let text = "worker w2 S/C batch=2\n  on subject=a.> delivery-count<=2 nak delay=2s\n  # the rest\n  otherwise in-progress after=5s, ack after=20ms sync";
    let Command::Worker(worker) = command(text) else { panic!("{text}") };
    assert_eq!((&*worker.name, worker.batch, worker.rules.len()), ("w2", Some(2), 2));
    let count = CountCondition { comparison: Comparison::AtMost, count: DeliveryCount(2) };
    let matching = WorkerMatch { subject: Some("a.>".into()), delivery_count: Some(count), ..WorkerMatch::default() };
    assert_eq!(worker.rules[0].matching, matching);
    assert!(!matching.is_otherwise());
    assert_eq!(worker.rules[0].actions, [Action { kind: ActionKind::Nak { delay: Some(secs(2)) }, after: None, sync: false }]);
    assert!(worker.rules[1].matching.is_otherwise());
    assert_eq!(worker.rules[1].comments, [" the rest"]);
    let later = |kind, after, sync| Action { kind, after: Some(after), sync };
    let expected = [later(ActionKind::InProgress, secs(5), false), later(ActionKind::Ack, Duration::from_millis(20), true)];
    assert_eq!(worker.rules[1].actions, expected);
}

#[test]
fn modes_and_actors() {
    for (text, mode, actor) in [
        ("info S", Mode::Normal, None),
        ("!info S", Mode::MustFail, None),
        ("(info S)", Mode::Silent, None),
        ("w1: fetch S/C", Mode::Normal, Some("w1")),
        ("!w1: fetch S/C", Mode::MustFail, Some("w1")),
        ("(w1: fetch S/C)", Mode::Silent, Some("w1")),
        ("! w1: fetch S/C", Mode::MustFail, Some("w1")),
    ] {
        let step = step(text);
        assert_eq!((step.mode, step.actor.as_deref()), (mode, actor), "{text}");
    }
}

#[test]
fn the_header_carries_what_is_written() {
    let text = "# licence\n\n# what\ntitle: a: claim # all of it\ncites: one\ncites: two, too\nids: S1b, R1\nserver: >=2.11.0,<2.14.0\nseed: 7\nlabels: slow\nconform: no - it takes - days\nunconfirmed: since 2.15\n";
    let header = parse(text).expect(text).header;
    assert_eq!(header.comments, [" licence", " what"]);
    assert_eq!(header.title, "a: claim # all of it");
    assert_eq!(header.cites, ["one", "two, too"]);
    assert_eq!(header.ids, ["S1b", "R1"]);
    assert_eq!(header.server.as_ref().map(ToString::to_string).as_deref(), Some(">=2.11.0,<2.14.0"));
    assert_eq!((header.seed, &header.labels[..]), (7, &["slow".to_owned()][..]));
    assert_eq!(header.conform, Conform::No("it takes - days".into()));
    assert_eq!(header.unconfirmed.as_deref(), Some("since 2.15"));
    assert_eq!(format(text).expect(text), text.replacen("licence\n\n", "licence\n", 1));
}

#[test]
fn blocks_have_transcripts_by_version() {
    let text = "title: t\n\ninfo S\n----\nnew\n---- server>=2.12.0,<2.13.0: middle\nmiddle\n---- server<2.13.0: old\nold\n\n# alone\n";
    let scenario = parse(text).expect(text);
    for (version, index, lines) in [("2.15.1", 0, "new"), ("2.12.3", 1, "middle"), ("2.10.0", 2, "old")] {
        let (at, transcript) = scenario.blocks[0].transcript_for(version.parse().expect(version)).expect(version);
        assert_eq!((at, transcript.lines[0].as_str()), (index, lines), "{version}");
    }
    assert_eq!(scenario.blocks[1].transcript_for("2.15.1".parse().expect("a version")), None);
    assert_eq!(scenario.blocks[1].comments, [" alone"]);
    assert_eq!(scenario.to_string(), text);
}

#[test]
fn values_know_where_they_stood() {
    let text = scenario_of("stream ORDERS max-age=10s\nw1: ack S/C:1\nfault f drop client=w1");
    let scenario = parse(&text).expect(&text);
    let at = |span: jetlag_scenario::Span| &text[span.range()];
    let [stream, ack, fault] = &scenario.blocks[1].steps[..] else { panic!("three steps") };
    assert_eq!((stream.line(), at(stream.span)), (7, "stream ORDERS max-age=10s"));
    assert_eq!((ack.line(), at(ack.span), ack.actor.as_ref().map(|actor| at(actor.span))), (8, "w1: ack S/C:1", Some("w1")));
    let Command::Stream(command) = &stream.command else { panic!("{stream}") };
    assert_eq!((at(command.name.span), at(command.settings.0[0].span)), ("ORDERS", "max-age=10s"));
    let Command::Ack(command) = &ack.command else { panic!("{ack}") };
    assert_eq!(at(command.delivery.span), "S/C:1");
    let Command::Fault(spec) = &fault.command else { panic!("{fault}") };
    assert_eq!((at(spec.span), at(spec.id().span), at(spec.client_span)), ("f drop client=w1", "f", "w1"));
    assert_eq!(spec.client().map(|client| at(client.span)), Some("w1"));
    let transcript = &scenario.blocks[1].transcripts[0];
    assert_eq!((transcript.span.line, at(transcript.span)), (10, "ok\n"));
}
