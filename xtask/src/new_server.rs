//! `cargo xtask new-server V`: a version that nobody has looked at yet, played with the rules that hold for it, and what has to be done about
//! it. docs/NEW_SERVER.md is the walk that begins here.

use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use jetlag_conform::fetch::find_or_fetch;
use jetlag_conform::{ConformOptions, Counts, Difference, Played, Programs, Report, Server, Verdict, conform};
use jetlag_model::ServerVersion;
use jetlag_runner::{Explanation, RunOptions, explanation, run_simulated};
use jetlag_scenario::Scenario;

use crate::command::Workspace;

/// Options of `cargo xtask new-server`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The version, such as 2.16.0; it is fetched if need be
    version: ServerVersion,
    /// How many random programs are replayed besides
    #[arg(long, default_value_t = 300)]
    programs: u64,
    /// Scenario files, and directories that hold them
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
}

/// Characters of a line that are shown.
const WIDTH: usize = 160;

/// The group of what differs for no known reason.
const UNEXPLAINED: &str = "nothing that is known explains it";

/// Replays everything on the new server and prints what differs, by what may be behind it.
///
/// # Errors
///
/// When the server can not be had, or the files not be read.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let version = options.version;
    let paths: Vec<PathBuf> = options.paths.iter().map(|path| workspace.root.join(path)).collect();
    let mut conforming = ConformOptions::new(vec![server(version)?]);
    conforming.transcripts = false;
    let report = conform(&paths, &conforming, |_| {})?;
    println!("nats-server {version}, played with the rules that hold for it: {}", words(&report.counts()));
    let mut worklist = Worklist::default();
    worklist.add_files(&report, version, &workspace.root);
    worklist.add_programs(0..options.programs, version, &Programs::new(&conforming)?);
    worklist.print();
    if worklist.0.is_empty() {
        println!("nothing is to be done but to adopt it, see docs/NEW_SERVER.md");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nwhat to do with each group stands in docs/NEW_SERVER.md");
    Ok(ExitCode::FAILURE)
}

fn server(version: ServerVersion) -> anyhow::Result<Server> {
    let name = version.to_string();
    let found = find_or_fetch(Some(name.as_ref()), &mut |notice| println!("{notice}"));
    Ok(found.with_context(|| format!("nats-server {version}"))?.server)
}

