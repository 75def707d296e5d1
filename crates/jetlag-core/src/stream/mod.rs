//! A stream: its configuration, its messages, the ids it remembers, its consumers, and how they hear of each other.

mod config;
mod dedup;
mod limits;
mod log;
mod publish;
mod retention;

use std::sync::Arc;

use jetlag_model::{
    AckPolicy, Advisory, ApiError, ConsumerConfig, ConsumerLimits, Duration, RetentionPolicy, StreamConfig, StreamInfo, StreamSeq,
    StreamState, Text, Time, WallTime,
};

pub(crate) use config::{LONGEST_NAME, check_replicas, check_update, checked, is_valid_name, required_level, seal};
use dedup::Dedup;
pub(crate) use log::{Ends, Log, LogEntry, accepts};

use crate::by_name::ByName;
use crate::consumer::{Consumer, Left};
use crate::context::Context;
use crate::rules::{Rule, Rules};
use crate::stored::{LostTail, StoredStream};
use crate::{Note, Removal};

/// Stands for random bytes: no literal filter is like it.
const NOISE: &str = "\0";

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) name: Text,
    pub(crate) config: StreamConfig,
    pub(crate) created: WallTime,
    /// Streams are numbered in order of creation; things due at one instant go by it.
    pub(crate) order: u64,
    pub(crate) log: Log,
    dedup: Dedup,
    /// The id of the last message that came in, be it gone; empty if it had none.
    last_id: String,
    /// What consumers without acknowledgements got is let go of. A stream that went by limits when it was created or recovered has no ear
    /// for it, even if it goes by interest now.
    hears_deliveries: bool,
    /// What left the stream while a consumer had it unsettled, and is not terminated yet.
    removed: Vec<(Text, Left)>,
    pub(crate) consumers: ByName<Consumer>,
    /// Their names in order of creation.
    in_order: Arc<[Text]>,
    consumers_created: u64,
}

impl Stream {
    pub(crate) fn new(config: StreamConfig, order: u64, now: WallTime) -> Stream {
        let log = Log::new(config.storage, config.first_seq);
        Stream::with_log(config, order, now, log)
    }

    fn with_log(config: StreamConfig, order: u64, created: WallTime, log: Log) -> Stream {
        Stream {
            name: config.name.as_str().into(),
            hears_deliveries: config.retention != RetentionPolicy::Limits,
            removed: Vec::new(),
            config,
            created,
            order,
            log,
            dedup: Dedup::default(),
            last_id: String::new(),
            consumers: ByName::default(),
            in_order: Arc::default(),
            consumers_created: 0,
        }
    }

    /// Comes back from disk: ids within the window are known again if their messages are still there. Rules of `rebuildDedupe`.
    pub(crate) fn recover(stored: StoredStream, order: u64, cx: &mut Context) -> Stream {
        let mut stream = Stream::with_log(stored.config, order, stored.created, stored.log);
        stream.log.recount();
        cx.note(Note::StreamCreated { config: Box::new(stream.config.clone()) });
        let since = stream.log.first_since(cx.now.wall - stream.config.duplicate_window, cx.rules);
        let remembered = stream.log.entries().filter(|entry| since > StreamSeq(0) && entry.seq >= since);
        for entry in remembered {
            if let Some(id) = entry.headers.as_ref().and_then(|headers| headers.get(publish::MSG_ID)) {
                stream.dedup.remember(id, entry.seq, entry.time);
            }
        }
        if let Some(entry) = stream.log.entry(stream.log.last_seq())
            && (cx.rules.has(Rule::LastIdOutlivesWindow) || cx.now.wall.since(entry.time) <= stream.config.duplicate_window)
        {
            stream.last_id = entry.headers.as_ref().and_then(|headers| headers.get(publish::MSG_ID)).unwrap_or_default().to_owned();
        }
        stream.drop_aged(cx);
        for consumer in stored.consumers {
            let order = stream.next_consumer_order();
            let consumer = Consumer::recover(&stream.name, order, consumer, &stream.log, cx);
            stream.add_consumer(consumer);
        }
        stream.release_settled(cx);
        stream
    }

