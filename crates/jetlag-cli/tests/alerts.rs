//! The alert rules of docs/examples/alerts on the scenarios of scenarios/alerts and soak/alerts, judged by Prometheus's own tool: all of the repaired ones do what the scenarios
//! say, and of those as written exactly the ones that the README names do not.
//!
//! Without promtool (Debian's package `prometheus`) this is skipped, unless `JETLAG_REQUIRE_CLIENTS` is 1.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn promtool(arguments: &[&Path]) -> Option<(bool, String)> {
    match Command::new("promtool").args(["test", "rules"]).args(arguments).output() {
        Ok(output) => Some((output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())),
        Err(_) if std::env::var_os("JETLAG_REQUIRE_CLIENTS").is_some_and(|value| value == "1") => {
            panic!("promtool can not be run, and JETLAG_REQUIRE_CLIENTS is set; it is in Debian's package prometheus")
        }
        Err(_) => {
            println!("skipped: promtool is not there; it is in Debian's package prometheus");
            None
        }
    }
}

/// Where the scenarios are.
const FOLDERS: [&str; 2] = ["scenarios/alerts", "soak/alerts"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("the folder can be read").path()).collect()
}

/// What promtool finds wrong with rules on each scenario: `scenario: alert`.
fn wrong(rules: &str) -> Option<BTreeSet<String>> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let run = Command::new(env!("CARGO_BIN_EXE_jetlag"))
        .current_dir(root())
        .args(["run", FOLDERS[0], FOLDERS[1], "--promtool"])
        .arg(folder.path())
        .args(["--rules", rules])
        .output()
        .expect("jetlag can be run");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut wrong = BTreeSet::new();
    for path in FOLDERS.iter().flat_map(|name| {
        let tests = files(&folder.path().join(name));
        assert_eq!(tests.len(), files(&root().join(name)).len(), "a test for each scenario of {name}");
        tests
    }) {
        let (succeeded, said) = promtool(&[&path])?;
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").trim_end_matches(".test.json").to_owned();
        let failed: BTreeSet<&str> = said
            .lines()
            .filter(|line| line.trim_start().starts_with("expr: "))
            .filter_map(|line| line.split("alertname=\\\"").nth(1)?.split("\\\"").next())
            .collect();
        assert_eq!(succeeded, failed.is_empty(), "{said}");
        wrong.extend(failed.into_iter().map(|alert| format!("{name}: {alert}")));
    }
    Some(wrong)
}

#[test]
fn repaired_rules_do_what_the_scenarios_say() {
    if let Some(wrong) = wrong("docs/examples/alerts/repaired.yml") {
        assert_eq!(wrong, BTreeSet::new());
    }
}

#[test]
fn broken_rules_are_shown_to_be_broken() {
    let Some(wrong) = wrong("docs/examples/alerts/as-written.yml") else { return };
    let page = std::fs::read_to_string(root().join("docs/examples/alerts/README.md")).expect("there is a page");
    // Rows of the table: | alert | [scenario](...) | what is wrong |
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let alert = cells.next()?.trim_end_matches('`');
        let scenario = cells.next()?.strip_prefix('[')?.split(']').next()?;
        Some(format!("{scenario}: {alert}"))
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), wrong, "the table of docs/examples/alerts/README.md");
}
