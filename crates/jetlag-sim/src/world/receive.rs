//! What a client makes of a message that reached it: the record, and what follows from it.

use std::sync::Arc;

use jetlag_model::{AckToken, Headers, Message, Sid, StreamSeq};
use jetlag_trace::{Key, Kind, Place, Record};
use serde_json::Value as Json;

use super::{Down, World};
use crate::client::{Request, RequestId};
use crate::{Backend, Received, Sent, WorldError, client};

impl<B: Backend> World<B> {
    /// A message reaches a client.
    pub(super) fn arrive(&mut self, member: usize, sid: Sid, message: &Message, passage: Down) -> Result<(), WorldError> {
        let (received, frames) = self.members[member].client.receive(sid, message);
        let mut touched = None;
        // Of the statuses that end a pull, only the expiry says that the next one may do better at once.
        let refused = matches!(received, Received::Status { code, .. } if code != 100 && code != 408);
        match received {
            Received::Delivery { token, pull } => touched = self.got(member, token, message, pull, &passage),
            Received::Status { code, text, pull } => {
                touched = pull.as_ref().and_then(|pull| self.members[member].pulls.get(pull)).copied();
                self.status(member, code, &text, message.headers.as_ref(), pull);
            }
            Received::Answer { id, request } => self.answer(member, id, request, message),
            Received::Advisory => self.advisory(member, message),
            Received::Message => {
                let mut record = message_fields(self.client_record(member, Kind::Message), message);
                if let Some(reply) = &message.reply {
                    record.fields.set(Key::Reply, reply.text().as_ref());
                }
                self.push_as_cause(record);
            }
            Received::Stray => {}
        }
        self.send(member, frames)?;
        self.act_once_answered(member, passage.then)?;
        let Some(worker) = touched else { return Ok(()) };
        match (refused, self.workers[worker].pull().cloned()) {
            (true, Some(pull)) => self.pull_again_later(worker, &pull),
            _ => self.notice_pull_end(worker),
        }
        self.work(worker)
    }

    /// A delivery came. Returns the worker whose it is.
    fn got(&mut self, member: usize, token: AckToken, message: &Message, pull: Option<Arc<str>>, passage: &Down) -> Option<usize> {
        let mut record = message_fields(self.client_record(member, Kind::Got), message)
            .with(Key::Stream, &token.stream)
            .with(Key::Consumer, &token.consumer)
            .with(Key::StreamSeq, token.stream_seq)
            .with(Key::ConsumerSeq, token.consumer_seq)
            .with(Key::DeliveryCount, token.delivery_count)
            .with(Key::NumPending, token.num_pending);
        if let Some(pull) = &pull {
            record.fields.set(Key::Pull, pull);
        }
        let n = self.push_as_cause(record);
        let worker = pull.as_ref().and_then(|pull| self.members[member].pulls.get(pull)).copied();
        let name = self.members[member].client.name().clone();
        let delivery = client::delivery(&name, self.backend.now(), token, message, pull, n);
        self.members[member].client.remember(delivery.clone());
        self.deliveries.push(delivery.clone());
        if let Some(worker) = worker {
            self.workers[worker].take(delivery, passage.slow);
        }
        worker
    }

    fn status(&mut self, member: usize, code: u16, text: &str, headers: Option<&Headers>, pull: Option<Arc<str>>) {
        let kind = if code == 503 { Kind::NoResponders } else { Kind::Status };
        let mut record = self.client_record(member, kind);
        if kind == Kind::Status {
            record = record.with(Key::Code, code).with(Key::Description, text);
        }
        for (name, key) in [
            ("Nats-Pending-Messages", Key::PendingMessages),
            ("Nats-Pending-Bytes", Key::PendingBytes),
            ("Nats-Last-Consumer", Key::LastConsumerSeq),
            ("Nats-Last-Stream", Key::LastStreamSeq),
        ] {
            match headers.and_then(|headers| headers.get(name)).map(|value| (value.parse::<u64>(), value.parse::<i64>())) {
                Some((Ok(value), _)) => record.fields.set(key, value),
                // A pull request for less than nothing is still owed less than nothing.
                Some((_, Ok(value))) => record.fields.set(key, value),
                _ => {}
            }
        }
        // A pull has its name; what else was asked for, only the server can say.
        match (pull, headers.and_then(|headers| headers.get("Nats-Subject"))) {
            (Some(pull), _) => record.fields.set(Key::Pull, pull),
            (None, Some(subject)) => record.fields.set(Key::Subject, subject),
            (None, None) => {}
        }
        self.push_as_cause(record);
    }

