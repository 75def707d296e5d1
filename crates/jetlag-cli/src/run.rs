//! `jetlag run`: scenarios on the simulator.

mod show;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use anyhow::Context;
use clap::{Args, ValueEnum};
use jetlag_metrics::{Contract, text};
use jetlag_model::{Duration, ServerVersion, WallTime};
use jetlag_report::diff::{self, Diff, Traced, Traces};
use jetlag_report::history::{self, Entry, Given};
use jetlag_report::junit::junit;
use jetlag_report::promtool;
use jetlag_runner::{FileReport, FileRun, Registry, RunOptions, Verdict, bless_file, find_files, is_blessable, may_bless, run_files};
use jetlag_trace::Labels;

use crate::exit::Exit;
use crate::{DEFAULT_PATHS, checkout, diagnostics};

/// What `jetlag run` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Scenario files, and directories that hold them.
    #[arg(default_value = DEFAULT_PATHS)]
    paths: Vec<PathBuf>,
    /// What fault rules draw from, instead of each scenario's own seed.
    #[arg(long)]
    seed: Option<u64>,
    /// The version of nats-server that the simulator plays [default: the newest it knows]. Transcripts for that version are compared.
    #[arg(long, value_name = "VERSION")]
    as_version: Option<ServerVersion>,
    /// How often each scenario is run; all runs must leave the same digest.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// How many scenarios are run at the same time [default: one a processor].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// What is written: for people on standard error; on standard output a JSON object a scenario, or JUnit's XML with one case a scenario.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Writes each run's trace, as JSON lines, to a file below this directory.
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
    /// Compares with the traces below this directory, which `--trace` wrote before a change; fails, and says in words what is different.
    #[arg(long, value_name = "DIR")]
    baseline: Option<PathBuf>,
    /// Writes all counters and gauges at the end of each run to this file, as Prometheus text; the label `scenario` says whose they are.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Writes a test for `promtool test rules` to this directory, for each scenario that expects something of alerts: its series over virtual
    /// time, and the alerts that must, or must not, fire.
    #[arg(long, value_name = "DIR", requires = "rules")]
    promtool: Option<PathBuf>,
    /// The alert rules that these tests are about, as Prometheus reads them.
    #[arg(long, value_name = "FILE", requires = "promtool")]
    rules: Option<PathBuf>,
    /// Adds a line to this file: digests, verdicts and durations of each scenario, the date and the commit. `jetlag report stability` reads it.
    #[arg(long, value_name = "FILE", conflicts_with = "bless")]
    history: Option<PathBuf>,
    /// Writes what came into the files, and marks them as unconfirmed. Refused where CI is set. With an older --as-version only
    /// transcripts for servers of that version are written, which have to stand there.
    #[arg(long)]
    bless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Junit,
}

/// Runs scenarios and says what came.
pub(crate) fn run(arguments: &Arguments, handlers: &Registry, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let started = Instant::now();
    if let Some(path) = &arguments.history
        && path.exists()
    {
        // What can not be added to is told before anything runs.
        history::read(path)?;
    }
    let baseline = arguments.baseline.as_deref().map(Traces::read).transpose()?;
    let files = find_files(&arguments.paths)?;
    let version = arguments.as_version.unwrap_or(ServerVersion::NEWEST);
    let mut options = RunOptions { seed: arguments.seed, version, registry: handlers.clone(), ..RunOptions::default() };
    if arguments.trace.is_some() || arguments.baseline.is_some() || arguments.promtool.is_some() {
        // Whoever wants whole traces has the room for them.
        options.most_records = usize::MAX;
    }
    let jobs = arguments.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let all = || run_files(&files, &options, arguments.runs, jobs);
    let mut reports = if arguments.bless { may_bless().map(|()| all())? } else { all() };
    if arguments.bless && bless(&reports, version, err)? {
        // What is told is how things stand now.
        reports = all();
    }
    let mut exit = if reports.iter().any(ran) { Exit::Ok } else { Exit::NothingRan };
    for report in &reports {
        if let Err(unreadable) = &report.result {
            diagnostics::write_unreadable(err, &report.path, unreadable)?;
            exit = exit.and(Exit::BadInput);
        }
    }
    let runs: Vec<&FileRun> = reports.iter().filter_map(|report| report.result.as_ref().ok()).collect();
    if let Some(directory) = &arguments.trace {
        runs.iter().try_for_each(|run| write_trace(directory, run, arguments.seed))?;
    }
    if let Some(file) = &arguments.metrics {
        write_metrics(file, &runs)?;
    }
    if let (Some(directory), Some(rules)) = (&arguments.promtool, &arguments.rules) {
        write_promtool(directory, rules, &runs)?;
    }
    match arguments.format {
        Format::Junit => write!(out, "{}", junit("jetlag run", &reports)?)?,
        Format::Json => runs.iter().try_for_each(|run| show::write_json(out, run))?,
        Format::Human if !runs.is_empty() => show::write_table(err, &runs)?,
        Format::Human => {}
    }
    for run in &runs {
        show::write_unlucky_rules(err, run)?;
        exit = exit.and(judge(arguments, run, err)?);
    }
    if let Some(baseline) = baseline {
        exit = exit.and(compare(arguments, baseline, &runs, err)?);
    }
    if let Some(path) = &arguments.history
        && !runs.is_empty()
    {
        history::append(path, &Entry::new(given(arguments, version, started), &reports))?;
    }
    write_summary(err, arguments, &runs, started)?;
    Ok(exit)
}

