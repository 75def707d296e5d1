//! Deliveries as a client knows them, and how one is named afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jetlag_model::{AckToken, ConsumerSeq, DeliveryCount, Headers, Payload, StreamSeq, Time};

/// A consumer's message as a client got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who got it.
    pub client: Arc<str>,
    /// When.
    pub at: Time,
    /// Stream, consumer, sequences, delivery count: what an acknowledgement is sent to.
    pub token: AckToken,
    /// The message's subject.
    pub subject: Arc<str>,
    /// Its headers.
    pub headers: Option<Headers>,
    /// Its payload.
    pub payload: Payload,
    /// The pull request it answers, by the client's name for it; `None` from a push consumer.
    pub pull: Option<Arc<str>>,
    /// The number of its record in the trace.
    pub record: u64,
}

impl Delivery {
    /// The message's place in its stream.
    pub fn stream_seq(&self) -> StreamSeq {
        self.token.stream_seq
    }

    /// The delivery's number at its consumer.
    pub fn consumer_seq(&self) -> ConsumerSeq {
        self.token.consumer_seq
    }

    /// Which attempt at the message this is, from 1.
    pub fn delivery_count(&self) -> DeliveryCount {
        self.token.delivery_count
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref()?.get(name)
    }
}

/// Names a delivery: by its message, and by attempt where the latest is not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRef {
    /// The stream; may be left out where the rest is clear without it.
    pub stream: Option<Arc<str>>,
    /// The consumer; may be left out where the rest is clear without it.
    pub consumer: Option<Arc<str>>,
    /// The message.
    pub stream_seq: StreamSeq,
    /// Which attempt; the latest when absent.
    pub delivery_count: Option<DeliveryCount>,
}

impl From<u64> for DeliveryRef {
    /// The latest delivery of the message at this place of the one stream that is meant.
    fn from(stream_seq: u64) -> DeliveryRef {
        DeliveryRef { stream: None, consumer: None, stream_seq: StreamSeq(stream_seq), delivery_count: None }
    }
}

impl From<&Delivery> for DeliveryRef {
    fn from(delivery: &Delivery) -> DeliveryRef {
        DeliveryRef {
            stream: Some(delivery.token.stream.clone()),
            consumer: Some(delivery.token.consumer.clone()),
            stream_seq: delivery.token.stream_seq,
            delivery_count: Some(delivery.token.delivery_count),
        }
    }
}

impl fmt::Display for DeliveryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stream) = &self.stream {
            write!(f, "{stream}/")?;
        }
        if let Some(consumer) = &self.consumer {
            write!(f, "{consumer}:")?;
        }
        write!(f, "{}", self.stream_seq)?;
        self.delivery_count.map_or(Ok(()), |count| write!(f, "#{count}"))
    }
}

/// Why a [`DeliveryRef`] names no delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryRefError {
    /// The client never got it.
    #[error("{client} has got no delivery {reference}; {known}")]
    Unknown {
        /// Who was asked.
        client: Arc<str>,
        /// What was asked for.
        reference: String,
        /// What there is instead, in words.
        known: String,
    },
    /// Several consumers delivered a message of that number.
    #[error("{reference} is not clear for {client}: it got {candidates}; write the consumer too")]
    Ambiguous {
        /// Who was asked.
        client: Arc<str>,
        /// What was asked for.
        reference: String,
        /// The candidates, joined by commas.
        candidates: String,
    },
}

/// What one client got of one message: a position in time order of all its deliveries, for each attempt.
type Attempts = Vec<usize>;

/// All deliveries one client knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deliveries {
    all: Vec<Delivery>,
    by_message: BTreeMap<(Arc<str>, Arc<str>, StreamSeq), Attempts>,
}

impl Deliveries {
    pub(crate) fn add(&mut self, delivery: Delivery) {
        let key = (delivery.token.stream.clone(), delivery.token.consumer.clone(), delivery.token.stream_seq);
        self.by_message.entry(key).or_default().push(self.all.len());
        self.all.push(delivery);
    }

    /// The first delivery of a message, if there was one.
    pub(crate) fn message_of(&self, token: &AckToken) -> Option<&Delivery> {
        let attempts = self.by_message.get(&(token.stream.clone(), token.consumer.clone(), token.stream_seq))?;
        attempts.first().map(|index| &self.all[*index])
    }

