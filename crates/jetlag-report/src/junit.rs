//! JUnit's XML of a run: one case a scenario, one suite a folder.

use std::collections::BTreeMap;
use std::path::Path;

use jetlag_runner::{Failure, FileReport, FileRun, Unreadable, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// The XML of a run of the suite. Times are real time of the first run; virtual time, digest and counts are properties.
///
/// # Errors
/// When the XML can not be written, which happens for a text that XML has no way to hold.
pub fn junit(name: &str, reports: &[FileReport]) -> Result<String, quick_junit::SerializeError> {
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    for report in reports {
        let folder = report.path.parent().map_or(String::new(), |parent| parent.display().to_string());
        let suite = suites.entry(folder.clone()).or_insert_with(|| TestSuite::new(if folder.is_empty() { "." } else { &folder }));
        suite.add_test_case(case(report));
    }
    let mut whole = Report::new(name);
    whole.add_test_suites(suites.into_values());
    whole.to_string()
}

fn case(report: &FileReport) -> TestCase {
    let name = report.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut case = match &report.result {
        Ok(run) => ran(name, run),
        Err(unreadable) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("unreadable").set_message("the file can not be run").set_description(reasons(&report.path, unreadable));
            TestCase::new(name, status)
        }
    };
    let folder = report.path.parent().map_or(String::new(), |parent| parent.display().to_string());
    case.set_classname(folder).extra.insert("file".into(), report.path.display().to_string().into());
    case
}

fn ran(name: String, run: &FileRun) -> TestCase {
    let FileRun { file, outcome, repeats, nondeterminism } = run;
    let status = match (outcome.verdict, nondeterminism) {
        (Verdict::Fail, _) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let first = outcome.failures.first().map_or_else(String::new, ToString::to_string);
            let all: Vec<String> = outcome.failures.iter().map(|failure| told(&file.path, failure)).collect();
            status.set_type("fail").set_message(first).set_description(all.join("\n"));
            status
        }
        (_, Some(found)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let message = format!("run {} differs from run 1 in record {}", found.run, found.record);
            status.set_type("nondeterminism").set_message(message).set_description(found.to_string());
            status
        }
        (Verdict::Skip, None) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("it is not about this version of the server");
            status
        }
        (Verdict::Pass | Verdict::Unconfirmed, None) => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(name, status);
    if let Some(first) = repeats.first() {
        case.set_time(first.wall);
    }
    case.add_property(("title", file.scenario.header.title.as_str()))
        .add_property(("ids", file.scenario.header.ids.join(",").as_str()))
        .add_property(("verdict", outcome.verdict.as_str()))
        .add_property(("virtual_ns", outcome.virtual_time.as_nanos().to_string().as_str()))
        .add_property(("deliveries", outcome.deliveries.to_string().as_str()))
        .add_property(("faults_hit", outcome.faults_hit().to_string().as_str()))
        .add_property(("checks", outcome.checks.len().to_string().as_str()))
        .add_property(("runs", repeats.len().to_string().as_str()))
        .add_property(("digest", outcome.digest().to_string().as_str()));
    case
}

/// One failure with its place, and with both transcripts where that is what failed.
fn told(path: &Path, failure: &Failure) -> String {
    let at = if failure.line() > 0 { format!("{}:{}", path.display(), failure.line()) } else { path.display().to_string() };
    match failure {
        Failure::Transcript(mismatch) => {
            format!("{at}: {failure}\nexpected:\n{}\ngot:\n{}", mismatch.expected.join("\n"), mismatch.got.join("\n"))
        }
        _ => format!("{at}: {failure}"),
    }
}

fn reasons(path: &Path, unreadable: &Unreadable) -> String {
    match unreadable {
        Unreadable::Io(error) => format!("{}: {error}", path.display()),
        Unreadable::Bad { diagnostics, .. } => {
            let line = |diagnostic: &jetlag_scenario::Diagnostic| {
                format!("{}:{}:{}: {}", path.display(), diagnostic.line, diagnostic.column, diagnostic.message)
            };
            diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    }
}
