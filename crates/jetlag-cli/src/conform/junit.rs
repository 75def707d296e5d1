//! What came of replays as JUnit's XML: a suite a server, a case a scenario.

use jetlag_conform::{Cell, Difference, FileReport, Report, Verdict};
use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

/// The XML. What makes the command fail is a failure here, and what can not be told an error; what is known to differ passes.
///
/// # Errors
/// When it holds a text that XML has no way to hold.
pub(super) fn junit(report: &Report) -> Result<String, SerializeError> {
    let mut whole = quick_junit::Report::new("jetlag conform");
    for (server, version) in report.versions.iter().enumerate() {
        let mut suite = TestSuite::new(format!("nats-server {version}"));
        suite.add_test_cases(report.files.iter().map(|file| case(file, server)));
        whole.add_test_suite(suite);
    }
    whole.to_string()
}

fn case(file: &FileReport, server: usize) -> TestCase {
    let name = file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (status, cell) = match &file.result {
        Ok(conformed) => (status(&conformed.cells[server].verdict), Some(&conformed.cells[server])),
        Err(_) => (bad(NonSuccessKind::Error, "unreadable", "the file can not be run", ""), None),
    };
    let mut case = TestCase::new(name, status);
    let folder = file.path.parent().map_or(String::new(), |parent| parent.display().to_string());
    case.set_classname(folder).extra.insert("file".into(), file.path.display().to_string().into());
    if let Some(Cell { verdict, took, replays, .. }) = cell {
        case.set_time(*took);
        case.add_property(("verdict", verdict.as_str())).add_property(("replays", replays.to_string().as_str()));
    }
    case
}

fn status(verdict: &Verdict) -> TestCaseStatus {
    match verdict {
        Verdict::Agree | Verdict::Known(_) => TestCaseStatus::success(),
        Verdict::Skipped(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
        Verdict::Inconclusive(reason) => bad(NonSuccessKind::Error, verdict.as_str(), reason, ""),
        Verdict::Closed(evidence) => bad(NonSuccessKind::Failure, verdict.as_str(), &format!("it agrees, though {evidence}"), ""),
        Verdict::Separated(rules) => bad(NonSuccessKind::Failure, verdict.as_str(), &format!("separated by {}", rules.join(", ")), ""),
        Verdict::Differ(difference) => {
            let Difference { line, simulator, server, .. } = &**difference;
            let message = format!("the server does something else from line {line} on");
            let both = format!("simulator:\n{}\n\nserver:\n{}", simulator.join("\n"), server.join("\n"));
            bad(NonSuccessKind::Failure, verdict.as_str(), &message, &both)
        }
    }
}

fn bad(kind: NonSuccessKind, what: &str, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message).set_description(description);
    status
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jetlag_conform::Conformed;
    use jetlag_model::ServerVersion;
    use jetlag_runner::ScenarioFile;

    use super::*;

    #[test]
    fn a_suite_a_server_and_a_case_a_scenario() {
        let text = "title: t\n\nstream S subjects=s\n----\nok\n";
        let file = |name: &str, verdicts: Vec<Verdict>| {
            let scenario = jetlag_scenario::parse(text).expect(text);
            let cell = |verdict| Cell { verdict, ratio: None, replays: 1, took: Duration::from_millis(1500) };
            let file = ScenarioFile { path: name.into(), text: text.to_owned(), scenario };
            let cells = verdicts.into_iter().map(cell).collect();
            FileReport { path: name.into(), result: Ok(Conformed { file, cells, on_real_servers: true }) }
        };
        let differ =
            Verdict::Differ(Box::new(Difference { line: 5, first: 0, simulator: vec!["ok".into()], server: vec!["error <1>".into()] }));
        let versions = vec![ServerVersion::COMPARED[0], ServerVersion::NEWEST];
        let files = vec![
            file("s/a.scn", vec![Verdict::Agree, differ]),
            file("s/b.scn", vec![Verdict::Skipped("no disk".into()), Verdict::Inconclusive("too late".into())]),
        ];
        let xml = junit(&Report { versions, files }).expect("it can be written");
        let report = quick_junit::Report::deserialize_from_str(&xml).expect("it can be read");
        let suites: Vec<_> = report.test_suites.iter().map(|suite| (suite.tests, suite.failures, suite.errors)).collect();
        assert_eq!(suites, [(2, 0, 0), (2, 1, 1)], "{xml}");
        for part in ["name=\"nats-server 2.15.1\"", "message=\"no disk\"", "from line 5 on", "error &lt;1&gt;", "time=\"1.500\""] {
            assert!(xml.contains(part), "{part} is not in {xml}");
        }
    }
}
