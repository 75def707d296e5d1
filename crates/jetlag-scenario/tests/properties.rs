//! What holds for every scenario, and for every text.

mod generate;

use generate::{full_line, scenario, value};
use jetlag_model::Duration;
use jetlag_scenario::{Bless, Command, bless, format, parse, parse_bytes, set_unconfirmed};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A file in which most of the language occurs.
const SAMPLE: &str = include_str!("sample.scn");

/// Asserts what holds for every text: it is read, or it is wrong at places that exist; what is read has one canonical form.
fn assert_sound(text: &str) {
    match parse(text) {
        Ok(scenario) => {
            let printed = scenario.to_string();
            assert_eq!(parse(&printed), Ok(scenario), "\n{text}\nprinted as\n{printed}");
            assert_eq!(format(&printed), Ok(printed));
        }
        Err(found) => {
            assert!(!found.is_empty());
            for one in found {
                assert!(text.get(one.span.clone()).is_some(), "{one:?} is outside of\n{text}");
                let before = &text[..one.span.start];
                let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
                assert_eq!((one.line, one.column), (before.matches('\n').count() + 1, column));
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Delete(Index, usize),
    Insert(Index, &'static str),
    Swap(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let pieces = vec![
        "\"",
        "(",
        ")",
        "!",
        "#",
        "=",
        "<=",
        ",",
        " ",
        "\n",
        "\n\n",
        "----",
        "---- server<2.11.0: x",
        "\n  ",
        "\t",
        "\r",
        "\\",
        ":",
        "/",
        "..",
        "-",
        "0",
        "9",
        "s",
        "ü",
        "\u{feff}",
        "on ",
        "otherwise ack",
        "first=1 ",
        "start+",
    ];
    prop_oneof![
        (any::<Index>(), 1..12_usize).prop_map(|(at, length)| Edit::Delete(at, length)),
        (any::<Index>(), select(pieces)).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        let place = |at: &Index| at.index(chars.len() + 1);
        match edit {
            Edit::Delete(at, length) => {
                let at = place(at);
                chars.drain(at..(at + length).min(chars.len()));
            }
            Edit::Insert(at, piece) => {
                let at = place(at);
                chars.splice(at..at, piece.chars());
            }
            Edit::Swap(a, b) if !chars.is_empty() => {
                let (a, b) = (a.index(chars.len()), b.index(chars.len()));
                chars.swap(a, b);
            }
            Edit::Swap(..) => {}
        }
    }
    chars.into_iter().collect()
}

#[test]
fn the_sample_is_canonical_and_complete() {
    let scenario = parse(SAMPLE).unwrap_or_else(|found| panic!("{found:#?}"));
    assert_eq!(scenario.to_string(), SAMPLE);
    let words: std::collections::BTreeSet<_> = scenario.blocks.iter().flat_map(|b| &b.steps).map(|step| step.command.word()).collect();
    assert_eq!(words.len(), 36, "{words:?}");
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(scenario in scenario()) {
        let text = scenario.to_string();
        let read = parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&scenario), "\n{}", text);
        prop_assert_eq!(format(&text), Ok(text));
    }

    #[test]
    fn any_text_is_judged(text in any::<String>(), lines in "([a-z!(): \"#=-]{0,12}\n){0,8}") {
        assert_sound(&text);
        assert_sound(&lines);
        assert_sound(&format!("title: t\n\n{lines}"));
        assert_sound(&format!("title: t\n\nfetch {text}\nworker w S/C\n  on {text}\n----\n"));
    }

    #[test]
    fn any_bytes_are_judged(bytes in vec(any::<u8>(), 0..64)) {
        if let Err(found) = parse_bytes(&bytes) {
            prop_assert!(found.iter().all(|one| one.span.end <= bytes.len() && one.line > 0 && one.column > 0));
        }
    }

    #[test]
    fn an_edited_file_is_judged(edits in vec(edit(), 1..6)) {
        assert_sound(&edited(SAMPLE, &edits));
    }

    #[test]
    fn blessing_with_the_same_lines_changes_nothing(scenario in scenario()) {
        let text = scenario.to_string();
        let scenario = parse(&text).expect("canonical");
        let mut same = Vec::new();
        for (block, found) in scenario.blocks.iter().enumerate() {
            for (transcript, found) in found.transcripts.iter().enumerate() {
                same.push(Bless { block, transcript, lines: found.lines.clone() });
            }
        }
        prop_assert_eq!(bless(&text, &scenario, &same), text);
    }

    #[test]
    fn blessing_changes_the_lines_alone(
        scenario in scenario(),
        new in vec(vec(full_line(), 0..3), 8),
        comment in any::<bool>(),
        open_end in any::<bool>(),
    ) {
        let mut text = scenario.to_string();
        if comment {
            // Not canonical, so that blessing is seen to keep what printing does not.
            text = text.replacen("----\n", "----  \n", 1) + "\n\n#  behind\n";
        }
        if open_end {
            text.pop();
        }
        let old = parse(&text).expect("a scenario");
        let places = old.blocks.iter().enumerate().flat_map(|(b, block)| (0..block.transcripts.len()).map(move |t| (b, t)));
        let new: Vec<_> = places.zip(&new).map(|((block, transcript), lines)| Bless { block, transcript, lines: lines.clone() }).collect();
        let blessed = bless(&text, &old, &new);
        let read = parse(&blessed).expect("still a scenario");
        let mut expected = old.clone();
        for edit in &new {
            expected.blocks[edit.block].transcripts[edit.transcript].lines.clone_from(&edit.lines);
        }
        prop_assert_eq!(&read, &expected);
        // Outside of transcripts, and of the line end that a file without one lacks, all bytes stay.
        prop_assert_eq!(without_transcripts(&blessed, &read), without_transcripts(&text, &old));
        prop_assert_eq!(bless(&blessed, &read, &new), blessed);
    }

    #[test]
    fn unconfirmed_is_the_only_line_that_changes(scenario in scenario(), first in value(), second in value()) {
        let mut scenario = scenario;
        let given = scenario.header.unconfirmed.take();
        let plain = scenario.to_string();
        prop_assert_eq!(set_unconfirmed(&plain, None), plain.clone());
        let with = set_unconfirmed(&plain, Some(&first));
        scenario.header.unconfirmed = Some(first.clone());
        prop_assert_eq!(&with, &scenario.to_string());
        prop_assert_eq!(set_unconfirmed(&with, Some(&first)), with.clone());
        scenario.header.unconfirmed = Some(second.clone());
        prop_assert_eq!(set_unconfirmed(&with, Some(&second)), scenario.to_string());
        prop_assert_eq!(set_unconfirmed(&with, None), plain);
        scenario.header.unconfirmed = given;
        prop_assert_eq!(set_unconfirmed(&scenario.to_string(), None), set_unconfirmed(&with, None));
    }

    #[test]
    fn scaling_multiplies_durations_alone(scenario in scenario(), numerator in 0..100_u64, denominator in 1..100_u64) {
        let scaled = scenario.scaled(numerator, denominator);
        let expected: Vec<_> = scenario.durations().map(|duration| {
            let exact = f64::from(u32::try_from(numerator).expect("small")) / f64::from(u32::try_from(denominator).expect("small"));
            (duration, exact)
        }).collect();
        prop_assert_eq!(scaled.durations().count(), expected.len());
        for (scaled, (duration, ratio)) in scaled.durations().zip(expected) {
            let (scaled, wanted) = (scaled.as_nanos() as f64, duration.as_nanos() as f64 * ratio);
            let wanted = wanted.clamp(-(i64::MAX as f64), i64::MAX as f64);
            prop_assert!((scaled - wanted).abs() <= wanted.abs() * 1e-9 + 1.0, "{} * {} is {}", duration, ratio, scaled);
        }
        prop_assert_eq!(&scenario.scaled(7, 7), &scenario);
        let transcripts = |scenario: &jetlag_scenario::Scenario| scenario.blocks.iter().map(|b| b.transcripts.clone()).collect::<Vec<_>>();
        prop_assert_eq!(transcripts(&scaled), transcripts(&scenario));
    }
}

fn without_transcripts(text: &str, scenario: &jetlag_scenario::Scenario) -> String {
    let (mut rest, mut copied) = (String::new(), 0);
    for span in scenario.blocks.iter().flat_map(|block| &block.transcripts).map(|transcript| transcript.span) {
        rest.push_str(&text[copied..span.start]);
        copied = span.end;
    }
    rest.push_str(&text[copied..]);
    rest.trim_end_matches('\n').to_owned()
}

#[test]
fn blessing_keeps_the_end_of_the_file_as_it_is() {
    let new = |lines: &[&str]| vec![Bless { block: 0, transcript: 0, lines: lines.iter().map(ToString::to_string).collect() }];
    for (text, lines, expected) in [
        ("title: t\n\nsettle\n----", &["a", "b"][..], "title: t\n\nsettle\n----\na\nb"),
        ("title: t\n\nsettle\n----\n", &["a"], "title: t\n\nsettle\n----\na\n"),
        ("title: t\n\nsettle\n----\nold", &["a"], "title: t\n\nsettle\n----\na"),
        ("title: t\n\nsettle\n----\nold\n", &["a"], "title: t\n\nsettle\n----\na\n"),
        ("title: t\n\nsettle\n----\nold\n\n", &["a"], "title: t\n\nsettle\n----\na\n\n"),
        ("title: t\n\nsettle\n----\nold\n\n\nsettle\n----\n", &[], "title: t\n\nsettle\n----\n\n\nsettle\n----\n"),
        ("title: t\n\nsettle\n----\n\n\nsettle\n----\n", &["a"], "title: t\n\nsettle\n----\na\n\n\nsettle\n----\n"),
        ("title: t\n\nsettle\n----", &[], "title: t\n\nsettle\n----"),
        ("title: t\n\n settle", &[], ""),
    ] {
        match parse(text) {
            Ok(scenario) => assert_eq!(bless(text, &scenario, &new(lines)), expected),
            Err(_) => assert_eq!(expected, ""),
        }
    }
}

#[test]
#[should_panic(expected = "can not stand in a transcript")]
fn blessing_refuses_what_would_be_read_as_something_else() {
    let text = "title: t\n\nsettle\n----\n";
    let scenario = parse(text).expect(text);
    bless(text, &scenario, &[Bless { block: 0, transcript: 0, lines: vec!["a".into(), " ".into()] }]);
}

#[test]
fn unconfirmed_in_files_as_people_write_them() {
    for (text, value, expected) in [
        ("title: t", Some("x"), "title: t\nunconfirmed: x"),
        (
            "title: t\nunconfirmed:   old  \nseed: 2\n\nsettle\n----\n",
            Some("new"),
            "title: t\nunconfirmed:   new  \nseed: 2\n\nsettle\n----\n",
        ),
        ("title: t\nunconfirmed: old\nseed: 2\n", None, "title: t\nseed: 2\n"),
        ("# c\n\n# d\ntitle: t\n\n\nsettle\n----\n", Some("x"), "# c\n\n# d\ntitle: t\nunconfirmed: x\n\n\nsettle\n----\n"),
        ("title: t\n\nsettle\n----\nunconfirmed: not this\n", None, "title: t\n\nsettle\n----\nunconfirmed: not this\n"),
        ("title: t\n# unconfirmed: not this\n", None, "title: t\n# unconfirmed: not this\n"),
    ] {
        assert_eq!(set_unconfirmed(text, value), expected);
    }
}

#[test]
fn scaling_rounds_to_whole_nanoseconds() {
    let scaled = |text: &str, numerator, denominator| {
        let text = format!("title: t\n\nconsumer S/C ack-wait={text}\n----\n");
        parse(&text).expect(&text).scaled(numerator, denominator).durations().next().expect("one duration")
    };
    for (text, numerator, denominator, ns) in [
        ("30s", 1, 500, 60_000_000),
        ("5ns", 1, 2, 3),
        ("-5ns", 1, 2, -3),
        ("4ns", 1, 3, 1),
        ("1ns", 1, 1_000, 1),
        ("-1ns", 1, 1_000, -1),
        ("0s", 5, 1, 0),
        ("1h", u64::MAX, 1, i64::MAX),
        ("-1h", u64::MAX, 1, -i64::MAX),
    ] {
        assert_eq!(scaled(text, numerator, denominator), Duration::from_nanos(ns), "{text} * {numerator}/{denominator}");
    }
}

#[test]
fn scaling_reaches_every_duration_of_the_sample() {
    let scenario = parse(SAMPLE).expect("the sample");
    let doubled = scenario.scaled(2, 1);
    let steps = |scenario: &jetlag_scenario::Scenario| scenario.blocks.iter().flat_map(|b| b.steps.clone()).collect::<Vec<_>>();
    // In canonical text, what changes is exactly what reads as a duration.
    for (before, after) in steps(&scenario).iter().zip(steps(&doubled)) {
        let has_duration =
            before.to_string().split([' ', '=', ',', '+', ')']).any(|word| word.parse::<Duration>().is_ok_and(|d| !d.is_zero()))
                || matches!(before.command, Command::Worker(_));
        assert_eq!(before.command != after.command, has_duration, "{before}");
    }
}
