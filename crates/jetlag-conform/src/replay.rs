//! Scenarios replayed side by side, as many at once as the machine bears; and those that differ again, on a quieter machine.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jetlag_fault::{Effect, Lost, LostTail};
use jetlag_model::ServerVersion;
use jetlag_runner::{Registry, RunOptions, Separation, separation};
use jetlag_scenario::{Command, Conform, Scenario};

use crate::compare::Difference;
use crate::find::Server;
use crate::foreign::Foreign;
use crate::hosts::{Host, Need};
use crate::load::{Door, Gauge};
use crate::plan::{Lead, Plan, Unplayable};
use crate::ratio::{Ratio, ends_a_life, steps};
use crate::raw::RequestError;
use crate::real::{RealError, RealServer};
use crate::server::check_room;
use crate::verdict::{Cell, Verdict};

/// A difference is one that persists at the pace, at half and at a quarter of it; or thrice where there is but one pace.
const SLOWED: ([u32; 3], [u32; 3]) = ([1, 2, 4], [1, 1, 1]);

/// How many replays a processor bears however late it is: they wait most of the time.
const FEW_A_PROCESSOR: usize = 8;

/// A server to replay on.
pub(crate) struct Target {
    /// What it is.
    pub(crate) server: Server,
    /// The server's version.
    pub(crate) version: ServerVersion,
    /// The version that the simulator plays.
    pub(crate) plays: ServerVersion,
    host: Host,
    is_real: bool,
}

impl Target {
    /// Whether its replays may go on side by side.
    pub(crate) fn has_accounts(&self) -> bool {
        self.host.has_accounts()
    }

    /// Whether what it says is a real server's word.
    pub(crate) fn is_real(&self) -> bool {
        self.is_real
    }

    /// A server that is up; the simulator plays `plays`, or else its version.
    ///
    /// # Errors
    ///
    /// When it can not be started or reached.
    pub(crate) fn new(server: Server, plays: Option<ServerVersion>) -> Result<Target, RealError> {
        let host = Host::new(server.clone());
        let version = host.ready()?;
        let is_real = !host.is_simulated();
        Ok(Target { host, server, version, plays: plays.unwrap_or(version), is_real })
    }
}

/// How replays are made.
#[derive(Clone)]
pub(crate) struct ReplayOptions {
    /// The handlers that workers can name.
    pub(crate) registry: Registry,
    /// A replay that would take longer is not made.
    pub(crate) longest: jetlag_model::Duration,
    /// How many at the same time. Mostly they wait.
    pub(crate) jobs: usize,
}

/// A scenario to replay, and where.
#[derive(Clone)]
pub(crate) struct Task<'t> {
    pub(crate) scenario: Cow<'t, Scenario>,
    pub(crate) target: &'t Target,
}

/// A task that was done.
pub(crate) struct Done<'t> {
    pub(crate) task: Task<'t>,
    pub(crate) cell: Cell,
}

