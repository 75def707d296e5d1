//! Requests over a raw connection, for probing a server and for tests. Not for scenario runs, whose clients write their own frames.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jetlag_model::{Address, Message, Sid};
use jetlag_wire::{ClientFrame, ConnectOptions, ServerFrame, ServerInfo};

use crate::connection::{Arrival, CloseReason, Connection, ConnectionError, ConnectionTag, Event};

/// The subscription on the inbox.
const INBOX: Sid = Sid(1);

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nobody is there to answer.
    #[error("no responders for {subject}")]
    NoResponders {
        /// Where the request went.
        subject: String,
    },
    /// No answer.
    #[error("no answer from {subject} within {after:?}")]
    TimedOut {
        /// Where the request went.
        subject: String,
        /// How long.
        after: Duration,
    },
    /// The connection ended, or refused the request.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// A connection that asks and waits, one request at a time.
#[derive(Debug)]
pub struct Requester {
    connection: Connection,
    arrivals: Receiver<Arrival>,
    inbox: String,
    asked: u64,
}

impl Requester {
    /// Connects; see [`Connection::open`].
    ///
    /// # Errors
    ///
    /// See [`Connection::open`].
    pub fn open(addr: SocketAddr, options: &ConnectOptions) -> Result<Requester, ConnectionError> {
        let (sender, arrivals) = mpsc::channel();
        let connection = Connection::open(addr, options, ConnectionTag(0), sender)?;
        // The id is unique on its server for as long as the server lives.
        let inbox = format!("_INBOX.jetlag.{}", connection.info().client_id);
        connection.send(&ClientFrame::Subscribe { subject: format!("{inbox}.*"), queue: None, sid: INBOX })?;
        Ok(Requester { connection, arrivals, inbox, asked: 0 })
    }

    /// What the server said when the connection was made.
    pub fn info(&self) -> &ServerInfo {
        self.connection.info()
    }

    /// Sends `payload` to `subject` and waits for the first answer. Late answers to earlier requests are passed over.
    ///
    /// # Errors
    ///
    /// When no answer comes within `timeout`, when the server says that none will, or when the connection ends.
    pub fn request(&mut self, subject: &str, payload: impl AsRef<[u8]>, timeout: Duration) -> Result<Message, RequestError> {
        self.asked += 1;
        let reply = format!("{}.{}", self.inbox, self.asked);
        let deadline = Instant::now() + timeout;
        self.connection.send(&ClientFrame::Publish(Message::new(subject, payload).with_reply(reply.as_str())))?;
        let reply = Address::from(reply);
        loop {
            match self.arrivals.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((_, _, Event::Frame(ServerFrame::Message { message, .. }))) if message.subject == reply => {
                    let no_responders =
                        message.headers.as_ref().and_then(|headers| headers.status()).is_some_and(|status| status.code == 503);
                    return if no_responders && message.payload.is_empty() {
                        Err(RequestError::NoResponders { subject: subject.to_owned() })
                    } else {
                        Ok(message)
                    };
                }
                Ok((_, _, Event::Frame(_))) => {}
                Ok((_, _, Event::Closed(reason))) => return Err(self.ended(reason).into()),
                Err(RecvTimeoutError::Timeout) => return Err(RequestError::TimedOut { subject: subject.to_owned(), after: timeout }),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended(CloseReason::ByUs).into()),
            }
        }
    }

    fn ended(&self, reason: CloseReason) -> ConnectionError {
        let addr = self.connection.addr();
        match reason {
            CloseReason::ByUs => ConnectionError::Closed { addr, error: None },
            CloseReason::ByServer { error } => ConnectionError::Closed { addr, error },
            CloseReason::Protocol(error) => ConnectionError::Protocol(error),
            CloseReason::Io(reason) => ConnectionError::Io { addr, reason },
        }
    }
}
