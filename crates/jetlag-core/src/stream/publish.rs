//! Storing a message: the checks in the server's order (`processJetStreamMsgWithBatch`, `server/stream.go`, 2.15), and the pub ack.

use std::sync::Arc;

use jetlag_model::{ApiError, Message, PubAck, StreamSeq};

use super::Stream;
use crate::context::Context;
use crate::rules::Rule;
use crate::{Note, Removal};

/// The header that makes a message known by an id.
pub(super) const MSG_ID: &str = "Nats-Msg-Id";

/// Largest header block, bytes.
const MAX_HEADERS: usize = 65_535;

/// What became of a message.
enum Fate {
    Stored(StreamSeq),
    Duplicate(StreamSeq),
}

impl Stream {
    /// Takes a message that was published to one of the stream's subjects, and answers if an answer is wanted.
    pub(crate) fn publish(&mut self, subject: &Arc<str>, message: &Message, cx: &mut Context) {
        let fate = self.store(subject, message, cx);
        if let Some(reply) = message.reply.as_ref().filter(|_| !self.config.no_ack) {
            let (seq, duplicate, error) = match &fate {
                Ok(Fate::Stored(seq)) => (*seq, false, None),
                Ok(Fate::Duplicate(seq)) => (*seq, true, None),
                Err(error) => (StreamSeq(0), false, Some(error.clone())),
            };
            let ack = PubAck { error, stream: self.config.name.clone(), seq, duplicate };
            cx.send(&reply.text(), None, &ack.body());
        }
        if let Ok(Fate::Stored(seq)) = fate {
            self.each_consumer(cx, |consumer, log, cx| consumer.message_stored(seq, subject, log, cx));
        }
    }

    fn store(&mut self, subject: &Arc<str>, message: &Message, cx: &mut Context) -> Result<Fate, ApiError> {
        if self.config.sealed {
            return Err(ApiError::stream_sealed());
        }
        if message.header("Nats-Expected-Stream").is_some_and(|stream| !stream.is_empty() && stream != self.config.name) {
            return Err(ApiError::stream_not_match());
        }
        let id = message.header(MSG_ID).filter(|id| !id.is_empty());
        let sequence_first = cx.rules.has(Rule::ExpectedSequenceBeforeDedup);
        if sequence_first {
            self.check_expected_sequence(subject, message)?;
        }
        if let Some(id) = id
            && let Some(seq) = self.dedup.find(id, cx.now.wall, self.config.duplicate_window)
        {
            return Ok(Fate::Duplicate(seq));
        }
        if !sequence_first {
            self.check_expected_sequence(subject, message)?;
        }
        if message.header("Nats-Expected-Last-Msg-Id").is_some_and(|expected| !expected.is_empty() && expected != self.last_id) {
            return Err(ApiError::wrong_last_msg_id(&self.last_id));
        }
        let rollup = self.check_rollup(message)?;
        if u64::try_from(self.config.max_msg_size).is_ok_and(|limit| message.size() > limit) {
            return Err(ApiError::message_too_large());
        }
        if message.headers.as_ref().is_some_and(|headers| headers.as_bytes().len() > MAX_HEADERS) {
            return Err(ApiError::header_too_large());
        }
        if self.interests_nobody(subject) {
            let seq = self.log.skip(cx.now.mono);
            self.remember(id, seq, cx);
            cx.note(Note::Stored { stream: self.name.clone(), seq, subject: subject.clone() });
            cx.note(Note::Removed { stream: self.name.clone(), seq, why: Removal::Interest });
            if cx.rules.has(Rule::RollupWithoutInterest) {
                self.roll_up(rollup, subject, seq, cx);
            }
            return Ok(Fate::Stored(seq));
        }
        self.check_room(subject, message, rollup.is_some(), cx.rules)?;

        let seq = self.log.append(cx.now.mono, subject.clone(), message.headers.clone(), message.payload.clone(), cx.now.wall);
        self.remember(id, seq, cx);
        cx.note(Note::Stored { stream: self.name.clone(), seq, subject: subject.clone() });
        self.enforce_limits(subject, cx);
        self.roll_up(rollup, subject, seq, cx);
        Ok(Fate::Stored(seq))
    }

    /// Remembers the id of a message that has got a sequence.
    fn remember(&mut self, id: Option<&str>, seq: StreamSeq, cx: &Context) {
        id.unwrap_or_default().clone_into(&mut self.last_id);
        if let Some(id) = id {
            self.dedup.remember(id, seq, cx.now.wall);
        }
    }

    fn check_expected_sequence(&self, subject: &str, message: &Message) -> Result<(), ApiError> {
        // A value that is no number never matches.
        let expected = |name| message.header(name).map(|value| value.parse::<u64>().unwrap_or(u64::MAX));
        if let Some(expected) = expected("Nats-Expected-Last-Subject-Sequence") {
            let subject = message.header("Nats-Expected-Last-Subject-Sequence-Subject").unwrap_or(subject);
            let last = self.log.last_matching(subject).unwrap_or_default().0;
            if expected != last {
                return Err(ApiError::wrong_last_sequence(last));
            }
        }
        if let Some(expected) = expected("Nats-Expected-Last-Sequence") {
            let last = self.log.last_seq().0;
            if expected != last {
                return Err(ApiError::wrong_last_sequence(last));
            }
        }
        Ok(())
    }

    fn check_rollup(&self, message: &Message) -> Result<Option<Rollup>, ApiError> {
        let Some(value) = message.header("Nats-Rollup").filter(|value| !value.is_empty()) else { return Ok(None) };
        if !self.config.allow_rollup_hdrs || self.config.deny_purge {
            return Err(ApiError::stream_rollup_failed("rollup not permitted"));
        }
        match value.to_ascii_lowercase().as_str() {
            "sub" => Ok(Some(Rollup::Subject)),
            "all" => Ok(Some(Rollup::All)),
            other => Err(ApiError::stream_rollup_failed(format!("rollup value invalid: {other:?}"))),
        }
    }

    /// Removes everything older than a new message, if it asks for that: of its subject, or of the stream.
    fn roll_up(&mut self, rollup: Option<Rollup>, subject: &str, keep: StreamSeq, cx: &mut Context) {
        let filters = match rollup {
            None => return,
            Some(Rollup::Subject) => vec![subject.to_owned()],
            Some(Rollup::All) => Vec::new(),
        };
        let victims: Vec<StreamSeq> = self
            .log
            .entries()
            .filter(|entry| entry.seq < keep && super::accepts(&filters, &entry.subject))
            .map(|entry| entry.seq)
            .collect();
        for seq in &victims {
            self.log.remove(cx.now.mono, *seq);
            cx.note(Note::Removed { stream: self.name.clone(), seq: *seq, why: Removal::Purge });
        }
        if !victims.is_empty() {
            self.each_consumer(cx, |consumer, log, cx| consumer.purged(&filters, log, cx));
        }
    }
}

enum Rollup {
    Subject,
    All,
}
