//! A copy of the sources that may be changed: mutants and wrong rules are built there, never in the tree people work in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::command::Workspace;

/// The scenario library as the only test.
pub(crate) const LIBRARY: &[&str] = &["test", "--quiet", "--profile", "mutants", "--package", "jetlag-runner", "--test", "library"];

/// The copy, and where it is built.
pub(crate) struct SourceCopy {
    /// The copy's root.
    pub(crate) root: PathBuf,
    /// Its target directory, kept between runs so that cargo builds only what changed.
    pub(crate) target: PathBuf,
}

impl SourceCopy {
    /// Brings the copy of this name up to date with the files git knows of or would add. Files that are the same keep their time of change.
    pub(crate) fn refresh(workspace: &Workspace, name: &str) -> anyhow::Result<SourceCopy> {
        let place = workspace.target.join("xtask").join("copies").join(name);
        let copy = SourceCopy { root: place.join("sources"), target: place.join("target") };
        let wanted = listed(&workspace.root)?;
        ensure!(!wanted.is_empty(), "git lists no files");
        for name in &wanted {
            copy.take(&workspace.root, name).with_context(|| format!("{} could not be copied", name.display()))?;
        }
        let mut found = BTreeSet::new();
        files_below(&copy.root, &copy.root, &mut found)?;
        for name in found.difference(&wanted) {
            fs::remove_file(copy.root.join(name)).with_context(|| format!("{} could not be removed", name.display()))?;
        }
        Ok(copy)
    }

    /// `cargo ARGS` in the copy.
    pub(crate) fn cargo(&self, workspace: &Workspace, args: &[&str]) -> Command {
        let mut command = workspace.cargo(args);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Runs the scenario library on the copy as it is, which must pass. Says how long that took, without building.
    pub(crate) fn test_library(&self, workspace: &Workspace) -> anyhow::Result<Duration> {
        let built = self.cargo(workspace, LIBRARY).arg("--no-run").status().context("cargo could not be started")?;
        ensure!(built.success(), "the scenario library's tests can not be built");
        let start = Instant::now();
        let passed = self.cargo(workspace, LIBRARY).status().context("cargo could not be started")?;
        ensure!(passed.success(), "the scenario library fails on the sources as they are");
        Ok(start.elapsed())
    }

    fn take(&self, from: &Path, name: &Path) -> std::io::Result<()> {
        let text = fs::read(from.join(name))?;
        let to = self.root.join(name);
        if fs::read(&to).is_ok_and(|there| there == text) {
            return Ok(());
        }
        fs::create_dir_all(to.parent().unwrap_or(&self.root))?;
        fs::write(to, text)
    }
}

/// What git knows of or would add, less what is deleted but not committed yet.
fn listed(root: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git could not be started")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    Ok(text.split_terminator('\0').map(PathBuf::from).filter(|name| root.join(name).is_file()).collect())
}

fn files_below(root: &Path, directory: &Path, found: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("{} could not be read", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files_below(root, &path, found)?;
        } else {
            found.insert(path.strip_prefix(root).unwrap_or(&path).to_owned());
        }
    }
    Ok(())
}
