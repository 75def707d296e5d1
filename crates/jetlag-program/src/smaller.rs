//! Makes a program smaller: without a block, a command, an option or a line of a body; with fewer, and with shorter.

use jetlag_model::Duration;
use jetlag_scenario::Scenario;

use crate::sketch::{Place, Sketch};

/// Scenarios that say a little less than this one, those that say least first. They have no transcripts, and may not be playable.
pub fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let sketch = Sketch::of(scenario);
    let candidates = without_blocks(&sketch).into_iter().chain(without_commands(&sketch)).chain(with_less(&sketch));
    candidates.filter_map(|candidate| candidate.parse(&scenario.header).ok()).collect()
}

fn without_blocks(sketch: &Sketch) -> Vec<Sketch> {
    let without = |range: std::ops::Range<usize>| {
        let mut smaller = sketch.clone();
        smaller.blocks.drain(range);
        smaller
    };
    let all = sketch.blocks.len();
    let halves = if all > 3 { vec![without(all / 2..all), without(1..all / 2)] } else { Vec::new() };
    // Later ones first: what the earlier ones set up is needed more.
    halves.into_iter().chain((0..all).rev().map(|block| without(block..block + 1))).collect()
}

fn places(sketch: &Sketch) -> Vec<Place> {
    let steps = |(block, steps): (usize, &Vec<String>)| (0..steps.len()).map(move |step| Place { block, step }).collect::<Vec<_>>();
    sketch.blocks.iter().enumerate().flat_map(steps).collect()
}

fn without_commands(sketch: &Sketch) -> Vec<Sketch> {
    let without = |place: &Place| {
        let mut smaller = sketch.clone();
        smaller.remove(*place);
        smaller
    };
    places(sketch).iter().rev().map(without).collect()
}

/// Each command with one word less, or with a word that says less.
fn with_less(sketch: &Sketch) -> Vec<Sketch> {
    let mut candidates = Vec::new();
    for place in places(sketch) {
        for command in less(&sketch.blocks[place.block][place.step]) {
            let mut smaller = sketch.clone();
            smaller.blocks[place.block][place.step] = command;
            candidates.push(smaller);
        }
    }
    candidates
}

fn less(command: &str) -> Vec<String> {
    let lines: Vec<&str> = command.lines().collect();
    let with = |index: usize, line: Option<String>| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        match line {
            Some(line) => lines[index] = line,
            None => drop(lines.remove(index)),
        }
        lines.join("\n")
    };
    let mut less = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            less.push(with(index, None));
        }
        let words = words(line);
        let before = words.iter().take_while(|word| !word.contains('=')).count();
        for (at, word) in words.iter().enumerate().skip(1) {
            let replaced = |new: Option<String>| {
                let kept = words.iter().enumerate().filter_map(|(other, word)| match (other == at, &new) {
                    (false, _) => Some((*word).to_owned()),
                    (true, new) => new.clone(),
                });
                let indent = &line[..line.len() - line.trim_start().len()];
                format!("{indent}{}", kept.collect::<Vec<_>>().join(" "))
            };
            if at >= before || matches!(*word, "sync" | "no-wait" | "no-reply" | "always") {
                less.push(with(index, Some(replaced(None))));
            }
            less.extend(lesser_words(word).into_iter().map(|word| with(index, Some(replaced(Some(word))))));
        }
    }
    less
}

/// The words of a line, strings whole.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quoted) = (None, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => {
                quoted = !quoted;
                start = start.or(Some(at));
            }
            b' ' if !quoted => words.extend(start.take().map(|start| &line[start..at])),
            _ => start = start.or(Some(at)),
        }
    }
    words.extend(start.map(|start| &line[start..]));
    words
}

/// A word that says less: a shorter list, a shorter time, a lower number.
fn lesser_words(word: &str) -> Vec<String> {
    let (key, value) = word.split_once('=').map_or(("", word), |(key, value)| (key, value));
    let key = if key.is_empty() { String::new() } else { format!("{key}=") };
    if value.contains(',') && !word.ends_with(',') {
        let items: Vec<&str> = value.split(',').collect();
        let without =
            |at: usize| items.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, item)| *item).collect::<Vec<_>>().join(",");
        return (0..items.len()).map(|at| format!("{key}{}", without(at))).collect();
    }
    let (prefix, value) = value.strip_prefix("start+").map_or(("", value), |value| ("start+", value));
    if let Ok(length) = value.parse::<Duration>() {
        // Halves of the shortest wait are what programs are made of.
        let half = crate::UNIT.as_nanos() / 2;
        let shorter = length.as_nanos() / 2 / half * half;
        let shorter = (shorter > 0).then(|| format!("{key}{prefix}{}", Duration::from_nanos(shorter)));
        return shorter.into_iter().collect();
    }
    match value.parse::<u64>() {
        Ok(number) if number > 1 && !key.is_empty() => vec![format!("{key}{}", number / 2), format!("{key}{}", number - 1)],
        _ => Vec::new(),
    }
}
