//! A set of traces: read from a file or from a directory that `jetlag run --trace DIR` wrote, or handed in from a run.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jetlag_runner::FileRun;
use jetlag_trace::{ReadError, Trace, read_jsonl};

/// The ending of traces.
const EXTENSION: &str = "jsonl";

/// Why traces can not be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A path that can not be read.
    #[error("{} can not be read", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is no trace.
    #[error("{}: {source}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
    /// A directory without traces.
    #[error("{}: no trace is below it; `jetlag run --trace DIR` writes them", path.display())]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
}

/// The trace of one scenario, with what its header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The scenario's claim.
    pub title: String,
    /// What its fault rules drew from.
    pub seed: String,
    /// The trace.
    pub trace: Trace,
}

/// Traces by name: the path of the scenario, without its ending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces(BTreeMap<String, Traced>);

impl Traces {
    /// Reads a file, or all `.jsonl` files below a directory. A single file has no name, so that two files can be compared whatever theirs are.
    ///
    /// # Errors
    /// When something can not be read, is no trace, or when a directory has none.
    pub fn read(path: &Path) -> Result<Traces, DiffError> {
        let mut traces = Traces::default();
        if path.is_dir() {
            traces.read_below(path, path)?;
            if traces.0.is_empty() {
                return Err(DiffError::Nothing { path: path.to_owned() });
            }
        } else {
            traces.0.insert(String::new(), read(path)?);
        }
        Ok(traces)
    }

    fn read_below(&mut self, root: &Path, directory: &Path) -> Result<(), DiffError> {
        let io = |source| DiffError::Io { path: directory.to_owned(), source };
        for entry in std::fs::read_dir(directory).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.is_dir() {
                self.read_below(root, &path)?;
            } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let name = path.strip_prefix(root).unwrap_or(&path).with_extension("");
                self.0.insert(name.display().to_string(), read(&path)?);
            }
        }
        Ok(())
    }

    /// The trace of a name.
    pub fn get(&self, name: &str) -> Option<&Traced> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Traced)> {
        self.0.iter().map(|(name, traced)| (name.as_str(), traced))
    }
}

impl FromIterator<(String, Traced)> for Traces {
    fn from_iter<I: IntoIterator<Item = (String, Traced)>>(traces: I) -> Traces {
        Traces(traces.into_iter().collect())
    }
}

impl Traced {
    /// The trace of a run, and the name that it has in a set written of it.
    pub fn of(run: &FileRun, seed: Option<u64>) -> (String, Traced) {
        let header = &run.file.scenario.header;
        let name = file_name(&run.file.path).with_extension("").display().to_string();
        let seed = seed.unwrap_or(header.seed).to_string();
        (name, Traced { title: header.title.clone(), seed, trace: run.outcome.trace.clone() })
    }
}

/// Where the trace of a scenario stands below the directory of its set.
pub fn file_name(scenario: &Path) -> PathBuf {
    let normal = scenario.components().filter(|part| matches!(part, std::path::Component::Normal(_)));
    normal.collect::<PathBuf>().with_extension(EXTENSION)
}

fn read(path: &Path) -> Result<Traced, DiffError> {
    let text = std::fs::read_to_string(path).map_err(|source| DiffError::Io { path: path.to_owned(), source })?;
    let (trace, mut about) = read_jsonl(&text).map_err(|source| DiffError::Trace { path: path.to_owned(), source })?;
    Ok(Traced { title: about.remove("title").unwrap_or_default(), seed: about.remove("seed").unwrap_or_default(), trace })
}
