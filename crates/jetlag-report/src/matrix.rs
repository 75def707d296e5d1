//! The coverage matrix: requirements against scenarios, faults, metrics and alerts, with a status that is computed from a run of the suite
//! and never typed. The list of requirements is `requirements`', what is wrong with a matrix `judge`'s, the page `page`'s.

mod judge;
mod page;
mod requirements;

use std::collections::{BTreeMap, BTreeSet};

use jetlag_metrics::Contract;
use jetlag_runner::{FileReport, FileRun, Verdict};
use jetlag_scenario::{Command, Conform, Expect, Scenario};
use serde::Serialize;

pub use judge::{Problem, ProblemKind};
pub use page::{PageError, json, page};
pub use requirements::{Family, Numbering, Requirement, Requirements, RequirementsError};

/// The name and version of the schema of the matrix as JSON.
pub const SCHEMA: &str = "jetlag-coverage/1";

/// How far a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Scenarios show it, all of them hold, and every metric and alert that it names is asserted by one of them.
    Covered,
    /// Scenarios show it and hold, but a metric or an alert that it names is asserted by none of them.
    Partial,
    /// A scenario that shows it fails, or was not run.
    Failing,
    /// No scenario shows it.
    Uncovered,
    /// One broker and its clients can not show it; the reason is given.
    Elsewhere,
}

impl Status {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Covered => "covered",
            Status::Partial => "partial",
            Status::Failing => "failing",
            Status::Uncovered => "uncovered",
            Status::Elsewhere => "elsewhere",
        }
    }
}

/// The matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The version of nats-server that the simulator played.
    pub server: String,
    /// How many requirements have each status, in the order of [`Status`], those that none has left out.
    pub totals: BTreeMap<Status, usize>,
    /// The requirements, family by family, in the order of the list.
    pub families: Vec<FamilyRows>,
    /// The scenarios that show a requirement, by path.
    pub scenarios: Vec<ScenarioRow>,
}

/// The requirements of a family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FamilyRows {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// Where its requirements are written.
    pub source: String,
    /// How many of its requirements have each status.
    pub totals: BTreeMap<Status, usize>,
    /// Its requirements.
    pub requirements: Vec<Row>,
}

/// A requirement, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// What it asks for.
    pub title: String,
    /// How far it is met.
    pub status: Status,
    /// The scenarios that show it, by path.
    pub scenarios: Vec<String>,
    /// The faults that acted in them, such as `drop ack`.
    pub faults: Vec<String>,
    /// The metrics that they assert.
    pub metrics: Vec<String>,
    /// The alerts whose rules are tested on them.
    pub alerts: Vec<String>,
    /// Metrics and alerts that it names and none of them asserts.
    pub missing: Vec<String>,
    /// Why nothing here can show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
}

/// A scenario that shows a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScenarioRow {
    /// Where it is.
    pub path: String,
    /// Its claim.
    pub title: String,
    /// The requirements it shows.
    pub ids: Vec<String>,
    /// Its verdict.
    pub verdict: String,
    /// Whether a real server has been asked: `yes`, `not yet`, or why none can be.
    pub confirmed: String,
    /// Virtual time that went by.
    pub virtual_time: String,
    /// Deliveries.
    pub deliveries: u64,
    /// Of these, redeliveries.
    pub redeliveries: u64,
    /// Lines of transcript that were compared.
    pub lines: usize,
    /// Checks that were evaluated.
    pub checks: Vec<String>,
    /// Its fault rules.
    pub faults: Vec<FaultRow>,
    /// The metrics that it asserts.
    pub metrics: Vec<String>,
    /// The alerts of which it says whether they fire.
    pub alerts: Vec<String>,
}

/// A fault rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultRow {
    /// Its id in the file.
    pub id: String,
    /// What it does to what, such as `drop ack`.
    pub what: String,
    /// How often it acted.
    pub hits: u64,
}

/// The matrix, and what is wrong with it.
pub fn matrix(
    requirements: &Requirements,
    reports: &[FileReport],
    server: jetlag_model::ServerVersion,
    contract: &Contract,
) -> (Matrix, Vec<Problem>) {
    let facts: Vec<Facts<'_>> = reports.iter().filter_map(|report| report.result.as_ref().ok()).map(|run| Facts::of(run, server)).collect();
    let known: BTreeSet<&str> = requirements.all().map(|requirement| requirement.id.as_str()).collect();
    let shows = |facts: &Facts<'_>| facts.ids().any(|id| known.contains(id));
    let families: Vec<FamilyRows> = requirements.families.iter().map(|family| family_rows(family, &facts)).collect();
    let mut totals = BTreeMap::new();
    for row in families.iter().flat_map(|family| &family.requirements) {
        *totals.entry(row.status).or_insert(0) += 1;
    }
    let scenarios = facts.iter().filter(|facts| shows(facts)).map(|facts| facts.row(&known)).collect();
    let problems = judge::problems(requirements, &families, &facts, reports, contract);
    (Matrix { schema: SCHEMA, server: server.to_string(), totals, families, scenarios }, problems)
}

/// What a scenario showed when it was run.
pub(crate) struct Facts<'r> {
    path: String,
    run: &'r FileRun,
    lines: usize,
    faults: Vec<FaultRow>,
    metrics: BTreeSet<String>,
    alerts: BTreeSet<String>,
}

