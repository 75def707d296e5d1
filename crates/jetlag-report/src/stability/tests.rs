//! Histories made by hand, and what they say.

use super::*;
use crate::history::{Commit, DigestCount, SCHEMA};

fn scenario(path: &str, digests: &[(&str, u64)]) -> ScenarioEntry {
    let divergence =
        (digests.len() > 1).then(|| Divergence { run: 2, record: 17, first: Some("{\"n\":17,\"at\":0}".to_owned()), other: None });
    ScenarioEntry {
        path: path.to_owned(),
        text: "t".to_owned(),
        verdict: "pass".to_owned(),
        virtual_ns: 0,
        digests: digests.iter().map(|(digest, runs)| DigestCount { digest: (*digest).to_owned(), runs: *runs }).collect(),
        wall_ns: Spread::default(),
        divergence,
    }
}

fn entry(date: &str, commit: &str, scenarios: Vec<ScenarioEntry>) -> Entry {
    Entry {
        schema: SCHEMA.to_owned(),
        date: WallTime::parse_rfc3339(date).expect(date),
        commit: Some(Commit { id: commit.to_owned(), clean: true }),
        jetlag: "0.1.0".to_owned(),
        server: "2.15.1".to_owned(),
        seed: None,
        runs: 3,
        wall_ns: 3_000_000,
        unreadable: Vec::new(),
        scenarios,
    }
}

fn stable(date: &str, commit: &str) -> Entry {
    entry(date, commit, vec![scenario("a.scn", &[("aa", 3)])])
}

#[test]
fn an_empty_history_says_nothing() {
    assert_eq!(stability(&[], GOAL_DAYS), None);
}

#[test]
fn without_a_flake_it_is_stable_since_the_history_begins() {
    let history = [stable("2026-11-01T12:00:00Z", "c1"), stable("2026-11-15T11:59:59Z", "c2")];
    let found = stability(&history, GOAL_DAYS).expect("it says something");
    assert_eq!((found.stable_days, found.suite_runs, found.scenario_runs), (13, 2, 6));
    assert_eq!((found.last_flake.is_none(), found.known_flaky.is_empty(), found.trend.len()), (true, true, 2));
    let text = human(&found);
    assert!(
        text.contains("stable for 13 days, no flake since the history begins, 2026-11-01; 1 day to go until the goal of 14 days"),
        "{text}"
    );
    assert!(text.contains("known flaky: none"), "{text}");
    assert!(markdown(&found).contains("## Known flaky\n\nNone.\n"));
}

#[test]
fn a_flake_is_listed_with_a_ticket_until_it_was_stable_for_the_goal() {
    let flaky = entry("2026-11-02T00:00:00Z", "c2", vec![scenario("a.scn", &[("aa", 2), ("ab", 1)]), scenario("b.scn", &[("b", 3)])]);
    let history = [stable("2026-11-01T00:00:00Z", "c1"), flaky, stable("2026-11-16T00:00:00Z", "c3")];
    let found = stability(&history, GOAL_DAYS).expect("it says something");
    assert_eq!((found.stable_days, found.flaked_last()), (14, false));
    assert!(stability(&history[..2], GOAL_DAYS).expect("it says something").flaked_last());
    let [listed] = found.known_flaky.as_slice() else { panic!("{:?}", found.known_flaky) };
    // The first run is before the days that are looked at.
    assert_eq!((listed.path.as_str(), listed.differing, listed.of, listed.priority), ("a.scn", 1, 6, "high"));
    assert_eq!(listed.until.to_string(), "2026-11-16T00:00:00Z");
    for part in [
        "## Nondeterministic: a.scn",
        "Seen 2026-11-02T00:00:00Z, commit c2.",
        "Run 2 differs from run 1. Record 17 is the first that differs:",
        "- {\"n\":17,\"at\":0}\n+ (the run is over)",
        "git checkout c2\njetlag run a.scn --runs 3\n",
    ] {
        assert!(listed.ticket.contains(part), "{part} is not in\n{}", listed.ticket);
        assert!(human(&found).contains(part) && markdown(&found).contains(part), "{part}");
    }
    let history = [&history[..], &[stable("2026-11-16T00:00:01Z", "c3")]].concat();
    let found = stability(&history, GOAL_DAYS).expect("it says something");
    assert_eq!((found.known_flaky.len(), found.last_flake.map(|flake| flake.path)), (0, Some("a.scn".to_owned())));
}

#[test]
fn two_lines_of_one_commit_must_agree() {
    let other = |date: &str, commit: &str| entry(date, commit, vec![scenario("a.scn", &[("zz", 3)])]);
    let first = stable("2026-11-01T00:00:00Z", "c1");
    let flakes_with = |second: Entry| stability(&[first.clone(), second], GOAL_DAYS).expect("it says something").known_flaky;

    let [flaky] = &flakes_with(other("2026-11-03T00:00:00Z", "c1"))[..] else { panic!("it is a flake") };
    assert_eq!((flaky.differing, flaky.of, flaky.last.earlier), (3, 6, Some(first.date)));
    assert!(flaky.ticket.contains("but not with those of 2026-11-01T00:00:00Z"), "{}", flaky.ticket);
    assert!(flaky.ticket.contains("jetlag run a.scn --runs 1000\n"), "{}", flaky.ticket);

    // Nothing of this is a flake: what the digest depends on is not the same, or not known to be.
    assert_eq!(flakes_with(other("2026-11-03T00:00:00Z", "c2")), []);
    assert_eq!(flakes_with(Entry { seed: Some(7), ..other("2026-11-03T00:00:00Z", "c1") }), []);
    assert_eq!(flakes_with(Entry { server: "2.10.26".to_owned(), ..other("2026-11-03T00:00:00Z", "c1") }), []);
    assert_eq!(
        flakes_with(Entry { commit: Some(Commit { id: "c1".to_owned(), clean: false }), ..other("2026-11-03T00:00:00Z", "c1") }),
        []
    );
    assert_eq!(flakes_with(Entry { commit: None, ..other("2026-11-03T00:00:00Z", "c1") }), []);
    let edited = ScenarioEntry { text: "u".to_owned(), ..scenario("a.scn", &[("zz", 3)]) };
    assert_eq!(flakes_with(entry("2026-11-03T00:00:00Z", "c1", vec![edited])), []);
}

#[test]
fn the_trend_counts_each_day() {
    let failed = ScenarioEntry { verdict: "fail".to_owned(), ..scenario("a.scn", &[("other", 3)]) };
    let history = [
        // Not in the order of time: another machine added its line later.
        Entry { unreadable: vec!["bad.scn".to_owned()], ..entry("2026-11-02T08:00:00Z", "c2", vec![failed]) },
        stable("2026-11-01T00:00:00Z", "c1"),
        stable("2026-11-02T09:00:00Z", "c3"),
    ];
    let found = stability(&history, GOAL_DAYS).expect("it says something");
    let [first, second] = found.trend.as_slice() else { panic!("{:?}", found.trend) };
    assert_eq!((first.date.as_str(), first.failed, first.changed), ("2026-11-01", 0, 0));
    assert_eq!((second.suite_runs, second.failed, second.changed, second.flakes), (2, 2, 2, 0));
    assert_eq!(second.wall_ns.median, 1_000_000);
}

#[test]
fn priorities_have_their_borders() {
    for (differing, of, expected) in [(1, 19, "high"), (1, 20, "medium"), (1, 49, "medium"), (1, 50, "low"), (1, 1000, "low")] {
        assert_eq!(priority(differing, of), expected, "{differing} of {of}");
    }
}
