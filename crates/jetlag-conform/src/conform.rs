//! Scenarios on a real server, and what came of it: the entry point of this crate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use jetlag_fault::{Effect, LostTail};
use jetlag_model::ServerVersion;
use jetlag_runner::{Registry, RunOptions, ScenarioFile, SuiteError, Unreadable, find_files};
use jetlag_scenario::{Command, Conform, Scenario, set_unconfirmed};

use crate::compare::Difference;
use crate::find::{FindError, Server, ServerUrl, version_of};
use crate::plan::{Lead, Plan, Unplayable};
use crate::ratio::{Ratio, ends_a_life, steps};
use crate::raw::{RequestError, Requester};
use crate::real::{RealError, RealServer};

/// A replay of a scenario takes no longer than this.
const LONGEST: jetlag_model::Duration = jetlag_model::Duration::from_secs(20);

/// A difference is one that persists at the pace, at half and at a quarter of it; or thrice where there is but one pace.
const SLOWED: ([u32; 3], [u32; 3]) = ([1, 2, 4], [1, 1, 1]);

/// How long the API may take to answer.
const API_TIMEOUT: Duration = Duration::from_secs(5);

/// How scenarios are replayed.
#[derive(Clone)]
pub struct ConformOptions {
    /// On what. Of a binary each scenario gets a process of its own; of a URL they share the server.
    pub server: Server,
    /// The handlers that workers can name.
    pub registry: Registry,
    /// A replay that would take longer is not made.
    pub longest: jetlag_model::Duration,
    /// How many scenarios are replayed at the same time, if each has a process of its own. Mostly they wait.
    pub jobs: usize,
}

impl ConformOptions {
    /// On this server, with the shipped handlers, 20 s at most for a scenario, and two scenarios a processor at the same time.
    pub fn new(server: Server) -> ConformOptions {
        let jobs = 2 * thread::available_parallelism().map_or(1, usize::from);
        ConformOptions { server, registry: Registry::new(), longest: LONGEST, jobs }
    }
}

/// What a replay says of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server does what the transcript says.
    Agree,
    /// It does not.
    Differ(Box<Difference>),
    /// It can not be told, for this reason.
    Inconclusive(String),
    /// It was not asked, for this reason.
    Skipped(String),
}

impl Verdict {
    /// One word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Agree => "agree",
            Verdict::Differ(_) => "differ",
            Verdict::Inconclusive(_) => "inconclusive",
            Verdict::Skipped(_) => "skipped",
        }
    }
}

/// A scenario that was replayed, or not.
#[derive(Clone, Debug)]
pub struct Conformed {
    /// The file.
    pub file: ScenarioFile,
    /// What came of it.
    pub verdict: Verdict,
    /// The pace of the last replay.
    pub ratio: Option<Ratio>,
    /// How many replays were made: more than one if the first differed.
    pub replays: u32,
    /// How long they took, with what led to them.
    pub took: Duration,
}

impl Conformed {
    /// Whether the file says that nobody has confirmed it, and now somebody has.
    pub fn confirms(&self) -> bool {
        self.verdict == Verdict::Agree && self.file.scenario.header.unconfirmed.is_some()
    }
}

/// What came of one file.
#[derive(Debug)]
pub struct FileReport {
    /// Where it is.
    pub path: PathBuf,
    /// What came of it; or why it could not be read.
    pub result: Result<Conformed, Unreadable>,
}

/// What came of all files.
#[derive(Debug)]
pub struct Report {
    /// The version of the server.
    pub version: ServerVersion,
    /// In the order of the paths.
    pub files: Vec<FileReport>,
}

/// How many files came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// [`Verdict::Agree`].
    pub agree: usize,
    /// [`Verdict::Differ`].
    pub differ: usize,
    /// [`Verdict::Inconclusive`].
    pub inconclusive: usize,
    /// [`Verdict::Skipped`].
    pub skipped: usize,
    /// No scenarios.
    pub unreadable: usize,
}

