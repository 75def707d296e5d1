//! `fault`: effect, match, when, and the combinations that make no sense.

use jetlag_model::{DeliveryCount, Duration, StreamSeq, is_valid_filter};

use super::step::lost;
use crate::args::Args;
use crate::{CrossingKind, Cycle, FaultEffect, FaultMatch, FaultSpec, FaultWhen, Occurrence, Partition, Probability};

const EFFECTS: &[&str] =
    &["drop", "delay", "duplicate", "reply-lost", "error", "disconnect", "partition", "restart", "kill", "crash", "slow"];

pub(super) fn fault(args: &mut Args<'_, '_>) -> Option<FaultSpec> {
    let span = args.span();
    let id = args.identifier("an id, which the transcript shows")?;
    let word = args.word("an effect such as drop")?;
    let name = String::from_utf8_lossy(&word.bytes).into_owned();
    if !EFFECTS.contains(&name.as_str()) {
        args.report.unknown(word.span, format!("no effect `{}`", name.escape_debug()), "expected an effect", &name, EFFECTS);
        return None;
    }
    let effect = effect(&name, args)?;
    let matching = matching(args);
    let when = when(args);
    let spec = FaultSpec { id, effect, matching, when, span };
    contradictions(&spec, &name, args);
    Some(spec)
}

fn effect(name: &str, args: &mut Args<'_, '_>) -> Option<FaultEffect> {
    Some(match name {
        "drop" => FaultEffect::Drop,
        "delay" => {
            let (min, max) = delay_by(args)?;
            FaultEffect::Delay { min, max }
        }
        "duplicate" => FaultEffect::Duplicate { copies: args.count_option("copies", "nothing would be duplicated").unwrap_or(1) },
        "reply-lost" => FaultEffect::ReplyLost,
        "error" => FaultEffect::Error { text: args.text("the error's text, such as \"connection refused\"")? },
        "disconnect" => FaultEffect::Disconnect { reconnect: args.delay_option("reconnect") },
        "partition" => {
            let word = args.word("a direction: up, down or both")?;
            let text = String::from_utf8_lossy(&word.bytes).into_owned();
            let partition = Partition::from_word(&text);
            if partition.is_none() {
                let message = format!("no direction `{}`", text.escape_debug());
                args.report.unknown(word.span, message, "expected up, down or both", &text, Partition::WORDS);
            }
            FaultEffect::Partition(partition?)
        }
        "restart" => FaultEffect::Restart { downtime: args.delay_option("downtime") },
        "kill" => FaultEffect::Kill { downtime: args.delay_option("downtime"), lost: lost(args) },
        "crash" => FaultEffect::Crash,
        _ => {
            let word = by(args)?;
            FaultEffect::Slow { by: args.delay(&word)? }
        }
    })
}

/// The value of `by=`, which is not optional.
fn by(args: &mut Args<'_, '_>) -> Option<crate::lex::Word> {
    let word = args.option("by");
    if word.is_none() && args.taken("by").is_none() {
        args.missing("by=D, such as by=5s");
    }
    word
}

/// `by=D` or `by=D1..D2`
fn delay_by(args: &mut Args<'_, '_>) -> Option<(Duration, Duration)> {
    let word = by(args)?;
    let text = String::from_utf8_lossy(&word.bytes).into_owned();
    let Some((min, max)) = text.split_once("..") else {
        let delay = args.delay(&word)?;
        return Some((delay, delay));
    };
    let (min, max) = (args.duration_in(min, word.span), args.duration_in(max, word.span));
    let (min, max) = min.zip(max)?;
    if min.is_negative() || max < min {
        args.report.error(word.span, "a delay between these two does not exist", "expected 0s or more, the smaller first");
        return None;
    }
    Some((min, max))
}

fn matching(args: &mut Args<'_, '_>) -> FaultMatch {
    let kind = args.option("kind").and_then(|word| {
        let text = String::from_utf8_lossy(&word.bytes).into_owned();
        let kind = CrossingKind::from_word(&text);
        if kind.is_none() {
            let message = format!("no kind `{}`", text.escape_debug());
            args.report.unknown(word.span, message, "expected a kind", &text, CrossingKind::WORDS);
        }
        kind
    });
    FaultMatch {
        kind,
        client: args.identifier_option("client"),
        stream: args.name_option("stream"),
        consumer: args.name_option("consumer"),
        subject: args.text_option("subject"),
        stream_seq: args.number_option("stream-seq").map(StreamSeq),
        delivery_count: args.number_option("delivery-count").map(DeliveryCount),
    }
}

