//! The history of runs: a file of JSON lines, one a run of the suite. Adding to it and reading it; what it means is `stability`'s.
//!
//! A line counts when its line end is there. So a process that is killed while it writes leaves the history as it was: the next one cuts
//! off what was left unfinished. Lines that are whole and make no sense are never touched; they are an error that names them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use jetlag_model::WallTime;
use jetlag_runner::{FileReport, FileRun, Verdict};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// The name and version of the history's schema, in every line.
pub const SCHEMA: &str = "jetlag-history/1";

/// Why a history can not be read or added to.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file can not be read or written.
    #[error("{} can not be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line that is no line of a history.
    #[error("{}:{line}: no line of a history: {reason}; remove it, or name another file", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// One run of the suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: String,
    /// When it ended.
    pub date: WallTime,
    /// The commit that was checked out; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The version of jetlag.
    pub jetlag: String,
    /// The version of nats-server that the simulator played.
    pub server: String,
    /// The seed that was given; absent where each scenario had its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How often each scenario was run.
    pub runs: u64,
    /// How long all of it took, in nanoseconds of real time.
    pub wall_ns: u64,
    /// Files that could not be run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// What was run, in the order of the paths.
    pub scenarios: Vec<ScenarioEntry>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its name.
    pub id: String,
    /// Whether the files that it tracks were as it has them.
    pub clean: bool,
}

/// What came of one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioEntry {
    /// Where it is.
    pub path: String,
    /// The digest of its text: the same where the file is the same.
    pub text: String,
    /// `pass`, `fail`, `skip` or `unconfirmed`.
    pub verdict: String,
    /// How much virtual time went by, in nanoseconds.
    pub virtual_ns: i64,
    /// The digests of its runs, each with how many runs left it, that of the first run first. One, unless it is nondeterministic.
    pub digests: Vec<DigestCount>,
    /// How long a run took in real time.
    pub wall_ns: Spread,
    /// Where runs differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

/// A digest, and how many runs left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestCount {
    /// 32 hex digits.
    pub digest: String,
    /// How many.
    pub runs: u64,
}

/// Lengths of time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The shortest.
    pub min: u64,
    /// As many are shorter as are longer.
    pub median: u64,
    /// The longest.
    pub max: u64,
}

/// The first difference between runs of one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// The first run that differs from the first one, counted from 1.
    pub run: u64,
    /// The number of the first record that differs.
    pub record: u64,
    /// That record of the first run, as JSON; absent when that run was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// That record of the run that differs; absent when that run was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

/// What a run of the suite was given, apart from the files.
#[derive(Clone, Debug)]
pub struct Given {
    /// When it ended.
    pub date: WallTime,
    /// The commit that is checked out.
    pub commit: Option<Commit>,
    /// The version of nats-server that the simulator played.
    pub server: String,
    /// The seed that was given.
    pub seed: Option<u64>,
    /// How often each scenario was run.
    pub runs: u64,
    /// How long all of it took.
    pub wall: std::time::Duration,
}

impl Entry {
    /// What came of a run of the suite. A scenario that is not about the version is left out.
    pub fn new(given: Given, reports: &[FileReport]) -> Entry {
        let ran = |report: &FileReport| report.result.as_ref().ok().filter(|run| run.outcome.verdict != Verdict::Skip).map(scenario_entry);
        let unreadable = reports.iter().filter(|report| report.result.is_err()).map(|report| shown(&report.path));
        Entry {
            schema: SCHEMA.to_owned(),
            date: given.date,
            commit: given.commit,
            jetlag: env!("CARGO_PKG_VERSION").to_owned(),
            server: given.server,
            seed: given.seed,
            runs: given.runs,
            wall_ns: nanos(given.wall),
            unreadable: unreadable.collect(),
            scenarios: reports.iter().filter_map(ran).collect(),
        }
    }
}