    fn answer(&mut self, member: usize, id: RequestId, request: Request, message: &Message) {
        self.members[member].lost_replies.remove(&id);
        let nobody = message.headers.as_ref().and_then(Headers::status).is_some_and(|status| status.code == 503);
        match request {
            Request::Publish { .. } if nobody => {
                let record = self.client_record(member, Kind::NoResponders);
                self.push_as_cause(record);
            }
            Request::Publish { .. } => {
                let record = pub_ack(self.client_record(member, Kind::Stored), self.client_record(member, Kind::Refused), message);
                self.push_as_cause(record);
            }
            Request::Ack { token } => {
                let kind = if nobody { Kind::NoResponders } else { Kind::Confirmed };
                let record = self
                    .client_record(member, kind)
                    .with(Key::Stream, &token.stream)
                    .with(Key::Consumer, &token.consumer)
                    .with(Key::StreamSeq, token.stream_seq);
                self.push_as_cause(record);
                if let Some((worker, delivery, action)) = self.members[member].confirmations.remove(&id)
                    && !nobody
                {
                    self.workers[worker].handler().sent(&delivery, &action, &Sent::Confirmed);
                }
            }
            Request::Api { .. } => {
                self.answers.insert((member, id), message.clone());
            }
        }
    }

    fn advisory(&mut self, member: usize, message: &Message) {
        let mut record = self.client_record(member, Kind::Advisory);
        let body: Json = serde_json::from_slice(&message.payload).unwrap_or_default();
        let kind = body.get("type").and_then(Json::as_str).and_then(|name| name.rsplit('.').next());
        record.fields.set(Key::Advisory, kind.unwrap_or("unknown"));
        for (name, key) in [("stream", Key::Stream), ("consumer", Key::Consumer), ("action", Key::Action), ("reason", Key::Reason)] {
            if let Some(text) = body.get(name).and_then(Json::as_str) {
                record.fields.set(key, text);
            }
        }
        for (name, key) in [("stream_seq", Key::StreamSeq), ("consumer_seq", Key::ConsumerSeq), ("deliveries", Key::Deliveries)] {
            if let Some(number) = body.get(name).and_then(Json::as_u64) {
                record.fields.set(key, number);
            }
        }
        self.push_as_cause(record);
    }

    pub(super) fn client_record(&self, member: usize, kind: Kind) -> Record {
        Record::new(self.backend.now(), Place::client(self.members[member].client.name().clone()), kind)
    }

    /// Adds a record that leads to what comes next.
    pub(super) fn push_as_cause(&mut self, record: Record) -> u64 {
        let n = self.push(record);
        self.set_cause(Some(n));
        n
    }
}

/// Subject, payload and headers.
fn message_fields(record: Record, message: &Message) -> Record {
    let record = record.with(Key::Subject, message.subject.text().as_ref()).with(Key::Payload, &message.payload);
    match &message.headers {
        Some(headers) => record.with(Key::Headers, headers),
        None => record,
    }
}

/// The record of a pub ack: one or the other.
fn pub_ack(stored: Record, refused: Record, message: &Message) -> Record {
    let body: Json = serde_json::from_slice(&message.payload).unwrap_or_default();
    if let Some(error) = body.get("error") {
        return error_fields(refused, error);
    }
    let number = |key: &str| body.get(key).and_then(Json::as_u64);
    let mut stored = stored.with(Key::StreamSeq, StreamSeq(number("seq").unwrap_or(0)));
    if let Some(stream) = body.get("stream").and_then(Json::as_str) {
        stored.fields.set(Key::Stream, stream);
    }
    if body.get("duplicate").and_then(Json::as_bool) == Some(true) {
        stored.fields.set(Key::Duplicate, true);
    }
    stored
}

/// Code, err_code and text of an API error.
pub(crate) fn error_fields(mut record: Record, error: &Json) -> Record {
    for (name, key) in [("code", Key::Code), ("err_code", Key::ErrCode)] {
        if let Some(number) = error.get(name).and_then(Json::as_u64) {
            record.fields.set(key, number);
        }
    }
    record.with(Key::Description, error.get("description").and_then(Json::as_str).unwrap_or_default())
}
