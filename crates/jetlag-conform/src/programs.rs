//! Random programs on real servers: drawn, replayed, and made smaller for as long as the server still does something else.

use std::borrow::Cow;
use std::ops::Range;

use jetlag_model::ServerVersion;
use jetlag_program::{Hits, count_hits, draw, for_library, playable, smaller};
use jetlag_runner::{RunOptions, run_simulated};
use jetlag_scenario::Scenario;

use crate::compare::Difference;
use crate::conform::{ConformError, ConformOptions};
use crate::replay::{ReplayOptions, Target, Task, first_that_differs, replay_all, replay_alone};
use crate::verdict::{Cell, Verdict};

/// So many smaller programs are tried at the same time: the first that differs makes the others useless.
const AT_ONCE: usize = 32;

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
    /// The rules of the core that it hits.
    pub hits: Hits,
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
    /// Whether smaller ones were left that were not tried, because as many had been as should be.
    pub stopped: bool,
}

/// How far the search for a smaller program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrinking {
    /// How many were tried.
    pub tried: usize,
    /// How many commands the smallest so far has.
    pub commands: usize,
}

impl Programs {
    /// On these servers.
    ///
    /// # Errors
    ///
    /// When there is no server of use.
    pub fn new(options: &ConformOptions) -> Result<Programs, ConformError> {
        let targets = options.targets()?;
        let options = options.replay_options(&targets);
        Ok(Programs { targets, options })
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.targets.len()
    }

    /// Draws the programs of these seeds for each server, replays them, and tells `on_played` of each as soon as it is known, in any order.
    pub fn play(&self, seeds: Range<u64>, mut on_played: impl FnMut(Played)) {
        let all: Vec<(u64, usize)> = seeds.flat_map(|seed| (0..self.targets.len()).map(move |target| (seed, target))).collect();
        let task = |index: usize| {
            let (seed, target) = all[index];
            let target = &self.targets[target];
            Task { scenario: Cow::Owned(draw(seed, target.plays)), target }
        };
        replay_all((0..all.len()).collect(), task, &self.options, |index, done| {
            let (seed, target) = all[index];
            let scenario = done.task.scenario.into_owned();
            let hits = self.hits(&scenario, self.targets[target].plays);
            on_played(Played { seed, version: self.targets[target].version, scenario, cell: done.cell, hits, target });
        });
    }

    fn hits(&self, scenario: &Scenario, version: ServerVersion) -> Hits {
        let options = RunOptions { version, registry: self.options.registry.clone(), evaluate_checks: false, ..RunOptions::default() };
        let mut hits = Hits::new();
        count_hits(run_simulated(scenario, &options).trace.records(), &mut hits);
        hits
    }

    /// Takes the first smaller program that differs, and goes on from there, until none does or about `most` were tried; `on_progress` hears
    /// of it now and then. `None` for a program that does not differ.
    pub fn smallest(&self, played: &Played, most: usize, mut on_progress: impl FnMut(Shrinking)) -> Option<Smallest> {
        let Verdict::Differ(difference) = &played.cell.verdict else { return None };
        let target = &self.targets[played.target];
        let mut search = Search { found: Vec::new(), tried: 0, next: 0 };
        while search.tried < most {
            let from = search.found.last().unwrap_or(&played.scenario);
            on_progress(Shrinking { tried: search.tried, commands: commands(from) });
            if !search.goes_on(&played.scenario, target, &self.options, most) {
                break;
            }
        }
        let (tried, stopped) = (search.tried, search.tried >= most);
        // What was found in company counts only if it persists without.
        let persists = |scenario: Scenario| match replay_alone(&scenario, target, &self.options)?.verdict {
            Verdict::Differ(difference) => Some((scenario, *difference)),
            _ => None,
        };
        let persisting = search.found.into_iter().rev().find_map(persists);
        let (scenario, difference) = persisting.unwrap_or_else(|| (played.scenario.clone(), (**difference).clone()));
        Some(Smallest { kept: for_library(&scenario, target.plays), scenario, difference, tried, stopped })
    }

    /// Whether the server of `other` does not do either what the simulator says of this program.
    pub fn differs_too(&self, smallest: &Smallest, other: &Played) -> bool {
        let target = &self.targets[other.target];
        let scenario = playable(&smallest.scenario, target.plays);
        let cell = scenario.and_then(|scenario| replay_alone(&scenario, target, &self.options));
        cell.is_some_and(|cell| matches!(cell.verdict, Verdict::Differ(_)))
    }
}

/// How many commands a program has.
fn commands(scenario: &Scenario) -> usize {
    scenario.blocks.iter().map(|block| block.steps.len()).sum()
}

/// Smaller and smaller programs.
struct Search {
    /// Those that differ, each smaller than the one before.
    found: Vec<Scenario>,
    tried: usize,
    /// Where among the candidates to go on: those before did not differ when the scenario was a little larger.
    next: usize,
}

impl Search {
    /// Takes the first smaller program that differs. Says whether there was one.
    fn goes_on(&mut self, first: &Scenario, target: &Target, options: &ReplayOptions, most: usize) -> bool {
        let from = self.found.last().unwrap_or(first);
        let smaller = smaller(from);
        let next = self.next.min(smaller.len());
        let mut candidates: Vec<(usize, Scenario)> = Vec::new();
        for index in (next..smaller.len()).chain(0..next) {
            // Without what can not be done any more, two may come to the same; or to where they came from.
            let candidate = playable(&smaller[index], target.plays).filter(|candidate| candidate != from);
            let candidate = candidate.filter(|candidate| candidates.iter().all(|(_, other)| other != candidate));
            candidates.extend(candidate.map(|candidate| (index, candidate)));
        }
        for some in candidates.chunks(options.jobs.min(AT_ONCE)) {
            if self.tried >= most {
                return false;
            }
            self.tried += some.len();
            let scenarios: Vec<&Scenario> = some.iter().map(|(_, scenario)| scenario).collect();
            if let Some(first) = first_that_differs(&scenarios, target, options) {
                let (index, scenario) = &some[first];
                self.next = *index;
                self.found.push(scenario.clone());
                return true;
            }
        }
        false
    }
}
