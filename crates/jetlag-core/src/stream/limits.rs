//! What a stream lets go of: messages beyond its limits, and messages too old.

use std::collections::BTreeSet;

use jetlag_model::{ApiError, DiscardPolicy, Duration, Message, Now, StreamConfig, Time};

use super::{LogEntry, Stream};
use crate::Removal;
use crate::context::Context;
use crate::rules::{Rule, Rules};

impl Stream {
    /// Refuses a message that a stream with `discard: new` has no room for. Rules of `storeRawMsg` (`server/memstore.go`, 2.15).
    pub(super) fn check_room(&self, subject: &str, message: &Message, rolls_up: bool, rules: Rules) -> Result<(), ApiError> {
        if self.config.discard != DiscardPolicy::New {
            return Ok(());
        }
        let refuse = |text: &'static str| Err(ApiError::stream_store_failed(text));
        let subject_full = limit(self.config.max_msgs_per_subject).is_some_and(|limit| self.log.count_of(subject) >= limit);
        let passes = rolls_up && rules.has(Rule::RollupPassesSubjectLimit);
        if subject_full && self.config.discard_new_per_subject && !passes {
            return refuse("maximum messages per subject exceeded");
        }
        // A subject at its own limit gives its oldest message up for the new one.
        if limit(self.config.max_msgs).is_some_and(|limit| self.log.len() >= limit) && !subject_full {
            return refuse("maximum messages exceeded");
        }
        let size = self.log.size_of(subject, message);
        // Older servers are full one byte earlier, and those on disk want a byte back from the subject's oldest message.
        let exact = rules.has(Rule::BytesUpToTheLimit);
        if limit(self.config.max_bytes).is_some_and(|limit| self.log.bytes() + size > limit - u64::from(!exact)) {
            let needed = size + u64::from(!exact && self.log.is_on_disk());
            let given_up = self.log.first_of(subject).filter(|_| subject_full).map(|seq| self.log.size_at(seq));
            if given_up.is_none_or(|given_up| given_up < needed) {
                return refuse("maximum bytes exceeded");
            }
        }
        Ok(())
    }

    /// Evicts what is too much after a message of `subject` was stored: of the subject first, then from the front by number, then by
    /// bytes. What consumers had unsettled of it is to be terminated afterwards.
    pub(super) fn enforce_limits(&mut self, subject: &str, cx: &mut Context) {
        let mut removed = Vec::new();
        self.evict_of(subject, &mut removed, cx.now.mono);
        self.evict_first(&mut removed, cx.now.mono);
        self.count_off(&removed, Removal::Limit, cx);
    }

    /// The same for all subjects, after the limits changed from those of `old`: from the front first. Rules of `UpdateConfig` (`server/filestore.go`,
    /// `memstore.go`).
    pub(super) fn enforce_new_limits(&mut self, old: &StreamConfig, cx: &mut Context) {
        let mut removed = Vec::new();
        self.evict_first(&mut removed, cx.now.mono);
        // Only a limit that was lowered makes the server look.
        let lowered = match (limit(old.max_msgs_per_subject), limit(self.config.max_msgs_per_subject)) {
            (Some(old), Some(new)) => new < old,
            (None, Some(_)) => cx.rules.has(Rule::FirstSubjectLimitEvicts),
            (_, None) => false,
        };
        if lowered {
            let subjects: BTreeSet<_> = self.log.entries().map(|entry| entry.subject.clone()).collect();
            for subject in subjects {
                self.evict_of(&subject, &mut removed, cx.now.mono);
            }
        }
        self.announce_removed(&removed, Removal::Limit, cx);
    }

    fn evict_of(&mut self, subject: &str, removed: &mut Vec<LogEntry>, at: Time) {
        let Some(limit) = limit(self.config.max_msgs_per_subject) else { return };
        while self.log.count_of(subject) > limit
            && let Some(first) = self.log.first_of(subject)
        {
            removed.extend(self.log.remove(at, first));
        }
    }

    fn evict_first(&mut self, removed: &mut Vec<LogEntry>, at: Time) {
        if self.config.discard != DiscardPolicy::Old {
            return;
        }
        let (max_msgs, max_bytes) = (limit(self.config.max_msgs), limit(self.config.max_bytes));
        while max_msgs.is_some_and(|limit| self.log.len() > limit) || max_bytes.is_some_and(|limit| self.log.bytes() > limit) {
            let Some(entry) = self.log.remove(at, self.log.first_seq()) else { break };
            removed.push(entry);
        }
    }

    /// When its oldest message outlives max_age.
    pub(crate) fn age_deadline(&self, now: Now) -> Option<Time> {
        if self.config.max_age <= Duration::ZERO {
            return None;
        }
        let due = self.log.first_time()? + self.config.max_age;
        Some(now.mono + due.since(now.wall))
    }

    /// Removes what has outlived max_age.
    pub(crate) fn drop_aged(&mut self, cx: &mut Context) {
        if self.config.max_age <= Duration::ZERO {
            return;
        }
        let mut removed = Vec::new();
        while self.log.first_time().is_some_and(|time| cx.now.wall.since(time) >= self.config.max_age) {
            removed.extend(self.log.remove(cx.now.mono, self.log.first_seq()));
        }
        self.announce_removed(&removed, Removal::Age, cx);
    }
}

/// A limit below zero is none; there is none of zero.
fn limit(value: i64) -> Option<u64> {
    u64::try_from(value).ok()
}
