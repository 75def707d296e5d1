//! What a stream lets go of: messages beyond its limits, and messages too old.

use jetlag_model::{ApiError, DiscardPolicy, Duration, Time};

use super::{Log, LogEntry, Stream};
use crate::Removal;
use crate::context::Context;

impl Stream {
    /// Refuses a message that a stream with `discard: new` has no room for. Order and texts of `server/memstore.go` `storeRawMsg`.
    pub(super) fn check_room(&self, subject: &str, size: u64) -> Result<(), ApiError> {
        if self.config.discard != DiscardPolicy::New {
            return Ok(());
        }
        let refuse = |text: &'static str| Err(ApiError::stream_store_failed(text));
        let full = |limit: i64, used: u64| u64::try_from(limit).is_ok_and(|limit| limit > 0 && used >= limit);
        let subject_full = full(self.config.max_msgs_per_subject, self.log.count_of(subject));
        if self.config.discard_new_per_subject && subject_full {
            return refuse("maximum messages per subject exceeded");
        }
        // A subject at its own limit gives a message up for the new one.
        if full(self.config.max_msgs, self.log.len()) && !subject_full {
            return refuse("maximum messages exceeded");
        }
        if u64::try_from(self.config.max_bytes).is_ok_and(|limit| limit > 0 && self.log.bytes() + size > limit) && !subject_full {
            return refuse("maximum bytes exceeded");
        }
        Ok(())
    }

    /// Evicts from the front until the stream is within its limits: per subject first, then by number, then by bytes.
    pub(super) fn enforce_limits(&mut self, cx: &mut Context) {
        let mut removed: Vec<LogEntry> = Vec::new();
        if let Ok(limit) = u64::try_from(self.config.max_msgs_per_subject)
            && limit > 0
        {
            let subjects: Vec<_> = self.log.entries().map(|entry| entry.subject.clone()).collect();
            for subject in subjects {
                while self.log.count_of(&subject) > limit {
                    removed.extend(evict_first_of(&mut self.log, cx.now.mono, &subject));
                }
            }
        }
        let over = |log: &Log, max_msgs: i64, max_bytes: i64| {
            u64::try_from(max_msgs).is_ok_and(|limit| limit > 0 && log.len() > limit)
                || u64::try_from(max_bytes).is_ok_and(|limit| limit > 0 && log.bytes() > limit)
        };
        while over(&self.log, self.config.max_msgs, self.config.max_bytes) {
            match self.log.remove(cx.now.mono, self.log.first_seq()) {
                Some(entry) => removed.push(entry),
                None => break,
            }
        }
        self.announce_removed(&removed, Removal::Limit, cx);
    }

    /// When its oldest message outlives max_age.
    pub(crate) fn age_deadline(&self, cx_now: jetlag_model::Now) -> Option<Time> {
        if self.config.max_age <= Duration::ZERO {
            return None;
        }
        let due = self.log.first_time()? + self.config.max_age;
        Some(cx_now.mono + due.since(cx_now.wall))
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

fn evict_first_of(log: &mut Log, at: Time, subject: &str) -> Option<LogEntry> {
    let first = log.first_of(subject)?;
    log.remove(at, first)
}
