//! Acknowledgements: the ack reply subject and the payloads published to it. Rules of `server/consumer.go` (2.15) `ackReplyInfo`,
//! `processAck`, `processNak`.

use std::fmt;

use serde::Deserialize;

use crate::{ConsumerSeq, DeliveryCount, Duration, StreamSeq, Text, WallTime};

/// What an ack reply subject says: `$JS.ACK.<stream>.<consumer>.<count>.<stream seq>.<consumer seq>.<timestamp>.<num pending>`.
///
/// ```
/// use jetlag_model::AckToken;
/// let text = "$JS.ACK.ORDERS.WORK.2.17.40.1767225600000000000.3";
/// let token = AckToken::parse(text).unwrap();
/// assert_eq!((token.delivery_count.0, token.stream_seq.0, token.num_pending), (2, 17, 3));
/// assert_eq!(token.to_string(), text);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckToken {
    /// The stream's name.
    pub stream: Text,
    /// The consumer's name.
    pub consumer: Text,
    /// Which attempt at this message the delivery is.
    pub delivery_count: DeliveryCount,
    /// The message's place in the stream.
    pub stream_seq: StreamSeq,
    /// The delivery's number at the consumer.
    pub consumer_seq: ConsumerSeq,
    /// When the message was stored (not when it was delivered).
    pub timestamp: WallTime,
    /// Matching messages not yet delivered, after this one.
    pub num_pending: u64,
}

impl AckToken {
    /// What every ack reply subject starts with.
    pub const PREFIX: &str = "$JS.ACK.";

    /// Reads an ack reply subject of nine tokens. As on the server, a token that is no number reads as the largest one.
    pub fn parse(subject: &str) -> Option<AckToken> {
        let rest = subject.strip_prefix(Self::PREFIX)?;
        let mut tokens = rest.split('.');
        let mut next = || tokens.next().filter(|token| !token.is_empty());
        let (stream, consumer) = (next()?, next()?);
        let number = |token: &str| token.parse::<u64>().unwrap_or(u64::MAX);
        let token = AckToken {
            stream: stream.into(),
            consumer: consumer.into(),
            delivery_count: DeliveryCount(number(next()?)),
            stream_seq: StreamSeq(number(next()?)),
            consumer_seq: ConsumerSeq(number(next()?)),
            timestamp: WallTime::from_unix_nanos(next()?.parse().unwrap_or(-1)),
            num_pending: number(next()?),
        };
        tokens.next().is_none().then_some(token)
    }

    /// How many bytes its text has.
    pub fn text_len(&self) -> usize {
        let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
        let stamp = self.timestamp.unix_nanos();
        let numbers = [self.delivery_count.0, self.stream_seq.0, self.consumer_seq.0, self.num_pending];
        let sign = usize::from(stamp < 0);
        Self::PREFIX.len()
            + self.stream.len()
            + self.consumer.len()
            + 6
            + sign
            + digits(stamp.unsigned_abs())
            + numbers.map(digits).iter().sum::<usize>()
    }
}

impl fmt::Display for AckToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}.{}.{}.{}.{}.{}.{}",
            Self::PREFIX,
            self.stream,
            self.consumer,
            self.delivery_count,
            self.stream_seq,
            self.consumer_seq,
            self.timestamp.unix_nanos(),
            self.num_pending
        )
    }
}

/// What a payload published to an ack reply subject asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckKind {
    /// Empty, `+ACK` or `+OK`: settled.
    Ack,
    /// `-NAK`, with a delay if one could be read: deliver again. A delay that can not be read counts as none.
    Nak {
        /// How long to wait before the next delivery; may be zero or negative.
        delay: Option<Duration>,
    },
    /// `+WPI`: still working, restart ack_wait.
    InProgress,
    /// `+TERM`: never deliver again.
    Term {
        /// The text after `+TERM`, trimmed; possibly empty.
        reason: String,
    },
    /// `+NXT`: settled, and here is a pull request.
    Next {
        /// The text after `+NXT`, trimmed: a pull request's body.
        request: Vec<u8>,
    },
    /// Anything else: ignored, yet confirmed.
    Unknown,
}

/// The body of a nak with delay.
#[derive(Deserialize)]
struct NakDelay {
    #[serde(default)]
    delay: Duration,
}

impl AckKind {
    /// Reads a payload as the server does: exact for ack and in progress, by prefix for nak, term and next.
    pub fn parse(payload: &[u8]) -> AckKind {
        match payload {
            b"" | b"+ACK" | b"+OK" => return AckKind::Ack,
            b"+WPI" => return AckKind::InProgress,
            _ => {}
        }
        if let Some(rest) = payload.strip_prefix(b"-NAK") {
            return AckKind::Nak { delay: parse_nak_delay(rest) };
        }
        if let Some(rest) = payload.strip_prefix(b"+NXT") {
            return AckKind::Next { request: rest.trim_ascii().to_vec() };
        }
        if let Some(rest) = payload.strip_prefix(b"+TERM") {
            return AckKind::Term { reason: String::from_utf8_lossy(rest.trim_ascii()).into_owned() };
        }
        AckKind::Unknown
    }

