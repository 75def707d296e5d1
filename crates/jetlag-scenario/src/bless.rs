//! Edits of a scenario's text that leave every other byte alone: new transcripts, the `unconfirmed:` line.

use std::ops::Range;

use crate::lex::Line;
use crate::parse::header::key_and_value;
use crate::{Scenario, Span};

/// New lines for one transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bless {
    /// The index of the block in [`Scenario::blocks`].
    pub block: usize,
    /// The index of the transcript in the block.
    pub transcript: usize,
    /// What stands there from now on.
    pub lines: Vec<String>,
}

/// Puts new lines into transcripts. `text` is what `scenario` was parsed from; every byte outside of these transcripts stays.
///
/// # Panics
/// If a transcript does not exist or is given twice with new lines, or if a line is blank, holds a line end or begins with `----`: it would not be read as it was written.
pub fn bless(text: &str, scenario: &Scenario, new: &[Bless]) -> String {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for Bless { block, transcript, lines } in new {
        let old = &scenario.blocks[*block].transcripts[*transcript];
        for line in lines {
            let readable = !line.trim().is_empty() && !line.contains(['\n', '\r']) && !line.starts_with("----");
            assert!(readable, "{line:?} can not stand in a transcript");
        }
        if old.lines != *lines {
            edits.push((old.span.range(), block_of(text, old.span, lines)));
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let (mut result, mut copied) = (String::with_capacity(text.len()), 0);
    for (range, lines) in edits {
        result.push_str(&text[copied..range.start]);
        result.push_str(&lines);
        copied = range.end;
    }
    result.push_str(&text[copied..]);
    result
}

/// The text that replaces a transcript's lines. A file without a line end at its end stays without one.
fn block_of(text: &str, old: Span, lines: &[String]) -> String {
    let mut new = String::new();
    if !text[..old.start].ends_with('\n') && !lines.is_empty() {
        new.push('\n');
    }
    new.push_str(&lines.join("\n"));
    if text[..old.end].ends_with('\n') && !lines.is_empty() {
        new.push('\n');
    }
    new
}

/// Adds, replaces or (with `None`) removes the header line `unconfirmed:`. Every other byte stays.
///
/// # Panics
/// If the value is blank or holds a line end.
pub fn set_unconfirmed(text: &str, value: Option<&str>) -> String {
    let value = value.map(str::trim);
    assert!(value.is_none_or(|value| !value.is_empty() && !value.contains(['\n', '\r'])), "{value:?} can not be a header's value");
    let lines = Line::all(text);
    let of_header = |line: &&Line<'_>| !line.is_blank();
    let keyed = |line: &Line<'_>| line.comment().is_none() && !line.is_blank();
    let Some(first) = lines.iter().position(keyed) else { return text.to_owned() };
    let header: Vec<&Line<'_>> = lines[first..].iter().take_while(of_header).collect();
    let old = header.iter().find(|line| line.comment().is_none() && key_and_value(line).is_some_and(|(key, _, _)| key == "unconfirmed"));
    match (old, value) {
        (None, None) => text.to_owned(),
        (Some(line), None) => [&text[..line.start], &text[line.next..]].concat(),
        (Some(line), Some(value)) => match key_and_value(line) {
            Some((_, old, at)) if old != value => {
                let start = line.start + at;
                [&text[..start], value, &text[start + old.len()..]].concat()
            }
            _ => text.to_owned(),
        },
        (None, Some(value)) => {
            let Some(last) = header.last() else { return text.to_owned() };
            let (before, after) = text.split_at(last.next);
            match before.ends_with('\n') {
                true => format!("{before}unconfirmed: {value}\n{after}"),
                false => format!("{before}\nunconfirmed: {value}{after}"),
            }
        }
    }
}
