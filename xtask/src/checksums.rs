//! `cargo xtask checksums`: downloads the servers that the simulator is compared with, for every platform, and writes down their checksums.
//! They are not run. The table's meaning is in `jetlag_conform::checksum`.

use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jetlag_conform::checksum::Checksums;
use jetlag_conform::fetch::{NOTICE, PACKAGE, PLATFORMS, package_sum};
use jetlag_model::ServerVersion;

use crate::command::Workspace;

/// Options of `cargo xtask checksums`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Versions to add [default: all that the simulator is compared with]
    versions: Vec<ServerVersion>,
}

const TABLE: &str = "crates/jetlag-conform/src/checksums.txt";

/// Adds what is missing to the table.
///
/// # Errors
///
/// When a package can not be downloaded, or has other bytes than the table says: released binaries do not change.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    println!("{NOTICE}");
    let python: [OsString; 1] = ["python3".into()];
    let path = workspace.root.join(TABLE);
    let text = fs::read_to_string(&path).with_context(|| format!("{TABLE} could not be read"))?;
    let mut table = Checksums::parse(&text).with_context(|| format!("{TABLE} could not be understood"))?;
    for version in if options.versions.is_empty() { &ServerVersion::COMPARED[..] } else { &options.versions } {
        for (platform, tags) in PLATFORMS {
            let sum = package_sum(&python, *version, tags)?;
            println!("{version} {platform} {sum}");
            match table.of(*version, platform) {
                Some(known) if known != sum => bail!("{version} for {platform} was {known} when the table was written"),
                _ => table.set(*version, platform, sum),
            }
        }
    }
    let about = format!(
        "# SHA-256 of the nats-server binaries in the Python package {PACKAGE}, a third-party repackaging. Written by `cargo xtask checksums`.\n"
    );
    fs::write(&path, format!("{about}{table}")).with_context(|| format!("{TABLE} could not be written"))?;
    Ok(ExitCode::SUCCESS)
}
