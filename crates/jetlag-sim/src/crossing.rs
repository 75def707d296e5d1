//! What crosses a link, described for fault rules and for the trace: classification of frames in both directions.

use std::sync::Arc;

use jetlag_fault::{Crossing, CrossingKind};
use jetlag_model::{AckKind, AckToken, Address, DeliveryCount, Message, Sid, StreamSeq, Time};
use jetlag_trace::{Key, Kind, Place, Record};

use crate::client::{Client, Received, Request};

/// The header field of a message's id.
const MSG_ID: &str = "Nats-Msg-Id";

/// One thing about to cross a link.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) kind: CrossingKind,
    client: Arc<str>,
    stream: Option<Arc<str>>,
    consumer: Option<Arc<str>>,
    subject: Option<Arc<str>>,
    stream_seq: Option<StreamSeq>,
    delivery_count: Option<DeliveryCount>,
    /// A message id or a pull's name.
    name: Option<Arc<str>>,
    answered: bool,
    pull: Option<Arc<str>>,
    code: Option<u16>,
}

impl Description {
    fn new(kind: CrossingKind, client: &Client) -> Description {
        Description {
            kind,
            client: client.name().clone(),
            stream: None,
            consumer: None,
            subject: None,
            stream_seq: None,
            delivery_count: None,
            name: None,
            answered: false,
            pull: None,
            code: None,
        }
    }

    fn of_delivery(kind: CrossingKind, client: &Client, token: &AckToken) -> Description {
        let known = client.message_of(token);
        Description {
            stream: Some(token.stream.clone()),
            consumer: Some(token.consumer.clone()),
            subject: known.map(|delivery| delivery.subject.clone()),
            stream_seq: Some(token.stream_seq),
            delivery_count: Some(token.delivery_count),
            name: known.and_then(|delivery| delivery.header(MSG_ID)).map(Into::into),
            ..Description::new(kind, client)
        }
    }

    /// A message that a client sends.
    pub(crate) fn up(client: &Client, message: &Message) -> Description {
        let reply = message.reply.as_ref().map(Address::text);
        let answered = reply.as_ref().is_some_and(|reply| client.request_of_reply(reply).is_some());
        let pull = reply.as_ref().and_then(|reply| client.pull_of_reply(reply)).map(|pull| pull.name.clone());
        if let Some(token) = message.subject.ack_token() {
            let kind = match AckKind::parse(&message.payload) {
                // What the server does not understand it confirms and ignores.
                AckKind::Ack | AckKind::Unknown => CrossingKind::Ack,
                AckKind::Nak { .. } => CrossingKind::Nak,
                AckKind::InProgress => CrossingKind::InProgress,
                AckKind::Term { .. } => CrossingKind::Term,
                AckKind::Next { .. } => CrossingKind::Next,
            };
            return Description { answered, ..Description::of_delivery(kind, client, &token) };
        }
        let subject = message.subject.text();
        let Some(api) = subject.strip_prefix("$JS.API.") else {
            let name = message.header(MSG_ID).map(Into::into);
            return Description {
                subject: Some(subject.as_ref().into()),
                name,
                answered,
                ..Description::new(CrossingKind::Publish, client)
            };
        };
        let tokens: Vec<&str> = api.split('.').collect();
        let token = |index: usize| tokens.get(index).map(|token| Arc::from(*token));
        // The names stand behind the verb: STREAM.INFO.S, CONSUMER.INFO.S.C, CONSUMER.MSG.NEXT.S.C, CONSUMER.DURABLE.CREATE.S.C.
        let (stream, consumer) = match tokens.as_slice() {
            ["CONSUMER", "MSG", "NEXT", ..] | ["CONSUMER", "DURABLE", "CREATE", ..] => (token(3), token(4)),
            ["CONSUMER", ..] => (token(2), token(3)),
            ["STREAM", "MSG", ..] => (token(3), None),
            ["STREAM", ..] => (token(2), None),
            _ => (None, None),
        };
        if api.starts_with("CONSUMER.MSG.NEXT.") {
            return Description { stream, consumer, name: pull.clone(), pull, ..Description::new(CrossingKind::Pull, client) };
        }
        Description { stream, consumer, subject: Some(subject.as_ref().into()), answered, ..Description::new(CrossingKind::Api, client) }
    }

