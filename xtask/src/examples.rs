//! `cargo xtask examples`: the example clients of `docs/examples`, each against a `jetlag serve` of its own. The one in Rust is a test of the workspace.
//!
//! A language whose tools are not there is skipped, unless [`REQUIRE`] is set: `.ci/run` installs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use jetlag_stand_in::Server;

use crate::command::Workspace;

/// With this at 1, a missing tool is a failure.
const REQUIRE: &str = "JETLAG_REQUIRE_CLIENTS";
/// The file that the example of docs/SERVE.md becomes.
const PAGE: &str = "serve_page.py";
/// How long an example may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked whether it is done.
const POLL: Duration = Duration::from_millis(20);
/// Where Debian puts the sources of Go packages.
const DEBIAN_GO: &str = "/usr/share/gocode";

/// Options of `cargo xtask examples`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run these languages only
    language: Vec<String>,
}

/// What the examples came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Languages whose tools are missing.
    pub(crate) skipped: Vec<&'static str>,
}

/// A language, and what it takes to run its example in a copy of its folder.
struct Language {
    name: &'static str,
    /// Says whether the tools are there.
    probe: fn() -> bool,
    /// The commands, the last of which is the example.
    commands: fn(&Path, &Path) -> Vec<Command>,
}

const LANGUAGES: [Language; 4] = [
    Language {
        name: "python",
        probe: || runs("python3", &["-m", "pip", "--version"]),
        commands: |_, kept| {
            let mut install = Command::new("python3");
            install.args(["-m", "pip", "install", "--quiet", "--upgrade", "--requirement", "requirements.txt", "--target"]).arg(kept);
            let script = |name: &str| {
                let mut script = Command::new("python3");
                script.arg(name).env("PYTHONPATH", kept);
                script
            };
            vec![install, script("example.py"), script(PAGE)]
        },
    },
    Language {
        name: "node",
        probe: || runs("npm", &["--version"]) && runs("node", &["--version"]),
        commands: |_, _| vec![command("npm", &["install", "--silent", "--no-audit", "--no-fund"]), command("node", &["example.mjs"])],
    },
    Language {
        name: "go",
        probe: || runs("go", &["version"]) && Path::new(DEBIAN_GO).join("src/github.com/nats-io/nats.go").is_dir(),
        commands: |_, kept| {
            let mut example = command("go", &["run", "example.go"]);
            example.env("GO111MODULE", "off").env("GOPATH", DEBIAN_GO).env("GOCACHE", kept);
            vec![example]
        },
    },
    Language {
        name: "erlang",
        probe: || runs("erl", &["-noshell", "-eval", "{module, ct} = code:ensure_loaded(ct), halt()."]) && runs("ct_run", &["-help"]),
        commands: |folder, _| {
            let mut suite = command("ct_run", &["-noshell", "-dir", ".", "-suite", "redelivery_SUITE", "-logdir"]);
            suite.arg(folder.join("logs"));
            vec![suite]
        },
    },
];

