//! What a client sends on its connection. Bytes and sockets are not here.

use jetlag_core::Input;
use jetlag_model::{ConnId, Message, Sid, Text};

/// A protocol operation of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// SUB.
    Subscribe {
        /// The subscription's number.
        sid: Sid,
        /// What to listen to.
        subject: Text,
        /// The queue group.
        queue: Option<Text>,
    },
    /// UNSUB.
    Unsubscribe {
        /// The subscription's number.
        sid: Sid,
        /// Ends after that many messages; at once when absent.
        max: Option<u64>,
    },
    /// PUB or HPUB.
    Publish(Message),
}

/// What a client sends in one go: what concerns its subscriptions, then a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToSend {
    /// Subscriptions that begin or end.
    pub frames: Vec<Frame>,
    /// The message.
    pub message: Option<Message>,
}

impl ToSend {
    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.message.is_none()
    }
}

impl From<Message> for ToSend {
    /// A message alone.
    fn from(message: Message) -> ToSend {
        ToSend { frames: Vec::new(), message: Some(message) }
    }
}

impl From<Vec<Frame>> for ToSend {
    /// No message.
    fn from(frames: Vec<Frame>) -> ToSend {
        ToSend { frames, message: None }
    }
}

impl Frame {
    /// The frame as it reaches a server on connection `conn`.
    pub fn into_input(self, conn: ConnId) -> Input {
        match self {
            Frame::Subscribe { sid, subject, queue } => Input::Subscribe { conn, sid, subject, queue },
            Frame::Unsubscribe { sid, max } => Input::Unsubscribe { conn, sid, max },
            Frame::Publish(message) => Input::Publish { conn, message },
        }
    }
}
