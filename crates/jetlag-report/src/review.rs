//! The map from sources to scenarios, and whether a change was reviewed: where a mapped source changed, a transcript of its scenarios moved, or
//! somebody wrote down why none did. What git says is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use glob::{MatchOptions, Pattern};
use serde::Deserialize;

/// A `*` stays within one folder, `**` does not.
const WITHIN: MatchOptions = MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// Why a map or a list of reviews can not be used.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It is no TOML, or says something that a map does not.
    #[error("the map of reviews can not be read: {0}")]
    Toml(Box<toml::de::Error>),
    /// A pattern that is none.
    #[error("{pattern:?} is no pattern: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An area that is there twice.
    #[error("the area {0} is there twice")]
    Twice(String),
    /// A line of the list of reviews that is none.
    #[error("line {line} of the reviews is none: {reason}; write `- 2026-11-28 AREA: why no transcript moved`")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Which scenarios are about which sources.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewMap {
    /// Folders of which every Rust source has to be in an area: `crates/jetlag-core/src`.
    pub complete: Vec<String>,
    /// The file in which reviews are written down.
    pub reviews: String,
    /// The areas.
    #[serde(rename = "area")]
    pub areas: Vec<Area>,
}

/// Sources and the scenarios that would notice if they did something else.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// What reviews call it.
    pub name: String,
    /// Patterns for its sources.
    pub sources: Vec<String>,
    /// Patterns for its scenarios.
    pub scenarios: Vec<String>,
}

/// A file that changed, as it was and as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileChange {
    /// Its path from the root.
    pub path: String,
    /// Its text before; `None` when it was not there.
    pub old: Option<String>,
    /// Its text now; `None` when it is gone.
    pub new: Option<String>,
}

/// What a change asks of reviewers, area by area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The areas of which a source changed.
    pub areas: Vec<AreaReview>,
}

/// An area of which a source changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaReview {
    /// Its name.
    pub name: String,
    /// The sources that changed.
    pub sources: Vec<String>,
    /// What is to be looked at: its patterns for scenarios.
    pub scenarios: Vec<String>,
    /// Its scenarios of which a transcript moved.
    pub moved: Vec<String>,
    /// The reviews that name it and were added.
    pub reasons: Vec<String>,
}

impl ReviewMap {
    /// Reads a map.
    ///
    /// # Errors
    /// When it is no TOML, has a key that nobody knows, a pattern that is none, or an area twice.
    pub fn parse(text: &str) -> Result<ReviewMap, ReviewError> {
        let map: ReviewMap = toml::from_str(text).map_err(|error| ReviewError::Toml(Box::new(error)))?;
        let mut seen = BTreeSet::new();
        for area in &map.areas {
            if !seen.insert(&area.name) {
                return Err(ReviewError::Twice(area.name.clone()));
            }
            for pattern in area.sources.iter().chain(&area.scenarios) {
                Pattern::new(pattern).map_err(|error| ReviewError::Pattern { pattern: pattern.clone(), reason: error.to_string() })?;
            }
        }
        Ok(map)
    }

    /// What the map leaves out or names in vain, of all files there are: a pattern that matches nothing, a scenario or a source in no area.
    pub fn problems(&self, files: &[String]) -> Vec<String> {
        let mut problems = Vec::new();
        for area in &self.areas {
            for pattern in area.sources.iter().chain(&area.scenarios).filter(|pattern| !files.iter().any(|file| matches(pattern, file))) {
                problems.push(format!("area {}: {pattern} matches no file", area.name));
            }
        }
        for file in files {
            let in_an_area = |patterns: fn(&Area) -> &Vec<String>| self.areas.iter().any(|area| any(patterns(area), file));
            if file.ends_with(".scn") && file.starts_with("scenarios/") && !in_an_area(|area| &area.scenarios) {
                problems.push(format!("{file} is in no area"));
            }
            let must_be_mapped = file.ends_with(".rs") && self.complete.iter().any(|folder| below(folder, file));
            if must_be_mapped && !in_an_area(|area| &area.sources) {
                problems.push(format!("{file} is in no area"));
            }
        }
        for folder in self.complete.iter().filter(|folder| !files.iter().any(|file| below(folder, file))) {
            problems.push(format!("{folder} has no files"));
        }
        problems
    }

