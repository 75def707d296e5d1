//! `jetlag conform --seeds`: random programs on real servers.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use jetlag_conform::{ConformOptions, Counts, Difference, Played, Programs, Smallest, Verdict};
use jetlag_model::ServerVersion;
use jetlag_scenario::{vocabulary, words_of};

use super::show;
use crate::exit::Exit;

/// Of programs that could not be told, so many are shown with the reason.
const SHOWN: usize = 5;

/// Reads `A..B`, the seeds from A to before B.
pub(super) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    range.filter(|seeds: &Range<u64>| !seeds.is_empty()).ok_or_else(|| format!("{text:?} is no range of seeds; write 0..100"))
}

/// Replays the programs of these seeds and shows where they differ; then the smallest form of each that does, which is kept below `keep`.
/// `again` is the command, but for the seeds.
pub(super) fn run(
    seeds: Range<u64>,
    options: &ConformOptions,
    keep: Option<&Path>,
    again: &str,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let programs = Programs::new(options)?;
    let mut told = Told { again: again.to_owned(), ..Told::default() };
    // A terminal that went away does not end the replays half way; it is told at the end.
    let mut written = Ok(());
    programs.play(seeds, |played| {
        if written.is_ok() {
            written = told.add(err, played);
        }
    });
    written?;
    told.sum_up(err, started.elapsed())?;
    for played in &told.different {
        let Some(Smallest { scenario, kept, difference, tried }) = programs.smallest(played) else { continue };
        writeln!(err, "\nThe smallest of {tried} like the program of seed {}:\n\n{scenario}", played.seed)?;
        told.difference(err, played, &difference)?;
        if let Some(directory) = keep {
            let path = directory.join(path_of(played));
            std::fs::create_dir_all(directory).with_context(|| format!("{} can not be made", directory.display()))?;
            std::fs::write(&path, kept.to_string()).with_context(|| format!("{} can not be written", path.display()))?;
        }
    }
    Ok(if told.different.is_empty() { Exit::Ok } else { Exit::Disagreement })
}

fn path_of(played: &Played) -> PathBuf {
    PathBuf::from(format!("seed-{}-{}.scn", played.seed, played.version))
}

/// What came of all programs so far.
#[derive(Default)]
struct Told {
    /// The command, but for the seeds.
    again: String,
    counts: Vec<(ServerVersion, Counts)>,
    commands: usize,
    /// The words of the language that they used.
    words: BTreeSet<String>,
    /// How many agreed, but not at first.
    late: usize,
    inconclusive: usize,
    different: Vec<Played>,
}

impl Told {
    fn add(&mut self, err: &mut dyn Write, played: Played) -> io::Result<()> {
        let Played { seed, version, scenario, cell, .. } = &played;
        let place = self.counts.iter().position(|(other, _)| other == version).unwrap_or_else(|| {
            self.counts.push((*version, Counts::default()));
            self.counts.len() - 1
        });
        self.counts[place].1.add(&cell.verdict);
        self.commands += scenario.blocks.iter().map(|block| block.steps.len()).sum::<usize>();
        self.words.extend(words_of(scenario));
        match &cell.verdict {
            Verdict::Inconclusive(reason) => {
                self.inconclusive += 1;
                if self.inconclusive <= SHOWN {
                    writeln!(err, "seed {seed} on {version}: inconclusive, {reason}")?;
                }
            }
            Verdict::Differ(difference) => {
                self.difference(err, &played, difference)?;
                self.different.push(played);
            }
            _ => self.late += usize::from(cell.replays > 1),
        }
        Ok(())
    }

    fn difference(&self, err: &mut dyn Write, played: &Played, difference: &Difference) -> io::Result<()> {
        let again = format!("{} --seeds {}..{}", self.again, played.seed, played.seed + 1);
        show::write_difference(err, &path_of(played), played.version, difference, &again)
    }

    fn sum_up(&self, err: &mut dyn Write, took: Duration) -> io::Result<()> {
        for (version, counts) in &self.counts {
            writeln!(err, "nats-server {version}: {}", show::words(&counts.words()))?;
        }
        let all: usize = self.counts.iter().flat_map(|(_, counts)| counts.words()).map(|(count, _)| count).sum();
        let share = 100.0 * self.inconclusive as f64 / all.max(1) as f64;
        let (commands, late, seconds) = (self.commands, self.late, took.as_secs_f64());
        writeln!(
            err,
            "{all} replays, {commands} commands: {share:.1} % inconclusive, {late} agreed only on a quieter machine; in {seconds:.1}s"
        )?;
        let vocabulary = vocabulary();
        let left_out: Vec<&str> = vocabulary.difference(&self.words).map(String::as_str).collect();
        let used = vocabulary.len() - left_out.len();
        writeln!(err, "{used} of the language's {} words were used; not {}", vocabulary.len(), left_out.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range() {
        assert_eq!(seeds("3..5"), Ok(3..5));
        for bad in ["", "3", "3..3", "5..3", "a..b", "-1..3", "3..=5"] {
            assert!(seeds(bad).is_err(), "{bad}");
        }
    }
}
