//! Series and their values at one moment, and what changed between two.

use std::collections::BTreeMap;
use std::fmt;

use jetlag_model::Text;
use jetlag_trace::Labels;

/// One series: a metric with values for its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The metric's name, as Prometheus shows it: of a counter with `_total`.
    pub name: Text,
    /// Its labels.
    pub labels: Labels,
}

impl Series {
    /// The series of this name with these labels.
    pub fn new(name: impl Into<Text>, labels: Labels) -> Series {
        Series { name: name.into(), labels }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.labels)
    }
}

/// All series that there are at one moment, with their values.
///
/// Values are floats, as in Prometheus; whole numbers are exact up to 2^53.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot(BTreeMap<Series, f64>);

impl Snapshot {
    /// No series.
    pub const fn new() -> Snapshot {
        Snapshot(BTreeMap::new())
    }

    /// The value of a series; `None` when there is no such series.
    pub fn value(&self, series: &Series) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// All series with their values, by name and labels.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Series, f64)> {
        self.0.iter().map(|(series, value)| (series, *value))
    }

    /// The series of one metric, by labels.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Series, f64)> {
        let first = Series::new(name, Labels::new());
        self.0.range(first..).take_while(move |(series, _)| *series.name == *name).map(|(series, value)| (series, *value))
    }

    /// The sum over the series of one metric that have these labels, whatever others they have.
    pub fn sum(&self, name: &str, labels: &Labels) -> f64 {
        self.of(name).filter(|(series, _)| series.labels.include(labels)).fold(0.0, |sum, (_, value)| sum + value)
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is not as it was, by name and labels. A series that was not there was 0, and so is one that is gone.
    pub fn changes_since(&self, before: &Snapshot) -> Vec<Changed> {
        let gone = before.0.keys().filter(|series| !self.0.contains_key(series));
        let mut changed: Vec<_> = self
            .0
            .keys()
            .chain(gone)
            .map(|series| Changed {
                series: series.clone(),
                before: before.value(series).unwrap_or(0.0),
                after: self.value(series).unwrap_or(0.0),
            })
            .filter(|changed| changed.before != changed.after)
            .collect();
        changed.sort_by(|left, right| left.series.cmp(&right.series));
        changed
    }

    pub(crate) fn entry(&mut self, series: Series) -> &mut f64 {
        self.0.entry(series).or_insert(0.0)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Series) -> bool) {
        self.0.retain(|series, _| keep(series));
    }
}

/// A series whose value changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Which.
    pub series: Series,
    /// What it was; 0 when there was none.
    pub before: f64,
    /// What it is; 0 when there is none any more.
    pub after: f64,
}

impl Changed {
    /// By how much.
    pub fn by(&self) -> f64 {
        self.after - self.before
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:+}", self.series, self.by())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(values: &[(&str, &str, f64)]) -> Snapshot {
        let mut snapshot = Snapshot::new();
        for (name, label, value) in values {
            *snapshot.entry(Series::new(*name, Labels::new().with("l", *label))) = *value;
        }
        snapshot
    }

    #[test]
    fn what_changed_is_told_once_and_in_order() {
        let before = snapshot(&[("b", "x", 1.0), ("b", "gone", 2.0), ("c", "same", 3.0)]);
        let after = snapshot(&[("a", "new", 4.0), ("a", "still nothing", 0.0), ("b", "x", 1.5), ("c", "same", 3.0)]);
        let told: Vec<_> = after.changes_since(&before).iter().map(ToString::to_string).collect();
        assert_eq!(told, [r#"a{l="new"} +4"#, r#"b{l="gone"} -2"#, r#"b{l="x"} +0.5"#]);
        assert_eq!(after.changes_since(&after), []);
    }

    #[test]
    fn a_sum_is_over_one_metric_and_the_labels_asked_for() {
        let all = snapshot(&[("a", "x", 1.0), ("a", "y", 2.0), ("a_b", "x", 4.0), ("b", "x", 8.0)]);
        assert_eq!(all.sum("a", &Labels::new()), 3.0);
        assert_eq!(all.sum("a", &Labels::new().with("l", "y")), 2.0);
        assert_eq!(all.sum("a", &Labels::new().with("other", "y")), 0.0);
        assert_eq!(all.of("a_b").count(), 1);
    }
}
