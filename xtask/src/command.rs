//! Running cargo and the commands it builds, and what `cargo metadata` says about the workspace. What the commands are for stands elsewhere.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

/// The repository and the cargo that builds it.
pub(crate) struct Workspace {
    /// The directory of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo builds; scratch files go below it.
    pub(crate) target: PathBuf,
    /// Every package of the workspace.
    pub(crate) packages: Vec<Package>,
    cargo: OsString,
}

/// A package of the workspace, as `cargo metadata` has it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// Its `Cargo.toml`, from the root, with `/` between names.
    #[serde(rename = "manifest_path")]
    pub(crate) manifest: String,
}

/// One line of a package's dependency tables; `kind` is `None` for a normal one.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) uses_default_features: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

impl Workspace {
    /// Asks cargo about the workspace at `root`.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Workspace> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(&cargo)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(root)
            .stderr(Stdio::inherit())
            .output()
            .context("cargo metadata could not be started")?;
        if !output.status.success() {
            bail!("cargo metadata failed");
        }
        let mut metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata answered with unexpected JSON")?;
        for package in &mut metadata.packages {
            let manifest = Path::new(&package.manifest);
            let names = manifest.strip_prefix(&metadata.workspace_root).unwrap_or(manifest).iter();
            package.manifest = names.map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("/");
        }
        Ok(Workspace { root: metadata.workspace_root, target: metadata.target_directory, packages: metadata.packages, cargo })
    }

    /// `cargo ARGS` at the root.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.args(args).current_dir(&self.root);
        command
    }

    /// `jetlag`, built with `profile`, with no arguments yet.
    pub(crate) fn jetlag(&self, profile: Profile) -> Command {
        let mut command = self.cargo(&["run", "--quiet", "--package", "jetlag-cli", "--bin", "jetlag"]);
        match profile {
            Profile::Debug => {}
            Profile::Release => {
                command.arg("--release");
            }
        }
        command.arg("--");
        command
    }

    /// A directory below the target directory, empty.
    pub(crate) fn scratch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.target.join("xtask").join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).with_context(|| format!("{} could not be emptied", path.display()))?;
        }
        std::fs::create_dir_all(&path).with_context(|| format!("{} could not be created", path.display()))?;
        Ok(path)
    }
}

/// How a command is built.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Runs `command`, lets its output through, and calls `line` with each line of its standard output. Says whether it succeeded.
pub(crate) fn watch(command: &mut Command, mut line: impl FnMut(&str)) -> anyhow::Result<bool> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("{name} could not be started"))?;
    let stdout = child.stdout.take().context("the standard output is piped")?;
    for bytes in BufReader::new(stdout).split(b'\n') {
        // A test may print any bytes; only lines that are text matter to the caller.
        let text = String::from_utf8_lossy(&bytes.with_context(|| format!("the output of {name} broke off"))?).into_owned();
        println!("{text}");
        line(&text);
    }
    Ok(child.wait().with_context(|| format!("{name} could not be waited for"))?.success())
}
