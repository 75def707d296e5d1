//! Random programs on real servers: drawn, replayed, and made smaller for as long as the server still does something else.

use std::ops::Range;

use jetlag_model::ServerVersion;
use jetlag_program::{draw, for_library, playable, smaller};
use jetlag_runner::in_order;
use jetlag_scenario::Scenario;

use crate::compare::Difference;
use crate::conform::{ConformError, ConformOptions};
use crate::replay::{ReplayOptions, Target, Task, replay_all};
use crate::verdict::{Cell, Verdict};

/// So many programs are drawn and replayed before what came of them is told.
const BATCH: usize = 1_000;

/// So many smaller programs are tried for one difference, at most.
const TRIES: usize = 1_000;

/// So many of them at the same time: the first that differs makes the others useless.
const AT_ONCE: usize = 16;

/// Real servers to replay random programs on.
pub struct Programs {
    targets: Vec<Target>,
    options: ReplayOptions,
}

/// A random program that was replayed.
#[derive(Clone, Debug)]
pub struct Played {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// The version of the server.
    pub version: ServerVersion,
    /// The program, with the simulator's transcripts.
    pub scenario: Scenario,
    /// What came of it.
    pub cell: Cell,
    target: usize,
}

/// The smallest program like one that differs, of which the server does not do what the simulator says either.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// The program, with the simulator's transcripts.
    pub scenario: Scenario,
    /// The same as a library would keep it.
    pub kept: Scenario,
    /// Where the server differs from what the simulator says.
    pub difference: Difference,
    /// How many programs were tried on the way.
    pub tried: usize,
}

impl Programs {
    /// On these servers.
    ///
    /// # Errors
    ///
    /// When there is no server of use.
    pub fn new(options: &ConformOptions) -> Result<Programs, ConformError> {
        Ok(Programs { targets: options.targets()?, options: options.replay_options() })
    }

    /// Draws the programs of these seeds for each server, replays them, and tells `on_played` of each: by seed, then in the order of the
    /// servers.
    pub fn play(&self, seeds: Range<u64>, mut on_played: impl FnMut(Played)) {
        let drawing = std::thread::available_parallelism().map_or(1, usize::from);
        let all: Vec<(u64, usize)> = seeds.flat_map(|seed| (0..self.targets.len()).map(move |target| (seed, target))).collect();
        for batch in all.chunks(BATCH) {
            let drawn = in_order(batch, drawing, |(seed, target)| draw(*seed, self.targets[*target].plays));
            let task = |((_, target), scenario): (&(u64, usize), _)| Task { scenario, target: &self.targets[*target] };
            let cells = replay(&batch.iter().zip(&drawn).map(task).collect::<Vec<_>>(), &self.options);
            for (((seed, target), scenario), cell) in batch.iter().zip(drawn).zip(cells) {
                on_played(Played { seed: *seed, version: self.targets[*target].version, scenario, cell, target: *target });
            }
        }
    }

    /// Takes the first smaller program that differs, and goes on from there, until none does. `None` for a program that does not differ.
    pub fn smallest(&self, played: &Played) -> Option<Smallest> {
        let Verdict::Differ(difference) = &played.cell.verdict else { return None };
        let target = &self.targets[played.target];
        let mut found = Found { scenario: played.scenario.clone(), difference: (**difference).clone(), tried: 0, next: 0 };
        while found.become_smaller(target, &self.options) {}
        let Found { scenario, difference, tried, .. } = found;
        Some(Smallest { kept: for_library(&scenario, target.plays), scenario, difference, tried })
    }
}

/// The smallest that was found so far.
struct Found {
    scenario: Scenario,
    difference: Difference,
    tried: usize,
    /// Where among the candidates to go on: those before did not differ when the scenario was a little larger.
    next: usize,
}

impl Found {
    /// Takes the first smaller program that differs. Says whether there was one.
    fn become_smaller(&mut self, target: &Target, options: &ReplayOptions) -> bool {
        let smaller = smaller(&self.scenario);
        let next = self.next.min(smaller.len());
        let mut candidates: Vec<(usize, Scenario)> = Vec::new();
        for index in (next..smaller.len()).chain(0..next) {
            // Without what can not be done any more, two may come to the same; or to where they came from.
            let candidate = playable(&smaller[index], target.plays).filter(|candidate| *candidate != self.scenario);
            let candidate = candidate.filter(|candidate| candidates.iter().all(|(_, other)| other != candidate));
            candidates.extend(candidate.map(|candidate| (index, candidate)));
        }
        for some in candidates.chunks(options.jobs.min(AT_ONCE)) {
            if self.tried >= TRIES {
                return false;
            }
            self.tried += some.len();
            let tasks: Vec<_> = some.iter().map(|(_, scenario)| Task { scenario, target }).collect();
            for ((index, scenario), cell) in some.iter().zip(replay(&tasks, options)) {
                if let Verdict::Differ(difference) = cell.verdict {
                    (self.scenario, self.difference, self.next) = (scenario.clone(), *difference, *index);
                    return true;
                }
            }
        }
        false
    }
}

fn replay(tasks: &[Task<'_>], options: &ReplayOptions) -> Vec<Cell> {
    let mut cells = vec![None; tasks.len()];
    replay_all(tasks, options, |index, cell| cells[index] = Some(cell));
    cells.into_iter().flatten().collect()
}
