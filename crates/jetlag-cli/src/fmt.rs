//! `jetlag fmt`: scenarios in their canonical form.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use jetlag_runner::{find_files, replace};

use crate::exit::Exit;
use crate::{DEFAULT_PATHS, diagnostics};

/// What `jetlag fmt` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Scenario files, and directories that hold them.
    #[arg(default_value = DEFAULT_PATHS)]
    paths: Vec<PathBuf>,
    /// Changes nothing; names the files that are not in canonical form, and fails if there are any.
    #[arg(long)]
    check: bool,
}

/// Rewrites files that are not in canonical form, or names them.
pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let files = find_files(&arguments.paths)?;
    let mut exit = if files.is_empty() { Exit::NothingRan } else { Exit::Ok };
    for path in &files {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                writeln!(err, "error: {}: {error}", path.display())?;
                exit = exit.and(Exit::BadInput);
                continue;
            }
        };
        match jetlag_scenario::parse_bytes(&bytes) {
            Err(diagnostics) => {
                diagnostics::write_diagnostics(err, path, &String::from_utf8_lossy(&bytes), &diagnostics)?;
                exit = exit.and(Exit::BadInput);
            }
            Ok(scenario) => {
                let canonical = scenario.to_string();
                if canonical.as_bytes() == bytes {
                    continue;
                }
                writeln!(out, "{}", path.display())?;
                if arguments.check {
                    exit = exit.and(Exit::Failed);
                } else {
                    replace(path, &canonical)?;
                }
            }
        }
    }
    if files.is_empty() {
        writeln!(err, "nothing to do: no scenarios there")?;
    }
    Ok(exit)
}
