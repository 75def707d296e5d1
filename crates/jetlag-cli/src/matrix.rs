//! `jetlag matrix`: requirements against scenarios, faults, metrics and alerts, with a status that is computed.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use jetlag_metrics::Contract;
use jetlag_model::ServerVersion;
use jetlag_report::matrix::{Matrix, Problem, ProblemKind, Requirements, json, matrix, page};
use jetlag_runner::{Registry, RunOptions, find_files, run_files};

use crate::DEFAULT_PATHS;
use crate::exit::Exit;

/// What `jetlag matrix` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Scenario files, and directories that hold them.
    #[arg(default_value = DEFAULT_PATHS)]
    paths: Vec<PathBuf>,
    /// The list of what has to be shown.
    #[arg(long, value_name = "FILE", default_value = "docs/requirements.toml")]
    requirements: PathBuf,
    /// The page that is written; its links count from the directory above its own.
    #[arg(long, value_name = "FILE", default_value = "docs/COVERAGE.md")]
    page: PathBuf,
    /// The JSON that is written.
    #[arg(long, value_name = "FILE", default_value = "docs/coverage.json")]
    json: PathBuf,
    /// The metrics that there are, instead of the shipped contract.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// Writes nothing, and fails when page or JSON are not what would be written. All else that is wrong fails either way: a requirement
    /// that no scenario shows, an id that nobody asks for or that is used twice, a metric that is not asserted or not there, a fault rule
    /// that never acted, a scenario that does not hold.
    #[arg(long)]
    check: bool,
}

/// Makes the matrix, or checks it.
pub(crate) fn run(arguments: &Arguments, handlers: &Registry, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let requirements =
        Requirements::parse(&read(&arguments.requirements)?).with_context(|| arguments.requirements.display().to_string())?;
    let contract = match &arguments.contract {
        Some(path) => &Contract::parse(&read(path)?).with_context(|| path.display().to_string())?,
        None => Contract::shipped(),
    };
    let files = find_files(&arguments.paths)?;
    let options = RunOptions { registry: handlers.clone(), ..RunOptions::default() };
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let reports = run_files(&files, &options, 1, jobs);
    let (matrix, mut problems) = matrix(&requirements, &reports, ServerVersion::NEWEST, contract);
    for (path, text) in [(&arguments.page, page(&matrix)?), (&arguments.json, json(&matrix))] {
        match arguments.check {
            true => problems.extend(stale(path, &text)),
            false => std::fs::write(path, text).with_context(|| format!("{} can not be written", path.display()))?,
        }
    }
    for problem in &problems {
        writeln!(err, "{problem}")?;
    }
    write_totals(err, &matrix, problems.len())?;
    Ok(match (files.is_empty(), problems.is_empty()) {
        (true, _) => Exit::NothingRan,
        (false, true) => Exit::Ok,
        (false, false) => Exit::Failed,
    })
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} can not be read", path.display()))
}

/// Whether a file is not what would be written.
fn stale(path: &Path, text: &str) -> Option<Problem> {
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if found == text {
        return None;
    }
    let line = found.lines().zip(text.lines()).position(|(found, wanted)| found != wanted);
    let line = line.unwrap_or(found.lines().count().min(text.lines().count())) + 1;
    let text = format!("{}:{line} is not what a run gives; write it with `jetlag matrix`, and read the difference", path.display());
    Some(Problem::new(ProblemKind::Stale, text))
}

fn write_totals(err: &mut dyn Write, matrix: &Matrix, problems: usize) -> anyhow::Result<()> {
    let count: usize = matrix.totals.values().sum();
    let totals: Vec<String> = matrix.totals.iter().map(|(status, count)| format!("{count} {}", status.as_str())).collect();
    let wrong = match problems {
        0 => "nothing wrong".to_owned(),
        1 => "1 problem".to_owned(),
        more => format!("{more} problems"),
    };
    writeln!(err, "{count} requirements: {}; {} scenarios; {wrong}", totals.join(", "), matrix.scenarios.len())?;
    Ok(())
}
