//! What came of replays, for people: a row a file, both transcripts where they differ, and the counts.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jetlag_conform::{Cell, Difference, FileReport, Report, Verdict};
use jetlag_model::ServerVersion;

use crate::diagnostics;

/// Lines of both transcripts that are shown before and after the first that differs.
const CONTEXT: usize = 4;

/// The longest verdict, and two spaces.
const VERDICT_WIDTH: usize = 14;

/// Writes a row a file, and below it what is to be said of it. `again` is the command that makes the replays again, but for the files.
pub(super) fn write_files(err: &mut dyn Write, report: &Report, again: &str) -> io::Result<()> {
    let width = report.files.iter().map(|file| file.path.display().to_string().chars().count()).max().unwrap_or(0);
    if report.versions.len() > 1 && !report.files.is_empty() {
        let versions: String = report.versions.iter().map(|version| format!("{:<VERDICT_WIDTH$}", version.to_string())).collect();
        writeln!(err, "{:<width$}  {}", "", versions.trim_end())?;
    }
    report.files.iter().try_for_each(|file| write_file(err, file, width, &report.versions, again))
}

fn write_file(err: &mut dyn Write, file: &FileReport, width: usize, versions: &[ServerVersion], again: &str) -> io::Result<()> {
    let conformed = match &file.result {
        Ok(conformed) => conformed,
        Err(unreadable) => return diagnostics::write_unreadable(err, &file.path, unreadable),
    };
    let path = file.path.display().to_string();
    write!(err, "{path:<width$}  ")?;
    match &conformed.cells[..] {
        [Cell { verdict, ratio, replays, took }] => {
            let (style, word) = (style(verdict), verdict.as_str());
            let pace = ratio.map_or(String::new(), |ratio| format!("pace {ratio}"));
            let again = if *replays > 1 { format!("  replayed {replays} times") } else { String::new() };
            writeln!(err, "{style}{word:<VERDICT_WIDTH$}{style:#}{pace:<12}  {:>5.1}s{again}", took.as_secs_f64())?;
        }
        cells => {
            for (index, Cell { verdict, .. }) in cells.iter().enumerate() {
                let (style, word) = (style(verdict), verdict.as_str());
                let width = if index + 1 < cells.len() { VERDICT_WIDTH } else { 0 };
                write!(err, "{style}{word:<width$}{style:#}")?;
            }
            writeln!(err)?;
        }
    }
    for (cell, version) in conformed.cells.iter().zip(versions) {
        let on = if versions.len() > 1 { format!("{version}: ") } else { String::new() };
        match &cell.verdict {
            Verdict::Agree => {}
            Verdict::Skipped(reason) | Verdict::Inconclusive(reason) => writeln!(err, "       {on}{reason}")?,
            Verdict::Known(evidence) => writeln!(err, "       {on}known to differ: {evidence}")?,
            Verdict::Closed(reason) => writeln!(err, "       {on}agrees, though {reason}")?,
            Verdict::Separated(rules) if rules.is_empty() => writeln!(err, "       {on}separated by several rules together")?,
            Verdict::Separated(rules) => writeln!(err, "       {on}separated by rule {}", rules.join(", "))?,
            Verdict::Differ(difference) => {
                write_difference(err, &file.path, *version, difference, &format!("{again} {}", file.path.display()))?
            }
        }
    }
    Ok(())
}

/// How many came to what: a line a server.
pub(super) fn write_counts(err: &mut dyn Write, report: &Report, plays: Option<ServerVersion>, took: Duration) -> io::Result<()> {
    if report.files.is_empty() {
        return Ok(());
    }
    writeln!(err)?;
    let plays = plays.map_or_else(String::new, |version| format!(" (the simulator plays {version})"));
    for (server, version) in report.versions.iter().enumerate() {
        let words = words(&report.counts_on(server).words());
        writeln!(err, "nats-server {version}{plays}: {words}")?;
    }
    let all = report.counts();
    let cells = all.words().iter().map(|(count, _)| count).sum::<usize>() - all.unreadable;
    let agree = 100.0 * all.agree as f64 / cells.max(1) as f64;
    let skipped = 100.0 * all.skipped as f64 / cells.max(1) as f64;
    writeln!(err, "{cells} replays: {agree:.1} % agree, {skipped:.1} % skipped; in {:.1}s", took.as_secs_f64())
}

/// The counts that are not zero.
pub(super) fn words(counts: &[(usize, &str)]) -> String {
    let words: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    words.join(", ")
}

fn style(verdict: &Verdict) -> Style {
    let color = match verdict {
        Verdict::Agree => AnsiColor::Green,
        Verdict::Known(_) => AnsiColor::Cyan,
        Verdict::Differ(_) | Verdict::Closed(_) | Verdict::Separated(_) => AnsiColor::Red,
        Verdict::Inconclusive(_) => AnsiColor::Yellow,
        Verdict::Skipped(_) => AnsiColor::BrightBlack,
    };
    color.on_default()
}

/// Writes both transcripts side by side. Where they agree, the line stands once. `again` is the command that shows it again.
pub(super) fn write_difference(
    err: &mut dyn Write,
    path: &Path,
    on: ServerVersion,
    difference: &Difference,
    again: &str,
) -> io::Result<()> {
    writeln!(err, "\n{}:{}: nats-server {on} does something else", path.display(), difference.line)?;
    let rows = difference.rows(CONTEXT);
    let width = rows.iter().filter_map(|row| row.simulator).map(|line| line.chars().count()).max().unwrap_or(0).max("simulator".len());
    writeln!(err, "{:>6}   {:<width$} | server", "line", "simulator")?;
    for row in rows {
        let (sign, style) = if row.agrees() { (' ', Style::new()) } else { ('>', AnsiColor::Red.on_default()) };
        let server = if row.agrees() { "=" } else { row.server.unwrap_or("-") };
        let simulator = row.simulator.unwrap_or("-");
        writeln!(err, "{:>6} {style}{sign} {simulator:<width$} | {server}{style:#}", row.line)?;
    }
    writeln!(err, "\nagain: {again}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_transcripts_stand_side_by_side() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let difference =
            Difference { line: 12, first: 1, simulator: lines(&["0s a", "30s b", "30s c"]), server: lines(&["0s a", "31s b"]) };
        let mut text = Vec::new();
        let version = ServerVersion::new(2, 10, 26);
        write_difference(&mut text, Path::new("x.scn"), version, &difference, "jetlag conform --server 2.10.26 x.scn").unwrap();
        let text = anstream::adapter::strip_bytes(&text).into_vec();
        let expected = "
x.scn:12: nats-server 2.10.26 does something else
  line   simulator | server
    11   0s a      | =
    12 > 30s b     | 31s b
    13 > 30s c     | -

again: jetlag conform --server 2.10.26 x.scn

";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
