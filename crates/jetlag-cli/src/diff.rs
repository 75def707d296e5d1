//! `jetlag diff`: what changed between two sets of traces, in words.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use jetlag_report::diff::{Diff, Traces, human, markdown};

use crate::exit::Exit;
use crate::report::Format;

/// What the help says.
pub(crate) const HELP: &str = "Exit codes: 0 all the same; 1 something changed; 2 bad input.";

/// What `jetlag diff` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The traces from before: a file, or a directory that `jetlag run --trace DIR` wrote.
    old: PathBuf,
    /// The traces from after.
    new: PathBuf,
    /// What is written to standard output.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Says what changed.
pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let diff = Diff::between(&Traces::read(&arguments.old)?, &Traces::read(&arguments.new)?);
    match arguments.format {
        Format::Human => write!(out, "{}", human(&diff))?,
        Format::Markdown => write!(out, "{}", markdown(&diff))?,
        Format::Json => writeln!(out, "{}", serde_json::to_string(&diff)?)?,
    }
    Ok(if diff.is_empty() { Exit::Ok } else { Exit::Failed })
}
