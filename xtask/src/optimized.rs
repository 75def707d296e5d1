//! `cargo xtask optimized`: a `jetlag` for long runs. It is built once to watch itself at work, and once more with what it saw (profile-guided
//! optimization): the same sources, the same digests, less time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, ensure};

use crate::command::Workspace;

/// What it watches itself do.
const WORK: [&str; 4] = ["run", "scenarios", "soak", "benches/day.scn"];

/// `cargo xtask optimized`.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let merge = merger()?;
    let seen = workspace.scratch("seen")?;
    let watching = build(workspace, "watching", &format!("-Cprofile-generate={}", seen.display()))?;
    // What ran while it was built watched itself, too.
    fs::remove_dir_all(&seen).and_then(|()| fs::create_dir(&seen)).context("a folder could not be emptied")?;
    let mut work = Command::new(watching);
    work.args(WORK).current_dir(&workspace.root).stdout(Stdio::null());
    succeed(&mut work, "the work to watch")?;
    let merged = seen.join("merged.profdata");
    succeed(Command::new(merge).arg("merge").arg("-o").arg(&merged).arg(&seen), "llvm-profdata")?;
    let optimized = build(workspace, "optimized", &format!("-Cprofile-use={}", merged.display()))?;
    println!("{}", optimized.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds `jetlag` with a flag for the compiler, in a folder of this name below the target directory.
fn build(workspace: &Workspace, folder: &str, flag: &str) -> anyhow::Result<PathBuf> {
    let target = workspace.target.join(folder);
    let mut cargo = workspace.cargo(&["build", "--release", "--package", "jetlag-cli", "--target-dir"]);
    succeed(cargo.arg(&target).env("CARGO_ENCODED_RUSTFLAGS", flag), "cargo build")?;
    Ok(target.join("release").join("jetlag"))
}

/// The tool that puts together what runs saw. It has to be the compiler's own, because what it reads changes with each version.
fn merger() -> anyhow::Result<PathBuf> {
    let ask = |args: &[&str]| -> anyhow::Result<String> {
        let output = Command::new("rustc").args(args).output().context("rustc could not be started")?;
        ensure!(output.status.success(), "rustc {} failed", args.join(" "));
        String::from_utf8(output.stdout).context("rustc says something that is no text")
    };
    let version = ask(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say for which machine it is")?;
    let merger = Path::new(ask(&["--print", "sysroot"])?.trim()).join("lib/rustlib").join(host).join("bin/llvm-profdata");
    ensure!(merger.is_file(), "{} is not there; install it with `rustup component add llvm-tools`", merger.display());
    Ok(merger)
}

fn succeed(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{what} could not be started"))?;
    ensure!(status.success(), "{what} failed");
    Ok(())
}
