//! Tests as processes: each runs alone in its program, so that one that hangs is known by its name and ended, and its servers with it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// How long a test may take; the slowest takes 40 s on a real server.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a test is asked whether it is done.
const POLL: Duration = Duration::from_millis(10);
/// How many lines of a failing test's output are shown.
const LINES: usize = 25;

/// A built file of tests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    /// The name of the file.
    pub(crate) file: String,
    pub(crate) path: PathBuf,
}

/// One test.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) ignored: bool,
}

/// What a test came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    /// It is marked so that it does not run.
    Skipped,
    /// With the end of what it printed.
    Failed(String),
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file, self.name)
    }
}

impl Program {
    /// Its tests, in its order.
    pub(crate) fn tests(&self, folder: &Path) -> anyhow::Result<Vec<Test>> {
        let list = |more: &[&str]| -> anyhow::Result<Vec<String>> {
            let output = Command::new(&self.path).args(["--list", "--format", "terse"]).args(more).current_dir(folder).output();
            let output = output.with_context(|| format!("{} does not run", self.path.display()))?;
            ensure!(output.status.success(), "{} does not list its tests", self.path.display());
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
        };
        let ignored = list(&["--ignored"])?;
        let test = |name: String| Test { file: self.file.clone(), program: self.path.clone(), ignored: ignored.contains(&name), name };
        Ok(list(&[])?.into_iter().map(test).collect())
    }
}

/// Calls `done` with each test, so many at the same time.
pub(crate) fn each(tests: &[&Test], jobs: usize, done: impl Fn(&Test) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    done(test);
                }
            });
        }
    });
}

/// Runs one test. Servers have their folders in `scratch`; the working folder is where the tests look for configurations.
pub(crate) fn run(test: &Test, folder: &Path, server: &[String], scratch: &Path) -> anyhow::Result<Outcome> {
    if test.ignored {
        return Ok(Outcome::Skipped);
    }
    let own = scratch.join(test.to_string().replace([' ', ':'], "-"));
    fs::create_dir(&own).with_context(|| format!("{} can not be created", own.display()))?;
    let outcome = in_folder(test, folder, server, &own)?;
    fs::remove_dir_all(&own).with_context(|| format!("{} can not be removed", own.display()))?;
    Ok(outcome)
}

fn in_folder(test: &Test, folder: &Path, server: &[String], own: &Path) -> anyhow::Result<Outcome> {
    let path = own.join("output");
    let output = fs::File::create(&path).with_context(|| format!("{} can not be created", path.display()))?;
    let mut command = Command::new(&test.program);
    command.args(["--exact", &test.name, "--nocapture", "--test-threads", "1"]).current_dir(folder);
    command.env("RUST_BACKTRACE", "0").env("TMPDIR", own).env(jetlag_stand_in::SERVER, serde_json::to_string(server)?);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().with_context(|| format!("{} does not run", test.program.display()))?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().context("a test could not be waited for")? {
            Some(status) => break Some(status),
            None if Instant::now() < deadline => thread::sleep(POLL),
            None => {
                // Its servers end when it does.
                child.kill().context("a test could not be ended")?;
                child.wait().context("a test could not be waited for")?;
                break None;
            }
        }
    };
    if status.is_some_and(|status| status.success()) {
        return Ok(Outcome::Passed);
    }
    let text = String::from_utf8_lossy(&fs::read(&path).context("a test's output can not be read")?).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut shown = lines[lines.len().saturating_sub(LINES)..].join("\n");
    if status.is_none() {
        shown.push_str(&format!("\nit was not done after {PATIENCE:?}"));
    }
    Ok(Outcome::Failed(shown))
}
