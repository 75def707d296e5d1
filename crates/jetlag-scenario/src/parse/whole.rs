//! What can be judged only with the whole file in view: ids given twice, ids nobody gave, time that would go back.

use jetlag_model::Duration;

use crate::diagnostic::Report;
use crate::{Advance, Command, FaultSpec, Name, SCRIPT, Scenario, Step};

/// Reports ids that are given twice. Holds also for a file of which some lines could not be read.
pub(super) fn duplicates(scenario: &Scenario, report: &mut Report<'_>) {
    let (mut faults, mut workers) = (Live::new("fault rule", "clear"), Live::new("worker", "stop"));
    for step in steps(scenario) {
        match &step.command {
            Command::Fault(spec) => faults.begin(spec.id(), report),
            Command::Clear(id) => faults.end(id, None),
            Command::Worker(worker) => workers.begin(worker.name.clone(), report),
            Command::Stop(name) => workers.end(name, None),
            _ => {}
        }
    }
}

/// Reports names that stand for nothing, and time that would go back. Would mislead if some lines could not be read.
pub(super) fn references(scenario: &Scenario, report: &mut Report<'_>) {
    let (mut faults, mut workers) = (Live::new("fault rule", "clear"), Live::new("worker", "stop"));
    let mut clients: Vec<&str> = vec![SCRIPT];
    // Cleared rules stay known: that one has acted can be waited for.
    let mut rules: Vec<Name> = Vec::new();
    for step in steps(scenario) {
        clients.extend(step.actor.as_ref().map(Name::as_str));
        match &step.command {
            Command::Client(client) => clients.push(&client.name),
            Command::Worker(worker) => clients.push(&worker.name),
            _ => {}
        }
    }
    // The least time that has passed: waiting and settling only add to it.
    let mut passed = Duration::ZERO;
    for step in steps(scenario) {
        match &step.command {
            Command::Fault(spec) => {
                for event in spec.events().filter(|event| !rules.contains(event)) {
                    let known: Vec<&str> = rules.iter().map(Name::as_str).collect();
                    let message = format!("no fault rule `{event}` above to wait for");
                    report.unknown(event.span, message, "not there", &event, &known);
                }
                rules.push(spec.id());
                faults.names.push(spec.id());
                judge_client(spec, &clients, report);
            }
            Command::Clear(id) => faults.end(id, Some(report)),
            Command::Worker(worker) => workers.names.push(worker.name.clone()),
            Command::Stop(name) => workers.end(name, Some(report)),
            Command::Advance(Advance::By(by)) => passed = passed + *by,
            Command::Advance(Advance::To(to)) if *to < passed => {
                let message = format!("time does not go back: {passed} have passed here");
                report.error(step.span, message, format!("expected start+{passed} or later"));
            }
            Command::Advance(Advance::To(to)) => passed = *to,
            _ => {}
        }
    }
}

fn steps(scenario: &Scenario) -> impl Iterator<Item = &Step> {
    scenario.blocks.iter().flat_map(|block| &block.steps)
}

fn judge_client(spec: &FaultSpec, clients: &[&str], report: &mut Report<'_>) {
    if let Some(client) = spec.client().filter(|client| !clients.contains(&client.as_str())) {
        let message = format!("a rule that can never match: there is no client `{client}`");
        report.unknown(client.span, message, "nobody has this name", &client, clients);
    }
}

/// The names that are in use at one place of the file.
struct Live {
    what: &'static str,
    /// The command that ends one.
    verb: &'static str,
    names: Vec<Name>,
}

impl Live {
    fn new(what: &'static str, verb: &'static str) -> Live {
        Live { what, verb, names: Vec::new() }
    }

    fn begin(&mut self, name: Name, report: &mut Report<'_>) {
        if let Some(first) = self.names.iter().find(|live| **live == name) {
            let message = format!("there is a {} `{name}` already, since line {}", self.what, first.span.line);
            report.error(name.span, message, "given twice").help(format!("choose another name, or `{} {name}` before", self.verb));
        }
        self.names.push(name);
    }

    fn end(&mut self, name: &Name, report: Option<&mut Report<'_>>) {
        let before = self.names.len();
        self.names.retain(|live| live != name);
        if let Some(report) = report.filter(|_| self.names.len() == before) {
            let known: Vec<&str> = self.names.iter().map(|live| live.as_str()).collect();
            report.unknown(name.span, format!("no {} `{name}` at this place", self.what), "not there", name, &known);
        }
    }
}