    /// What disk holds of it; `None` for a stream in memory.
    pub(crate) fn into_stored(mut self, now: Time, lost: LostTail) -> Option<StoredStream> {
        if self.config.storage != jetlag_model::StorageType::File {
            return None;
        }
        self.log.lose(now, lost.messages);
        let mut consumers: Vec<_> = self.consumers.into_values().collect();
        consumers.sort_by_key(|consumer| consumer.order);
        let consumers = consumers.into_iter().filter_map(|consumer| consumer.into_stored(now, lost.consumers)).collect();
        Some(StoredStream { config: self.config, created: self.created, log: self.log, consumers })
    }

    pub(crate) fn next_consumer_order(&mut self) -> u64 {
        self.consumers_created += 1;
        self.consumers_created
    }

    pub(crate) fn add_consumer(&mut self, consumer: Consumer) {
        self.consumers.insert(consumer.name.clone(), consumer);
        self.order_consumers();
    }

    pub(super) fn remove_consumer(&mut self, name: &str) -> Option<Consumer> {
        let consumer = self.consumers.remove(name)?;
        self.order_consumers();
        Some(consumer)
    }

    fn order_consumers(&mut self) {
        let mut names: Vec<_> = self.consumers.values().map(|consumer| (consumer.order, consumer.name.clone())).collect();
        names.sort_unstable();
        self.in_order = names.into_iter().map(|(_, name)| name).collect();
    }

    /// Its consumers' names in order of creation, so that they hear of things in that order.
    pub(crate) fn consumer_names(&self) -> Arc<[Text]> {
        self.in_order.clone()
    }

    /// Does something with each consumer, in order of creation.
    pub(crate) fn each_consumer(&mut self, cx: &mut Context, mut f: impl FnMut(&mut Consumer, &Log, &mut Context)) {
        for place in 0..self.in_order.len() {
            let name = self.in_order[place].clone();
            self.with_consumer(&name, cx, &mut f);
        }
    }

    /// Does something with one consumer, and then lets go of what it is done with.
    pub(crate) fn with_consumer<R>(
        &mut self,
        name: &str,
        cx: &mut Context,
        f: impl FnOnce(&mut Consumer, &Log, &mut Context) -> R,
    ) -> Option<R> {
        let consumer = self.consumers.get_mut(name)?;
        consumer.catch_up(cx.now, cx.rules);
        let result = f(consumer, &self.log, cx);
        // What needs no ack is done with by its delivery, of which not every stream hears.
        let is_heard = consumer.config.ack_policy != AckPolicy::None || self.hears_deliveries;
        if self.config.retention == RetentionPolicy::Limits || !is_heard {
            consumer.released().clear();
        } else if !consumer.released().is_empty() {
            let mut released = std::mem::take(consumer.released());
            self.release(name, &released, cx);
            // The list keeps its room.
            released.clear();
            if let Some(list) = self.consumers.get_mut(name).map(Consumer::released)
                && list.is_empty()
            {
                *list = released;
            }
        }
        Some(result)
    }

    /// Lets everybody know that messages are gone, and that is all that follows from it.
    fn announce_removed(&mut self, entries: &[LogEntry], why: Removal, cx: &mut Context) {
        self.count_off(entries, why, cx);
        self.terminate_removed(cx);
    }

    /// Consumers count messages off that are gone. What they had unsettled is terminated later.
    fn count_off(&mut self, entries: &[LogEntry], why: Removal, cx: &mut Context) {
        for entry in entries {
            cx.note(Note::Removed { stream: self.name.clone(), seq: entry.seq, why });
            for place in 0..self.in_order.len() {
                let name = self.in_order[place].clone();
                let left = self.with_consumer(&name, cx, |consumer, _, cx| consumer.message_left(entry, cx));
                self.removed.extend(left.flatten().map(|left| (name, left)));
            }
        }
    }

