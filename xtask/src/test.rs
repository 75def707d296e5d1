//! `cargo xtask test`: the steps, one after the other whatever fails, then a table and one closing line. What a step checks stands elsewhere.

use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use jetlag_conform::find::{REQUIRE_VARIABLE, VARIABLE};
use jetlag_model::ServerVersion;

use crate::command::{Profile, Workspace, watch};
use crate::{determinism, examples, review, server, tidy};

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run this step only; may be given several times
    #[arg(long, value_name = "NAME", value_parser = STEPS.map(|(name, _)| name))]
    step: Vec<String>,
    /// Compare with this nats-server: a version, a path or a URL; JETLAG_NATS_SERVER says the same
    #[arg(long, value_name = "VERSION_PATH_OR_URL")]
    server: Option<OsString>,
}

/// How `#[ignore]` says that a test is not switched off: another test starts it as a process of its own.
pub(crate) const STARTED_BY: &str = "run by ";

type Step = fn(&Context<'_>) -> anyhow::Result<Tally>;

/// What holds requirements against scenarios, here and in the files for a CI.
const MATRIX: &[&str] = &["matrix", "--check", "scenarios", "soak"];

const STEPS: [(&str, Step); 13] = [
    ("fmt", |context| context.succeeds(&["fmt", "--all", "--check"], &[])),
    ("clippy", |context| context.succeeds(&["clippy", "--workspace", "--all-features", "--all-targets", "--", "-D", "warnings"], &[])),
    ("test", run_tests),
    ("doctest", |context| context.counts(&["test", "--workspace", "--all-features", "--no-fail-fast", "--doc"])),
    ("doc", |context| context.succeeds(&["doc", "--workspace", "--all-features", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])),
    ("tidy", |context| Ok(Tally::one(tidy::check(context.workspace)? == 0))),
    ("review", check_review_map),
    ("run", run_scenarios),
    ("matrix", |context| context.jetlag_succeeds(MATRIX)),
    ("determinism", |context| Ok(Tally { passed: determinism::check(context.workspace)?, ..Tally::default() })),
    ("examples", run_examples),
    ("conform", conform),
    ("programs", programs),
];

/// The random programs of every run; larger ranges are for `.ci/nightly`.
const SEEDS: &str = "0..300";

/// What a step, or all of them, came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Why something was skipped or failed, if the step knows more than its output has shown.
    note: String,
}

/// What the steps share.
struct Context<'a> {
    workspace: &'a Workspace,
    given_server: Option<&'a OsStr>,
    /// Looked for once; `None` inside means there is none.
    server: OnceCell<Option<server::Choice>>,
    /// Without a server, fail instead of skipping.
    require_servers: bool,
}

struct Row {
    name: &'static str,
    tally: Tally,
    time: Duration,
}

/// Runs the steps asked for.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let require_servers = std::env::var_os(REQUIRE_VARIABLE).is_some_and(|value| value == "1");
    let context = Context { workspace, given_server: options.server.as_deref(), server: OnceCell::new(), require_servers };
    let mut rows = Vec::new();
    for (name, step) in STEPS {
        if !options.step.is_empty() && !options.step.iter().any(|asked| asked == name) {
            continue;
        }
        println!("== {name}");
        let start = Instant::now();
        let tally = step(&context).unwrap_or_else(|error| {
            println!("{error:#}");
            Tally { failed: 1, note: first_line(&error), ..Tally::default() }
        });
        rows.push(Row { name, tally, time: start.elapsed() });
    }
    let failed = rows.iter().any(|row| row.tally.failed > 0);
    print!("\n{}", table(&rows));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Context<'_> {
    /// Whether `cargo ARGS` succeeds.
    fn succeeds(&self, args: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Tally> {
        let mut command = self.workspace.cargo(args);
        let status = command.envs(environment.iter().copied()).status().context("cargo could not be started")?;
        Ok(Tally::one(status.success()))
    }

    /// Runs `cargo ARGS` and adds up what its test programs report.
    fn counts(&self, args: &[&str]) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        let mut command = self.workspace.cargo(args);
        match self.server()? {
            Some(server) if server.is_binary => command.env(VARIABLE, &server.name),
            // These tests start servers of their own; let them look for one.
            _ => command.env_remove(VARIABLE),
        };
        let mut started_by_others = 0;
        let succeeded = watch(&mut command, |line| {
            started_by_others += usize::from(is_started_by_another(line));
            tally.add(test_result(line).unwrap_or_default());
        })?;
        tally.skipped = tally.skipped.saturating_sub(started_by_others);
        if tally.failed == 0 && !succeeded {
            tally.failed = 1;
            tally.note = "the tests could not be built, or a test program broke off".to_owned();
        }
        Ok(tally)
    }

    /// The server to compare with, if there is any way to one.
    fn server(&self) -> anyhow::Result<Option<&server::Choice>> {
        if self.server.get().is_none() {
            let found = server::choose(self.given_server)?;
            return Ok(self.server.get_or_init(|| found).as_ref());
        }
        Ok(self.server.get().and_then(Option::as_ref))
    }

    /// How many scenario files there are: those that real servers are asked about.
    fn scenarios(&self) -> anyhow::Result<usize> {
        Ok(self.scenario_files("scenarios")?.len())
    }

    /// How many there are that take hours of virtual time.
    fn soaks(&self) -> anyhow::Result<usize> {
        Ok(self.scenario_files("soak")?.len())
    }

    /// How many of them say that no real server can be asked.
    fn scenarios_for_the_simulator_alone(&self) -> anyhow::Result<usize> {
        let mut count = 0;
        for path in self.scenario_files("scenarios")? {
            let text = std::fs::read_to_string(&path).with_context(|| format!("{} could not be read", path.display()))?;
            count += usize::from(text.lines().take_while(|line| !line.is_empty()).any(|line| line.starts_with("conform: no")));
        }
        Ok(count)
    }

    fn scenario_files(&self, folder: &str) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut directories = vec![self.workspace.root.join(folder)];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).with_context(|| format!("{} could not be read", directory.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "scn") {
                    files.push(path);
                }
            }
        }
        Ok(files)
    }

    /// What can not be done without a real server is skipped, unless there has to be one.
    fn without_servers(&self, skipped: usize) -> anyhow::Result<Tally> {
        if self.require_servers {
            bail!("{}", server::HINT);
        }
        Ok(Tally { skipped, note: server::HINT.to_owned(), ..Tally::default() })
    }

    /// Whether `jetlag ARGS` succeeds.
    fn jetlag_succeeds(&self, args: &[&str]) -> anyhow::Result<Tally> {
        let status = self.workspace.jetlag(Profile::Release).args(args).status().context("cargo run could not be started")?;
        Ok(Tally::one(status.success()))
    }

    /// All scenarios passed, or `command` failed.
    fn all_scenarios(&self, command: &mut Command) -> anyhow::Result<Tally> {
        let status = command.status().context("cargo run could not be started")?;
        if !status.success() {
            bail!("jetlag failed: {status}");
        }
        Ok(Tally { passed: self.scenarios()?, ..Tally::default() })
    }
}

