//! `jetlag conform`: scenarios on a real server.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use clap::Args;
use jetlag_conform::{ConformOptions, Conformed, Counts, Difference, FileReport, Verdict, confirm, conform, find};
use jetlag_runner::replace;

use crate::exit::Exit;
use crate::{DEFAULT_PATHS, diagnostics};

/// Lines of both transcripts that are shown before and after the first that differs.
const CONTEXT: usize = 4;

/// What `jetlag conform` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Scenario files, and directories that hold them.
    #[arg(default_value = DEFAULT_PATHS)]
    paths: Vec<PathBuf>,
    /// The nats-server: a binary, of which each scenario gets a process of its own, or the nats:// URL of one that runs
    /// [default: $JETLAG_NATS_SERVER, nats-server on PATH, the newest one fetched].
    #[arg(long, value_name = "PATH_OR_URL")]
    server: Option<OsString>,
    /// Leaves `unconfirmed:` in files that the server agrees with.
    #[arg(long)]
    keep_unconfirmed: bool,
}

/// Replays scenarios on a real server and says whether it agrees.
pub(crate) fn run(arguments: &Arguments, _: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let found = find::find(arguments.server.as_deref())?;
    let options = ConformOptions::new(found.server);
    // A terminal that went away does not end the replays half way; it is told at the end.
    let mut told = Ok(());
    let report = conform(&arguments.paths, &options, |file| {
        if told.is_ok() {
            told = tell(err, file);
        }
    })?;
    told?;
    if !arguments.keep_unconfirmed {
        for conformed in report.files.iter().filter_map(|file| file.result.as_ref().ok()).filter(|conformed| conformed.confirms()) {
            replace(&conformed.file.path, &confirm(&conformed.file.text))?;
            writeln!(err, "{}: confirmed", conformed.file.path.display())?;
        }
    }
    let counts = report.counts();
    if exit(counts) == Exit::NothingRan {
        let places: Vec<_> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        writeln!(err, "nothing ran: no scenario that can be replayed below {}", places.join(", "))?;
    }
    let words = [
        (counts.agree, "agree"),
        (counts.differ, "differ"),
        (counts.inconclusive, "inconclusive"),
        (counts.skipped, "skipped"),
        (counts.unreadable, "unreadable"),
    ];
    let words: Vec<String> = words.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if !words.is_empty() {
        let seconds = started.elapsed().as_secs_f64();
        writeln!(err, "\nnats-server {}: {} in {seconds:.1}s", report.version, words.join(", "))?;
    }
    Ok(exit(counts))
}

fn exit(counts: Counts) -> Exit {
    let Counts { agree, differ, inconclusive, unreadable, .. } = counts;
    let when = |applies: bool, exit: Exit| if applies { exit } else { Exit::Ok };
    when(unreadable > 0, Exit::BadInput)
        .and(when(differ > 0, Exit::Disagreement))
        .and(when(inconclusive > 0, Exit::Failed))
        .and(when(agree + differ + inconclusive == 0, Exit::NothingRan))
}

/// Says what came of one file.
fn tell(err: &mut dyn Write, file: &FileReport) -> io::Result<()> {
    let conformed = match &file.result {
        Ok(conformed) => conformed,
        Err(unreadable) => return diagnostics::write_unreadable(err, &file.path, unreadable),
    };
    let Conformed { verdict, ratio, replays, took, .. } = conformed;
    let (style, word) = (style(verdict), verdict.as_str());
    let pace = ratio.map_or(String::new(), |ratio| format!("pace {ratio}"));
    let seconds = took.as_secs_f64();
    let again = if *replays > 1 { format!("  replayed {replays} times") } else { String::new() };
    let path = file.path.display().to_string();
    writeln!(err, "{path:<64}  {style}{word:<12}{style:#}  {pace:<12}  {seconds:>5.1}s{again}")?;
    match verdict {
        Verdict::Agree => Ok(()),
        Verdict::Inconclusive(reason) | Verdict::Skipped(reason) => writeln!(err, "       {reason}"),
        Verdict::Differ(difference) => write_difference(err, &file.path, difference),
    }
}

fn style(verdict: &Verdict) -> Style {
    let color = match verdict {
        Verdict::Agree => AnsiColor::Green,
        Verdict::Differ(_) => AnsiColor::Red,
        Verdict::Inconclusive(_) => AnsiColor::Yellow,
        Verdict::Skipped(_) => AnsiColor::BrightBlack,
    };
    color.on_default()
}

/// Writes both transcripts side by side. Where they agree, the line stands once.
fn write_difference(err: &mut dyn Write, path: &Path, difference: &Difference) -> io::Result<()> {
    writeln!(err, "\n{}:{}: the server does something else", path.display(), difference.line)?;
    let rows = difference.rows(CONTEXT);
    let width = rows.iter().filter_map(|row| row.simulator).map(|line| line.chars().count()).max().unwrap_or(0).max("simulator".len());
    writeln!(err, "{:>6}   {:<width$} | server", "line", "simulator")?;
    for row in rows {
        let (sign, style) = if row.agrees() { (' ', Style::new()) } else { ('>', AnsiColor::Red.on_default()) };
        let server = if row.agrees() { "=" } else { row.server.unwrap_or("-") };
        let simulator = row.simulator.unwrap_or("-");
        writeln!(err, "{:>6} {style}{sign} {simulator:<width$} | {server}{style:#}", row.line)?;
    }
    writeln!(err, "\nagain: jetlag conform {}\n", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_came_to_decides_the_exit_code() {
        let counts = |agree, differ, inconclusive, skipped, unreadable| Counts { agree, differ, inconclusive, skipped, unreadable };
        for (counts, code) in [
            (counts(0, 0, 0, 0, 0), 5),
            (counts(0, 0, 0, 2, 0), 5),
            (counts(1, 0, 0, 2, 0), 0),
            (counts(1, 0, 1, 0, 0), 1),
            (counts(1, 1, 1, 0, 0), 4),
            (counts(1, 1, 1, 1, 1), 2),
            (counts(0, 0, 0, 0, 1), 2),
        ] {
            assert_eq!(exit(counts).code(), code, "{counts:?}");
        }
    }

    #[test]
    fn both_transcripts_stand_side_by_side() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let difference =
            Difference { line: 12, first: 1, simulator: lines(&["0s a", "30s b", "30s c"]), server: lines(&["0s a", "31s b"]) };
        let mut text = Vec::new();
        write_difference(&mut text, Path::new("x.scn"), &difference).unwrap();
        let text = anstream::adapter::strip_bytes(&text).into_vec();
        let expected = "
x.scn:12: the server does something else
  line   simulator | server
    11   0s a      | =
    12 > 30s b     | 31s b
    13 > 30s c     | -

again: jetlag conform x.scn

";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
