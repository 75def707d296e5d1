//! Scenarios at random: everything the language can say, and nothing it refuses.

use std::collections::BTreeSet;

use jetlag_fault::{
    Attribute, CrossingKind, Cycle, Effect, Lost, LostTail, Match, Numbers, Occurrence, Partition, Probability, Rule, RuleError, When,
};
use jetlag_model::{DeliveryCount, Duration, Payload, StreamSeq, Subject};
use jetlag_scenario::{
    AckCommand, AckVerb, Action, ActionKind, Advance, Amount, Block, Check, CheckName, ClientCommand, Command, Comparison, Conform,
    ConsumerCommand, ConsumerPath, CountCondition, DeleteConsumer, DeleteMessage, DeleteStream, DeliveryRef, Expect, ExpectAlert,
    ExpectMetric, FaultSpec, Fetch, HandlerOption, Header, Info, Kill, KnownDifference, Mode, Name, Publish, Purge, Request, Restart,
    SCRIPT, Scenario, Setting, SettingValue, Settings, Span, Step, StreamCommand, Subscribe, Transcript, Unsubscribe, VersionCondition,
    Wanted, WorkerCommand, WorkerMatch, WorkerRule,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Any text, with a liking for what has a meaning in the language.
fn text() -> BoxedStrategy<String> {
    prop_oneof![
        3 => "[a-z.>*/:#=@_{},<-]{0,8}",
        1 => "[ \"\\\\()!#,=\n\t\r\0\u{7f}\u{85}\u{a0}aü0-9s-]{0,8}",
        1 => any::<String>(),
        1 => select(vec!["5s", "-1m", "0", "yes", "start+5s", "sync", "a=b", "a<=b", "----", "1..2"]).prop_map(str::to_owned),
    ]
    .boxed()
}

/// What can stand on a line after a `#`, or in a transcript.
fn line() -> impl Strategy<Value = String> {
    "[ a-z#:\"()=-]{0,10}|\\PC{0,10}".prop_map(|line| line.trim_end().to_owned())
}

/// A line that is not blank.
pub(crate) fn full_line() -> impl Strategy<Value = String> {
    (" {0,3}", "[^\\s#-]", line(), " {0,2}").prop_map(|(indent, first, rest, end)| format!("{indent}{first}{rest}{end}"))
}

/// A header's value.
pub(crate) fn value() -> impl Strategy<Value = String> {
    full_line().prop_map(|line| line.trim().to_owned())
}

fn item() -> impl Strategy<Value = String> {
    value().prop_map(|value| value.replace(',', ";"))
}

fn comments() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![3 => Just(Vec::new()), 1 => vec(line(), 1..3)]
}

fn name() -> BoxedStrategy<Name> {
    text().prop_map(|text| Name::from(if text.is_empty() { "x" } else { &*text })).boxed()
}

fn plain_name() -> impl Strategy<Value = Name> {
    name().prop_map(|name| Name::from(&*name.replace('/', "_")))
}

fn identifier() -> impl Strategy<Value = Name> {
    "[A-Za-z0-9_][A-Za-z0-9_.-]{0,5}".prop_map(|text| Name::from(&*text))
}

fn path() -> impl Strategy<Value = ConsumerPath> {
    (plain_name(), name()).prop_map(|(stream, consumer)| ConsumerPath { stream, consumer })
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![delay(), delay().prop_map(|delay| -delay), any::<i64>().prop_map(|ns| Duration::from_nanos(ns.max(-i64::MAX)))]
}

/// Small enough that a thousand of them do not overflow.
fn delay() -> impl Strategy<Value = Duration> {
    prop_oneof![(0..1_000_i64).prop_map(Duration::from_secs), (0..1_000_000_000_000_i64).prop_map(Duration::from_nanos)]
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![vec(any::<u8>(), 0..8), text().prop_map(String::into_bytes)].prop_map(Payload::from)
}

