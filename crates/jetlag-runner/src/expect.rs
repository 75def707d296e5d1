//! `expect`: what metrics are and by how much they changed, and which alerts fire. Alerts are not judged here: that is for Prometheus's own
//! tool, which is given them.

use jetlag_metrics::{Contract, Metrics, Snapshot, Source};
use jetlag_model::Time;
use jetlag_scenario::{Command, Expect, ExpectAlert, ExpectMetric, Mode, Scenario, Span, Step, Wanted};
use jetlag_sim::Backend;
use jetlag_trace::{Key, Kind, Labels, Place, Record};

use crate::Failure;
use crate::run::{Run, StepPlace};

/// An alert that must, or must not, fire at some instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertExpectation {
    /// The line of the command, counted from 1.
    pub line: usize,
    /// When.
    pub at: Time,
    /// The alert's name.
    pub name: String,
    /// Whether it fires.
    pub fires: bool,
    /// Labels that it has.
    pub labels: Labels,
}

/// What became of an `expect metric` or `expect no-other-metric`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationReport {
    /// The line of the command, counted from 1.
    pub line: usize,
    /// The metric it is about; `None` for `no-other-metric`.
    pub metric: Option<String>,
    /// Whether it could be judged: on a real server, what happens inside it can not.
    pub seen: bool,
    /// Why it does not hold.
    pub failure: Option<String>,
}

/// Metrics as a run goes on, and what expectations compare.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) metrics: Metrics,
    /// How things stood at the last expectations.
    before: Snapshot,
    /// Expectations in a row: how things stand, and what the row has named so far.
    row: Option<(Snapshot, Vec<(String, Labels)>)>,
    pub(crate) reports: Vec<ExpectationReport>,
    pub(crate) alerts: Vec<AlertExpectation>,
}

impl Ledger {
    /// Another command: the row of expectations is over, and the next one counts from where this one stood.
    pub(crate) fn end_row(&mut self) {
        if let Some((now, _)) = self.row.take() {
            self.before = now;
        }
    }

    /// Takes note of what happened.
    pub(crate) fn follow(&mut self, records: &[Record]) {
        self.metrics.add_all(records);
    }

    /// In what all that was counted breaks the contract.
    pub(crate) fn violations(&self, contract: &Contract) -> Vec<Failure> {
        contract.violations(&self.metrics.snapshot()).into_iter().map(|violation| Failure::Contract(violation.to_string())).collect()
    }

    /// Why an expectation does not hold.
    fn judge(&mut self, contract: &Contract, all: bool, expect: &Expect) -> Option<String> {
        if self.row.is_none() {
            self.row = Some((self.metrics.snapshot(), Vec::new()));
        }
        let (now, named) = self.row.as_mut()?;
        match expect {
            Expect::Metric(metric) => {
                let labels: Labels = metric.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                named.push((metric.name.to_string(), labels.clone()));
                if !all && source(contract, &metric.name) == Source::Server {
                    return None;
                }
                disagreement(metric, &labels, &self.before, now)
            }
            Expect::NoOtherMetric(of) => {
                let wanted = |name: &str| match of.as_ref().map(|of| of.as_str()) {
                    None => true,
                    Some(of) => of.strip_suffix('*').map_or(name == of, |prefix| name.starts_with(prefix)),
                };
                let others = now.changes_since(&self.before).into_iter().filter(|changed| {
                    let series = &changed.series;
                    let is_named = named.iter().any(|(name, labels)| *name == *series.name && series.labels.include(labels));
                    wanted(&series.name) && !is_named && (all || source(contract, &series.name) == Source::Client)
                });
                let others: Vec<String> = others.map(|changed| changed.to_string()).collect();
                (!others.is_empty()).then(|| format!("more has changed: {}", some(&others)))
            }
            Expect::Alert(_) => None,
        }
    }
}

/// Whose knowledge a metric is; what is not in the contract is a client's.
fn source(contract: &Contract, name: &str) -> Source {
    contract.spec(name).map_or(Source::Client, |spec| spec.source)
}

