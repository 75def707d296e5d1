//! `docs/SCENARIOS.md` is true: every example on the page runs, and everything that the language knows is on it.
//!
//! How the page marks its examples:
//! - `scn` and `scn-prelude`: a complete scenario. It passes, and is in canonical form.
//! - `scn-fragment`: the same, once it stands behind the prelude. One without `----` is only read.
//! - `scn-error`: what is no scenario, and behind `>>>` what is said about it.
//!
//! What the language knows is asked of the parser: whoever writes a word that does not exist is told all those that do.

use std::collections::BTreeSet;

use jetlag_fault::{CrossingKind, Direction};
use jetlag_model::ServerVersion;
use jetlag_runner::{Outcome, Registry, RegistryError, RunOptions, Verdict, run_simulated};
use jetlag_scenario::{CheckName, Diagnostic, Scenario, format, parse};
use jetlag_trace::{Kind, line};

const PAGE: &str = include_str!("../../../docs/SCENARIOS.md");

/// A word that nothing is called, and that is near to nothing.
const NONSENSE: &str = "zzzzzz";

/// An example of the page.
struct Example {
    marked: &'static str,
    /// The line of the page on which it begins, counted from 1.
    line: usize,
    text: String,
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut open = false;
    for (number, line) in PAGE.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(marked) => {
                open = true;
                examples.push(Example { marked, line: number + 2, text: String::new() });
            }
            None if open => examples.last_mut().expect("an open example").text.extend([line, "\n"]),
            None => {}
        }
    }
    assert!(!open, "the last example is not closed");
    examples
}

fn marked(mark: &str) -> Vec<Example> {
    let found: Vec<_> = examples().into_iter().filter(|example| example.marked == mark).collect();
    assert!(!found.is_empty(), "no example is marked {mark}");
    found
}

/// Whether a fragment says what comes of it.
fn is_whole(fragment: &str) -> bool {
    fragment.lines().any(|line| line == "----")
}

/// All examples as files, each with its line on the page.
fn files() -> Vec<(usize, String)> {
    let prelude = marked("scn-prelude").remove(0);
    let whole = marked("scn").into_iter().map(|example| (example.line, example.text));
    let completed = marked("scn-fragment").into_iter().map(|fragment| {
        let end = if is_whole(&fragment.text) { "" } else { "----\n" };
        (fragment.line, format!("{}\n{}{end}", prelude.text, fragment.text))
    });
    whole.chain([(prelude.line, prelude.text.clone())]).chain(completed).collect()
}

fn read(line: usize, text: &str) -> Scenario {
    parse(text).unwrap_or_else(|found| panic!("line {line} of the page: {found:#?}\n{text}"))
}

fn run(scenario: &Scenario, version: ServerVersion) -> Outcome {
    run_simulated(scenario, &RunOptions { version, ..RunOptions::default() })
}

/// All examples that run, run.
fn runs() -> Vec<(usize, Scenario, Outcome)> {
    let unfinished: BTreeSet<usize> =
        marked("scn-fragment").iter().filter(|fragment| !is_whole(&fragment.text)).map(|fragment| fragment.line).collect();
    let finished = files().into_iter().filter(|(line, _)| !unfinished.contains(line));
    finished
        .map(|(line, text)| {
            let scenario = read(line, &text);
            let outcome = run(&scenario, ServerVersion::NEWEST);
            (line, scenario, outcome)
        })
        .collect()
}

#[test]
fn every_example_is_marked() {
    for Example { marked, line, .. } in examples() {
        assert!(["scn", "scn-prelude", "scn-fragment", "scn-error", "sh"].contains(&marked), "line {line}: {marked:?}");
    }
}

#[test]
fn examples_are_in_canonical_form() {
    for (line, text) in files() {
        assert_eq!(format(&text), Ok(text), "line {line} of the page");
    }
}

#[test]
fn examples_pass() {
    let runs = runs();
    assert!(runs.len() >= 10, "{} examples", runs.len());
    for (line, _, outcome) in runs {
        let passes = matches!(outcome.verdict, Verdict::Pass | Verdict::Unconfirmed);
        let came: Vec<String> = outcome.blocks.iter().map(|block| block.join("\n")).collect();
        assert!(passes, "line {line} of the page: {:#?}\nwhat came:\n{}", outcome.failures, came.join("\n\n"));
    }
}

