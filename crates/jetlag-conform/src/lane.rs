//! In which order a server acts on what it is sent: the one place that says when a sender has to wait.
//!
//! A real server reads a connection in order, but hands most of what it reads to queues of their own: acknowledgements, pull requests,
//! API requests and publishes each have one, and these are not ordered against each other. A command that was sent is no barrier: an info
//! right after an unconfirmed ack was stale in 168 of 200 tries. So what must happen in order is kept in order by waiting:
//! - within one lane (same connection, same queue) nothing needs to be done, except that a publish is given [`PUBLISH_PAUSE`] after a flush,
//!   so that consumers have seen its message before the next one is stored: num_pending tells;
//! - when the connection changes, the earlier one is flushed (PING, PONG): then the server has read it;
//! - when the queue changes, the sender pauses [`ORDER_PAUSE`] after that flush: then the queue has been worked off;
//! - before the next command of a script, everything is flushed and the pause is [`COMMAND_PAUSE`], unless an answer said that the queue was
//!   worked off.

use std::time::Duration;

use jetlag_core::Input;
use jetlag_model::{AckToken, ConnId};

/// The pause between two publishes.
pub(crate) const PUBLISH_PAUSE: Duration = Duration::from_micros(200);

/// The pause between inputs that go to different queues of the server.
pub(crate) const ORDER_PAUSE: Duration = Duration::from_millis(1);

/// The pause before the next command of a script.
pub(crate) const COMMAND_PAUSE: Duration = Duration::from_millis(3);

/// The pause before something is done to a connection on which the server may be answering: whether that comes before is a race else.
pub(crate) const ANSWER_PAUSE: Duration = Duration::from_millis(20);

/// Where the server puts what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// Done while reading: subscriptions.
    None,
    /// A stream's.
    Publish,
    /// The API's.
    Api,
    /// A consumer's, for pull requests.
    Pull,
    /// A consumer's, for acknowledgements.
    Ack,
    /// The end of a connection, which the server notices when it comes to it.
    End,
}

/// What inputs have in common that stay in order by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) conn: ConnId,
    pub(crate) queue: Queue,
}

impl Lane {
    /// The lane of an input; `None` for a new connection, which is in order with everything because making it takes an answer.
    pub(crate) fn of(input: &Input) -> Option<Lane> {
        let (conn, queue) = match input {
            Input::Connect { .. } => return None,
            Input::Disconnect { conn } => (conn, Queue::End),
            Input::Subscribe { conn, .. } | Input::Unsubscribe { conn, .. } => (conn, Queue::None),
            Input::Publish { conn, message } => (conn, queue_of(&message.subject.text())),
        };
        Some(Lane { conn: *conn, queue })
    }

    /// Whether a flush does not say that the server has acted on what was last sent; `answered` when what was expected of it has come.
    pub(crate) fn needs_pause(self, answered: bool) -> bool {
        match self.queue {
            // An API request is always waited for.
            Queue::None | Queue::Api => false,
            Queue::Publish => !answered,
            Queue::Pull | Queue::Ack | Queue::End => true,
        }
    }

    /// What has to be done between an input of this lane and one of `next`.
    pub(crate) fn before(self, next: Lane) -> Wait {
        match (self == next, self.queue) {
            (_, Queue::Publish) if next.queue == Queue::Publish => Wait::FlushAndPause(PUBLISH_PAUSE),
            (true, _) => Wait::Nothing,
            (false, Queue::None) if self.conn == next.conn => Wait::Nothing,
            (false, Queue::None) => Wait::Flush,
            (false, queue) if queue == next.queue => Wait::Flush,
            (false, _) => Wait::FlushAndPause(ORDER_PAUSE),
        }
    }
}

/// What a sender waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing.
    Nothing,
    /// That the server has read what was sent.
    Flush,
    /// That, and so long after it.
    FlushAndPause(Duration),
}

fn queue_of(subject: &str) -> Queue {
    if subject.starts_with(AckToken::PREFIX) {
        Queue::Ack
    } else if subject.starts_with("$JS.API.CONSUMER.MSG.NEXT.") {
        Queue::Pull
    } else if subject.starts_with("$JS.API.") {
        Queue::Api
    } else {
        Queue::Publish
    }
}

#[cfg(test)]
mod tests {
    use jetlag_model::{Message, Sid};

    use super::*;

    #[test]
    fn only_what_the_server_does_not_order_waits() {
        let publish = |conn, subject: &str| Input::Publish { conn: ConnId(conn), message: Message::new(subject, "") };
        let ack = |conn| publish(conn, "$JS.ACK.S.C.1.1.1.1.0");
        let pull = |conn| publish(conn, "$JS.API.CONSUMER.MSG.NEXT.S.C");
        let subscribe = |conn| Input::Subscribe { conn: ConnId(conn), sid: Sid(1), subject: "x".into(), queue: None };
        let end = |conn| Input::Disconnect { conn: ConnId(conn) };
        for (first, second, wait) in [
            (ack(1), ack(1), Wait::Nothing),
            (ack(1), ack(2), Wait::Flush),
            (ack(1), pull(1), Wait::FlushAndPause(ORDER_PAUSE)),
            (ack(1), publish(1, "$JS.API.CONSUMER.INFO.S.C"), Wait::FlushAndPause(ORDER_PAUSE)),
            (ack(1), subscribe(1), Wait::FlushAndPause(ORDER_PAUSE)),
            (subscribe(1), pull(1), Wait::Nothing),
            (subscribe(1), publish(2, "orders.1"), Wait::Flush),
            (publish(1, "orders.1"), publish(1, "orders.2"), Wait::FlushAndPause(PUBLISH_PAUSE)),
            (publish(1, "orders.1"), publish(2, "orders.2"), Wait::FlushAndPause(PUBLISH_PAUSE)),
            (publish(1, "orders.1"), pull(2), Wait::FlushAndPause(ORDER_PAUSE)),
            (end(1), publish(2, "orders.1"), Wait::FlushAndPause(ORDER_PAUSE)),
        ] {
            assert_eq!(Lane::of(&first).unwrap().before(Lane::of(&second).unwrap()), wait, "{first:?} then {second:?}");
        }
    }
}
