//! Scenario files on real servers, and what came of it: the entry point of this crate.

use std::borrow::Cow;
use std::path::PathBuf;
use std::thread;

use jetlag_model::ServerVersion;
use jetlag_runner::{Registry, RunOptions, ScenarioFile, SuiteError, Unreadable, find_files, run_simulated};
use jetlag_scenario::{Scenario, set_unconfirmed};

use crate::find::{FindError, Server, version_of};
use crate::real::{RealError, RealServer};
use crate::replay::{ReplayOptions, Target, Task, long_ones_first, replay_all};
use crate::verdict::{Cell, Counts, Verdict};

/// A replay of a scenario takes no longer than this.
const LONGEST: jetlag_model::Duration = jetlag_model::Duration::from_secs(20);

/// How many replays a processor bears, most of them waiting.
const JOBS_A_PROCESSOR: usize = 80;

/// How scenarios are replayed.
#[derive(Clone)]
pub struct ConformOptions {
    /// On what. Of a binary a scenario gets an account of its own, or a process if it restarts it, and of a `jetlag serve` a user name; other
    /// servers given by URL are used as they are, one scenario after the other.
    pub servers: Vec<Server>,
    /// Which version the simulator plays; that of the server when absent.
    pub as_version: Option<ServerVersion>,
    /// Whether the simulator has to show what the files say before a server is asked. Not for a version that no file speaks of.
    pub transcripts: bool,
    /// The handlers that workers can name.
    pub registry: Registry,
    /// A replay that would take longer is not made.
    pub longest: jetlag_model::Duration,
    /// How many scenarios are replayed at the same time, at most. Mostly they wait.
    pub jobs: usize,
}

impl ConformOptions {
    /// On these servers, each played as it is, with the shipped handlers, 20 s at most for a scenario.
    pub fn new(servers: Vec<Server>) -> ConformOptions {
        let jobs = JOBS_A_PROCESSOR * thread::available_parallelism().map_or(1, usize::from);
        ConformOptions { servers, as_version: None, transcripts: true, registry: Registry::new(), longest: LONGEST, jobs }
    }

    pub(crate) fn replay_options(&self, targets: &[Target]) -> ReplayOptions {
        let one_by_one = !targets.iter().all(Target::has_accounts);
        // They would be in each other's way.
        let jobs = if one_by_one { 1 } else { self.jobs };
        ReplayOptions { registry: self.registry.clone(), longest: self.longest, jobs }
    }

