//! What holds for every program that is drawn, and for every smaller one.

use std::collections::BTreeSet;

use jetlag_model::ServerVersion;
use jetlag_program::{LEFT_OUT, draw, for_library, playable, smaller};
use jetlag_runner::{Failure, RunOptions, Verdict, run_simulated};
use jetlag_scenario::{Scenario, vocabulary, words_of};

const OLD: ServerVersion = ServerVersion::new(2, 10, 26);

fn verdict(scenario: &Scenario, version: ServerVersion) -> Verdict {
    let outcome = run_simulated(scenario, &RunOptions { version, ..RunOptions::default() });
    assert!(outcome.failures.iter().all(|failure| matches!(failure, Failure::Transcript(_))), "{:?}\n{scenario}", outcome.failures);
    outcome.verdict
}

#[test]
fn a_program_is_a_scenario_that_passes() {
    for (seed, version) in (0..60).map(|seed| (seed, ServerVersion::NEWEST)).chain((0..20).map(|seed| (seed, OLD))) {
        let program = draw(seed, version);
        assert_eq!(verdict(&program, version), Verdict::Pass, "{program}");
        assert_eq!(jetlag_scenario::parse(&program.to_string()).as_ref(), Ok(&program));
    }
}

#[test]
fn a_seed_gives_one_program_and_another_seed_another() {
    let program = |seed| draw(seed, ServerVersion::NEWEST).to_string();
    assert_eq!(program(7), program(7));
    assert_ne!(program(7).lines().skip(4).collect::<Vec<_>>(), program(8).lines().skip(4).collect::<Vec<_>>());
}

#[test]
fn what_a_library_keeps_passes_on_both_versions() {
    for seed in 0..20 {
        let kept = for_library(&draw(seed, OLD), OLD);
        assert_eq!(verdict(&kept, OLD), Verdict::Pass, "{kept}");
        let newest = run_simulated(&kept, &RunOptions::default()).verdict;
        assert!(matches!(newest, Verdict::Pass | Verdict::Skip), "{newest:?}\n{kept}");
    }
}

#[test]
fn smaller_programs_are_smaller() {
    let size =
        |scenario: &Scenario| scenario.blocks.iter().flat_map(|block| &block.steps).map(|step| step.to_string().len()).sum::<usize>();
    for seed in 0..10 {
        let program = draw(seed, ServerVersion::NEWEST);
        let all: Vec<_> = smaller(&program).iter().filter_map(|candidate| playable(candidate, ServerVersion::NEWEST)).collect();
        assert!(!all.is_empty(), "{program}");
        for candidate in &all {
            assert_eq!(verdict(candidate, ServerVersion::NEWEST), Verdict::Pass);
            assert!(size(candidate) <= size(&program) + 3, "{program}\n{candidate}");
        }
    }
}

/// A difference that has to do with two commands and one option shrinks to just these.
#[test]
fn shrinking_comes_to_what_matters() {
    let matters = |scenario: &Scenario| {
        let text = scenario.to_string();
        text.contains("max-deliver=") && text.lines().any(|line| line.contains(": fetch ") && line.contains(" batch="))
    };
    let mut program = (0..).map(|seed| draw(seed, ServerVersion::NEWEST)).find(matters).expect("some program does so");
    while let Some(next) =
        smaller(&program).iter().filter_map(|candidate| playable(candidate, ServerVersion::NEWEST)).find(|it| matters(it) && *it != program)
    {
        program = next;
    }
    let commands: Vec<_> = program.blocks.iter().flat_map(|block| &block.steps).map(ToString::to_string).collect();
    assert!(commands.len() <= 3, "{program}");
}

/// What no program says, and everything else is said by some.
#[test]
fn words_that_are_left_out_have_a_reason() {
    let used: BTreeSet<String> = (0..1_000).flat_map(|seed| words_of(&draw(seed, ServerVersion::NEWEST))).collect();
    let left_out: BTreeSet<String> = vocabulary().difference(&used).cloned().collect();
    let with_reason: BTreeSet<String> = LEFT_OUT.iter().flat_map(|(words, _)| words.iter()).map(|word| (*word).to_owned()).collect();
    assert_eq!(left_out, with_reason);
}