#[test]
fn examples_pass_on_the_versions_they_name() {
    let versions = [(2, 10, 22), (2, 11, 0), (2, 12, 0), (2, 14, 0), (2, 15, 0)].map(|(a, b, c)| ServerVersion::new(a, b, c));
    let mut asked = 0;
    for (line, scenario, _) in runs() {
        let transcripts = scenario.blocks.iter().flat_map(|block| &block.transcripts);
        for condition in transcripts.filter_map(|transcript| transcript.condition.as_ref()) {
            let version = versions.into_iter().find(|version| condition.range.contains(*version));
            let version = version.unwrap_or_else(|| panic!("line {line} of the page: no version to try in {}", condition.range));
            let outcome = run(&scenario, version);
            assert_eq!(outcome.verdict, Verdict::Pass, "line {line} of the page on {version}: {:#?}", outcome.failures);
            asked += 1;
        }
    }
    assert!(asked > 0);
}

#[test]
fn bad_input_is_told_as_the_page_says() {
    for Example { line, text, .. } in marked("scn-error") {
        let (expected, bad): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with(">>>"));
        let bad: String = bad.iter().flat_map(|line| [line, "\n"]).collect();
        let found = parse(&bad).expect_err("what is marked scn-error is wrong");
        let found: Vec<String> = found.iter().map(|diagnostic| format!(">>> {diagnostic}")).collect();
        assert_eq!(found, expected, "line {line} of the page:\n{}", found.join("\n"));
    }
}

/// A table, found by the first cell of its head: its rows, each as cells.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let head = format!("| {head} |");
    let rows = PAGE.lines().skip_while(|line| !line.starts_with(&head)).skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_start_matches("| ").trim_end_matches(" |").split(" | ").collect()).collect();
    assert!(!rows.is_empty(), "no table {head}");
    rows
}

/// What stands between backticks.
fn codes(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// What stands between backticks in the first column of a table.
fn first_codes(head: &str) -> Vec<&'static str> {
    table(head).iter().flat_map(|row| codes(row[0])).collect()
}

/// The words of a text: lower-case letters, digits, `-`, `_`.
fn words(text: &str) -> BTreeSet<&str> {
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    text.split(|c| !part(c)).filter(|word| !word.is_empty()).collect()
}

/// The words between backticks of a section of the page.
fn words_of_section(title: &str) -> BTreeSet<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    let section = rest.split_once("\n## ").map_or(rest, |(section, _)| section);
    let prose = section.split("```").step_by(2);
    prose.flat_map(codes).flat_map(words).collect()
}

/// What is said about a file.
fn diagnostics(text: &str) -> Vec<Diagnostic> {
    parse(text).err().unwrap_or_default()
}

/// What is said about the word that does not exist, in a block of a file.
fn about_nonsense(block: &str) -> Diagnostic {
    let found = diagnostics(&format!("title: t\n\n{block}\n----\n"));
    let about = found.iter().find(|diagnostic| diagnostic.message.contains(NONSENSE));
    about.unwrap_or_else(|| panic!("{block}: {found:?}")).clone()
}

fn known_in(diagnostic: &Diagnostic) -> BTreeSet<String> {
    let list = diagnostic.help.as_deref().map(|help| help.strip_prefix("known are ").unwrap_or_else(|| panic!("{diagnostic:?}")));
    list.into_iter().flat_map(|list| list.split(", ")).map(str::to_owned).collect()
}

/// What could have stood in the place of the word that does not exist.
fn known(block: &str) -> BTreeSet<String> {
    let known = known_in(&about_nonsense(block));
    assert!(!known.is_empty(), "{block}");
    known
}

fn owned<'t>(words: impl IntoIterator<Item = &'t str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_page_knows_the_header() {
    let found = diagnostics(&format!("title: t\n{NONSENSE}: x\n\nsettle\n----\n"));
    assert_eq!(owned(first_codes("key")), known_in(&found[0]));
}

