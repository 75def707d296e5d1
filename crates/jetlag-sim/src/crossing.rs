//! What crosses a link, described for fault rules and for the trace: classification of frames in both directions.

use jetlag_fault::{Crossing, CrossingKind, Rules, Verdict};
use jetlag_model::{AckKind, AckToken, Address, DeliveryCount, Headers, Message, Sid, StreamSeq, Text, Time};
use jetlag_trace::{Key, Kind, Place, Record};

use crate::arrival::{PublishAnswer, stored_record};
use crate::client::{Received, Request};

/// The header field of a message's id.
pub(crate) const MSG_ID: &str = "Nats-Msg-Id";

/// What is known at the client's end of a link: enough to tell what crosses it. A simulated client knows it of itself; of a real client, who
/// stands at its link has to remember it.
pub trait Peer {
    /// The client's name.
    fn name(&self) -> &Text;

    /// The message at this place of the stream, of which the consumer delivered it this, or another, time.
    fn message_of(&self, stream: &Text, consumer: &Text, seq: StreamSeq) -> Option<Known<'_>>;

    /// Whether it waits for an answer at this reply subject.
    fn awaits(&self, reply: &str) -> bool;

    /// The name of the pull whose inbox this reply subject is.
    fn pull_of_reply(&self, reply: &str) -> Option<Text>;

    /// Stream and consumer of the pull of this name.
    fn asked_by(&self, pull: &str) -> Option<(Text, Text)>;

    /// What it makes of a message for one of its subscriptions.
    fn classify(&self, sid: Sid, message: &Message) -> Received;
}

/// What a client knows of a message it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// The message's subject.
    pub subject: &'a Text,
    /// Its header.
    pub headers: Option<&'a Headers>,
    /// Its payload.
    pub payload: &'a [u8],
}

impl Known<'_> {
    /// The message's id, if it has one.
    fn msg_id(&self) -> Option<Text> {
        self.headers?.get(MSG_ID).map(Into::into)
    }
}

/// One thing about to cross a link.
#[derive(Clone, Debug)]
pub struct Description {
    kind: CrossingKind,
    client: Text,
    stream: Option<Text>,
    consumer: Option<Text>,
    subject: Option<Text>,
    stream_seq: Option<StreamSeq>,
    delivery_count: Option<DeliveryCount>,
    /// A message id or a pull's name.
    name: Option<Text>,
    answered: bool,
    pull: Option<Text>,
    code: Option<u16>,
    /// Of a pub ack for what was stored: whether it was a duplicate. Stream and sequence are there then, too.
    stored: Option<bool>,
}

