//! `no-message-lost`: every message that was confirmed to its publisher is in the stream; and at every consumer every message is acknowledged,
//! terminated, used up, still waiting, or was removed from the stream for a reason that the trace names.
//!
//! Exempt are consumers whose state a purge or a recovery cut, and everything once a server died and lost a tail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jetlag_model::{AckPolicy, DeliverPolicy, SeqSet, matches};
use jetlag_sim::FORGOTTEN;
use jetlag_trace::{Key, Kind, Record};

use super::{About, Configs, ConsumerKey, Finding, Judge, Observed, lost_a_tail, show};

/// What the trace says of streams and consumers.
#[derive(Default)]
pub(super) struct Books {
    /// Messages in each stream, with their subjects.
    stored: BTreeMap<Arc<str>, BTreeMap<u64, Arc<str>>>,
    /// All messages that were ever in a stream.
    ever: BTreeMap<Arc<str>, SeqSet>,
    /// Messages that wait for an acknowledgement.
    waiting: BTreeMap<ConsumerKey, BTreeSet<u64>>,
    /// Messages that were delivered at least once.
    delivered: BTreeMap<ConsumerKey, SeqSet>,
    /// Consumers of which the trace does not tell all.
    cut: BTreeSet<ConsumerKey>,
    tail_lost: bool,
}

impl Judge for Books {
    fn follow(&mut self, record: &Record, about: &About, configs: &Configs, finding: &mut Finding) {
        self.book(record, about, configs);
        if record.kind == Kind::Stored
            && !record.fields.flag(Key::Duplicate)
            && let (Some(stream), Some(seq)) = (record.fields.text(Key::Stream), record.fields.uint(Key::StreamSeq))
        {
            finding.look();
            if !self.ever.get(stream).is_some_and(|ever| ever.contains(seq)) {
                let message = format!("{stream} confirmed message {seq} at {}, but never stored it", record.at);
                finding.fail(message, Some(record.n));
            }
        }
    }

    fn conclude(&self, configs: &Configs, observed: &Observed, finding: &mut Finding) {
        for (consumer, config) in &configs.0 {
            if self.tail_lost || self.cut.contains(consumer) {
                finding.exempt(if self.tail_lost { "lost tail" } else { "state cut by a purge or a recovery" });
                continue;
            }
            let (empty, nothing) = (BTreeSet::new(), SeqSet::new());
            let waiting = self.waiting.get(consumer).unwrap_or(&empty);
            let delivered = self.delivered.get(consumer).unwrap_or(&nothing);
            finding.report.evaluated += delivered.len();
            if config.ack_policy != AckPolicy::None
                && let Some(number) = observed.number(consumer, "num_ack_pending").filter(|number| *number != waiting.len() as u64)
            {
                let lost: Vec<_> = waiting.iter().map(|seq| show(consumer, *seq)).collect();
                let lost = if lost.is_empty() { "none".to_owned() } else { lost.join(", ") };
                finding.fail(format!("the server waits for {number} acknowledgements, but not settled are: {lost}"), None);
            }
            // Where a consumer starts at the first message, all that were not delivered are still to come.
            if config.deliver_policy == DeliverPolicy::All
                && let Some(number) = observed.number(consumer, "num_pending")
            {
                let stored = self.stored.get(consumer.stream()).into_iter().flatten();
                let wanted = |subject: &str| config.filters().is_empty() || config.filters().iter().any(|filter| matches(filter, subject));
                let missing = stored.filter(|(seq, subject)| wanted(subject) && !delivered.contains(**seq)).count() as u64;
                finding.report.evaluated += missing;
                if missing != number {
                    finding.fail(format!("{consumer} has {number} messages to come, but {missing} were never delivered"), None);
                }
            }
        }
    }
}

impl Books {
    fn book(&mut self, record: &Record, about: &About, configs: &Configs) {
        self.tail_lost |= lost_a_tail(record);
        let stream = record.fields.text(Key::Stream);
        let seq = record.fields.uint(Key::StreamSeq);
        match (record.kind, stream, seq) {
            (Kind::MsgStored, Some(stream), Some(seq)) => {
                let subject = record.fields.text(Key::Subject).cloned().unwrap_or_else(|| "".into());
                self.stored.entry(stream.clone()).or_default().insert(seq, subject);
                self.ever.entry(stream.clone()).or_default().insert(seq);
            }
            (Kind::MsgRemoved, Some(stream), Some(seq)) => {
                self.stored.entry(stream.clone()).or_default().remove(&seq);
            }
            (Kind::StreamDeleted, Some(stream), _) => {
                self.stored.remove(stream);
                self.ever.remove(stream);
                self.waiting.retain(|key, _| key.stream() != stream);
                self.delivered.retain(|key, _| key.stream() != stream);
            }
            (Kind::ConsumerDeleted, ..) => {
                if let Some(consumer) = &about.consumer {
                    self.waiting.remove(consumer);
                    self.delivered.remove(consumer);
                    self.cut.remove(consumer);
                }
            }
            (Kind::Terminated, _, None) if record.fields.text(Key::Reason).is_some_and(|reason| **reason == *FORGOTTEN) => {
                self.cut.extend(about.consumer.clone());
            }
            // Filters that change leave messages behind that nobody will be told of.
            (Kind::ConsumerUpdated, ..) => self.follow_update(record, about, configs),
            _ => self.follow_message(record, about, configs),
        }
    }

    fn follow_update(&mut self, record: &Record, about: &About, configs: &Configs) {
        let (Some(consumer), Some(config)) = (&about.consumer, super::config_of(record)) else { return };
        if configs.of(consumer).is_none_or(|before| before.filters() != config.filters()) {
            self.cut.insert(consumer.clone());
        }
    }

    fn follow_message(&mut self, record: &Record, about: &About, configs: &Configs) {
        if !matches!(record.kind, Kind::Delivered | Kind::Acked | Kind::Terminated | Kind::Exhausted) {
            return;
        }
        let Some((consumer, seq)) = about.message() else { return };
        match record.kind {
            Kind::Delivered => {
                self.delivered.entry(consumer.clone()).or_default().insert(seq);
                self.waiting.entry(consumer.clone()).or_default().insert(seq);
            }
            Kind::Acked | Kind::Terminated | Kind::Exhausted => {
                let all = configs.of(consumer).is_some_and(|config| config.ack_policy == AckPolicy::All);
                let waiting = self.waiting.entry(consumer.clone()).or_default();
                if all && record.kind != Kind::Exhausted {
                    waiting.retain(|waiting| *waiting > seq);
                } else {
                    waiting.remove(&seq);
                }
            }
            _ => {}
        }
    }
}
