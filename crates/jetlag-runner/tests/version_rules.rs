//! Every rule that separates versions has a scenario in the library that depends on it.

use std::path::PathBuf;

use jetlag_core::{VersionRule, version_rules};
use jetlag_model::ServerVersion;
use jetlag_runner::{RunOptions, ScenarioFile, find_files, separation};

/// Rules that no scenario can show, each with the reason.
const UNSHOWN: &[(&str, &str)] = &[("aged-looked-for-soon", "it is about how late a real server is, and the simulator never is")];

fn library() -> Vec<ScenarioFile> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = find_files(&[root]).expect("the library is there");
    files.iter().map(|path| ScenarioFile::read(path, &RunOptions::default()).expect("a scenario")).collect()
}

/// A version for which the rule holds, and one just outside.
fn sides(rule: &VersionRule) -> impl Iterator<Item = (ServerVersion, ServerVersion)> {
    rule.ranges.iter().map(|range| (range.from, before(range.from)))
}

/// Some version before this one; the rules know no gaps.
fn before(version: ServerVersion) -> ServerVersion {
    let ServerVersion { major, minor, patch, .. } = version;
    match patch {
        0 => ServerVersion::new(major, minor - 1, 999),
        _ => ServerVersion::new(major, minor, patch - 1),
    }
}

#[test]
fn every_version_rule_has_a_scenario_that_depends_on_it() {
    let library = library();
    let depends = |rule: &VersionRule| {
        library.iter().any(|file| {
            sides(rule).any(|(after, before)| {
                let separation = separation(&file.scenario, &RunOptions::default(), after, before);
                separation.rules.iter().any(|found| found.rule == rule.rule)
            })
        })
    };
    let unshown: Vec<&str> = version_rules().filter(|rule| !depends(rule)).map(|rule| rule.name).collect();
    let listed: Vec<&str> = UNSHOWN.iter().map(|(name, _)| *name).collect();
    assert_eq!(unshown, listed, "each rule that no scenario depends on is listed with its reason, and no other is");
}
