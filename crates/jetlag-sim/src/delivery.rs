//! Deliveries as a client knows them, and how one is named afterwards.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use jetlag_model::{AckToken, ConsumerSeq, DeliveryCount, Headers, Payload, SeqMap, StreamSeq, Text, Time};

/// A consumer's message as a client got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who got it.
    pub client: Text,
    /// When.
    pub at: Time,
    /// Stream, consumer, sequences, delivery count: what an acknowledgement is sent to.
    pub token: Arc<AckToken>,
    /// The message's subject.
    pub subject: Text,
    /// Its headers.
    pub headers: Option<Headers>,
    /// Its payload.
    pub payload: Payload,
    /// The pull request it answers, by the client's name for it; `None` from a push consumer.
    pub pull: Option<Text>,
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
    pub stream: Option<Text>,
    /// The consumer; may be left out where the rest is clear without it.
    pub consumer: Option<Text>,
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
        client: Text,
        /// What was asked for.
        reference: String,
        /// What there is instead, in words.
        known: String,
    },
    /// Several consumers delivered a message of that number.
    #[error("{reference} is not clear for {client}: it got {candidates}; write the consumer too")]
    Ambiguous {
        /// Who was asked.
        client: Text,
        /// What was asked for.
        reference: String,
        /// The candidates, joined by commas.
        candidates: String,
    },
}

/// So many deliveries a client remembers: an acknowledgement of an older one names nothing that it knows.
const REMEMBERED: usize = 100_000;

/// What one client got from one consumer.
#[derive(Clone, Debug)]
struct OfConsumer {
    stream: Text,
    consumer: Text,
    /// The deliveries of each message.
    by_seq: SeqMap<StreamSeq, Attempts>,
}

/// The deliveries of one message, by their numbers among all of the client's, in order. Nearly always it is one.
#[derive(Clone, Debug)]
struct Attempts {
    first: usize,
    more: Vec<usize>,
}

impl OfConsumer {
    /// The deliveries of a message, in order.
    fn attempts(&self, seq: StreamSeq) -> impl DoubleEndedIterator<Item = usize> {
        self.by_seq.get(seq).into_iter().flat_map(|attempts| std::iter::once(attempts.first).chain(attempts.more.iter().copied()))
    }
}

/// The latest deliveries that one client got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deliveries {
    all: VecDeque<Arc<Delivery>>,
    /// How many came before them.
    forgotten: usize,
    /// Sorted by names.
    consumers: Vec<OfConsumer>,
}

impl Deliveries {
    pub(crate) fn add(&mut self, delivery: Arc<Delivery>) {
        if self.all.len() == REMEMBERED {
            self.forget_oldest();
        }
        let number = self.forgotten + self.all.len();
        let at = match self.place(&delivery.token.stream, &delivery.token.consumer) {
            Ok(at) => at,
            Err(at) => {
                let AckToken { stream, consumer, .. } = (*delivery.token).clone();
                self.consumers.insert(at, OfConsumer { stream, consumer, by_seq: SeqMap::new() });
                at
            }
        };
        let by_seq = &mut self.consumers[at].by_seq;
        match by_seq.get_mut(delivery.token.stream_seq) {
            Some(attempts) => attempts.more.push(number),
            None => _ = by_seq.insert(delivery.token.stream_seq, Attempts { first: number, more: Vec::new() }),
        }
        self.all.push_back(delivery);
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.all.pop_front() else { return };
        if let Ok(at) = self.place(&oldest.token.stream, &oldest.token.consumer) {
            let (seq, by_seq) = (oldest.token.stream_seq, &mut self.consumers[at].by_seq);
            match by_seq.get_mut(seq) {
                Some(attempts) if !attempts.more.is_empty() => attempts.first = attempts.more.remove(0),
                _ => _ = by_seq.remove(seq),
            }
        }
        self.forgotten += 1;
    }

    /// Where a consumer is, or belongs.
    fn place(&self, stream: &Text, consumer: &Text) -> Result<usize, usize> {
        // Most clients get from one.
        if let [only] = self.consumers.as_slice()
            && only.consumer == *consumer
            && only.stream == *stream
        {
            return Ok(0);
        }
        self.consumers.binary_search_by(|known| (&*known.stream, &*known.consumer).cmp(&(&**stream, &**consumer)))
    }

    fn numbered(&self, number: usize) -> &Delivery {
        &self.all[number - self.forgotten]
    }

