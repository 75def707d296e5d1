//! The `jetlag` command: arguments in, exit code out. Each command is a module.

mod conform;
mod diagnostics;
mod exit;
mod fmt;
mod nats_server;
mod report;
mod run;
mod serve;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Fetches and finds real servers to compare with.
    NatsServer(nats_server::Arguments),
    /// Puts scenarios into their canonical form.
    #[command(after_help = exit::HELP)]
    Fmt(fmt::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(serve::flags::ours(std::env::args_os().collect()));
    let (mut out, mut err) = (anstream::stdout().lock(), anstream::stderr().lock());
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments, &mut out, &mut err),
        Command::Conform(arguments) => conform::run(&arguments, &mut out, &mut err),
        Command::Serve(arguments) => serve::run(&arguments, &mut out),
        Command::NatsServer(arguments) => nats_server::run(&arguments, &mut out, &mut err),
        Command::Fmt(arguments) => fmt::run(&arguments, &mut out, &mut err),
    };
    match result.and_then(|exit| out.flush().map(|()| exit).map_err(Into::into)) {
        Ok(exit) => exit.into(),
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => Exit::Ok.into(),
        Err(error) => match writeln!(err, "error: {}", with_causes(&error)) {
            Ok(()) | Err(_) => Exit::BadInput.into(),
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