fn run_tests(context: &Context<'_>) -> anyhow::Result<Tally> {
    let mut tally =
        context.counts(&["test", "--workspace", "--all-features", "--no-fail-fast", "--lib", "--bins", "--tests", "--examples"])?;
    if !context.server()?.is_some_and(|server| server.is_binary) {
        // They pass without having done anything; how many they are is theirs to know.
        tally.skipped += 1;
        tally.note = "the tests that start a nats-server, counted as one, had none".to_owned();
    }
    if !examples::runs("promtool", &["--version"]) {
        tally.skipped += 1;
        let note = "the tests of alert rules, counted as one, had no promtool";
        tally.note = if tally.note.is_empty() { note.to_owned() } else { format!("{}; {note}", tally.note) };
    }
    Ok(tally)
}

/// The map from sources to scenarios has no holes. Whether a change was reviewed is `cargo xtask review --base REV`'s.
fn check_review_map(context: &Context<'_>) -> anyhow::Result<Tally> {
    let problems = review::check(&context.workspace.root)?;
    problems.iter().for_each(|problem| println!("docs/review.toml: {problem}"));
    Ok(Tally::one(problems.is_empty()))
}

fn run_scenarios(context: &Context<'_>) -> anyhow::Result<Tally> {
    let scenarios = context.all_scenarios(context.workspace.jetlag(Profile::Release).args(["run", "scenarios", "soak"]))?;
    Ok(Tally { passed: scenarios.passed + context.soaks()?, ..scenarios })
}

/// The example clients in other languages; that in Rust is among the tests.
fn run_examples(context: &Context<'_>) -> anyhow::Result<Tally> {
    let examples::Tally { passed, failed, skipped } = examples::check(context.workspace, &[])?;
    let note = if skipped.is_empty() { String::new() } else { format!("no tools for {}", skipped.join(", ")) };
    Ok(Tally { passed, failed, skipped: skipped.len(), note })
}

/// The scenarios on all compared versions; or on the one server that somebody chose.
fn conform(context: &Context<'_>) -> anyhow::Result<Tally> {
    let Some(server) = context.server()? else { return context.without_servers(context.scenarios()?) };
    let (name, servers) = if server.is_chosen { (server.name.clone(), 1) } else { ("all".into(), ServerVersion::COMPARED.len()) };
    let all = context.all_scenarios(context.workspace.jetlag(Profile::Release).args(["conform", "--server"]).arg(&name))?;
    let skipped = context.scenarios_for_the_simulator_alone()?;
    let note = "skipped: declared `conform: no`".to_owned();
    Ok(Tally { passed: (all.passed - skipped) * servers, skipped: skipped * servers, note, ..all })
}

