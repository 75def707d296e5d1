//! A run as a test for Prometheus's own tool, `promtool test rules`: the run's series over virtual time, and the alerts that must, or must not,
//! fire on them. Whether a rule fires is for Prometheus to say, and is not computed here.
//!
//! An `expect alert` names some of an alert's labels, where promtool's `alert_rule_test` wants all labels and annotations; so it is asked about the
//! series `ALERTS`, which Prometheus keeps of what fires.

use std::collections::BTreeSet;
use std::path::Path;

use jetlag_metrics::sampled;
use jetlag_model::{Duration, Time};
use jetlag_runner::{AlertExpectation, FileRun};
use serde_json::{Value as Json, json};

/// How often series are scraped and rules evaluated: four times a minute.
const EVERY: Duration = Duration::from_secs(15);

/// Rules that are not there, or a run that can not be tested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromtoolError {
    /// An alert without a rule: that it does not fire would say nothing.
    #[error("{path}:{line}: the rules have no alert {name}; they have {known}")]
    UnknownAlert {
        /// The scenario.
        path: String,
        /// The line of the expectation.
        line: usize,
        /// The alert.
        name: String,
        /// Those that are there.
        known: String,
    },
    /// A run of which not all records are held.
    #[error("{path}: the run is too long for its series to be written")]
    TooLong {
        /// The scenario.
        path: String,
    },
}

/// The alerts of a file of rules: what stands behind `alert:`, one a line, as people write these files.
pub fn alerts_of(rules: &str) -> BTreeSet<String> {
    let names = rules.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").trim_start().strip_prefix("alert:"));
    let plain = |name: &str| name.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned();
    names.map(plain).filter(|name| !name.is_empty()).collect()
}

/// The test of a run, in JSON, which is YAML too. `rules` is where the file of rules is, and `alerts` are those that it has.
///
/// # Errors
/// When the run expects something of an alert that the rules do not have, or is too long.
pub fn test_file(rules: &Path, alerts: &BTreeSet<String>, run: &FileRun) -> Result<String, PromtoolError> {
    let path = run.file.path.display().to_string();
    let unknown = run.outcome.alerts.iter().find(|expected| !alerts.contains(&expected.name));
    if let Some(AlertExpectation { line, name, .. }) = unknown {
        let known = if alerts.is_empty() { "none".to_owned() } else { alerts.iter().cloned().collect::<Vec<_>>().join(", ") };
        return Err(PromtoolError::UnknownAlert { path, line: *line, name: name.clone(), known });
    }
    if !run.outcome.trace.is_whole() {
        return Err(PromtoolError::TooLong { path });
    }
    let end = run.outcome.alerts.iter().map(|expected| expected.at).max().unwrap_or(Time::START);
    let series = sampled(run.outcome.trace.records(), EVERY, end);
    let series: Vec<Json> =
        series.iter().map(|(series, values)| json!({ "series": series.to_string(), "values": written(values) })).collect();
    let expected: Vec<Json> = run.outcome.alerts.iter().map(expression).collect();
    let test = json!({ "name": path, "interval": span(EVERY), "input_series": series, "promql_expr_test": expected });
    let file = json!({ "rule_files": [rules], "evaluation_interval": span(EVERY), "tests": [test] });
    Ok(format!("{file:#}\n"))
}

/// What promtool is to ask: one series that says yes when the alert fires, or nothing at all when it does not.
fn expression(expected: &AlertExpectation) -> Json {
    let labels = expected.labels.clone().with("alertname", expected.name.as_str()).with("alertstate", "firing");
    let eval_time = span(expected.at.since_start());
    match expected.fires {
        true => {
            let expr = format!("count(ALERTS{labels}) > bool 0");
            json!({ "expr": expr, "eval_time": eval_time, "exp_samples": [{ "labels": "{}", "value": 1 }] })
        }
        false => json!({ "expr": format!("ALERTS{labels}"), "eval_time": eval_time, "exp_samples": [] }),
    }
}

/// A length of time as Prometheus reads it: whole milliseconds.
fn span(length: Duration) -> String {
    format!("{}ms", length.as_nanos() / 1_000_000)
}

/// Values in promtool's short form: `1x3` is four times 1, `_x3` three times none.
fn written(values: &[Option<f64>]) -> String {
    let mut parts = Vec::new();
    for group in values.chunk_by(|left, right| left == right) {
        parts.push(match (group[0], group.len()) {
            (None, times) => format!("_x{times}"),
            (Some(value), 1) => format!("{value}"),
            (Some(value), times) => format!("{value}x{}", times - 1),
        });
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use jetlag_runner::{RunOptions, run_files};

    use super::*;

    const RULES: &str =
        "groups:\n  - name: g\n    rules:\n      - alert: Stored # ours\n        expr: up\n      - alert: \"Other\"\n        for: 1m\n";

    fn run(text: &str) -> FileRun {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.scn");
        std::fs::write(&path, text).expect("it can be written");
        let report = run_files(&[path], &RunOptions::default(), 1, 1).remove(0);
        report.result.unwrap_or_else(|unreadable| panic!("{text}: {unreadable:?}"))
    }

    #[test]
    fn a_run_is_written_as_a_test() {
        let run =
            run("title: t\n\nstream S subjects=s\n(p: publish s \"a\" every=20s count=3)\n(advance 1m)\nexpect alert Stored stream=S\n\
                       (advance 500ms)\nexpect no-alert Other\n----\nok\n");
        let text = test_file(Path::new("/r.yml"), &alerts_of(RULES), &run).expect("it can be written");
        let json: Json = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!((&json["rule_files"], &json["evaluation_interval"]), (&json!(["/r.yml"]), &json!("15000ms")));
        let test = &json["tests"][0];
        let stored =
            test["input_series"].as_array().expect("a list").iter().find(|one| one["series"] == r#"jetlag_stored_total{stream="S"}"#);
        assert_eq!(stored.map(|one| &one["values"]), Some(&json!("1x1 2 3x1")), "at 0s, 15s, 30s, 45s and 1m");
        assert_eq!(
            test["promql_expr_test"],
            json!([
                {
                    "expr": r#"count(ALERTS{alertname="Stored",alertstate="firing",stream="S"}) > bool 0"#,
                    "eval_time": "60000ms",
                    "exp_samples": [{ "labels": "{}", "value": 1 }]
                },
                { "expr": r#"ALERTS{alertname="Other",alertstate="firing"}"#, "eval_time": "60500ms", "exp_samples": [] }
            ])
        );
    }

    #[test]
    fn an_alert_without_a_rule_is_an_error() {
        let run = run("title: t\n\nstream S subjects=s\nexpect no-alert Sotred\n----\nok\n");
        let error = test_file(Path::new("/r.yml"), &alerts_of(RULES), &run).expect_err("there is no such alert").to_string();
        assert!(error.ends_with("a.scn:4: the rules have no alert Sotred; they have Other, Stored"), "{error}");
        assert_eq!(alerts_of("groups: []"), BTreeSet::new());
    }

    #[test]
    fn values_in_short() {
        let values = [None, None, Some(1.0), Some(2.5), Some(2.5), Some(2.5), None];
        assert_eq!(written(&values), "_x2 1 2.5x2 _x1");
    }
}