fn setting(key: &'static str, value: SettingValue) -> Setting {
    Setting { key, value, span: Span::default() }
}

fn items(item: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<String>> {
    vec(item.prop_map(|item| if item.is_empty() { "x".to_owned() } else { item.replace(',', ";") }), 0..3)
}

fn stream() -> BoxedStrategy<StreamCommand> {
    let settings = (items(text()), text(), any::<i64>(), duration(), any::<bool>(), select(vec!["limits", "interest", "workqueue"]))
        .prop_map(|(subjects, description, number, age, flag, retention)| {
            vec![
                setting("subjects", SettingValue::Texts(subjects)),
                setting("description", SettingValue::Text(description)),
                setting("max-msgs", SettingValue::Integer(number)),
                setting("max-age", SettingValue::Duration(age)),
                setting("allow-direct", SettingValue::Flag(flag)),
                setting("retention", SettingValue::Text(retention.to_owned())),
            ]
        })
        .prop_flat_map(|all| subsequence(all, 0..=6));
    (name(), settings).prop_map(|(name, settings)| StreamCommand { name, settings: Settings(settings) }).boxed()
}

fn consumer() -> BoxedStrategy<ConsumerCommand> {
    let instant = prop_oneof![duration().prop_map(SettingValue::SinceStart), Just(SettingValue::Text("2026-01-01T00:00:00.5Z".to_owned()))];
    let settings = (vec(duration(), 0..3), text(), any::<i64>(), duration(), any::<bool>(), instant, items(text()))
        .prop_map(|(backoff, filter, number, wait, flag, instant, filters)| {
            vec![
                setting("durable", SettingValue::Flag(flag)),
                setting("backoff", SettingValue::Durations(backoff)),
                setting("filter-subject", SettingValue::Text(filter)),
                setting("filter-subjects", SettingValue::Texts(filters)),
                setting("max-deliver", SettingValue::Integer(number)),
                setting("ack-wait", SettingValue::Duration(wait)),
                setting("pause-until", instant),
                setting("deliver-policy", SettingValue::Text("by_start_time".to_owned())),
            ]
        })
        .prop_flat_map(|all| subsequence(all, 0..=8));
    (path(), settings).prop_map(|(path, settings)| ConsumerCommand { path, settings: Settings(settings) }).boxed()
}

fn publish() -> BoxedStrategy<Publish> {
    let header = (text(), text()).prop_map(|(key, value)| (format!("k{}", key.replace(':', ";")), value));
    let expected = (of(any::<u64>()), of(any::<u64>()), of(text()), of(text()));
    let answers = prop_oneof![Just((None, false)), Just((None, true)), text().prop_map(|reply| (Some(reply), false))];
    let every = (1..1_000_000_i64).prop_map(Duration::from_micros);
    let repeated = (1..5_u64, of((every, any::<bool>()))).prop_map(|(count, every)| match every {
        None => (count, None, None),
        Some((every, false)) => (count, Some(every), None),
        Some((every, true)) => (count, Some(every), Some(every * count as i64)),
    });
    (text(), payload(), of(text()), expected, vec(header, 0..3), repeated, answers)
        .prop_map(|(subject, payload, id, (seq, subject_seq, stream, msg_id), headers, repeated, (reply, no_reply))| Publish {
            subject,
            payload,
            id,
            expected_last_seq: seq,
            expected_last_subject_seq: subject_seq,
            expected_stream: stream,
            expected_last_msg_id: msg_id,
            headers,
            count: repeated.0,
            every: repeated.1,
            lasting: repeated.2,
            reply,
            no_reply,
        })
        .boxed()
}

fn fetch() -> BoxedStrategy<Fetch> {
    let limits = (of(any::<u64>()), of(duration()), any::<bool>(), of(duration()), of(any::<u64>()));
    let priority = (of(text()), of(text()), of(any::<u64>()), of(any::<u64>()), of(any::<u64>()));
    (path(), limits, priority, of(identifier()))
        .prop_map(|(path, (batch, expires, no_wait, idle_heartbeat, max_bytes), priority, alias)| Fetch {
            path,
            batch,
            expires,
            no_wait,
            idle_heartbeat,
            max_bytes,
            group: priority.0,
            id: priority.1,
            priority: priority.2,
            min_pending: priority.3,
            min_ack_pending: priority.4,
            alias,
        })
        .boxed()
}

fn ack() -> BoxedStrategy<AckCommand> {
    let verb = prop_oneof![
        Just(AckVerb::Ack),
        of(duration()).prop_map(|delay| AckVerb::Nak { delay }),
        Just(AckVerb::InProgress),
        of(text()).prop_map(|reason| AckVerb::Term { reason }),
        of(any::<u64>()).prop_map(|batch| AckVerb::Next { batch }),
    ];
    let place = prop_oneof![
        path().prop_map(|path| (Some(path.stream), Some(path.consumer))),
        plain_name().prop_map(|consumer| (None, Some(consumer))),
        Just((None, None)),
    ];
    let delivery = (place, 1..u64::MAX, of(1..9_u64)).prop_map(|((stream, consumer), seq, count)| DeliveryRef {
        stream,
        consumer,
        seq: StreamSeq(seq),
        delivery_count: count.map(DeliveryCount),
        span: Span::default(),
    });
    (verb, delivery, any::<bool>()).prop_map(|(verb, delivery, sync)| AckCommand { verb, delivery, sync }).boxed()
}

/// The lines of a body, of which the first is not indented.
fn request() -> BoxedStrategy<Request> {
    let body = (value(), vec(full_line(), 0..3)).prop_map(|(first, rest)| [vec![first], rest].concat().join("\n"));
    (text(), of(body)).prop_map(|(subject, body)| Request { subject, body }).boxed()
}

fn lost() -> impl Strategy<Value = LostTail> {
    let part = || {
        prop_oneof![
            Just(Lost::Nothing),
            Just(Lost::Unwritten),
            Just(Lost::All),
            delay().prop_map(Lost::Since),
            any::<u64>().prop_map(Lost::Last)
        ]
    };
    (part(), part()).prop_map(|(messages, state)| LostTail { messages, state })
}

fn effect() -> BoxedStrategy<Effect> {
    let longer = || delay().prop_map(|delay| delay + Duration::from_nanos(1));
    prop_oneof![
        Just(Effect::Drop),
        (delay(), longer()).prop_map(|(min, more)| Effect::Delay { min, max: min + more }),
        longer().prop_map(|delay| Effect::Delay { min: delay, max: delay }),
        (1..4_u64).prop_map(|copies| Effect::Duplicate { copies }),
        Just(Effect::ReplyLost),
        text().prop_map(|text| Effect::Error(text.into())),
        of(delay()).prop_map(|reconnect| Effect::Disconnect { reconnect }),
        select(&Partition::ALL[..]).prop_map(Effect::Partition),
        delay().prop_map(|downtime| Effect::Restart { downtime }),
        (delay(), lost()).prop_map(|(downtime, lost)| Effect::Kill { downtime, lost }),
        (delay(), delay(), longer()).prop_map(|(first, last, over)| Effect::Ramp { first, last, over }),
        Just(Effect::Crash),
        Just(Effect::Mark),
        longer().prop_map(|by| Effect::Slow { by }),
    ]
    .boxed()
}

fn matcher() -> BoxedStrategy<Match> {
    let subject = select(vec!["a.>", "*", "orders.1", ">"]).prop_map(|filter| Subject::new(filter).expect("a filter"));
    let kind = select(&CrossingKind::ALL[..]);
    let numbers = || (1..9_u64, of(0..9_u64)).prop_map(|(first, more)| Numbers { first, last: more.map(|more| first + more) });
    let header = ("[a-zA-Z_-]{1,4}", text()).prop_map(|(name, value)| (name.into(), value.into()));
    let bytes = || vec(any::<u8>(), 0..6).prop_map(Into::into);
    (of(kind), any::<bool>(), of(name()), of(name()), of(subject), of(numbers()), of(numbers()), of(header), of(bytes()), of(bytes()))
        .prop_map(|(kind, client, stream, consumer, subject, stream_seq, delivery_count, header, payload, payload_contains)| Match {
            kind,
            client: client.then(|| SCRIPT.into()),
            stream: stream.map(|stream| stream.text),
            consumer: consumer.map(|consumer| consumer.text),
            subject,
            stream_seq,
            delivery_count,
            header,
            payload,
            payload_contains,
        })
        .boxed()
}

fn when() -> BoxedStrategy<When> {
    let second = Duration::from_secs(1);
    let places = vec(1..9_u64, 1..4).prop_map(|steps| {
        steps.into_iter().scan(0, |place, step| {
            *place += step;
            Some(*place)
        })
    });
    let share = || (1..9_u64, 1..9_u64).prop_map(|(acting, more)| (acting, acting + more));
    let occurrence = prop_oneof![
        (1..9_u64).prop_map(Occurrence::First),
        places.prop_map(|places| Occurrence::Nth(places.collect())),
        share().prop_map(|(acting, of)| Occurrence::Burst { acting, of }),
        share().prop_map(|(acting, of)| Occurrence::Ratio { acting, of }),
        Just(Occurrence::Always),
    ];
    // Which rules they are is settled with the whole scenario in view.
    let event = || any::<bool>().prop_map(|there| there.then(|| "later".into()));
    let probability = (1..9_u64, 0..9_u64).prop_map(|(numerator, more)| Probability { numerator, denominator: numerator + more });
    let cycle = (delay(), delay()).prop_map(move |(active, idle)| Cycle { every: active + second + idle, active: active + second });
    (of(occurrence), of(probability), of(delay()), of(delay()), of(cycle), event(), event())
        .prop_map(move |(occurrence, probability, from, length, cycle, after, until)| When {
            occurrence,
            probability,
            from,
            to: length.map(|length| from.unwrap_or_default() + second + length),
            after,
            until,
            cycle,
        })
        .boxed()
}

/// Any rule without contradictions: what contradicts is left out, one after the other.
fn fault() -> BoxedStrategy<FaultSpec> {
    (identifier(), effect(), matcher(), when())
        .prop_map(|(id, effect, matcher, when)| {
            let mut rule = Rule { id: id.text, matcher, when, effect };
            while let Err(error) = rule.validate() {
                let (matcher, when) = (&mut rule.matcher, &mut rule.when);
                match error {
                    RuleError::NotCarried { attribute, .. } | RuleError::PartialPartition(attribute) => match attribute {
                        Attribute::Kind => matcher.kind = None,
                        Attribute::Stream => matcher.stream = None,
                        Attribute::Consumer => matcher.consumer = None,
                        Attribute::Subject => matcher.subject = None,
                        Attribute::StreamSeq => matcher.stream_seq = None,
                        Attribute::DeliveryCount => matcher.delivery_count = None,
                        Attribute::Header => matcher.header = None,
                        Attribute::Payload => matcher.payload = None,
                        Attribute::PayloadContains => matcher.payload_contains = None,
                    },
                    RuleError::NoReply(_) | RuleError::NotSentByClient(_) | RuleError::NotHandled(_) | RuleError::NotOfConnecting(_) => {
                        matcher.kind = None;
                    }
                    RuleError::CountedPartition => (when.occurrence, when.probability) = (None, None),
                    other => panic!("{other}: {rule:?}"),
                }
            }
            FaultSpec::from(rule)
        })
        .boxed()
}

fn metric() -> impl Strategy<Value = Name> {
    "[A-Za-z_][A-Za-z0-9_]{0,6}".prop_map(|text| Name::from(&*text))
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let amount = || prop_oneof![0..9_i64, any::<i64>().prop_map(|thousandths| thousandths / 2)];
    prop_oneof![
        amount().prop_map(|thousandths| Wanted::Change(Amount::from_thousandths(thousandths))),
        amount().prop_map(|thousandths| Wanted::Value(Amount::from_thousandths(thousandths.abs()))),
    ]
}

fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(text(), 0..3).prop_map(|values| values.into_iter().enumerate().map(|(i, value)| (format!("label_{i}"), value)).collect())
}

