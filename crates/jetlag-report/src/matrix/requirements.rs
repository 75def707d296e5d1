//! The left side of the matrix: what has to be shown, in families, with its source. A TOML file that people write.

use std::collections::BTreeSet;

use glob::Pattern;
use serde::Deserialize;

/// Why a list of requirements can not be used.
#[derive(Debug, thiserror::Error)]
pub enum RequirementsError {
    /// It is no TOML, or says something that a list of requirements does not.
    #[error("the list of requirements can not be read: {0}")]
    Toml(Box<toml::de::Error>),
    /// A pattern for ids that is none.
    #[error("{pattern:?} is no pattern for ids: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An id that is used twice: nobody could say which of the two a scenario shows.
    #[error("the id {0} is used twice in the list of requirements")]
    Twice(String),
}

/// What has to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// The requirements, in families.
    #[serde(default, rename = "family")]
    pub families: Vec<Family>,
    /// Ids of scenarios that are no requirements.
    #[serde(default, rename = "numbering")]
    pub numberings: Vec<Numbering>,
}

/// Requirements that are about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// A short name.
    pub name: String,
    /// What they are about.
    pub title: String,
    /// Where they are written.
    pub source: String,
    /// The requirements.
    #[serde(default, rename = "requirement")]
    pub requirements: Vec<Requirement>,
}

/// One thing that has to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// What scenarios name in `ids:`.
    pub id: String,
    /// What has to be shown, in one line.
    pub title: String,
    /// Metrics that a scenario which shows it has to assert.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Alerts that have to be tested on a scenario which shows it.
    #[serde(default)]
    pub alerts: Vec<String>,
    /// Why one broker and its clients can not show it.
    #[serde(default)]
    pub elsewhere: Option<String>,
}

/// Ids that number something else than requirements.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbering {
    /// Which ids, as patterns: `G[0-9]*`.
    pub ids: Vec<String>,
    /// What they number.
    pub title: String,
}

impl Requirements {
    /// Reads a list.
    ///
    /// # Errors
    /// When it is no TOML, has a key that nobody knows, a pattern that is none, or an id twice.
    pub fn parse(text: &str) -> Result<Requirements, RequirementsError> {
        let requirements: Requirements = toml::from_str(text).map_err(|error| RequirementsError::Toml(Box::new(error)))?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = requirements.all().find(|requirement| !seen.insert(&requirement.id)) {
            return Err(RequirementsError::Twice(twice.id.clone()));
        }
        for pattern in requirements.numberings.iter().flat_map(|numbering| &numbering.ids) {
            Pattern::new(pattern).map_err(|error| RequirementsError::Pattern { pattern: pattern.clone(), reason: error.to_string() })?;
        }
        Ok(requirements)
    }

    /// All of them, in order.
    pub fn all(&self) -> impl Iterator<Item = &Requirement> {
        self.families.iter().flat_map(|family| &family.requirements)
    }

    /// Whether an id numbers something else than a requirement.
    pub(super) fn is_numbered_elsewhere(&self, id: &str) -> bool {
        let mut patterns = self.numberings.iter().flat_map(|numbering| &numbering.ids);
        patterns.any(|pattern| Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_or_refused() {
        let good = "[[family]]\nname = \"S\"\ntitle = \"t\"\nsource = \"doc\"\n\n[[family.requirement]]\nid = \"S1\"\ntitle = \"one\"\n";
        let list = Requirements::parse(good).expect(good);
        assert_eq!(list.all().map(|requirement| requirement.id.as_str()).collect::<Vec<_>>(), ["S1"]);
        for (more, complaint) in [
            ("\n[[family.requirement]]\nid = \"S1\"\ntitle = \"two\"\n", "S1 is used twice"),
            ("status = \"covered\"\n", "unknown field `status`"),
            ("\n[[numbering]]\nids = [\"G[\"]\ntitle = \"t\"\n", "\"G[\" is no pattern"),
            ("\n[[family]]\nname = \"T\"\n", "missing field `title`"),
        ] {
            let error = Requirements::parse(&format!("{good}{more}")).expect_err(more).to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn ids_may_number_something_else() {
        let list = Requirements::parse("[[numbering]]\nids = [\"G[0-9]*\"]\ntitle = \"surprises\"\n").expect("it is a list");
        for (id, elsewhere) in [("G42", true), ("GAP", false), ("S1", false)] {
            assert_eq!(list.is_numbered_elsewhere(id), elsewhere, "{id}");
        }
    }
}
