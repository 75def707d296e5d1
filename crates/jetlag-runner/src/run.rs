//! One run of one scenario: step by step on a world, then transcripts, rules and checks are judged.

use std::collections::BTreeMap;
use std::sync::Arc;

use jetlag_core::CoreConfig;
use jetlag_fault::RuleId;
use jetlag_metrics::Contract;
use jetlag_model::{ServerVersion, Time, WallTime};
use jetlag_scenario::{AckCommand, AckVerb, Check, CheckName, Command, Expect, Mode, SCRIPT, Scenario, Step};
use jetlag_sim::{Backend, Simulated, World, WorldError};
use jetlag_trace::{Key, Kind, Place, Record, Trace, line};

use crate::checks::{Checks, Finding, Observed};
use crate::expect::Ledger;
use crate::transcript::{push_line, shown};
use crate::{CheckReport, Failure, Mismatch, Outcome, Registry, StepRun, Verdict};

/// How a scenario is run.
#[derive(Clone)]
pub struct RunOptions {
    /// What fault rules draw from, instead of the scenario's own seed.
    pub seed: Option<u64>,
    /// The server's version: of the simulator, or of the real one.
    pub version: ServerVersion,
    /// A rule of the simulated server that holds where it does not in this version, and the other way around.
    pub flipped: Option<jetlag_core::Rule>,
    /// The handlers that workers can name.
    pub registry: Registry,
    /// What metrics there may be.
    pub contract: Arc<Contract>,
    /// Whether checks are evaluated. A server that does not show its inside can not be checked; there, a check says `ok` unseen.
    pub evaluate_checks: bool,
    /// How many records are held. A run that makes more lets go of them again and again, so that it does not grow with its length; its digest,
    /// metrics, checks and transcripts are the same.
    pub most_records: usize,
}

/// Whether a trace holds so many records that it should let go of them. Once it has, it holds few at a time: they stay where the processor has them.
fn is_full(trace: &Trace, most: usize) -> bool {
    const FEW: usize = 512;
    trace.records().len() >= if trace.is_whole() { most } else { most.min(FEW) }
}

/// More than a scenario makes whose trace anybody would read.
const MOST_RECORDS: usize = 200_000;

