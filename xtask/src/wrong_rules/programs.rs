//! Random programs with the transcripts that the true simulator gives them, as files that a wrong one is played against.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use jetlag_model::ServerVersion;

/// How many programs are played at a time.
const AT_A_TIME: u64 = 100;

/// Seeds `A..B`, B excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seeds(pub(super) Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let ends = text.split_once("..").and_then(|(from, to)| Some(Seeds(from.parse().ok()?..to.parse().ok()?)));
        ends.filter(|seeds| !seeds.0.is_empty()).ok_or_else(|| format!("{text:?} is no range of seeds; write it as 0..5000"))
    }
}

impl Seeds {
    /// The seeds in pieces that are played at once.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Range<u64>> {
        let end = self.0.end;
        let size = usize::try_from(AT_A_TIME).unwrap_or(usize::MAX);
        self.0.clone().step_by(size).map(move |from| from..end.min(from + AT_A_TIME))
    }
}

/// The directory with the programs of these seeds, which are drawn unless they are there.
pub(super) fn drawn(below: &Path, seeds: &Range<u64>) -> anyhow::Result<PathBuf> {
    let directory = below.join(format!("{}-{}", seeds.start, seeds.end));
    if directory.exists() {
        return Ok(directory);
    }
    fs::create_dir_all(&directory).with_context(|| format!("{} could not be created", directory.display()))?;
    for seed in seeds.clone() {
        let path = directory.join(format!("{seed}.scn"));
        let program = jetlag_program::draw(seed, ServerVersion::NEWEST).to_string();
        fs::write(&path, program).with_context(|| format!("{} could not be written", path.display()))?;
    }
    Ok(directory)
}

/// The seed that a program's file is named by.
pub(super) fn seed(path: &str) -> Option<u64> {
    path.strip_suffix(".scn")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_and_taken_in_pieces() {
        let seeds: Seeds = "5..217".parse().unwrap();
        assert_eq!(seeds.pieces().collect::<Vec<_>>(), [5..105, 105..205, 205..217]);
        for bad in ["", "5", "5..5", "7..5", "a..b"] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_program_is_named_by_its_seed() {
        assert_eq!((seed("17.scn"), seed("acks/a.scn")), (Some(17), None));
    }
}