    pub(crate) fn find(&self, client: &Arc<str>, reference: &DeliveryRef) -> Result<&Delivery, DeliveryRefError> {
        let matching: Vec<_> = self
            .by_message
            .iter()
            .filter(|((stream, consumer, seq), _)| {
                *seq == reference.stream_seq
                    && reference.stream.as_ref().is_none_or(|wanted| wanted == stream)
                    && reference.consumer.as_ref().is_none_or(|wanted| wanted == consumer)
            })
            .collect();
        let attempts = match matching.as_slice() {
            [] => return Err(self.unknown(client, reference, &[])),
            [(_, attempts)] => *attempts,
            several => {
                let candidates =
                    several.iter().map(|((stream, consumer, seq), _)| format!("{stream}/{consumer}:{seq}")).collect::<Vec<_>>();
                return Err(DeliveryRefError::Ambiguous {
                    client: client.clone(),
                    reference: reference.to_string(),
                    candidates: candidates.join(", "),
                });
            }
        };
        // Of several copies of one attempt, which only a fault makes, the last is meant.
        let wanted = |index: &&usize| reference.delivery_count.is_none_or(|count| self.all[**index].token.delivery_count == count);
        match attempts.iter().rev().find(wanted) {
            Some(index) => Ok(&self.all[*index]),
            None => Err(self.unknown(client, reference, attempts)),
        }
    }

    fn unknown(&self, client: &Arc<str>, reference: &DeliveryRef, attempts: &[usize]) -> DeliveryRefError {
        let known = if attempts.is_empty() {
            match self.all.last() {
                None => "it has got no delivery at all".to_owned(),
                Some(last) => format!("the last it got is {}", DeliveryRef::from(last)),
            }
        } else {
            let attempts: Vec<_> = attempts.iter().map(|index| format!("#{}", self.all[*index].token.delivery_count)).collect();
            format!("it got {}", attempts.join(", "))
        };
        DeliveryRefError::Unknown { client: client.clone(), reference: reference.to_string(), known }
    }
}

#[cfg(test)]
mod tests {
    use jetlag_model::WallTime;

    use super::*;

    fn delivery(consumer: &str, seq: u64, count: u64) -> Delivery {
        Delivery {
            client: "w1".into(),
            at: Time::START,
            token: AckToken {
                stream: "S".into(),
                consumer: consumer.into(),
                delivery_count: DeliveryCount(count),
                stream_seq: StreamSeq(seq),
                consumer_seq: ConsumerSeq(count),
                timestamp: WallTime::from_unix_nanos(0),
                num_pending: 0,
            },
            subject: "a".into(),
            headers: None,
            payload: Payload::from(&b""[..]),
            pull: None,
            record: 0,
        }
    }

    #[test]
    fn a_reference_names_the_latest_attempt_unless_told() {
        let client: Arc<str> = "w1".into();
        let mut known = Deliveries::default();
        let find = |known: &Deliveries, reference: &DeliveryRef| known.find(&client, reference).map(|found| found.token.delivery_count.0);
        assert_eq!(find(&known, &1.into()).unwrap_err().to_string(), "w1 has got no delivery 1; it has got no delivery at all");
        known.add(delivery("C", 1, 1));
        known.add(delivery("C", 1, 2));
        assert_eq!(find(&known, &1.into()), Ok(2));
        assert_eq!(find(&known, &DeliveryRef { delivery_count: Some(DeliveryCount(1)), ..1.into() }), Ok(1));
        let third = DeliveryRef { delivery_count: Some(DeliveryCount(3)), ..1.into() };
        assert_eq!(find(&known, &third).unwrap_err().to_string(), "w1 has got no delivery 1#3; it got #1, #2");
        assert_eq!(find(&known, &2.into()).unwrap_err().to_string(), "w1 has got no delivery 2; the last it got is S/C:1#2");
        known.add(delivery("D", 1, 1));
        assert_eq!(find(&known, &1.into()).unwrap_err().to_string(), "1 is not clear for w1: it got S/C:1, S/D:1; write the consumer too");
        assert_eq!(find(&known, &DeliveryRef { consumer: Some("D".into()), ..1.into() }), Ok(1));
    }
}
