//! A file's text into a scenario: header, blocks, transcripts. Single lines are read in the modules below.

mod expect;
mod fault;
pub(crate) mod header;
mod step;
mod whole;
pub(crate) mod worker;

use crate::diagnostic::Report;
use crate::lex::Line;
use crate::{Block, Command, Diagnostic, Header, Scenario, Span, Step, Transcript, VersionCondition};

/// What separates commands from what they print.
const SEPARATOR: &str = "----";

/// Reads a scenario from bytes.
///
/// # Errors
/// Everything that is wrong with the text, in its order; a text that is not UTF-8 has that one error.
pub fn parse_bytes(bytes: &[u8]) -> Result<Scenario, Vec<Diagnostic>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let span = error.valid_up_to()..error.valid_up_to() + error.error_len().unwrap_or(bytes.len() - error.valid_up_to());
            let message = format!("not UTF-8: byte {} is {:#04x}", span.start, bytes[span.start]);
            let mut diagnostic = Diagnostic::new(&valid, span, message, "not text from here");
            diagnostic.help("save the file as UTF-8; in a payload write such a byte as \\xNN");
            Err(vec![diagnostic])
        }
    }
}

/// Reads a scenario.
///
/// # Errors
/// Everything that is wrong with the text, in its order.
pub fn parse(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    let mut report = Report::new(text);
    read(text, &mut report).filter(|_| report.len() == 0).ok_or_else(|| report.finish())
}

/// Reads `fault` lines alone, outside a scenario: what a server is given to go wrong. Blank lines and comments may stand between them.
///
/// # Errors
/// Everything that is wrong with the text, in its order; any other command is.
pub fn parse_faults(text: &str) -> Result<Vec<jetlag_fault::Rule>, Vec<Diagnostic>> {
    let mut report = Report::new(text);
    let mut rules = Vec::new();
    for line in Line::all(text).into_iter().filter(|line| !line.is_blank() && line.comment().is_none()) {
        match step::step(line, &[], &mut report) {
            Some(Step { command: Command::Fault(fault), actor: None, .. }) => rules.push(fault.rule),
            Some(_) => {
                let help = "write `fault ID EFFECT` with its conditions, one on a line, as in a scenario";
                report.error(line.trimmed_span(), "this is no fault", "expected fault").help(help);
            }
            None => {}
        }
    }
    if report.len() == 0 { Ok(rules) } else { Err(report.finish()) }
}

