//! A package in `target/client-suite/` whose tests are the files of the registry's copy, where they are, with our stand-in for the crate that starts servers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::tests::Program;
use crate::command::Workspace;

/// The files with tests of JetStream.
const FILES: [&str; 5] =
    ["jetstream_tests", "kv_tests", "jetstream_api_timeout_tests", "pinned_client_test", "pull_exceeded_max_request_test"];
/// What the files use besides async-nats; of which version is what async-nats says.
const USED: [&str; 9] = ["bytes", "futures", "futures-util", "serde", "serde_json", "time", "tokio", "tracing", "tryhard"];
/// Tests that take seconds are not left out.
const SLOW: &str = "slow_tests";

/// The tests, built.
pub(crate) struct Suite {
    /// The release of the client.
    pub(crate) version: String,
    /// The registry's copy, where the tests find their configurations.
    pub(crate) sources: PathBuf,
    pub(crate) programs: Vec<Program>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    features: BTreeMap<String, Vec<String>>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    features: Vec<String>,
    uses_default_features: bool,
}

#[derive(Deserialize)]
struct Built {
    reason: String,
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the tests of the files asked for, or of all.
pub(crate) fn build(workspace: &Workspace, asked: &[String]) -> anyhow::Result<Suite> {
    let package = published(workspace)?;
    let sources = package.manifest_path.parent().context("a manifest lies in a folder")?.to_owned();
    let files: Vec<&str> = FILES.into_iter().filter(|file| asked.is_empty() || asked.iter().any(|name| name == file)).collect();
    if let Some(unknown) = asked.iter().find(|name| !FILES.contains(&name.as_str())) {
        bail!("{unknown} is none of the files with tests of JetStream: {}", FILES.join(", "));
    }
    let folder = workspace.target.join("client-suite");
    fs::create_dir_all(&folder).with_context(|| format!("{} could not be created", folder.display()))?;
    write(&folder.join("Cargo.toml"), &manifest(&package, &sources, &workspace.root)?)?;
    write(&folder.join("lib.rs"), "//! Tests alone.\n")?;
    lock(workspace, &folder)?;
    let mut command = workspace.cargo(&["test", "--no-run", "--message-format", "json-render-diagnostics"]);
    command.current_dir(&folder).env("CARGO_TARGET_DIR", folder.join("target"));
    for file in &files {
        command.args(["--test", file]);
    }
    // Warnings about somebody else's tests are not ours to read.
    command.env("RUSTFLAGS", "--cap-lints=allow");
    let output = command.stderr(Stdio::inherit()).output().context("cargo could not be started")?;
    ensure!(output.status.success(), "the tests of async-nats {} could not be built", package.version);
    let mut programs = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let built: Built = serde_json::from_slice(line).context("cargo says what it has built in unexpected JSON")?;
        if let Built { executable: Some(path), target: Some(target), .. } = built
            && built.reason == "compiler-artifact"
        {
            programs.push(Program { file: target.name, path });
        }
    }
    ensure!(programs.len() == files.len(), "cargo built {} programs for {} files", programs.len(), files.len());
    Ok(Suite { version: package.version, sources, programs })
}

/// The client as the registry has it, of the version in Cargo.lock.
fn published(workspace: &Workspace) -> anyhow::Result<Package> {
    let output = workspace
        .cargo(&["metadata", "--format-version", "1", "--locked"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo metadata could not be started")?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata answered with unexpected JSON")?;
    let found = metadata.packages.into_iter().find(|package| package.name == "async-nats");
    found.context("no package of this repository depends on async-nats")
}

/// The manifest: the client with its own defaults and the slow tests, and what the files use.
fn manifest(package: &Package, sources: &Path, root: &Path) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Written by cargo xtask client-suite.\n[workspace]\n\n[package]\nname = \"client-suite\"\nversion = \"0.0.0\"\nedition = \"2021\"\nautotests = false\n\n[lib]\npath = \"lib.rs\"\n\n[features]\n",
    );
    let enabled = package.features.get("default").context("async-nats has no default features")?;
    writeln!(text, "default = {}", quoted(enabled.iter().map(String::as_str).chain([SLOW])))?;
    for feature in package.features.keys().filter(|name| *name != "default") {
        writeln!(text, "{feature} = []")?;
    }
    writeln!(text, "\n[dependencies]\nasync-nats = {}", quoted([format!("={}", package.version).as_str()]).trim_matches(['[', ']']))?;
    let stand_in = root.join("xtask").join("stand-in");
    writeln!(text, "nats-server = {{ package = \"jetlag-stand-in\", path = {:?} }}", stand_in)?;
    for name in USED {
        let mut features: Vec<&str> = Vec::new();
        let (mut requirement, mut defaults) = (None, true);
        for dependency in package.dependencies.iter().filter(|dependency| dependency.name == name) {
            features.extend(dependency.features.iter().map(String::as_str));
            requirement = Some(&dependency.req);
            defaults = dependency.uses_default_features;
        }
        let requirement = requirement.with_context(|| format!("async-nats does not depend on {name}, though its tests use it"))?;
        writeln!(text, "{name} = {{ version = {requirement:?}, default-features = {defaults}, features = {} }}", quoted(features))?;
    }
    for file in FILES {
        let path = sources.join("tests").join(format!("{file}.rs"));
        writeln!(text, "\n[[test]]\nname = {file:?}\npath = {path:?}")?;
    }
    Ok(text)
}

/// What this repository has locked, the tests use too. What else they need is added by cargo, which is not undone until this repository locks
/// something else.
fn lock(workspace: &Workspace, folder: &Path) -> anyhow::Result<()> {
    let locked = fs::read_to_string(workspace.root.join("Cargo.lock")).context("Cargo.lock can not be read")?;
    let before = folder.join("Cargo.lock.from");
    if fs::read_to_string(&before).is_ok_and(|there| there == locked) && folder.join("Cargo.lock").is_file() {
        return Ok(());
    }
    write(&folder.join("Cargo.lock"), &locked)?;
    write(&before, &locked)
}

fn quoted<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", texts.join(", "))
}

/// Writes a file, unless it is the same already, so that cargo does not build again.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("{} can not be written", path.display()))
}
