//! The `jetlag` command: arguments in, exit code out. Each command is a module.
//!
//! A library, so that a program can be a `jetlag` with handlers of its own: what `worker ... handler=NAME` names comes from the
//! [`Registry`] that the program hands in.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     let handlers = jetlag_cli::Registry::new();
//!     jetlag_cli::main(&handlers)
//! }
//! ```

mod checkout;
mod conform;
mod diagnostics;
mod diff;
mod exit;
mod fmt;
mod matrix;
mod nats_server;
mod report;
mod run;
mod serve;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
pub use jetlag_runner::Registry;

use crate::exit::Exit;

/// Deterministic NATS JetStream: plays scenarios of redelivery and faults on a virtual clock.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs scenarios on the simulator.
    #[command(after_help = exit::HELP)]
    Run(run::Arguments),
    /// Replays scenarios on a real nats-server and says whether it agrees.
    #[command(after_help = exit::HELP)]
    Conform(conform::Arguments),
    /// Serves NATS clients of any language, with time and faults under their control.
    #[command(after_help = serve::HELP)]
    Serve(Box<serve::Arguments>),
    /// Puts together what was written of many runs.
    #[command(after_help = exit::HELP)]
    Report(report::Arguments),
    /// Says in words what changed between two sets of traces.
    #[command(after_help = diff::HELP)]
    Diff(diff::Arguments),
    /// Makes the coverage matrix from requirements, scenarios and a run of them, or checks it.
    #[command(after_help = exit::HELP)]
    Matrix(matrix::Arguments),
    /// Fetches and finds real servers to compare with.
    NatsServer(nats_server::Arguments),
    /// Puts scenarios into their canonical form.
    #[command(after_help = exit::HELP)]
    Fmt(fmt::Arguments),
}

/// What a program called `jetlag` does: the process's own arguments and streams.
pub fn main(handlers: &Registry) -> ExitCode {
    run(handlers, std::env::args_os(), &mut anstream::stdout().lock(), &mut anstream::stderr().lock()).into()
}

/// Carries out one command. `arguments` begin with the program's name. The result is the exit code, as the help of the commands lists them.
pub fn run(handlers: &Registry, arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let arguments = match Arguments::try_parse_from(serve::flags::ours(arguments.into_iter().collect())) {
        Ok(arguments) => arguments,
        // Help that was asked for is no error, and goes where the rest of the output goes.
        Err(refused) => {
            let text = refused.render().ansi().to_string();
            let (written, exit) = match refused.use_stderr() {
                true => (err.write_all(text.as_bytes()), Exit::BadInput),
                false => (out.write_all(text.as_bytes()), Exit::Ok),
            };
            return match written {
                Ok(()) | Err(_) => exit.code(),
            };
        }
    };
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments, handlers, out, err),
        Command::Conform(arguments) => conform::run(&arguments, out, err),
        Command::Serve(arguments) => serve::run(&arguments, handlers, out, err),
        Command::Report(arguments) => report::run(&arguments, out),
        Command::Diff(arguments) => diff::run(&arguments, out),
        Command::Matrix(arguments) => matrix::run(&arguments, handlers, err),
        Command::NatsServer(arguments) => nats_server::run(&arguments, out, err),
        Command::Fmt(arguments) => fmt::run(&arguments, out, err),
    };
    match result.and_then(|exit| out.flush().map(|()| exit).map_err(Into::into)) {
        Ok(exit) => exit.code(),
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => Exit::Ok.code(),
        Err(error) => match writeln!(err, "error: {}", with_causes(&error)) {
            Ok(()) | Err(_) => Exit::BadInput.code(),
        },
    }
}

/// An error and what caused it. Many of our errors quote their cause; then it is not said twice.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        text if text.contains(&cause) => text.to_owned(),
        text => format!("{text}: {cause}"),
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// The paths to work on when none are given.
const DEFAULT_PATHS: &str = "scenarios";
