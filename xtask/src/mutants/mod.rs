//! `cargo xtask mutants`: cargo-mutants on the core, judged by the scenario library alone (`.cargo/mutants.toml`). What is drawn, and what is known
//! about survivors, is decided here.

mod draw;
mod survivors;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::command::Workspace;
use crate::copy::SourceCopy;
use draw::Drawn;
use survivors::Survivors;

/// Options of `cargo xtask mutants`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many mutants are drawn at random from all that there are
    #[arg(long, default_value_t = 300)]
    count: usize,
    /// What they are drawn by: the same seed draws the same mutants from the same sources
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draw only from mutants whose key contains this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Show what would be drawn, and stop
    #[arg(long)]
    list: bool,
}

/// A mutant, as cargo-mutants lists it.
#[derive(Debug, Clone, Deserialize)]
struct Mutant {
    /// `FILE:LINE:COLUMN: CHANGE`.
    name: String,
}

/// What cargo-mutants leaves behind.
#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: String,
}

/// What cargo-mutants tried: the tree as it is, or one mutant.
#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant { name: String },
}

/// Draws mutants, lets cargo-mutants try them, and says what came of them.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let copy = SourceCopy::refresh(workspace, "mutants")?;
    let listed = cargo_mutants(workspace, &copy).args(["--list", "--json"]).stderr(Stdio::inherit()).output().context(INSTALL)?;
    if !listed.status.success() {
        bail!("cargo mutants --list failed; {INSTALL}");
    }
    let all: Vec<Mutant> = serde_json::from_slice(&listed.stdout).context("cargo mutants --list answered with unexpected JSON")?;
    let drawn = Drawn::from(all.into_iter().map(|mutant| mutant.name), options.seed, options.count, &options.only);
    println!("{} of {} mutants drawn with seed {}", drawn.mutants.len(), drawn.of, options.seed);
    if options.list || drawn.mutants.is_empty() {
        drawn.mutants.iter().for_each(|mutant| println!("{}", mutant.key));
        return Ok(ExitCode::SUCCESS);
    }
    let timeout = 60 + 30 * copy.test_library(workspace)?.as_secs();
    let output = workspace.scratch("mutants")?;
    let mut command = cargo_mutants(workspace, &copy);
    // One scenario that fails is enough.
    command.env("JETLAG_FIRST_FAILURE", "1");
    // Its own baseline would look for the library's tests in the core.
    command.args(["--in-place", "--baseline", "skip", "--timeout", &timeout.to_string(), "--colors", "never", "--no-times", "--output"]);
    command.arg(&output);
    command.args(drawn.mutants.iter().flat_map(|mutant| ["--re".to_owned(), exactly(&mutant.name)]));
    let status = command.status().context(INSTALL)?;
    // 2: some were missed; 3: some ran out of time. Others mean that the run itself is worth nothing.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        bail!("cargo mutants failed: {status}");
    }
    report(&drawn, &output.join("mutants.out/outcomes.json"))
}

const INSTALL: &str = "cargo-mutants is needed: cargo install --locked cargo-mutants";

fn cargo_mutants(workspace: &Workspace, copy: &SourceCopy) -> Command {
    let mut command = workspace.cargo(&["mutants", "--dir"]);
    command.arg(&copy.root).env("CARGO_TARGET_DIR", &copy.target);
    command
}

/// A pattern that matches this name and no other.
fn exactly(name: &str) -> String {
    let escaped: String = name.chars().flat_map(|c| r"\.+*?()|[]{}^$#&-~".contains(c).then_some('\\').into_iter().chain([c])).collect();
    format!("^{escaped}$")
}

fn report(drawn: &Drawn, outcomes: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(outcomes).with_context(|| format!("{} could not be read", outcomes.display()))?;
    let outcomes: Outcomes = serde_json::from_slice(&text).context("cargo-mutants left unexpected JSON")?;
    let known = Survivors::load()?;
    let (mut caught, mut timeouts, mut unviable, mut explained, mut unexplained) = (0, 0, 0, Vec::new(), Vec::new());
    for Outcome { scenario, summary } in outcomes.outcomes {
        let Scenario::Mutant { name } = scenario else { continue };
        // Deleted fields of struct literals pass its filters by name.
        let Some(key) = drawn.key(&name) else { continue };
        match summary.as_str() {
            "CaughtMutant" => caught += 1,
            "Timeout" => timeouts += 1,
            "Unviable" => unviable += 1,
            "MissedMutant" => match known.reason(key) {
                Some(reason) => explained.push(format!("{key}\n    {reason}")),
                None => unexplained.push(format!("{name}  [{key}]")),
            },
            other => bail!("{name}: cargo-mutants says {other:?}, which is unknown here"),
        }
    }
    let missed = explained.len() + unexplained.len();
    let judged = caught + timeouts + missed;
    println!("\nsurvivors with a reason:");
    explained.iter().for_each(|line| println!("{line}"));
    println!("\nsurvivors without one:");
    unexplained.iter().for_each(|line| println!("{line}"));
    let share = 100.0 * (caught + timeouts) as f64 / judged.max(1) as f64;
    println!(
        "\n{judged} mutants judged, {unviable} more do not compile: {caught} caught, {timeouts} timed out, {missed} missed: {share:.1} %"
    );
    Ok(if unexplained.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_matched_as_it_stands() {
        assert_eq!(exactly("src/a.rs:1:2: replace f -> Vec<u8> with vec![]"), r"^src/a\.rs:1:2: replace f \-> Vec<u8> with vec!\[\]$");
    }
}
