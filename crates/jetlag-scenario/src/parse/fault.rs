//! `fault`: effect, match, when, as a rule; and where in the line that is wrong with it which the rule itself can tell.

use jetlag_fault::{CrossingKind, Cycle, Effect, Match, Numbers, Occurrence, Partition, Probability, Rule, RuleError, When};
use jetlag_model::{Duration, Subject, Text};

use super::step::lost_tail;
use crate::args::Args;
use crate::lex::Word;
use crate::{FaultSpec, Span};

const EFFECTS: &[&str] =
    &["drop", "delay", "duplicate", "reply-lost", "error", "disconnect", "partition", "restart", "kill", "crash", "slow", "mark"];

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
    let (matcher, client_span) = matcher(args);
    let (when, event_spans) = when(args);
    let rule = Rule { id: id.text, matcher, when, effect };
    contradictions(&rule, span, args);
    Some(FaultSpec { span, id_span: id.span, client_span, event_spans, ..FaultSpec::from(rule) })
}

fn effect(name: &str, args: &mut Args<'_, '_>) -> Option<Effect> {
    Some(match name {
        "drop" => Effect::Drop,
        "delay" => {
            let (min, max) = delay_by(args)?;
            match args.duration_option("over") {
                Some(over) => Effect::Ramp { first: min, last: max, over },
                None => Effect::Delay { min, max },
            }
        }
        "duplicate" => Effect::Duplicate { copies: args.number_option("copies").unwrap_or(1) },
        "reply-lost" => Effect::ReplyLost,
        "error" => Effect::Error(args.text("the error's text, such as \"connection refused\"")?.into()),
        "disconnect" => Effect::Disconnect { reconnect: args.duration_option("reconnect") },
        "partition" => {
            let word = args.word("a direction: up, down or both")?;
            let text = String::from_utf8_lossy(&word.bytes).into_owned();
            let partition = Partition::from_name(&text);
            if partition.is_none() {
                let message = format!("no direction `{}`", text.escape_debug());
                args.report.unknown(word.span, message, "expected up, down or both", &text, &Partition::ALL.map(Partition::name));
            }
            Effect::Partition(partition?)
        }
        "restart" => Effect::Restart { downtime: args.duration_option("downtime").unwrap_or_default() },
        "kill" => Effect::Kill { downtime: args.duration_option("downtime").unwrap_or_default(), lost: lost_tail(args) },
        "crash" => Effect::Crash,
        "mark" => Effect::Mark,
        _ => {
            let word = by(args)?;
            Effect::Slow { by: args.duration(&word)? }
        }
    })
}

/// The value of `by=`, which is not optional.
fn by(args: &mut Args<'_, '_>) -> Option<Word> {
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
        let delay = args.duration(&word)?;
        return Some((delay, delay));
    };
    // Both are read, so that both are reported if wrong.
    let (min, max) = (args.duration_in(min, word.span), args.duration_in(max, word.span));
    min.zip(max)
}

/// What the rule acts on, and where its client stands.
fn matcher(args: &mut Args<'_, '_>) -> (Match, Span) {
    let kind = args.option("kind").and_then(|word| {
        let text = String::from_utf8_lossy(&word.bytes).into_owned();
        let kind = CrossingKind::from_name(&text);
        if kind.is_none() {
            let message = format!("no kind `{}`", text.escape_debug());
            args.report.unknown(word.span, message, "expected a kind", &text, &CrossingKind::ALL.map(CrossingKind::name));
        }
        kind
    });
    let client = args.identifier_option("client");
    let client_span = client.as_ref().map(|client| client.span).unwrap_or_default();
    let matcher = Match {
        kind,
        client: client.map(|client| client.text),
        stream: args.name_option("stream").map(|stream| stream.text),
        consumer: args.name_option("consumer").map(|consumer| consumer.text),
        subject: subject(args),
        stream_seq: numbers(args, "stream-seq"),
        delivery_count: numbers(args, "delivery-count"),
        header: header(args),
        payload: args.option("payload").map(|word| word.bytes.into()),
        payload_contains: args.option("payload-contains").map(|word| word.bytes.into()),
    };
    (matcher, client_span)
}

/// `key=N`, `key=N..M` or `key=N..`
fn numbers(args: &mut Args<'_, '_>, key: &'static str) -> Option<Numbers> {
    let word = args.option(key)?;
    let text = String::from_utf8_lossy(&word.bytes).into_owned();
    let number = |text: &str, args: &mut Args<'_, '_>| args.number::<u64>(&Word { bytes: text.into(), ..word.clone() });
    match text.split_once("..") {
        None => number(&text, args).map(Numbers::from),
        Some((first, "")) => number(first, args).map(|first| Numbers { first, last: None }),
        Some((first, last)) => {
            let (first, last) = (number(first, args), number(last, args));
            first.zip(last).map(|(first, last)| Numbers { first, last: Some(last) })
        }
    }
}

/// `header=K:V`
fn header(args: &mut Args<'_, '_>) -> Option<(Text, Text)> {
    let word = args.option("header")?;
    let span = word.span;
    let text = args.utf8(word)?;
    let split = text.split_once(':').filter(|(name, _)| !name.is_empty());
    if split.is_none() {
        args.report.error(span, format!("`{}` is no field of a header", text.escape_debug()), "expected NAME:VALUE");
    }
    split.map(|(name, value)| (name.into(), value.into()))
}

