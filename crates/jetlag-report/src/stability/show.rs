//! The stability of a suite in words: for a terminal, and as Markdown with tickets.

use std::fmt::Write as _;

use jetlag_model::Duration;

use super::{Day, Flake, KnownFlaky, Stability, date};

/// How many days the trend goes back in what people read; JSON has all of them.
const DAYS_SHOWN: usize = 30;

/// For a terminal.
pub fn human(stability: &Stability) -> String {
    let mut text = String::new();
    let header = ["day", "suite runs", "scenarios", "scenario runs", "failed", "flakes", "changed", "a run takes"].map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(header).chain(recent(stability).iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for row in &rows {
        let cell = |(column, cell): (usize, &String)| match column {
            0 => format!("{cell:<0$}", width(column)),
            _ => format!("{cell:>0$}", width(column)),
        };
        let line = row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        push(&mut text, &line);
    }
    push(&mut text, &format!("\n{}", summary(stability)));
    push(&mut text, &format!("known flaky: {}", if stability.known_flaky.is_empty() { "none" } else { "see the tickets" }));
    for flaky in &stability.known_flaky {
        push(&mut text, &format!("\n{}", flaky.ticket.trim_end()));
    }
    text
}

/// As Markdown.
pub fn markdown(stability: &Stability) -> String {
    let mut text = String::from("# Stability\n\n");
    push(&mut text, &summary(stability));
    push(&mut text, "\n## Known flaky\n");
    match stability.known_flaky.as_slice() {
        [] => push(&mut text, "None."),
        all => {
            push(&mut text, "| scenario | flakes | runs that differ | priority | last | listed until |\n|---|---|---|---|---|---|");
            for KnownFlaky { path, flakes, differing, of, priority, last, until, .. } in all {
                push(&mut text, &format!("| `{path}` | {flakes} | {differing} of {of} | {priority} | {} | {} |", last.date, date(*until)));
            }
        }
    }
    push(&mut text, "\n## Trend\n");
    push(&mut text, "| day | suite runs | scenarios | scenario runs | failed | flakes | changed | a run takes |");
    push(&mut text, "|---|--:|--:|--:|--:|--:|--:|--:|");
    for day in recent(stability) {
        push(&mut text, &format!("| {} |", cells(day).join(" | ")));
    }
    for flaky in &stability.known_flaky {
        push(&mut text, &format!("\n{}", flaky.ticket.trim_end()));
    }
    text
}

/// A text to file a flake with.
pub(super) fn ticket(flake: &Flake, priority: &str, differing: u64, of: u64) -> String {
    let Flake { path, date, commit, earlier, divergence, again, .. } = flake;
    let mut text = String::new();
    push(&mut text, &format!("## Nondeterministic: {path}\n"));
    push(&mut text, &format!("Seen {date}, {}. Priority {priority}: {differing} of {of} runs differ.\n", at(commit.as_ref())));
    match (divergence, earlier) {
        (Some(found), _) => {
            push(&mut text, &format!("Run {} differs from run 1. Record {} is the first that differs:\n", found.run, found.record));
            push(&mut text, "```diff");
            for (sign, record) in [('-', &found.first), ('+', &found.other)] {
                push(&mut text, &format!("{sign} {}", record.as_deref().unwrap_or("(the run is over)")));
            }
            push(&mut text, "```");
        }
        (None, Some(earlier)) => push(
            &mut text,
            &format!(
                "All runs of that time agree with each other, but not with those of {earlier}, of the same commit, version, seed and file."
            ),
        ),
        (None, None) => push(&mut text, "Its runs left different digests."),
    }
    push(&mut text, "\nAgain:\n\n```sh");
    if let Some(commit) = commit {
        push(&mut text, &format!("git checkout {commit}"));
    }
    push(&mut text, again);
    push(&mut text, "```\n");
    push(
        &mut text,
        "A run depends on its file, its seed and the version alone. What differs reads a clock, an address, the order of a hash or of",
    );
    push(&mut text, "threads, or a handler's state that outlives the run; what led to the record above is where to look.");
    text
}

fn at(commit: Option<&String>) -> String {
    commit.map_or_else(|| "commit unknown".to_owned(), |commit| format!("commit {}", short(commit)))
}

fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

fn summary(stability: &Stability) -> String {
    let Stability { from, to, suite_runs, scenario_runs, stable_days, goal_days, last_flake, trend, .. } = stability;
    let days = |days: u64| format!("{days} {}", if days == 1 { "day" } else { "days" });
    let last = last_flake.as_ref().map_or_else(
        || format!("no flake since the history begins, {}", date(*from)),
        |flake| format!("last flake {} in {}, {}", flake.date, flake.path, at(flake.commit.as_ref())),
    );
    let goal = match goal_days.checked_sub(*stable_days) {
        None | Some(0) => format!("the goal of {} is reached", days(*goal_days)),
        Some(left) => format!("{} to go until the goal of {}", days(left), days(*goal_days)),
    };
    let failed: u64 = trend.iter().map(|day| day.failed).sum();
    let flakes: u64 = trend.iter().map(|day| day.flakes).sum();
    format!(
        "stable for {}, {last}; {goal}\n{suite_runs} runs of the suite, {scenario_runs} of scenarios, {} to {}: {failed} failed, {flakes} flaked",
        days(*stable_days),
        date(*from),
        date(*to)
    )
}

fn recent(stability: &Stability) -> &[Day] {
    &stability.trend[stability.trend.len().saturating_sub(DAYS_SHOWN)..]
}

fn cells(day: &Day) -> [String; 8] {
    let micros = i64::try_from(day.wall_ns.median / 1_000).unwrap_or(i64::MAX);
    [
        day.date.clone(),
        day.suite_runs.to_string(),
        day.scenarios.to_string(),
        day.scenario_runs.to_string(),
        day.failed.to_string(),
        day.flakes.to_string(),
        day.changed.to_string(),
        Duration::from_micros(micros).to_string(),
    ]
}

fn push(text: &mut String, line: &str) {
    // Writing to a string can not fail.
    let _ = writeln!(text, "{line}");
}
