//! Work queues and interest: which messages a stream lets go of because its consumers are done with them, and what that demands of
//! consumers. Rules of `ackMsg`, `checkForInterest`, `partitionUnique` (`server/stream.go`), `cleanupNoInterestMessages` and
//! `checkStateForInterestStream` (`server/consumer.go`, 2.15). What a consumer still needs is its own matter: `consumer/release.rs`.

use jetlag_model::{AckPolicy, ApiError, ConsumerConfig, DeliverPolicy, RetentionPolicy, StreamSeq, Text, filters_overlap};

use super::{LogEntry, Stream};
use crate::Removal;
use crate::consumer::Consumer;
use crate::context::Context;
use crate::rules::{Rule, Rules};

impl Stream {
    /// Whether a message of this subject is not worth storing: no consumer of an interest stream wants it.
    pub(super) fn interests_nobody(&self, subject: &str) -> bool {
        self.config.retention == RetentionPolicy::Interest && !self.consumers.values().any(|consumer| consumer.hears(subject))
    }

    /// Refuses a new consumer that a work queue can not have.
    pub(crate) fn check_new_consumer(&self, config: &ConsumerConfig, rules: Rules) -> Result<(), ApiError> {
        if self.config.retention != RetentionPolicy::WorkQueue {
            return Ok(());
        }
        if config.ack_policy != AckPolicy::Explicit {
            return Err(ApiError::work_queue_requires_explicit_ack());
        }
        let starts_wrong = config.deliver_policy != DeliverPolicy::All;
        if starts_wrong && rules.has(Rule::WorkQueueStartsFirst) {
            return Err(ApiError::work_queue_not_deliver_all());
        }
        if !self.consumers.is_empty() && config.filters().is_empty() {
            return Err(ApiError::work_queue_multiple_unfiltered());
        }
        self.check_unique(config)?;
        if starts_wrong { Err(ApiError::work_queue_not_deliver_all()) } else { Ok(()) }
    }

    /// Refuses filters of a consumer on a work queue that share a message with those of another. A consumer that gives its filters up is
    /// let through, as the server goes by filters only.
    pub(crate) fn check_unique(&self, config: &ConsumerConfig) -> Result<(), ApiError> {
        if self.config.retention != RetentionPolicy::WorkQueue {
            return Ok(());
        }
        let overlaps = |other: &Consumer| {
            let theirs = other.config.filters();
            let own = config.filters();
            own.iter().any(|own| theirs.is_empty() || theirs.iter().any(|their| filters_overlap(own, their)))
        };
        let taken = self.consumers.values().any(|other| *other.name != *config.name && overlaps(other));
        if taken { Err(ApiError::work_queue_consumer_not_unique()) } else { Ok(()) }
    }

    /// A consumer is done with these messages, ranges with both ends: those that nobody else needs leave the stream.
    pub(super) fn release(&mut self, by: &str, released: &[(StreamSeq, StreamSeq)], cx: &mut Context) {
        for (from, to) in released {
            let unneeded = |entry: &&LogEntry| match self.config.retention {
                RetentionPolicy::Limits => false,
                _ if cx.rules.has(Rule::AckAsksAllConsumers) => !self.is_needed(entry, None, cx.rules),
                RetentionPolicy::WorkQueue => true,
                RetentionPolicy::Interest => !self.is_needed(entry, Some(by), cx.rules),
            };
            if from == to {
                // Nearly always it is one message.
                if self.log.entry(*from).filter(unneeded).is_some() {
                    self.drop_uninteresting(*from, cx);
                }
                continue;
            }
            let unneeded: Vec<_> = self.log.entries_between(*from, *to).filter(unneeded).map(|entry| entry.seq).collect();
            for seq in unneeded {
                self.drop_uninteresting(seq, cx);
            }
        }
    }

    /// Whether a consumer other than `except` still needs a message.
    fn is_needed(&self, entry: &LogEntry, except: Option<&str>, rules: Rules) -> bool {
        self.consumers.values().any(|consumer| Some(&*consumer.name) != except && consumer.needs(entry, rules))
    }

    fn drop_uninteresting(&mut self, seq: StreamSeq, cx: &mut Context) {
        if let Some(entry) = self.log.remove(cx.now.mono, seq) {
            self.announce_removed(&[entry], Removal::Interest, cx);
        }
    }

    /// Deletes a consumer. An interest stream lets go of what only this one needed; without consumers, of everything. Says whether there
    /// was one.
    pub(crate) fn delete_consumer(&mut self, name: &str, cx: &mut Context) -> bool {
        let Some(consumer) = self.remove_consumer(name) else { return false };
        let floor = consumer.floor().stream_seq;
        consumer.delete(cx);
        if self.config.retention == RetentionPolicy::Interest {
            if self.consumers.is_empty() {
                self.drop_everything(cx);
            } else {
                self.drop_unneeded(floor, cx);
            }
        }
        true
    }

    /// Lets go of the messages from `from` on that no consumer needs.
    pub(crate) fn drop_unneeded(&mut self, from: StreamSeq, cx: &mut Context) {
        let unneeded: Vec<_> =
            self.log.entries().filter(|entry| entry.seq >= from && !self.is_needed(entry, None, cx.rules)).map(|entry| entry.seq).collect();
        for seq in unneeded {
            self.drop_uninteresting(seq, cx);
        }
    }

    fn drop_everything(&mut self, cx: &mut Context) {
        for entry in self.log.compact(cx.now.mono, self.log.last_seq().next(), true) {
            cx.note(crate::Note::Removed { stream: self.name.clone(), seq: entry.seq, why: Removal::Interest });
        }
    }

    /// The stream goes by limits, or by interest, from now on.
    pub(super) fn begin_retention(&mut self, cx: &mut Context) {
        self.release_settled(cx);
        let of_nobody = self.config.retention == RetentionPolicy::Interest && self.consumers.is_empty();
        if of_nobody && self.log.len() > 0 && cx.rules.has(Rule::InterestOfNobodyPurges) {
            self.drop_everything(cx);
        }
    }

    /// Goes through what consumers have settled according to their stored copies, and lets go of it: at a start, and when a stream begins
    /// to go by interest.
    pub(super) fn release_settled(&mut self, cx: &mut Context) {
        if self.config.retention != RetentionPolicy::Interest {
            return;
        }
        for name in &*self.consumer_names() {
            let Some(consumer) = self.consumers.get(name) else { continue };
            let settled: Vec<_> = consumer.settled_in_store(&self.log, cx.rules).into_iter().map(|seq| (seq, seq)).collect();
            self.release(name, &settled, cx);
        }
    }

    /// Takes a consumer's checked configuration. Messages that only its old filters wanted leave an interest stream.
    pub(crate) fn update_consumer(&mut self, name: &Text, config: ConsumerConfig, cx: &mut Context) {
        let Some(refiltered) = self.with_consumer(name, cx, |consumer, log, cx| {
            let refiltered = consumer.config.filters() != config.filters();
            if consumer.config != config {
                consumer.update(config, log, cx);
            } else if !cx.rules.has(Rule::UpdateKeepsPending) {
                consumer.count_pending(log);
            }
            refiltered
        }) else {
            return;
        };
        if self.config.retention == RetentionPolicy::Interest
            && (refiltered || !cx.rules.has(Rule::OnlyNewFiltersReleaseMessages))
            && let Some(consumer) = self.consumers.get(name)
        {
            self.drop_unneeded(consumer.floor().stream_seq, cx);
        }
    }
}
