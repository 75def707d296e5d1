//! What crosses a link: its kind, what is known of it, and what makes it the same in two runs.

use std::fmt;

use jetlag_model::{DeliveryCount, Direction, Headers, StreamSeq};
use xxhash_rust::xxh3::xxh3_128;

/// What kind of thing crosses a link. Each kind crosses in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrossingKind {
    /// Up: a message for whoever listens, a stream or a client.
    Publish,
    /// Down: the answer to a publish.
    PubAck,
    /// Up: a pull request.
    Pull,
    /// Down: a consumer's message.
    Delivery,
    /// Up: `+ACK`.
    Ack,
    /// Up: `-NAK`.
    Nak,
    /// Up: `+WPI`.
    InProgress,
    /// Up: `+TERM`.
    Term,
    /// Up: `+NXT`.
    Next,
    /// Down: the confirmation of an acknowledgement.
    AckReply,
    /// Down: a status other than a heartbeat.
    Status,
    /// Down: an idle heartbeat.
    Heartbeat,
    /// Down: an advisory.
    Advisory,
    /// Up: a request to `$JS.API`, other than a pull request.
    Api,
    /// Down: the answer to one.
    ApiReply,
    /// Down: any other message.
    Message,
    /// Up: a client's attempt to make a connection, the first one too. Only a rule that asks for it by name is about it; what partitions make of it is
    /// for [`Rules::connects`](crate::Rules::connects) to say.
    Connect,
}

impl CrossingKind {
    /// All kinds.
    pub const ALL: [CrossingKind; 17] = [
        CrossingKind::Publish,
        CrossingKind::PubAck,
        CrossingKind::Pull,
        CrossingKind::Delivery,
        CrossingKind::Ack,
        CrossingKind::Nak,
        CrossingKind::InProgress,
        CrossingKind::Term,
        CrossingKind::Next,
        CrossingKind::AckReply,
        CrossingKind::Status,
        CrossingKind::Heartbeat,
        CrossingKind::Advisory,
        CrossingKind::Api,
        CrossingKind::ApiReply,
        CrossingKind::Message,
        CrossingKind::Connect,
    ];

