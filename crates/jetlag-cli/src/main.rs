//! The `jetlag` command, with the shipped handlers.

use std::process::ExitCode;

/// A run makes and drops millions of small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    jetlag_cli::main(&jetlag_cli::Registry::new())
}
