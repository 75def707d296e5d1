//! A replay that is led by what the simulator expects: it waits for that after each step.
//!
//! The script's clock lags behind the nominal one: commands of one instant take a while, and so does waiting. What was sent late falls due
//! late, so `advance` goes on by as much, and then waits until what is due at the instant has fired. The lag is measured, for it says how
//! late a record may be. What nobody expects is noticed when it comes, and at the end of the file after a quiet time.

use std::collections::BTreeMap;

use jetlag_model::{Duration, Text, Time};
use jetlag_runner::{Outcome, Pace, StepPlace};
use jetlag_scenario::{Command, Scenario};
use jetlag_sim::{Backend, BackendError, World, WorldError};
use jetlag_trace::{Record, Trace};

use crate::slack::{QUIET, Timers};

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
    timers: Timers,
    /// Where the script's nominal clock stands.
    script: Time,
    /// By how much it is behind.
    lag: Duration,
    lags: Lags,
    broken_off: bool,
}

/// The lag at the beginning of each step, by block and step.
pub(crate) type Lags = BTreeMap<(usize, usize), Duration>;

/// How many things each client saw.
type Counts = BTreeMap<Text, usize>;

impl<'l> Led<'l> {
    /// `expected` is a run of `scenario` in simulated time.
    pub(crate) fn new(scenario: &'l Scenario, expected: &'l Outcome, timers: Timers) -> Led<'l> {
        Led {
            scenario,
            expected,
            counted: 0,
            goal: Counts::new(),
            seen: Counts::new(),
            looked_at: 0,
            timers,
            script: Time::START,
            lag: Duration::ZERO,
            lags: Lags::new(),
            broken_off: false,
        }
    }

    /// How late the script was, and whether the replay was broken off, once it is over.
    pub(crate) fn into_parts(self) -> (Lags, bool) {
        (self.lags, self.broken_off)
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
            return Err(self.break_off(BrokenOff::Missing));
        }
        self.look_for_extras()?;
        Ok(any)
    }

    /// Waits whether something comes after all that was expected.
    fn be_quiet<B: Backend>(&mut self, world: &mut World<B>) -> Result<(), WorldError> {
        let end = world.now() + QUIET;
        world.run_until(end, |_| false)?;
        look(&mut self.seen, &mut self.looked_at, world.trace());
        self.look_for_extras()
    }

    fn look_for_extras(&mut self) -> Result<(), WorldError> {
        let extra = self.seen.iter().any(|(client, count)| *count > self.goal.get(client).copied().unwrap_or(0));
        if extra { Err(self.break_off(BrokenOff::Extra)) } else { Ok(()) }
    }

    fn break_off(&mut self, why: BrokenOff) -> WorldError {
        self.broken_off = true;
        WorldError::Backend(BackendError::Failed(Box::new(why)))
    }

    /// Lets time run to `to`, and sees what comes of it.
    fn run_to<B: Barrier>(&mut self, world: &mut World<B>, place: StepPlace, to: Time) -> Result<(), WorldError> {
        self.lags.insert((place.block, place.step), self.lag);
        self.script = to;
        // What was sent late falls due late. A real server's clock may be there already.
        world.run_until(to + self.lag, |_| false)?;
        self.wait(world, place)?;
        if !matches!(self.next_command(place), Some(Command::Advance(_) | Command::Settle)) {
            let all_fired = world.now() + self.timers.all_fired();
            world.run_until(all_fired, |_| false)?;
        }
        self.end_step(world, place, true)
    }

    /// Sees to it that the server has acted on everything, and how late it is.
    fn end_step<B: Barrier>(&mut self, world: &mut World<B>, place: StepPlace, answered: bool) -> Result<(), WorldError> {
        world.backend_mut().barrier(answered)?;
        self.lag = self.lag.max(world.now().since(self.script));
        if self.next_command(place).is_none() { self.be_quiet(world) } else { Ok(()) }
    }
}

impl<B: Barrier> Pace<B> for Led<'_> {
    fn after_step(&mut self, world: &mut World<B>, place: StepPlace) -> Result<(), WorldError> {
        self.lags.insert((place.block, place.step), self.lag);
        world.finish_instant()?;
        let answered = self.wait(world, place)?;
        self.end_step(world, place, answered)
    }

    fn advance_to(&mut self, world: &mut World<B>, place: StepPlace, to: Time) -> Result<bool, WorldError> {
        self.run_to(world, place, to).map(|()| true)
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