fn scenario_entry(run: &FileRun) -> ScenarioEntry {
    let mut digests: Vec<DigestCount> = Vec::new();
    for repeat in &run.repeats {
        let digest = repeat.digest.to_string();
        match digests.iter_mut().find(|known| known.digest == digest) {
            Some(known) => known.runs += 1,
            None => digests.push(DigestCount { digest, runs: 1 }),
        }
    }
    ScenarioEntry {
        path: shown(&run.file.path),
        text: format!("{:032x}", xxh3_128(run.file.text.as_bytes())),
        verdict: run.outcome.verdict.as_str().to_owned(),
        virtual_ns: run.outcome.virtual_time.as_nanos(),
        digests,
        wall_ns: Spread::of(run.repeats.iter().map(|repeat| nanos(repeat.wall)).collect()),
        divergence: run.nondeterminism.as_ref().map(|found| Divergence {
            run: found.run,
            record: found.record,
            first: found.first.clone(),
            other: found.other.clone(),
        }),
    }
}

/// A path as the history names it: the same however the directory was named.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Spread {
    /// Of these lengths; all zero when there are none.
    pub fn of(mut lengths: Vec<u64>) -> Spread {
        lengths.sort_unstable();
        match (lengths.first(), lengths.get(lengths.len() / 2), lengths.last()) {
            (Some(&min), Some(&median), Some(&max)) => Spread { min, median, max },
            _ => Spread::default(),
        }
    }
}

/// Adds a line to a history, which is made if it is not there. Others may add to it at the same time.
///
/// # Errors
/// When the file can not be read or written, or when what it ends with is no history. The file is then as it was.
pub fn append(path: &Path, entry: &Entry) -> Result<(), HistoryError> {
    let io = |source| HistoryError::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    let mut line = serde_json::to_vec(entry).map_err(|error| io(error.into()))?;
    line.push(b'\n');
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io)?;
    // Given up with the file, however this ends.
    file.lock().map_err(io)?;
    let length = cut_unfinished(path, &mut file)?;
    let written = file.write_all(&line).and_then(|()| file.sync_all());
    written.map_err(|source| match file.set_len(length) {
        Ok(()) => io(source),
        // What is left has no line end, unless all of it was written; either way it is a history.
        Err(_) => io(source),
    })
}

/// Cuts off a line that somebody began and never finished. The result is the length of the file.
fn cut_unfinished(path: &Path, file: &mut File) -> Result<u64, HistoryError> {
    let io = |source| HistoryError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(io)?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let tail = &bytes[end..];
    if tail.is_empty() {
        return Ok(end as u64);
    }
    if !is_unfinished(tail) {
        let line = bytes[..end].iter().filter(|byte| **byte == b'\n').count() + 1;
        let reason = "it has no line end, and is not the beginning of a line of ours".to_owned();
        return Err(HistoryError::Broken { path: path.to_owned(), line, reason });
    }
    file.set_len(end as u64).map_err(io)?;
    Ok(end as u64)
}

/// Whether bytes without a line end are the beginning of a line of ours.
fn is_unfinished(tail: &[u8]) -> bool {
    let beginning = format!("{{\"schema\":\"{SCHEMA}\"");
    let common = tail.len().min(beginning.len());
    tail[..common] == beginning.as_bytes()[..common]
}

/// Reads a history, in the order of its lines. A line at the end that was never finished does not count.
///
/// # Errors
/// When the file can not be read, or when a line is no line of a history.
pub fn read(path: &Path) -> Result<Vec<Entry>, HistoryError> {
    let bytes = std::fs::read(path).map_err(|source| HistoryError::Io { path: path.to_owned(), source })?;
    let mut entries = Vec::new();
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") && is_unfinished(line) {
            break;
        }
        let entry = parse(line).map_err(|reason| HistoryError::Broken { path: path.to_owned(), line: index + 1, reason })?;
        entries.push(entry);
    }
    Ok(entries)
}

