//! Two runs of one scenario compared: what each client saw, in its order, and when.
//!
//! Across clients only the time counts: a server owes nobody an order between two connections.

use std::collections::{BTreeMap, VecDeque};

use jetlag_model::{Duration, ServerVersion, Time};
use jetlag_runner::{Outcome, StepRun};
use jetlag_scenario::{Mode, Scenario, Step};
use jetlag_trace::{Kind, Place, Record, line};

use crate::led::Lags;
use crate::ratio::Ratio;
use crate::slack::Band;

/// The first block in which a server's transcript is not the simulator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line of the file that is, or would be, the first to differ; counted from 1.
    pub line: usize,
    /// The index of that line in the transcripts.
    pub first: usize,
    /// The block's transcript, as the simulator has it.
    pub simulator: Vec<String>,
    /// The block's transcript, as the server has it: a time that is as good as the simulator's shows as the simulator's.
    pub server: Vec<String>,
}

/// One row of two transcripts side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'d> {
    /// The line of the file.
    pub line: usize,
    /// The simulator's, if it has one.
    pub simulator: Option<&'d str>,
    /// The server's, if it has one.
    pub server: Option<&'d str>,
}

impl Row<'_> {
    /// Whether both say the same.
    pub fn agrees(&self) -> bool {
        self.simulator == self.server
    }
}

impl Difference {
    /// Both transcripts, from `context` rows before the first difference to `context` rows after it.
    pub fn rows(&self, context: usize) -> Vec<Row<'_>> {
        let end = (self.first + context + 1).min(self.simulator.len().max(self.server.len()));
        (self.first.saturating_sub(context)..end)
            .map(|index| Row {
                line: self.line - self.first + index,
                simulator: self.simulator.get(index).map(String::as_str),
                server: self.server.get(index).map(String::as_str),
            })
            .collect()
    }
}

/// What is compared.
pub(crate) struct Comparison<'c> {
    pub(crate) scenario: &'c Scenario,
    pub(crate) version: ServerVersion,
    /// The simulator's run at real pace: what is shown.
    pub(crate) nominal: &'c Outcome,
    /// The simulator's run at the pace of the replay: its instants.
    pub(crate) paced: &'c Outcome,
    /// One for each record of `paced`.
    pub(crate) bands: &'c [Band],
    /// The pace.
    pub(crate) ratio: Ratio,
}

impl Comparison<'_> {
    /// Where `seen`, a run at the pace, is not as expected.
    pub(crate) fn difference(&self, seen: &Outcome, lags: &Lags) -> Option<Difference> {
        let mut steps = self.nominal.steps.iter().zip(&self.paced.steps).enumerate().peekable();
        while let Some((_, (first, _))) = steps.peek() {
            let block = first.block;
            let (mut agrees, mut server) = (true, Vec::new());
            while let Some((index, (nominal, paced))) = steps.next_if(|(_, (nominal, _))| nominal.block == block) {
                let step = &self.scenario.blocks[block].steps[nominal.step];
                let lag = lags.get(&(block, nominal.step)).copied().unwrap_or_default();
                let records = seen.steps.get(index).map(|run| shown(step, seen, run));
                agrees &= self.step(step, (nominal, paced), records.into_iter().flatten(), lag, &mut server);
            }
            if !agrees {
                return Some(self.locate(block, server));
            }
        }
        None
    }

    /// Compares one step, and adds the server's lines of it.
    fn step<'o>(
        &self,
        step: &Step,
        (nominal, paced): (&StepRun, &StepRun),
        seen: impl Iterator<Item = &'o Record>,
        lag: Duration,
        server: &mut Vec<String>,
    ) -> bool {
        let expected = shown(step, self.nominal, nominal).zip(shown(step, self.paced, paced));
        let mut queues: BTreeMap<Voice<'_>, VecDeque<&Record>> = BTreeMap::new();
        for record in seen {
            queues.entry(voice(&record.place)).or_default().push_back(record);
        }
        let mut agrees = true;
        for (nominal, paced) in expected {
            let Some(record) = queues.get_mut(&voice(&paced.place)).and_then(VecDeque::pop_front) else {
                agrees = false;
                continue;
            };
            let index = usize::try_from(paced.n).unwrap_or(usize::MAX);
            let in_time = self.bands.get(index).is_some_and(|band| band.holds(paced.at, record.at, lag)) || is_timeless(paced);
            let at = if in_time { nominal.at } else { self.unscaled(record.at) };
            let line = self.line(record, at);
            agrees &= line == line_of(nominal);
            push(server, line);
        }
        // What nobody expected, in the order in which it came.
        let mut extras: Vec<&Record> = queues.into_values().flatten().collect();
        extras.sort_by_key(|record| record.n);
        for record in extras {
            agrees = false;
            push(server, self.line(record, self.unscaled(record.at)));
        }
        agrees
    }

    /// A record's line as if it had been seen at `at`, at real pace.
    fn line(&self, record: &Record, at: Time) -> String {
        let Ratio { numerator, denominator } = self.ratio.inverse();
        let mut record = record.scaled(numerator, denominator);
        record.at = at;
        line_of(&record)
    }

    /// An instant at real pace, rounded to what a replay can tell.
    fn unscaled(&self, at: Time) -> Time {
        let ns = self.ratio.inverse().of(at.since_start()).as_nanos();
        let grain = self.ratio.inverse().of(Duration::from_millis(1)).as_nanos().max(1);
        let rounded = ns.saturating_add(grain / 2) / grain * grain;
        Time::START + Duration::from_nanos(rounded)
    }

    fn locate(&self, block: usize, server: Vec<String>) -> Difference {
        let simulator = self.nominal.blocks[block].clone();
        let first = simulator.iter().zip(&server).position(|(simulator, server)| simulator != server);
        let first = first.unwrap_or(simulator.len().min(server.len()));
        let transcript = self.scenario.blocks[block].transcript_for(self.version);
        let dashes = transcript.map_or(0, |(_, transcript)| transcript.span.line);
        Difference { line: dashes + 1 + first, first, simulator, server }
    }
}

/// The records that a step prints: a step in parentheses prints errors alone.
fn shown<'o>(step: &Step, outcome: &'o Outcome, run: &StepRun) -> impl Iterator<Item = &'o Record> + use<'o> {
    let silent = step.mode == Mode::Silent;
    let records = &outcome.trace.records()[run.first..run.end];
    let is_error = |record: &Record| matches!(record.kind, Kind::Refused | Kind::NoResponders);
    records.iter().filter(move |record| (!silent || is_error(record)) && line(record).is_some())
}

/// Adds a line; one `ok` speaks for all commands in a row that have nothing more to say.
fn push(lines: &mut Vec<String>, line: String) {
    if line != "ok" || lines.last() != Some(&line) {
        lines.push(line);
    }
}

fn line_of(record: &Record) -> String {
    line(record).unwrap_or_default()
}

/// Whose order a record is part of: a client and its link are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Voice<'r> {
    Script,
    Server,
    Client(&'r str),
}

fn voice(place: &Place) -> Voice<'_> {
    match place {
        Place::Script => Voice::Script,
        Place::Server => Voice::Server,
        Place::Client(client) | Place::Link { client, .. } => Voice::Client(client),
    }
}

/// Whether a record's line tells no time: the script answers when it is asked.
fn is_timeless(record: &Record) -> bool {
    record.place == Place::Script
}