fn when(args: &mut Args<'_, '_>) -> FaultWhen {
    let first = args.count_option("first", "the rule would never act").map(Occurrence::First);
    let nth = args.count_option("nth", "matches are counted from 1").map(Occurrence::Nth);
    let always = args.flag("always").then_some(Occurrence::Always);
    let probability = args.option("probability").and_then(|word| {
        let text = String::from_utf8_lossy(&word.bytes).into_owned();
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
        let parsed = text.split_once('/').and_then(|(p, q)| number(p).zip(number(q)));
        if parsed.is_none_or(|(p, q)| p == 0 || p > q) {
            let message = match parsed {
                Some((0, _)) => "a rule that can never match: its probability is zero".to_owned(),
                Some(_) => format!("`{text}` is above one"),
                None => format!("`{}` is no ratio of whole numbers", text.escape_debug()),
            };
            args.report.error(word.span, message, "expected P/Q such as 1/10");
            return None;
        }
        parsed.map(|(numerator, denominator)| Probability { numerator, denominator })
    });
    let (from, to) = (args.delay_option("from"), args.delay_option("to"));
    let (every, active) = (args.delay_option("every"), args.delay_option("for"));
    let cycle = every.zip(active).map(|(every, active)| Cycle { every, active });
    for (alone, other) in [("every", "for"), ("for", "every")] {
        if let (Some(span), None) = (args.taken(alone), args.taken(other)) {
            let message = format!("`{alone}` without `{other}`");
            args.report.error(span, message, format!("expected {other}=D too")).help("write every=D for=D: active for D out of each D");
        }
    }
    FaultWhen { occurrence: first.or(nth).or(always), probability, from, to, cycle }
}

/// Reports rules that can never act.
fn contradictions(spec: &FaultSpec, effect: &str, args: &mut Args<'_, '_>) {
    let FaultSpec { matching, when, .. } = spec;
    // Each is a key to point at and why nothing matches.
    let mut never: Vec<(&str, String)> = Vec::new();
    for (a, b) in [("first", "nth"), ("first", "always"), ("nth", "always")] {
        if args.taken(a).is_some() && args.taken(b).is_some() {
            never.push((b, format!("`{b}` contradicts `{a}`")));
        }
    }
    if let Some(to) = when.to {
        let from = when.from.unwrap_or(Duration::ZERO);
        if to <= from {
            never.push(("to", format!("it ends at {to}, when it has not begun before {from}")));
        }
    }
    if let Some(cycle) = when.cycle {
        if cycle.active.is_zero() {
            never.push(("for", "it is active for no time".to_owned()));
        } else if cycle.active > cycle.every {
            args.contradiction("for", format!("it is active for {}, but every {} already", cycle.active, cycle.every));
        }
    }
    if matching.stream_seq == Some(StreamSeq(0)) {
        never.push(("stream-seq", "stream sequences count from 1".to_owned()));
    }
    if matching.delivery_count == Some(DeliveryCount(0)) {
        never.push(("delivery-count", "deliveries are counted from 1".to_owned()));
    }
    if matching.subject.as_ref().is_some_and(|subject| !is_valid_filter(subject)) {
        never.push(("subject", "no subject matches this filter".to_owned()));
    }
    if let Some(kind) = matching.kind {
        for key in ["stream-seq", "delivery-count", "consumer"] {
            if args.taken(key).is_some() && !has(kind, key) {
                never.push((key, format!("a {} has no {key}", kind.as_str())));
            }
        }
        let up = is_up(kind);
        if matches!(spec.effect, FaultEffect::ReplyLost | FaultEffect::Error { .. }) && !up {
            never.push(("kind", format!("{effect} acts on what a client sends, and a {} comes from the server", kind.as_str())));
        }
    }
    if matches!(spec.effect, FaultEffect::Partition(_)) {
        for key in ["kind", "stream", "consumer", "subject", "stream-seq", "delivery-count", "first", "nth", "probability"] {
            if args.taken(key).is_some() {
                never.push((key, "a partition cuts everything that passes, not single messages".to_owned()));
            }
        }
    }
    for (key, why) in never {
        args.contradiction(key, format!("a rule that can never match: {why}"));
    }
}

/// Whether crossings of a kind carry what `key` compares. Where some do and some do not, they do.
fn has(kind: CrossingKind, key: &str) -> bool {
    use CrossingKind as K;
    match key {
        "delivery-count" => matches!(kind, K::Delivery | K::Ack | K::Nak | K::InProgress | K::Term | K::Next | K::AckReply),
        "stream-seq" => !matches!(kind, K::Publish | K::Pull | K::Status | K::Heartbeat | K::Api | K::ApiReply | K::Message),
        _ => !matches!(kind, K::Publish | K::PubAck | K::Message),
    }
}

/// Whether crossings of a kind go from client to server.
fn is_up(kind: CrossingKind) -> bool {
    use CrossingKind as K;
    !matches!(kind, K::PubAck | K::Delivery | K::AckReply | K::Status | K::Heartbeat | K::Advisory | K::ApiReply)
}
