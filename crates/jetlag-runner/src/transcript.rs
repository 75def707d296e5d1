//! Which records of a step a transcript shows, and how their lines add up to a block.

use jetlag_scenario::{Mode, Step};
use jetlag_trace::{Kind, Record, line};

/// The records of a step that its transcript shows, in order: a step in parentheses shows errors alone.
pub fn shown<'r>(step: &Step, records: &'r [Record]) -> impl Iterator<Item = &'r Record> {
    let silent = step.mode == Mode::Silent;
    let is_error = |record: &Record| matches!(record.kind, Kind::Refused | Kind::NoResponders);
    records.iter().filter(move |record| (!silent || is_error(record)) && line(record).is_some())
}

/// Adds a line to a block's transcript: one `ok` speaks for all commands in a row that have nothing more to say.
pub fn push_line(lines: &mut Vec<String>, line: String) {
    if line != "ok" || lines.last() != Some(&line) {
        lines.push(line);
    }
}
