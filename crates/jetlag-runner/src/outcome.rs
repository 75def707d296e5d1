//! What came of a run.

use std::fmt;

use jetlag_fault::Report;
use jetlag_metrics::Metrics;
use jetlag_model::{Duration, Time};
use jetlag_scenario::CheckName;
use jetlag_trace::{Digest, Trace};

use crate::{AlertExpectation, ExpectationReport};

/// The verdict of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All transcripts are as expected and all checks hold.
    Pass,
    /// Something is not as expected.
    Fail,
    /// The scenario is not about this version of the server.
    Skip,
    /// As [`Verdict::Pass`], but no real server has confirmed the transcripts yet.
    Unconfirmed,
}

impl Verdict {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Skip => "skip",
            Verdict::Unconfirmed => "unconfirmed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A block whose transcript is not what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The block's index in the scenario.
    pub block: usize,
    /// The index in the block of the transcript that applies.
    pub transcript: usize,
    /// The line of the transcript's `----`, counted from 1.
    pub line: usize,
    /// What stands in the file.
    pub expected: Vec<String>,
    /// What came.
    pub got: Vec<String>,
}

/// One reason why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A transcript differs.
    Transcript(Mismatch),
    /// A step could not be done, or did not end as it says it must.
    Step {
        /// The step's line, counted from 1.
        line: usize,
        /// What was wrong.
        message: String,
    },
    /// A check does not hold, or had nothing to look at.
    Check {
        /// The line of the `check` command.
        line: usize,
        /// Which check.
        name: CheckName,
        /// What was wrong.
        message: String,
    },
    /// A fault rule never acted.
    RuleNeverFired {
        /// The rule's line.
        line: usize,
        /// How often it was asked and acted.
        report: Report,
    },
    /// A metric is not what is expected of it.
    Expectation {
        /// The line of the `expect` command.
        line: usize,
        /// What was wrong.
        message: String,
    },
    /// The metrics break their contract.
    Contract(String),
    /// The scenario has neither transcript nor check.
    NothingExpected,
}

impl Failure {
    /// The line it is about, counted from 1; 0 for the whole file.
    pub fn line(&self) -> usize {
        match self {
            Failure::Transcript(mismatch) => mismatch.line,
            Failure::Step { line, .. }
            | Failure::Check { line, .. }
            | Failure::Expectation { line, .. }
            | Failure::RuleNeverFired { line, .. } => *line,
            Failure::Contract(_) | Failure::NothingExpected => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Transcript(_) => f.write_str("the transcript is not what came"),
            Failure::Step { message, .. } | Failure::Expectation { message, .. } => f.write_str(message),
            Failure::Contract(message) => write!(f, "the metrics break their contract: {message}"),
            Failure::Check { name, message, .. } => write!(f, "check {}: {message}", name.as_str()),
            Failure::RuleNeverFired { report, .. } => {
                let Report { id, evaluated, matched, .. } = report;
                write!(f, "fault {id} never acted: it was asked about {evaluated} crossings, of which {matched} matched")
            }
            Failure::NothingExpected => {
                f.write_str("the file has neither a transcript nor a check, so it can not fail; write what is expected")
            }
        }
    }
}

/// What a check said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Which check.
    pub name: CheckName,
    /// How many things it looked at.
    pub evaluated: u64,
    /// How often each of its exemptions was used, by the exemption's name.
    pub exemptions: Vec<(&'static str, u64)>,
    /// Why it does not hold.
    pub failure: Option<String>,
}

/// One step that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRun {
    /// The block's index in the scenario.
    pub block: usize,
    /// The step's index in the block.
    pub step: usize,
    /// The step's line, counted from 1.
    pub line: usize,
    /// The number of its first record in the trace.
    pub first: usize,
    /// One past the number of its last record.
    pub end: usize,
    /// When it ended.
    pub ended: Time,
}

/// What came of one run of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it failed, in the order in which it was found. Empty unless it did.
    pub failures: Vec<Failure>,
    /// What came, block by block, one list a block.
    pub blocks: Vec<Vec<String>>,
    /// The steps that were carried out, in order.
    pub steps: Vec<StepRun>,
    /// What the checks said, in order.
    pub checks: Vec<CheckReport>,
    /// What became of expectations of metrics, in order.
    pub expectations: Vec<ExpectationReport>,
    /// The alerts that must, or must not, fire, in order. They are not judged by a run.
    pub alerts: Vec<AlertExpectation>,
    /// How much time went by in the run.
    pub virtual_time: Duration,
    /// Deliveries that clients got.
    pub deliveries: u64,
    /// Of these, those that were not the first attempt.
    pub redeliveries: u64,
    /// How often each fault rule was asked and acted.
    pub rules: Vec<Report>,
    /// Counters and gauges at the end of the run.
    pub metrics: Metrics,
    /// All that happened; of a run with more than [`RunOptions::most_records`](crate::RunOptions::most_records), the end of it.
    pub trace: Trace,
}

impl Outcome {
    /// The digest of all that happened.
    pub fn digest(&self) -> Digest {
        self.trace.digest()
    }

    /// How often fault rules acted.
    pub fn faults_hit(&self) -> u64 {
        self.rules.iter().map(|rule| rule.hits).sum()
    }

    /// The transcripts that differ.
    pub fn mismatches(&self) -> impl Iterator<Item = &Mismatch> {
        self.failures.iter().filter_map(|failure| match failure {
            Failure::Transcript(mismatch) => Some(mismatch),
            _ => None,
        })
    }
}