    /// The first delivery of a message, if there was one.
    pub(crate) fn message_of(&self, stream: &Text, consumer: &Text, seq: StreamSeq) -> Option<&Delivery> {
        let first = self.consumers[self.place(stream, consumer).ok()?].attempts(seq).next();
        first.map(|number| self.numbered(number))
    }

    pub(crate) fn find(&self, client: &Text, reference: &DeliveryRef) -> Result<&Delivery, DeliveryRefError> {
        let is_it = |known: &&OfConsumer| {
            reference.stream.as_ref().is_none_or(|wanted| *wanted == known.stream)
                && reference.consumer.as_ref().is_none_or(|wanted| *wanted == known.consumer)
        };
        let named = self.consumers.iter().filter(is_it);
        let matching: Vec<_> = named.filter(|known| known.attempts(reference.stream_seq).next().is_some()).collect();
        let known = match matching.as_slice() {
            [] => return Err(self.unknown(client, reference, &[])),
            [known] => *known,
            several => {
                let seq = reference.stream_seq;
                let candidates = several.iter().map(|known| format!("{}/{}:{seq}", known.stream, known.consumer));
                return Err(DeliveryRefError::Ambiguous {
                    client: client.clone(),
                    reference: reference.to_string(),
                    candidates: candidates.collect::<Vec<_>>().join(", "),
                });
            }
        };
        // Of several copies of one attempt, which only a fault makes, the last is meant.
        let wanted = |number: &usize| reference.delivery_count.is_none_or(|count| self.numbered(*number).token.delivery_count == count);
        match known.attempts(reference.stream_seq).rfind(wanted) {
            Some(number) => Ok(self.numbered(number)),
            None => Err(self.unknown(client, reference, &known.attempts(reference.stream_seq).collect::<Vec<_>>())),
        }
    }

    fn unknown(&self, client: &Text, reference: &DeliveryRef, attempts: &[usize]) -> DeliveryRefError {
        let known = match (attempts, self.all.back()) {
            ([], None) => "it has got no delivery at all".to_owned(),
            ([], Some(last)) => {
                let rest = if self.forgotten > 0 { format!(", and it remembers {REMEMBERED}") } else { String::new() };
                format!("the last it got is {}{rest}", DeliveryRef::from(&**last))
            }
            _ => {
                let attempts: Vec<_> = attempts.iter().map(|number| format!("#{}", self.numbered(*number).token.delivery_count)).collect();
                format!("it got {}", attempts.join(", "))
            }
        };
        DeliveryRefError::Unknown { client: client.clone(), reference: reference.to_string(), known }
    }
}

#[cfg(test)]
mod tests {
    use jetlag_model::WallTime;

    use super::*;

    fn delivery(consumer: &str, seq: u64, count: u64) -> Arc<Delivery> {
        Arc::new(Delivery {
            client: "w1".into(),
            at: Time::START,
            token: Arc::new(AckToken {
                stream: "S".into(),
                consumer: consumer.into(),
                delivery_count: DeliveryCount(count),
                stream_seq: StreamSeq(seq),
                consumer_seq: ConsumerSeq(count),
                timestamp: WallTime::from_unix_nanos(0),
                num_pending: 0,
            }),
            subject: "a".into(),
            headers: None,
            payload: Payload::from(&b""[..]),
            pull: None,
            record: 0,
        })
    }

    #[test]
    fn a_reference_names_the_latest_attempt_unless_told() {
        let client: Text = "w1".into();
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
    #[test]
    fn the_oldest_are_forgotten() {
        let client: Text = "w1".into();
        let mut known = Deliveries::default();
        known.add(delivery("C", 1, 1));
        known.add(delivery("C", 1, 2));
        (2..=REMEMBERED as u64).for_each(|seq| known.add(delivery("C", seq, 1)));
        let first = DeliveryRef { delivery_count: Some(DeliveryCount(1)), ..1.into() };
        assert_eq!(known.find(&client, &first).unwrap_err().to_string(), "w1 has got no delivery 1#1; it got #2");
        known.add(delivery("C", 200_000, 1));
        let error = known.find(&client, &1.into()).unwrap_err().to_string();
        assert_eq!(error, "w1 has got no delivery 1; the last it got is S/C:200000#1, and it remembers 100000");
        assert_eq!(known.find(&client, &2.into()).map(|found| found.token.stream_seq), Ok(StreamSeq(2)));
        assert_eq!(known.message_of(&"S".into(), &"C".into(), StreamSeq(1)), None);
    }
}