    /// The payload a client library sends for this.
    pub fn payload(&self) -> Vec<u8> {
        match self {
            AckKind::Ack => b"+ACK".to_vec(),
            AckKind::Nak { delay: None } => b"-NAK".to_vec(),
            AckKind::Nak { delay: Some(delay) } => format!("-NAK {{\"delay\": {}}}", delay.as_nanos()).into_bytes(),
            AckKind::InProgress => b"+WPI".to_vec(),
            AckKind::Term { reason } if reason.is_empty() => b"+TERM".to_vec(),
            AckKind::Term { reason } => format!("+TERM {reason}").into_bytes(),
            AckKind::Next { request } if request.is_empty() => b"+NXT".to_vec(),
            AckKind::Next { request } => [b"+NXT ".as_slice(), request].concat(),
            AckKind::Unknown => b"+UNKNOWN".to_vec(),
        }
    }
}

/// The delay in what follows `-NAK`: a JSON object, or a Go duration. `-NAK` alone and anything unreadable mean no delay.
fn parse_nak_delay(rest: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(rest).ok()?.trim();
    if text.is_empty() {
        return None;
    }
    if text.starts_with('{') {
        return serde_json::from_str::<NakDelay>(text).ok().map(|body| body.delay);
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn payloads() {
        let nak = |ms| AckKind::Nak { delay: Some(Duration::from_millis(ms)) };
        for (payload, kind) in [
            ("", AckKind::Ack),
            ("+ACK", AckKind::Ack),
            ("+OK", AckKind::Ack),
            ("+ack", AckKind::Unknown),
            ("FOO", AckKind::Unknown),
            ("+WPI", AckKind::InProgress),
            ("+WPIx", AckKind::Unknown),
            ("-NAK", AckKind::Nak { delay: None }),
            ("-NAKxyz", AckKind::Nak { delay: None }),
            ("-NAK {\"delay\": 300000000}", nak(300)),
            ("-NAK{\"delay\":1000000}", nak(1)),
            ("-NAK 300ms", nak(300)),
            ("-NAK -5s", nak(-5000)),
            ("-NAK {}", nak(0)),
            ("-NAK {\"delay\":\"x\"}", AckKind::Nak { delay: None }),
            ("+TERM", AckKind::Term { reason: String::new() }),
            ("+TERM  bad payload ", AckKind::Term { reason: "bad payload".into() }),
            ("+NXT", AckKind::Next { request: vec![] }),
            ("+NXT 5", AckKind::Next { request: b"5".to_vec() }),
        ] {
            assert_eq!(AckKind::parse(payload.as_bytes()), kind, "{payload}");
        }
    }

    #[test]
    fn tokens_that_are_no_numbers_read_as_huge() {
        let token = AckToken::parse("$JS.ACK.S.C.x.y.z.t.p").unwrap();
        assert_eq!((token.stream_seq.0, token.num_pending), (u64::MAX, u64::MAX));
        assert_eq!(AckToken::parse("$JS.ACK.S.C.1.2.3.4"), None);
        assert_eq!(AckToken::parse("$JS.ACK.S.C.1.2.3.4.5.6"), None);
        assert_eq!(AckToken::parse("orders.1"), None);
    }

    proptest! {
        #[test]
        fn the_length_of_the_text_is_known_without_it(count in any::<u64>(), seq in 0_u64..2000, stamp in any::<i64>(), pending in any::<u64>()) {
            let token = AckToken {
                stream: "ORDERS".into(),
                consumer: "C".into(),
                delivery_count: DeliveryCount(count),
                stream_seq: StreamSeq(seq),
                consumer_seq: ConsumerSeq(seq / 7),
                timestamp: WallTime::from_unix_nanos(stamp),
                num_pending: pending,
            };
            prop_assert_eq!(token.text_len(), token.to_string().len());
        }

        #[test]
        fn payload_round_trips(kind in prop_oneof![
            Just(AckKind::Ack),
            Just(AckKind::InProgress),
            proptest::option::of(any::<i64>().prop_map(Duration::from_nanos)).prop_map(|delay| AckKind::Nak { delay }),
            "[a-z]{0,9}".prop_map(|reason| AckKind::Term { reason }),
            "[0-9]{0,3}".prop_map(|request| AckKind::Next { request: request.into_bytes() }),
        ]) {
            prop_assert_eq!(AckKind::parse(&kind.payload()), kind);
        }
    }
}