impl Default for RunOptions {
    /// The scenario's own seed, the newest version, the shipped handlers and contract, and checks.
    fn default() -> RunOptions {
        RunOptions {
            seed: None,
            version: ServerVersion::NEWEST,
            flipped: None,
            registry: Registry::new(),
            contract: Arc::new(Contract::shipped().clone()),
            evaluate_checks: true,
            most_records: MOST_RECORDS,
        }
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepPlace {
    /// The block's index in the scenario.
    pub block: usize,
    /// The step's index in the block.
    pub step: usize,
}

/// How time goes by in a run: at once in simulated time, by waiting on a real server.
pub trait Pace<B: Backend> {
    /// A step was issued: lets happen what it leads to at once.
    ///
    /// # Errors
    /// What the world says.
    fn after_step(&mut self, world: &mut World<B>, place: StepPlace) -> Result<(), WorldError>;

    /// Lets time run to `to`, counted from the start of the run. It may stop on its way because the world holds so many records that somebody
    /// should look at them; it says whether it is there.
    ///
    /// # Errors
    /// What the world says.
    fn advance_to(&mut self, world: &mut World<B>, place: StepPlace, to: Time) -> Result<bool, WorldError>;

    /// Lets time run until the world has settled, and says when that was.
    ///
    /// # Errors
    /// What the world says.
    fn settle(&mut self, world: &mut World<B>, place: StepPlace) -> Result<Time, WorldError>;
}

/// Simulated time: it goes by at once.
#[derive(Clone, Copy, Debug)]
pub struct VirtualPace {
    /// How many records the world may hold before it stops.
    pub most_records: usize,
}

impl<B: Backend> Pace<B> for VirtualPace {
    fn after_step(&mut self, world: &mut World<B>, _: StepPlace) -> Result<(), WorldError> {
        world.finish_instant()
    }

    fn advance_to(&mut self, world: &mut World<B>, _: StepPlace, to: Time) -> Result<bool, WorldError> {
        world.advance_until(to, |world| is_full(world.trace(), self.most_records))
    }

    fn settle(&mut self, world: &mut World<B>, _: StepPlace) -> Result<Time, WorldError> {
        world.settle()
    }
}

/// Runs a scenario on the simulator.
pub fn run_simulated(scenario: &Scenario, options: &RunOptions) -> Outcome {
    run_on(
        Simulated::with_config(CoreConfig { flipped: options.flipped, ..CoreConfig::of(options.version) }),
        scenario,
        options,
        &mut VirtualPace { most_records: options.most_records },
    )
}

/// Runs a scenario on the simulator, whose wall clock shows `started` at the start, and gives the server as it is afterwards, too.
pub fn run_and_keep(scenario: &Scenario, options: &RunOptions, started: WallTime) -> (Outcome, Simulated) {
    let config = CoreConfig { flipped: options.flipped, ..CoreConfig::of(options.version) };
    run_whole(Simulated::starting(config, started), scenario, options, &mut VirtualPace { most_records: options.most_records })
}

/// Runs a scenario on a server that has just started and holds nothing.
pub fn run_on<B: Backend>(backend: B, scenario: &Scenario, options: &RunOptions, pace: &mut dyn Pace<B>) -> Outcome {
    run_whole(backend, scenario, options, pace).0
}

fn run_whole<B: Backend>(backend: B, scenario: &Scenario, options: &RunOptions, pace: &mut dyn Pace<B>) -> (Outcome, B) {
    let world = World::with_seed(backend, options.seed.unwrap_or(scenario.header.seed));
    let mut run = Run {
        scenario,
        options,
        world,
        pace,
        script: Time::START,
        steps: Vec::new(),
        failures: Vec::new(),
        reports: Vec::new(),
        checks: Checks::of(if options.evaluate_checks { checks_of(scenario) } else { Vec::new() }),
        looked: 0,
        refusal: None,
        blocks: vec![Vec::new(); scenario.blocks.len()],
        rule_lines: BTreeMap::new(),
        ledger: Ledger::default(),
    };
    if scenario.header.server.as_ref().is_some_and(|range| !range.contains(options.version)) {
        return run.finish(Some(Verdict::Skip));
    }
    run.all();
    run.finish(None)
}

/// A run under way.
pub(crate) struct Run<'r, B: Backend> {
    pub(crate) scenario: &'r Scenario,
    pub(crate) options: &'r RunOptions,
    pub(crate) world: World<B>,
    pub(crate) pace: &'r mut dyn Pace<B>,
    /// Where the script's own clock stands: a real server's may be ahead of it.
    pub(crate) script: Time,
    steps: Vec<StepRun>,
    failures: Vec<Failure>,
    reports: Vec<CheckReport>,
    checks: Checks,
    /// How many records were looked at.
    looked: usize,
    /// The first refusal in the step under way.
    refusal: Option<Record>,
    /// The lines that each block printed.
    blocks: Vec<Vec<String>>,
    pub(crate) rule_lines: BTreeMap<RuleId, usize>,
    pub(crate) ledger: Ledger,
}

/// What came of a step, apart from records.
pub(crate) enum Done {
    /// It is done; what it led to is in the records.
    Issued,
    /// It is done, and time has run as it says.
    Timed,
}

impl<B: Backend> Run<'_, B> {
    fn all(&mut self) {
        if let Err(error) = self.world.add_quiet_client(SCRIPT) {
            return self.failures.push(Failure::Step { line: 0, message: error.to_string() });
        }
        for (block, steps) in self.scenario.blocks.iter().enumerate() {
            for (index, step) in steps.steps.iter().enumerate() {
                let place = StepPlace { block, step: index };
                if let Err(error) = self.step(place, step) {
                    self.failures.push(Failure::Step { line: step.line(), message: error.to_string() });
                    if is_fatal(&error) {
                        return;
                    }
                }
            }
            self.compare(block);
        }
    }

