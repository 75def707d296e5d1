//! `cargo xtask client-suite async-nats`: a client's own published tests, against jetlag or a real server.
//!
//! Here: what is run, and what is said about it. `package.rs` builds the tests from the registry's copy, `tests.rs` runs them one process each, and
//! `expected.rs` knows what does not pass on jetlag yet.

mod expected;
mod package;
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;

use crate::command::Workspace;
use crate::server;
use expected::Expected;
use tests::{Outcome, Test};

/// Options of `cargo xtask client-suite`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Whose tests
    client: Client,
    /// Part of the names of the tests to run; all unless given
    filter: Vec<String>,
    /// Which server they talk to: `jetlag`, `real` for the newest nats-server that is known, or the path of either's binary
    #[arg(long, value_name = "WHICH", default_value = "jetlag")]
    server: OsString,
    /// Run the tests of this file alone; may be given several times
    #[arg(long, value_name = "FILE")]
    test: Vec<String>,
    /// How many run at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Show what tests that were expected to fail print, too
    #[arg(long)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Client {
    /// The Rust client, of the version in Cargo.lock
    AsyncNats,
}

/// The server that the tests start.
struct Server {
    /// What it is called in what is printed.
    name: String,
    /// The program and its first arguments.
    command: Vec<String>,
    is_jetlag: bool,
}

/// Builds the tests, runs them and compares with what is expected.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let Client::AsyncNats = options.client;
    let server = Server::choose(workspace, &options.server)?;
    let suite = package::build(workspace, &options.test)?;
    let expected = if server.is_jetlag { Expected::read(&workspace.root, "async-nats")? } else { Expected::default() };
    let all = suite.programs.iter().map(|program| program.tests(&suite.sources)).collect::<anyhow::Result<Vec<_>>>()?.concat();
    if options.test.is_empty() {
        expected.is_about(&all)?;
    }
    let asked = |test: &&Test| options.filter.is_empty() || options.filter.iter().any(|part| test.name.contains(part.as_str()));
    let chosen: Vec<&Test> = all.iter().filter(asked).collect();
    ensure!(!chosen.is_empty(), "no test has {} in its name", options.filter.join(" or "));
    println!("{} tests of async-nats {} against {}", chosen.len(), suite.version, server.name);
    let scratch = workspace.scratch("client-suite")?;
    let report = Report { expected: &expected, verbose: options.verbose, rows: Mutex::default() };
    let start = Instant::now();
    let run = |test: &Test| tests::run(test, &suite.sources, &server.command, &scratch);
    tests::each(&chosen, usize::from(options.jobs), |test| report.add(test, run(test)));
    let left = std::fs::read_dir(&scratch).context("the folder of the servers can not be read")?.count();
    std::fs::remove_dir_all(&scratch).context("the folder of the servers can not be removed")?;
    let ok = report.close(start.elapsed());
    if left > 0 {
        println!("{left} folders of servers were left behind");
    }
    if !ok {
        let which = options.server.to_string_lossy();
        println!("again: cargo xtask client-suite async-nats --server {which} NAME");
    }
    Ok(if ok && left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Server {
    fn choose(workspace: &Workspace, asked: &OsString) -> anyhow::Result<Server> {
        match asked.to_str() {
            Some("jetlag") => {
                let built = workspace.cargo(&["build", "--quiet", "--release", "--package", "jetlag-cli"]).status();
                ensure!(built.context("cargo could not be started")?.success(), "jetlag could not be built");
                Server::at(&workspace.target.join("release").join(format!("jetlag{}", std::env::consts::EXE_SUFFIX)))
            }
            Some("real") => {
                let Some(found) = server::choose(None)? else { bail!("{}", server::HINT) };
                ensure!(found.is_binary, "the tests start servers: name a binary, not one that runs");
                Server::at(Path::new(&found.name))
            }
            _ => Server::at(Path::new(asked)),
        }
    }

    /// The server of this binary; `jetlag` is told by its name.
    fn at(path: &Path) -> anyhow::Result<Server> {
        let path: PathBuf = path.canonicalize().with_context(|| format!("{} is no server's binary", path.display()))?;
        let is_jetlag = path.file_stem().is_some_and(|name| name == "jetlag");
        let text = path.to_str().with_context(|| format!("{} is no text", path.display()))?.to_owned();
        let first = is_jetlag.then(|| "serve".to_owned());
        let name = if is_jetlag { "jetlag serve".to_owned() } else { version(&path)? };
        Ok(Server { name, command: [text].into_iter().chain(first).collect(), is_jetlag })
    }
}

/// What the binary says it is.
fn version(path: &Path) -> anyhow::Result<String> {
    let output = std::process::Command::new(path).arg("--version").output().with_context(|| format!("{} does not run", path.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What is printed, test by test, and at the end.
struct Report<'a> {
    expected: &'a Expected,
    verbose: bool,
    rows: Mutex<BTreeMap<String, Counts>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Failed, as it is written down.
    expected: usize,
    /// Passed, though it is written down.
    unexpected: usize,
}

impl Report<'_> {
    fn add(&self, test: &Test, outcome: anyhow::Result<Outcome>) {
        let reason = self.expected.reason(test);
        let (word, text) = match outcome {
            Ok(Outcome::Passed) => (if reason.is_some() { "pass, though it is listed" } else { "pass" }, String::new()),
            Ok(Outcome::Skipped) => ("skip", String::new()),
            Ok(Outcome::Failed(text)) => (if reason.is_some() { "fail, as listed" } else { "fail" }, text),
            Err(error) => ("fail", format!("{error:#}\n")),
        };
        let mut rows = self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let counts = rows.entry(test.file.clone()).or_default();
        match word {
            "pass" => counts.passed += 1,
            "skip" => counts.skipped += 1,
            "fail" => counts.failed += 1,
            "fail, as listed" => counts.expected += 1,
            _ => counts.unexpected += 1,
        }
        println!("{}: {word}{}", test, reason.map(|reason| format!(" ({reason})")).unwrap_or_default());
        if word == "fail" || self.verbose {
            text.lines().for_each(|line| println!("    {line}"));
        }
    }

    /// Prints the table; says whether all is as expected.
    fn close(self, time: Duration) -> bool {
        let rows = self.rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut total = Counts::default();
        println!("\n{:<32} {:>6} {:>6} {:>6} {:>6} {:>15}", "file", "passed", "failed", "skipped", "listed", "listed, passed");
        for (file, counts) in rows.iter().map(|(file, counts)| (file.as_str(), *counts)) {
            let Counts { passed, failed, skipped, expected, unexpected } = counts;
            println!("{file:<32} {passed:>6} {failed:>6} {skipped:>7} {expected:>6} {unexpected:>15}");
            total.passed += passed + unexpected;
            total.failed += failed + expected;
            total.skipped += skipped;
            total.unexpected += unexpected;
            total.expected += expected;
        }
        let ok = total.failed == total.expected && total.unexpected == 0;
        println!("\nin {:.1}s; {} of the failures are listed with what is missing", time.as_secs_f64(), total.expected);
        if total.unexpected > 0 {
            println!("what is listed and passes has to be taken off {}", expected::FILE);
        }
        println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
        ok
    }
}
