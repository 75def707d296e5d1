//! `cargo xtask newcomer`: somebody outside the workspace, with nothing but the page of `jetlag` open. Its commands are run as they are printed, in a
//! folder of its own, and its test as it is printed has to pass; then the handler is made to forget its acknowledgements, and the test has to say so.
//!
//! One thing is not as printed: `--git URL` is this checkout, whose state it is about.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::command::Workspace;

/// The page.
const PAGE: &str = "crates/jetlag/README.md";
/// Where its second part begins, which is about clients as they are.
const PART: &str = "## Your async-nats service";
/// Where the page says that the test is to be put.
const TEST: &str = "tests/orders.rs";
/// How the page names the repository.
const REPOSITORY: &str = "--git https://github.com/jetlag-sim/jetlag";
/// The line of the handler that is taken out to see the test fail.
const ACKNOWLEDGES: &str = "message.ack().await?;";
/// How long all of it may take somebody, reading included; the commands have to be far below it.
const AT_MOST: Duration = Duration::from_secs(600);

/// `cargo xtask newcomer`.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let page = fs::read_to_string(workspace.root.join(PAGE)).with_context(|| format!("{PAGE} can not be read"))?;
    let part = page.split_once(PART).with_context(|| format!("{PAGE} has no part {PART:?}"))?.1;
    ensure!(part.contains(&format!("`{TEST}`")), "{PAGE} does not say that the test goes into {TEST}");
    let commands = code(part, "sh")?;
    let test = code(part, "rust,ignore")?;
    let folder = tempfile::tempdir().context("a folder could not be made")?;
    let mut place = folder.path().to_owned();
    for line in commands.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix("cd ") {
            place = place.join(name);
            continue;
        }
        if line == "cargo test" {
            let path = place.join(TEST);
            fs::create_dir_all(path.parent().context("a test stands in a folder")?).context("the folder for the test could not be made")?;
            fs::write(&path, test).context("the test could not be written")?;
        }
        let shown = line.replace(REPOSITORY, &format!("--path {}", workspace.root.join("crates/jetlag").display()));
        println!("$ {line}");
        let output = sh(&place, &shown)?;
        ensure!(output.status.success(), "it failed:\n{}", text(&output));
    }
    let path = place.join(TEST);
    ensure!(path.is_file(), "{PAGE} does not say `cargo test`");
    let took = started.elapsed();

    ensure!(test.contains(ACKNOWLEDGES), "the page's handler has no line {ACKNOWLEDGES:?}");
    fs::write(&path, test.replace(ACKNOWLEDGES, "drop(message);")).context("the test could not be written")?;
    println!("$ cargo test    # with a handler that forgets to acknowledge");
    let output = sh(&place, "cargo test")?;
    ensure!(!output.status.success(), "the test of a handler that does not acknowledge passes");
    let told = text(&output);
    if !told.contains("consumer ORDERS/WORK: 1 unacknowledged") {
        bail!("the test of a handler that does not acknowledge does not say so:\n{told}");
    }
    println!("the first test after {:.0} s, a failing one after {:.0} s", took.as_secs_f64(), started.elapsed().as_secs_f64());
    ensure!(started.elapsed() < AT_MOST, "that is too long");
    Ok(ExitCode::SUCCESS)
}

/// The first code of this kind.
fn code<'p>(part: &'p str, kind: &str) -> anyhow::Result<&'p str> {
    let (_, rest) = part.split_once(&format!("```{kind}\n")).with_context(|| format!("{PAGE} has no {kind} in that part"))?;
    Ok(rest.split_once("```").with_context(|| format!("the {kind} of {PAGE} has no end"))?.0)
}

/// A line of shell, as somebody types it who knows nothing of this workspace.
fn sh(place: &Path, line: &str) -> anyhow::Result<Output> {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(place).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        // What `cargo xtask` itself was told is not theirs.
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    command.env_remove("RUSTUP_TOOLCHAIN").output().with_context(|| format!("{line:?} could not be started"))
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
