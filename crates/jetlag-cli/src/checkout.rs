//! What is checked out where the command was typed.

use std::process::{Command, Stdio};

use jetlag_report::history::Commit;

/// The commit, and whether the files that git tracks are as it has them; `None` where there is no repository, or no git.
pub(crate) fn commit() -> Option<Commit> {
    let id = git(&["rev-parse", "--verify", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(Commit { id, clean })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
