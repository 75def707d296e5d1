//! Runs a scenario on any server that the simulation can drive: its transcript is compared or blessed, its checks are evaluated. How a real server
//! is driven is not known here, nor are sockets.
//!
//! Internal to jetlag and in lock step with it.

mod api;
mod checks;
mod expect;
mod outcome;
mod perform;
mod registry;
mod run;
mod separation;
mod suite;
mod transcript;
mod translate;

pub use expect::{AlertExpectation, ExpectationReport};
pub use jetlag_core::{VersionRule, version_rules};
pub use outcome::{CheckReport, Failure, Mismatch, Outcome, StepRun, Verdict};
pub use registry::{Registry, RegistryError};
pub use run::{Pace, RunOptions, StepPlace, VirtualPace, run_and_keep, run_on, run_simulated};
pub use separation::{Explanation, Separation, explanation, separation};
pub use suite::{
    Blessed, FileReport, FileRun, Nondeterminism, Repeat, ScenarioFile, SuiteError, Unreadable, bless_file, find_files, in_order,
    is_blessable, may_bless, replace, run_files,
};
pub use transcript::{push_line, shown};
