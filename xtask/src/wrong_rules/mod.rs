//! `cargo xtask wrong-rules`: plausible mistakes about JetStream, each built into a copy of the core, and whether the scenario library notices.

mod list;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};

use crate::command::Workspace;
use crate::copy::{LIBRARY, SourceCopy};
use list::{WRONG_RULES, WrongRule};
use programs::Seeds;

/// Options of `cargo xtask wrong-rules`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Try this one only; may be given several times
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(WRONG_RULES.iter().map(|rule| rule.name)))]
    only: Vec<String>,
    /// Also look for the first random program that notices, among these seeds
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,
}

/// Builds each wrong rule into a copy of the sources, and says which scenarios fail then, and which random program is the first to.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let copy = SourceCopy::refresh(workspace, "wrong-rules")?;
    copy.test_library(workspace)?;
    let programs = workspace.scratch("programs")?;
    let mut missed = 0;
    let (mut by_programs, mut tried) = (0, 0);
    for rule in WRONG_RULES {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == rule.name) {
            continue;
        }
        println!("{} ({}): {}", rule.name, rule.section, rule.about);
        let (caught, first) = with_rule(&copy, rule, || {
            let first = options.seeds.as_ref().map(|seeds| first_program(workspace, &copy, &programs, seeds)).transpose()?;
            Ok((failures(&mut copy.cargo(workspace, LIBRARY))?, first.flatten()))
        })?;
        if caught.iter().any(|path| path == rule.scenario) {
            println!("    caught by {} scenarios, {} among them", caught.len(), rule.scenario);
        } else {
            println!("    MISSED by {}; caught by {} others: {}", rule.scenario, caught.len(), caught.join(" "));
            missed += 1;
        }
        tried += 1;
        if let Some(seeds) = &options.seeds {
            by_programs += usize::from(first.is_some());
            match first {
                Some(seed) => println!("    caught by the random program of seed {seed}, after {} programs", seed - seeds.0.start + 1),
                None => println!("    not caught by any random program"),
            }
        }
    }
    println!("\n{tried} wrong rules: {} caught by the scenario that is about them, {missed} not", tried - missed);
    if let Some(Seeds(seeds)) = &options.seeds {
        println!("{by_programs} of them caught by random programs with seeds {}..{}", seeds.start, seeds.end);
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first random program that the copy plays differently.
fn first_program(workspace: &Workspace, copy: &SourceCopy, below: &Path, seeds: &Seeds) -> anyhow::Result<Option<u64>> {
    for piece in seeds.pieces() {
        let directory = programs::drawn(below, &piece)?;
        let mut command = copy.cargo(workspace, LIBRARY);
        command.args(["random_programs_hold", "--", "--ignored"]).env("JETLAG_PROGRAMS", directory);
        let first = failures(&mut command)?.iter().filter_map(|path| programs::seed(path)).min();
        if first.is_some() {
            return Ok(first);
        }
    }
    Ok(None)
}

/// Where a rule stands below a root.
fn file(rule: &WrongRule) -> PathBuf {
    PathBuf::from("crates/jetlag-core/src").join(rule.file)
}

/// The text with the wrong rule in place of the right one.
fn break_rule(text: &str, rule: &WrongRule) -> anyhow::Result<String> {
    let count = text.matches(rule.right).count();
    ensure!(count == 1, "{}: the right rule stands {count} times in {}, not once", rule.name, rule.file);
    Ok(text.replace(rule.right, rule.wrong))
}

/// Does something while the wrong rule is in the copy.
fn with_rule<R>(copy: &SourceCopy, rule: &WrongRule, work: impl FnOnce() -> anyhow::Result<R>) -> anyhow::Result<R> {
    let path = copy.root.join(file(rule));
    let right = fs::read_to_string(&path).with_context(|| format!("{} could not be read", path.display()))?;
    fs::write(&path, break_rule(&right, rule)?).with_context(|| format!("{} could not be written", path.display()))?;
    let result = work();
    fs::write(&path, right).with_context(|| format!("{} could not be written", path.display()))?;
    result
}

/// The scenarios that fail when the library's test is run, as any version, each once.
fn failures(command: &mut Command) -> anyhow::Result<Vec<String>> {
    let output = command.output().context("cargo could not be started")?;
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(printed.contains("test result: "), "the wrong rule does not compile:\n{errors}");
    let mut paths: Vec<String> = printed.lines().filter_map(failed_scenario).map(str::to_owned).collect();
    ensure!(output.status.success() || !paths.is_empty(), "the test failed without naming a scenario:\n{printed}");
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

/// The path in a line `failed VERSION PATH` of the library's test.
fn failed_scenario(line: &str) -> Option<&str> {
    line.strip_prefix("failed ")?.split_once(' ').map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_rule_fits_the_core_and_names_a_scenario_that_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for rule in WRONG_RULES {
            let text = fs::read_to_string(root.join(file(rule))).unwrap();
            assert_ne!(break_rule(&text, rule).unwrap(), text, "{}", rule.name);
            assert!(root.join("scenarios").join(rule.scenario).is_file(), "{}: {}", rule.name, rule.scenario);
            assert!(!rule.about.is_empty() && !rule.section.is_empty(), "{}", rule.name);
        }
        assert!(WRONG_RULES.len() >= 10);
    }

    #[test]
    fn failing_scenarios_are_read_from_what_the_test_prints() {
        for (line, path) in
            [("failed 2.10.26 acks/a.scn", Some("acks/a.scn")), ("    12: the transcript is not what came", None), ("failed", None)]
        {
            assert_eq!(failed_scenario(line), path, "{line}");
        }
    }
}
