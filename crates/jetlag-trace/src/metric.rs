//! What a program under test says of its own metrics, as a record: it counts something, or sets a gauge. What the numbers add up to is
//! not kept here.

use std::collections::BTreeMap;
use std::fmt;

use jetlag_model::{Text, Time};

use crate::{Key, Kind, Place, Record};

/// The labels of a metric's series, in the order of their names; each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(BTreeMap<Text, Text>);

impl Labels {
    /// No labels.
    pub const fn new() -> Labels {
        Labels(BTreeMap::new())
    }

    /// The same labels and one more; a label of that name is replaced.
    #[must_use]
    pub fn with(mut self, name: impl Into<Text>, value: impl Into<Text>) -> Labels {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of a label.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of `wanted` are among these, with these values.
    pub fn include(&self, wanted: &Labels) -> bool {
        wanted.iter().all(|(name, value)| self.value(name) == Some(value))
    }
}

impl<N: Into<Text>, V: Into<Text>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(labels: I) -> Labels {
        Labels(labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Display for Labels {
    /// As Prometheus writes them, with the braces: `{stream="ORDERS"}`; nothing when there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        for (n, (name, value)) in self.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(f, "{}{name}=\"{value}\"", if n == 0 { '{' } else { ',' })?;
        }
        f.write_str("}")
    }
}

/// What happens to one series of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricChange {
    /// The metric's name, as Prometheus shows it: of a counter with `_total`.
    pub name: Text,
    /// Which of its series.
    pub labels: Labels,
    /// What happens to it.
    pub change: Change,
}

/// What happens to a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// A counter grows by so much; by 0 it only comes to be.
    Add(u64),
    /// A gauge is now this.
    Set(f64),
}

impl MetricChange {
    /// A counter grows by one.
    pub fn count(name: impl Into<Text>, labels: Labels) -> MetricChange {
        MetricChange { name: name.into(), labels, change: Change::Add(1) }
    }

    /// A gauge is now `value`.
    pub fn gauge(name: impl Into<Text>, labels: Labels, value: f64) -> MetricChange {
        MetricChange { name: name.into(), labels, change: Change::Set(value) }
    }

    /// The record of it.
    pub fn record(&self, at: Time, place: Place) -> Record {
        let labels: serde_json::Map<_, _> = self.labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let record = Record::new(at, place, Kind::Metric)
            .with(Key::Name, &self.name)
            .with(Key::Labels, serde_json::Value::Object(labels).to_string());
        match self.change {
            Change::Add(by) => record.with(Key::Count, by),
            Change::Set(value) => record.with(Key::Gauge, value.to_string()),
        }
    }

    /// What a record says; `None` for records of other kinds.
    pub fn of(record: &Record) -> Option<MetricChange> {
        if record.kind != Kind::Metric {
            return None;
        }
        let fields = &record.fields;
        let change = match fields.uint(Key::Count) {
            Some(by) => Change::Add(by),
            None => Change::Set(fields.text(Key::Gauge)?.parse().ok()?),
        };
        let labels: BTreeMap<String, String> = serde_json::from_str(fields.text(Key::Labels)?).ok()?;
        Some(MetricChange { name: fields.text(Key::Name)?.clone(), labels: labels.into_iter().collect(), change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_it_was_made_of() {
        let odd = Labels::new().with("reason", "a \"quoted\" \\ reason\nin two lines").with("a", "");
        for change in [
            MetricChange::count("x_total", Labels::new()),
            MetricChange { name: "x_total".into(), labels: odd.clone(), change: Change::Add(0) },
            MetricChange::gauge("up", odd, 0.5),
            MetricChange::gauge("up", Labels::new(), -1e300),
        ] {
            let record = change.record(Time::START, Place::Script);
            assert_eq!(MetricChange::of(&record), Some(change));
        }
        assert_eq!(MetricChange::of(&Record::new(Time::START, Place::Script, Kind::Ok)), None);
    }

    #[test]
    fn labels_print_as_prometheus_prints_them() {
        let labels = Labels::new().with("b", "x\"\\\n").with("a", "1").with("b", "2\"");
        assert_eq!(labels.to_string(), r#"{a="1",b="2\""}"#);
        assert_eq!(Labels::new().to_string(), "");
        assert!(labels.include(&Labels::new().with("a", "1")) && labels.include(&Labels::new()));
        assert!(!labels.include(&Labels::new().with("a", "2")) && !labels.include(&Labels::new().with("c", "1")));
    }
}
