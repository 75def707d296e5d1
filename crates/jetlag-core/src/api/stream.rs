//! API requests about streams and their messages.

use jetlag_model::{
    Advisory, ApiAnswer, ApiError, LogMessage, MsgGetRequest, Now, PurgeRequest, StreamConfig, StreamInfo, StreamInfoRequest, StreamSeq,
    filters_overlap,
};

use super::{decode, metadata};
use crate::Note;
use crate::core::Core;
use crate::rules::Rule;
use crate::stream::{self, Stream};

impl Core {
    pub(super) fn stream(&mut self, name: &str) -> Result<&mut Stream, ApiError> {
        self.streams.get_mut(name).ok_or_else(ApiError::stream_not_found)
    }

    fn stream_request(&self, body: &[u8]) -> Result<StreamConfig, ApiError> {
        if body.trim_ascii().is_empty() && !self.rules.has(Rule::EmptyBodyAccepted) {
            return Err(ApiError::invalid_json(None));
        }
        let mut config: StreamConfig = decode(body, self.rules)?;
        let level = stream::required_level(&config);
        metadata::store(&mut config.metadata, level, self.rules);
        Ok(config)
    }

    fn check_overlap(&self, config: &StreamConfig) -> Result<(), ApiError> {
        let others = self.streams.values().filter(|other| *other.name != *config.name);
        let taken = others.flat_map(|other| &other.config.subjects);
        let overlap = taken.into_iter().any(|taken| config.subjects.iter().any(|subject| filters_overlap(subject, taken)));
        if overlap { Err(ApiError::subjects_overlap()) } else { Ok(()) }
    }

    pub(super) fn create_stream(&mut self, now: Now, name: &str, body: &[u8]) -> Result<ApiAnswer, ApiError> {
        let config = self.stream_request(body)?;
        if config.name != name {
            return Err(ApiError::stream_name_mismatch());
        }
        if name.contains(['/', '\\']) {
            return Err(ApiError::stream_name_path_separators());
        }
        if config.sealed {
            return Err(ApiError::stream_invalid_config("stream configuration for create can not be sealed"));
        }
        let config = stream::checked(config, self.rules)?;
        stream::check_replicas(&config)?;
        if let Some(existing) = self.streams.get(name) {
            // The same again is no error, and says that it created it.
            if existing.config != config {
                return Err(ApiError::stream_name_in_use());
            }
            return self.tell_stream(now, name, true);
        }
        self.check_reservation(&config, None)?;
        self.check_overlap(&config)?;
        self.streams_created += 1;
        let stream = Stream::new(config, self.streams_created, now.wall);
        let mut cx = self.context(now);
        cx.note(Note::StreamCreated { config: Box::new(stream.config.clone()) });
        cx.advise(name, "", &Advisory::StreamCreated);
        self.streams.insert(stream.name.clone(), stream);
        self.streams_changed(now);
        self.tell_stream(now, name, true)
    }

    pub(super) fn update_stream(&mut self, now: Now, name: &str, body: &[u8]) -> Result<ApiAnswer, ApiError> {
        let mut config = stream::checked(self.stream_request(body)?, self.rules)?;
        if config.name != name {
            return Err(ApiError::stream_name_mismatch());
        }
        let rules = self.rules;
        if rules.has(Rule::ReplicasCheckedOnUpdate) {
            stream::check_replicas(&config)?;
        }
        let existing = self.stream(name)?;
        stream::check_update(&existing.config, &config, rules)?;
        existing.check_consumer_limits(&config.consumer_limits, rules)?;
        stream::seal(&mut config);
        self.check_reservation(&config, self.streams.get(name).map(|stream| &stream.config))?;
        self.check_overlap(&config)?;
        self.with_stream(now, name, |stream, cx| stream.update(config, cx));
        self.streams_changed(now);
        self.tell_stream(now, name, false)
    }

    /// Whether a body that may be left out is there: newer servers pass over what is no JSON object.
    fn is_body(&self, body: &[u8]) -> bool {
        let first = body.trim_ascii().first();
        if self.rules.has(Rule::OptionalBodyMustBeObject) { matches!(first, Some(b'{' | b'[')) } else { first.is_some() }
    }