    /// The name in scenarios and traces.
    pub const fn name(self) -> &'static str {
        match self {
            CrossingKind::Publish => "publish",
            CrossingKind::PubAck => "pub-ack",
            CrossingKind::Pull => "pull",
            CrossingKind::Delivery => "delivery",
            CrossingKind::Ack => "ack",
            CrossingKind::Nak => "nak",
            CrossingKind::InProgress => "in-progress",
            CrossingKind::Term => "term",
            CrossingKind::Next => "next",
            CrossingKind::AckReply => "ack-reply",
            CrossingKind::Status => "status",
            CrossingKind::Heartbeat => "heartbeat",
            CrossingKind::Advisory => "advisory",
            CrossingKind::Api => "api",
            CrossingKind::ApiReply => "api-reply",
            CrossingKind::Message => "message",
            CrossingKind::Connect => "connect",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<CrossingKind> {
        CrossingKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Which way things of this kind cross.
    pub const fn direction(self) -> Direction {
        match self {
            CrossingKind::Publish
            | CrossingKind::Pull
            | CrossingKind::Ack
            | CrossingKind::Nak
            | CrossingKind::InProgress
            | CrossingKind::Term
            | CrossingKind::Next
            | CrossingKind::Api
            | CrossingKind::Connect => Direction::Up,
            CrossingKind::PubAck
            | CrossingKind::Delivery
            | CrossingKind::AckReply
            | CrossingKind::Status
            | CrossingKind::Heartbeat
            | CrossingKind::Advisory
            | CrossingKind::ApiReply
            | CrossingKind::Message => Direction::Down,
        }
    }

    /// What answers a request of this kind, for the kinds of which a reply can be lost. The crate's page has the table.
    pub const fn reply(self) -> Option<CrossingKind> {
        match self {
            CrossingKind::Publish => Some(CrossingKind::PubAck),
            CrossingKind::Api => Some(CrossingKind::ApiReply),
            CrossingKind::Ack | CrossingKind::Nak | CrossingKind::InProgress | CrossingKind::Term => Some(CrossingKind::AckReply),
            _ => None,
        }
    }
}

impl fmt::Display for CrossingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing about to cross a link, as far as the driver knows it. What is absent matches no rule that asks for it.
///
/// ```
/// use jetlag_fault::{Crossing, CrossingKind};
/// use jetlag_model::{DeliveryCount, StreamSeq};
/// let ack = Crossing {
///     stream: Some("ORDERS"),
///     consumer: Some("WORK"),
///     stream_seq: Some(StreamSeq(1)),
///     delivery_count: Some(DeliveryCount(2)),
///     ..Crossing::new(CrossingKind::Ack, "w1")
/// };
/// assert_ne!(ack.identity(), Crossing { delivery_count: Some(DeliveryCount(3)), ..ack }.identity());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing<'a> {
    /// What kind of thing it is.
    pub kind: CrossingKind,
    /// The client on whose link it crosses.
    pub client: &'a str,
    /// The stream's name.
    pub stream: Option<&'a str>,
    /// The consumer's name.
    pub consumer: Option<&'a str>,
    /// The subject: of the message, or for an acknowledgement of the message it is about. Not the ack reply subject, which holds
    /// times and counts.
    pub subject: Option<&'a str>,
    /// The place in the stream of the message, or of the message it is about.
    pub stream_seq: Option<StreamSeq>,
    /// Which attempt at the message it belongs to.
    pub delivery_count: Option<DeliveryCount>,
    /// What crosses, in bytes; of an acknowledgement that is its verb.
    pub payload: &'a [u8],
    /// The header of the message, or of the message it is about.
    pub headers: Option<&'a Headers>,
    /// The payload of the message, or of the message it is about.
    pub content: Option<&'a [u8]>,
    /// What tells it apart from others of its kind whatever else happens in the run: a message id, the name of a pull request. Where
    /// it is known it stands for sequence, subject and payload in the identity, so that a run with one message less, and so with
    /// other sequences, keeps its draws.
    pub name: Option<&'a str>,
    /// Whether its sender waits for an answer.
    pub answered: bool,
}

/// What makes a crossing the same one in two runs, for draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub u128);

impl<'a> Crossing<'a> {
    /// A crossing of which nothing but kind and client is known, and whose sender waits for no answer.
    pub const fn new(kind: CrossingKind, client: &'a str) -> Crossing<'a> {
        Crossing {
            kind,
            client,
            stream: None,
            consumer: None,
            subject: None,
            stream_seq: None,
            delivery_count: None,
            payload: &[],
            headers: None,
            content: None,
            name: None,
            answered: false,
        }
    }

    /// Which way it crosses.
    pub const fn direction(&self) -> Direction {
        self.kind.direction()
    }

    /// What makes it the same one in two runs: the xxh3 of 128 bits, seed 0, over these parts in order, each with its length before
    /// it (u32, little-endian) and empty when absent: the kind's name, client, stream, consumer, delivery count (in decimal), and
    /// - the name, if there is one;
    /// - otherwise an empty part and the stream sequence (in decimal), if there is one;
    /// - otherwise two empty parts, the subject, and for a publish the payload.
    pub fn identity(&self) -> Identity {
        let mut bytes = Vec::with_capacity(96);
        let mut part = |part: &[u8]| {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        };
        part(self.kind.name().as_bytes());
        part(self.client.as_bytes());
        part(self.stream.unwrap_or_default().as_bytes());
        part(self.consumer.unwrap_or_default().as_bytes());
        part(self.delivery_count.map_or(String::new(), |count| count.to_string()).as_bytes());
        if let Some(name) = self.name {
            part(name.as_bytes());
        } else if let Some(seq) = self.stream_seq {
            part(b"");
            part(seq.to_string().as_bytes());
        } else {
            part(b"");
            part(b"");
            part(self.subject.unwrap_or_default().as_bytes());
            // What the server writes holds times and ids that differ from run to run; what a client publishes does not.
            if self.kind == CrossingKind::Publish {
                part(self.payload);
            }
        }
        Identity(xxh3_128(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_one_name_and_answers_go_the_other_way() {
        for kind in CrossingKind::ALL {
            assert_eq!(CrossingKind::from_name(kind.name()), Some(kind));
            if let Some(reply) = kind.reply() {
                assert_eq!((kind.direction(), reply.direction()), (Direction::Up, Direction::Down), "{kind}");
                assert_eq!(reply.reply(), None);
            }
        }
        assert_eq!(CrossingKind::from_name("puback"), None);
    }

    /// Identities are a promise, as draws are.
    #[test]
    fn pinned() {
        let delivery = Crossing { stream: Some("S"), stream_seq: Some(StreamSeq(7)), ..Crossing::new(CrossingKind::Delivery, "w1") };
        let bytes = b"\x08\0\0\0delivery\x02\0\0\0w1\x01\0\0\0S\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\x007";
        assert_eq!(delivery.identity(), Identity(xxh3_128(bytes)));
    }

    #[test]
    fn what_belongs_to_the_identity() {
        let publish = Crossing { subject: Some("a.b"), payload: b"x", ..Crossing::new(CrossingKind::Publish, "p") };
        let delivery = Crossing {
            kind: CrossingKind::Delivery,
            stream: Some("S"),
            consumer: Some("C"),
            stream_seq: Some(StreamSeq(1)),
            delivery_count: Some(DeliveryCount(1)),
            ..publish
        };
        let named = Crossing { name: Some("m1"), ..delivery };
        let advisory = Crossing { kind: CrossingKind::Advisory, ..publish };
        for (what, left, right, same) in [
            ("client", publish, Crossing { client: "q", ..publish }, false),
            ("kind", publish, Crossing { kind: CrossingKind::Api, ..publish }, false),
            ("subject of a publish", publish, Crossing { subject: Some("a.c"), ..publish }, false),
            ("payload of a publish", publish, Crossing { payload: b"y", ..publish }, false),
            ("whether an answer is waited for", publish, Crossing { answered: true, ..publish }, true),
            ("payload of an advisory", advisory, Crossing { payload: b"y", ..advisory }, true),
            ("sequence", delivery, Crossing { stream_seq: Some(StreamSeq(2)), ..delivery }, false),
            ("attempt", delivery, Crossing { delivery_count: Some(DeliveryCount(2)), ..delivery }, false),
            ("consumer", delivery, Crossing { consumer: Some("D"), ..delivery }, false),
            ("payload of a delivery", delivery, Crossing { payload: b"y", ..delivery }, true),
            ("name", named, Crossing { name: Some("m2"), ..named }, false),
            ("sequence under a name", named, Crossing { stream_seq: Some(StreamSeq(2)), ..named }, true),
            ("attempt under a name", named, Crossing { delivery_count: Some(DeliveryCount(2)), ..named }, false),
            ("a name is no sequence", delivery, Crossing { name: Some("1"), ..delivery }, false),
            (
                "where a part ends",
                Crossing { stream: Some("SC"), consumer: None, ..delivery },
                Crossing { stream: Some("S"), consumer: Some("C"), ..delivery },
                false,
            ),
        ] {
            assert_eq!(left.identity() == right.identity(), same, "{what}");
        }
    }
}
