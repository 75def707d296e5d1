//! Storing a message: the checks in the server's order (`processJetStreamMsgWithBatch`, `server/stream.go`, 2.15), and the pub ack.

use jetlag_model::{ApiError, Duration, Message, PubAck, StreamSeq, Text};

use super::Stream;
use crate::context::Context;
use crate::rules::{Rule, Rules};
use crate::{Note, Removal};

/// The header that makes a message known by an id.
pub(super) const MSG_ID: &str = "Nats-Msg-Id";

/// The header that says how long a message lives.
const MSG_TTL: &str = "Nats-TTL";

/// Largest header block, bytes.
const MAX_HEADERS: usize = 65_535;

/// What became of a message.
enum Fate {
    Stored(StreamSeq),
    Duplicate(StreamSeq),
    /// Not stored, and nobody is told.
    Dropped,
}

impl Stream {
    /// Takes a message that was published to one of the stream's subjects, and answers if an answer is wanted. `is_full` says whether the server
    /// has no room for any message.
    pub(crate) fn publish(&mut self, subject: &Text, message: &Message, is_full: bool, cx: &mut Context) {
        let fate = self.store(subject, message, is_full, cx);
        if let Some(reply) = message.reply.as_ref().filter(|_| !self.config.no_ack) {
            let (seq, duplicate, error) = match &fate {
                Ok(Fate::Stored(seq)) => (*seq, false, None),
                Ok(Fate::Duplicate(seq)) => (*seq, true, None),
                Ok(Fate::Dropped) => return,
                Err(error) => (StreamSeq(0), false, Some(error.clone())),
            };
            let ack = PubAck { error, stream: self.name.clone(), seq, duplicate };
            cx.send(reply.shared(), None, &ack.body(!cx.rules.has(Rule::PubAckUnspaced)));
        }
        if let Ok(Fate::Stored(seq)) = fate {
            self.each_consumer(cx, |consumer, log, cx| consumer.message_stored(seq, subject, log, cx));
        }
    }

    fn store(&mut self, subject: &Text, message: &Message, is_full: bool, cx: &mut Context) -> Result<Fate, ApiError> {
        if self.config.sealed {
            return Err(ApiError::stream_sealed());
        }
        let size_first = cx.rules.has(Rule::SizeBeforeHeaders);
        if size_first {
            self.check_size(message)?;
        }
        if message.header("Nats-Expected-Stream").is_some_and(|stream| !stream.is_empty() && stream != self.config.name) {
            return Err(ApiError::stream_not_match());
        }
        let ttl = message.header(MSG_TTL).filter(|ttl| !ttl.is_empty() && cx.rules.has(Rule::MessageTtls));
        if ttl.is_some_and(is_valid_ttl) {
            return Err(ApiError::message_ttl_disabled());
        }
        let id = message.header(MSG_ID).filter(|id| !id.is_empty());
        let sequence_first = cx.rules.has(Rule::ExpectedSequenceBeforeDedup);
        if sequence_first {
            self.check_expected_sequence(subject, message, cx.rules)?;
        }
        if let Some(id) = id
            && let Some(seq) = self.dedup.find(id, cx.now.wall, self.config.duplicate_window)
        {
            return Ok(Fate::Duplicate(seq));
        }
        if !sequence_first {
            self.check_expected_sequence(subject, message, cx.rules)?;
        }
        if message.header("Nats-Expected-Last-Msg-Id").is_some_and(|expected| !expected.is_empty() && expected != self.last_id) {
            return Err(ApiError::wrong_last_msg_id(&self.last_id));
        }
        let rollup = match self.check_rollup(message, cx.rules) {
            Ok(rollup) => rollup,
            Err(Some(error)) => return Err(error),
            Err(None) => return Ok(Fate::Dropped),
        };
        if !size_first {
            self.check_size(message)?;
        }
        if message.headers.as_ref().is_some_and(|headers| headers.as_bytes().len() > MAX_HEADERS) {
            return Err(ApiError::header_too_large());
        }
        if is_full {
            return Err(ApiError::insufficient_resources());
        }
        if self.interests_nobody(subject) {
            let seq = self.log.skip(cx.now.mono);
            self.remember(id, seq, false, cx);
            cx.note(Note::Stored { stream: self.name.clone(), seq, subject: subject.clone() });
            cx.note(Note::Removed { stream: self.name.clone(), seq, why: Removal::Interest });
            if cx.rules.has(Rule::RollupWithoutInterest) {
                self.roll_up(rollup, subject, 0, cx);
                self.terminate_removed(cx);
            }
            return Ok(Fate::Stored(seq));
        }
        if ttl.is_some() {
            return Err(ApiError::message_ttl_invalid());
        }
        self.check_room(subject, message, rollup.is_some(), cx.rules)?;

        let seq = self.log.append(cx.now.mono, subject.clone(), message.headers.clone(), message.payload.clone(), cx.now.wall);
        self.remember(id, seq, true, cx);
        cx.note(Note::Stored { stream: self.name.clone(), seq, subject: subject.clone() });
        self.enforce_limits(subject, cx);
        self.roll_up(rollup, subject, 1, cx);
        self.terminate_removed(cx);
        Ok(Fate::Stored(seq))
    }

