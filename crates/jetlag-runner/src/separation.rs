//! What two versions of the server make of one scenario, and which named rules it is that separate them.

use jetlag_core::{VersionRule, version_rules};
use jetlag_model::ServerVersion;
use jetlag_scenario::Scenario;

use crate::{RunOptions, run_simulated};

/// How a scenario fares on two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Separation {
    /// Whether its transcripts are not the same on both.
    pub separated: bool,
    /// The rules of which each alone, turned to what it is in the other version, changes the first one's transcripts. None although it is
    /// [`separated`](Separation::separated) when it takes several together.
    pub rules: Vec<VersionRule>,
}

/// Plays a scenario as two versions, and as the first one with one rule of the second at a time.
pub fn separation(scenario: &Scenario, options: &RunOptions, a: ServerVersion, b: ServerVersion) -> Separation {
    let shown = |version, flipped| {
        let options = RunOptions { version, flipped, evaluate_checks: false, ..options.clone() };
        run_simulated(scenario, &options).blocks
    };
    let first = shown(a, None);
    if first == shown(b, None) {
        return Separation { separated: false, rules: Vec::new() };
    }
    let rules = version_rules().filter(|rule| rule.separates(a, b) && shown(a, Some(rule.rule)) != first).collect();
    Separation { separated: true, rules }
}

/// What may be behind lines that a real server showed and the simulator did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The rules of which each alone, turned, has the simulator show these lines.
    pub rules: Vec<VersionRule>,
    /// The compared versions as which the simulator shows these lines.
    pub versions: Vec<ServerVersion>,
}

/// Looks for what has the simulator show a block with `these` lines `instead_of` those that `options` make it show.
pub fn explanation(scenario: &Scenario, options: &RunOptions, instead_of: &[String], these: &[String]) -> Explanation {
    let shown = |version, flipped| {
        let options = RunOptions { version, flipped, evaluate_checks: false, ..options.clone() };
        run_simulated(scenario, &options).blocks
    };
    let Some(block) = shown(options.version, None).iter().position(|lines| lines == instead_of) else { return Explanation::default() };
    let shows_these = |version, flipped| shown(version, flipped).get(block).is_some_and(|lines| lines == these);
    Explanation {
        rules: version_rules().filter(|rule| shows_these(options.version, Some(rule.rule))).collect(),
        versions: ServerVersion::COMPARED.into_iter().filter(|version| shows_these(*version, None)).collect(),
    }
}