fn action() -> BoxedStrategy<Action> {
    let kind = prop_oneof![
        Just(ActionKind::Ack),
        of(duration()).prop_map(|delay| ActionKind::Nak { delay }),
        Just(ActionKind::InProgress),
        of(text()).prop_map(|reason| ActionKind::Term { reason }),
    ];
    (kind, of(delay()), any::<bool>()).prop_map(|(kind, after, sync)| Action { kind, after, sync }).boxed()
}

fn rule() -> BoxedStrategy<WorkerRule> {
    let condition = (select(vec![Comparison::AtMost, Comparison::Equal, Comparison::AtLeast]), 1..9_u64)
        .prop_map(|(comparison, count)| CountCondition { comparison, count: DeliveryCount(count) });
    let matching = (of(Just("a.>".to_owned())), of(condition), of((1..9_u64).prop_map(StreamSeq)), of(payload()))
        .prop_map(|(subject, delivery_count, stream_seq, payload)| WorkerMatch { subject, delivery_count, stream_seq, payload });
    let ignore = Action { kind: ActionKind::Ignore, after: None, sync: false };
    let actions = prop_oneof![4 => vec(action(), 1..4), 1 => Just(vec![ignore])];
    (comments(), matching, actions, of(line()))
        .prop_map(|(comments, matching, actions, remark)| WorkerRule { comments, matching, actions, remark, span: Span::default() })
        .boxed()
}