/// `cargo xtask examples`.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let tally = check(workspace, &options.language)?;
    println!("\n{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped.len());
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the examples of these languages, or all.
pub(crate) fn check(workspace: &Workspace, asked: &[String]) -> anyhow::Result<Tally> {
    if let Some(unknown) = asked.iter().find(|name| !LANGUAGES.iter().any(|language| language.name == name.as_str())) {
        bail!("there is no example in {unknown}: {}", LANGUAGES.map(|language| language.name).join(", "));
    }
    let built = workspace.cargo(&["build", "--quiet", "--release", "--package", "jetlag-cli"]).status();
    ensure!(built.context("cargo could not be started")?.success(), "jetlag could not be built");
    let jetlag = workspace.target.join("release").join(format!("jetlag{}", std::env::consts::EXE_SUFFIX));
    let required = std::env::var_os(REQUIRE).is_some_and(|value| value == "1");
    let mut tally = Tally::default();
    for language in LANGUAGES.iter().filter(|language| asked.is_empty() || asked.iter().any(|name| name == language.name)) {
        println!("-- {}", language.name);
        if !(language.probe)() {
            if required {
                println!("failed: its tools are missing, and {REQUIRE} is set");
                tally.failed += 1;
            } else {
                println!("skipped: its tools are missing; docs/examples/README.md says which");
                tally.skipped.push(language.name);
            }
            continue;
        }
        match example(workspace, language, &jetlag) {
            Ok(()) => tally.passed += 1,
            Err(error) => {
                println!("failed: {error:#}");
                println!("again: cargo xtask examples {}", language.name);
                tally.failed += 1;
            }
        }
    }
    Ok(tally)
}

fn example(workspace: &Workspace, language: &Language, jetlag: &Path) -> anyhow::Result<()> {
    let folder = workspace.scratch(&format!("examples-{}", language.name))?;
    copy(&workspace.root.join("docs").join("examples").join(language.name), &folder)?;
    fs::create_dir(folder.join("logs")).context("a folder for logs could not be created")?;
    if language.name == "python" {
        let page = workspace.root.join("docs").join("SERVE.md");
        let text = fs::read_to_string(&page).with_context(|| format!("{} can not be read", page.display()))?;
        let code = code(&text, language.name).with_context(|| format!("{} has no example in {}", page.display(), language.name))?;
        fs::write(folder.join(PAGE), code).context("the page's example could not be written")?;
    }
    // Packages are kept between runs.
    let kept = workspace.target.join("xtask").join(format!("examples-kept-{}", language.name));
    fs::create_dir_all(&kept).with_context(|| format!("{} could not be created", kept.display()))?;
    let program = [jetlag.to_string_lossy().into_owned(), "serve".to_owned(), "--insecure-control".to_owned()];
    // Dropped, whatever comes, it is killed and its folder removed.
    let server = Server::of(&program).map_err(|error| anyhow!("{error}"))?;
    for mut command in (language.commands)(&folder, &kept) {
        command.current_dir(&folder).env("NATS_URL", format!("nats://127.0.0.1:{}", server.client_port())).stdin(Stdio::null());
        within(&mut command, PATIENCE)?;
    }
    fs::remove_dir_all(&folder).with_context(|| format!("{} could not be removed", folder.display()))
}

/// The first code of this language on a page.
fn code<'p>(page: &'p str, language: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(&format!("```{language}\n"))?;
    Some(rest.split_once("```")?.0)
}

/// Waits for a command, for so long, and wants it to succeed.
fn within(command: &mut Command, patience: Duration) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("{name} could not be started"))?;
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("{name} could not be waited for"))? {
            ensure!(status.success(), "{name} ended with {status}");
            return Ok(());
        }
        if Instant::now() > deadline {
            child.kill().with_context(|| format!("{name} could not be ended"))?;
            child.wait().with_context(|| format!("{name} could not be waited for"))?;
            bail!("{name} was not done after {patience:?}");
        }
        thread::sleep(POLL);
    }
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

pub(crate) fn runs(program: &str, args: &[&str]) -> bool {
    command(program, args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Copies the files of a folder that has none below.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("{} can not be read", from.display()))? {
        let path: PathBuf = entry?.path();
        if path.is_file() {
            let name = path.file_name().context("a file has a name")?;
            fs::copy(&path, to.join(name)).with_context(|| format!("{} could not be copied", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_page_is_found() {
        let page = "# Page\n\n```sh\nls\n```\n\n```python\nprint(1)\n```\n";
        assert_eq!((code(page, "python"), code(page, "go")), (Some("print(1)\n"), None));
    }

    #[test]
    fn a_command_that_fails_or_hangs_is_an_error() {
        assert!(within(&mut command("true", &[]), Duration::from_secs(10)).is_ok());
        assert!(within(&mut command("false", &[]), Duration::from_secs(10)).is_err());
        let start = Instant::now();
        assert!(within(&mut command("sleep", &["60"]), Duration::from_millis(50)).is_err());
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
