//! The tables of rules, against the scenario files and against programs.

use std::collections::BTreeSet;
use std::path::Path;

use jetlag_model::ServerVersion;
use jetlag_program::{HIT, Hits, NOT_HIT, count_hits, draw};
use jetlag_runner::{RunOptions, ScenarioFile, find_files, run_simulated};

/// Random programs show it. No scenario file does, because a real server loses it now and then.
const IN_NO_FILE: &str = "advisory stream_action delete";

#[test]
fn the_tables_hold_what_scenario_files_show() {
    let options = RunOptions::default();
    let mut shown = Hits::new();
    for path in find_files(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")]).expect("the library is there") {
        let file = ScenarioFile::read(&path, &options).expect("the library can be read");
        count_hits(run_simulated(&file.scenario, &options).trace.records(), &mut shown);
    }
    let shown: BTreeSet<&str> = shown.keys().map(String::as_str).chain([IN_NO_FILE]).collect();
    let not_hit = || NOT_HIT.iter().flat_map(|(names, _)| names.iter().copied());
    assert_eq!(shown, HIT.iter().copied().chain(not_hit()).collect());
    assert_eq!(not_hit().find(|name| HIT.contains(name)), None);
}

#[test]
fn programs_hit_nothing_that_no_table_knows() {
    let mut hits = Hits::new();
    for seed in 0..100 {
        let program = draw(seed, ServerVersion::NEWEST);
        count_hits(run_simulated(&program, &RunOptions::default()).trace.records(), &mut hits);
    }
    let unknown: Vec<_> = hits.keys().filter(|name| !HIT.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
