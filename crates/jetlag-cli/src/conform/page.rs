//! What came of replays as a section of a Markdown file, for a repository to keep: scenario by version, known differences, skips.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use jetlag_conform::{Cell, Report, Verdict};
use jetlag_model::WallTime;
use jetlag_runner::{RunOptions, replace, separation, version_rules};

/// The name of this section.
const SECTION: &str = "library";

/// Puts the section into the file: in place of what it had, or at the end.
///
/// # Errors
///
/// When the file can not be read or written.
pub(super) fn write(path: &Path, report: &Report, command: &str) -> anyhow::Result<()> {
    put(path, SECTION, &section(report, command, &today()))
}

/// Replaces what stands between the marks of a section, or adds it at the end. All else in the file stays.
///
/// # Errors
///
/// When the file can not be read or written.
pub(crate) fn put(path: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let before = match std::fs::read_to_string(path) {
        Ok(before) => before,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("{} can not be read", path.display())),
    };
    let after = with_section(&before, name, text);
    if before.is_empty() {
        std::fs::write(path, after).with_context(|| format!("{} can not be written", path.display()))
    } else {
        replace(path, &after).with_context(|| format!("{} can not be written", path.display()))
    }
}

fn with_section(before: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let section = format!("{begin}\n{}\n\n{end}", text.trim());
    match (before.find(&begin), before.find(&end)) {
        (Some(from), Some(to)) if from < to => format!("{}{section}{}", &before[..from], &before[to + end.len()..]),
        _ if before.is_empty() => section,
        _ => format!("{}\n\n{section}", before.trim_end()),
    }
}

/// The day, in UTC.
pub(crate) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = WallTime::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

/// As they were given.
pub(super) fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
}

fn section(report: &Report, command: &str, day: &str) -> String {
    let mut text = format!("On {day}, by `{command}`.\n\n");
    // Writing to a text does not fail.
    let _ = counts(&mut text, report);
    let _ = special(&mut text, report, "Known differences", |verdict| match verdict {
        Verdict::Known(evidence) => Some(evidence),
        _ => None,
    });
    let _ = special(&mut text, report, "Skipped", |verdict| match verdict {
        Verdict::Skipped(reason) => Some(reason),
        _ => None,
    });
    let _ = rules(&mut text, report);
    let _ = matrix(&mut text, report);
    text
}

/// The rules that separate the versions, and what in the library depends on each.
fn rules(text: &mut String, report: &Report) -> std::fmt::Result {
    let (Some(oldest), Some(newest)) = (report.versions.iter().min(), report.versions.iter().max()) else { return Ok(()) };
    let separating: Vec<_> = version_rules().filter(|rule| rule.separates(*oldest, *newest)).collect();
    if separating.is_empty() {
        return Ok(());
    }
    let mut showing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for conformed in report.files.iter().filter_map(|file| file.result.as_ref().ok()) {
        let separation = separation(&conformed.file.scenario, &RunOptions::default(), *newest, *oldest);
        for rule in separation.rules {
            showing.entry(rule.name).or_default().push(name(&conformed.file.path));
        }
    }
    writeln!(text, "\n**Rules that separate {oldest} from {newest}**, each with scenarios that depend on it alone:\n")?;
    writeln!(text, "| rule | holds for | what it says | evidence | scenarios |\n|---|---|---|---|---|")?;
    for rule in separating {
        let ranges: Vec<String> = rule.ranges.iter().map(ToString::to_string).collect();
        let names = showing.get(rule.name).map(Vec::as_slice).unwrap_or_default();
        let scenarios = match names {
            [] => "with others together".to_owned(),
            [one] => one.clone(),
            [one, more @ ..] => format!("{one} and {} more", more.len()),
        };
        let cell = |text: &str| text.replace('|', "\\|");
        let (ranges, meaning, evidence) = (cell(&ranges.join(" or ")), cell(rule.meaning), cell(rule.evidence));
        writeln!(text, "| {} | `{ranges}` | {meaning} | {evidence} | {scenarios} |", rule.name)?;
    }
    Ok(())
}

fn counts(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "| nats-server | scenarios | agree | known difference | differ | inconclusive | skipped |")?;
    writeln!(text, "|---|---|---|---|---|---|---|")?;
    for (server, version) in report.versions.iter().enumerate() {
        let counts = report.counts_on(server);
        let all: usize = counts.words().iter().map(|(count, _)| count).sum();
        let differ = counts.differ + counts.closed;
        writeln!(
            text,
            "| {version} | {all} | {} | {} | {differ} | {} | {} |",
            counts.agree, counts.known, counts.inconclusive, counts.skipped
        )?;
    }
    Ok(())
}

/// The cells that are neither agreement nor failure, by reason.
fn special(text: &mut String, report: &Report, title: &str, reason: impl Fn(&Verdict) -> Option<&String>) -> std::fmt::Result {
    let mut by_reason: BTreeMap<(&String, String), Vec<String>> = BTreeMap::new();
    for file in &report.files {
        let Ok(conformed) = &file.result else { continue };
        for (cell, version) in conformed.cells.iter().zip(&report.versions) {
            if let Some(reason) = reason(&cell.verdict) {
                by_reason.entry((reason, name(&file.path))).or_default().push(version.to_string());
            }
        }
    }
    writeln!(text, "\n**{title}**: {}.", if by_reason.is_empty() { "none" } else { "these" })?;
    if !by_reason.is_empty() {
        writeln!(text, "\n| scenario | on | why |\n|---|---|---|")?;
    }
    for ((reason, name), versions) in by_reason {
        writeln!(text, "| {name} | {} | {} |", versions.join(", "), reason.replace('|', "\\|"))?;
    }
    Ok(())
}

fn matrix(text: &mut String, report: &Report) -> std::fmt::Result {
    write!(text, "\n| scenario |")?;
    report.versions.iter().try_for_each(|version| write!(text, " {version} |"))?;
    writeln!(text, "\n|---|{}", "---|".repeat(report.versions.len()))?;
    for file in &report.files {
        write!(text, "| {} |", name(&file.path))?;
        match &file.result {
            Ok(conformed) => conformed.cells.iter().try_for_each(|cell| write!(text, " {} |", mark(cell)))?,
            Err(_) => write!(text, "{}", " unreadable |".repeat(report.versions.len()))?,
        }
        writeln!(text)?;
    }
    Ok(())
}

fn mark(cell: &Cell) -> &'static str {
    match cell.verdict {
        Verdict::Agree => "✓",
        Verdict::Skipped(_) => "–",
        ref other => other.as_str(),
    }
}

/// A path as it is written in a page: without the directory that all have in common.
fn name(path: &Path) -> String {
    let path = path.strip_prefix(crate::DEFAULT_PATHS).unwrap_or(path);
    path.with_extension("").display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_rest_of_the_page_stays() {
        let page = with_section("# Page\n\nWords.\n", "a", "one");
        assert_eq!(page, "# Page\n\nWords.\n\n<!-- generated: a -->\n\none\n\n<!-- end of a -->\n");
        let page = format!("{page}\nBelow.\n");
        let both = with_section(&page, "b", "two");
        assert!(both.starts_with(page.trim_end()) && both.ends_with("\ntwo\n\n<!-- end of b -->\n"));
        let again = with_section(&both, "a", "three");
        assert_eq!(again, both.replace("one", "three"));
    }
}
