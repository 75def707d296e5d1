//! A replay that is led by what the simulator expects: it waits for that after each step, and then a quiet time for what nobody expects.

use std::collections::BTreeMap;
use std::sync::Arc;

use jetlag_model::{Duration, Time};
use jetlag_runner::{Outcome, Pace, StepPlace};
use jetlag_scenario::{Command, Scenario};
use jetlag_sim::{Backend, BackendError, World, WorldError};
use jetlag_trace::{Record, Trace};

use crate::slack::QUIET;

/// How long something expected may be missing. Far more than a comparison allows, so that what is late shows as late.
const MISSING: Duration = Duration::from_secs(1);

/// A server for which commands are no barriers, so that there has to be one.
pub(crate) trait Barrier: Backend {
    /// Waits until the server has acted on all that was sent to it; `answered` when an answer to it has come already.
    fn barrier(&mut self, answered: bool) -> Result<(), BackendError>;
}

/// Why a replay was broken off. What exactly is missing or too much, a comparison tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum BrokenOff {
    /// Something did not come.
    #[error("what the simulator expects did not come")]
    Missing,
    /// Something came.
    #[error("something came that the simulator does not expect")]
    Extra,
}

impl From<BrokenOff> for WorldError {
    fn from(why: BrokenOff) -> WorldError {
        WorldError::Backend(BackendError::Failed(Box::new(why)))
    }
}

/// The pace of such a replay.
pub(crate) struct Led<'l> {
    scenario: &'l Scenario,
    expected: &'l Outcome,
    /// How many records of the expected trace are in `goal`.
    counted: usize,
    goal: Counts,
    seen: Counts,
    /// How many records of the replay are in `seen`.
    looked_at: usize,
}

/// How many things each client saw.
type Counts = BTreeMap<Arc<str>, usize>;

impl<'l> Led<'l> {
    /// `expected` is a run of `scenario` in simulated time.
    pub(crate) fn new(scenario: &'l Scenario, expected: &'l Outcome) -> Led<'l> {
        Led { scenario, expected, counted: 0, goal: Counts::new(), seen: Counts::new(), looked_at: 0 }
    }

    fn step(&self, place: StepPlace) -> Option<&'l jetlag_runner::StepRun> {
        self.expected.steps.iter().find(|step| (step.block, step.step) == (place.block, place.step))
    }

    /// The command after a step; `None` at the end of the file.
    fn next_command(&self, place: StepPlace) -> Option<&'l Command> {
        let here = self.scenario.blocks[place.block].steps[place.step + 1..].iter();
        let later = self.scenario.blocks[place.block + 1..].iter().flat_map(|block| &block.steps);
        here.chain(later).next().map(|step| &step.command)
    }

    /// Waits for what the step leads to. Says whether anything did come of it.
    fn wait<B: Backend>(&mut self, world: &mut World<B>, place: StepPlace) -> Result<bool, WorldError> {
        let end = self.step(place).map_or(self.counted, |step| step.end);
        let expected = &self.expected.trace.records()[self.counted..end.max(self.counted)];
        self.counted = end.max(self.counted);
        let mut latest = Time::START;
        let mut any = false;
        for record in expected.iter().filter(|record| is_seen(record)) {
            latest = latest.max(record.at);
            any = true;
            count(&mut self.goal, record);
        }
        let limit = latest.max(world.now()) + MISSING;
        let Led { goal, seen, looked_at, .. } = self;
        world.run_until(limit, |world| {
            look(seen, looked_at, world.trace());
            reached(goal, seen)
        })?;
        // What follows from the last of them at once.
        world.finish_instant()?;
        look(seen, looked_at, world.trace());
        if !reached(goal, seen) {
            return Err(BrokenOff::Missing.into());
        }
        self.look_for_extras()?;
        Ok(any)
    }

    /// Waits whether something comes that nobody expects.
    fn be_quiet<B: Backend>(&mut self, world: &mut World<B>) -> Result<(), WorldError> {
        let end = world.now() + QUIET;
        world.run_until(end, |_| false)?;
        look(&mut self.seen, &mut self.looked_at, world.trace());
        self.look_for_extras()
    }

    fn look_for_extras(&mut self) -> Result<(), WorldError> {
        let extra = self.seen.iter().any(|(client, count)| *count > self.goal.get(client).copied().unwrap_or(0));
        if extra { Err(BrokenOff::Extra.into()) } else { Ok(()) }
    }

    /// Lets time run to `to`, and sees what comes of it.
    fn run_to<B: Barrier>(&mut self, world: &mut World<B>, place: StepPlace, to: Time) -> Result<(), WorldError> {
        // A real server's clock may be there already.
        world.run_until(to, |_| false)?;
        let answered = self.wait(world, place)?;
        world.backend_mut().barrier(answered)?;
        match self.next_command(place) {
            // Time that goes by is quiet enough, and what comes in it is looked at then.
            Some(Command::Advance(_) | Command::Settle) => Ok(()),
            _ => self.be_quiet(world),
        }
    }
}

impl<B: Barrier> Pace<B> for Led<'_> {
    fn after_step(&mut self, world: &mut World<B>, place: StepPlace) -> Result<(), WorldError> {
        world.finish_instant()?;
        let answered = self.wait(world, place)?;
        world.backend_mut().barrier(answered)?;
        if self.next_command(place).is_none() { self.be_quiet(world) } else { Ok(()) }
    }

    fn advance_to(&mut self, world: &mut World<B>, place: StepPlace, to: Time) -> Result<(), WorldError> {
        self.run_to(world, place, to)
    }

    fn settle(&mut self, world: &mut World<B>, place: StepPlace) -> Result<Time, WorldError> {
        // A real server can not be asked whether it has settled; the simulator knows when it would have.
        let settled = self.step(place).map_or(world.now(), |step| step.ended);
        self.run_to(world, place, settled)?;
        Ok(settled)
    }
}

/// Whether a record is about something that a client sees.
fn is_seen(record: &Record) -> bool {
    record.place.actor().is_some() && jetlag_trace::line(record).is_some()
}

fn count(counts: &mut Counts, record: &Record) {
    if let Some(client) = record.place.actor() {
        *counts.entry(client.clone()).or_insert(0) += 1;
    }
}

fn look(seen: &mut Counts, looked_at: &mut usize, trace: &Trace) {
    for record in trace.records()[*looked_at..].iter().filter(|record| is_seen(record)) {
        count(seen, record);
    }
    *looked_at = trace.records().len();
}

fn reached(goal: &Counts, seen: &Counts) -> bool {
    goal.iter().all(|(client, count)| seen.get(client).is_some_and(|seen| seen >= count))
}