/// Random programs on the oldest and the newest of the compared versions; or on the one server that somebody chose.
fn programs(context: &Context<'_>) -> anyhow::Result<Tally> {
    let Some(server) = context.server()? else { return context.without_servers(1) };
    let (oldest, newest) = (ServerVersion::COMPARED[0].to_string().into(), ServerVersion::NEWEST.to_string().into());
    let names = if server.is_chosen { vec![server.name.clone()] } else { vec![oldest, newest] };
    let mut command = context.workspace.jetlag(Profile::Release);
    command.args(["conform", "--seeds", SEEDS]);
    for name in &names {
        command.arg("--server").arg(name);
    }
    let status = command.status().context("cargo run could not be started")?;
    if !status.success() {
        bail!("jetlag failed: {status}");
    }
    Ok(Tally { passed: names.len(), note: format!("random programs {SEEDS}, each server counted as one"), ..Tally::default() })
}

impl Tally {
    fn one(passed: bool) -> Tally {
        Tally { passed: usize::from(passed), failed: usize::from(!passed), ..Tally::default() }
    }

    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn verdict(&self) -> &'static str {
        match self {
            Tally { failed: 1.., .. } => "fail",
            Tally { passed: 0, skipped: 1.., .. } => "skip",
            _ => "pass",
        }
    }
}

/// Whether a test program says that it leaves a test to another one.
fn is_started_by_another(line: &str) -> bool {
    line.starts_with("test ") && line.contains(&format!(" ... ignored, {STARTED_BY}"))
}

/// What a test program's closing line says.
fn test_result(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut tally = Tally::default();
    for part in counts.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let Ok(number) = number.parse() else { continue };
        match what {
            "passed" => tally.passed = number,
            "failed" => tally.failed = number,
            "ignored" => tally.skipped = number,
            _ => {}
        }
    }
    Some(tally)
}

/// The rows aligned, and the closing line.
fn table(rows: &[Row]) -> String {
    use std::fmt::Write as _;

    let mut total = Tally::default();
    let mut text = format!("{:<12} {:<7} {:>7} {:>7} {:>7} {:>9}\n", "step", "verdict", "passed", "failed", "skipped", "time");
    for Row { name, tally, time } in rows {
        let Tally { passed, failed, skipped, note } = tally;
        let row = format!("{name:<12} {:<7} {passed:>7} {failed:>7} {skipped:>7} {:>8.1}s  {note}", tally.verdict(), time.as_secs_f64());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", row.trim_end());
        total.passed += passed;
        total.failed += failed;
        total.skipped += skipped;
    }
    let _ = writeln!(text, "\n{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    text
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_for_a_ci_run_what_they_are_to_run() {
        let files = [include_str!("../../.github/workflows/ci.yml"), include_str!("../../.gitlab-ci.yml")];
        let matrix = format!("cargo run --release -- {}\n", MATRIX.join(" "));
        for wanted in ["scripts/run_fault_injection_e2e_tests.sh\n", matrix.as_str(), ".ci/stability\n", ".ci/run", ".ci/nightly"] {
            for file in files {
                assert!(file.contains(wanted), "{wanted:?} is not in\n{file}");
            }
        }
    }

    fn tally(passed: usize, failed: usize, skipped: usize) -> Tally {
        Tally { passed, failed, skipped, note: String::new() }
    }

    #[test]
    fn test_programs_are_counted() {
        for (line, expected) in [
            ("test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s", Some(tally(5, 0, 2))),
            ("test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s", Some(tally(1, 3, 0))),
            ("test tests::result ... ok", None),
            ("running 5 tests", None),
            ("", None),
        ] {
            assert_eq!(test_result(line), expected, "{line}");
        }
    }

    #[test]
    fn a_test_that_another_starts_is_not_skipped() {
        assert!(is_started_by_another("test parent ... ignored, run by a_killed_parent"));
        assert!(!is_started_by_another("test slow ... ignored, takes an hour"));
        assert!(!is_started_by_another("test parent ... ok"));
    }

    #[test]
    fn a_failure_outweighs_a_skip() {
        for (tally, verdict) in [
            (tally(1, 0, 0), "pass"),
            (tally(1, 0, 1), "pass"),
            (tally(0, 0, 1), "skip"),
            (tally(5, 1, 1), "fail"),
            (tally(0, 0, 0), "pass"),
        ] {
            assert_eq!(tally.verdict(), verdict, "{tally:?}");
        }
    }

    #[test]
    fn the_table_ends_with_one_plain_line() {
        let skipped = Tally { note: "no server".to_owned(), ..tally(0, 0, 31) };
        let rows = [
            Row { name: "fmt", tally: tally(1, 0, 0), time: Duration::from_millis(940) },
            Row { name: "test", tally: tally(120, 2, 0), time: Duration::from_secs(61) },
            Row { name: "conform", tally: skipped, time: Duration::ZERO },
        ];
        let expected = "\
step         verdict  passed  failed skipped      time
fmt          pass          1       0       0      0.9s
test         fail        120       2       0     61.0s
conform      skip          0       0      31      0.0s  no server

121 passed, 2 failed, 31 skipped
";
        assert_eq!(table(&rows), expected);
    }
}
