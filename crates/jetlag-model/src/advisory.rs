//! Advisories: what the server tells whoever listens on `$JS.EVENT.ADVISORY.>`. Shapes of `server/jetstream_events.go` (2.15).

use serde::Serialize;

use crate::{ConsumerSeq, DeliveryCount, StreamSeq, WallTime};

/// An advisory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advisory {
    /// A message used up max_deliver.
    MaxDeliver {
        /// The message.
        stream_seq: StreamSeq,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// A nak was taken.
    Nak {
        /// The delivery it answers.
        consumer_seq: ConsumerSeq,
        /// The message.
        stream_seq: StreamSeq,
        /// The attempt it answers.
        deliveries: DeliveryCount,
    },
    /// A message will not be delivered again.
    Terminated {
        /// The delivery.
        consumer_seq: ConsumerSeq,
        /// The message.
        stream_seq: StreamSeq,
        /// The attempt.
        deliveries: DeliveryCount,
        /// Why; possibly empty.
        reason: String,
    },
    /// A client is the pinned one of its group from now on.
    Pinned {
        /// The group.
        group: String,
        /// What the client is known by.
        id: String,
    },
    /// There is no pinned client any more.
    Unpinned {
        /// The group.
        group: String,
        /// `admin` or `timeout`.
        reason: &'static str,
    },
    /// A consumer was created.
    ConsumerCreated,
    /// A consumer was deleted.
    ConsumerDeleted,
    /// A stream was created.
    StreamCreated,
    /// A stream was updated.
    StreamUpdated,
    /// A stream was deleted.
    StreamDeleted,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    id: &'a str,
    timestamp: WallTime,
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_seq: Option<ConsumerSeq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_seq: Option<StreamSeq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
}

impl Advisory {
    /// The subject it is published on. `consumer` is not looked at for a stream's advisories.
    pub fn subject(&self, stream: &str, consumer: &str) -> String {
        let (of, what) = match self {
            Advisory::MaxDeliver { .. } => ("CONSUMER", "MAX_DELIVERIES"),
            Advisory::Nak { .. } => ("CONSUMER", "MSG_NAKED"),
            Advisory::Terminated { .. } => ("CONSUMER", "MSG_TERMINATED"),
            Advisory::Pinned { .. } => ("CONSUMER", "PINNED"),
            Advisory::Unpinned { .. } => ("CONSUMER", "UNPINNED"),
            Advisory::ConsumerCreated => ("CONSUMER", "CREATED"),
            Advisory::ConsumerDeleted => ("CONSUMER", "DELETED"),
            Advisory::StreamCreated => ("STREAM", "CREATED"),
            Advisory::StreamUpdated => ("STREAM", "UPDATED"),
            Advisory::StreamDeleted => ("STREAM", "DELETED"),
        };
        let consumer = if of == "CONSUMER" { format!(".{consumer}") } else { String::new() };
        format!("$JS.EVENT.ADVISORY.{of}.{what}.{stream}{consumer}")
    }

    /// The JSON body.
    pub fn body(&self, id: &str, timestamp: WallTime, stream: &str, consumer: &str) -> Vec<u8> {
        let kind = match self {
            Advisory::MaxDeliver { .. } => "max_deliver",
            Advisory::Nak { .. } => "nak",
            Advisory::Terminated { .. } => "terminated",
            Advisory::Pinned { .. } => "consumer_group_pinned",
            Advisory::Unpinned { .. } => "consumer_group_unpinned",
            Advisory::ConsumerCreated | Advisory::ConsumerDeleted => "consumer_action",
            Advisory::StreamCreated | Advisory::StreamUpdated | Advisory::StreamDeleted => "stream_action",
        };
        let mut body = Body {
            r#type: format!("io.nats.jetstream.advisory.v1.{kind}"),
            id,
            timestamp,
            stream,
            consumer: (kind != "stream_action").then_some(consumer),
            consumer_seq: None,
            stream_seq: None,
            deliveries: None,
            group: None,
            pinned_id: None,
            reason: None,
            action: None,
        };
        match self {
            Advisory::MaxDeliver { stream_seq, deliveries } => {
                body.stream_seq = Some(*stream_seq);
                body.deliveries = Some(*deliveries);
            }
            Advisory::Nak { consumer_seq, stream_seq, deliveries } => {
                body.consumer_seq = Some(*consumer_seq);
                body.stream_seq = Some(*stream_seq);
                body.deliveries = Some(deliveries.0);
            }
            Advisory::Terminated { consumer_seq, stream_seq, deliveries, reason } => {
                body.consumer_seq = Some(*consumer_seq);
                body.stream_seq = Some(*stream_seq);
                body.deliveries = Some(deliveries.0);
                body.reason = (!reason.is_empty()).then_some(reason);
            }
            Advisory::Pinned { group, id } => {
                body.group = Some(group);
                body.pinned_id = Some(id);
            }
            Advisory::Unpinned { group, reason } => {
                body.group = Some(group);
                body.reason = Some(reason);
            }
            Advisory::ConsumerCreated | Advisory::StreamCreated => body.action = Some("create"),
            Advisory::ConsumerDeleted | Advisory::StreamDeleted => body.action = Some("delete"),
            Advisory::StreamUpdated => body.action = Some("modify"),
        }
        crate::json::to_vec(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_as_the_server_writes_them() {
        let at = WallTime::parse_rfc3339("2026-11-23T23:39:13.79894864Z").unwrap();
        let nak = Advisory::Nak { consumer_seq: ConsumerSeq(1), stream_seq: StreamSeq(2), deliveries: DeliveryCount(3) };
        assert_eq!(nak.subject("S", "C"), "$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.C");
        let id = "U7IlVZCWf3Qmdoz8qUwvsP";
        for (advisory, body) in [
            (
                nak,
                r#"{"type":"io.nats.jetstream.advisory.v1.nak","id":"U7IlVZCWf3Qmdoz8qUwvsP","timestamp":"2026-11-23T23:39:13.79894864Z","stream":"S","consumer":"C","consumer_seq":1,"stream_seq":2,"deliveries":3}"#,
            ),
            (
                Advisory::MaxDeliver { stream_seq: StreamSeq(2), deliveries: 3 },
                r#"{"type":"io.nats.jetstream.advisory.v1.max_deliver","id":"U7IlVZCWf3Qmdoz8qUwvsP","timestamp":"2026-11-23T23:39:13.79894864Z","stream":"S","consumer":"C","stream_seq":2,"deliveries":3}"#,
            ),
            (
                Advisory::StreamDeleted,
                r#"{"type":"io.nats.jetstream.advisory.v1.stream_action","id":"U7IlVZCWf3Qmdoz8qUwvsP","timestamp":"2026-11-23T23:39:13.79894864Z","stream":"S","action":"delete"}"#,
            ),
        ] {
            assert_eq!(String::from_utf8(advisory.body(id, at, "S", "C")).unwrap(), body);
        }
        assert_eq!(Advisory::StreamDeleted.subject("S", ""), "$JS.EVENT.ADVISORY.STREAM.DELETED.S");
    }
}
