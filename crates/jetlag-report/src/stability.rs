//! What a history says: how long nothing flaked, what did, and the ticket for it. Reading the file is `history`'s, words for people are
//! `show`'s.
//!
//! A flake is a scenario that gave two digests where it can give only one: in runs of one line of the history, or in two lines for the
//! same commit, version, seed and text of the file.

mod show;

use std::collections::BTreeMap;

use jetlag_model::WallTime;
use serde::Serialize;

use crate::history::{Divergence, Entry, ScenarioEntry, Spread};
use crate::quoted;

pub use show::{human, markdown};

/// For how many days nothing may flake until a suite counts as stable, and for how many a scenario that did stays listed.
pub const GOAL_DAYS: u64 = 14;

const NANOS_A_DAY: i64 = 86_400 * 1_000_000_000;

/// What a history says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stability {
    /// The first date of the history.
    pub from: WallTime,
    /// The last one.
    pub to: WallTime,
    /// How many runs of the suite there are.
    pub suite_runs: u64,
    /// How many runs of scenarios that makes.
    pub scenario_runs: u64,
    /// Whole days from the last flake, or from the beginning if there is none, to the last run.
    pub stable_days: u64,
    /// How many days are asked for.
    pub goal_days: u64,
    /// The last flake.
    pub last_flake: Option<Flake>,
    /// Scenarios that flaked within the last [`goal_days`](Stability::goal_days) of the history. Normally none.
    pub known_flaky: Vec<KnownFlaky>,
    /// Day by day, in UTC; days without a run are left out.
    pub trend: Vec<Day>,
}

impl Stability {
    /// Whether the last run of the suite flaked.
    pub fn flaked_last(&self) -> bool {
        self.last_flake.as_ref().is_some_and(|flake| flake.date == self.to)
    }
}

/// The runs of one day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Day {
    /// `2026-11-28`.
    pub date: String,
    /// Runs of the suite.
    pub suite_runs: u64,
    /// Scenarios of the last of them.
    pub scenarios: u64,
    /// Runs of scenarios.
    pub scenario_runs: u64,
    /// Scenarios that failed, over all runs of the suite, and files that could not be run.
    pub failed: u64,
    /// Flakes.
    pub flakes: u64,
    /// Scenarios whose digest is another than in the run of the suite before.
    pub changed: u64,
    /// How long a run of the suite took in real time, in nanoseconds for each run of a scenario.
    pub wall_ns: Spread,
}

/// A scenario that gave two digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flake {
    /// When.
    pub date: WallTime,
    /// Where the scenario is.
    pub path: String,
    /// At which commit.
    pub commit: Option<String>,
    /// How many runs left another digest than the first one.
    pub differing: u64,
    /// Of how many.
    pub of: u64,
    /// The date of the earlier run of the suite with which it differs; absent when it differs with itself.
    pub earlier: Option<WallTime>,
    /// The first record that differs, where both runs were seen.
    pub divergence: Option<Divergence>,
    /// The command that shows it.
    pub again: String,
}

/// A scenario of the known-flaky section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownFlaky {
    /// Where it is.
    pub path: String,
    /// How often it flaked in the time looked at.
    pub flakes: u64,
    /// Runs of it that left another digest.
    pub differing: u64,
    /// Of how many.
    pub of: u64,
    /// `high`, `medium` or `low`.
    pub priority: &'static str,
    /// When it leaves the section, if it does not flake again.
    pub until: WallTime,
    /// The last of its flakes.
    pub last: Flake,
    /// A text to file it with, in Markdown.
    pub ticket: String,
}

/// What has to be the same for a digest to be the same.
type Input<'e> = (&'e str, &'e str, &'e str, &'e str, Option<u64>, &'e str);

/// What a history says. `None` when it is empty.
pub fn stability(history: &[Entry], goal_days: u64) -> Option<Stability> {
    let mut entries: Vec<&Entry> = history.iter().collect();
    // Several machines may have added to it.
    entries.sort_by_key(|entry| entry.date);
    let (from, to) = (entries.first()?.date, entries.last()?.date);
    let flakes = flakes(&entries);
    let since = flakes.last().map_or(from, |flake| flake.date);
    let window = to.unix_nanos().saturating_sub(i64::try_from(goal_days).unwrap_or(i64::MAX).saturating_mul(NANOS_A_DAY));
    Some(Stability {
        from,
        to,
        suite_runs: entries.len() as u64,
        scenario_runs: entries.iter().flat_map(|entry| &entry.scenarios).map(runs).sum(),
        stable_days: u64::try_from(to.since(since).as_nanos() / NANOS_A_DAY).unwrap_or(0),
        goal_days,
        known_flaky: known_flaky(&entries, &flakes, window, goal_days),
        trend: trend(&entries, &flakes),
        last_flake: flakes.into_iter().next_back(),
    })
}

fn runs(scenario: &ScenarioEntry) -> u64 {
    scenario.digests.iter().map(|digest| digest.runs).sum()
}

fn differing(scenario: &ScenarioEntry) -> u64 {
    scenario.digests.iter().skip(1).map(|digest| digest.runs).sum()
}