    /// Terminates what was unsettled when it left the stream. The server does so on threads of their own, which wait for the request at work: a purge
    /// that comes with it has moved ack floors by then.
    fn terminate_removed(&mut self, cx: &mut Context) {
        for (name, left) in std::mem::take(&mut self.removed) {
            self.with_consumer(&name, cx, |consumer, log, cx| consumer.terminate_left(left, log, cx));
        }
    }

    /// Deletes one message, and `erase`s its bytes.
    pub(crate) fn delete_message(&mut self, seq: StreamSeq, erase: bool, cx: &mut Context) -> Result<(), ApiError> {
        if self.config.sealed {
            return Err(ApiError::stream_sealed());
        }
        if self.config.deny_delete {
            return Err(ApiError::message_delete_failed("message delete not permitted"));
        }
        let Some(mut entry) = self.log.remove(cx.now.mono, seq) else {
            // A file store tells where it looked; a memory store does not. The first sequence itself is only missing where both are 0.
            return Err(if self.log.is_on_disk() && seq > self.log.last_seq() {
                ApiError::message_delete_failed("stream store EOF")
            } else if self.log.is_on_disk() && seq <= self.log.first_seq() {
                ApiError::message_delete_failed("no message found")
            } else {
                ApiError::sequence_not_found(seq.0)
            });
        };
        let spared = self.log.len() == 0 && cx.rules.has(Rule::EraseSparesTheOnly);
        if erase && self.log.is_on_disk() && cx.rules.has(Rule::EraseLosesSubject) && !spared {
            // What consumers are told has been overwritten with noise.
            entry.subject = NOISE.into();
        }
        self.announce_removed(&[entry], Removal::Delete, cx);
        Ok(())
    }

    /// Purges messages and says how many: all, those of a filter, those below a sequence, or all but some.
    pub(crate) fn purge(&mut self, filter: &str, below: u64, keep: u64, cx: &mut Context) -> Result<u64, ApiError> {
        if self.config.sealed {
            return Err(ApiError::stream_sealed());
        }
        if self.config.deny_purge {
            return Err(ApiError::stream_purge_failed("stream purge not permitted"));
        }
        let filters: Vec<String> = if filter.is_empty() || filter == ">" { Vec::new() } else { vec![filter.to_owned()] };
        let purged = self.purge_messages(&filters, below, keep, cx);
        self.terminate_removed(cx);
        Ok(purged)
    }