impl<'r> Facts<'r> {
    fn of(run: &'r FileRun, server: jetlag_model::ServerVersion) -> Facts<'r> {
        let scenario = &run.file.scenario;
        let compared = scenario.blocks.iter().filter_map(|block| block.transcript_for(server));
        let faults = run.outcome.rules.iter().map(|report| FaultRow {
            id: report.id.to_string(),
            what: what_a_rule_does(scenario, &report.id),
            hits: report.hits,
        });
        Facts {
            path: run.file.path.strip_prefix(".").unwrap_or(&run.file.path).display().to_string(),
            run,
            lines: compared.map(|(_, transcript)| transcript.lines.len()).sum(),
            faults: faults.collect(),
            metrics: asserted_metrics(scenario),
            alerts: run.outcome.alerts.iter().map(|alert| alert.name.clone()).collect(),
        }
    }

    fn ids(&self) -> impl Iterator<Item = &'r str> {
        self.run.file.scenario.header.ids.iter().map(String::as_str)
    }

    fn holds(&self) -> bool {
        matches!(self.run.outcome.verdict, Verdict::Pass | Verdict::Unconfirmed) && self.run.nondeterminism.is_none()
    }

    fn row(&self, known: &BTreeSet<&str>) -> ScenarioRow {
        let outcome = &self.run.outcome;
        let header = &self.run.file.scenario.header;
        ScenarioRow {
            path: self.path.clone(),
            title: header.title.clone(),
            ids: self.ids().filter(|id| known.contains(id)).map(str::to_owned).collect(),
            verdict: outcome.verdict.to_string(),
            confirmed: match (&header.conform, &header.unconfirmed) {
                (Conform::No(reason), _) => reason.clone(),
                (Conform::Yes, Some(_)) => "not yet".to_owned(),
                (Conform::Yes, None) => "yes".to_owned(),
            },
            virtual_time: outcome.virtual_time.to_string(),
            deliveries: outcome.deliveries,
            redeliveries: outcome.redeliveries,
            lines: self.lines,
            checks: outcome.checks.iter().map(|check| check.name.as_str().to_owned()).collect::<BTreeSet<_>>().into_iter().collect(),
            faults: self.faults.clone(),
            metrics: self.metrics.iter().cloned().collect(),
            alerts: self.alerts.iter().cloned().collect(),
        }
    }
}

fn family_rows(family: &Family, facts: &[Facts<'_>]) -> FamilyRows {
    let rows: Vec<Row> = family.requirements.iter().map(|requirement| row(requirement, facts)).collect();
    let mut totals = BTreeMap::new();
    for row in &rows {
        *totals.entry(row.status).or_insert(0) += 1;
    }
    FamilyRows { name: family.name.clone(), title: family.title.clone(), source: family.source.clone(), totals, requirements: rows }
}

fn row(requirement: &Requirement, facts: &[Facts<'_>]) -> Row {
    let showing: Vec<&Facts<'_>> = facts.iter().filter(|facts| facts.ids().any(|id| id == requirement.id)).collect();
    let metrics: BTreeSet<&String> = showing.iter().flat_map(|facts| &facts.metrics).collect();
    let acted = showing.iter().flat_map(|facts| &facts.faults).filter(|fault| fault.hits > 0);
    let faults: BTreeSet<&String> = acted.map(|fault| &fault.what).collect();
    let alerts: BTreeSet<&String> = showing.iter().flat_map(|facts| &facts.alerts).collect();
    let asserted = |name: &&String| metrics.contains(name) || alerts.contains(name);
    let missing: Vec<String> = requirement.metrics.iter().chain(&requirement.alerts).filter(|name| !asserted(name)).cloned().collect();
    let status = match () {
        () if showing.is_empty() && requirement.elsewhere.is_some() => Status::Elsewhere,
        () if showing.is_empty() => Status::Uncovered,
        () if !showing.iter().all(|facts| facts.holds()) => Status::Failing,
        () if !missing.is_empty() => Status::Partial,
        () => Status::Covered,
    };
    let owned = |texts: BTreeSet<&String>| texts.into_iter().cloned().collect();
    Row {
        id: requirement.id.clone(),
        title: requirement.title.clone(),
        status,
        scenarios: showing.iter().map(|facts| facts.path.clone()).collect(),
        faults: owned(faults),
        metrics: owned(metrics),
        alerts: owned(alerts),
        missing: if showing.is_empty() { Vec::new() } else { missing },
        elsewhere: requirement.elsewhere.clone(),
    }
}

/// What a rule does to what: its effect's word, and the kinds of crossings it asks for.
fn what_a_rule_does(scenario: &Scenario, id: &str) -> String {
    let steps = scenario.blocks.iter().flat_map(|block| &block.steps);
    let rule = steps.into_iter().find(|step| matches!(&step.command, Command::Fault(spec) if &*spec.rule.id == id));
    let Some(rule) = rule else { return "?".to_owned() };
    // As it is printed: `fault ID EFFECT ARGUMENTS kind=...`.
    let text = rule.to_string();
    let line = text.lines().find(|line| line.contains("fault ")).unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|word| !word.ends_with("fault")).skip(2);
    let effect = words.next().unwrap_or("?").to_owned();
    let kind = words.find_map(|word| word.trim_end_matches(')').strip_prefix("kind=").map(str::to_owned));
    match kind {
        Some(kind) => format!("{effect} {kind}"),
        None => effect,
    }
}

/// The metrics that a scenario asserts.
fn asserted_metrics(scenario: &Scenario) -> BTreeSet<String> {
    let steps = scenario.blocks.iter().flat_map(|block| &block.steps);
    let metrics = steps.filter_map(|step| match &step.command {
        Command::Expect(Expect::Metric(metric)) => Some(metric.name.to_string()),
        _ => None,
    });
    metrics.collect()
}
