//! What a server begins with: fault rules from a file, and what a scenario leaves.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use jetlag_fault::Rule;
use jetlag_model::WallTime;
use jetlag_runner::{Failure, Registry, RunOptions, ScenarioFile, Verdict, run_and_keep};
use jetlag_sim::Simulated;

use crate::diagnostics;

/// The rules of a file, `fault` lines as a scenario has them. What is wrong with it is drawn.
pub(crate) fn faults(path: &Path, err: &mut dyn Write) -> anyhow::Result<Vec<Rule>> {
    let text = fs::read_to_string(path).with_context(|| format!("{} can not be read", path.display()))?;
    match jetlag_scenario::parse_faults(&text) {
        Ok(rules) => Ok(rules),
        Err(wrong) => {
            diagnostics::write_diagnostics(err, path, &text, &wrong)?;
            bail!("{} has lines that are no faults", path.display())
        }
    }
}

/// The server that a scenario leaves, played to its end at once. Its transcripts and checks must hold; it may have none.
pub(crate) fn server(path: &Path, options: &RunOptions, started: WallTime, err: &mut dyn Write) -> anyhow::Result<Simulated> {
    let file = match ScenarioFile::read(path, options) {
        Ok(file) => file,
        Err(unreadable) => {
            diagnostics::write_unreadable(err, path, &unreadable)?;
            bail!("{} can not be played", path.display())
        }
    };
    let (outcome, server) = run_and_keep(&file.scenario, options, started);
    if outcome.verdict == Verdict::Skip {
        bail!("{} is about other versions than {}; choose one with --as-version", path.display(), options.version);
    }
    if let Some(failure) = outcome.failures.iter().find(|failure| !matches!(failure, Failure::NothingExpected)) {
        bail!("{}:{}: {failure}; see `jetlag run {0}`", path.display(), failure.line());
    }
    if server.core().is_none() {
        bail!("{} leaves the server down; let it start again before the end", path.display());
    }
    Ok(server)
}

/// How a set-up is played.
pub(crate) fn options(handlers: &Registry, config: &jetlag_server::ServerConfig) -> RunOptions {
    RunOptions { version: config.version, registry: handlers.clone(), ..RunOptions::default() }
}