fn disagreement(metric: &ExpectMetric, labels: &Labels, before: &Snapshot, now: &Snapshot) -> Option<String> {
    let (was, is) = (before.sum(&metric.name, labels), now.sum(&metric.name, labels));
    let (agrees, what) = match metric.wanted {
        Wanted::Change(by) => (is - was == by.as_f64(), format!("it changed by {:+}, from {was} to {is}", is - was)),
        Wanted::Value(value) => (is == value.as_f64(), format!("it is {is}")),
    };
    if agrees {
        return None;
    }
    let series: Vec<String> = now.of(&metric.name).map(|(series, value)| format!("{series} {value}")).collect();
    let there = if series.is_empty() { "it has no series".to_owned() } else { format!("there are {}", some(&series)) };
    Some(format!("{what}; {there}"))
}

/// The first few, and how many more.
fn some(all: &[String]) -> String {
    const FEW: usize = 5;
    let more = if all.len() > FEW { format!(" and {} more", all.len() - FEW) } else { String::new() };
    format!("{}{more}", all.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", "))
}

impl<B: Backend> Run<'_, B> {
    /// Judges an expectation about metrics, or notes one about alerts.
    pub(crate) fn expect(&mut self, place: StepPlace, step: &Step, expect: &Expect) {
        self.look(place.block, step);
        if let Expect::Alert(ExpectAlert { name, fires, labels }) = expect {
            let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let alert = AlertExpectation { line: step.line(), at: self.script_now(), name: name.to_string(), fires: *fires, labels };
            return self.ledger.alerts.push(alert);
        }
        let all = self.options.evaluate_checks;
        let contract = &self.options.contract;
        let metric = match expect {
            Expect::Metric(metric) => Some(metric.name.to_string()),
            Expect::NoOtherMetric(_) | Expect::Alert(_) => None,
        };
        let seen = all || metric.as_ref().is_none_or(|name| source(contract, name) == Source::Client);
        let failure = self.ledger.judge(contract, all, expect);
        let must_fail = step.mode == Mode::MustFail;
        // Unseen, it says what its line expects.
        let failed = failure.is_some() || (must_fail && !seen);
        if let (Some(message), false) = (&failure, must_fail) {
            self.fail(Failure::Expectation { line: step.line(), message: format!("{}: {message}", step.command) });
        }
        self.ledger.reports.push(ExpectationReport { line: step.line(), metric, seen, failure });
        let record = |kind| Record::new(self.world.now(), Place::Script, kind);
        let judged = record(Kind::Check).with(Key::Name, step.command.word()).with(Key::Verdict, if failed { "failed" } else { "ok" });
        let said = if failed { record(Kind::ApiReply).with(Key::Text, format!("{}: failed", step.command)) } else { record(Kind::Ok) };
        self.world.record(judged);
        self.world.record(said);
    }
}

/// What is wrong with the metrics that a scenario names, each with its place in the text.
pub(crate) fn problems(scenario: &Scenario, contract: &Contract) -> Vec<(Span, String)> {
    let steps = scenario.blocks.iter().flat_map(|block| &block.steps);
    let expected = steps.filter_map(|step| match &step.command {
        Command::Expect(Expect::Metric(metric)) => Some(metric),
        _ => None,
    });
    let problem = |metric: &ExpectMetric| {
        let Some(spec) = contract.spec(&metric.name) else {
            return Some(format!("{} is not in the contract of the metrics", metric.name));
        };
        let has = |label: &str| spec.required.contains(label) || spec.optional.contains(label);
        let (label, _) = metric.labels.iter().find(|(label, _)| !has(label))?;
        let all: Vec<&str> = spec.required.iter().chain(&spec.optional).map(String::as_str).collect();
        Some(match all.as_slice() {
            [] => format!("{} has no label {label}; it has none", metric.name),
            all => format!("{} has no label {label}; it has {}", metric.name, all.join(", ")),
        })
    };
    expected.filter_map(|metric| Some((metric.name.span, problem(metric)?))).collect()
}
