//! All metrics of one run, fed one record at a time.

use jetlag_trace::{Change, Labels, MetricChange, Record};

use crate::counted::Counted;
use crate::{Contract, Series, Snapshot, text};

/// Counters and gauges, of the server and its links and of what programs under test say of themselves.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    counted: Counted,
    /// What programs said.
    said: Snapshot,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Metrics {
        Metrics::default()
    }

    /// Takes note of a record. Its number and cause do not matter, so that a record may be made for this alone: the
    /// [`ConsumerInfo`](jetlag_trace::Kind::ConsumerInfo) and [`StreamInfo`](jetlag_trace::Kind::StreamInfo) of a scrape set the gauges.
    pub fn add(&mut self, record: &Record) {
        let Some(MetricChange { name, labels, change }) = MetricChange::of(record) else { return self.counted.add(record) };
        let value = self.said.entry(Series { name, labels });
        match change {
            Change::Add(by) => *value += by as f64,
            Change::Set(to) => *value = to,
        }
    }

    /// Takes note of records, in order.
    pub fn add_all<'r>(&mut self, records: impl IntoIterator<Item = &'r Record>) {
        records.into_iter().for_each(|record| self.add(record));
    }

    /// Forgets what infos said, before the infos of a new scrape: what they do not mention is gone.
    pub fn forget_gauges(&mut self) {
        self.counted.forget_gauges();
    }

    /// All series with their values.
    pub fn snapshot(&self) -> Snapshot {
        let mut all = self.counted.snapshot();
        for (series, value) in self.said.iter() {
            // A program that counts under one of our names adds to it.
            *all.entry(series.clone()) += value;
        }
        all
    }

    /// Prometheus text of all series, in a fixed order; see [`CONTENT_TYPE`](crate::CONTENT_TYPE).
    pub fn text(&self) -> String {
        text(Contract::shipped(), &[(Labels::new(), self.snapshot())])
    }
}
