//! Two traces of one scenario, and what is different in words. Message by message and consumer by consumer where the server tells it; line by
//! line for what else clients and script saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jetlag_metrics::Metrics;
use jetlag_model::Time;
use jetlag_trace::{Key, Kind, Record, line};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{Change, Topic, Traced};

/// All that is different, topic by topic.
pub(super) fn changes(old: &Traced, new: &Traced) -> Vec<Change> {
    let mut told = Told(Vec::new());
    told.script(old, new);
    let (old, new) = (old.trace.records(), new.trace.records());
    told.messages(&Message::all(old), &Message::all(new));
    told.metrics(old, new);
    told.faults(old, new);
    told.lines(Topic::Checks, &checks(old), &checks(new));
    told.lines(Topic::Seen, &seen(old), &seen(new));
    let end = |records: &[Record]| records.last().map_or(Time::START, |record| record.at);
    if end(old) != end(new) {
        told.add(Topic::Timing, format!("the run ends at {}, was {}", end(new), end(old)));
    }
    if told.0.is_empty() {
        told.inside(old, new);
    }
    told.0.sort_by_key(|change| change.topic);
    told.0
}

/// A message at a consumer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct About {
    stream: String,
    consumer: String,
    seq: u64,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.stream, self.consumer, self.seq)
    }
}

/// What became of a message at a consumer.
#[derive(Default)]
struct Message {
    /// When it was handed out, attempt by attempt.
    delivered: Vec<Time>,
    /// What took effect on it, in order.
    settled: Vec<Settled>,
    /// When it used up its deliveries.
    exhausted: Option<Time>,
}

/// An acknowledgement of some kind that took effect.
#[derive(Clone)]
struct Settled {
    what: &'static str,
    attempt: usize,
    at: Time,
}

impl Message {
    fn all(records: &[Record]) -> BTreeMap<About, Message> {
        let mut messages: BTreeMap<About, Message> = BTreeMap::new();
        for record in records {
            let fields = &record.fields;
            let (Some(stream), Some(consumer), Some(seq)) =
                (fields.text(Key::Stream), fields.text(Key::Consumer), fields.uint(Key::StreamSeq))
            else {
                continue;
            };
            let what = match record.kind {
                Kind::Delivered | Kind::Exhausted => "",
                Kind::Acked => "ack",
                Kind::Naked => "nak",
                Kind::InProgress => "in-progress",
                Kind::Terminated => "term",
                _ => continue,
            };
            let message = messages.entry(About { stream: stream.to_string(), consumer: consumer.to_string(), seq }).or_default();
            match record.kind {
                Kind::Delivered => message.delivered.push(record.at),
                Kind::Exhausted => message.exhausted = message.exhausted.or(Some(record.at)),
                _ => message.settled.push(Settled { what, attempt: message.delivered.len(), at: record.at }),
            }
        }
        messages
    }
}

/// What was told so far.
struct Told(Vec<Change>);

impl Told {
    fn add(&mut self, topic: Topic, text: String) {
        self.0.push(Change { topic, text });
    }

    fn script(&mut self, old: &Traced, new: &Traced) {
        if old.title != new.title {
            self.add(Topic::Script, format!("the title is {:?}, was {:?}", new.title, old.title));
        }
        if old.seed != new.seed {
            self.add(Topic::Script, format!("the seed is {}, was {}", new.seed, old.seed));
        }
        let commands = |traced: &Traced| -> Vec<String> {
            let commands = traced.trace.records().iter().filter(|record| record.kind == Kind::Command);
            commands.filter_map(|record| record.fields.text(Key::Text).map(|text| text.to_string())).collect()
        };
        self.lines(Topic::Script, &commands(old), &commands(new));
    }

    fn messages(&mut self, old: &BTreeMap<About, Message>, new: &BTreeMap<About, Message>) {
        let none = Message::default();
        let abouts: BTreeSet<&About> = old.keys().chain(new.keys()).collect();
        for about in abouts {
            let (old, new) = (old.get(about).unwrap_or(&none), new.get(about).unwrap_or(&none));
            self.deliveries(about, old, new);
            self.settled(about, &old.settled, &new.settled);
        }
    }

    fn deliveries(&mut self, about: &About, old: &Message, new: &Message) {
        if old.delivered.len() != new.delivered.len() {
            let times = |count: usize| if count == 1 { "once".to_owned() } else { format!("{count} times") };
            self.add(Topic::Deliveries, format!("{about} is delivered {}, was {}", times(new.delivered.len()), times(old.delivered.len())));
        }
        for (attempt, (old, new)) in (1..).zip(old.delivered.iter().zip(&new.delivered)).filter(|(_, (old, new))| old != new) {
            self.add(Topic::Timing, format!("attempt {attempt} of {about} comes at {new}, was {old}"));
        }
        match (old.exhausted, new.exhausted) {
            (None, Some(at)) => self.add(Topic::Deliveries, format!("{about} is used up at {at}, was not")),
            (Some(at), None) => self.add(Topic::Deliveries, format!("{about} is not used up any more, was at {at}")),
            (Some(old), Some(new)) if old != new => self.add(Topic::Timing, format!("{about} is used up at {new}, was {old}")),
            _ => {}
        }
    }