/// Says what is different from a baseline. Where files were named, only these are compared; otherwise what is gone is different too.
fn compare(arguments: &Arguments, baseline: Traces, runs: &[&FileRun], err: &mut dyn Write) -> anyhow::Result<Exit> {
    let new: Traces = runs.iter().map(|run| Traced::of(run, arguments.seed)).collect();
    let root = |path: &PathBuf| match path.is_dir() {
        true => diff::file_name(&path.join("all")).with_file_name(""),
        false => diff::file_name(path).with_extension(""),
    };
    let below = |name: &str| arguments.paths.iter().any(|path| Path::new(name).starts_with(root(path)));
    let old: Traces = baseline.iter().filter(|(name, _)| below(name)).map(|(name, traced)| (name.to_owned(), traced.clone())).collect();
    let diff = Diff::between(&old, &new);
    if diff.is_empty() {
        return Ok(Exit::Ok);
    }
    write!(err, "\nnot as in the baseline:\n\n{}", diff::human(&diff))?;
    Ok(Exit::Failed)
}

/// What the history says of this run, apart from the scenarios.
fn given(arguments: &Arguments, version: ServerVersion, started: Instant) -> Given {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let date = WallTime::from_unix_nanos(i64::try_from(since_epoch.as_secs()).unwrap_or(0).saturating_mul(1_000_000_000));
    let (server, seed, runs) = (version.to_string(), arguments.seed, arguments.runs);
    Given { date, commit: checkout::commit(), server, seed, runs, wall: started.elapsed() }
}

/// Whether a scenario was run at all.
fn ran(report: &FileReport) -> bool {
    report.result.as_ref().is_ok_and(|run| run.outcome.verdict != Verdict::Skip)
}

