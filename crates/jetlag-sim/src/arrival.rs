//! What a client makes of a message that reached it, as a record. What follows from it is the world's, or a real client's own.

use std::borrow::Cow;

use jetlag_model::{AckToken, Address, Headers, Message, PubAck, StreamSeq, Text, Time};
use jetlag_trace::{Key, Kind, Place, Record};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::Received;
use crate::client::{PIN, Request};

/// The record of a message that reached the client of this name. `None` for what leaves no record of its own: an answer of the API, whose
/// meaning is known to who asked, and what the client knows nothing of any more.
pub fn arrival(at: Time, client: &Text, received: &Received, message: &Message) -> Option<Record> {
    let record = |kind| Record::new(at, Place::client(client.clone()), kind);
    Some(match received {
        Received::Delivery { token, pull } => got_record(at, client, token, pull.as_ref(), message),
        Received::Status { code: 503, pull, .. } => with_status(record(Kind::NoResponders), message, pull.as_ref()),
        Received::Status { code, text, pull } => {
            with_status(record(Kind::Status).with(Key::Code, *code).with(Key::Description, text.as_str()), message, pull.as_ref())
        }
        Received::Answer { request: Request::Api { .. }, .. } | Received::Stray => return None,
        Received::Answer { request: Request::Publish { .. }, .. } if is_nobody(message) => record(Kind::NoResponders),
        Received::Answer { request: Request::Publish { .. }, .. } => pub_ack(at, Place::client(client.clone()), message),
        Received::Answer { request: Request::Ack { token }, .. } => {
            record(if is_nobody(message) { Kind::NoResponders } else { Kind::Confirmed })
                .with(Key::Stream, &token.stream)
                .with(Key::Consumer, &token.consumer)
                .with(Key::StreamSeq, token.stream_seq)
        }
        Received::Advisory => advisory(record(Kind::Advisory), message),
        Received::Message => {
            let mut came = record(Kind::Message).with(Key::Subject, shown(&message.subject)).with(Key::Payload, &message.payload);
            add_headers(&mut came, message);
            match &message.reply {
                Some(reply) => came.with(Key::Reply, shown(reply)),
                None => came,
            }
        }
    })
}

/// The record of a delivery that reached its client.
#[inline]
pub(crate) fn got_record(at: Time, client: &Text, token: &AckToken, pull: Option<&Text>, message: &Message) -> Record {
    let mut fields = vec![
        (Key::Stream, (&token.stream).into()),
        (Key::Consumer, (&token.consumer).into()),
        (Key::Subject, shown(&message.subject).into()),
        (Key::Payload, (&message.payload).into()),
        (Key::StreamSeq, token.stream_seq.into()),
        (Key::ConsumerSeq, token.consumer_seq.into()),
        (Key::DeliveryCount, token.delivery_count.into()),
        (Key::NumPending, token.num_pending.into()),
        (Key::Pull, pull.cloned().unwrap_or_default().into()),
    ];
    if pull.is_none() {
        // A push consumer's message answers no pull.
        fields.pop();
    }
    let mut got = Record::of(at, Place::client(client.clone()), Kind::Got, fields);
    add_headers(&mut got, message);
    got
}

/// An address as it is recorded: in that of an acknowledgement stands when the message was stored, which is another time in each run of a real
/// server.
fn shown(address: &Address) -> Text {
    const TIME: usize = 7;
    let text = address.shared();
    if !text.starts_with(AckToken::PREFIX) {
        return text;
    }
    let tokens: Vec<&str> = text.split('.').enumerate().map(|(place, token)| if place == TIME { "*" } else { token }).collect();
    if tokens.len() == TIME + 2 { tokens.join(".").into() } else { text }
}

/// Whether an answer says that the request met nobody.
pub(crate) fn is_nobody(message: &Message) -> bool {
    message.headers.as_ref().and_then(Headers::status).is_some_and(|status| status.code == 503)
}

/// Code, err_code and text of an API error.
pub fn with_error(mut record: Record, error: &Json) -> Record {
    for (name, key) in [("code", Key::Code), ("err_code", Key::ErrCode)] {
        if let Some(number) = error.get(name).and_then(Json::as_u64) {
            record.fields.set(key, number);
        }
    }
    record.with(Key::Description, error.get("description").and_then(Json::as_str).unwrap_or_default())
}

/// Adds the headers of a message, if it has any.
fn add_headers(record: &mut Record, message: &Message) {
    match &message.headers {
        // The id of a pinned client is drawn anew in each run.
        Some(headers) if headers.get(PIN).is_some() => {
            let fields = headers.fields().map(|(name, value)| (name, if name == PIN { "*" } else { value }));
            record.fields.set(Key::Headers, &Headers::from_fields(fields));
        }
        Some(headers) => record.fields.set(Key::Headers, headers),
        None => {}
    }
}

/// What the headers of a status say, and what it is about.
fn with_status(mut record: Record, message: &Message, pull: Option<&Text>) -> Record {
    let headers = message.headers.as_ref();
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
        (Some(pull), _) => record.with(Key::Pull, pull),
        (None, Some(subject)) => record.with(Key::Subject, subject),
        (None, None) => record,
    }
}

/// What an advisory says.
fn advisory(mut record: Record, message: &Message) -> Record {
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
    record
}

/// The record of a pub ack: one or the other.
fn pub_ack(at: Time, place: Place, message: &Message) -> Record {
    let answer = PublishAnswer::read(&message.payload);
    if let Some(error) = &answer.error {
        return with_error(Record::new(at, place, Kind::Refused), error);
    }
    let stream = answer.stream.as_deref().map(Text::from);
    stored_record(at, place, stream, answer.duplicate, StreamSeq(answer.seq.unwrap_or(0)))
}

/// The record of a message that its publisher was told is stored.
pub(crate) fn stored_record(at: Time, place: Place, stream: Option<Text>, duplicate: bool, seq: StreamSeq) -> Record {
    let fields = match stream {
        Some(stream) => vec![(Key::Stream, stream.into()), (Key::StreamSeq, seq.into())],
        None => vec![(Key::StreamSeq, seq.into())],
    };
    let mut record = Record::of(at, place, Kind::Stored, fields);
    if duplicate {
        record.fields.set(Key::Duplicate, true);
    }
    record
}

/// What an answer to a publish says, as far as it can be read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PublishAnswer<'a> {
    #[serde(borrow)]
    pub(crate) stream: Option<Cow<'a, str>>,
    pub(crate) seq: Option<u64>,
    pub(crate) duplicate: bool,
    pub(crate) error: Option<Json>,
}

impl PublishAnswer<'_> {
    /// Whether it says where a message is.
    pub(crate) fn is_stored(&self) -> bool {
        self.stream.is_some() && self.seq.is_some() && self.error.is_none()
    }

    pub(crate) fn read(payload: &[u8]) -> PublishAnswer<'_> {
        match PubAck::read_stored(payload) {
            Some((stream, seq, duplicate)) => PublishAnswer { stream: Some(stream.into()), seq: Some(seq.0), duplicate, error: None },
            None => serde_json::from_slice(payload).unwrap_or_default(),
        }
    }
}