    /// The servers, all of them up.
    ///
    /// # Errors
    ///
    /// When one can not be run or reached, or is no nats-server.
    pub(crate) fn targets(&self) -> Result<Vec<Target>, ConformError> {
        let target = |server: &Server| {
            if let Server::Binary(path) = server {
                // What is something else is not started.
                version_of(path)?;
            }
            Ok(Target::new(server.clone(), self.as_version)?)
        };
        thread::scope(|scope| {
            let targets: Vec<_> = self.servers.iter().map(|server| scope.spawn(move || target(server))).collect();
            targets.into_iter().map(|target| target.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }
}

/// A scenario that was replayed on each server, or not.
#[derive(Clone, Debug)]
pub struct Conformed {
    /// The file.
    pub file: ScenarioFile,
    /// What came of it, a server each.
    pub cells: Vec<Cell>,
    /// Whether all of them are real servers; the word of a simulated one confirms nothing.
    pub on_real_servers: bool,
}

impl Conformed {
    /// Whether the file says that nobody has confirmed it, and now somebody has and nobody disagrees.
    pub fn confirms(&self) -> bool {
        let all = |cell: &Cell| matches!(cell.verdict, Verdict::Agree | Verdict::Skipped(_) | Verdict::Known(_));
        let some = self.cells.iter().any(|cell| cell.verdict == Verdict::Agree);
        self.on_real_servers && some && self.cells.iter().all(all) && self.file.scenario.header.unconfirmed.is_some()
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
    /// The versions of the servers.
    pub versions: Vec<ServerVersion>,
    /// In the order of the paths.
    pub files: Vec<FileReport>,
}

impl Report {
    /// How many scenarios came to what on one server.
    pub fn counts_on(&self, server: usize) -> Counts {
        let mut counts = Counts::default();
        for file in &self.files {
            match &file.result {
                Ok(conformed) => counts.add(&conformed.cells[server].verdict),
                Err(_) => counts.unreadable += 1,
            }
        }
        counts
    }

    /// How many came to what on all servers. A file that can not be read counts once.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for file in &self.files {
            match &file.result {
                Ok(conformed) => conformed.cells.iter().for_each(|cell| counts.add(&cell.verdict)),
                Err(_) => counts.unreadable += 1,
            }
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
    /// It does not start, or can not be reached.
    #[error(transparent)]
    Server(#[from] RealError),
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many scenarios, each counted once a server, are done.
    pub done: usize,
    /// How many there are.
    pub all: usize,
}

/// Replays all scenarios below `paths` on all servers, and tells `on_progress` whenever one is done.
///
/// # Errors
///
/// When a path can not be read, or when there is no server of use.
pub fn conform(paths: &[PathBuf], options: &ConformOptions, mut on_progress: impl FnMut(Progress)) -> Result<Report, ConformError> {
    let paths = find_files(paths)?;
    let targets = options.targets()?;
    let reading = RunOptions { registry: options.registry.clone(), ..RunOptions::default() };
    let files: Vec<_> = paths.iter().map(|path| ScenarioFile::read(path, &reading)).collect();
    let pairs: Vec<_> = files.iter().flatten().flat_map(|file| targets.iter().map(move |target| (&file.scenario, target))).collect();
    let scenarios: Vec<Cow<'_, Scenario>> = pairs
        .iter()
        .map(|(scenario, target)| match options.transcripts {
            true => Cow::Borrowed(*scenario),
            false => Cow::Owned(as_simulated(scenario, &RunOptions { version: target.plays, ..reading.clone() })),
        })
        .collect();
    let task = |index: usize| Task { scenario: Cow::Borrowed(&*scenarios[index]), target: pairs[index].1 };
    let mut cells: Vec<Option<Cell>> = vec![None; pairs.len()];
    let mut done = 0;
    let records = |file: &ScenarioFile| run_simulated(&file.scenario, &reading).trace.records().len();
    let records: Vec<usize> = files.iter().flatten().flat_map(|file| vec![records(file); targets.len()]).collect();
    let order = long_ones_first(scenarios.iter().map(Cow::as_ref).zip(records));
    replay_all(order, task, &options.replay_options(&targets), |index, it| {
        cells[index] = Some(it.cell);
        done += 1;
        on_progress(Progress { done, all: pairs.len() });
    });
    let mut cells = cells.into_iter().flatten();
    let on_real_servers = targets.iter().all(Target::is_real);
    let files = paths.into_iter().zip(files).map(|(path, file)| {
        let result = file.map(|file| Conformed { file, cells: cells.by_ref().take(targets.len()).collect(), on_real_servers });
        FileReport { path, result }
    });
    Ok(Report { files: files.collect(), versions: targets.iter().map(|target| target.version).collect() })
}

/// A scenario with the transcripts that the simulator gives.
fn as_simulated(scenario: &Scenario, options: &RunOptions) -> Scenario {
    let mut simulated = scenario.clone();
    for mismatch in run_simulated(scenario, options).mismatches() {
        simulated.blocks[mismatch.block].transcripts[mismatch.transcript].lines.clone_from(&mismatch.got);
    }
    simulated
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

/// The text of a scenario that a server has confirmed: without its `unconfirmed:` line.
pub fn confirm(text: &str) -> String {
    set_unconfirmed(text, None)
}
