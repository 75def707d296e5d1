//! The same scenarios under other circumstances must leave the same trace files, byte by byte.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::command::{Profile, Workspace};

/// A way to run the scenarios that must not show in what they do.
struct Circumstance {
    name: &'static str,
    profile: Profile,
    jobs: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

/// The first is what the others are compared with; each is a process of its own.
const CIRCUMSTANCES: [Circumstance; 4] = [
    Circumstance { name: "release", profile: Profile::Release, jobs: "1", environment: &[] },
    Circumstance { name: "two-jobs", profile: Profile::Release, jobs: "2", environment: &[] },
    Circumstance {
        name: "elsewhere",
        profile: Profile::Release,
        jobs: "1",
        environment: &[
            ("LC_ALL", "tr_TR.UTF-8"),
            ("LANG", "tr_TR.UTF-8"),
            ("TZ", "Pacific/Kiritimati"),
            ("COLUMNS", "20"),
            ("NO_COLOR", "1"),
            ("USER", "somebody-else"),
        ],
    },
    Circumstance { name: "debug", profile: Profile::Debug, jobs: "1", environment: &[] },
];

/// Runs of each scenario in one process, whose digests must be one.
const REPETITIONS: &str = "20";

/// File names and their contents.
type Traces = BTreeMap<String, Vec<u8>>;

/// Runs the scenarios under each circumstance and says how many traces were compared.
///
/// # Errors
///
/// Names the first trace, and its first line, that differs.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<usize> {
    let mut expected: Option<Traces> = None;
    for circumstance in &CIRCUMSTANCES {
        let traces = run(workspace, circumstance)?;
        println!("{}: {} traces, {} bytes", circumstance.name, traces.len(), traces.values().map(Vec::len).sum::<usize>());
        match &expected {
            None => {
                ensure!(!traces.is_empty(), "jetlag run --trace left no trace");
                expected = Some(traces);
            }
            Some(expected) => {
                let difference = first_difference(expected, &traces);
                ensure!(
                    difference.is_none(),
                    "{} differs from {}: {}",
                    circumstance.name,
                    CIRCUMSTANCES[0].name,
                    difference.unwrap_or_default()
                );
            }
        }
    }
    succeed(workspace.jetlag(Profile::Release).args(["run", "--runs", REPETITIONS, "--jobs", "2"]), "repeated")?;
    println!("repeated: {REPETITIONS} runs in one process, one digest each");
    Ok(expected.map_or(0, |traces| traces.len()))
}

fn run(workspace: &Workspace, circumstance: &Circumstance) -> anyhow::Result<Traces> {
    let directory = workspace.scratch(&format!("traces-{}", circumstance.name))?;
    let mut command = workspace.jetlag(circumstance.profile);
    command.args(["run", "--jobs", circumstance.jobs, "--trace"]).arg(&directory).envs(circumstance.environment.iter().copied());
    succeed(&mut command, circumstance.name)?;
    let mut traces = Traces::new();
    read(&directory, "", &mut traces)?;
    Ok(traces)
}

/// Runs `command`, whose output matters only if it fails.
fn succeed(command: &mut Command, name: &str) -> anyhow::Result<()> {
    let output = command.output().context("cargo run could not be started")?;
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{name}: {}\n{}{}", output.status, printed(&output.stdout), printed(&output.stderr));
    Ok(())
}

fn read(directory: &Path, prefix: &str, traces: &mut Traces) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{name}/"), traces)?;
        } else {
            traces.insert(name, std::fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Where two sets of traces first differ, as `file:line` and what is wrong there.
fn first_difference(expected: &Traces, found: &Traces) -> Option<String> {
    let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    names.into_iter().find_map(|name| match (expected.get(name), found.get(name)) {
        (Some(expected), Some(found)) if expected == found => None,
        (Some(expected), Some(found)) => Some(format!("{name}:{}: the bytes differ", first_differing_line(expected, found))),
        (Some(_), None) => Some(format!("{name}: is missing")),
        (None, _) => Some(format!("{name}: is new")),
    })
}

/// Counted from 1.
fn first_differing_line(a: &[u8], b: &[u8]) -> usize {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    1 + a[..same].iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(files: &[(&str, &str)]) -> Traces {
        files.iter().map(|&(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn the_first_difference_is_named() {
        let expected = traces(&[("a", "1\n2\n"), ("b/c", "1\n2\n")]);
        for (found, difference) in [
            (traces(&[("a", "1\n2\n"), ("b/c", "1\n2\n")]), None),
            (traces(&[("a", "1\n2\n"), ("b/c", "1\n3\n")]), Some("b/c:2: the bytes differ")),
            (traces(&[("a", "1\n2\n"), ("b/c", "1\n2\n3\n")]), Some("b/c:3: the bytes differ")),
            (traces(&[("a", "0\n2\n"), ("b/c", "0\n2\n")]), Some("a:1: the bytes differ")),
            (traces(&[("a", "1\n2\n")]), Some("b/c: is missing")),
            (traces(&[("a", "1\n2\n"), ("aa", ""), ("b/c", "1\n2\n")]), Some("aa: is new")),
        ] {
            assert_eq!(first_difference(&expected, &found).as_deref(), difference);
        }
    }
}