    /// What a change asks of reviewers.
    ///
    /// # Errors
    /// When a line of the reviews is none, or names an area that is not there.
    pub fn judge(&self, changes: &[FileChange]) -> Result<Review, ReviewError> {
        let added = self.added_reviews(changes)?;
        let area = |area: &Area| {
            let changed = |patterns: &[String]| changes.iter().filter(|change| any(patterns, &change.path)).collect::<Vec<_>>();
            let paths = |changes: &[&FileChange]| changes.iter().map(|change| change.path.clone()).collect();
            let moved: Vec<&FileChange> = changed(&area.scenarios).into_iter().filter(|change| transcripts_moved(change)).collect();
            AreaReview {
                name: area.name.clone(),
                sources: paths(&changed(&area.sources)),
                scenarios: area.scenarios.clone(),
                moved: paths(&moved),
                reasons: added.get(&area.name).cloned().unwrap_or_default(),
            }
        };
        Ok(Review { areas: self.areas.iter().map(area).filter(|area| !area.sources.is_empty()).collect() })
    }

    /// The reviews that were added, by area.
    fn added_reviews(&self, changes: &[FileChange]) -> Result<BTreeMap<String, Vec<String>>, ReviewError> {
        let mut added: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let Some(change) = changes.iter().find(|change| change.path == self.reviews) else { return Ok(added) };
        let old: BTreeSet<&str> = change.old.as_deref().unwrap_or_default().lines().collect();
        for (index, line) in change.new.as_deref().unwrap_or_default().lines().enumerate() {
            let Some(review) = line.strip_prefix("- ") else { continue };
            let (areas, reason) = self.review(review).map_err(|reason| ReviewError::Line { line: index + 1, reason })?;
            if !old.contains(line) {
                areas.iter().for_each(|area| added.entry((*area).to_owned()).or_default().push(reason.to_owned()));
            }
        }
        Ok(added)
    }

    /// The areas that a review names, and what it says.
    fn review<'r>(&self, review: &'r str) -> Result<(Vec<&'r str>, &'r str), String> {
        let (date, rest) = review.split_once(' ').ok_or("it has no date")?;
        let is_date = date.len() == 10 && jetlag_model::WallTime::parse_rfc3339(&format!("{date}T00:00:00Z")).is_some();
        if !is_date {
            return Err(format!("{date:?} is no date"));
        }
        let (areas, reason) = rest.split_once(':').ok_or("it names no area")?;
        let areas: Vec<&str> = areas.split(',').map(str::trim).collect();
        if let Some(unknown) = areas.iter().find(|name| !self.areas.iter().any(|area| area.name == **name)) {
            return Err(format!("there is no area {unknown:?}"));
        }
        if reason.trim().is_empty() {
            return Err("it says nothing".to_owned());
        }
        Ok((areas, reason.trim()))
    }
}

impl AreaReview {
    /// Whether a transcript moved, or somebody wrote down why none did.
    pub fn is_reviewed(&self) -> bool {
        !self.moved.is_empty() || !self.reasons.is_empty()
    }
}

impl Review {
    /// Whether every area of which a source changed was reviewed.
    pub fn is_complete(&self) -> bool {
        self.areas.iter().all(AreaReview::is_reviewed)
    }
}

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for area in &self.areas {
            writeln!(f, "{}: changed: {}", area.name, area.sources.join(", "))?;
            area.moved.iter().try_for_each(|path| writeln!(f, "  transcript moved: {path}"))?;
            area.reasons.iter().try_for_each(|reason| writeln!(f, "  reviewed: {reason}"))?;
            if !area.is_reviewed() {
                writeln!(f, "  NOT REVIEWED: no transcript moved, and no line of the reviews says why")?;
            }
        }
        Ok(())
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(path, WITHIN))
}

fn any(patterns: &[String], path: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, path))
}

