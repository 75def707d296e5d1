//! The header: `key: value` lines.

use crate::diagnostic::{Report, nearest};
use crate::lex::Line;
use crate::{Conform, Header, KnownDifference, Span};

const KEYS: &[&str] = &["title", "cites", "ids", "server", "seed", "labels", "conform", "differs", "unconfirmed"];

/// Keys that may be given several times.
const REPEATED: &[&str] = &["cites", "differs"];

/// Whether a file begins with a header, judged by its first line that is neither blank nor a comment.
pub(super) fn is_header_line(line: &Line<'_>) -> bool {
    let key = line.text.split_once(':').map(|(key, _)| key.trim());
    key.is_some_and(|key| KEYS.contains(&key) || nearest(key, KEYS).is_some())
}

/// The key and the value of a header line, with the offset of the value in the line.
pub(crate) fn key_and_value<'a>(line: &Line<'a>) -> Option<(&'a str, &'a str, usize)> {
    let (key, value) = line.text.split_once(':')?;
    let start = key.len() + 1 + (value.len() - value.trim_start().len());
    Some((key.trim(), value.trim(), start))
}

/// Reads the header's lines. Comments among them are kept, above it.
pub(super) fn header(lines: &[Line<'_>], report: &mut Report<'_>) -> Header {
    let mut header = Header::new("");
    let mut seen: Vec<&str> = Vec::new();
    for line in lines {
        if let Some(comment) = line.comment() {
            header.comments.push(comment.trim_end().to_owned());
            continue;
        }
        let Some((key, value, start)) = key_and_value(line) else {
            let help = "a header line is `key: value`; a blank line ends the header";
            report.error(line.trimmed_span(), "this is no header line", "expected key: value").help(help);
            continue;
        };
        let key_start = line.text.len() - line.text.trim_start().len();
        let key_span = line.span(key_start, key_start + key.len());
        let span = line.span(start, start + value.len());
        if !KEYS.contains(&key) {
            report.unknown(key_span, format!("no header key `{}`", key.escape_debug()), "expected a header key", key, KEYS);
        } else if seen.contains(&key) && !REPEATED.contains(&key) {
            report.error(key_span, format!("`{key}` is given twice"), "already given").help("keep one of them");
        } else if value.is_empty() {
            let span = Span { start: key_span.end + 1, end: key_span.end + 1, ..span };
            report.error(span, format!("`{key}` is empty"), "expected a value").help("write something, or leave the line out");
            seen.push(key);
        } else {
            seen.push(key);
            set(&mut header, key, value, span, report);
        }
    }
    header
}

fn set(header: &mut Header, key: &str, value: &str, span: Span, report: &mut Report<'_>) {
    match key {
        "title" => header.title = value.to_owned(),
        "cites" => header.cites.push(value.to_owned()),
        "ids" => header.ids = list(value, span, report),
        "labels" => header.labels = list(value, span, report),
        "unconfirmed" => header.unconfirmed = Some(value.to_owned()),
        "server" => match value.parse() {
            Ok(range) => header.server = Some(range),
            Err(error) => {
                let error: crate::VersionRangeError = error;
                report.error(span, error.to_string(), "expected a range such as >=2.11.0,<2.14.0");
            }
        },
        "differs" => header.differs.extend(known_difference(value, span, report)),
        "seed" => match value.parse() {
            Ok(seed) if !value.starts_with('+') => header.seed = seed,
            _ => {
                report.error(span, format!("`{}` is no seed", value.escape_debug()), "expected a whole number below 2^64");
            }
        },
        _ => match value.split_once('-').map(|(no, reason)| (no.trim(), reason.trim())) {
            Some(("no", reason)) if !reason.is_empty() => header.conform = Conform::No(reason.to_owned()),
            _ if value == "yes" => header.conform = Conform::Yes,
            _ => {
                let message = format!("`{}` is neither yes nor a reasoned no", value.escape_debug());
                report.error(span, message, "expected no - REASON").help("write conform: no - what a real server can not do");
            }
        },
    }
}

fn known_difference(value: &str, span: Span, report: &mut Report<'_>) -> Option<KnownDifference> {
    let Some((range, evidence)) = value.split_once(" - ").map(|(range, evidence)| (range.trim(), evidence.trim())) else {
        report
            .error(span, format!("`{}` has no evidence", value.escape_debug()), "expected RANGE - EVIDENCE")
            .help("write differs: <2.11.0 - #1234 what differs");
        return None;
    };
    if !KnownDifference::is_evidence(evidence) {
        report
            .error(span, format!("`{}` can not be looked up", evidence.escape_debug()), "expected an issue, a commit or a source line")
            .help("name a server issue (#1234), a commit, or a place such as server/consumer.go:123");
        return None;
    }
    match range.parse() {
        Ok(range) => Some(KnownDifference { range, evidence: evidence.to_owned() }),
        Err(error) => {
            let error: crate::VersionRangeError = error;
            report.error(span, error.to_string(), "expected a range such as >=2.11.0,<2.14.0");
            None
        }
    }
}

/// The items of a comma list.
fn list(value: &str, span: Span, report: &mut Report<'_>) -> Vec<String> {
    let items: Vec<String> = value.split(',').map(|item| item.trim().to_owned()).collect();
    if items.iter().any(String::is_empty) {
        report.error(span, "a list has an empty item", "expected items joined by commas");
    }
    items
}
