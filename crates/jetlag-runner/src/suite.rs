//! Many scenario files: finding them, reading them, running them side by side with one order of results, and blessing them.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use jetlag_scenario::{Bless, Conform, Diagnostic, Scenario};
use jetlag_trace::{Digest, Record, json_line};

use crate::{Failure, Outcome, RunOptions, run_simulated};

/// The ending of scenario files.
const EXTENSION: &str = "scn";

/// The value of `unconfirmed:` that blessing writes.
const UNCONFIRMED: &str = "blessed from the simulator";

/// Why scenario files can not be found or changed.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A path that is not there, or can not be read.
    #[error("{} can not be read or written", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Blessing on a build machine.
    #[error("--bless is refused where CI is set: a machine does not decide what is right")]
    BlessInCi,
}

/// Finds scenario files: a file is itself, a directory all `.scn` files below it. The result is sorted by path, each path once.
///
/// # Errors
/// When a path is not there or can not be read.
pub fn find_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SuiteError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|source| SuiteError::Io { path: path.clone(), source })?;
        if metadata.is_dir() { find_below(path, &mut files)? } else { files.push(path.clone()) }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn find_below(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), SuiteError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| SuiteError::Io { path, source }
    };
    for entry in std::fs::read_dir(directory).map_err(io(directory))? {
        let path = entry.map_err(io(directory))?.path();
        if path.is_dir() {
            find_below(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    Ok(())
}

/// A scenario file that was read.
#[derive(Clone, Debug)]
pub struct ScenarioFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it says.
    pub scenario: Scenario,
}

/// A file that can not be run.
#[derive(Debug)]
pub enum Unreadable {
    /// It can not be read from the disk.
    Io(std::io::Error),
    /// It is no scenario. The text is for showing where; what is not UTF-8 in it is replaced.
    Bad {
        /// The text.
        text: String,
        /// What is wrong, in the order of the text.
        diagnostics: Vec<Diagnostic>,
    },
}

impl ScenarioFile {
    /// Reads a file, and looks whether its handlers can be had.
    ///
    /// # Errors
    /// When it can not be read, or is no scenario.
    pub fn read(path: &Path, options: &RunOptions) -> Result<ScenarioFile, Unreadable> {
        let bytes = std::fs::read(path).map_err(Unreadable::Io)?;
        let bad = |diagnostics| Unreadable::Bad { text: String::from_utf8_lossy(&bytes).into_owned(), diagnostics };
        let scenario = jetlag_scenario::parse_bytes(&bytes).map_err(bad)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let handlers = options.registry.problems(&scenario).into_iter();
        let handlers = handlers.map(|(span, error)| (span, error.to_string(), "this handler can not be had"));
        let metrics = crate::expect::problems(&scenario, &options.contract).into_iter();
        let problems: Vec<_> = handlers.chain(metrics.map(|(span, problem)| (span, problem, "this can not be expected"))).collect();
        if problems.is_empty() {
            return Ok(ScenarioFile { path: path.to_owned(), text, scenario });
        }
        let diagnostics = problems.into_iter().map(|(span, message, label)| {
            let line_start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
            Diagnostic {
                span: span.range(),
                line: span.line,
                column: text[line_start..span.start].chars().count() + 1,
                message,
                label: label.to_owned(),
                help: None,
            }
        });
        Err(bad(diagnostics.collect()))
    }
}

/// Runs whose traces differ though nothing that they were given does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nondeterminism {
    /// Which run was the first to differ from the first one, counted from 1.
    pub run: u64,
    /// The number of the first record that differs, of those that were held.
    pub record: u64,
    /// How many records were not held any more; 0 unless the run is a long one.
    pub unheld: u64,
    /// That record of the first run, as JSON; `None` when that run was over.
    pub first: Option<String>,
    /// That record of the run that differs, as JSON; `None` when that run was over.
    pub other: Option<String>,
}

impl fmt::Display for Nondeterminism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} differs from run 1: record {} is the first that differs", self.run, self.record)?;
        if self.unheld > 0 {
            write!(f, " of those that were held ({} were not)", self.unheld)?;
        }
        for (sign, record) in [('-', &self.first), ('+', &self.other)] {
            write!(f, "\n{sign} {}", record.as_deref().unwrap_or("(the run is over)"))?;
        }
        Ok(())
    }
}

/// One of several runs of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// The digest of all that happened.
    pub digest: Digest,
    /// How long it took in real time. It is measured here and is in nothing that is compared.
    pub wall: std::time::Duration,
}

/// What came of one file.
#[derive(Debug)]
pub struct FileReport {
    /// Where it is.
    pub path: PathBuf,
    /// What came of its first run; or why it could not be run.
    pub result: Result<FileRun, Unreadable>,
}

/// What came of running one file.
#[derive(Debug)]
pub struct FileRun {
    /// The file.
    pub file: ScenarioFile,
    /// What came of its first run.
    pub outcome: Outcome,
    /// All its runs, the first one included.
    pub repeats: Vec<Repeat>,
    /// Whether a later run differed.
    pub nondeterminism: Option<Nondeterminism>,
}

