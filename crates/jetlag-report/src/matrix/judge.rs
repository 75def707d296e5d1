//! What is wrong with a matrix: holes, orphans, names that nobody knows, rules that tested nothing.

use std::collections::BTreeSet;
use std::fmt;

use jetlag_metrics::Contract;
use jetlag_runner::FileReport;

use super::{Facts, FamilyRows, Requirements, Status};

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// A file that could not be run.
    Unreadable,
    /// A requirement that no scenario shows.
    Uncovered,
    /// A scenario that shows a requirement and does not hold, or was not run.
    DoesNotHold,
    /// A metric or an alert that a requirement names, and that no scenario which shows it asserts.
    Unasserted,
    /// A requirement that is said to be out of reach, and that a scenario shows.
    ShownAfterAll,
    /// An id of a scenario that is neither a requirement nor numbers something else.
    Orphan,
    /// An id that a scenario names twice.
    UsedTwice,
    /// A fault rule that never acted, in a scenario that shows a requirement.
    NeverHit,
    /// A metric or an alert that is not there.
    Unknown,
    /// A generated file that is not what would be generated.
    Stale,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// What, and what to do about it.
    pub text: String,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: ProblemKind, text: impl Into<String>) -> Problem {
        Problem { kind, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ProblemKind::Unreadable => "unreadable",
            ProblemKind::Uncovered => "uncovered",
            ProblemKind::DoesNotHold => "does not hold",
            ProblemKind::Unasserted => "unasserted",
            ProblemKind::ShownAfterAll => "shown after all",
            ProblemKind::Orphan => "orphan",
            ProblemKind::UsedTwice => "used twice",
            ProblemKind::NeverHit => "never hit",
            ProblemKind::Unknown => "unknown",
            ProblemKind::Stale => "stale",
        };
        write!(f, "{kind}: {}", self.text)
    }
}

/// All that is wrong, in the order of the kinds.
pub(super) fn problems(
    requirements: &Requirements,
    families: &[FamilyRows],
    facts: &[Facts<'_>],
    reports: &[FileReport],
    contract: &Contract,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut found = |kind, text: String| problems.push(Problem::new(kind, text));
    for report in reports.iter().filter(|report| report.result.is_err()) {
        found(ProblemKind::Unreadable, format!("{} can not be run", report.path.display()));
    }
    for row in families.iter().flat_map(|family| &family.requirements) {
        if row.status == Status::Uncovered {
            found(ProblemKind::Uncovered, format!("{} ({}): no scenario has it in `ids:`", row.id, row.title));
        }
        for name in &row.missing {
            found(ProblemKind::Unasserted, format!("{}: none of its scenarios asserts {name}", row.id));
        }
        if let (false, Some(reason)) = (row.scenarios.is_empty(), &row.elsewhere) {
            let text = format!("{}: the list says {reason:?}, but {} shows it; drop `elsewhere`", row.id, row.scenarios.join(", "));
            found(ProblemKind::ShownAfterAll, text);
        }
    }
    for requirement in requirements.all() {
        for name in requirement.metrics.iter().filter(|name| contract.spec(name).is_none()) {
            found(ProblemKind::Unknown, format!("{}: no metric {name} is in the contract", requirement.id));
        }
    }
    for facts in facts {
        for name in facts.metrics.iter().filter(|name| contract.spec(name).is_none()) {
            found(ProblemKind::Unknown, format!("{}: it asserts {name}, and no metric of that name is in the contract", facts.path));
        }
    }
    let known: BTreeSet<&str> = requirements.all().map(|requirement| requirement.id.as_str()).collect();
    for facts in facts {
        judge_scenario(facts, requirements, &known, &mut found);
    }
    problems.sort();
    problems
}

fn judge_scenario(facts: &Facts<'_>, requirements: &Requirements, known: &BTreeSet<&str>, found: &mut impl FnMut(ProblemKind, String)) {
    let path = &facts.path;
    let mut seen = BTreeSet::new();
    for id in facts.ids() {
        if !seen.insert(id) {
            found(ProblemKind::UsedTwice, format!("{path}: `ids:` names {id} twice"));
        }
        if !known.contains(id) && !requirements.is_numbered_elsewhere(id) {
            found(
                ProblemKind::Orphan,
                format!("{path}: nobody asks for {id}; the list of requirements has neither it nor a numbering for it"),
            );
        }
    }
    if !facts.ids().any(|id| known.contains(id)) {
        return;
    }
    if !facts.holds() {
        let verdict = match &facts.run.nondeterminism {
            Some(found) => found.to_string(),
            None => facts.run.outcome.verdict.to_string(),
        };
        found(ProblemKind::DoesNotHold, format!("{path}: {verdict}"));
    }
    for rule in facts.faults.iter().filter(|rule| rule.hits == 0) {
        found(ProblemKind::NeverHit, format!("{path}: fault {} never acted", rule.id));
    }
}
