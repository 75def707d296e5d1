//! One command line, with its body, into a step.

use jetlag_fault::{Lost, LostTail};
use jetlag_model::{Duration, StreamSeq, WallTime};

use crate::args::Args;
use crate::diagnostic::Report;
use crate::lex::{Lexed, Line, Token, Word, lex};
use crate::settings::{self, Shape};
use crate::{
    AckCommand, AckVerb, Advance, Check, CheckName, ClientCommand, Command, ConsumerCommand, DeleteConsumer, DeleteMessage, DeleteStream,
    Expect, Fetch, Info, Kill, Mode, Name, Publish, Purge, Request, Restart, Setting, SettingValue, Settings, Span, Step, StreamCommand,
    Subscribe, Unsubscribe,
};

/// The words a command begins with.
const COMMANDS: &[&str] = &[
    "stream",
    "consumer",
    "update",
    "delete",
    "purge",
    "info",
    "publish",
    "fetch",
    "ack",
    "nak",
    "in-progress",
    "term",
    "next",
    "subscribe",
    "unsubscribe",
    "request",
    "client",
    "disconnect",
    "reconnect",
    "crash",
    "restart",
    "kill",
    "fault",
    "clear",
    "worker",
    "stop",
    "advance",
    "settle",
    "check",
    "expect",
];

/// Reads a step. `body` are the indented lines below the command's. `None`, and a diagnostic, if something is wrong.
pub(super) fn step(line: Line<'_>, body: &[Line<'_>], report: &mut Report<'_>) -> Option<Step> {
    let before = report.len();
    let Lexed { mut tokens, remark } = lex(line, false, report)?;
    let span = Span { end: tokens.last()?.span().end, ..line.trimmed_span() };
    let mode = mode(&mut tokens, report)?;
    let actor = actor(&mut tokens, report);
    let end = tokens.last().map_or(span.end, |last| last.span().end);
    let end = Span { start: end, end, ..span };
    let word = match tokens.first() {
        Some(Token::Word(word)) if !word.quoted => String::from_utf8_lossy(&word.bytes).into_owned(),
        first => {
            let at = first.map_or(end, Token::span);
            report.error(at, "a line begins with a command", "expected a command").help(format!("known are {}", COMMANDS.join(", ")));
            return None;
        }
    };
    let word_span = tokens.remove(0).span();
    if !COMMANDS.contains(&word.as_str()) {
        unknown_command(&word, word_span, report);
        return None;
    }
    let command = command(&word, Args::new(word.clone(), tokens, end, report), body);
    if let Some(command) = &command {
        judge_actor(command, &word, word_span, actor.as_ref(), report);
        if mode == Mode::MustFail && !can_be_refused(command) {
            report.error(word_span, format!("`{word}` is never refused"), "not after `!`").help("leave the `!` out");
        }
    }
    command.filter(|_| report.len() == before).map(|command| Step { comments: Vec::new(), actor, mode, command, remark, span })
}

/// Takes `!` or the parentheses off.
fn mode(tokens: &mut Vec<Token>, report: &mut Report<'_>) -> Option<Mode> {
    let mode = match tokens.first() {
        Some(Token::Open(open)) => {
            let open = *open;
            if !matches!(tokens.last(), Some(Token::Close(_))) {
                report.error(open, "a `(` is not closed", "it begins here").help("end the line with `)`");
                return None;
            }
            tokens.pop();
            tokens.remove(0);
            Mode::Silent
        }
        Some(Token::Bang(_)) => {
            tokens.remove(0);
            Mode::MustFail
        }
        _ => Mode::Normal,
    };
    let stray = tokens.iter().find(|token| matches!(token, Token::Open(_) | Token::Close(_)));
    if let Some(stray) = stray {
        report
            .error(stray.span(), "a stray parenthesis", "not expected here")
            .help("`(command)` encloses a whole line, without `!`; a word that holds parentheses stands in quotes");
        return None;
    }
    Some(mode)
}

