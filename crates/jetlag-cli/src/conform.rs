//! `jetlag conform`: scenarios on real servers.

mod junit;
mod page;
mod programs;
mod show;

use std::ffi::OsString;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jetlag_conform::fetch::find_or_fetch;
use jetlag_conform::{ConformOptions, Counts, Report, Server, confirm, conform};
use jetlag_model::ServerVersion;
use jetlag_runner::replace;

use crate::DEFAULT_PATHS;
use crate::exit::Exit;

/// What `jetlag conform` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Scenario files, and directories that hold them.
    #[arg(default_value = DEFAULT_PATHS)]
    paths: Vec<PathBuf>,
    /// Random programs of these seeds instead of files: from A to before B.
    #[arg(long, value_name = "A..B", value_parser = programs::seeds, conflicts_with_all = ["paths", "report"])]
    seeds: Option<Range<u64>>,
    /// Keeps the smallest form of each program that differs, as a scenario file below this directory.
    #[arg(long, value_name = "DIR", requires = "seeds")]
    keep: Option<PathBuf>,
    /// How many smaller programs are tried for one that differs, at most; 0 shows it as it is.
    #[arg(long, value_name = "N", requires = "seeds", default_value_t = programs::SHRINK)]
    shrink: usize,
    /// A nats-server: a version such as 2.15.1, which is fetched if need be, a binary, or the nats:// URL of one that runs; `all` is every
    /// version that the simulator is compared with; may be given several times
    /// [default: $JETLAG_NATS_SERVER, nats-server on PATH, the newest one fetched].
    #[arg(long, value_name = "SERVER")]
    server: Vec<OsString>,
    /// The version that the simulator plays, whatever the servers are [default: that of each server].
    #[arg(long, value_name = "VERSION")]
    as_version: Option<ServerVersion>,
    /// How many scenarios are replayed at the same time, at most [default: 80 a processor].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Leaves `unconfirmed:` in files that all servers agree with.
    #[arg(long)]
    keep_unconfirmed: bool,
    /// Writes what came of it into this Markdown file: a section of its own, the rest of the file stays.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// What is written besides the words for people on standard error: nothing, or JUnit's XML on standard output, a suite a server and a case a scenario.
    #[arg(long, value_enum, default_value_t = Format::Human, conflicts_with = "seeds")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Junit,
}

/// Replays scenarios on real servers and says whether they agree.
pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let mut options = ConformOptions::new(servers(&arguments.server, err)?);
    options.as_version = arguments.as_version;
    options.jobs = arguments.jobs.map_or(options.jobs, usize::from);
    let again = again(arguments);
    if let Some(seeds) = &arguments.seeds {
        let (seeds, keep) = (seeds.clone(), arguments.keep.as_deref());
        return programs::run(programs::Request { seeds, keep, shrink: arguments.shrink, again }, &options, err);
    }
    let bar = bar();
    let report = conform(&arguments.paths, &options, |progress| {
        bar.set_length(progress.all as u64);
        bar.set_position(progress.done as u64);
    })?;
    bar.finish_and_clear();
    show::write_files(err, &report, &again)?;
    if !arguments.keep_unconfirmed && arguments.as_version.is_none() {
        confirm_files(err, &report)?;
    }
    let counts = report.counts();
    if exit(counts) == Exit::NothingRan {
        let places: Vec<_> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        writeln!(err, "nothing ran: no scenario that can be replayed below {}", places.join(", "))?;
    }
    show::write_counts(err, &report, arguments.as_version, started.elapsed())?;
    if let Some(path) = &arguments.report {
        page::write(path, &report, &format!("{again} {}", page::paths(&arguments.paths)))?;
    }
    if arguments.format == Format::Junit {
        write!(out, "{}", junit::junit(&report)?)?;
    }
    Ok(exit(counts))
}

/// The servers that were named; or the one that is found when none was. What is missing is fetched.
fn servers(named: &[OsString], err: &mut dyn Write) -> anyhow::Result<Vec<Server>> {
    let mut names: Vec<Option<OsString>> = Vec::new();
    for name in named {
        match name == "all" {
            true => names.extend(ServerVersion::COMPARED.map(|version| Some(version.to_string().into()))),
            false => names.push(Some(name.clone())),
        }
    }
    if names.is_empty() {
        names.push(None);
    }
    let mut told = Ok(());
    let mut tell = |notice: &str| {
        if told.is_ok() {
            told = writeln!(err, "{notice}");
        }
    };
    let servers = names.iter().map(|name| Ok(find_or_fetch(name.as_deref(), &mut tell)?.server)).collect();
    told?;
    servers
}

/// The command, but for the files.
fn again(arguments: &Arguments) -> String {
    let mut command = "jetlag conform".to_owned();
    for server in &arguments.server {
        command.push_str(&format!(" --server {}", server.to_string_lossy()));
    }
    if let Some(version) = arguments.as_version {
        command.push_str(&format!(" --as-version {version}"));
    }
    command
}

/// On a terminal alone.
fn bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} replayed, {elapsed} so far").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

fn confirm_files(err: &mut dyn Write, report: &Report) -> anyhow::Result<()> {
    for conformed in report.files.iter().filter_map(|file| file.result.as_ref().ok()).filter(|conformed| conformed.confirms()) {
        replace(&conformed.file.path, &confirm(&conformed.file.text))?;
        writeln!(err, "{}: confirmed", conformed.file.path.display())?;
    }
    Ok(())
}

fn exit(counts: Counts) -> Exit {
    let Counts { agree, known, closed, separated, differ, inconclusive, unreadable, .. } = counts;
    let when = |applies: bool, exit: Exit| if applies { exit } else { Exit::Ok };
    when(unreadable > 0, Exit::BadInput)
        .and(when(differ + closed + separated > 0, Exit::Disagreement))
        .and(when(inconclusive > 0, Exit::Failed))
        .and(when(agree + known + closed + separated + differ + inconclusive == 0, Exit::NothingRan))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_came_to_decides_the_exit_code() {
        let counts = |agree, known, closed, differ, inconclusive, skipped, unreadable| Counts {
            agree,
            known,
            closed,
            differ,
            inconclusive,
            skipped,
            unreadable,
            separated: 0,
        };
        for (counts, code) in [
            (counts(0, 0, 0, 0, 0, 0, 0), 5),
            (counts(0, 0, 0, 0, 0, 2, 0), 5),
            (counts(1, 0, 0, 0, 0, 2, 0), 0),
            (counts(0, 1, 0, 0, 0, 0, 0), 0),
            (counts(1, 0, 1, 0, 0, 0, 0), 4),
            (counts(1, 0, 0, 0, 1, 0, 0), 1),
            (counts(1, 0, 0, 1, 1, 0, 0), 4),
            (counts(1, 0, 0, 1, 1, 1, 1), 2),
            (counts(0, 0, 0, 0, 0, 0, 1), 2),
        ] {
            assert_eq!(exit(counts).code(), code, "{counts:?}");
        }
        assert_eq!(exit(Counts { agree: 1, separated: 1, ..Counts::default() }).code(), 4);
    }
}