impl Description {
    fn new(kind: CrossingKind, client: &dyn Peer) -> Description {
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
            stored: None,
        }
    }

    fn of_delivery(kind: CrossingKind, client: &dyn Peer, token: &AckToken) -> Description {
        let known = client.message_of(&token.stream, &token.consumer, token.stream_seq);
        Description {
            stream: Some(token.stream.clone()),
            consumer: Some(token.consumer.clone()),
            subject: known.map(|known| known.subject.clone()),
            stream_seq: Some(token.stream_seq),
            delivery_count: Some(token.delivery_count),
            name: known.and_then(|known| known.msg_id()),
            ..Description::new(kind, client)
        }
    }

    /// A client's attempt to make a connection.
    pub fn connect(client: &dyn Peer) -> Description {
        Description::new(CrossingKind::Connect, client)
    }

    /// A message that a client sends.
    pub fn up(client: &dyn Peer, message: &Message) -> Description {
        let reply = message.reply.as_ref().map(Address::text);
        let answered = reply.as_ref().is_some_and(|reply| client.awaits(reply));
        let pull = reply.as_ref().and_then(|reply| client.pull_of_reply(reply));
        if let Some(token) = message.subject.token() {
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
        let subject = message.subject.shared();
        let Some(api) = subject.strip_prefix("$JS.API.") else {
            let name = message.header(MSG_ID).map(Into::into);
            return Description { subject: Some(subject), name, answered, ..Description::new(CrossingKind::Publish, client) };
        };
        let tokens: Vec<&str> = api.split('.').collect();
        let token = |index: usize| tokens.get(index).map(|token| Text::from(*token));
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
        Description { stream, consumer, subject: Some(subject.clone()), answered, ..Description::new(CrossingKind::Api, client) }
    }

    /// A message that a client is about to get.
    pub fn down(client: &dyn Peer, received: &Received, message: &Message) -> Description {
        let subject = message.subject.shared();
        match received {
            Received::Delivery { token, pull } => Description {
                stream: Some(token.stream.clone()),
                consumer: Some(token.consumer.clone()),
                subject: Some(subject),
                stream_seq: Some(token.stream_seq),
                delivery_count: Some(token.delivery_count),
                name: message.header(MSG_ID).map(Into::into),
                pull: pull.clone(),
                ..Description::new(CrossingKind::Delivery, client)
            },
            Received::Status { code, pull, .. } => {
                let kind = if *code == 100 { CrossingKind::Heartbeat } else { CrossingKind::Status };
                let (stream, consumer) = pull.as_ref().and_then(|name| client.asked_by(name)).unzip();
                Description { stream, consumer, pull: pull.clone(), code: Some(*code), ..Description::new(kind, client) }
            }
            Received::Answer { request: Request::Publish { subject, msg_id }, .. } => {
                let answer = PublishAnswer::read(&message.payload);
                Description {
                    stored: answer.is_stored().then_some(answer.duplicate),
                    stream: answer.stream.map(Into::into),
                    stream_seq: answer.seq.map(StreamSeq),
                    subject: Some(subject.clone()),
                    name: msg_id.clone(),
                    ..Description::new(CrossingKind::PubAck, client)
                }
            }
            Received::Answer { request: Request::Ack { token }, .. } => Description::of_delivery(CrossingKind::AckReply, client, token),
            Received::Answer { request: Request::Api { subject }, .. } => {
                Description { subject: Some(subject.clone()), ..Description::new(CrossingKind::ApiReply, client) }
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

    /// The record of a pub ack that reached its client, if this is one for what was stored.
    pub(crate) fn stored_record(&self, at: Time) -> Option<Record> {
        let (stream, seq, duplicate) = (self.stream.clone()?, self.stream_seq?, self.stored?);
        Some(stored_record(at, Place::client(self.client.clone()), Some(stream), duplicate, seq))
    }

    /// Of an acknowledgement or the confirmation of one, the message that it is about; none where no rule looks inside.
    pub fn acknowledged<'p>(&self, client: &'p dyn Peer, rules: &Rules) -> Option<Known<'p>> {
        match self.kind {
            _ if !rules.look_inside() => None,
            CrossingKind::Ack
            | CrossingKind::Nak
            | CrossingKind::InProgress
            | CrossingKind::Term
            | CrossingKind::Next
            | CrossingKind::AckReply => client.message_of(self.stream.as_ref()?, self.consumer.as_ref()?, self.stream_seq?),
            _ => None,
        }
    }

    /// As fault rules look at it: what was described, which for an attempt to connect is no message, and what [`Description::acknowledged`] says.
    pub fn crossing<'a>(&'a self, message: Option<&'a Message>, acknowledged: Option<Known<'a>>) -> Crossing<'a> {
        let payload: &[u8] = message.map_or(&[], |message| &message.payload);
        let (headers, content) = match self.kind {
            CrossingKind::Publish
            | CrossingKind::Api
            | CrossingKind::Delivery
            | CrossingKind::ApiReply
            | CrossingKind::Advisory
            | CrossingKind::Message => (message.and_then(|message| message.headers.as_ref()), Some(payload)),
            _ => (acknowledged.and_then(|known| known.headers), acknowledged.map(|known| known.payload)),
        };
        Crossing {
            kind: self.kind,
            client: &self.client,
            stream: self.stream.as_deref(),
            consumer: self.consumer.as_deref(),
            subject: self.subject.as_deref(),
            stream_seq: self.stream_seq,
            delivery_count: self.delivery_count,
            payload,
            headers,
            content,
            name: self.name.as_deref(),
            answered: self.answered,
        }
    }

    /// A record about it, on the client's link.
    pub fn record(&self, at: Time, kind: Kind) -> Record {
        let place = Place::link(self.client.clone(), self.kind.direction());
        let mut record = Record::new(at, place, kind).with(Key::Crossing, self.kind.name());
        for (key, text) in [(Key::Stream, &self.stream), (Key::Consumer, &self.consumer), (Key::Subject, &self.subject)] {
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
        if let Some(pull) = &self.pull {
            record.fields.set(Key::Pull, pull);
        }
        record
    }

    /// Records of each rule that acted, and of what it did where a client could see it. That something does not pass is the caller's to
    /// record.
    pub fn records_of(&self, at: Time, verdict: &Verdict) -> Vec<Record> {
        let hits = verdict.hits.iter().map(|rule| self.record(at, Kind::RuleHit).by_rule(rule.clone()));
        let delays = verdict.delays.iter().map(|(rule, by)| self.record(at, Kind::Delayed).with(Key::For, *by).by_rule(rule.clone()));
        let duplicates = verdict.duplicates.iter().map(|(rule, copies)| {
            let duplicated = self.record(at, Kind::Duplicated).by_rule(rule.clone());
            // One copy more is what the word says.
            if *copies == 1 { duplicated } else { duplicated.with(Key::Copies, *copies) }
        });
        hits.chain(delays).chain(duplicates).collect()
    }
}