fn worker() -> BoxedStrategy<WorkerCommand> {
    let value = prop_oneof![text().prop_map(SettingValue::Text), duration().prop_map(SettingValue::Duration)];
    let options = vec(value, 0..3).prop_map(|values| {
        let option = |(i, value)| HandlerOption { key: format!("x{i}-y"), value, span: Span::default() };
        values.into_iter().enumerate().map(option).collect::<Vec<_>>()
    });
    let numbers = (of(1..9_u64), of(delay()), of(1..9_u64));
    let handling = prop_oneof![
        (name(), options).prop_map(|(handler, options)| (Some(handler), options, Vec::new())),
        vec(rule(), 0..4).prop_map(|mut rules| {
            let last = rules.iter().position(|rule| rule.matching.is_otherwise());
            rules.truncate(last.map_or(rules.len(), |last| last + 1));
            (None, Vec::new(), rules)
        }),
    ];
    (path(), numbers, handling, comments())
        .prop_map(|(consumer, (batch, expires, concurrency), (handler, options, rules), comments)| WorkerCommand {
            name: "w".into(),
            consumer,
            batch,
            expires,
            concurrency,
            handler,
            options,
            rules,
            comments,
        })
        .boxed()
}

fn command() -> BoxedStrategy<Command> {
    let client = (identifier(), any::<[bool; 4]>()).prop_map(|(name, [reconnect, no_responders, headers, echo])| ClientCommand {
        name,
        reconnect,
        no_responders,
        headers,
        echo,
    });
    let purge = (name(), of(text()), of(any::<u64>()), of(any::<u64>())).prop_map(|(name, filter, seq, keep)| Purge {
        name,
        filter,
        seq: seq.map(StreamSeq),
        keep,
    });
    let manage = prop_oneof![
        stream().prop_map(Command::Stream),
        stream().prop_map(Command::UpdateStream),
        name().prop_map(|name| Command::DeleteStream(DeleteStream { name })),
        purge.prop_map(Command::Purge),
        (name(), any::<u64>()).prop_map(|(stream, seq)| Command::DeleteMessage(DeleteMessage { stream, seq: StreamSeq(seq) })),
        consumer().prop_map(Command::Consumer),
        consumer().prop_map(Command::UpdateConsumer),
        path().prop_map(|path| Command::DeleteConsumer(DeleteConsumer { path })),
        plain_name().prop_map(|name| Command::Info(Info::Stream(name))),
        path().prop_map(|path| Command::Info(Info::Consumer(path))),
    ];
    let traffic = prop_oneof![
        publish().prop_map(Command::Publish),
        fetch().prop_map(Command::Fetch),
        ack().prop_map(Command::Ack),
        (text(), of(text()), of(1..9_u64)).prop_map(|(subject, queue, max)| Command::Subscribe(Subscribe { subject, queue, max })),
        text().prop_map(|subject| Command::Unsubscribe(Unsubscribe { subject })),
        request().prop_map(Command::Request),
        client.prop_map(Command::Client),
        select(vec![Command::Disconnect, Command::Reconnect, Command::Crash, Command::Settle]),
    ];
    let expect = prop_oneof![
        (metric(), wanted(), labels()).prop_map(|(name, wanted, labels)| Expect::Metric(ExpectMetric { name, wanted, labels })),
        of((metric(), any::<bool>()).prop_map(|(name, whole)| if whole { name } else { Name::from(&*format!("{name}*")) }))
            .prop_map(Expect::NoOtherMetric),
        (metric(), any::<bool>(), labels()).prop_map(|(name, fires, labels)| Expect::Alert(ExpectAlert { name, fires, labels })),
    ];
    let world = prop_oneof![
        of(delay()).prop_map(|downtime| Command::Restart(Restart { downtime })),
        (of(delay()), lost()).prop_map(|(downtime, lost)| Command::Kill(Kill { downtime, lost })),
        fault().prop_map(|spec| Command::Fault(Box::new(spec))),
        Just(Command::Clear("f".into())),
        worker().prop_map(Command::Worker),
        Just(Command::Stop("w".into())),
        delay().prop_map(|by| Command::Advance(Advance::By(by))),
        delay().prop_map(|to| Command::Advance(Advance::To(to))),
        subsequence(CheckName::ALL, 1..=8).prop_map(|names| Command::Check(Check { names })),
    ];
    prop_oneof![3 => manage, 3 => traffic, 3 => world, 1 => expect.prop_map(Command::Expect)].boxed()
}