    fn settled(&mut self, about: &About, old: &[Settled], new: &[Settled]) {
        let key = |settled: &Settled| (settled.what, settled.attempt);
        let (old_keys, new_keys): (Vec<_>, Vec<_>) = (old.iter().map(key).collect(), new.iter().map(key).collect());
        let place = |settled: &Settled| format!("at {}, after attempt {}", settled.at, settled.attempt);
        for op in capture_diff_slices(Algorithm::Myers, &old_keys, &new_keys) {
            let (old, new) = (&old[op.old_range()], &new[op.new_range()]);
            if matches!(op, DiffOp::Equal { .. }) {
                for (old, new) in old.iter().zip(new).filter(|(old, new)| old.at != new.at) {
                    self.add(
                        Topic::Acks,
                        format!("the {} of {about} after attempt {} comes at {}, was {}", new.what, new.attempt, new.at, old.at),
                    );
                }
                continue;
            }
            let both = old.len().min(new.len());
            for (old, new) in old.iter().zip(new) {
                let text = match old.what == new.what {
                    true => format!("the {} of {about} moved: {}, was {}", new.what, place(new), place(old)),
                    false => format!("{about} has its {} {}, where its {} was {}", new.what, place(new), old.what, place(old)),
                };
                self.add(Topic::Acks, text);
            }
            for old in &old[both..] {
                self.add(Topic::Acks, format!("the {} of {about} is gone, was {}", old.what, place(old)));
            }
            for new in &new[both..] {
                self.add(Topic::Acks, format!("{about} has another {} {}", new.what, place(new)));
            }
        }
    }

    fn metrics(&mut self, old: &[Record], new: &[Record]) {
        let snapshot = |records: &[Record]| {
            let mut metrics = Metrics::new();
            metrics.add_all(records);
            metrics.snapshot()
        };
        for changed in snapshot(new).changes_since(&snapshot(old)) {
            self.add(Topic::Metrics, format!("{} is {}, was {}", changed.series, changed.after, changed.before));
        }
    }

    fn faults(&mut self, old: &[Record], new: &[Record]) {
        let hits = |records: &[Record]| -> BTreeMap<String, u64> {
            let counts = records.iter().filter(|record| record.kind == Kind::RuleCount);
            counts.filter_map(|record| Some((record.rule.as_ref()?.to_string(), record.fields.uint(Key::Hits)?))).collect()
        };
        let (old, new) = (hits(old), hits(new));
        let rules: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for rule in rules {
            match (old.get(rule), new.get(rule)) {
                (Some(old), Some(new)) if old != new => self.add(Topic::Faults, format!("{rule} acts {new} times, was {old}")),
                (Some(old), None) => self.add(Topic::Faults, format!("{rule} is gone, acted {old} times")),
                (None, Some(new)) => self.add(Topic::Faults, format!("{rule} is new, acts {new} times")),
                _ => {}
            }
        }
    }

    /// Lines that only one of the two has, in their order.
    fn lines(&mut self, topic: Topic, old: &[String], new: &[String]) {
        for op in capture_diff_slices(Algorithm::Myers, old, new) {
            if matches!(op, DiffOp::Equal { .. }) {
                continue;
            }
            old[op.old_range()].iter().for_each(|line| self.add(topic, format!("no longer: {line}")));
            new[op.new_range()].iter().for_each(|line| self.add(topic, format!("new: {line}")));
        }
    }

    /// What happened inside alone: how many records of which kinds there are more or fewer.
    fn inside(&mut self, old: &[Record], new: &[Record]) {
        let count = |records: &[Record]| {
            let mut counts: BTreeMap<Kind, i64> = BTreeMap::new();
            records.iter().for_each(|record| *counts.entry(record.kind).or_default() += 1);
            counts
        };
        let (old, new) = (count(old), count(new));
        let kinds: BTreeSet<&Kind> = old.keys().chain(new.keys()).collect();
        for kind in kinds {
            let (old, new) = (old.get(kind).unwrap_or(&0), new.get(kind).unwrap_or(&0));
            if old != new {
                self.add(Topic::Inside, format!("{kind} is recorded {new} times, was {old}"));
            }
        }
        if self.0.is_empty() {
            self.add(Topic::Inside, "as many records of each kind, in another order or with other particulars".to_owned());
        }
    }
}

/// What checks said, in order.
fn checks(records: &[Record]) -> Vec<String> {
    let checks = records.iter().filter(|record| record.kind == Kind::Check);
    let text = |record: &Record, key| record.fields.text(key).map_or_else(String::new, |text| text.to_string());
    checks.map(|record| format!("{}: {}", text(record, Key::Name), text(record, Key::Verdict))).collect()
}

/// What clients and script saw, but for deliveries, acknowledgements and checks, which are told otherwise.
fn seen(records: &[Record]) -> Vec<String> {
    let told_otherwise = |record: &Record| {
        let is_check = record.kind == Kind::ApiReply && record.fields.text(Key::Text).is_some_and(|text| text.starts_with("check "));
        is_check || matches!(record.kind, Kind::Got | Kind::Sent | Kind::Ok)
    };
    records.iter().filter(|record| !told_otherwise(record)).filter_map(line).collect()
}
