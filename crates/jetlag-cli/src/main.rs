//! The `jetlag` command, with the shipped handlers.

use std::process::ExitCode;

fn main() -> ExitCode {
    jetlag_cli::main(&jetlag_cli::Registry::new())
}