/// Replays the tasks of these numbers, begun in this order, and tells `on_done` of each as soon as it is known. `task` makes a task when its
/// turn comes.
pub(crate) fn replay_all<'t>(
    numbers: Vec<usize>,
    task: impl Fn(usize) -> Task<'t> + Sync,
    options: &ReplayOptions,
    mut on_done: impl FnMut(usize, Done<'t>),
) {
    let crew = Crew::new(options);
    let mut doubtful = Vec::new();
    let once = |number| {
        let making = crew.planners.enter(|| false);
        let task = task(number);
        drop(making);
        let outcome = crew.task(&task, Round::Together);
        (number, task, outcome)
    };
    work_off(numbers, options.jobs, once, |(number, task, outcome)| match outcome {
        Ok(cell) => on_done(number, Done { task, cell }),
        Err(Doubt { replays }) => doubtful.push((number, task, replays)),
    });
    for round in [Round::WithFew, Round::Apart] {
        let few = if round == Round::Apart { 1 } else { FEW_A_PROCESSOR };
        let jobs = options.jobs.min(few * processors());
        // In the order of the numbers, whoever was first to differ; but those that take their time first.
        doubtful.sort_unstable_by_key(|(number, task, _): &(usize, Task<'_>, u32)| (!ends_a_life(&task.scenario), *number));
        let again = |(number, task, before)| {
            let outcome = crew.task(&task, round);
            (number, task, before, outcome)
        };
        work_off(std::mem::take(&mut doubtful), jobs, again, |(number, task, before, outcome)| match outcome {
            Ok(cell) => on_done(number, Done { task, cell: Cell { replays: before + cell.replays, ..cell } }),
            Err(Doubt { replays }) => doubtful.push((number, task, before + replays)),
        });
    }
}

/// Replays all of these, and those that differ once more in turn, until one still does.
pub(crate) fn first_that_differs(scenarios: &[&Scenario], target: &Target, options: &ReplayOptions) -> Option<usize> {
    let crew = Crew::new(options);
    let task = |index: usize| Task { scenario: Cow::Borrowed(scenarios[index]), target };
    let mut doubtful = Vec::new();
    let once = |index| (index, crew.task(&task(index), Round::Together));
    work_off((0..scenarios.len()).collect(), options.jobs, once, |(index, outcome)| {
        if outcome.is_err() {
            doubtful.push(index);
        }
    });
    doubtful.sort_unstable();
    doubtful.into_iter().find(|index| crew.task(&task(*index), Round::Together).is_err())
}

/// What becomes of a difference when one scenario is replayed with nobody beside it, slower each time.
pub(crate) fn replay_alone(scenario: &Scenario, target: &Target, options: &ReplayOptions) -> Option<Cell> {
    Crew::new(options).task(&Task { scenario: Cow::Borrowed(scenario), target }, Round::Apart).ok()
}

/// The order in which scenarios are best begun: those that take their time first, so that nobody waits for one that was begun last. Those
/// that restart their server do, and those of many records; otherwise as given.
pub(crate) fn long_ones_first<'s>(scenarios: impl Iterator<Item = (&'s Scenario, usize)>) -> Vec<usize> {
    let mut order: Vec<_> =
        scenarios.enumerate().map(|(index, (scenario, records))| (!ends_a_life(scenario), Reverse(records), index)).collect();
    order.sort_unstable();
    order.into_iter().map(|(.., index)| index).collect()
}

/// Does all of this work, so much of it at the same time, and tells of each piece when it is done.
fn work_off<W: Send, R: Send>(work: Vec<W>, jobs: usize, each: impl Fn(W) -> R + Sync, mut on_done: impl FnMut(R)) {
    let jobs = jobs.clamp(1, work.len().max(1));
    let queue = Mutex::new(VecDeque::from(work));
    let (sender, done) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, queue, each) = (sender.clone(), &queue, &each);
            scope.spawn(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(next) = next else { return };
                    // Nobody listens any more when telling failed with a panic, which is on its way.
                    let _ = sender.send(each(next));
                }
            });
        }
        drop(sender);
        done.into_iter().for_each(&mut on_done);
    });
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// How a replay is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Once, beside many others. What does not agree is in doubt.
    Together,
    /// Until it agrees, slower each time, beside few others on a machine that is not late. What does not agree is still in doubt.
    WithFew,
    /// Until it agrees, slower each time, one a processor. This is the last word.
    Apart,
}

/// A replay did not come to what it should, which may be for the company it was in.
struct Doubt {
    replays: u32,
}

struct Crew<'o> {
    gauge: Gauge,
    many: Door,
    few: Door,
    /// Planning takes all of a processor, and replays beside it would be late.
    planners: Door,
    options: &'o ReplayOptions,
}