impl Report {
    /// How many files came to what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for file in &self.files {
            let count = match file.result.as_ref().map(|conformed| &conformed.verdict) {
                Ok(Verdict::Agree) => &mut counts.agree,
                Ok(Verdict::Differ(_)) => &mut counts.differ,
                Ok(Verdict::Inconclusive(_)) => &mut counts.inconclusive,
                Ok(Verdict::Skipped(_)) => &mut counts.skipped,
                Err(_) => &mut counts.unreadable,
            };
            *count += 1;
        }
        counts
    }
}

/// Why nothing could be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ConformError {
    /// The files.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// The binary.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The server at the URL.
    #[error(transparent)]
    Server(#[from] RealError),
}

/// Replays all scenarios below `paths`, and tells `on_result` of each, in the order of the paths, as soon as it and all before it are done.
///
/// # Errors
///
/// When a path can not be read, or when there is no server of use.
pub fn conform(paths: &[PathBuf], options: &ConformOptions, mut on_result: impl FnMut(&FileReport)) -> Result<Report, ConformError> {
    let paths = find_files(paths)?;
    let version = server_version(&options.server)?;
    let jobs = match options.server {
        Server::Binary(_) => options.jobs.clamp(1, paths.len().max(1)),
        // They would be in each other's way.
        Server::Running(_) => 1,
    };
    let next = AtomicUsize::new(0);
    let (sender, done) = mpsc::channel();
    let mut files = Vec::with_capacity(paths.len());
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next, paths) = (sender.clone(), &next, &paths);
            scope.spawn(move || {
                while let Some((index, path)) = next_of(next, paths) {
                    // Nobody listens any more when telling failed with a panic, which is on its way.
                    let _ = sender.send((index, conform_file(path, options, version)));
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        for (index, report) in done {
            early.insert(index, report);
            while let Some(report) = early.remove(&files.len()) {
                on_result(&report);
                files.push(report);
            }
        }
    });
    Ok(Report { version, files })
}

fn next_of<'p>(next: &AtomicUsize, paths: &'p [PathBuf]) -> Option<(usize, &'p PathBuf)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    paths.get(index).map(|path| (index, path))
}

/// The version of a server.
///
/// # Errors
///
/// When it can not be run or reached, or is no nats-server.
pub fn server_version(server: &Server) -> Result<ServerVersion, ConformError> {
    Ok(match server {
        Server::Binary(path) => version_of(path)?,
        Server::Running(url) => RealServer::at(url)?.version(),
    })
}

/// Replays one file on a server of this version. Needs nothing of any other replay.
pub fn conform_file(path: &Path, options: &ConformOptions, version: ServerVersion) -> FileReport {
    let started = Instant::now();
    let reading = RunOptions { registry: options.registry.clone(), ..RunOptions::default() };
    let result = ScenarioFile::read(path, &reading).map(|file| {
        let Replayed { verdict, ratio, replays } = conform_scenario(&file.scenario, options, version);
        Conformed { file, verdict, ratio, replays, took: started.elapsed() }
    });
    FileReport { path: path.to_owned(), result }
}

/// The text of a scenario that a server has confirmed: without its `unconfirmed:` line.
pub fn confirm(text: &str) -> String {
    set_unconfirmed(text, None)
}

/// What came of the replays of one scenario.
struct Replayed {
    verdict: Verdict,
    ratio: Option<Ratio>,
    replays: u32,
}