fn step() -> BoxedStrategy<Step> {
    let by_client = |command: &Command| {
        matches!(
            command,
            Command::Ack(_) | Command::Subscribe(_) | Command::Unsubscribe(_) | Command::Disconnect | Command::Reconnect | Command::Crash
        )
    };
    let by_any = |command: &Command| matches!(command, Command::Publish(_) | Command::Fetch(_) | Command::Request(_));
    let refusable = |command: &Command| matches!(command, Command::Publish(_) | Command::Stream(_) | Command::Info(_) | Command::Ack(_));
    (comments(), command(), identifier(), any::<bool>(), select(vec![Mode::Normal, Mode::MustFail, Mode::Silent]), of(line()))
        .prop_map(move |(comments, command, actor, named, mode, remark)| {
            let actor = (by_client(&command) || (named && by_any(&command))).then_some(actor);
            let mode = if mode == Mode::MustFail && !refusable(&command) { Mode::Normal } else { mode };
            Step { comments, actor, mode, command, remark, span: Span::default() }
        })
        .boxed()
}

fn transcripts() -> BoxedStrategy<Vec<Transcript>> {
    let lines = || vec(full_line(), 0..3);
    let ranges = vec!["<2.11.0", ">=2.11.0,<2.14.0", "=2.12.3", ">2.10.0,<=2.10.7"];
    let condition =
        (select(ranges), value()).prop_map(|(range, reason)| VersionCondition { range: range.parse().expect("a range"), reason });
    let conditional =
        (condition, lines()).prop_map(|(condition, lines)| Transcript { condition: Some(condition), lines, span: Span::default() });
    (lines(), vec(conditional, 0..3))
        .prop_map(|(lines, rest)| {
            let first = Transcript { lines, ..Transcript::default() };
            std::iter::once(first).chain(rest).collect()
        })
        .boxed()
}

