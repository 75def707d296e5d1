//! The canonical text of a scenario. Reading it gives the same scenario, and printing that gives the same text.

use std::fmt::{self, Display, Formatter};

use jetlag_fault::{Effect, Lost, LostTail, Occurrence, Rule};
use jetlag_model::Duration;

use crate::lex::{Positional, Quoted, Value};
use crate::parse::worker::is_duration;
use crate::{
    AckCommand, AckVerb, Action, ActionKind, Advance, Block, Command, Conform, ConsumerPath, DeliveryRef, Diagnostic, Expect, FaultSpec,
    Fetch, HandlerOption, Header, Info, Kill, Mode, Name, Publish, Scenario, SettingValue, Settings, Step, Transcript, WorkerCommand,
    WorkerRule,
};

/// The canonical form of a scenario's text.
///
/// # Errors
/// Everything that is wrong with the text, in its order.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    crate::parse(text).map(|scenario| scenario.to_string())
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.header.fmt(f)?;
        self.blocks.iter().try_for_each(|block| write!(f, "\n{block}"))
    }
}

fn comments(f: &mut Formatter<'_>, indent: &str, comments: &[String]) -> fmt::Result {
    comments.iter().try_for_each(|comment| writeln!(f, "{indent}#{comment}"))
}

impl Display for Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        comments(f, "", &self.comments)?;
        writeln!(f, "title: {}", self.title)?;
        self.cites.iter().try_for_each(|cite| writeln!(f, "cites: {cite}"))?;
        if !self.ids.is_empty() {
            writeln!(f, "ids: {}", self.ids.join(", "))?;
        }
        if let Some(range) = &self.server {
            writeln!(f, "server: {range}")?;
        }
        if self.seed != 1 {
            writeln!(f, "seed: {}", self.seed)?;
        }
        if !self.labels.is_empty() {
            writeln!(f, "labels: {}", self.labels.join(", "))?;
        }
        if let Conform::No(reason) = &self.conform {
            writeln!(f, "conform: no - {reason}")?;
        }
        self.differs.iter().try_for_each(|known| writeln!(f, "differs: {} - {}", known.range, known.evidence))?;
        self.unconfirmed.iter().try_for_each(|why| writeln!(f, "unconfirmed: {why}"))
    }
}

impl Display for Block {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            comments(f, "", &step.comments)?;
            writeln!(f, "{step}{}", Remark(&step.remark))?;
            step.command.body(f)?;
        }
        comments(f, "", &self.comments)?;
        self.transcripts.iter().try_for_each(|transcript| transcript.fmt(f))
    }
}

impl Display for Transcript {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("----")?;
        if let Some(condition) = &self.condition {
            write!(f, " server{}: {}", condition.range, condition.reason)?;
        }
        writeln!(f)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A comment at the end of a line.
struct Remark<'a>(&'a Option<String>);

impl Display for Remark<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|remark| write!(f, " #{remark}"))
    }
}

impl Display for Step {
    /// The command line, without comments and body.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.mode {
            Mode::Normal => "",
            Mode::MustFail => "!",
            Mode::Silent => "(",
        })?;
        if let Some(actor) = &self.actor {
            write!(f, "{actor}: ")?;
        }
        self.command.fmt(f)?;
        f.write_str(if self.mode == Mode::Silent { ")" } else { "" })
    }
}

/// ` key=value` where there is one.
fn option(f: &mut Formatter<'_>, key: &str, value: Option<impl Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {key}={value}"))
}

/// The same for texts, which may need quotes.
fn text_option(f: &mut Formatter<'_>, key: &str, value: Option<&str>) -> fmt::Result {
    option(f, key, value.map(Value))
}

fn name_option(f: &mut Formatter<'_>, key: &str, value: &Option<Name>) -> fmt::Result {
    text_option(f, key, value.as_ref().map(Name::as_str))
}

/// ` key` where it holds.
fn flag(f: &mut Formatter<'_>, key: &str, holds: bool) -> fmt::Result {
    if holds { write!(f, " {key}") } else { Ok(()) }
}

/// `S/C`, in quotes where it needs them.
fn path(f: &mut Formatter<'_>, path: &ConsumerPath) -> fmt::Result {
    write!(f, " {}", Positional(&path.to_string()))
}