    fn check_size(&self, message: &Message) -> Result<(), ApiError> {
        let too_large = u64::try_from(self.config.max_msg_size).is_ok_and(|limit| message.size() > limit);
        if too_large { Err(ApiError::message_too_large()) } else { Ok(()) }
    }

    /// Remembers the id of a message that has got a sequence, and is stored if somebody wants it.
    fn remember(&mut self, id: Option<&str>, seq: StreamSeq, is_wanted: bool, cx: &Context) {
        id.unwrap_or_default().clone_into(&mut self.last_id);
        match id {
            Some(id) if is_wanted => self.dedup.remember(id, seq, cx.now.wall),
            Some(id) => self.dedup.remember_unwanted(id, seq, cx.now.wall),
            None => {}
        }
    }

    fn check_expected_sequence(&self, subject: &str, message: &Message, rules: Rules) -> Result<(), ApiError> {
        // A value that is no number never matches.
        let expected = |name| message.header(name).map(|value| value.parse::<u64>().unwrap_or(u64::MAX));
        let other = message
            .header("Nats-Expected-Last-Subject-Sequence-Subject")
            .filter(|other| !other.is_empty() && rules.has(Rule::ExpectedSequenceOfAnotherSubject));
        if let Some(expected) = expected("Nats-Expected-Last-Subject-Sequence") {
            let subject = other.unwrap_or(subject);
            let last = self.log.last_told(subject, rules).unwrap_or_default().0;
            if expected != last {
                return Err(ApiError::wrong_last_sequence(last));
            }
        } else if other.is_some() && rules.has(Rule::ExpectedSubjectNeedsSequence) {
            return Err(ApiError::expected_subject_without_sequence());
        }
        if let Some(expected) = expected("Nats-Expected-Last-Sequence") {
            let last = self.log.last_seq().0;
            if expected != last {
                return Err(ApiError::wrong_last_sequence(last));
            }
        }
        Ok(())
    }

    /// An error that is `None` is not told.
    fn check_rollup(&self, message: &Message, rules: Rules) -> Result<Option<Rollup>, Option<ApiError>> {
        let Some(value) = message.header("Nats-Rollup").filter(|value| !value.is_empty()) else { return Ok(None) };
        if !self.config.allow_rollup_hdrs || self.config.deny_purge {
            return Err(Some(ApiError::stream_rollup_failed("rollup not permitted")));
        }
        match value.to_ascii_lowercase().as_str() {
            "sub" => Ok(Some(Rollup::Subject)),
            "all" => Ok(Some(Rollup::All)),
            other => {
                let error = ApiError::stream_rollup_failed(format!("rollup value invalid: {other:?}"));
                Err(rules.has(Rule::InvalidRollupAnswered).then_some(error))
            }
        }
    }

    /// Removes what a message replaces, if it asks for that: all of its subject, or of the stream, but `keep`, which is the message itself.
    fn roll_up(&mut self, rollup: Option<Rollup>, subject: &str, keep: u64, cx: &mut Context) {
        match rollup {
            None => {}
            Some(Rollup::Subject) => _ = self.purge_messages(&[subject.to_owned()], 0, keep, cx),
            Some(Rollup::All) => _ = self.purge_messages(&[], 0, keep, cx),
        }
    }
}

/// Whether a time to live can be read: `never`, whole seconds, or a duration of a second or more (`parseMessageTTL`).
fn is_valid_ttl(text: &str) -> bool {
    let seconds = || text.parse::<u64>().is_ok_and(|seconds| seconds > 0);
    text.eq_ignore_ascii_case("never") || seconds() || text.parse::<Duration>().is_ok_and(|ttl| ttl >= Duration::from_secs(1))
}

enum Rollup {
    Subject,
    All,
}
