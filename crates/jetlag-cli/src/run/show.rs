//! What came of a run of the suite, for people and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jetlag_report::quoted;
use jetlag_runner::{CheckReport, Failure, FileRun, Mismatch, Verdict};
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

/// Titles longer than this are cut in the table.
const TITLE_WIDTH: usize = 72;

/// Hex digits of a digest in the table.
const DIGEST_WIDTH: usize = 16;

/// One run as a JSON object.
#[derive(Serialize)]
struct Row<'a> {
    path: String,
    ids: &'a [String],
    title: &'a str,
    verdict: &'static str,
    virtual_ns: i64,
    deliveries: u64,
    redeliveries: u64,
    faults_hit: u64,
    checks: Vec<CheckRow<'a>>,
    digest: String,
    runs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    divergence: Option<DivergenceRow<'a>>,
}

#[derive(Serialize)]
struct DivergenceRow<'a> {
    run: u64,
    record: u64,
    first: Option<&'a str>,
    other: Option<&'a str>,
}

#[derive(Serialize)]
struct CheckRow<'a> {
    name: &'static str,
    ok: bool,
    evaluated: u64,
    exemptions: BTreeMap<&'a str, u64>,
}

/// Writes one run as a line of JSON.
pub(super) fn write_json(out: &mut dyn Write, run: &FileRun) -> anyhow::Result<()> {
    let FileRun { file, outcome, repeats, nondeterminism } = run;
    let check = |check: &'_ CheckReport| CheckRow {
        name: check.name.as_str(),
        ok: check.failure.is_none(),
        evaluated: check.evaluated,
        exemptions: check.exemptions.iter().copied().collect(),
    };
    let row = Row {
        path: file.path.display().to_string(),
        ids: &file.scenario.header.ids,
        title: &file.scenario.header.title,
        verdict: outcome.verdict.as_str(),
        virtual_ns: outcome.virtual_time.as_nanos(),
        deliveries: outcome.deliveries,
        redeliveries: outcome.redeliveries,
        faults_hit: outcome.faults_hit(),
        checks: outcome.checks.iter().map(check).collect(),
        digest: outcome.digest().to_string(),
        runs: repeats.len(),
        divergence: nondeterminism.as_ref().map(|found| DivergenceRow {
            run: found.run,
            record: found.record,
            first: found.first.as_deref(),
            other: found.other.as_deref(),
        }),
    };
    writeln!(out, "{}", serde_json::to_string(&row)?)?;
    Ok(())
}

/// The colour of a verdict.
fn style(verdict: Verdict) -> Style {
    let color = match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Fail => AnsiColor::Red,
        Verdict::Skip => AnsiColor::BrightBlack,
        Verdict::Unconfirmed => AnsiColor::Yellow,
    };
    color.on_default()
}

/// Writes runs as an aligned table.
pub(super) fn write_table(err: &mut dyn Write, runs: &[&FileRun]) -> io::Result<()> {
    let header = ["id", "title", "verdict", "virtual", "deliveries", "redeliveries", "faults", "digest"].map(str::to_owned);
    let rows: Vec<[String; 8]> = runs.iter().map(|run| cells(run)).collect();
    let mut widths = header.each_ref().map(|cell| cell.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    write_row(err, &header, &widths, None)?;
    for (run, row) in runs.iter().zip(&rows) {
        write_row(err, row, &widths, Some(style(run.outcome.verdict)))?;
    }
    Ok(())
}

fn cells(run: &FileRun) -> [String; 8] {
    let FileRun { file, outcome, .. } = run;
    let mut title: String = file.scenario.header.title.chars().take(TITLE_WIDTH).collect();
    if title.len() < file.scenario.header.title.len() {
        title.pop();
        title.push('…');
    }
    [
        file.scenario.header.ids.join(","),
        title,
        outcome.verdict.to_string(),
        outcome.virtual_time.to_string(),
        outcome.deliveries.to_string(),
        outcome.redeliveries.to_string(),
        outcome.faults_hit().to_string(),
        outcome.digest().to_string().chars().take(DIGEST_WIDTH).collect(),
    ]
}

/// Text to the left, numbers to the right; the verdict in its colour.
fn write_row(err: &mut dyn Write, row: &[String; 8], widths: &[usize; 8], verdict: Option<Style>) -> io::Result<()> {
    let [id, title, word, time, deliveries, redeliveries, faults, digest] = row;
    let [w0, w1, w2, w3, w4, w5, w6, _] = widths;
    let style = verdict.unwrap_or_default();
    write!(err, "{id:<w0$}  {title:<w1$}  {style}{word:<w2$}{style:#}  {time:>w3$}")?;
    writeln!(err, "  {deliveries:>w4$}  {redeliveries:>w5$}  {faults:>w6$}  {digest}")
}

/// Writes which fault rules stayed without effect by chance.
pub(super) fn write_unlucky_rules(err: &mut dyn Write, run: &FileRun) -> io::Result<()> {
    let unlucky = run.outcome.rules.iter().filter(|rule| rule.exempt && rule.hits == 0);
    unlucky.into_iter().try_for_each(|rule| {
        let path = run.file.path.display();
        writeln!(err, "note: {path}: fault {} acts by chance, and did not on any of {} crossings", rule.id, rule.matched)
    })
}

/// Writes why a run failed, and the command that fails again; `arguments` are those that matter, each with a space in front.
pub(super) fn write_failures(err: &mut dyn Write, run: &FileRun, arguments: &str) -> io::Result<()> {
    let path = run.file.path.display();
    for failure in &run.outcome.failures {
        let at = if failure.line() > 0 { format!("{path}:{}", failure.line()) } else { path.to_string() };
        writeln!(err, "\n{at}: {failure}")?;
        if let Failure::Transcript(mismatch) = failure {
            write_diff(err, mismatch)?;
        }
    }
    if let Some(nondeterminism) = &run.nondeterminism {
        writeln!(err, "\n{path}: {nondeterminism}")?;
    }
    let runs = run.nondeterminism.as_ref().map_or(String::new(), |found| format!(" --runs {}", found.run));
    writeln!(err, "\nagain: jetlag run {}{arguments}{runs}", quoted(&path.to_string()))
}

/// Expected and got as one text: `-` is only in the file, `+` only came. Line numbers are those of the file.
fn write_diff(err: &mut dyn Write, mismatch: &Mismatch) -> io::Result<()> {
    let join = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let (expected, got) = (join(&mismatch.expected), join(&mismatch.got));
    let diff = TextDiff::from_lines(&expected, &got);
    for change in diff.iter_all_changes() {
        let (sign, style) = match change.tag() {
            ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
            ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
            ChangeTag::Equal => (' ', Style::new()),
        };
        let number = change.old_index().map_or(String::new(), |index| (mismatch.line + 1 + index).to_string());
        writeln!(err, "{number:>6} {style}{sign} {}{style:#}", change.value().trim_end_matches('\n'))?;
    }
    Ok(())
}
