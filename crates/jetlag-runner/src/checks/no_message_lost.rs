//! `no-message-lost`: every message that was confirmed to its publisher is in the stream; and at every consumer every message is acknowledged,
//! terminated, used up, still waiting, or was removed from the stream for a reason that the trace names.
//!
//! Exempt are consumers whose state a purge or a recovery cut, and everything once a server died and lost a tail.

use std::collections::BTreeSet;

use jetlag_model::{AckPolicy, DeliverPolicy, SeqMap, SeqSet, Text, matches};
use jetlag_sim::FORGOTTEN;
use jetlag_trace::{Key, Kind, Record};

use super::names::ByStream;
use super::{About, ByConsumer, Configs, ConsumerKey, Finding, Judge, Observed, lost_a_tail, show};

/// What the trace says of streams and consumers.
#[derive(Default)]
pub(super) struct Books {
    streams: ByStream<Stream>,
    /// Messages that wait for an acknowledgement.
    waiting: ByConsumer<SeqMap<u64, ()>>,
    /// Messages that were delivered at least once.
    delivered: ByConsumer<SeqSet>,
    /// Consumers of which the trace does not tell all.
    cut: BTreeSet<ConsumerKey>,
    tail_lost: bool,
}

/// What the trace says of a stream.
#[derive(Default)]
struct Stream {
    /// Messages that are in it, with their subjects.
    stored: SeqMap<u64, Text>,
    /// All messages that ever were.
    ever: SeqSet,
}

impl Judge for Books {
    fn kinds(&self) -> &'static [Kind] {
        &[
            Kind::MsgStored,
            Kind::MsgRemoved,
            Kind::StreamDeleted,
            Kind::ConsumerDeleted,
            Kind::ConsumerUpdated,
            Kind::Delivered,
            Kind::Acked,
            Kind::Terminated,
            Kind::Exhausted,
            Kind::Stored,
            Kind::ServerDown,
        ]
    }

    fn follow(&mut self, record: &Record, about: &About<'_>, configs: &Configs, finding: &mut Finding) {
        match record.kind {
            Kind::MsgStored => {
                if let Some((stream, seq)) = about.stream.zip(about.seq) {
                    let subject = record.fields.text(Key::Subject).cloned().unwrap_or_else(|| "".into());
                    let stream = self.streams.of(stream);
                    stream.stored.insert(seq, subject);
                    stream.ever.insert(seq);
                }
            }
            Kind::MsgRemoved => {
                if let Some((stream, seq)) = about.stream.zip(about.seq) {
                    self.streams.of(stream).stored.remove(seq);
                }
            }
            Kind::StreamDeleted => {
                about.stream.into_iter().for_each(|stream| self.streams.remove(stream));
                self.waiting.forget_deleted(record, about);
                self.delivered.forget_deleted(record, about);
            }
            Kind::ConsumerDeleted => {
                self.waiting.forget_deleted(record, about);
                self.delivered.forget_deleted(record, about);
                about.consumer.map(|consumer| self.cut.remove(consumer));
            }
            // Filters that change leave messages behind that nobody will be told of.
            Kind::ConsumerUpdated => self.follow_update(record, about, configs),
            Kind::Delivered | Kind::Acked | Kind::Terminated | Kind::Exhausted => self.follow_message(record, about, configs),
            Kind::Stored => self.confirmed(record, about, finding),
            Kind::ServerDown => self.tail_lost |= lost_a_tail(record),
            _ => {}
        }
    }

    fn conclude(&self, configs: &Configs, observed: &Observed, finding: &mut Finding) {
        for (consumer, config) in configs.0.iter() {
            if self.tail_lost || self.cut.contains(consumer) {
                finding.exempt(if self.tail_lost { "lost tail" } else { "state cut by a purge or a recovery" });
                continue;
            }
            let (empty, nothing) = (SeqMap::new(), SeqSet::new());
            let waiting = self.waiting.get(consumer).unwrap_or(&empty);
            let delivered = self.delivered.get(consumer).unwrap_or(&nothing);
            finding.report.evaluated += delivered.len();
            if config.ack_policy != AckPolicy::None
                && let Some(number) = observed.number(consumer, "num_ack_pending").filter(|number| *number != waiting.len() as u64)
            {
                let lost: Vec<_> = waiting.keys().map(|seq| show(consumer, seq)).collect();
                let lost = if lost.is_empty() { "none".to_owned() } else { lost.join(", ") };
                finding.fail(format!("the server waits for {number} acknowledgements, but not settled are: {lost}"), None);
            }
            // Where a consumer starts at the first message, all that were not delivered are still to come.
            if config.deliver_policy == DeliverPolicy::All
                && let Some(number) = observed.number(consumer, "num_pending")
            {
                let stored = self.streams.get(consumer.stream()).into_iter().flat_map(|stream| stream.stored.iter());
                let wanted = |subject: &str| config.filters().is_empty() || config.filters().iter().any(|filter| matches(filter, subject));
                let missing = stored.filter(|(seq, subject)| wanted(subject) && !delivered.contains(*seq)).count() as u64;
                finding.report.evaluated += missing;
                if missing != number {
                    finding.fail(format!("{consumer} has {number} messages to come, but {missing} were never delivered"), None);
                }
            }
        }
    }
}

impl Books {
    /// A publisher was told that its message is in the stream.
    fn confirmed(&self, record: &Record, about: &About<'_>, finding: &mut Finding) {
        let Some((stream, seq)) = about.stream.zip(about.seq).filter(|_| !record.fields.flag(Key::Duplicate)) else { return };
        finding.look();
        if !self.streams.get(stream).is_some_and(|stream| stream.ever.contains(seq)) {
            let message = format!("{stream} confirmed message {seq} at {}, but never stored it", record.at);
            finding.fail(message, Some(record.n));
        }
    }

    fn follow_update(&mut self, record: &Record, about: &About<'_>, configs: &Configs) {
        let (Some(consumer), Some(config)) = (about.consumer, super::config_of(record)) else { return };
        if configs.of(consumer).is_none_or(|before| before.filters() != config.filters()) {
            self.cut.insert(consumer.clone());
        }
    }

    fn follow_message(&mut self, record: &Record, about: &About<'_>, configs: &Configs) {
        let Some((consumer, seq)) = about.message() else {
            if record.fields.text(Key::Reason).is_some_and(|reason| **reason == *FORGOTTEN) {
                self.cut.extend(about.consumer.cloned());
            }
            return;
        };
        if record.kind == Kind::Delivered {
            self.delivered.of(consumer).insert(seq);
            self.waiting.of(consumer).insert(seq, ());
            return;
        }
        let all = configs.of(consumer).is_some_and(|config| config.ack_policy == AckPolicy::All);
        let waiting = self.waiting.of(consumer);
        if all && record.kind != Kind::Exhausted {
            waiting.retain(|waiting, ()| waiting > seq);
        } else {
            waiting.remove(seq);
        }
    }
}