/// All commands, each as the line of one.
const COMMANDS: &[(&str, &str)] = &[
    ("stream", "stream S"),
    ("update stream", "update stream S"),
    ("delete stream", "delete stream S"),
    ("consumer", "consumer S/C"),
    ("update consumer", "update consumer S/C"),
    ("delete consumer", "delete consumer S/C"),
    ("delete message", "delete message S 1"),
    ("purge", "purge S"),
    ("info", "info S"),
    ("publish", "publish s \"\""),
    ("fetch", "fetch S/C"),
    ("ack", "w1: ack 1"),
    ("nak", "w1: nak 1"),
    ("in-progress", "w1: in-progress 1"),
    ("term", "w1: term 1"),
    ("next", "w1: next 1"),
    ("subscribe", "w1: subscribe s"),
    ("unsubscribe", "w1: unsubscribe s"),
    ("request", "request s"),
    ("client", "client c"),
    ("disconnect", "w1: disconnect"),
    ("reconnect", "w1: reconnect"),
    ("crash", "w1: crash"),
    ("restart", "restart"),
    ("kill", "kill"),
    ("fault", "fault f drop"),
    ("clear", "clear f"),
    ("worker", "worker w S/C"),
    ("stop", "stop w"),
    ("advance", "advance 1s"),
    ("settle", "settle"),
    ("check", "check idle"),
    ("expect metric", "expect metric m_total +1"),
    ("expect no-other-metric", "expect no-other-metric"),
    ("expect alert", "expect alert A"),
    ("expect no-alert", "expect no-alert A"),
];