    pub(super) fn stream_info(&mut self, now: Now, name: &str, body: &[u8]) -> Result<ApiAnswer, ApiError> {
        if self.is_body(body) {
            decode::<StreamInfoRequest>(body, self.rules)?;
        }
        self.tell_stream(now, name, false)
    }

    fn tell_stream(&mut self, now: Now, name: &str, created: bool) -> Result<ApiAnswer, ApiError> {
        let rules = self.rules;
        let mut info: StreamInfo = self.with_stream(now, name, |stream, cx| stream.info(cx)).ok_or_else(ApiError::stream_not_found)?;
        metadata::answer(&mut info.config.metadata, rules);
        Ok(ApiAnswer::Stream(Box::new(info), created))
    }

    pub(super) fn delete_stream(&mut self, now: Now, name: &str) -> Result<ApiAnswer, ApiError> {
        let mut stream = self.streams.remove(name).ok_or_else(ApiError::stream_not_found)?;
        let names = stream.consumer_names();
        let mut cx = self.context(now);
        for consumer in &*names {
            if let Some(consumer) = stream.consumers.remove(consumer) {
                consumer.delete(&mut cx);
            }
        }
        cx.note(Note::StreamDeleted { stream: stream.name.clone() });
        cx.advise(name, "", &Advisory::StreamDeleted);
        self.streams_changed(now);
        Ok(ApiAnswer::Success)
    }

    pub(super) fn purge_stream(&mut self, now: Now, name: &str, body: &[u8]) -> Result<ApiAnswer, ApiError> {
        let purge: PurgeRequest = if self.is_body(body) { decode(body, self.rules)? } else { PurgeRequest::default() };
        if purge.seq > 0 && purge.keep > 0 {
            return Err(ApiError::bad_request());
        }
        let purged = self
            .with_stream(now, name, |stream, cx| stream.purge(&purge.filter, purge.seq, purge.keep, cx))
            .ok_or_else(ApiError::stream_not_found)??;
        Ok(ApiAnswer::Purged(purged))
    }

    pub(super) fn stream_names(&self) -> ApiAnswer {
        ApiAnswer::StreamNames(self.streams.names().map(ToString::to_string).collect())
    }

    pub(super) fn stream_list(&mut self, now: Now) -> ApiAnswer {
        let names: Vec<_> = self.streams.names().cloned().collect();
        ApiAnswer::StreamList(names.iter().filter_map(|name| self.with_stream(now, name, |stream, cx| stream.info(cx))).collect())
    }

    pub(super) fn get_message(&mut self, name: &str, body: &[u8]) -> Result<ApiAnswer, ApiError> {
        let wanted: MsgGetRequest = decode(body, self.rules)?;
        let rules = self.rules;
        let log = &self.stream(name)?.log;
        let asked = [wanted.seq > 0 && wanted.next_by_subj.is_empty(), !wanted.last_by_subj.is_empty(), !wanted.next_by_subj.is_empty()];
        if asked.iter().filter(|asked| **asked).count() != 1 {
            return Err(ApiError::bad_request());
        }
        let entry = if !wanted.last_by_subj.is_empty() {
            log.last_told(&wanted.last_by_subj, rules).and_then(|seq| log.entry(seq))
        } else if !wanted.next_by_subj.is_empty() {
            log.next_matching(std::slice::from_ref(&wanted.next_by_subj), StreamSeq(wanted.seq))
        } else {
            log.entry(StreamSeq(wanted.seq))
        };
        let entry = entry.ok_or_else(ApiError::no_message_found)?;
        let message = LogMessage::new(&entry.subject, entry.seq, entry.headers.as_ref(), &entry.payload, entry.time);
        Ok(ApiAnswer::Message(message))
    }

    pub(super) fn delete_message(&mut self, now: Now, name: &str, body: &[u8]) -> Result<ApiAnswer, ApiError> {
        let wanted: MsgGetRequest = decode(body, self.rules)?;
        let inside = body.trim_ascii().strip_prefix(b"{").and_then(|body| body.strip_suffix(b"}"));
        if inside.unwrap_or(body).trim_ascii().is_empty() {
            return Err(ApiError::bad_request());
        }
        self.with_stream(now, name, |stream, cx| stream.delete_message(StreamSeq(wanted.seq), !wanted.no_erase, cx))
            .ok_or_else(ApiError::stream_not_found)??;
        Ok(ApiAnswer::Success)
    }
}
