//! `worker` and its rules.

use jetlag_model::{DeliveryCount, Duration, StreamSeq, is_valid_filter};

use crate::args::Args;
use crate::lex::{Lexed, Line, Token, lex};
use crate::{Action, ActionKind, Comparison, CountCondition, HandlerOption, SettingValue, Span, WorkerCommand, WorkerMatch, WorkerRule};

const ACTIONS: &[&str] = &["ack", "nak", "term", "in-progress", "ignore"];

pub(super) fn worker(args: &mut Args<'_, '_>, body: &[Line<'_>]) -> Option<WorkerCommand> {
    let (name, consumer) = (args.identifier("a worker's name")?, args.path()?);
    let batch = args.count_option("batch", "the worker would ask for nothing");
    let expires = args.delay_option("expires");
    let concurrency = args.count_option("concurrency", "the worker would handle nothing");
    let handler = args.name_option("handler");
    let options = if handler.is_some() { handler_options(args) } else { Vec::new() };
    let (rules, comments) = rules(args, body);
    if let (Some(handler), Some(rule)) = (&handler, rules.first()) {
        let message = "a worker with a handler has no rules";
        args.report.error(rule.span, message, "never asked").help(format!("leave out handler={handler}, or the rules"));
    }
    Some(WorkerCommand { name, consumer, batch, expires, concurrency, handler, options, rules, comments })
}

/// What is left goes to the handler, which knows what it wants.
fn handler_options(args: &mut Args<'_, '_>) -> Vec<HandlerOption> {
    let mut options: Vec<HandlerOption> = Vec::new();
    while let Some((key, key_span, word)) = args.any_option() {
        let span = Span { end: word.span.end, ..key_span };
        if options.iter().any(|option| option.key == key) {
            args.report.error(span, format!("`{key}` is given twice"), "already given").help("keep one of them");
        }
        let quoted = word.quoted;
        let Some(text) = args.utf8(word) else { continue };
        let value = match text.parse::<Duration>() {
            Ok(duration) if is_duration(&text) && !quoted => SettingValue::Duration(duration),
            _ => SettingValue::Text(text),
        };
        options.push(HandlerOption { key, value, span });
    }
    options
}

/// Whether a handler's option reads as a duration when it stands without quotes.
pub(crate) fn is_duration(text: &str) -> bool {
    let has_unit = text.ends_with(|c: char| c.is_alphabetic());
    has_unit && text.parse::<Duration>().is_ok_and(|duration| duration.as_nanos() != i64::MIN)
}

fn rules(args: &mut Args<'_, '_>, body: &[Line<'_>]) -> (Vec<WorkerRule>, Vec<String>) {
    let (mut rules, mut comments): (Vec<WorkerRule>, Vec<String>) = (Vec::new(), Vec::new());
    for line in body {
        if let Some(comment) = line.comment() {
            comments.push(comment.trim_end().to_owned());
            continue;
        }
        let Some(rule) = rule(args, *line) else { continue };
        if rules.last().is_some_and(|last| last.matching.is_otherwise()) {
            let help = "`otherwise` handles all that is left; put it last";
            args.report.error(rule.span, "a rule that can never match", "after `otherwise`").help(help);
        }
        rules.push(WorkerRule { comments: std::mem::take(&mut comments), ..rule });
    }
    (rules, comments)
}

fn rule(args: &mut Args<'_, '_>, line: Line<'_>) -> Option<WorkerRule> {
    let Lexed { mut tokens, remark } = lex(line, true, args.report)?;
    let span = Span { end: tokens.last()?.span().end, ..line.trimmed_span() };
    let end = Span { start: span.end, ..span };
    let first = match tokens.remove(0) {
        Token::Word(word) if !word.quoted => (String::from_utf8_lossy(&word.bytes).into_owned(), word.span),
        other => (String::new(), other.span()),
    };
    let otherwise = match first.0.as_str() {
        "on" => false,
        "otherwise" => true,
        word => {
            let message = format!("a rule begins with on or otherwise, not `{}`", word.escape_debug());
            args.report.unknown(first.1, message, "expected on or otherwise", word, &["on", "otherwise"]);
            return None;
        }
    };
    // Conditions stand before the first action, which is the first word without `=`.
    let is_word = |token: &Token| !matches!(token, Token::Option { .. });
    let split = tokens.iter().position(is_word).unwrap_or(tokens.len());
    let conditions: Vec<_> = tokens.drain(..split).collect();
    let matching = if otherwise {
        if let Some(condition) = conditions.first() {
            let help = "write `on` before conditions";
            args.report.error(condition.span(), "`otherwise` has no conditions", "not expected here").help(help);
        }
        WorkerMatch::default()
    } else {
        let here = Span { end: first.1.end, start: first.1.end, ..first.1 };
        if conditions.is_empty() {
            let help = "known are subject=, delivery-count=, stream-seq=, payload=; write `otherwise` for all deliveries";
            args.report.error(here, "`on` without a condition", "expected a condition").help(help);
            return None;
        }
        conditions_of(Args::new("on", conditions, here, args.report))
    };
    let mut actions = Vec::new();
    for part in tokens.split(|token| matches!(token, Token::Comma(_))) {
        let end = part.last().map_or(end, |last| Span { start: last.span().end, end: last.span().end, ..end });
        actions.extend(action(Args::new("rule", part.to_vec(), end, args.report)));
    }
    if let Some(ignored) = actions.iter().find(|_| actions.len() > 1).filter(|_| actions.iter().any(|a| a.kind == ActionKind::Ignore)) {
        let other = if ignored.kind == ActionKind::Ignore { "other actions" } else { "`ignore`" };
        args.report.error(span, format!("`ignore` stands alone, not beside {other}"), "contradicts itself");
    }
    Some(WorkerRule { comments: Vec::new(), matching, actions, remark, span })
}

fn conditions_of(mut args: Args<'_, '_>) -> WorkerMatch {
    let subject = args.option("subject").and_then(|word| {
        let span = word.span;
        let text = args.utf8(word)?;
        if !is_valid_filter(&text) {
            never(&mut args, span, "no subject matches this filter", None);
        }
        Some(text)
    });
    let delivery_count = args.compared("delivery-count").and_then(|(comparison, word)| {
        let count: u64 = args.number(&word)?;
        if count == 0 && comparison != Comparison::AtLeast {
            never(&mut args, word.span, "deliveries are counted from 1", Some("expected 1 or more"));
        }
        Some(CountCondition { comparison, count: DeliveryCount(count) })
    });
    let stream_seq = args.number_option("stream-seq").map(StreamSeq);
    if let (Some(StreamSeq(0)), Some(span)) = (stream_seq, args.taken("stream-seq")) {
        never(&mut args, span, "stream sequences count from 1", Some("expected 1 or more"));
    }
    let payload = args.option("payload").map(|word| word.bytes.into());
    args.finish();
    WorkerMatch { subject, delivery_count, stream_seq, payload }
}

fn never(args: &mut Args<'_, '_>, span: Span, why: &str, label: Option<&str>) {
    args.report.error(span, format!("a rule that can never match: {why}"), label.unwrap_or("matches nothing"));
}

fn action(mut args: Args<'_, '_>) -> Option<Action> {
    let what = "an action: ack, nak, term, in-progress or ignore";
    let word = args.word(what)?;
    let text = String::from_utf8_lossy(&word.bytes).into_owned();
    args.of.clone_from(&text);
    let kind = match text.as_str() {
        "ack" => ActionKind::Ack,
        "nak" => ActionKind::Nak { delay: args.duration_option("delay") },
        "in-progress" => ActionKind::InProgress,
        "term" => ActionKind::Term { reason: args.text_option("reason") },
        "ignore" => {
            args.finish();
            return Some(Action { kind: ActionKind::Ignore, after: None, sync: false });
        }
        _ => {
            let message = format!("no action `{}`", text.escape_debug());
            let label = "expected an action";
            if text.contains(['<', '>']) {
                args.report.error(word.span, message, label).help("conditions compare with =, <= or >=");
            } else if text.split_once(',').is_some_and(|(first, _)| ACTIONS.contains(&first)) {
                args.report.error(word.span, message, label).help("write a space after the comma");
            } else {
                args.report.unknown(word.span, message, label, &text, ACTIONS);
            }
            return None;
        }
    };
    let action = Action { kind, after: args.delay_option("after"), sync: args.flag("sync") };
    args.finish();
    Some(action)
}