    /// Carries out one step, and judges whether it ended as it says it must.
    fn step(&mut self, place: StepPlace, step: &Step) -> Result<(), WorldError> {
        if !matches!(step.command, Command::Expect(_)) {
            self.ledger.end_row();
        }
        let first = self.world.trace().len();
        self.refusal = None;
        let mut command = Record::new(self.world.now(), Place::Script, Kind::Command).with(Key::Text, first_line(step));
        if let Command::Ack(AckCommand { verb: verb @ (AckVerb::Ack | AckVerb::Term { .. }), .. }) = &step.command {
            command = command.with(Key::Crossing, if *verb == AckVerb::Ack { "ack" } else { "term" });
        }
        let n = self.world.record(command);
        self.world.set_cause(Some(n));
        let mut result = match self.perform(place, step) {
            Ok(Done::Issued) => self.pace.after_step(&mut self.world, place),
            Ok(Done::Timed) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = &result
            && step.mode == Mode::MustFail
            && !is_fatal(error)
        {
            let refused = Record::new(self.world.now(), Place::Script, Kind::Refused).with(Key::Description, error.to_string());
            self.world.record(refused);
            result = Ok(());
        }
        self.world.set_cause(None);
        self.look(place.block, step);
        let end = self.world.trace().len();
        let run = StepRun { block: place.block, step: place.step, line: step.line(), first, end, ended: self.world.now() };
        self.steps.push(run);
        result?;
        let message = match (step.mode, &self.refusal) {
            (Mode::MustFail, None) => "it must be refused (it begins with `!`), but it was not".to_owned(),
            (Mode::Silent, Some(refusal)) => {
                let refusal = line(refusal).unwrap_or_else(|| "a check failed".to_owned());
                format!("it must succeed (it stands in parentheses), but: {refusal}")
            }
            _ => return Ok(()),
        };
        self.failures.push(Failure::Step { line: step.line(), message });
        Ok(())
    }

    /// Looks at what happened since the last time: in a step of this block, or in the part of it that is over.
    pub(crate) fn look(&mut self, block: usize, step: &Step) {
        let records = self.world.trace().since(self.looked);
        self.looked = self.world.trace().len();
        self.checks.follow(records);
        self.ledger.follow(records);
        let lines = &mut self.blocks[block];
        shown(step, records).filter_map(line).for_each(|line| push_line(lines, line));
        if self.refusal.is_none() {
            self.refusal = records.iter().find(|record| is_refusal(record, step)).cloned();
        }
        if is_full(self.world.trace(), self.options.most_records) {
            self.world.forget();
        }
    }

    /// Evaluates checks, and prints what they say.
    pub(crate) fn check(&mut self, place: StepPlace, step: &Step, check: &Check) -> Result<(), WorldError> {
        self.look(place.block, step);
        let observed = if self.options.evaluate_checks { Some(Observed::of(&mut self.world, self.checks.consumers())?) } else { None };
        let must_fail = step.mode == Mode::MustFail;
        for name in &check.names {
            // Unseen, a check says what its line expects.
            let mut failed = must_fail && observed.is_none();
            if let Some(observed) = &observed {
                let Finding { mut report, failure } = self.checks.evaluate(*name, observed);
                if let Some((message, record)) = failure {
                    let at = record.and_then(|n| self.line_of(n)).map_or(String::new(), |line| format!(" (led to by line {line})"));
                    let message = format!("{message}{at}");
                    if !must_fail {
                        self.failures.push(Failure::Check { line: step.line(), name: *name, message: message.clone() });
                    }
                    report.failure = Some(message);
                    failed = true;
                }
                self.reports.push(report);
            }
            let verdict = if failed { "failed" } else { "ok" };
            let record = |kind| Record::new(self.world.now(), Place::Script, kind);
            let judged = record(Kind::Check).with(Key::Name, name.as_str()).with(Key::Verdict, verdict);
            let said = record(Kind::ApiReply).with(Key::Text, format!("check {}: {verdict}", name.as_str()));
            self.world.record(judged);
            self.world.record(said);
        }
        Ok(())
    }

    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    /// The instant at which the script stands.
    pub(crate) fn script_now(&self) -> Time {
        self.script
    }

    /// The line of the step during which a record was made.
    fn line_of(&self, n: u64) -> Option<usize> {
        let n = usize::try_from(n).ok()?;
        self.steps.iter().find(|step| (step.first..step.end).contains(&n)).map(|step| step.line)
    }

    fn compare(&mut self, block: usize) {
        let Some((index, transcript)) = self.scenario.blocks[block].transcript_for(self.options.version) else { return };
        let got = &self.blocks[block];
        if *got != transcript.lines {
            let (expected, got) = (transcript.lines.clone(), got.clone());
            self.failures.push(Failure::Transcript(Mismatch { block, transcript: index, line: transcript.span.line, expected, got }));
        }
    }

    fn finish(mut self, verdict: Option<Verdict>) -> (Outcome, B) {
        let rules: Vec<_> = self.world.rule_reports().cloned().collect();
        for report in &rules {
            let record = Record::new(self.world.now(), Place::Script, Kind::RuleCount)
                .by_rule(report.id.clone())
                .with(Key::Evaluated, report.evaluated)
                .with(Key::Hits, report.hits)
                .with(Key::Exempt, report.exempt);
            self.world.record(record);
        }
        self.ledger.follow(self.world.trace().since(self.looked));
        if verdict.is_none() {
            self.judge_rules(&rules);
            self.failures.extend(self.ledger.violations(&self.options.contract));
            if expects_nothing(self.scenario) {
                self.failures.push(Failure::NothingExpected);
            }
        }
        let verdict = verdict.unwrap_or(match (self.failures.is_empty(), &self.scenario.header.unconfirmed) {
            (false, _) => Verdict::Fail,
            (true, Some(_)) => Verdict::Unconfirmed,
            (true, None) => Verdict::Pass,
        });
        let got = self.world.delivered();
        let virtual_time = self.world.now().since_start();
        let (backend, trace) = self.world.into_parts();
        let outcome = Outcome {
            verdict,
            failures: self.failures,
            blocks: self.blocks,
            steps: self.steps,
            checks: self.reports,
            expectations: self.ledger.reports,
            alerts: self.ledger.alerts,
            virtual_time,
            deliveries: got.deliveries,
            redeliveries: got.redeliveries,
            rules,
            metrics: self.ledger.metrics,
            trace,
        };
        (outcome, backend)
    }

    /// A rule that never acted tests nothing. One that acts by chance may stay without; a run that broke off says nothing about it.
    fn judge_rules(&mut self, rules: &[jetlag_fault::Report]) {
        let planned: usize = self.scenario.blocks.iter().map(|block| block.steps.len()).sum();
        if self.steps.len() < planned {
            return;
        }
        for report in rules.iter().filter(|report| report.hits == 0 && !report.exempt) {
            let line = self.rule_lines.get(&report.id).copied().unwrap_or(0);
            self.failures.push(Failure::RuleNeverFired { line, report: report.clone() });
        }
    }
}

/// Whether nothing can be done on this world any more.
fn is_fatal(error: &WorldError) -> bool {
    matches!(error, WorldError::Backend(_) | WorldError::Loop { .. } | WorldError::NotSettled { .. })
}

/// Whether a record says that a step was refused: an error answered to the script or to the step's own actor.
fn is_refusal(record: &Record, step: &Step) -> bool {
    let refused = match record.kind {
        Kind::Refused | Kind::NoResponders | Kind::Failed => true,
        Kind::Check => record.fields.text(Key::Verdict).is_some_and(|verdict| &**verdict == "failed"),
        Kind::Status => record.fields.uint(Key::Code) != Some(100),
        _ => false,
    };
    let actor = || step.actor.as_ref().map_or(SCRIPT, |actor| actor.as_str());
    refused && (record.place == Place::Script || record.place.actor().is_some_and(|name| **name == *actor()))
}

/// The checks that a scenario names.
fn checks_of(scenario: &Scenario) -> Vec<CheckName> {
    let steps = scenario.blocks.iter().flat_map(|block| &block.steps);
    let named = steps.filter_map(|step| match &step.command {
        Command::Check(check) => Some(check.names.iter().copied()),
        _ => None,
    });
    named.flatten().collect()
}

/// Whether a file could not fail whatever came.
fn expects_nothing(scenario: &Scenario) -> bool {
    let is_metric = |expect: &Expect| !matches!(expect, Expect::Alert(_));
    let is_check = |step: &Step| match &step.command {
        Command::Check(_) => true,
        Command::Expect(expect) => is_metric(expect),
        _ => false,
    };
    scenario
        .blocks
        .iter()
        .all(|block| block.transcripts.iter().all(|transcript| transcript.lines.is_empty()) && !block.steps.iter().any(is_check))
}

/// The step's command line, as it is printed.
fn first_line(step: &Step) -> String {
    let text = step.to_string();
    let command = text.lines().find(|line| !line.trim_start().starts_with('#')).unwrap_or_default();
    command.to_owned()
}
