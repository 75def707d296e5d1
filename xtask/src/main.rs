//! Chores of this repository: `cargo xtask test` is the whole test suite, `cargo xtask tidy` the rules no compiler checks.
//!
//! Only the command line is read here; each command lives in its module.

mod checksums;
mod client_suite;
mod command;
mod copy;
mod crossed;
mod determinism;
mod examples;
mod mutants;
mod new_server;
mod newcomer;
mod optimized;
mod review;
mod server;
mod test;
mod tidy;
mod wrong_rules;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use command::Workspace;

/// Chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run everything: format, lints, tests, documentation, tidy, scenarios, determinism, conformance
    Test(test::Options),
    /// Change the core at random and see whether the scenarios notice
    Mutants(mutants::Options),
    /// Check the rules that neither the compiler nor clippy knows
    Tidy,
    /// Build known mistakes into the core and see whether the scenarios notice
    WrongRules(wrong_rules::Options),
    /// Format the Rust sources
    Fmt,
    /// Have the simulator play each version against the servers of all others; takes minutes
    Crossed(crossed::Options),
    /// Run the example clients of docs/examples, each against a server of its own
    Examples(examples::Options),
    /// Do what the page of `jetlag` tells a new user, command by command, in a folder outside
    Newcomer,
    /// Build a faster `jetlag` for long runs, with what it sees of itself at work; takes some minutes
    Optimized,
    /// Run a client's own published tests, against jetlag or a real server
    ClientSuite(client_suite::Options),
    /// Replay everything on a version that nobody has looked at yet, and say what has to be done about it
    NewServer(new_server::Options),
    /// Check the map from sources to scenarios, and whether what changed since a commit was reviewed
    Review(review::Options),
    /// Write down the checksums of the servers to compare with; needs a network
    Checksums(checksums::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands directly under the repository's root")?;
    let workspace = Workspace::open(root)?;
    if cfg!(debug_assertions) && matches!(cli.task, Task::Crossed(_) | Task::NewServer(_)) {
        // What plays thousands of scenarios is worth the time to build it.
        let release = ["run", "--quiet", "--release", "--package", "xtask", "--"];
        let mut command = workspace.cargo(&release);
        let status = command.args(std::env::args_os().skip(1)).status().context("cargo run could not be started")?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    match cli.task {
        Task::Test(options) => test::run(&workspace, &options),
        Task::Mutants(options) => mutants::run(&workspace, &options),
        Task::WrongRules(options) => wrong_rules::run(&workspace, &options),
        Task::Tidy => tidy::run(&workspace),
        Task::Crossed(options) => crossed::run(&workspace, &options),
        Task::Examples(options) => examples::run(&workspace, &options),
        Task::Newcomer => newcomer::run(&workspace),
        Task::Optimized => optimized::run(&workspace),
        Task::ClientSuite(options) => client_suite::run(&workspace, &options),
        Task::NewServer(options) => new_server::run(&workspace, &options),
        Task::Review(options) => review::run(&workspace.root, &options),
        Task::Checksums(options) => checksums::run(&workspace, &options),
        Task::Fmt => {
            let formatted = workspace.cargo(&["fmt", "--all"]).status().context("cargo fmt could not be started")?.success();
            Ok(if formatted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