fn conform_scenario(scenario: &Scenario, options: &ConformOptions, version: ServerVersion) -> Replayed {
    let none = |verdict| Replayed { verdict, ratio: None, replays: 0 };
    if let Some(reason) = reason_to_skip(scenario, &options.server, version) {
        return none(Verdict::Skipped(reason));
    }
    let inconclusive = |unplayable: Unplayable| none(Verdict::Inconclusive(unplayable.to_string()));
    let lead = match Lead::new(scenario, version, options.registry.clone(), options.longest) {
        Ok(lead) => lead,
        Err(unplayable) => return inconclusive(unplayable),
    };
    let mut plan = match lead.fastest() {
        Ok(plan) => plan,
        Err(unplayable) => return inconclusive(unplayable),
    };
    let fastest = plan.ratio;
    let mut first_difference = None;
    let mut replays = 0;
    for times in if ends_a_life(scenario) { SLOWED.1 } else { SLOWED.0 } {
        if times > 1 {
            match lead.at(fastest.slowed(times)) {
                Ok(slower) => plan = slower,
                Err(_) => break,
            }
        }
        replays += 1;
        let ratio = Some(plan.ratio);
        match replay(&plan, scenario, &options.server) {
            Ok(None) => return Replayed { verdict: Verdict::Agree, ratio, replays },
            Ok(Some(difference)) => first_difference = first_difference.or(Some(difference)),
            Err(Obstacle::Skip(reason)) => return Replayed { verdict: Verdict::Skipped(reason), ratio, replays },
            Err(Obstacle::Failed(reason)) => return Replayed { verdict: Verdict::Inconclusive(reason), ratio, replays },
        }
    }
    let verdict = match first_difference {
        Some(difference) => Verdict::Differ(Box::new(difference)),
        None => Verdict::Inconclusive("it was not replayed".to_owned()),
    };
    Replayed { verdict, ratio: Some(plan.ratio), replays }
}

/// Why a scenario is not for this server.
fn reason_to_skip(scenario: &Scenario, server: &Server, version: ServerVersion) -> Option<String> {
    if let Conform::No(reason) = &scenario.header.conform {
        return Some(format!("conform: no - {reason}"));
    }
    if let Some(range) = scenario.header.server.as_ref().filter(|range| !range.contains(version)) {
        return Some(format!("it is about servers {range}, and this is {version}"));
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
        Command::Kill(kill) => kill.lost.unwrap_or_default(),
        Command::Fault(fault) => match fault.rule.effect {
            Effect::Kill { lost, .. } => lost,
            _ => LostTail::Nothing,
        },
        _ => LostTail::Nothing,
    };
    lost != LostTail::Nothing
}

/// Why a replay says nothing.
enum Obstacle {
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

fn replay(plan: &Plan<'_>, scenario: &Scenario, server: &Server) -> Result<Option<Difference>, Obstacle> {
    match server {
        Server::Binary(binary) => play(plan, RealServer::start(binary)?),
        Server::Running(url) => {
            let streams = streams_of(scenario);
            let mut api = Api::open(url)?;
            if let Some(stream) = api.first_existing(&streams)? {
                return Err(Obstacle::Skip(format!("the server at {url} has a stream {stream} already, which would be in the way")));
            }
            let played = play(plan, RealServer::at(url)?);
            api.delete(&streams)?;
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

/// The names of the streams that a scenario creates.
fn streams_of(scenario: &Scenario) -> Vec<&str> {
    steps(scenario)
        .filter_map(|step| match &step.command {
            Command::Stream(command) => Some(command.name.as_str()),
            _ => None,
        })
        .collect()
}

/// The API of a server that is not ours.
struct Api(Requester);

impl Api {
    fn open(url: &ServerUrl) -> Result<Api, Obstacle> {
        let addr = url.resolve().map_err(|source| RealError::Url { url: url.to_string(), source })?;
        let options = url.credentials(jetlag_wire::ConnectOptions::default());
        Ok(Api(Requester::open(addr, &options).map_err(RealError::from)?))
    }

    fn first_existing<'n>(&mut self, streams: &[&'n str]) -> Result<Option<&'n str>, Obstacle> {
        for stream in streams {
            let answer = self.0.request(&format!("$JS.API.STREAM.INFO.{stream}"), "", API_TIMEOUT)?;
            let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
            if answer.get("error").is_none() {
                return Ok(Some(stream));
            }
        }
        Ok(None)
    }

    /// Deletes what a replay left. That a stream is not there any more is fine.
    fn delete(&mut self, streams: &[&str]) -> Result<(), Obstacle> {
        for stream in streams {
            self.0.request(&format!("$JS.API.STREAM.DELETE.{stream}"), "", API_TIMEOUT)?;
        }
        Ok(())
    }
}