/// Takes `w1:` off.
fn actor(tokens: &mut Vec<Token>, report: &mut Report<'_>) -> Option<Name> {
    let named = |token: &Token| match token {
        Token::Word(word) if !word.quoted => String::from_utf8_lossy(&word.bytes).strip_suffix(':').map(str::to_owned),
        _ => None,
    };
    let name = tokens.first().and_then(named)?;
    let span = tokens.remove(0).span();
    let span = Span { end: span.end - 1, ..span };
    if !crate::args::is_identifier(&name) {
        let message = format!("`{name}` can not be the name of a client");
        report.error(span, message, "not a name").help(crate::args::IDENTIFIER);
    }
    Some(Name { text: name.into(), span })
}

fn unknown_command(word: &str, span: Span, report: &mut Report<'_>) {
    let message = format!("no command `{}`", word.escape_debug());
    let help = if let Some(command) = word.strip_prefix('!').filter(|command| COMMANDS.contains(command)) {
        format!("`!` begins the line, before the client: `!w1: {command}`")
    } else if let Some((client, command)) = word.split_once(':').filter(|(_, command)| COMMANDS.contains(command)) {
        format!("write a space after the colon: `{client}: {command}`")
    } else if matches!(word, "ok" | "error") || word.parse::<jetlag_model::Duration>().is_ok() {
        "this looks like a line of a transcript, which stands below `----` and holds no blank line".to_owned()
    } else {
        return report.unknown(span, message, "expected a command", word, COMMANDS);
    };
    report.error(span, message, "expected a command").help(help);
}

/// Complains about an actor that is missing or has nothing to do with it.
fn judge_actor(command: &Command, word: &str, span: Span, actor: Option<&Name>, report: &mut Report<'_>) {
    use Command as C;
    match (command, actor) {
        (C::Ack(_) | C::Subscribe(_) | C::Unsubscribe(_) | C::Disconnect | C::Reconnect | C::Crash, None) => {
            report.error(span, format!("`{word}` needs a client who does it"), "who?").help(format!("write `w1: {word}`"));
        }
        (C::Ack(_) | C::Subscribe(_) | C::Unsubscribe(_) | C::Disconnect | C::Reconnect | C::Crash, Some(_))
        | (C::Publish(_) | C::Fetch(_) | C::Request(_), _)
        | (_, None) => {}
        (_, Some(actor)) => {
            let message = format!("`{word}` is not done by a client");
            report.error(actor.span, message, "not expected here").help(format!("leave `{actor}:` out"));
        }
    }
}

/// Whether there is an answer that can be a refusal.
fn can_be_refused(command: &Command) -> bool {
    use Command as C;
    match command {
        C::Stream(_)
        | C::UpdateStream(_)
        | C::DeleteStream(_)
        | C::Purge(_)
        | C::DeleteMessage(_)
        | C::Consumer(_)
        | C::UpdateConsumer(_)
        | C::DeleteConsumer(_)
        | C::Info(_)
        | C::Publish(_)
        | C::Fetch(_)
        | C::Ack(_)
        | C::Subscribe(_)
        | C::Request(_)
        | C::Check(_)
        | C::Expect(Expect::Metric(_) | Expect::NoOtherMetric(_)) => true,
        C::Unsubscribe(_)
        | C::Client(_)
        | C::Disconnect
        | C::Reconnect
        | C::Crash
        | C::Restart(_)
        | C::Kill(_)
        | C::Fault(_)
        | C::Clear(_)
        | C::Worker(_)
        | C::Stop(_)
        | C::Advance(_)
        | C::Settle
        | C::Expect(Expect::Alert(_)) => false,
    }
}

