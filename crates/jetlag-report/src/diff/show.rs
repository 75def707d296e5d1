//! A diff for people: on a terminal, and as Markdown with the questions of a review.

use std::fmt::Write as _;

use super::{Changed, Diff, Topic};

/// How many changes of one topic are told of one scenario; JSON has all of them.
const SHOWN: usize = 12;

/// The questions of a review, and the topics that answer them.
const QUESTIONS: [(&str, &[Topic]); 4] = [
    ("Are acks and naks still sent where they were?", &[Topic::Acks]),
    ("Are messages still delivered as often, and given up at the same count?", &[Topic::Deliveries]),
    ("Do metrics still mean the same?", &[Topic::Metrics]),
    ("Does everything still come at the same time?", &[Topic::Timing]),
];

/// For a terminal.
pub fn human(diff: &Diff) -> String {
    let mut text = String::new();
    for changed in &diff.changed {
        push(&mut text, &format!("{}: {}", name(&changed.name), changed.title));
        for topic in Topic::ALL {
            for line in told(changed, topic) {
                push(&mut text, &format!("  {:<14} {line}", topic.as_str()));
            }
        }
        push(&mut text, &format!("  {}\n", first(changed).replace('\n', "\n  ")));
    }
    for (word, list) in [("added", &diff.added), ("gone", &diff.gone)] {
        for named in list {
            push(&mut text, &format!("{word}: {}: {}", name(&named.name), named.title));
        }
    }
    push(&mut text, &summary(diff));
    text
}

/// As Markdown.
pub fn markdown(diff: &Diff) -> String {
    let mut text = format!("# What changed\n\n{}.\n\n", summary(diff));
    if diff.is_empty() {
        return text;
    }
    push(&mut text, "| question | changes | scenarios |\n|---|--:|--:|");
    for (question, topics) in QUESTIONS {
        let of = |changed: &Changed| changed.changes.iter().filter(|change| topics.contains(&change.topic)).count();
        let changes: usize = diff.changed.iter().map(of).sum();
        let scenarios = diff.changed.iter().filter(|changed| of(changed) > 0).count();
        push(&mut text, &format!("| {question} | {changes} | {scenarios} |"));
    }
    for (word, list) in [("Added", &diff.added), ("Gone", &diff.gone)] {
        if !list.is_empty() {
            push(&mut text, &format!("\n## {word}\n"));
            list.iter().for_each(|named| push(&mut text, &format!("- `{}`: {}", name(&named.name), named.title)));
        }
    }
    for changed in &diff.changed {
        push(&mut text, &format!("\n## `{}`\n\n{}\n", name(&changed.name), changed.title));
        for topic in Topic::ALL {
            told(changed, topic).for_each(|line| push(&mut text, &format!("- **{}**: {line}", topic.as_str())));
        }
        push(&mut text, &format!("\n```diff\n{}\n```", first(changed)));
    }
    text
}

fn name(name: &str) -> &str {
    if name.is_empty() { "the trace" } else { name }
}

/// What changed of a topic, cut where there is too much of it.
fn told(changed: &Changed, topic: Topic) -> impl Iterator<Item = String> {
    let all: Vec<&String> = changed.changes.iter().filter(|change| change.topic == topic).map(|change| &change.text).collect();
    let more = (all.len() > SHOWN).then(|| format!("and {} more, which --format json tells", all.len() - SHOWN));
    all.into_iter().take(SHOWN).cloned().chain(more).collect::<Vec<_>>().into_iter()
}

fn first(changed: &Changed) -> String {
    let record = |record: &Option<String>| record.clone().unwrap_or_else(|| "(the run is over)".to_owned());
    format!("record {} is the first that differs\n- {}\n+ {}", changed.record, record(&changed.old), record(&changed.new))
}

fn summary(diff: &Diff) -> String {
    format!("{} changed, {} added, {} gone, {} the same", diff.changed.len(), diff.added.len(), diff.gone.len(), diff.same)
}

fn push(text: &mut String, line: &str) {
    // Writing to a string can not fail.
    let _ = writeln!(text, "{line}");
}
