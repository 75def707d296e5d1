//! `jetlag conform --seeds`: random programs on real servers.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jetlag_conform::{ConformOptions, Counts, Difference, HIT, Hits, Played, Programs, Shrinking, Smallest, Verdict};
use jetlag_model::ServerVersion;
use jetlag_scenario::{vocabulary, words_of};

use super::show;
use crate::exit::Exit;

/// Of programs that could not be told, so many are shown with the reason.
const SHOWN: usize = 5;

/// So many smaller programs are tried for one that differs, unless it is said.
pub(super) const SHRINK: usize = 600;

/// Words that were not used, and rules that were not hit, are listed when they are no more than these: of a few programs most are not.
const LISTED: usize = 60;

/// How many of the rules that were hit least are named.
const RAREST: usize = 5;

/// What is to be done with the programs.
pub(super) struct Request<'r> {
    /// The seeds that they are drawn from.
    pub(super) seeds: Range<u64>,
    /// Where the smallest form of each that differs is kept.
    pub(super) keep: Option<&'r Path>,
    /// How many smaller ones are tried for one that differs; at 0 it is shown as it is.
    pub(super) shrink: usize,
    /// The command, but for the seeds.
    pub(super) again: String,
}

/// Reads `A..B`, the seeds from A to before B.
pub(super) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    range.filter(|seeds: &Range<u64>| !seeds.is_empty()).ok_or_else(|| format!("{text:?} is no range of seeds; write 0..100"))
}

/// Replays the programs, says of each that differs when it does, and then shows its smallest form.
pub(super) fn run(request: Request<'_>, options: &ConformOptions, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let programs = Programs::new(options)?;
    let all = usize::try_from(request.seeds.end - request.seeds.start).unwrap_or(usize::MAX).saturating_mul(programs.servers());
    let bar = super::bar();
    bar.set_length(all as u64);
    let mut told = Told { again: request.again, ..Told::default() };
    // A terminal that went away does not end the replays half way; it is told at the end.
    let mut written = Ok(());
    programs.play(request.seeds, |played| {
        bar.inc(1);
        if written.is_ok() {
            written = bar.suspend(|| told.add(err, played));
        }
    });
    bar.finish_and_clear();
    written?;
    told.sum_up(err, started.elapsed())?;
    let mut different = std::mem::take(&mut told.different);
    // The newest first: what is the same on older servers is not looked for again.
    different.sort_by_key(|played| (played.seed, Reverse(played.version)));
    for of_one_seed in different.chunk_by(|a, b| a.seed == b.seed) {
        told.show(err, &programs, of_one_seed, request.shrink, request.keep)?;
    }
    Ok(if different.is_empty() { Exit::Ok } else { Exit::Disagreement })
}

fn path_of(played: &Played) -> PathBuf {
    PathBuf::from(format!("seed-{}-{}.scn", played.seed, played.version))
}

/// What came of all programs so far.
#[derive(Default)]
struct Told {
    again: String,
    counts: Vec<(ServerVersion, Counts)>,
    commands: usize,
    /// The words of the language that they used.
    words: BTreeSet<String>,
    /// The rules of the core that they hit.
    hits: Hits,
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
        for (rule, count) in &played.hits {
            *self.hits.entry(rule.clone()).or_default() += count;
        }
        match &cell.verdict {
            Verdict::Inconclusive(reason) => {
                self.inconclusive += 1;
                if self.inconclusive <= SHOWN {
                    writeln!(err, "seed {seed} on {version}: inconclusive, {reason}")?;
                }
            }
            Verdict::Differ(difference) => {
                writeln!(
                    err,
                    "seed {seed} on {version}: differs in line {} of its {}",
                    difference.line,
                    scenario.to_string().lines().count()
                )?;
                self.different.push(played);
            }
            _ => self.late += usize::from(cell.replays > 1),
        }
        Ok(())
    }

    /// Shows what the program of one seed differs in, as small as it gets, for each server on which it does.
    fn show(&self, err: &mut dyn Write, programs: &Programs, played: &[Played], most: usize, keep: Option<&Path>) -> anyhow::Result<()> {
        let mut shown: Vec<Smallest> = Vec::new();
        for played in played {
            let Played { seed, version, .. } = played;
            if most > 0 && shown.iter().any(|smallest| programs.differs_too(smallest, played)) {
                writeln!(err, "seed {seed} on {version}: differs in the same program")?;
                continue;
            }
            let bar = shrinking(played);
            let smallest = programs.smallest(played, most, |Shrinking { tried, commands }| {
                bar.set_message(format!("{commands} commands left, {tried} tried"));
            });
            bar.finish_and_clear();
            let Some(smallest) = smallest else { continue };
            let Smallest { scenario, kept, difference, tried, stopped } = &smallest;
            let words = if most == 0 { "The".to_owned() } else { format!("The smallest of {tried} like the") };
            writeln!(err, "\n{words} program of seed {seed}:\n\n{scenario}")?;
            if *stopped && most > 0 {
                writeln!(err, "Smaller ones were left, and not tried: --shrink says how many may be.")?;
            }
            self.difference(err, played, difference)?;
            if let Some(directory) = keep {
                let path = directory.join(path_of(played));
                std::fs::create_dir_all(directory).with_context(|| format!("{} can not be made", directory.display()))?;
                std::fs::write(&path, kept.to_string()).with_context(|| format!("{} can not be written", path.display()))?;
            }
            shown.push(smallest);
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
        list(err, vocabulary.len(), "of the language's words were used", &left_out)?;
        let hits = |rule: &&str| self.hits.get(*rule).copied().unwrap_or(0);
        let unhit: Vec<&str> = HIT.iter().copied().filter(|rule| hits(rule) == 0).collect();
        list(err, HIT.len(), "of the core's rules were hit", &unhit)?;
        let mut rarest: Vec<&str> = HIT.iter().copied().filter(|rule| hits(rule) > 0).collect();
        rarest.sort_by_key(hits);
        let rarest: Vec<String> = rarest.into_iter().take(RAREST).map(|rule| format!("{rule} ({})", hits(&rule))).collect();
        writeln!(err, "the rarest: {}", rarest.join(", "))
    }
}

/// How many of so many there were, and which not.
fn list(err: &mut dyn Write, all: usize, what: &str, missing: &[&str]) -> io::Result<()> {
    write!(err, "{} of {all} {what}", all - missing.len())?;
    if !missing.is_empty() && missing.len() <= LISTED {
        write!(err, "; not {}", missing.join(", "))?;
    }
    writeln!(err)
}

/// On a terminal alone.
fn shrinking(played: &Played) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix}: {msg}, {elapsed} so far").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
    bar.with_prefix(format!("seed {} on {}", played.seed, played.version))
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