/// Reads the arguments of the command `word`.
fn command(word: &str, mut args: Args<'_, '_>, body: &[Line<'_>]) -> Option<Command> {
    if !matches!(word, "request" | "worker") {
        no_body(word, body, args.report);
    }
    let command = match word {
        "stream" => Command::Stream(stream(&mut args)?),
        "consumer" => Command::Consumer(consumer(&mut args)?),
        "update" => match second_word(&mut args, &["stream", "consumer"])? {
            "stream" => Command::UpdateStream(stream(&mut args)?),
            _ => Command::UpdateConsumer(consumer(&mut args)?),
        },
        "delete" => match second_word(&mut args, &["stream", "consumer", "message"])? {
            "stream" => Command::DeleteStream(DeleteStream { name: args.name("a stream")? }),
            "consumer" => Command::DeleteConsumer(DeleteConsumer { path: args.path()? }),
            _ => delete_message(&mut args)?,
        },
        "purge" => Command::Purge(Purge {
            name: args.name("a stream")?,
            filter: args.text_option("filter"),
            seq: args.number_option("seq").map(StreamSeq),
            keep: args.number_option("keep"),
        }),
        "info" => info(&mut args)?,
        "publish" => publish(&mut args)?,
        "fetch" => Command::Fetch(Fetch {
            path: args.path()?,
            batch: args.number_option("batch"),
            expires: args.duration_option("expires"),
            no_wait: args.flag("no-wait"),
            idle_heartbeat: args.duration_option("idle-heartbeat"),
            max_bytes: args.number_option("max-bytes"),
            group: args.text_option("group"),
            id: args.text_option("id"),
            priority: args.number_option("priority"),
            min_pending: args.number_option("min-pending"),
            min_ack_pending: args.number_option("min-ack-pending"),
            alias: args.identifier_option("as"),
        }),
        "ack" | "nak" | "in-progress" | "term" | "next" => ack(word, &mut args)?,
        "subscribe" => Command::Subscribe(Subscribe {
            subject: args.text("a subject")?,
            queue: args.text_option("queue"),
            max: args.count_option("max", "a subscription that ends before it begins"),
        }),
        "unsubscribe" => Command::Unsubscribe(Unsubscribe { subject: args.text("a subject")? }),
        "request" => Command::Request(Request { subject: args.text("a subject")?, body: payload_of(body) }),
        "client" => Command::Client(ClientCommand {
            name: args.identifier("a client's name")?,
            reconnect: args.yes_option("reconnect").unwrap_or(true),
            no_responders: args.yes_option("no-responders").unwrap_or(true),
            headers: args.yes_option("headers").unwrap_or(true),
            echo: args.yes_option("echo").unwrap_or(true),
        }),
        "disconnect" => Command::Disconnect,
        "reconnect" => Command::Reconnect,
        "crash" => Command::Crash,
        "restart" => Command::Restart(Restart { downtime: args.delay_option("downtime") }),
        "kill" => Command::Kill(Kill { downtime: args.delay_option("downtime"), lost: lost_tail(&mut args) }),
        "fault" => Command::Fault(Box::new(super::fault::fault(&mut args)?)),
        "clear" => Command::Clear(args.identifier("a fault rule's id")?),
        "worker" => Command::Worker(super::worker::worker(&mut args, body)?),
        "stop" => Command::Stop(args.identifier("a worker's name")?),
        "advance" => Command::Advance(advance(&mut args)?),
        "settle" => Command::Settle,
        "check" => Command::Check(check(&mut args)?),
        _ => Command::Expect(super::expect::expect(&mut args)?),
    };
    args.finish();
    Some(command)
}

/// Complains about lines that belong to nothing.
fn no_body(word: &str, body: &[Line<'_>], report: &mut Report<'_>) {
    if let Some(first) = body.iter().find(|line| line.comment().is_none()) {
        report
            .error(first.trimmed_span(), format!("`{word}` takes no indented lines"), "not expected here")
            .help("a command begins at the start of its line");
    }
}

/// The word after `update`, `delete` or `expect`.
pub(super) fn second_word(args: &mut Args<'_, '_>, known: &[&'static str]) -> Option<&'static str> {
    let word = args.word(&known.join(" or "))?;
    let text = String::from_utf8_lossy(&word.bytes);
    let found = known.iter().find(|known| **known == text);
    match found {
        Some(found) => args.of = format!("{} {found}", args.of),
        None => args.report.unknown(word.span, format!("no command `{} {}`", args.of, text.escape_debug()), "unknown", &text, known),
    }
    found.copied()
}

fn stream(args: &mut Args<'_, '_>) -> Option<StreamCommand> {
    Some(StreamCommand { name: args.name("a stream's name")?, settings: settings(args, settings::STREAM, settings::CONSUMER, "consumer") })
}

fn consumer(args: &mut Args<'_, '_>) -> Option<ConsumerCommand> {
    Some(ConsumerCommand { path: args.path()?, settings: settings(args, settings::CONSUMER, settings::STREAM, "stream") })
}

type Table = [(&'static str, Shape)];

/// All options as settings. `other` are the settings that do not belong here, but to `whose`.
fn settings(args: &mut Args<'_, '_>, table: &Table, other: &Table, whose: &str) -> Settings {
    let mut settings: Vec<Setting> = Vec::new();
    while let Some((written, key_span, word)) = args.any_option() {
        let span = Span { end: word.span.end, ..key_span };
        let Some((key, shape)) = table.iter().find(|(key, _)| *key == written) else {
            let message = format!("`{}` has no setting `{written}`", args.of);
            if other.iter().any(|(key, _)| *key == written) {
                args.report.error(key_span, message, "unknown").help(format!("it is a setting of a {whose}"));
            } else {
                let known: Vec<_> = table.iter().map(|(key, _)| *key).collect();
                args.report.unknown(key_span, message, "unknown", &written, &known);
            }
            continue;
        };
        if settings.iter().any(|setting| setting.key == *key) {
            args.report.error(span, format!("`{key}` is given twice"), "already given").help("keep one of them");
        } else if let Some(value) = setting_value(args, *shape, key, word) {
            args.took(key, key_span);
            settings.push(Setting { key, value, span });
        }
    }
    args.knows(table.iter().map(|(key, _)| *key));
    Settings(settings)
}

fn setting_value(args: &mut Args<'_, '_>, shape: Shape, key: &str, word: Word) -> Option<SettingValue> {
    let span = word.span;
    let value = match shape {
        Shape::Text => SettingValue::Text(args.utf8(word)?),
        Shape::Word(known) => {
            let text = args.utf8(word)?;
            if !known.contains(&text.as_str()) {
                let message = format!("`{key}` is never `{}`", text.escape_debug());
                args.report.unknown(span, message, &format!("expected one of {}", known.join(", ")), &text, known);
                return None;
            }
            SettingValue::Text(text)
        }
        Shape::Integer => SettingValue::Integer(args.number(&word)?),
        Shape::Flag => SettingValue::Flag(args.yes(&word)?),
        Shape::Duration => SettingValue::Duration(args.duration(&word)?),
        Shape::Durations => {
            let items = items(args, word)?;
            // All are read, so that every wrong one is reported.
            let durations: Vec<_> = items.iter().map(|(item, span)| args.duration_in(item, *span)).collect();
            SettingValue::Durations(durations.into_iter().collect::<Option<_>>()?)
        }
        Shape::Texts => SettingValue::Texts(items(args, word)?.into_iter().map(|(item, _)| item).collect()),
        Shape::Instant => {
            let text = args.utf8(word)?;
            match text.strip_prefix("start").filter(|rest| rest.starts_with(['+', '-'])) {
                Some(offset) => SettingValue::SinceStart(args.duration_in(offset.strip_prefix('+').unwrap_or(offset), span)?),
                None if WallTime::parse_rfc3339(&text).is_some() => SettingValue::Text(text),
                None => {
                    let message = format!("`{}` is no instant", text.escape_debug());
                    args.report.error(span, message, "expected an instant").help("write start+10s, or a date such as 2026-01-01T00:00:00Z");
                    return None;
                }
            }
        }
    };
    Some(value)
}

/// The items of a list, each with its span; an empty text is an empty list.
fn items(args: &mut Args<'_, '_>, word: Word) -> Option<Vec<(String, Span)>> {
    let (span, quoted) = (word.span, word.quoted);
    let text = args.utf8(word)?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut start = span.start;
    let mut items = Vec::new();
    for item in text.split(',') {
        // In a string, escapes make the places of its parts unknown.
        let here = if quoted { span } else { Span { start, end: start + item.len(), ..span } };
        start += item.len() + 1;
        if item.is_empty() {
            let help = "items are joined by commas, without spaces; the empty list is \"\"";
            args.report.error(here, "a list has an empty item", "expected an item").help(help);
            return None;
        }
        items.push((item.to_owned(), here));
    }
    Some(items)
}

fn delete_message(args: &mut Args<'_, '_>) -> Option<Command> {
    let stream = args.name("a stream")?;
    let seq = args.word("the message's sequence")?;
    Some(Command::DeleteMessage(DeleteMessage { stream, seq: StreamSeq(args.number(&seq)?) }))
}

fn info(args: &mut Args<'_, '_>) -> Option<Command> {
    let what = "a stream, or a consumer as STREAM/CONSUMER";
    let word = args.word(what)?;
    let name = args.name_of(word, what)?;
    Some(Command::Info(match name.split_once('/') {
        None => Info::Stream(name),
        Some((stream, consumer)) if !stream.is_empty() && !consumer.is_empty() => {
            let part = |text: &str| Name { text: text.into(), span: name.span };
            Info::Consumer(crate::ConsumerPath { stream: part(stream), consumer: part(consumer) })
        }
        Some(_) => {
            args.report.error(name.span, format!("`{name}` is not {what}"), "expected STREAM/CONSUMER");
            return None;
        }
    }))
}

fn publish(args: &mut Args<'_, '_>) -> Option<Command> {
    let subject = args.text("a subject")?;
    let payload = args.word("a payload such as \"a\"")?;
    let mut headers = Vec::new();
    while let Some((_, word)) = args.option_again("header") {
        let span = word.span;
        let Some(text) = args.utf8(word) else { continue };
        match text.split_once(':').filter(|(key, _)| !key.is_empty()) {
            Some((key, value)) => headers.push((key.to_owned(), value.to_owned())),
            None => {
                let message = format!("`{}` is no header", text.escape_debug());
                args.report.error(span, message, "expected KEY:VALUE").help("write header=KEY:VALUE, in quotes if there are spaces");
            }
        }
    }
    let (reply, no_reply) = (args.text_option("reply"), args.flag("no-reply"));
    if reply.is_some() && no_reply {
        let span = payload.span;
        args.report.error(span, "`reply` and `no-reply` contradict each other".to_owned(), "one of the two").help("keep one of them");
    }
    let (count, every, lasting) = repetition(args);
    Some(Command::Publish(Publish {
        subject,
        payload: payload.bytes.into(),
        id: args.text_option("id"),
        expected_last_seq: args.number_option("expected-last-seq"),
        expected_last_subject_seq: args.number_option("expected-last-subject-seq"),
        expected_stream: args.text_option("expected-stream"),
        expected_last_msg_id: args.text_option("expected-last-msg-id"),
        headers,
        count,
        every,
        lasting,
        reply,
        no_reply,
    }))
}

/// How often a publish is repeated: how many times, the time between two, and for how long.
fn repetition(args: &mut Args<'_, '_>) -> (u64, Option<Duration>, Option<Duration>) {
    let count = args.count_option("count", "nothing would be published");
    let (every, lasting) = (passing(args, "every"), passing(args, "for"));
    match (every, lasting) {
        (None, Some(_)) if args.taken("every").is_none() => {
            args.contradiction("for", "`for` says how long to go on, and nothing says how often: write `every=D` too");
        }
        (_, Some(_)) if count.is_some() => args.contradiction("count", "`count` and `for` both say when to stop; keep one of them"),
        (Some(every), Some(lasting)) => {
            let times = lasting.as_nanos().div_euclid(every.as_nanos()) + i64::from(lasting.as_nanos().rem_euclid(every.as_nanos()) != 0);
            return (u64::try_from(times).unwrap_or(1).max(1), Some(every), Some(lasting));
        }
        _ => {}
    }
    (count.unwrap_or(1), every, lasting)
}

/// A length of time, more than none.
fn passing(args: &mut Args<'_, '_>, key: &'static str) -> Option<Duration> {
    let length = args.delay_option(key)?;
    if length == Duration::ZERO {
        args.contradiction(key, format!("`{key}=0s` is no time at all"));
        return None;
    }
    Some(length)
}

fn ack(word: &str, args: &mut Args<'_, '_>) -> Option<Command> {
    let delivery = args.delivery()?;
    let verb = match word {
        "ack" => AckVerb::Ack,
        "nak" => AckVerb::Nak { delay: args.duration_option("delay") },
        "in-progress" => AckVerb::InProgress,
        "term" => AckVerb::Term { reason: args.text_option("reason") },
        _ => AckVerb::Next { batch: args.number_option("batch") },
    };
    Some(Command::Ack(AckCommand { verb, delivery, sync: args.flag("sync") }))
}

/// `lost=...` for messages and consumer state, `lost-state=...` for the state alone.
pub(super) fn lost_tail(args: &mut Args<'_, '_>) -> LostTail {
    let messages = lost(args, "lost").unwrap_or_default();
    LostTail { messages, state: lost(args, "lost-state").unwrap_or(messages) }
}

/// `nothing|unwritten|all|D|N`
fn lost(args: &mut Args<'_, '_>, key: &'static str) -> Option<Lost> {
    let word = args.option(key)?;
    let text = String::from_utf8_lossy(&word.bytes).into_owned();
    match text.as_str() {
        "nothing" => Some(Lost::Nothing),
        "unwritten" => Some(Lost::Unwritten),
        "all" => Some(Lost::All),
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => args.number(&word).map(Lost::Last),
        time if time.starts_with(|c: char| c.is_ascii_digit() || c == '-') => args.delay(&word).map(Lost::Since),
        _ => {
            let label = "expected nothing, unwritten, all, a duration or a number of operations";
            let words = &["nothing", "unwritten", "all"];
            args.report.unknown(word.span, format!("`{key}` is never `{}`", text.escape_debug()), label, &text, words);
            None
        }
    }
}

fn advance(args: &mut Args<'_, '_>) -> Option<Advance> {
    let what = "a duration, or `to start+` and a duration";
    let word = args.word(what)?;
    let backwards = |args: &mut Args<'_, '_>, span| {
        args.report.error(span, "time does not go back", "expected 0s or more").help("only forwards: advance 30s");
        None
    };
    if word.bytes != b"to" {
        let by = args.duration(&word)?;
        return if by.is_negative() { backwards(args, word.span) } else { Some(Advance::By(by)) };
    }
    let word = args.word("an instant such as start+30s")?;
    let span = word.span;
    let text = args.utf8(word)?;
    match text.strip_prefix("start") {
        Some(offset) if offset.starts_with('-') => backwards(args, span),
        Some(offset) if offset.starts_with('+') => {
            let to = args.duration_in(&offset[1..], span)?;
            if to.is_negative() { backwards(args, span) } else { Some(Advance::To(to)) }
        }
        _ => {
            let message = format!("`{}` is no instant", text.escape_debug());
            args.report.error(span, message, "expected start+D").help("write advance to start+30s");
            None
        }
    }
}

fn check(args: &mut Args<'_, '_>) -> Option<Check> {
    let mut names = Vec::new();
    let mut next = Some(args.word("what to check")?);
    while let Some(word) = next {
        let text = String::from_utf8_lossy(&word.bytes).into_owned();
        match CheckName::from_word(&text) {
            Some(name) if names.contains(&name) => {
                args.report.error(word.span, format!("`{text}` is given twice"), "already given").help("keep one of them");
            }
            Some(name) => names.push(name),
            None => {
                args.report.unknown(word.span, format!("no check `{}`", text.escape_debug()), "expected a check", &text, CheckName::WORDS)
            }
        }
        next = args.word_if_any();
    }
    Some(Check { names })
}

/// The body of a request: its lines without their common indentation.
fn payload_of(body: &[Line<'_>]) -> Option<String> {
    let indent = |line: &Line<'_>| line.text.len() - line.text.trim_start_matches([' ', '\t']).len();
    let first = body.first()?;
    let mut common = &first.text[..indent(first)];
    for line in body {
        let same = common.bytes().zip(line.text.bytes()).take_while(|(a, b)| a == b).count();
        common = &common[..same];
    }
    Some(body.iter().map(|line| &line.text[common.len()..]).collect::<Vec<_>>().join("\n"))
}