impl Display for Command {
    /// The command without its body.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Command::Stream(stream) | Command::UpdateStream(stream) => {
                write!(f, " {}{}", Positional(&stream.name), stream.settings)
            }
            Command::Consumer(consumer) | Command::UpdateConsumer(consumer) => {
                path(f, &consumer.path)?;
                consumer.settings.fmt(f)
            }
            Command::DeleteStream(delete) => write!(f, " {}", Positional(&delete.name)),
            Command::DeleteConsumer(delete) => path(f, &delete.path),
            Command::DeleteMessage(delete) => write!(f, " {} {}", Positional(&delete.stream), delete.seq),
            Command::Purge(purge) => {
                write!(f, " {}", Positional(&purge.name))?;
                text_option(f, "filter", purge.filter.as_deref())?;
                option(f, "seq", purge.seq)?;
                option(f, "keep", purge.keep)
            }
            Command::Info(Info::Stream(name)) => write!(f, " {}", Positional(name)),
            Command::Info(Info::Consumer(consumer)) => path(f, consumer),
            Command::Publish(publish) => publish.fmt(f),
            Command::Fetch(fetch) => fetch.fmt(f),
            Command::Ack(ack) => ack.fmt(f),
            Command::Subscribe(subscribe) => {
                write!(f, " {}", Positional(&subscribe.subject))?;
                text_option(f, "queue", subscribe.queue.as_deref())?;
                option(f, "max", subscribe.max)
            }
            Command::Unsubscribe(unsubscribe) => write!(f, " {}", Positional(&unsubscribe.subject)),
            Command::Request(request) => write!(f, " {}", Positional(&request.subject)),
            Command::Client(client) => {
                write!(f, " {}", client.name)?;
                let no = |holds: bool| (!holds).then_some("no");
                option(f, "reconnect", no(client.reconnect))?;
                option(f, "no-responders", no(client.no_responders))?;
                option(f, "headers", no(client.headers))?;
                option(f, "echo", no(client.echo))
            }
            Command::Restart(restart) => option(f, "downtime", restart.downtime),
            Command::Kill(Kill { downtime, lost }) => {
                option(f, "downtime", *downtime)?;
                lost_tail(f, *lost)
            }
            Command::Fault(spec) => write!(f, " {spec}"),
            Command::Worker(worker) => worker.fmt(f),
            Command::Clear(name) | Command::Stop(name) => write!(f, " {name}"),
            Command::Advance(Advance::By(by)) => write!(f, " {by}"),
            Command::Advance(Advance::To(to)) => write!(f, " to start+{to}"),
            Command::Expect(expect) => expect.fmt(f),
            Command::Check(check) => check.names.iter().try_for_each(|name| write!(f, " {}", name.as_str())),
            Command::Disconnect | Command::Reconnect | Command::Crash | Command::Settle => Ok(()),
        }
    }
}

impl Command {
    /// The word or words with which the command begins.
    pub fn word(&self) -> &'static str {
        match self {
            Command::Stream(_) => "stream",
            Command::UpdateStream(_) => "update stream",
            Command::DeleteStream(_) => "delete stream",
            Command::Purge(_) => "purge",
            Command::DeleteMessage(_) => "delete message",
            Command::Consumer(_) => "consumer",
            Command::UpdateConsumer(_) => "update consumer",
            Command::DeleteConsumer(_) => "delete consumer",
            Command::Info(_) => "info",
            Command::Publish(_) => "publish",
            Command::Fetch(_) => "fetch",
            Command::Ack(ack) => match ack.verb {
                AckVerb::Ack => "ack",
                AckVerb::Nak { .. } => "nak",
                AckVerb::InProgress => "in-progress",
                AckVerb::Term { .. } => "term",
                AckVerb::Next { .. } => "next",
            },
            Command::Subscribe(_) => "subscribe",
            Command::Unsubscribe(_) => "unsubscribe",
            Command::Request(_) => "request",
            Command::Client(_) => "client",
            Command::Disconnect => "disconnect",
            Command::Reconnect => "reconnect",
            Command::Crash => "crash",
            Command::Restart(_) => "restart",
            Command::Kill(_) => "kill",
            Command::Fault(_) => "fault",
            Command::Clear(_) => "clear",
            Command::Worker(_) => "worker",
            Command::Stop(_) => "stop",
            Command::Advance(_) => "advance",
            Command::Settle => "settle",
            Command::Check(_) => "check",
            Command::Expect(Expect::Metric(_)) => "expect metric",
            Command::Expect(Expect::NoOtherMetric(_)) => "expect no-other-metric",
            Command::Expect(Expect::Alert(alert)) => {
                if alert.fires {
                    "expect alert"
                } else {
                    "expect no-alert"
                }
            }
        }
    }

    /// The indented lines below the command.
    fn body(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Command::Request(request) => request.body.iter().flat_map(|body| body.split('\n')).try_for_each(|line| writeln!(f, "  {line}")),
            Command::Worker(worker) => {
                for rule in &worker.rules {
                    comments(f, "  ", &rule.comments)?;
                    writeln!(f, "  {rule}{}", Remark(&rule.remark))?;
                }
                comments(f, "  ", &worker.comments)
            }
            _ => Ok(()),
        }
    }
}