fn below(folder: &str, file: &str) -> bool {
    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether what a scenario expects is another than it was. A header or a comment that changed says nothing about behaviour.
fn transcripts_moved(change: &FileChange) -> bool {
    let expected = |text: &Option<String>| {
        let scenario = jetlag_scenario::parse(text.as_deref()?).ok()?;
        let transcripts = scenario.blocks.into_iter().flat_map(|block| block.transcripts);
        Some(transcripts.map(|transcript| transcript.lines).collect::<Vec<_>>())
    };
    expected(&change.old) != expected(&change.new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
complete = [\"crates/core/src\"]
reviews = \"docs/reviews.md\"

[[area]]
name = \"acks\"
sources = [\"crates/core/src/ack.rs\", \"crates/core/src/pending/*.rs\"]
scenarios = [\"scenarios/acks/*.scn\"]

[[area]]
name = \"all\"
sources = [\"crates/core/src/lib.rs\"]
scenarios = [\"scenarios/**/*.scn\"]
";

    fn map() -> ReviewMap {
        ReviewMap::parse(MAP).expect("it is a map")
    }

    fn scenario(title: &str, line: &str) -> String {
        format!("title: {title}\n\nstream S\n----\n{line}\n")
    }

    fn change(path: &str, old: &str, new: &str) -> FileChange {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        FileChange { path: path.to_owned(), old: text(old), new: text(new) }
    }

    #[test]
    fn a_complete_map_has_no_problems_and_each_hole_is_one() {
        let files =
            ["crates/core/src/ack.rs", "crates/core/src/pending/a.rs", "crates/core/src/lib.rs", "scenarios/acks/a.scn", "README.md"];
        let problems = |files: &[&str]| map().problems(&files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>());
        assert_eq!(problems(&files), [] as [String; 0]);
        for (more, problem) in [
            ("crates/core/src/new.rs", "crates/core/src/new.rs is in no area"),
            ("crates/core/src/pending/below/b.rs", "crates/core/src/pending/below/b.rs is in no area"),
        ] {
            assert_eq!(problems(&[&files[..], &[more]].concat()), [problem]);
        }
        assert_eq!(problems(&files[1..]), ["area acks: crates/core/src/ack.rs matches no file"]);
        let only_acks = ReviewMap { areas: map().areas[..1].to_vec(), complete: vec!["crates/gone/src".to_owned()], ..map() };
        let files: Vec<String> = files.iter().chain(&["scenarios/pull/b.scn"]).map(|file| (*file).to_owned()).collect();
        assert_eq!(only_acks.problems(&files), ["scenarios/pull/b.scn is in no area", "crates/gone/src has no files"]);
    }

    #[test]
    fn a_change_asks_for_a_transcript_or_a_reason() {
        let source = change("crates/core/src/ack.rs", "a", "b");
        let reviewed = |more: &[FileChange]| {
            let review = map().judge(&[std::slice::from_ref(&source), more].concat()).expect("the reviews are reviews");
            assert_eq!(review.areas.iter().map(|area| area.name.as_str()).collect::<Vec<_>>(), ["acks"]);
            review.is_complete()
        };
        let path = "scenarios/acks/a.scn";
        assert!(!reviewed(&[]));
        assert!(reviewed(&[change(path, &scenario("t", "ok"), &scenario("t", "error"))]));
        assert!(reviewed(&[change(path, "", &scenario("t", "ok"))]), "a new scenario has a new transcript");
        assert!(!reviewed(&[change(path, &scenario("t", "ok"), &scenario("another title", "ok"))]));
        assert!(!reviewed(&[change("scenarios/pull/b.scn", "", &scenario("t", "ok"))]), "of another area");
        let old = "# Reviews\n\n- 2026-11-01 acks: long ago\n";
        let with = |line: &str| change("docs/reviews.md", old, &format!("{old}{line}\n"));
        assert!(reviewed(&[with("- 2026-11-28 all, acks: names alone")]));
        assert!(!reviewed(&[with("- 2026-11-28 all: names alone")]));
        assert!(!reviewed(&[with("words")]), "what stood there says nothing about this change");
    }

    #[test]
    fn nothing_mapped_asks_for_nothing() {
        let review = map().judge(&[change("README.md", "a", "b")]).expect("the reviews are reviews");
        assert!(review.is_complete() && review.areas.is_empty());
    }

    #[test]
    fn what_was_reviewed_is_said() {
        let review = map().judge(&[change("crates/core/src/ack.rs", "a", "b")]).expect("the reviews are reviews");
        let text = "acks: changed: crates/core/src/ack.rs\n  NOT REVIEWED: no transcript moved, and no line of the reviews says why\n";
        assert_eq!(review.to_string(), text);
    }

    #[test]
    fn maps_and_reviews_that_are_none_are_refused() {
        for (text, complaint) in [
            (MAP.replace("ack.rs", "[ack.rs"), "\"crates/core/src/[ack.rs\" is no pattern"),
            (MAP.replace("\"all\"", "\"acks\""), "the area acks is there twice"),
            (MAP.replace("complete", "all"), "unknown field `all`"),
        ] {
            let error = ReviewMap::parse(&text).expect_err(complaint).to_string();
            assert!(error.contains(complaint), "{error}");
        }
        for (line, complaint) in [
            ("- yesterday acks: x", "line 1 of the reviews is none: \"yesterday\" is no date"),
            ("- 2026-13-01 acks: x", "is no date"),
            ("- 2026-11-28 ackz: x", "there is no area \"ackz\""),
            ("- 2026-11-28 acks", "it names no area"),
            ("- 2026-11-28 acks: ", "it says nothing"),
        ] {
            let error = map().judge(&[change("docs/reviews.md", "", line)]).expect_err(line).to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
