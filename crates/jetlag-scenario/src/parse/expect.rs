//! `expect`.

use crate::args::Args;
use crate::{Expect, ExpectAlert, ExpectMetric, Name, Span, Wanted};

/// What can be expected.
const THINGS: &[&str] = &["metric", "no-other-metric", "alert", "no-alert"];

pub(super) fn expect(args: &mut Args<'_, '_>) -> Option<Expect> {
    Some(match super::step::second_word(args, THINGS)? {
        "metric" => Expect::Metric(metric(args)?),
        "no-other-metric" => Expect::NoOtherMetric(match args.word_if_any() {
            None => None,
            Some(word) => {
                let name = args.name_of(word, "a metric's name, or the beginning of names and *")?;
                let bare = name.strip_suffix('*').unwrap_or(&name);
                Some(judged(args, bare, &name)?)
            }
        }),
        word => Expect::Alert(ExpectAlert { name: named(args, "an alert's name")?, fires: word == "alert", labels: labels(args) }),
    })
}

fn metric(args: &mut Args<'_, '_>) -> Option<ExpectMetric> {
    let name = named(args, "a metric's name")?;
    let word = args.word("a change such as +2, or a value such as 2")?;
    let text = String::from_utf8_lossy(&word.bytes).into_owned();
    let Some(wanted) = Wanted::parse(&text) else {
        let message = format!("`{}` is neither a change nor a value", text.escape_debug());
        args.report
            .error(word.span, message, "expected +2, -2 or 2")
            .help("a sign says by how much it changed, no sign what it is now; at most three decimal places");
        return None;
    };
    Some(ExpectMetric { name, wanted, labels: labels(args) })
}

fn named(args: &mut Args<'_, '_>, what: &str) -> Option<Name> {
    let name = args.name(what)?;
    judged(args, &name, &name)
}

/// The whole `name`, if `part` of it could be the name of a metric.
fn judged(args: &mut Args<'_, '_>, part: &str, name: &Name) -> Option<Name> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins_well = !part.starts_with(|c: char| c.is_ascii_digit()) && (!part.is_empty() || name.ends_with('*'));
    if begins_well && part.chars().all(plain) {
        return Some(name.clone());
    }
    let message = format!("`{}` is no name of a metric or an alert", name.as_str().escape_debug());
    args.report.error(name.span, message, "not a name").help("a name is made of letters, digits and `_`, and begins with no digit");
    None
}

/// All options are labels.
fn labels(args: &mut Args<'_, '_>) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    while let Some((label, label_span, word)) = args.any_option() {
        let span = Span { end: word.span.end, ..label_span };
        if labels.iter().any(|(given, _)| *given == label) {
            args.report.error(span, format!("`{label}` is given twice"), "already given").help("keep one of them");
        } else if label.contains('-') {
            let help = format!("write {}", label.replace('-', "_"));
            args.report.error(label_span, format!("`{label}` is no label: labels have no `-`"), "not a label").help(help);
        }
        labels.extend(args.utf8(word).map(|value| (label, value)));
    }
    labels
}
