//! A message as it crosses a connection.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::{AckToken, Headers, Text};

/// A payload. Cheap to clone.
pub type Payload = Arc<[u8]>;

/// Where a message goes, or where an answer to it goes.
///
/// The server's ack reply subjects travel as tokens and become text only where someone looks at them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A subject, as text. Not validated: a client may publish to anything.
    Subject(Text),
    /// An ack reply subject, `$JS.ACK.…`.
    Ack(Arc<AckToken>),
}

impl Address {
    /// The subject as text.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Address::Subject(text) => Cow::Borrowed(text),
            Address::Ack(token) => Cow::Owned(token.to_string()),
        }
    }

    /// The same, to keep.
    pub fn shared(&self) -> Text {
        match self {
            Address::Subject(text) => text.clone(),
            Address::Ack(token) => token.to_string().into(),
        }
    }

    /// The token, if this is an ack reply subject in either form.
    pub fn token(&self) -> Option<Cow<'_, AckToken>> {
        match self {
            Address::Subject(text) => AckToken::parse(text).map(Cow::Owned),
            Address::Ack(token) => Some(Cow::Borrowed(token)),
        }
    }

    /// The same, to keep.
    pub fn ack_token(&self) -> Option<Arc<AckToken>> {
        match self {
            Address::Subject(text) => AckToken::parse(text).map(Arc::new),
            Address::Ack(token) => Some(token.clone()),
        }
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Address {
        Address::Subject(text.into())
    }
}

impl From<String> for Address {
    fn from(text: String) -> Address {
        Address::Subject(text.into())
    }
}

impl From<Text> for Address {
    fn from(text: Text) -> Address {
        Address::Subject(text)
    }
}

impl From<AckToken> for Address {
    fn from(token: AckToken) -> Address {
        Address::Ack(Arc::new(token))
    }
}

impl From<Arc<AckToken>> for Address {
    fn from(token: Arc<AckToken>) -> Address {
        Address::Ack(token)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Subject(text) => f.write_str(text),
            Address::Ack(token) => token.fmt(f),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message: subject, reply subject, headers, payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub subject: Address,
    /// Where an answer is wanted.
    pub reply: Option<Address>,
    /// The header block, if there is one.
    pub headers: Option<Headers>,
    /// The payload; may be empty.
    pub payload: Payload,
}

impl Message {
    /// A message without reply subject and headers.
    pub fn new(subject: impl Into<Address>, payload: impl AsRef<[u8]>) -> Message {
        Message { subject: subject.into(), reply: None, headers: None, payload: payload.as_ref().into() }
    }

    /// The same message asking for an answer at `reply`.
    #[must_use]
    pub fn with_reply(mut self, reply: impl Into<Address>) -> Message {
        self.reply = Some(reply.into());
        self
    }

    /// The same message with these headers.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Message {
        self.headers = Some(headers);
        self
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.as_ref()?.get(name)
    }

    /// Bytes of header block and payload together, as limits count them.
    pub fn size(&self) -> u64 {
        self.headers.as_ref().map_or(0, |headers| headers.as_bytes().len() as u64) + self.payload.len() as u64
    }
}