fn words(counts: &Counts) -> String {
    let words = counts.words().into_iter().filter(|(count, _)| *count > 0);
    words.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// What is to be done about one scenario.
struct Item {
    /// File and line, or the seed of a program.
    place: String,
    /// What the one says and what the other; or why that can not be told.
    what: String,
}

/// What is not as it should be, by group: for each rule that explains something, for what no rule explains, and for the rest.
#[derive(Default)]
struct Worklist(BTreeMap<String, Vec<Item>>);

impl Worklist {
    fn add(&mut self, group: impl Into<String>, place: String, what: String) {
        self.0.entry(group.into()).or_default().push(Item { place, what });
    }

    fn add_files(&mut self, report: &Report, version: ServerVersion, root: &Path) {
        for file in &report.files {
            let path = file.path.strip_prefix(root).unwrap_or(&file.path).display().to_string();
            let at = |line: usize| format!("{path}:{line}");
            let Ok(conformed) = &file.result else {
                self.add("it can not be read; `jetlag run` says why", path, String::new());
                continue;
            };
            let scenario = &conformed.file.scenario;
            match &conformed.cells[0].verdict {
                Verdict::Agree => {
                    if let Some((line, lines)) = contradicted(scenario, version) {
                        self.add("the simulator does the same, and the file says something else", at(line), lines);
                    }
                }
                Verdict::Differ(difference) => {
                    let group = suspects(scenario, difference, version);
                    self.add(group.as_deref().unwrap_or(UNEXPLAINED), at(difference.line), shown(difference));
                }
                Verdict::Closed(reason) => self.add("a known difference that is none", path, reason.clone()),
                Verdict::Inconclusive(reason) => self.add("it can not be told", path, reason.clone()),
                Verdict::Skipped(_) | Verdict::Known(_) | Verdict::Separated(_) => {}
            }
        }
    }

    fn add_programs(&mut self, seeds: Range<u64>, version: ServerVersion, programs: &Programs) {
        let (number, mut counts, mut different) = (seeds.end, Counts::default(), BTreeMap::<String, Vec<Played>>::new());
        programs.play(seeds, |played| {
            counts.add(&played.cell.verdict);
            if let Verdict::Differ(difference) = &played.cell.verdict {
                let suspects = suspects(&played.scenario, difference, version);
                let group = suspects.unwrap_or_else(|| format!("{UNEXPLAINED}: {}", shape(difference)));
                different.entry(group).or_default().push(played);
            }
        });
        println!("{number} random programs: {}", words(&counts));
        for (group, mut played) in different {
            played.sort_unstable_by_key(|played| played.seed);
            let seeds: Vec<String> = played.iter().map(|played| played.seed.to_string()).collect();
            let one = &played[0];
            let Verdict::Differ(difference) = &one.cell.verdict else { continue };
            let smaller = format!("made smaller: jetlag conform --server {version} --seeds {}..{} --keep DIR", one.seed, one.seed + 1);
            self.add(group, format!("random programs of seeds {}", seeds.join(", ")), format!("{}{smaller}", shown(difference)));
        }
    }

    fn print(&self) {
        for (group, items) in &self.0 {
            println!("\n{group}");
            for Item { place, what } in items {
                println!("  {place}");
                what.lines().for_each(|line| println!("      {line}"));
            }
        }
    }
}

/// What may be behind a difference, with what is known of it.
fn suspects(scenario: &Scenario, difference: &Difference, version: ServerVersion) -> Option<String> {
    let options = RunOptions { version, ..RunOptions::default() };
    let Explanation { rules, versions } = explanation(scenario, &options, &difference.simulator, &difference.server);
    let described = rules.iter().map(|rule| {
        let ranges: Vec<String> = rule.ranges.iter().map(ToString::to_string).collect();
        let holds = if rule.holds(version) { "does not hold here" } else { "holds here" };
        format!("rule {} {holds}; the table says {} ({})", rule.name, ranges.join(" and "), rule.evidence)
    });
    let described: Vec<String> = described.collect();
    let like = versions.last().map(|like| format!("no rule alone explains it, but as {like} the simulator does the same"));
    if described.is_empty() { like } else { Some(described.join("; or ")) }
}

/// The first transcript of a file that speaks of this version and is not what the simulator shows.
fn contradicted(scenario: &Scenario, version: ServerVersion) -> Option<(usize, String)> {
    let outcome = run_simulated(scenario, &RunOptions { version, ..RunOptions::default() });
    let mismatch = outcome.mismatches().next()?;
    let pairs = mismatch.expected.iter().map(Some).chain(iter::repeat(None)).zip(mismatch.got.iter().map(Some).chain(iter::repeat(None)));
    let length = mismatch.expected.len().max(mismatch.got.len());
    let (at, (said, shown)) = pairs.take(length).enumerate().find(|(_, (said, shown))| said != shown)?;
    let [said, shown] = around_difference([said, shown].map(|line| line.map_or("-", String::as_str)));
    Some((mismatch.line + 1 + at, format!("file:      {said}\nsimulator: {shown}")))
}

/// What of its first row makes a difference like others: the fields that differ, or else the server's line without what is its own.
fn shape(difference: &Difference) -> String {
    let first = difference.rows(0).into_iter().find(|row| !row.agrees());
    let Some(row) = first else { return String::new() };
    let fields = |line: &str| {
        line.split(' ').filter_map(|word| word.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let (simulator, server): (Vec<(String, String)>, Vec<_>) = (fields(row.simulator.unwrap_or("")), fields(row.server.unwrap_or("")));
    let differing: Vec<&str> =
        simulator.iter().zip(&server).filter(|(a, b)| a.0 == b.0 && a != b).map(|(field, _)| field.0.as_str()).collect();
    if simulator.len() == server.len() && !differing.is_empty() {
        return differing.join(", ");
    }
    let line = row.server.map_or_else(|| format!("not {}", row.simulator.unwrap_or("-")), str::to_owned);
    let about =
        line.split(' ').filter(|word| !word.ends_with(':') && !word.contains('=') && !word.starts_with(|c: char| c.is_ascii_digit()));
    about.collect::<Vec<_>>().join(" ").chars().take(WIDTH / 2).collect()
}

/// The rows that differ.
fn shown(difference: &Difference) -> String {
    let rows = difference.rows(2).into_iter().filter(|row| !row.agrees());
    let pairs = rows.map(|row| around_difference([row.simulator.unwrap_or("-"), row.server.unwrap_or("-")]));
    pairs.map(|[simulator, server]| format!("simulator: {simulator}\nserver:    {server}\n")).collect()
}

/// Two lines, of long ones what is around the place where they begin to differ.
fn around_difference(lines: [&str; 2]) -> [String; 2] {
    let same = lines[0].chars().zip(lines[1].chars()).take_while(|(a, b)| a == b).count();
    lines.map(|line| {
        let length = line.chars().count();
        let from = if length > WIDTH { same.saturating_sub(WIDTH / 2) } else { 0 };
        let shown: String = line.chars().skip(from).take(WIDTH).collect();
        let (before, after) = (if from > 0 { "…" } else { "" }, if from + WIDTH < length { "…" } else { "" });
        format!("{before}{shown}{after}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_one_kind_have_one_shape() {
        let shape = |simulator: &str, server: &str| {
            let lines = |line: &str| if line == "-" { Vec::new() } else { vec![line.to_owned()] };
            shape(&Difference { line: 1, first: 0, simulator: lines(simulator), server: lines(server) })
        };
        assert_eq!(
            shape("S/C delivered=1/1 ack-floor=0/0 num-pending=0", "S/C delivered=1/2 ack-floor=0/2 num-pending=0"),
            "delivered, ack-floor"
        );
        let pushed = "status \"Consumer is push based\"";
        assert_eq!(shape("ok", "21.5s c1: status 409 \"Consumer is push based\" pull=p1"), pushed);
        assert_eq!(shape("-", "43s c2: status 409 \"Consumer is push based\" pull=p7"), pushed);
        assert_eq!(shape("30s w: got s \"a\" stream-seq=1", "-"), "not got s \"a\"");
    }

    #[test]
    fn of_long_lines_the_place_that_differs_is_shown() {
        assert_eq!(around_difference(["a b", "a c"]), ["a b", "a c"]);
        let long = |end: &str| format!("{}{end}", "x".repeat(500));
        let [a, b] = around_difference([&long("a"), &long("bc")]);
        let same = format!("…{}", "x".repeat(WIDTH / 2));
        assert_eq!([a, b], [format!("{same}a"), format!("{same}bc")]);
        assert_eq!(around_difference(["-", &long("")])[1], format!("{}…", "x".repeat(WIDTH)));
    }
}