fn block() -> BoxedStrategy<Block> {
    let working = (vec(step(), 1..5), comments(), transcripts()).prop_map(|(steps, comments, transcripts)| Block {
        steps,
        comments,
        transcripts,
        span: Span::default(),
    });
    let commenting = vec(line(), 1..3).prop_map(|comments| Block { comments, ..Block::default() });
    prop_oneof![4 => working, 1 => commenting].boxed()
}

fn header() -> BoxedStrategy<Header> {
    let server = of(select(vec!["<2.11.0", ">=2.11.0,<2.14.0"]).prop_map(|range| range.parse().expect("a range")));
    let conform = prop_oneof![Just(Conform::Yes), value().prop_map(Conform::No)];
    let lists = (vec(value(), 0..2), vec(item(), 0..3), vec(item(), 0..3));
    let differs = vec((select(vec!["<2.11.0", "=2.12.8"]), value()), 0..2).prop_map(|known| {
        let known = known.into_iter().map(|(range, why)| (range.parse().expect("a range"), format!("#8605 {why}")));
        known.map(|(range, evidence)| KnownDifference { range, evidence }).collect()
    });
    (comments(), value(), lists, server, any::<u64>(), conform, differs, of(value()))
        .prop_map(|(comments, title, (cites, ids, labels), server, seed, conform, differs, unconfirmed)| Header {
            comments,
            title,
            cites,
            ids,
            server,
            seed,
            labels,
            conform,
            differs,
            unconfirmed,
        })
        .boxed()
}