#[test]
fn the_page_knows_all_commands_and_their_options() {
    let mut commands = known(NONSENSE);
    for verb in ["update", "delete", "expect"] {
        assert!(commands.remove(verb));
        commands.extend(known(&format!("{verb} {NONSENSE} S")).iter().map(|what| format!("{verb} {what}")));
    }
    assert_eq!(owned(COMMANDS.iter().map(|(command, _)| *command)), commands, "what the parser knows and what this test asks for");
    let forms: Vec<&str> =
        first_codes("command").into_iter().map(|form| form.trim_start_matches("[A:] ").trim_start_matches("A: ")).collect();
    let is_form_of = |form: &str, command: &str| form.strip_prefix(command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    for form in &forms {
        assert!(commands.iter().any(|command| is_form_of(form, command)), "no command is written as {form}");
    }
    for (command, line) in COMMANDS {
        let written: Vec<&&str> = forms.iter().filter(|form| is_form_of(form, command)).collect();
        assert!(!written.is_empty(), "{command} is not in the table");
        // Settings, and what rules look at, have tables of their own; labels are whatever a metric has.
        let elsewhere = ["[SETTING=VALUE]", "[MATCH]", "[LABEL=VALUE]"];
        if written.iter().any(|form| elsewhere.iter().any(|what| form.contains(what))) {
            continue;
        }
        let options = match *command {
            "check" | "settle" => BTreeSet::new(),
            _ => known_in(&about_nonsense(&format!("{line} {NONSENSE}=1"))),
        };
        let shown: BTreeSet<&str> = written.iter().flat_map(|form| words(form)).collect();
        assert!(options.iter().all(|option| shown.contains(option.as_str())), "{command}: of {options:?} the page shows {shown:?}");
    }
}

#[test]
fn the_page_knows_all_settings_and_their_values() {
    for (head, line) in [("stream settings", "stream S"), ("consumer settings", "consumer S/C")] {
        let settings = known(&format!("{line} {NONSENSE}=1"));
        assert_eq!(owned(first_codes(head)), settings);
        assert_eq!(first_codes(head).len(), settings.len(), "each setting stands in one row");
        for setting in settings {
            let row = table(head).into_iter().find(|row| codes(row[0]).contains(&setting.as_str())).expect("a row");
            let found = diagnostics(&format!("title: t\n\n{line} {setting}={NONSENSE}\n----\n"));
            let shape = match found.first().map_or("", |diagnostic| &diagnostic.label) {
                "expected a whole number" => "number",
                "expected a duration" => "duration",
                "expected yes or no" => "yes or no",
                "expected an instant" => "date",
                "" if row[1].contains("list") => "list",
                "" => "text",
                label => {
                    let values = label.strip_prefix("expected one of ").unwrap_or_else(|| panic!("{setting}: {label}"));
                    assert_eq!(codes(row[1]), values.split(", ").collect::<Vec<_>>(), "{setting}");
                    continue;
                }
            };
            assert!(row[1].contains(shape), "{setting} is a {shape}, and the page says {}", row[1]);
        }
    }
}

#[test]
fn the_page_knows_all_that_faults_can_be() {
    let effects = known(&format!("fault f {NONSENSE}"));
    let written = first_codes("effect");
    let first_word = |form: &&str| form.split(' ').next().map(str::to_owned);
    assert_eq!(written.iter().filter_map(first_word).collect::<BTreeSet<_>>(), effects);
    for direction in known(&format!("fault f partition {NONSENSE}")) {
        assert!(written.contains(&format!("partition {direction}").as_str()), "{direction}");
    }
    let keys: Vec<&str> = ["match", "when"].iter().flat_map(|head| first_codes(head)).collect();
    let keys: BTreeSet<String> = keys.iter().map(|key| key.split('=').next().expect("a key").to_owned()).collect();
    for effect in effects {
        let needs = match effect.as_str() {
            "delay" | "slow" => " by=1s",
            "error" => " \"text\"",
            "partition" => " both",
            _ => "",
        };
        let options = known(&format!("fault f {effect}{needs} {NONSENSE}=1"));
        let of_effect: BTreeSet<&str> =
            written.iter().filter(|form| first_word(form).as_ref() == Some(&effect)).flat_map(|form| words(form)).collect();
        let missing: Vec<_> = options.iter().filter(|option| !keys.contains(*option) && !of_effect.contains(option.as_str())).collect();
        assert!(missing.is_empty(), "{effect}: {missing:?} are not on the page");
        assert!(keys.is_subset(&options), "{effect}: of {keys:?} the parser knows {options:?}");
    }
    for lost in known(&format!("kill lost={NONSENSE}")) {
        assert!(words_of_section("Restart and kill").contains(lost.as_str()), "{lost}");
    }
}

#[test]
fn the_page_knows_all_kinds_and_what_they_know() {
    assert_eq!(owned(first_codes("kinds")), owned(CrossingKind::ALL.map(CrossingKind::name)));
    for row in table("kinds") {
        for kind in codes(row[0]) {
            let said = if row[1] == "up" { Direction::Up } else { Direction::Down };
            assert_eq!(CrossingKind::from_name(kind).map(CrossingKind::direction), Some(said), "{kind}");
        }
        for key in ["stream", "consumer", "subject", "stream-seq", "delivery-count"] {
            // What follows the first sentence says what the kind is.
            let said = row[2].split(". ").next().is_some_and(|known| words(known).contains(key));
            let value = if key.contains('-') { "1" } else { "x" };
            for kind in codes(row[0]) {
                let text = format!("title: t\n\nfault f drop kind={kind} {key}={value}\n----\n");
                assert_eq!(said, parse(&text).is_ok(), "whether {kind} has a {key}: {:?}", diagnostics(&text));
            }
        }
    }
}

#[test]
fn the_page_knows_all_that_workers_can_do() {
    let words = words_of_section("Workers");
    let mut all = known(&format!("worker w S/C\n  on {NONSENSE}=1 ack"));
    let actions = known(&format!("worker w S/C\n  otherwise {NONSENSE}"));
    all.extend(
        actions
            .iter()
            .filter(|action| *action != "ignore")
            .flat_map(|action| known(&format!("worker w S/C\n  otherwise {action} {NONSENSE}=1"))),
    );
    all.extend(actions);
    all.extend(known(&format!("worker w S/C {NONSENSE}=1")));
    let Err(RegistryError::Unknown { known: handlers, .. }) = Registry::new().handler(NONSENSE, &[]) else {
        panic!("no handler has this name")
    };
    all.extend(handlers.split(", ").map(str::to_owned));
    let missing: Vec<_> = all.iter().filter(|word| !words.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} are not in the section on workers");
}

#[test]
fn the_page_knows_all_checks_and_verdicts() {
    assert_eq!(owned(first_codes("check")), owned(CheckName::ALL.iter().map(|check| check.as_str())));
    let words = words_of_section("Blocks and transcripts");
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Skip, Verdict::Unconfirmed] {
        assert!(words.contains(verdict.as_str()), "{verdict}");
    }
}

#[test]
fn every_kind_of_line_has_an_example_that_some_example_printed() {
    let visible = Kind::ALL.iter().filter(|kind| kind.is_client_visible());
    assert_eq!(owned(first_codes("kind")), owned(visible.map(|kind| kind.name())));
    let runs = runs();
    let printed: BTreeSet<(&str, String)> = runs
        .iter()
        .flat_map(|(_, _, outcome)| outcome.trace.records())
        .filter_map(|record| line(record).map(|line| (record.kind.name(), line)))
        .collect();
    for row in table("kind") {
        let (kinds, lines) = (codes(row[0]), codes(row[1]));
        let mut shown = BTreeSet::new();
        for line in lines {
            let kind = kinds.iter().find(|kind| printed.contains(&(**kind, line.to_owned())));
            shown.insert(*kind.unwrap_or_else(|| panic!("no example prints {line} as {kinds:?}")));
        }
        assert_eq!(shown, kinds.iter().copied().collect(), "each kind has an example");
    }
}