impl Display for Settings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|setting| write!(f, " {}={}", setting.key, setting.value))
    }
}

impl Display for SettingValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            SettingValue::Text(text) => Value(text).fmt(f),
            SettingValue::Integer(number) => number.fmt(f),
            SettingValue::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            SettingValue::Duration(duration) => duration.fmt(f),
            SettingValue::Durations(durations) => {
                let items: Vec<String> = durations.iter().map(ToString::to_string).collect();
                Value(&items.join(",")).fmt(f)
            }
            SettingValue::Texts(texts) => Value(&texts.join(",")).fmt(f),
            SettingValue::SinceStart(offset) if offset.is_negative() => write!(f, "start{offset}"),
            SettingValue::SinceStart(offset) => write!(f, "start+{offset}"),
        }
    }
}

impl Display for Publish {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {} {}", Positional(&self.subject), Quoted(&self.payload))?;
        text_option(f, "id", self.id.as_deref())?;
        option(f, "expected-last-seq", self.expected_last_seq)?;
        option(f, "expected-last-subject-seq", self.expected_last_subject_seq)?;
        text_option(f, "expected-stream", self.expected_stream.as_deref())?;
        text_option(f, "expected-last-msg-id", self.expected_last_msg_id.as_deref())?;
        for (key, value) in &self.headers {
            write!(f, " header={}", Value(&format!("{key}:{value}")))?;
        }
        option(f, "count", (self.count != 1 && self.lasting.is_none()).then_some(self.count))?;
        option(f, "every", self.every)?;
        option(f, "for", self.lasting)?;
        text_option(f, "reply", self.reply.as_deref())?;
        flag(f, "no-reply", self.no_reply)
    }
}

impl Display for Fetch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        path(f, &self.path)?;
        option(f, "batch", self.batch)?;
        option(f, "expires", self.expires)?;
        flag(f, "no-wait", self.no_wait)?;
        option(f, "idle-heartbeat", self.idle_heartbeat)?;
        option(f, "max-bytes", self.max_bytes)?;
        text_option(f, "group", self.group.as_deref())?;
        text_option(f, "id", self.id.as_deref())?;
        option(f, "priority", self.priority)?;
        option(f, "min-pending", self.min_pending)?;
        option(f, "min-ack-pending", self.min_ack_pending)?;
        name_option(f, "as", &self.alias)
    }
}

impl Display for DeliveryRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.stream.iter().try_for_each(|stream| write!(f, "{stream}/"))?;
        self.consumer.iter().try_for_each(|consumer| write!(f, "{consumer}:"))?;
        write!(f, "{}", self.seq)?;
        self.delivery_count.map_or(Ok(()), |count| write!(f, "#{count}"))
    }
}

impl Display for AckCommand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {}", Positional(&self.delivery.to_string()))?;
        match &self.verb {
            AckVerb::Ack | AckVerb::InProgress => Ok(()),
            AckVerb::Nak { delay } => option(f, "delay", *delay),
            AckVerb::Term { reason } => text_option(f, "reason", reason.as_deref()),
            AckVerb::Next { batch } => option(f, "batch", *batch),
        }?;
        flag(f, "sync", self.sync)
    }
}

impl Display for FaultSpec {
    /// The rule as it is written behind `fault`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Rule { id, effect, matcher, when } = &self.rule;
        write!(f, "{id} ")?;
        fault_effect(f, effect)?;
        option(f, "kind", matcher.kind)?;
        text_option(f, "client", matcher.client.as_deref())?;
        text_option(f, "stream", matcher.stream.as_deref())?;
        text_option(f, "consumer", matcher.consumer.as_deref())?;
        text_option(f, "subject", matcher.subject.as_deref())?;
        option(f, "stream-seq", matcher.stream_seq)?;
        option(f, "delivery-count", matcher.delivery_count)?;
        let header = matcher.header.as_ref().map(|(name, value)| format!("{name}:{value}"));
        text_option(f, "header", header.as_deref())?;
        option(f, "payload", matcher.payload.as_deref().map(Quoted))?;
        option(f, "payload-contains", matcher.payload_contains.as_deref().map(Quoted))?;
        match &when.occurrence {
            Some(Occurrence::First(count)) => write!(f, " first={count}"),
            Some(Occurrence::Nth(places)) => write!(f, " nth={}", places.iter().map(u64::to_string).collect::<Vec<_>>().join(",")),
            Some(Occurrence::Burst { acting, of }) => write!(f, " burst={acting}/{of}"),
            Some(Occurrence::Ratio { acting, of }) => write!(f, " ratio={acting}/{of}"),
            Some(Occurrence::Always) => f.write_str(" always"),
            None => Ok(()),
        }?;
        option(f, "probability", when.probability.map(|p| format!("{}/{}", p.numerator, p.denominator)))?;
        option(f, "from", when.from)?;
        option(f, "to", when.to)?;
        text_option(f, "after", when.after.as_deref())?;
        text_option(f, "until", when.until.as_deref())?;
        option(f, "every", when.cycle.map(|cycle| cycle.every))?;
        option(f, "for", when.cycle.map(|cycle| cycle.active))
    }
}