/// Reads a scenario, with what is wrong put into the report.
pub(crate) fn read(text: &str, report: &mut Report<'_>) -> Option<Scenario> {
    let lines = Line::all(text);
    if let Some(at) = text.find('\r') {
        let line = lines.iter().rfind(|line| line.start <= at).map_or(1, |line| line.number);
        let span = Span { start: at, end: at + 1, line };
        report.error(span, "a carriage return", "expected \\n alone").help("save the file with Unix line ends; in a string write \\r");
    }
    if let Some(bom) = text.strip_prefix('\u{feff}') {
        let span = Span { start: 0, end: text.len() - bom.len(), line: 1 };
        report.error(span, "the file begins with a byte order mark", "expected text").help("save the file as UTF-8 without one");
        return None;
    }
    let mut paragraphs: Vec<&[Line<'_>]> = lines.split(Line::is_blank).filter(|lines| !lines.is_empty()).collect();
    let header = take_header(&mut paragraphs, report);
    let mut blocks = Vec::new();
    for (i, lines) in paragraphs.iter().enumerate() {
        let begins_apart = |lines: &&[Line<'_>]| lines[0].text.starts_with(SEPARATOR);
        let surroundings = Surroundings {
            after_open_block: i > 0 && !paragraphs[i - 1].iter().any(is_separator) && has_commands(paragraphs[i - 1]),
            before_separator: paragraphs.get(i + 1).is_some_and(begins_apart),
        };
        blocks.push(block(lines, surroundings, report));
    }
    let scenario = Scenario { header, blocks };
    whole::duplicates(&scenario, report);
    if report.len() == 0 {
        whole::references(&scenario, report);
    }
    Some(scenario)
}

/// What stands around a block, to find out what a misplaced blank line has done.
struct Surroundings {
    /// The paragraph before has commands and no `----`.
    after_open_block: bool,
    /// The paragraph behind begins with `----`.
    before_separator: bool,
}

fn is_separator(line: &Line<'_>) -> bool {
    line.text.starts_with(SEPARATOR)
}

fn has_commands(lines: &[Line<'_>]) -> bool {
    lines.iter().any(|line| line.comment().is_none())
}

/// Takes the header off the front, with the comments above it.
fn take_header(paragraphs: &mut Vec<&[Line<'_>]>, report: &mut Report<'_>) -> Header {
    let comments = paragraphs.iter().take_while(|lines| !has_commands(lines)).count();
    let first = paragraphs.get(comments).and_then(|lines| lines.iter().find(|line| line.comment().is_none()));
    let lines: Vec<Line<'_>> = match first {
        Some(line) if header::is_header_line(line) => paragraphs.drain(..=comments).flatten().copied().collect(),
        _ => Vec::new(),
    };
    let before = report.len();
    let header = header::header(&lines, report);
    if header.title.is_empty() && report.len() == before {
        let span = lines.iter().find(|line| line.comment().is_none()).map_or(Span { line: 1, ..Span::default() }, |line| line.span(0, 0));
        report.error(span, "the header has no title", "expected title:").help("begin the file with `title: ` and the claim in one line");
    }
    header
}

fn block(lines: &[Line<'_>], surroundings: Surroundings, report: &mut Report<'_>) -> Block {
    let last = lines[lines.len() - 1];
    let span = Span { start: lines[0].start, end: last.start + last.text.len(), line: lines[0].number };
    let separator = lines.iter().position(is_separator).unwrap_or(lines.len());
    let (commands, transcripts) = lines.split_at(separator);
    let mut block = Block { span, ..Block::default() };
    let mut rest = commands;
    while let Some((line, below)) = rest.split_first() {
        rest = below;
        if let Some(comment) = line.comment() {
            block.comments.push(comment.trim_end().to_owned());
        } else if line.is_indented() {
            let help = "a command begins at the start of its line; only request and worker have indented lines";
            report.error(line.trimmed_span(), "an indented line that belongs to no command", "not expected here").help(help);
        } else if line.text.starts_with("--") {
            report.error(line.trimmed_span(), "this is no separator", "expected ----").help("write four dashes");
        } else {
            let (body, below) = below.split_at(below.iter().take_while(|line| line.is_indented()).count());
            rest = below;
            let Some(step) = step::step(*line, body, report) else { continue };
            let comments = std::mem::take(&mut block.comments);
            if !matches!(step.command, Command::Request(_) | Command::Worker(_)) {
                block.comments.extend(body.iter().filter_map(Line::comment).map(|comment| comment.trim_end().to_owned()));
            }
            block.steps.push(crate::Step { comments, ..step });
        }
    }
    if let Some(first) = transcripts.first() {
        if !has_commands(commands) && !surroundings.after_open_block {
            report
                .error(first.trimmed_span(), "no commands above `----`", "nothing to print")
                .help("remove the blank line above, or the block");
        }
        block.transcripts = self::transcripts(transcripts, report);
    } else if let Some(line) = commands.iter().rfind(|line| line.comment().is_none()) {
        let end = line.trimmed_span().end;
        let help = match surroundings.before_separator {
            true => "remove the blank line between the commands and their `----`",
            false => "write `----` below the commands; what they print is filled in by blessing",
        };
        let here = Span { start: end, end, line: line.number };
        report.error(here, "a missing `----`", "expected ---- below this line").help(help);
    }
    block
}

/// Reads `----` lines and what stands below each.
fn transcripts(lines: &[Line<'_>], report: &mut Report<'_>) -> Vec<Transcript> {
    let mut transcripts: Vec<Transcript> = Vec::new();
    for line in lines {
        if is_separator(line) {
            let condition = condition(line, report);
            if line.text.trim_end() == SEPARATOR && !transcripts.is_empty() {
                let help =
                    "only the first `----` of a block is without a condition; remove this one, or write `---- server<2.11.0: reason`";
                report.error(line.trimmed_span(), "a second `----` without a condition", "expected a condition").help(help);
            } else if condition.is_some() && transcripts.is_empty() {
                let help = "write `----` with what the newest version prints first";
                report.error(line.trimmed_span(), "the first `----` has a condition", "expected ---- alone").help(help);
            }
            transcripts.push(Transcript {
                condition,
                lines: Vec::new(),
                span: Span { start: line.next, end: line.next, line: line.number },
            });
        } else if let Some(transcript) = transcripts.last_mut() {
            transcript.lines.push(line.text.to_owned());
            transcript.span.end = line.next;
        }
    }
    transcripts
}

/// Reads what follows `----`.
fn condition(line: &Line<'_>, report: &mut Report<'_>) -> Option<VersionCondition> {
    let rest = line.text[SEPARATOR.len()..].trim_end();
    if rest.is_empty() {
        return None;
    }
    let example = "write `---- server<2.11.0: reason`, or `----` alone";
    let begin = line.text.len() - line.text[SEPARATOR.len()..].trim_start().len();
    let span = line.span(begin, SEPARATOR.len() + rest.len());
    let condition = rest.strip_prefix(' ').and_then(|rest| rest.trim_start().strip_prefix("server"));
    let Some((range, reason)) = condition.map(|rest| rest.split_once(':').unwrap_or((rest, ""))) else {
        report.error(span, "no condition that a transcript can have", "expected server and versions").help(example);
        return None;
    };
    let start = begin + "server".len();
    let range_span = line.span(start, start + range.trim_end().len());
    let range = match range.trim().parse() {
        Ok(range) => Some(range),
        Err(error) => {
            let error: crate::VersionRangeError = error;
            report.error(range_span, error.to_string(), "expected versions such as <2.11.0").help(example);
            None
        }
    };
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        let end = span.end;
        report.error(Span { start: end, ..span }, "a condition without a reason", "expected : and a reason").help(example);
    }
    range.map(|range| VersionCondition { range, reason })
}