impl Crew<'_> {
    fn new(options: &ReplayOptions) -> Crew<'_> {
        Crew {
            gauge: Gauge::start(),
            many: Door::new(FEW_A_PROCESSOR * processors()),
            few: Door::new(processors()),
            planners: Door::new(processors().div_ceil(2)),
            options,
        }
    }

    fn task(&self, Task { scenario, target }: &Task<'_>, round: Round) -> Result<Cell, Doubt> {
        let started = Instant::now();
        let cell = |verdict, ratio, replays| Cell { verdict, ratio, replays, took: started.elapsed() };
        if let Some(reason) = reason_to_skip(scenario, target) {
            return Ok(cell(Verdict::Skipped(reason), None, 0));
        }
        let Replayed { found, ratio, replays } = self.replays(scenario, target, round);
        let known = scenario.header.differs.iter().find(|known| known.range.contains(target.version));
        let separation = self.separation(scenario, target);
        let names = || separation.rules.iter().map(|rule| rule.name).collect::<Vec<_>>();
        let verdict = match (found, round) {
            // What should differ and does not may have been late, as what should agree and does not.
            (Found::Agrees, Round::Together | Round::WithFew) if separation.separated => return Err(Doubt { replays }),
            (Found::Agrees, Round::Apart) if separation.separated => {
                let (rules, Target { plays, version, .. }) = (names().join(", "), target);
                Verdict::Closed(format!("the simulator has {plays} do something else here than {version}, by rule {rules}"))
            }
            (Found::Agrees, _) => known.map_or(Verdict::Agree, |known| {
                Verdict::Closed(format!("`differs:` says otherwise ({}); remove the line, or narrow its range", known.evidence))
            }),
            (Found::Differs(_), _) if separation.separated => Verdict::Separated(names()),
            (Found::Skipped(reason), _) => Verdict::Skipped(reason),
            (Found::Unplayable(reason), _) => Verdict::Inconclusive(reason),
            (Found::Differs(_) | Found::Failed(_), Round::Together | Round::WithFew) => {
                return Err(Doubt { replays });
            }
            (Found::Differs(difference), Round::Apart) => {
                known.map_or(Verdict::Differ(difference), |known| Verdict::Known(known.evidence.clone()))
            }
            (Found::Failed(reason), Round::Apart) => Verdict::Inconclusive(reason),
        };
        Ok(cell(verdict, ratio, replays))
    }

    /// The pace at which a server of another version than the simulator plays shows what it does: it may time what the other does not.
    fn pace_of_the_server(&self, scenario: &Scenario, target: &Target, lateness: Duration) -> Option<Ratio> {
        let Target { plays, version, .. } = *target;
        let lead = (plays != version).then(|| Lead::new(scenario, version, self.options.registry.clone(), self.options.longest, lateness));
        let lead = lead?.ok()?;
        lead.fastest().ok().map(|plan| plan.ratio)
    }

    /// What is to be expected of a server of another version than the simulator plays.
    fn separation(&self, scenario: &Scenario, target: &Target) -> Separation {
        let Target { plays, version, .. } = *target;
        if plays == version {
            return Separation { separated: false, rules: Vec::new() };
        }
        let _planning = self.planners.enter(|| false);
        let options = RunOptions { registry: self.options.registry.clone(), most_records: usize::MAX, ..RunOptions::default() };
        separation(scenario, &options, plays, version)
    }

    fn replays(&self, scenario: &Scenario, target: &Target, round: Round) -> Replayed {
        let lateness = self.gauge.lateness();
        let replayed = self.replays_when_late(scenario, target, round, lateness);
        match replayed.found {
            // A pace for a late machine would take too long or is none: what is left is to hope that it is not late at the wrong moment.
            Found::Unplayable(_) if !lateness.is_zero() => self.replays_when_late(scenario, target, round, Duration::ZERO),
            _ => replayed,
        }
    }

    fn replays_when_late(&self, scenario: &Scenario, target: &Target, round: Round, lateness: Duration) -> Replayed {
        let unplayable = |unplayable: Unplayable| Replayed { found: Found::Unplayable(unplayable.to_string()), ratio: None, replays: 0 };
        let planning = self.planners.enter(|| false);
        let lead = match Lead::new(scenario, target.plays, self.options.registry.clone(), self.options.longest, lateness) {
            Ok(lead) => lead,
            Err(reason) => return unplayable(reason),
        };
        let fastest = match lead.fastest() {
            Ok(plan) => plan,
            Err(reason) => return unplayable(reason),
        };
        let fastest =
            self.pace_of_the_server(scenario, target, lateness).and_then(|own| lead.at_if_slower(&fastest, own)).unwrap_or(fastest);
        drop(planning);
        let slowed = if ends_a_life(scenario) { SLOWED.1 } else { SLOWED.0 };
        let slowed = if round == Round::Together { &slowed[..1] } else { &slowed };
        let mut first = None;
        let (ratio, mut replays) = (fastest.ratio, 0);
        let mut plan = fastest;
        for times in slowed {
            if *times > 1 {
                match lead.at(ratio.slowed(*times)) {
                    Ok(slower) => plan = slower,
                    Err(_) => break,
                }
            }
            replays += 1;
            let _inside = match round {
                Round::Together => self.many.enter(|| self.gauge.bears_more()),
                Round::WithFew | Round::Apart => self.few.enter(|| self.gauge.lateness().is_zero()),
            };
            match replay(&plan, scenario, target) {
                Ok(None) => return Replayed { found: Found::Agrees, ratio: Some(plan.ratio), replays },
                Ok(Some(difference)) => first = first.or(Some(difference)),
                Err(Obstacle::Skip(reason)) => return Replayed { found: Found::Skipped(reason), ratio: Some(plan.ratio), replays },
                Err(Obstacle::Failed(reason)) => return Replayed { found: Found::Failed(reason), ratio: Some(plan.ratio), replays },
            }
        }
        let found = first.map_or_else(|| Found::Failed("it was not replayed".to_owned()), |first| Found::Differs(Box::new(first)));
        Replayed { found, ratio: Some(plan.ratio), replays }
    }
}