/// Any scenario.
pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    (header(), vec(block(), 0..4)).prop_map(|(header, mut blocks)| {
        let steps = blocks.iter_mut().flat_map(|block| &mut block.steps);
        steps.fold(Names::default(), |names, step| names.settle(&mut step.command));
        Scenario { header, blocks }
    })
}

/// Makes commands fit those before them: each id once, and none that stands for nothing; time goes on.
#[derive(Default)]
struct Names {
    faults: BTreeSet<String>,
    /// All faults so far, cleared ones too.
    rules: Vec<String>,
    workers: BTreeSet<String>,
    given: usize,
    passed: Duration,
}

impl Names {
    fn settle(mut self, command: &mut Command) -> Names {
        self.given += 1;
        let fresh = |letter: char| format!("{letter}{}", self.given);
        match command {
            Command::Fault(spec) => {
                for event in [&mut spec.rule.when.after, &mut spec.rule.when.until] {
                    *event = event.take().and_then(|_| self.rules.last().map(|rule| (&**rule).into()));
                }
                self.faults.insert(fresh('f'));
                self.rules.push(fresh('f'));
                spec.rule.id = fresh('f').into();
            }
            Command::Worker(worker) => {
                self.workers.insert(fresh('w'));
                worker.name = (&*fresh('w')).into();
            }
            Command::Clear(id) => match self.faults.pop_first() {
                Some(live) => *id = (&*live).into(),
                None => *command = Command::Settle,
            },
            Command::Stop(name) => match self.workers.pop_first() {
                Some(live) => *name = (&*live).into(),
                None => *command = Command::Settle,
            },
            Command::Advance(Advance::By(by)) => self.passed = self.passed + *by,
            Command::Advance(Advance::To(to)) => {
                *to = self.passed + *to;
                self.passed = *to;
            }
            _ => {}
        }
        self
    }
}