    /// What a purge and a message that rolls up have in common; what they take from consumers is to be terminated afterwards. Rules of `purgeLocked`, `storeUpdates` (`server/stream.go`) and `PurgeEx`.
    pub(super) fn purge_messages(&mut self, filters: &[String], below: u64, keep: u64, cx: &mut Context) -> u64 {
        let on_disk = self.log.is_on_disk();
        let by_sequence = filters.is_empty() && keep > 0 && below == 0 && !on_disk && !cx.rules.has(Rule::KeepCountsMessages);
        let (below, keep) = match by_sequence {
            true if keep < self.log.len() => (self.log.last_seq().0 + 1 - keep, 0),
            _ => (below, keep),
        };
        // Below the first sequence is nothing; older servers took it for no limit at all, and went message by message for it.
        let below_one = below == 1;
        let nothing = below_one && (cx.rules.has(Rule::PurgeBelowOneRemovesNothing) || (!on_disk && filters.is_empty()));
        let below = if nothing || below > 1 { below } else { 0 };
        let mut victims: Vec<StreamSeq> =
            self.log.entries().filter(|entry| accepts(filters, &entry.subject)).map(|entry| entry.seq).collect();
        if below > 0 {
            victims.retain(|seq| seq.0 < below);
        } else {
            victims.truncate(victims.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX)));
        }
        // Consumers that hear of each message count it off; those that hear of several at once count anew.
        let mut told = Vec::new();
        let mut counts_anew = !victims.is_empty();
        if filters.is_empty() && !below_one && keep == 0 {
            // The stream begins where it was purged to, even beyond its end.
            let first = if below > 0 { StreamSeq(below) } else { self.log.last_seq().next() };
            let moves = !on_disk && cx.rules.has(Rule::MemoryCompactMovesFirst);
            self.log.compact(cx.now.mono, first.max(self.log.first_seq()), moves);
        } else {
            let removed: Vec<LogEntry> = victims.iter().filter_map(|seq| self.log.remove(cx.now.mono, *seq)).collect();
            // Consumers hear of a single message as if it had been deleted, of more than one in what follows.
            let one = victims.len() == 1;
            if on_disk && one && cx.rules.has(Rule::FilePurgeOfOneTold) {
                let subject: Text = filters.first().map_or(">", String::as_str).into();
                told = removed.into_iter().map(|entry| LogEntry { subject: subject.clone(), ..entry }).collect();
            } else if !on_disk && (one || !cx.rules.has(Rule::MemoryPurgeToldAtOnce)) {
                told = removed;
            }
            counts_anew &= told.is_empty();
        }
        for seq in &victims {
            cx.note(Note::Removed { stream: self.name.clone(), seq: *seq, why: Removal::Purge });
        }
        for name in &*self.consumer_names() {
            let left = self.with_consumer(name, cx, |consumer, log, cx| {
                let left: Vec<Left> = told.iter().filter_map(|entry| consumer.message_left(entry, cx)).collect();
                if counts_anew {
                    consumer.count_pending(log);
                }
                consumer.purged(filters, log, cx);
                left
            });
            self.removed.extend(left.into_iter().flatten().map(|left| (name.clone(), left)));
        }
        victims.len() as u64
    }

    /// Refuses limits that consumers break already. Rules of `updateWithAdvisory`.
    pub(crate) fn check_consumer_limits(&self, new: &ConsumerLimits, rules: Rules) -> Result<(), ApiError> {
        let old = &self.config.consumer_limits;
        // Older servers did not take a limit of zero for none, and looked at both if one of them changed.
        let none_at_zero = rules.has(Rule::ZeroConsumerLimitIsNone);
        let inactive = new.inactive_threshold > Duration::ZERO || !none_at_zero;
        let pending = new.max_ack_pending > 0 || !none_at_zero;
        let changed =
            (inactive && old.inactive_threshold != new.inactive_threshold) || (pending && old.max_ack_pending != new.max_ack_pending);
        let breaks = |config: &ConsumerConfig| {
            (inactive && config.inactive_threshold > new.inactive_threshold) || (pending && config.max_ack_pending > new.max_ack_pending)
        };
        let names: Vec<_> = self
            .in_order
            .iter()
            .map(|name| &**name)
            .filter(|name| changed && self.consumers.get(name).is_some_and(|consumer| breaks(&consumer.config)))
            .collect();
        if names.is_empty() {
            Ok(())
        } else {
            Err(ApiError::stream_limits(format!("change to limits violates consumers: {}", names.join(", "))))
        }
    }

    /// Takes a checked configuration in place of its own.
    pub(crate) fn update(&mut self, config: StreamConfig, cx: &mut Context) {
        let old = std::mem::replace(&mut self.config, config);
        cx.note(Note::StreamUpdated { config: Box::new(self.config.clone()) });
        if old.duplicate_window != self.config.duplicate_window {
            self.dedup.change_window(cx.now.wall, self.config.duplicate_window);
        }
        if old.retention != self.config.retention {
            self.begin_retention(cx);
        }
        self.enforce_new_limits(&old, cx);
        self.drop_aged(cx);
        cx.advise(&self.name, "", &Advisory::StreamUpdated);
    }

    /// Its state as info requests tell it.
    pub(crate) fn info(&self, cx: &Context) -> StreamInfo {
        let state = StreamState {
            messages: self.log.len(),
            bytes: self.log.bytes(),
            first_seq: self.log.first_seq(),
            first_ts: self.log.first_time(),
            last_seq: self.log.last_seq(),
            last_ts: self.log.last_time(),
            num_subjects: self.log.subjects(),
            num_deleted: self.log.num_deleted(),
            consumer_count: self.consumers.len() as u64,
        };
        StreamInfo { config: self.config.clone(), created: self.created, state, ts: cx.now.wall }
    }
}
