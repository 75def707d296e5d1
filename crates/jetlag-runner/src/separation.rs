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