/// All flakes, in the order of time.
fn flakes(entries: &[&Entry]) -> Vec<Flake> {
    let mut first_seen: BTreeMap<Input<'_>, (&str, WallTime)> = BTreeMap::new();
    let mut flakes = Vec::new();
    for entry in entries {
        for scenario in &entry.scenarios {
            let flake = |differing, earlier| Flake {
                date: entry.date,
                path: scenario.path.clone(),
                commit: entry.commit.as_ref().map(|commit| commit.id.clone()),
                differing,
                of: runs(scenario),
                earlier,
                divergence: scenario.divergence.clone(),
                again: again(entry, scenario),
            };
            if scenario.digests.len() > 1 {
                flakes.push(flake(differing(scenario), None));
                continue;
            }
            let Some(input) = input(entry, scenario) else { continue };
            let Some(digest) = scenario.digests.first() else { continue };
            let (known, date) = *first_seen.entry(input).or_insert((&digest.digest, entry.date));
            if known != digest.digest {
                flakes.push(flake(digest.runs, Some(date)));
            }
        }
    }
    flakes
}

/// What a scenario's digest depends on; `None` where nobody knows what was checked out.
fn input<'e>(entry: &'e Entry, scenario: &'e ScenarioEntry) -> Option<Input<'e>> {
    let commit = entry.commit.as_ref().filter(|commit| commit.clean)?;
    Some((&commit.id, &entry.jetlag, &entry.server, &scenario.path, entry.seed, &scenario.text))
}

/// The command that shows a flake. What differs rarely takes more runs than those that showed it.
fn again(entry: &Entry, scenario: &ScenarioEntry) -> String {
    let runs = scenario.divergence.as_ref().map_or(entry.runs.max(1_000), |divergence| entry.runs.max(divergence.run));
    let seed = entry.seed.map_or(String::new(), |seed| format!(" --seed {seed}"));
    let newest = jetlag_model::ServerVersion::NEWEST.to_string();
    let version = if entry.server == newest { String::new() } else { format!(" --as-version {}", entry.server) };
    format!("jetlag run {} --runs {runs}{seed}{version}", quoted(&scenario.path))
}

fn known_flaky(entries: &[&Entry], flakes: &[Flake], window: i64, goal_days: u64) -> Vec<KnownFlaky> {
    let mut by_path: BTreeMap<&str, Vec<&Flake>> = BTreeMap::new();
    for flake in flakes.iter().filter(|flake| flake.date.unix_nanos() >= window) {
        by_path.entry(&flake.path).or_default().push(flake);
    }
    let listed = by_path.into_iter().filter_map(|(path, flakes)| {
        let last = (*flakes.last()?).clone();
        let recent = entries.iter().filter(|entry| entry.date.unix_nanos() >= window);
        let of = recent.flat_map(|entry| &entry.scenarios).filter(|scenario| scenario.path == path).map(runs).sum();
        let differing = flakes.iter().map(|flake| flake.differing).sum();
        let days = i64::try_from(goal_days).unwrap_or(i64::MAX).saturating_mul(NANOS_A_DAY);
        let until = WallTime::from_unix_nanos(last.date.unix_nanos().saturating_add(days));
        let priority = priority(differing, of);
        let ticket = show::ticket(&last, priority, differing, of);
        Some(KnownFlaky { path: path.to_owned(), flakes: flakes.len() as u64, differing, of, priority, until, last, ticket })
    });
    listed.collect()
}

/// Above one run in twenty it is repaired within a week, above one in fifty within a month.
fn priority(differing: u64, of: u64) -> &'static str {
    match (differing * 20 > of, differing * 50 > of) {
        (true, _) => "high",
        (false, true) => "medium",
        (false, false) => "low",
    }
}

fn trend(entries: &[&Entry], flakes: &[Flake]) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    let mut walls: Vec<u64> = Vec::new();
    let mut before: BTreeMap<(&str, &str, Option<u64>), &str> = BTreeMap::new();
    for entry in entries {
        let date = date(entry.date);
        if days.last().is_none_or(|day| day.date != date) {
            walls.clear();
            days.push(Day { date: date.clone(), ..Day::default() });
        }
        let Some(day) = days.last_mut() else { continue };
        let count: u64 = entry.scenarios.iter().map(runs).sum();
        day.suite_runs += 1;
        day.scenarios = entry.scenarios.len() as u64;
        day.scenario_runs += count;
        day.failed += entry.scenarios.iter().filter(|scenario| scenario.verdict == "fail").count() as u64 + entry.unreadable.len() as u64;
        day.flakes = flakes.iter().filter(|flake| self::date(flake.date) == date).count() as u64;
        for scenario in &entry.scenarios {
            let Some(digest) = scenario.digests.first() else { continue };
            let old = before.insert((&scenario.path, &entry.server, entry.seed), &digest.digest);
            day.changed += u64::from(old.is_some_and(|old| old != digest.digest));
        }
        if let Some(each) = entry.wall_ns.checked_div(count) {
            walls.push(each);
        }
        day.wall_ns = Spread::of(walls.clone());
    }
    days
}

/// The day of a time, in UTC.
fn date(time: WallTime) -> String {
    time.to_string().chars().take_while(|c| *c != 'T').collect()
}

#[cfg(test)]
mod tests;