fn parse(line: &[u8]) -> Result<Entry, String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: String,
    }
    let Ok(Schema { schema }) = serde_json::from_slice(line) else { return Err(format!("it has no schema such as {SCHEMA}")) };
    if schema != SCHEMA {
        return Err(format!("its schema is {schema:?}, and this is {SCHEMA}"));
    }
    // A position in a line of JSON helps nobody who has the line's number.
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(date: &str) -> Entry {
        let scenario = ScenarioEntry {
            path: "scenarios/a.scn".to_owned(),
            text: "00".to_owned(),
            verdict: "pass".to_owned(),
            virtual_ns: 1,
            digests: vec![DigestCount { digest: "aa".to_owned(), runs: 3 }],
            wall_ns: Spread::of(vec![3, 1, 2]),
            divergence: None,
        };
        Entry {
            schema: SCHEMA.to_owned(),
            date: WallTime::parse_rfc3339(date).expect(date),
            commit: Some(Commit { id: "abc".to_owned(), clean: true }),
            jetlag: "0.1.0".to_owned(),
            server: "2.15.1".to_owned(),
            seed: None,
            runs: 3,
            wall_ns: 10,
            unreadable: Vec::new(),
            scenarios: vec![scenario],
        }
    }

    fn scratch(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("below/history.jsonl");
        std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory can be made");
        std::fs::write(&path, text).expect("a file can be written");
        (directory, path)
    }

    #[test]
    fn what_is_added_is_read() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("is/made/history.jsonl");
        let entries = [entry("2026-11-01T00:00:00Z"), entry("2026-11-02T00:00:00Z")];
        for entry in &entries {
            append(&path, entry).expect("it can be added");
        }
        assert_eq!(read(&path).expect("it can be read"), entries);
    }

    #[test]
    fn many_at_a_time_leave_whole_lines() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("history.jsonl");
        let long = Entry { unreadable: vec!["x".repeat(100_000)], ..entry("2026-11-01T00:00:00Z") };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..8).for_each(|_| append(&path, &long).expect("it can be added")));
            }
        });
        assert_eq!(read(&path).expect("it can be read"), vec![long; 32]);
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_count_and_goes_away() {
        let whole = serde_json::to_string(&entry("2026-11-01T00:00:00Z")).expect("it is JSON");
        for length in [1, 5, SCHEMA.len() + 4, whole.len() - 1, whole.len()] {
            let (_directory, path) = scratch(&format!("{whole}\n{}", &whole[..length]));
            assert_eq!(read(&path).expect("it can be read").len(), 1, "{length}");
            append(&path, &entry("2026-11-02T00:00:00Z")).expect("it can be added");
            assert_eq!(read(&path).expect("it can be read").len(), 2, "{length}");
        }
    }

    #[test]
    fn a_broken_or_foreign_line_is_named_and_left_alone() {
        let whole = serde_json::to_string(&entry("2026-11-01T00:00:00Z")).expect("it is JSON");
        for (text, complaint) in [
            (format!("{whole}\nnot json\n"), "history.jsonl:2: no line of a history: it has no schema such as jetlag-history/1"),
            (
                format!("{{\"schema\":\"jetlag-trace/1\"}}\n{whole}\n"),
                "history.jsonl:1: no line of a history: its schema is \"jetlag-trace/1\"",
            ),
            (
                "{\"schema\":\"jetlag-history/1\",\"date\":\"yesterday\"}\n".to_owned(),
                "history.jsonl:1: no line of a history: \"yesterday\"",
            ),
            (format!("{whole}\n\n"), "history.jsonl:2: no line of a history"),
            ("# Notes".to_owned(), "history.jsonl:1: no line of a history"),
        ] {
            let (_directory, path) = scratch(&text);
            let error = read(&path).expect_err(&text).to_string();
            assert!(error.contains(complaint), "{error}");
            if !text.ends_with('\n') {
                let error = append(&path, &entry("2026-11-02T00:00:00Z")).expect_err(&text).to_string();
                assert!(error.contains(complaint), "{error}");
                assert_eq!(std::fs::read_to_string(&path).expect("it can be read"), text);
            }
        }
    }

    #[test]
    fn what_can_not_be_written_is_told() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let error = append(directory.path(), &entry("2026-11-01T00:00:00Z")).expect_err("a directory is no file");
        assert!(matches!(error, HistoryError::Io { .. }), "{error}");
    }
}
