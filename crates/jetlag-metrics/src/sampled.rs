//! Series over virtual time: what a scraper would have seen that asks every so long.

use std::collections::BTreeMap;

use jetlag_model::{Duration, Time};
use jetlag_trace::Record;

use crate::{Metrics, Series};

/// The values of each series at the instants 0, `every`, twice `every` and so on up to `end`, counting all that happened until then, that
/// instant included. `None` while there is no such series: a counter is not there before it counts something.
///
/// # Panics
/// When `every` is no time.
pub fn sampled<'r>(records: impl IntoIterator<Item = &'r Record>, every: Duration, end: Time) -> BTreeMap<Series, Vec<Option<f64>>> {
    assert!(every > Duration::ZERO, "samples are taken every so long");
    let mut samples = Samples { every, end, next: Time::START, taken: 0, series: BTreeMap::new(), metrics: Metrics::new() };
    for record in records {
        samples.pass(|next| next < record.at);
        samples.metrics.add(record);
    }
    samples.pass(|_| true);
    for values in samples.series.values_mut() {
        values.resize(samples.taken, None);
    }
    samples.series
}

struct Samples {
    every: Duration,
    end: Time,
    /// When the next sample is due.
    next: Time,
    taken: usize,
    series: BTreeMap<Series, Vec<Option<f64>>>,
    metrics: Metrics,
}

impl Samples {
    /// Takes the samples that are due, as long as `is_due` says so.
    fn pass(&mut self, is_due: impl Fn(Time) -> bool) {
        while self.next <= self.end && is_due(self.next) {
            for (series, value) in self.metrics.snapshot().iter() {
                let values = self.series.entry(series.clone()).or_default();
                values.resize(self.taken, None);
                values.push(Some(value));
            }
            self.taken += 1;
            self.next += self.every;
        }
    }
}

#[cfg(test)]
mod tests {
    use jetlag_trace::{Key, Kind, Place};

    use super::*;

    #[test]
    fn samples_are_what_was_counted_until_then() {
        let at = |ms: i64| Time::START + Duration::from_millis(ms);
        let stored = |ms, stream: &str| Record::new(at(ms), Place::Server, Kind::MsgStored).with(Key::Stream, stream);
        let info =
            |ms, messages: u64| Record::new(at(ms), Place::Script, Kind::StreamInfo).with(Key::Stream, "A").with(Key::Messages, messages);
        let gone = Record::new(at(2500), Place::Server, Kind::StreamDeleted).with(Key::Stream, "A");
        let records = [stored(0, "A"), info(900, 1), stored(1000, "A"), stored(1001, "B"), gone, stored(9000, "B")];
        let all = sampled(&records, Duration::from_secs(1), at(4000));
        let shown: Vec<_> = all.iter().map(|(series, values)| (series.to_string(), values.clone())).collect();
        let some = |values: &[f64]| values.iter().map(|value| Some(*value)).collect::<Vec<_>>();
        assert_eq!(
            shown,
            [
                (r#"jetlag_stored_total{stream="A"}"#.to_owned(), some(&[1.0, 2.0, 2.0, 2.0, 2.0])),
                (r#"jetlag_stored_total{stream="B"}"#.to_owned(), vec![None, None, Some(1.0), Some(1.0), Some(1.0)]),
                (r#"jetlag_stream_messages{stream="A"}"#.to_owned(), vec![None, Some(1.0), Some(1.0), None, None]),
            ]
        );
        assert!(sampled(&[], Duration::from_secs(1), at(4000)).is_empty());
    }
}
