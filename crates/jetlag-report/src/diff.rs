//! What changed between two sets of traces, in words: two runs of the suite, before and after a change. Reading traces is `read`'s, what is said
//! of two of them `compare`'s, how it is written `show`'s.

mod compare;
mod read;
mod show;

use serde::Serialize;

pub use read::{DiffError, Traced, Traces, file_name};
pub use show::{human, markdown};

/// The name and version of the schema of a diff as JSON.
pub const SCHEMA: &str = "jetlag-diff/1";

/// What changed between two sets of traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// How many scenarios are the same, record by record.
    pub same: usize,
    /// Scenarios that only the new set has.
    pub added: Vec<Named>,
    /// Scenarios that only the old set has.
    pub gone: Vec<Named>,
    /// Scenarios whose traces differ.
    pub changed: Vec<Changed>,
}

/// A scenario by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its path, without ending.
    pub name: String,
    /// Its claim.
    pub title: String,
}

/// A scenario whose traces differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its path, without ending.
    pub name: String,
    /// Its claim, as the new trace has it.
    pub title: String,
    /// What changed, topic by topic.
    pub changes: Vec<Change>,
    /// The number of the first record that differs.
    pub record: u64,
    /// That record of the old trace, as JSON; absent when that run was over.
    pub old: Option<String>,
    /// That record of the new trace.
    pub new: Option<String>,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// What was asked for: the script, its title or its seed.
    Script,
    /// Where acks, naks, terms and in-progresses take effect.
    Acks,
    /// How often messages are delivered, and which are used up.
    Deliveries,
    /// When they are.
    Timing,
    /// What metrics come to.
    Metrics,
    /// How often fault rules acted.
    Faults,
    /// What checks said.
    Checks,
    /// What else clients and script saw.
    Seen,
    /// Records that nobody outside sees.
    Inside,
}

/// One thing that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is about.
    pub topic: Topic,
    /// What changed, in words.
    pub text: String,
}

impl Topic {
    /// All of them, in the order in which they are told.
    pub const ALL: [Topic; 9] = [
        Topic::Script,
        Topic::Acks,
        Topic::Deliveries,
        Topic::Timing,
        Topic::Metrics,
        Topic::Faults,
        Topic::Checks,
        Topic::Seen,
        Topic::Inside,
    ];

    /// One or a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Script => "script",
            Topic::Acks => "acks and naks",
            Topic::Deliveries => "deliveries",
            Topic::Timing => "timing",
            Topic::Metrics => "metrics",
            Topic::Faults => "faults",
            Topic::Checks => "checks",
            Topic::Seen => "seen",
            Topic::Inside => "inside",
        }
    }
}

impl Diff {
    /// What changed from one set to another.
    pub fn between(old: &Traces, new: &Traces) -> Diff {
        let named = |(name, traced): (&str, &Traced)| Named { name: name.to_owned(), title: traced.title.clone() };
        let mut diff = Diff {
            schema: SCHEMA,
            same: 0,
            added: new.iter().filter(|(name, _)| old.get(name).is_none()).map(named).collect(),
            gone: old.iter().filter(|(name, _)| new.get(name).is_none()).map(named).collect(),
            changed: Vec::new(),
        };
        for (name, new) in new.iter() {
            match old.get(name) {
                Some(old) if old == new => diff.same += 1,
                Some(old) => diff.changed.push(changed(name, old, new)),
                None => {}
            }
        }
        diff
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.gone.is_empty() && self.changed.is_empty()
    }
}

fn changed(name: &str, old: &Traced, new: &Traced) -> Changed {
    let found = old.trace.first_difference(&new.trace);
    let json = |record: Option<&jetlag_trace::Record>| record.map(jetlag_trace::json_line);
    Changed {
        name: name.to_owned(),
        title: new.title.clone(),
        changes: compare::changes(old, new),
        record: found.map_or(0, |found| found.index as u64),
        old: json(found.and_then(|found| found.left)),
        new: json(found.and_then(|found| found.right)),
    }
}

#[cfg(test)]
mod tests;