    /// A message that a client is about to get.
    pub(crate) fn down(client: &Client, sid: Sid, message: &Message) -> Description {
        let subject: Arc<str> = message.subject.text().as_ref().into();
        match client.classify(sid, message) {
            Received::Delivery { token, pull } => Description {
                subject: Some(subject),
                name: message.header(MSG_ID).map(Into::into),
                pull,
                ..Description::of_delivery(CrossingKind::Delivery, client, &token)
            },
            Received::Status { code, pull, .. } => {
                let kind = if code == 100 { CrossingKind::Heartbeat } else { CrossingKind::Status };
                let of = pull.as_ref().and_then(|name| client.pull(name));
                Description {
                    stream: of.map(|pull| pull.stream.clone()),
                    consumer: of.map(|pull| pull.consumer.clone()),
                    pull,
                    code: Some(code),
                    ..Description::new(kind, client)
                }
            }
            Received::Answer { request: Request::Publish { subject, msg_id }, .. } => {
                let body = serde_json::from_slice::<serde_json::Value>(&message.payload).unwrap_or_default();
                Description {
                    stream: body.get("stream").and_then(|stream| stream.as_str()).map(Into::into),
                    stream_seq: body.get("seq").and_then(serde_json::Value::as_u64).map(StreamSeq),
                    subject: Some(subject),
                    name: msg_id,
                    ..Description::new(CrossingKind::PubAck, client)
                }
            }
            Received::Answer { request: Request::Ack { token }, .. } => Description::of_delivery(CrossingKind::AckReply, client, &token),
            Received::Answer { request: Request::Api { subject }, .. } => {
                Description { subject: Some(subject), ..Description::new(CrossingKind::ApiReply, client) }
            }
            Received::Advisory => {
                let body = serde_json::from_slice::<serde_json::Value>(&message.payload).unwrap_or_default();
                let text = |key: &str| body.get(key).and_then(|value| value.as_str()).map(Into::into);
                Description {
                    stream: text("stream"),
                    consumer: text("consumer"),
                    stream_seq: body.get("stream_seq").and_then(serde_json::Value::as_u64).map(StreamSeq),
                    subject: Some(subject),
                    ..Description::new(CrossingKind::Advisory, client)
                }
            }
            Received::Message | Received::Stray => {
                Description { subject: Some(subject), ..Description::new(CrossingKind::Message, client) }
            }
        }
    }

    /// As fault rules look at it.
    pub(crate) fn crossing<'a>(&'a self, payload: &'a [u8]) -> Crossing<'a> {
        Crossing {
            kind: self.kind,
            client: &self.client,
            stream: self.stream.as_deref(),
            consumer: self.consumer.as_deref(),
            subject: self.subject.as_deref(),
            stream_seq: self.stream_seq,
            delivery_count: self.delivery_count,
            payload,
            name: self.name.as_deref(),
            answered: self.answered,
        }
    }

    /// A record about it, on the client's link.
    pub(crate) fn record(&self, at: Time, kind: Kind) -> Record {
        let place = Place::link(self.client.clone(), self.kind.direction());
        let mut record = Record::new(at, place, kind).with(Key::Crossing, self.kind.name());
        let texts = [(Key::Stream, &self.stream), (Key::Consumer, &self.consumer), (Key::Subject, &self.subject), (Key::Pull, &self.pull)];
        for (key, text) in texts {
            if let Some(text) = text {
                record.fields.set(key, text);
            }
        }
        if let Some(seq) = self.stream_seq {
            record.fields.set(Key::StreamSeq, seq);
        }
        // Which attempt it is says something about a delivery; an acknowledgement is about the message.
        if let Some(count) = self.delivery_count.filter(|_| self.kind == CrossingKind::Delivery) {
            record.fields.set(Key::DeliveryCount, count);
        }
        if let Some(code) = self.code {
            record.fields.set(Key::Code, code);
        }
        record
    }
}
