//! Every rule that separates versions has a scenario in the library that depends on it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jetlag_core::{Rule, VersionRule, version_rules};
use jetlag_model::ServerVersion;
use jetlag_runner::{RunOptions, ScenarioFile, find_files, run_simulated, separation};
use jetlag_scenario::Conform;

/// Rules that no scenario can show, each with the reason.
const UNSHOWN: &[(&str, &str)] = &[("aged-looked-for-soon", "it is about how late a real server is, and the simulator never is")];

/// What real servers confirm, in the order of how much happens in it: what is long is not played for each border, if what is short shows them.
fn library() -> Vec<ScenarioFile> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = find_files(&[root]).expect("the library is there");
    let files = files.iter().map(|path| ScenarioFile::read(path, &RunOptions::default()).expect("a scenario"));
    let mut files: Vec<_> = files.filter(|file| !matches!(file.scenario.header.conform, Conform::No(_))).collect();
    files.sort_by_cached_key(|file| run_simulated(&file.scenario, &RunOptions::default()).trace.len());
    files
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
    let mut missing: BTreeMap<Rule, &str> = version_rules().map(|rule| (rule.rule, rule.name)).collect();
    // Each border is crossed once a scenario, whatever number of rules have it.
    let mut borders: BTreeMap<(ServerVersion, ServerVersion), Vec<Rule>> = BTreeMap::new();
    for rule in version_rules() {
        for border in sides(&rule) {
            borders.entry(border).or_default().push(rule.rule);
        }
    }
    for file in library() {
        borders.retain(|_, rules| rules.iter().any(|rule| missing.contains_key(rule)));
        for (after, before) in borders.keys() {
            let separation = separation(&file.scenario, &RunOptions::default(), *after, *before);
            missing.retain(|rule, _| separation.rules.iter().all(|found| found.rule != *rule));
        }
    }
    let unshown: Vec<&str> = missing.into_values().collect();
    let listed: Vec<&str> = UNSHOWN.iter().map(|(name, _)| *name).collect();
    assert_eq!(unshown, listed, "each rule that no scenario depends on is listed with its reason, and no other is");
}