fn fault_effect(f: &mut Formatter<'_>, effect: &Effect) -> fmt::Result {
    let downtime = |f: &mut Formatter<'_>, downtime: Duration| option(f, "downtime", (!downtime.is_zero()).then_some(downtime));
    match effect {
        Effect::Drop => f.write_str("drop"),
        Effect::Delay { min, max } if min == max => write!(f, "delay by={min}"),
        Effect::Delay { min, max } => write!(f, "delay by={min}..{max}"),
        Effect::Ramp { first, last, over } if first == last => write!(f, "delay by={first} over={over}"),
        Effect::Ramp { first, last, over } => write!(f, "delay by={first}..{last} over={over}"),
        Effect::Duplicate { copies } => {
            f.write_str("duplicate")?;
            option(f, "copies", (*copies != 1).then_some(copies))
        }
        Effect::ReplyLost => f.write_str("reply-lost"),
        Effect::Error(text) => write!(f, "error {}", Quoted(text.as_bytes())),
        Effect::Disconnect { reconnect } => {
            f.write_str("disconnect")?;
            option(f, "reconnect", *reconnect)
        }
        Effect::Partition(partition) => write!(f, "partition {}", partition.name()),
        Effect::Restart { downtime: down } => {
            f.write_str("restart")?;
            downtime(f, *down)
        }
        Effect::Kill { downtime: down, lost } => {
            f.write_str("kill")?;
            downtime(f, *down)?;
            lost_tail(f, *lost)
        }
        Effect::Crash => f.write_str("crash"),
        Effect::Mark => f.write_str("mark"),
        Effect::Slow { by } => write!(f, "slow by={by}"),
    }
}

/// `lost=` for both, and `lost-state=` where it differs.
fn lost_tail(f: &mut Formatter<'_>, LostTail { messages, state }: LostTail) -> fmt::Result {
    option(f, "lost", (messages != Lost::Nothing).then_some(messages))?;
    option(f, "lost-state", (state != messages).then_some(state))
}

impl Display for Expect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let labels = match self {
            Expect::Metric(metric) => {
                write!(f, " {} {}", metric.name, metric.wanted)?;
                &metric.labels
            }
            Expect::NoOtherMetric(of) => return of.iter().try_for_each(|of| write!(f, " {of}")),
            Expect::Alert(alert) => {
                write!(f, " {}", alert.name)?;
                &alert.labels
            }
        };
        labels.iter().try_for_each(|(label, value)| text_option(f, label, Some(value)))
    }
}

impl Display for WorkerCommand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.name)?;
        path(f, &self.consumer)?;
        option(f, "batch", self.batch)?;
        option(f, "expires", self.expires)?;
        option(f, "concurrency", self.concurrency)?;
        name_option(f, "handler", &self.handler)?;
        self.options.iter().try_for_each(|option| option.fmt(f))
    }
}

impl Display for HandlerOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.value {
            // Without quotes it would read as a duration.
            SettingValue::Text(text) if is_duration(text) => write!(f, " {}={}", self.key, Quoted(text.as_bytes())),
            value => write!(f, " {}={value}", self.key),
        }
    }
}

impl Display for WorkerRule {
    /// The rule's line, without comments.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.matching.is_otherwise() { "otherwise" } else { "on" })?;
        text_option(f, "subject", self.matching.subject.as_deref())?;
        if let Some(condition) = &self.matching.delivery_count {
            write!(f, " delivery-count{}{}", condition.comparison.as_str(), condition.count)?;
        }
        option(f, "stream-seq", self.matching.stream_seq)?;
        option(f, "payload", self.matching.payload.as_deref().map(Quoted))?;
        for (i, action) in self.actions.iter().enumerate() {
            write!(f, "{} {action}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ActionKind::Ack => f.write_str("ack"),
            ActionKind::InProgress => f.write_str("in-progress"),
            ActionKind::Ignore => f.write_str("ignore"),
            ActionKind::Nak { delay } => {
                f.write_str("nak")?;
                option(f, "delay", *delay)
            }
            ActionKind::Term { reason } => {
                f.write_str("term")?;
                text_option(f, "reason", reason.as_deref())
            }
        }?;
        option(f, "after", self.after)?;
        flag(f, "sync", self.sync)
    }
}
