//! `cargo xtask crossed`: the simulator plays each compared version against the servers of all the others. What a named rule separates has
//! to differ, and nothing else may.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use jetlag_conform::fetch::find_or_fetch;
use jetlag_conform::{ConformOptions, Server, Verdict, conform};
use jetlag_model::ServerVersion;

use crate::command::Workspace;

/// Options of `cargo xtask crossed`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this version is played; may be given several times
    #[arg(long, value_name = "VERSION")]
    play: Vec<ServerVersion>,
    /// Scenario files, and directories that hold them
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
}

/// Prints a table: version played by server, each cell with how many scenarios are separated of how many; then what is not as it should be.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let servers = servers()?;
    let paths: Vec<PathBuf> = options.paths.iter().map(|path| workspace.root.join(path)).collect();
    let mut wrong = Vec::new();
    println!("{:<12}{}", "plays", ServerVersion::COMPARED.map(|version| format!("{:<14}", version.to_string())).concat().trim_end());
    for plays in ServerVersion::COMPARED.into_iter().filter(|version| options.play.is_empty() || options.play.contains(version)) {
        let mut conforming = ConformOptions::new(servers.clone());
        conforming.as_version = Some(plays);
        let report = conform(&paths, &conforming, |_| {})?;
        let cells = (0..servers.len()).map(|server| {
            let counts = report.counts_on(server);
            format!("{:<14}", format!("{} of {}", counts.separated, counts.separated + counts.agree))
        });
        println!("{:<12}{}", plays.to_string(), cells.collect::<String>().trim_end());
        for file in &report.files {
            let Ok(conformed) = &file.result else {
                wrong.push(format!("{}: can not be read", file.path.display()));
                continue;
            };
            for (cell, version) in conformed.cells.iter().zip(&report.versions) {
                let what = match &cell.verdict {
                    Verdict::Agree | Verdict::Separated(_) | Verdict::Skipped(_) | Verdict::Known(_) => continue,
                    Verdict::Differ(difference) => format!("line {} differs, and no rule says so", difference.line),
                    Verdict::Closed(reason) => format!("agrees, though {reason}"),
                    Verdict::Inconclusive(reason) => reason.clone(),
                };
                wrong.push(format!("{}: {plays} on {version}: {what}", file.path.display()));
            }
        }
    }
    for line in &wrong {
        println!("{line}");
    }
    println!(
        "crossed: {}",
        if wrong.is_empty() { "each differs where a named rule says so, and nowhere else" } else { "not as it should be" }
    );
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All compared versions, fetched unless they are there.
fn servers() -> anyhow::Result<Vec<Server>> {
    let mut servers = Vec::new();
    for version in ServerVersion::COMPARED {
        let name = version.to_string();
        let found = find_or_fetch(Some(name.as_ref()), &mut |notice| println!("{notice}"));
        servers.push(found.with_context(|| format!("nats-server {version}"))?.server);
    }
    Ok(servers)
}