/// Blesses every file of which nothing but transcripts is wrong. Says whether any changed.
fn bless(reports: &[FileReport], version: ServerVersion, err: &mut dyn Write) -> anyhow::Result<bool> {
    let mut changed = false;
    for run in reports.iter().filter_map(|report| report.result.as_ref().ok()) {
        if is_blessable(&run.outcome) && run.nondeterminism.is_none() {
            // The first transcript of a block is for the newest version.
            if version < ServerVersion::NEWEST && run.outcome.mismatches().any(|mismatch| mismatch.transcript == 0) {
                let path = run.file.path.display();
                writeln!(err, "{path}: not blessed: add `---- server...: REASON` with lines for {version}")?;
                continue;
            }
            writeln!(err, "{}: {}", run.file.path.display(), bless_file(run)?)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// The arguments that matter to how a run ends, each with a space in front.
fn again(arguments: &Arguments) -> String {
    let seed = arguments.seed.map_or(String::new(), |seed| format!(" --seed {seed}"));
    let version = arguments.as_version.map_or(String::new(), |version| format!(" --as-version {version}"));
    format!("{seed}{version}")
}

/// Says why a run failed, if it did.
fn judge(arguments: &Arguments, run: &FileRun, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let failed = if run.outcome.verdict == Verdict::Fail { Exit::Failed } else { Exit::Ok };
    let exit = failed.and(if run.nondeterminism.is_some() { Exit::Nondeterminism } else { Exit::Ok });
    if exit != Exit::Ok {
        show::write_failures(err, run, &again(arguments))?;
        if arguments.bless && (!is_blessable(&run.outcome) || run.nondeterminism.is_some()) {
            writeln!(err, "not blessed: more than a transcript is wrong")?;
        }
    }
    Ok(exit)
}

/// Writes a trace below a directory, under the path of its scenario.
fn write_trace(directory: &Path, run: &FileRun, seed: Option<u64>) -> anyhow::Result<()> {
    let path = directory.join(diff::file_name(&run.file.path));
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent).with_context(|| format!("{} can not be made", parent.display()))?;
    let mut text = Vec::new();
    let seed = seed.unwrap_or(run.file.scenario.header.seed).to_string();
    run.outcome.trace.write_jsonl(&mut text, &[("title", &run.file.scenario.header.title), ("seed", &seed)])?;
    fs::write(&path, text).with_context(|| format!("{} can not be written", path.display()))
}

/// Writes the metrics of all runs that took place to one file.
fn write_metrics(file: &Path, runs: &[&FileRun]) -> anyhow::Result<()> {
    let ran = runs.iter().filter(|run| run.outcome.verdict != Verdict::Skip);
    let snapshots: Vec<_> = ran
        .map(|run| {
            let scenario = run.file.path.display().to_string();
            (Labels::new().with("scenario", scenario), run.outcome.metrics.snapshot())
        })
        .collect();
    fs::write(file, text(Contract::shipped(), &snapshots)).with_context(|| format!("{} can not be written", file.display()))
}

/// Writes a test for promtool of each run that expects something of alerts.
fn write_promtool(directory: &Path, rules: &Path, runs: &[&FileRun]) -> anyhow::Result<()> {
    let text = fs::read_to_string(rules).with_context(|| format!("{} can not be read", rules.display()))?;
    let (rules, alerts) = (rules.canonicalize()?, promtool::alerts_of(&text));
    let expecting: Vec<_> = runs.iter().filter(|run| !run.outcome.alerts.is_empty() && run.outcome.verdict != Verdict::Skip).collect();
    anyhow::ensure!(
        !expecting.is_empty(),
        "no scenario that ran expects anything of an alert, so there is nothing to test; write `expect alert NAME`"
    );
    for run in expecting {
        let path = directory.join(diff::file_name(&run.file.path)).with_extension("test.json");
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).with_context(|| format!("{} can not be made", parent.display()))?;
        fs::write(&path, promtool::test_file(&rules, &alerts, run)?).with_context(|| format!("{} can not be written", path.display()))?;
    }
    Ok(())
}

fn write_summary(err: &mut dyn Write, arguments: &Arguments, runs: &[&FileRun], started: Instant) -> anyhow::Result<()> {
    if runs.is_empty() {
        let places: Vec<_> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        writeln!(err, "nothing ran: no scenario that can be run below {}", places.join(", "))?;
        return Ok(());
    }
    let count = |verdict| runs.iter().filter(|run| run.outcome.verdict == verdict).count();
    let counts: Vec<String> = [Verdict::Pass, Verdict::Unconfirmed, Verdict::Fail, Verdict::Skip]
        .into_iter()
        .map(|verdict| (verdict, count(verdict)))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    let once = runs.iter().fold(Duration::ZERO, |sum, run| sum + run.outcome.virtual_time);
    let times = arguments.runs;
    let virtual_time = once * i64::try_from(times).unwrap_or(i64::MAX);
    let wall = Duration::from_millis(i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX));
    let each = if times > 1 { format!(", each {times} times") } else { String::new() };
    let version = arguments.as_version.map_or(String::new(), |version| format!(" as nats-server {version}"));
    let lines: usize = runs.iter().map(|run| expected_lines(run, arguments)).sum();
    let checks: usize = runs.iter().map(|run| run.outcome.checks.len()).sum();
    let compared = format!("{lines} {} and {checks} {} compared", words(lines, "line"), words(checks, "check"));
    writeln!(err, "\n{} {}{version}{each}: {}; {compared}", runs.len(), words(runs.len(), "scenario"), counts.join(", "))?;
    writeln!(err, "{virtual_time} of virtual time in {wall}")?;
    Ok(())
}

/// The word for so many of something.
fn words(count: usize, one: &str) -> String {
    if count == 1 { one.to_owned() } else { format!("{one}s") }
}

/// How many lines of the file's transcripts were compared.
fn expected_lines(run: &FileRun, arguments: &Arguments) -> usize {
    if run.outcome.verdict == Verdict::Skip {
        return 0;
    }
    let version = arguments.as_version.unwrap_or(ServerVersion::NEWEST);
    let transcripts = run.file.scenario.blocks.iter().filter_map(|block| block.transcript_for(version));
    transcripts.map(|(_, transcript)| transcript.lines.len()).sum()
}