struct Replayed {
    found: Found,
    ratio: Option<Ratio>,
    replays: u32,
}

/// What replays came to.
enum Found {
    Agrees,
    Differs(Box<Difference>),
    /// There is no pace for it.
    Unplayable(String),
    /// The server, or the way to it, failed.
    Failed(String),
    Skipped(String),
}

/// Why a scenario is not for this server.
fn reason_to_skip(scenario: &Scenario, target: &Target) -> Option<String> {
    let Target { version, plays, ref server, .. } = *target;
    if let Conform::No(reason) = &scenario.header.conform {
        return Some(format!("conform: no - {reason}"));
    }
    if let Some(range) = &scenario.header.server
        && let Some(other) = [version, plays].into_iter().find(|version| !range.contains(*version))
    {
        return Some(format!("it is about servers {range}, and this is {other}"));
    }
    if steps(scenario).any(|step| loses_a_tail(&step.command)) {
        return Some(RealError::LostTail.to_string());
    }
    if matches!(server, Server::Running(_)) && ends_a_life(scenario) {
        return Some(RealError::NotOurs("be stopped and started").to_string());
    }
    None
}

fn loses_a_tail(command: &Command) -> bool {
    let lost = match command {
        Command::Kill(kill) => kill.lost,
        Command::Fault(fault) => match fault.rule.effect {
            Effect::Kill { lost, .. } => lost,
            _ => LostTail::default(),
        },
        _ => LostTail::default(),
    };
    // What it has not written a killed process loses by itself.
    [lost.messages, lost.state].iter().any(|lost| !matches!(lost, Lost::Nothing | Lost::Unwritten))
}

/// Why a replay says nothing.
pub(crate) enum Obstacle {
    Skip(String),
    Failed(String),
}

impl From<RealError> for Obstacle {
    fn from(error: RealError) -> Obstacle {
        Obstacle::Failed(error.to_string())
    }
}

impl From<RequestError> for Obstacle {
    fn from(error: RequestError) -> Obstacle {
        Obstacle::Failed(error.to_string())
    }
}

fn replay(plan: &Plan<'_>, scenario: &Scenario, target: &Target) -> Result<Option<Difference>, Obstacle> {
    let need = if ends_a_life(scenario) { Need::Process } else { Need::Account };
    match &target.server {
        Server::Binary(_) => {
            let server = target.host.server(need)?;
            // Storage keeps the times of pending messages in whole seconds.
            let server = if need == Need::Process { server.from_a_whole_second() } else { server };
            let difference = play(plan, server)?;
            if difference.is_some() {
                check_room().map_err(RealError::from)?;
            }
            Ok(difference)
        }
        Server::Running(_) if target.host.has_accounts() => play(plan, target.host.server(need)?),
        Server::Running(url) => {
            let mut foreign = Foreign::open(url, scenario)?;
            let played = play(plan, target.host.server(need)?);
            foreign.clean_up()?;
            played
        }
    }
}

fn play(plan: &Plan<'_>, server: RealServer) -> Result<Option<Difference>, Obstacle> {
    let server = server.with_patience(plan.patience);
    let failure = server.failure();
    let replay = plan.replay(server);
    match failure.get() {
        Some(failure) => Err(Obstacle::Failed(failure.clone())),
        None => Ok(plan.difference(&replay)),
    }
}