fn subject(args: &mut Args<'_, '_>) -> Option<Subject> {
    let subject = Subject::new(args.text_option("subject")?).ok();
    if subject.is_none() {
        args.contradiction("subject", "a rule that can never match: no subject matches this filter");
    }
    subject
}

/// When the rule acts, and where the names of the rules stand that it waits for.
fn when(args: &mut Args<'_, '_>) -> (When, [Span; 2]) {
    let found = [
        ("first", args.number_option("first").map(Occurrence::First)),
        ("nth", nth(args).map(Occurrence::Nth)),
        ("burst", share(args, "burst").map(|(acting, of)| Occurrence::Burst { acting, of })),
        ("ratio", share(args, "ratio").map(|(acting, of)| Occurrence::Ratio { acting, of })),
        ("always", args.flag("always").then_some(Occurrence::Always)),
    ];
    let taken: Vec<&'static str> = found.iter().map(|(key, _)| *key).filter(|key| args.taken(key).is_some()).collect();
    if let [first, rest @ ..] = taken.as_slice() {
        for key in rest {
            args.contradiction(key, format!("a rule that can never match: `{key}` contradicts `{first}`"));
        }
    }
    let occurrence = found.into_iter().find_map(|(_, occurrence)| occurrence);
    let probability = share(args, "probability").map(|(numerator, denominator)| Probability { numerator, denominator });
    let (after, until) = (args.identifier_option("after"), args.identifier_option("until"));
    let spans = [&after, &until].map(|event| event.as_ref().map(|event| event.span).unwrap_or_default());
    let (from, to) = (args.duration_option("from"), args.duration_option("to"));
    let (every, active) = (args.duration_option("every"), args.duration_option("for"));
    let cycle = every.zip(active).map(|(every, active)| Cycle { every, active });
    for (alone, other) in [("every", "for"), ("for", "every")] {
        if let (Some(span), None) = (args.taken(alone), args.taken(other)) {
            let message = format!("`{alone}` without `{other}`");
            args.report.error(span, message, format!("expected {other}=D too")).help("write every=D for=D: active for D out of each D");
        }
    }
    let (after, until) = (after.map(|event| event.text), until.map(|event| event.text));
    (When { occurrence, probability, from, to, after, until, cycle }, spans)
}

/// `nth=N` or `nth=N,M`
fn nth(args: &mut Args<'_, '_>) -> Option<Vec<u64>> {
    let word = args.option("nth")?;
    let text = String::from_utf8_lossy(&word.bytes).into_owned();
    text.split(',').map(|place| args.number::<u64>(&Word { bytes: place.into(), ..word.clone() })).collect()
}

/// `key=P/Q`
fn share(args: &mut Args<'_, '_>, key: &'static str) -> Option<(u64, u64)> {
    let word = args.option(key)?;
    let text = String::from_utf8_lossy(&word.bytes);
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
    let parsed = text.split_once('/').and_then(|(p, q)| number(p).zip(number(q)));
    if parsed.is_none() {
        let message = format!("`{}` is no ratio of whole numbers", text.escape_debug());
        args.report.error(word.span, message, "expected P/Q such as 1/10");
    }
    parsed
}

/// Reports what is wrong with the rule as a whole, each at the option that it is about.
fn contradictions(rule: &Rule, span: Span, args: &mut Args<'_, '_>) {
    for error in rule.contradictions() {
        let at = at(&error, args).unwrap_or(span);
        // The rule is not in use, it stands in a file.
        let message = error.to_string().replacen("the rule can never match", "a rule that can never match", 1);
        args.report.error_with_help(at, &message, label(&error));
    }
}

/// The option that an error is about.
fn at(error: &RuleError, args: &Args<'_, '_>) -> Option<Span> {
    let key = match error {
        RuleError::NoId | RuleError::Taken(_) | RuleError::NotThere(_) | RuleError::NoSuchEvent(_) => return None,
        RuleError::BadNumbers { what, .. } | RuleError::BadShare { what, .. } | RuleError::WaitsForItself(what) => what,
        RuleError::BadPlaces => "nth",
        RuleError::Zero(what) | RuleError::NotPositive { what, .. } | RuleError::Negative { what, .. } => what,
        RuleError::NotCarried { attribute, .. } | RuleError::PartialPartition(attribute) => attribute.name(),
        RuleError::EarlyWindow(_) => "from",
        RuleError::EmptyWindow { .. } => "to",
        RuleError::BadCycle { .. } => "for",
        RuleError::BadProbability(_) => "probability",
        RuleError::BadRange { .. } => "by",
        RuleError::NoCopies => "copies",
        RuleError::NoReply(_) | RuleError::NotSentByClient(_) | RuleError::NotHandled(_) | RuleError::NotOfConnecting(_) => "kind",
        RuleError::CountedPartition => {
            return ["first", "nth", "burst", "ratio", "probability"].into_iter().find_map(|key| args.taken(key));
        }
    };
    args.taken(key)
}

/// What stands under the place of an error.
fn label(error: &RuleError) -> &'static str {
    match error {
        RuleError::NotPositive { .. } => "expected more than 0s",
        RuleError::Negative { .. } | RuleError::EarlyWindow(_) => "expected 0s or more",
        RuleError::NoCopies => "expected 1 or more",
        RuleError::BadProbability(_) => "expected P/Q such as 1/10",
        RuleError::BadRange { .. } | RuleError::BadNumbers { .. } => "expected the smaller first",
        RuleError::BadShare { .. } => "expected P/Q such as 3/10",
        RuleError::BadPlaces => "expected them in ascending order",
        _ => "contradicts the rest",
    }
}