/// Runs files on the simulator, each `runs` times, on `jobs` threads. The reports are in the order of the paths, whoever finishes first.
pub fn run_files(paths: &[PathBuf], options: &RunOptions, runs: u64, jobs: usize) -> Vec<FileReport> {
    in_order(paths, jobs, |path| {
        let result = ScenarioFile::read(path, options).map(|file| run_file(file, options, runs));
        FileReport { path: path.clone(), result }
    })
}

fn run_file(file: ScenarioFile, options: &RunOptions, runs: u64) -> FileRun {
    let once = || {
        let started = Instant::now();
        let outcome = run_simulated(&file.scenario, options);
        (Repeat { digest: outcome.digest(), wall: started.elapsed() }, outcome)
    };
    let (first, outcome) = once();
    let mut repeats = vec![first];
    let mut nondeterminism = None;
    for run in 2..=runs {
        let (repeat, again) = once();
        if repeat.digest != first.digest && nondeterminism.is_none() {
            nondeterminism = Some(difference(run, &outcome, &again));
        }
        repeats.push(repeat);
    }
    FileRun { file, outcome, repeats, nondeterminism }
}

fn difference(run: u64, first: &Outcome, other: &Outcome) -> Nondeterminism {
    let unheld = |outcome: &Outcome| (outcome.trace.len() - outcome.trace.records().len()) as u64;
    let (unheld, others) = (unheld(first), unheld(other));
    let found = if unheld == others { first.trace.first_difference(&other.trace) } else { None };
    let record = unheld + found.map_or(0, |found| found.index as u64);
    let json = |record: Option<&Record>| record.map(json_line);
    Nondeterminism {
        run,
        record,
        unheld,
        first: json(found.and_then(|found| found.left)),
        other: json(found.and_then(|found| found.right)),
    }
}

/// Does the same to every item on some threads, and gives the results in the order of the items.
pub fn in_order<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while let Some((index, item)) = next_item(&next, items) {
                    let result = work(item);
                    // A thread that panicked while it held the lock left nothing half done: pushing is all that happens under it.
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn next_item<'i, T>(next: &AtomicUsize, items: &'i [T]) -> Option<(usize, &'i T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

/// What blessing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blessed {
    /// How many transcripts.
    pub blocks: usize,
}

impl fmt::Display for Blessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} blessed", self.blocks, if self.blocks == 1 { "transcript" } else { "transcripts" })
    }
}

/// Whether files may be blessed here.
///
/// # Errors
/// When `CI` is set in the environment.
pub fn may_bless() -> Result<(), SuiteError> {
    if std::env::var_os("CI").is_some_and(|value| !value.is_empty()) { Err(SuiteError::BlessInCi) } else { Ok(()) }
}

/// Writes what came into a file's transcripts: those that apply to the version, and no other byte, except that the header then says that no
/// real server has confirmed them (unless the file says that none can be asked). The file is replaced as a whole or not at all.
///
/// # Errors
/// When `CI` is set in the environment, or the file can not be written.
pub fn bless_file(run: &FileRun) -> Result<Blessed, SuiteError> {
    may_bless()?;
    let FileRun { file, outcome, .. } = run;
    let new: Vec<Bless> = outcome
        .mismatches()
        .map(|mismatch| Bless { block: mismatch.block, transcript: mismatch.transcript, lines: mismatch.got.clone() })
        .collect();
    if !new.is_empty() {
        let text = jetlag_scenario::bless(&file.text, &file.scenario, &new);
        // What no real server can be asked stays without the mark: nothing could ever take it away.
        let text = match file.scenario.header.conform {
            Conform::Yes => jetlag_scenario::set_unconfirmed(&text, Some(UNCONFIRMED)),
            Conform::No(_) => text,
        };
        replace(&file.path, &text)?;
    }
    Ok(Blessed { blocks: new.len() })
}

/// Whether nothing but transcripts stands against a run: blessing would make it pass.
pub fn is_blessable(outcome: &Outcome) -> bool {
    let curable = |failure: &Failure| matches!(failure, Failure::Transcript(_) | Failure::NothingExpected);
    outcome.failures.iter().all(curable) && outcome.mismatches().any(|mismatch| !mismatch.got.is_empty())
}

/// Replaces a file by way of a new one beside it.
///
/// # Errors
/// When the new file can not be written or put in the old one's place.
pub fn replace(path: &Path, text: &str) -> Result<(), SuiteError> {
    let io = |source| SuiteError::Io { path: path.to_owned(), source };
    // The file behind a link is replaced, not the link.
    let path = path.canonicalize().map_err(io)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::set_permissions(&new, std::fs::metadata(&path)?.permissions())?;
        std::fs::rename(&new, &path)
    };
    write().map_err(|source| {
        // What can not be removed either is in the way of nothing.
        let _ = std::fs::remove_file(&new);
        SuiteError::Io { path: path.clone(), source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        for jobs in [0, 1, 3, 200] {
            let slow_first = |item: &u64| {
                (0..(100 - item) * 100).fold(*item, |sum, n| std::hint::black_box(sum ^ n));
                *item
            };
            assert_eq!(in_order(&items, jobs, slow_first), items, "{jobs}");
        }
        assert!(in_order(&[] as &[u64], 4, |item| *item).is_empty());
    }
}
