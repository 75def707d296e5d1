//! `jetlag report`: what was written of many runs, put together.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use jetlag_report::{history, stability};

use crate::exit::Exit;

/// What `jetlag report` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    report: Report,
}

#[derive(Subcommand)]
enum Report {
    /// How stable the suite has been, by the history that `jetlag run --history FILE` writes: the trend, the last flake, and a ticket
    /// for each scenario that flaked lately. Exits with 3 when the last run of the suite flaked.
    Stability(Stability),
}

#[derive(Args)]
struct Stability {
    /// The history.
    file: PathBuf,
    /// For how many days nothing may flake: the goal, and how long a scenario that did stays listed.
    #[arg(long, value_name = "DAYS", default_value_t = stability::GOAL_DAYS)]
    goal: u64,
    /// What is written to standard output.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// How reports are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal.
    Human,
    /// One JSON object.
    Json,
    /// For a page or a ticket.
    Markdown,
}

/// Puts a report together.
pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Report::Stability(Stability { file, goal, format }) = &arguments.report;
    let Some(found) = stability::stability(&history::read(file)?, *goal) else {
        bail!("{} is empty; `jetlag run --history {0}` adds to it", file.display());
    };
    match format {
        Format::Human => write!(out, "{}", stability::human(&found))?,
        Format::Markdown => write!(out, "{}", stability::markdown(&found))?,
        Format::Json => writeln!(out, "{}", serde_json::to_string(&found)?)?,
    }
    Ok(if found.flaked_last() { Exit::Nondeterminism } else { Exit::Ok })
}
