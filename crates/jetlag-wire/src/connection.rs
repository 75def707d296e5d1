//! One connection as a server sees it: bytes in, what the client asks for out; answers are collected as bytes. Sockets, time, and who hears
//! whom are the driver's.

use jetlag_model::{Message, Sid};

use crate::{ClientFrame, ConnectOptions, Decoder, ServerInfo, WireError};

/// What a server allows one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one control line.
    pub max_control_line: usize,
    /// Bytes of headers and payload together in one message.
    pub max_payload: usize,
    /// Bytes waiting to be written before the client is a slow consumer.
    pub max_pending: usize,
}

/// What a client asks for. PING is answered by the connection itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// CONNECT.
    Connect(Box<ConnectOptions>),
    /// PUB or HPUB.
    Publish(Message),
    /// SUB.
    Subscribe {
        /// The subject, which may hold wildcards.
        subject: String,
        /// The queue group to join.
        queue: Option<String>,
        /// The number of the subscription.
        sid: Sid,
    },
    /// UNSUB.
    Unsubscribe {
        /// The number of the subscription.
        sid: Sid,
        /// Messages, counted since the SUB, after which it ends.
        max: Option<u64>,
    },
    /// PONG.
    Pong,
}

/// Why a server sends a client away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may not come in.
    AuthorizationViolation,
    /// It did not say in time who it is.
    AuthenticationTimeout,
    /// There are too many.
    MaxConnections,
    /// It reads too slowly.
    SlowConsumer,
}

impl Refusal {
    /// As the server words it.
    pub const fn text(self) -> &'static str {
        match self {
            Refusal::AuthorizationViolation => "Authorization Violation",
            Refusal::AuthenticationTimeout => "Authentication Timeout",
            Refusal::MaxConnections => "maximum connections exceeded",
            Refusal::SlowConsumer => "Slow Consumer",
        }
    }
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The server sent it away.
    Refused(Refusal),
    /// What it sent is no protocol.
    Protocol(WireError),
}

/// One connection as a server sees it.
#[derive(Debug)]
pub struct ServerConnection {
    decoder: Decoder<ClientFrame>,
    limits: Limits,
    options: Option<ConnectOptions>,
    outbound: Vec<u8>,
    written: usize,
    closed: Option<Closed>,
}

impl ServerConnection {
    /// A connection whose INFO waits to be written.
    pub fn new(info: &ServerInfo, limits: Limits) -> ServerConnection {
        let mut connection = ServerConnection {
            decoder: Decoder::new(limits.max_payload),
            limits,
            options: None,
            outbound: Vec::new(),
            written: 0,
            closed: None,
        };
        let json = serde_json::to_string(info).unwrap_or_default();
        connection.line(&format!("INFO {json}"));
        connection
    }

    /// Takes bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.closed.is_none() {
            self.decoder.feed(bytes);
        }
    }

    /// The next thing the client asks for; `None` if more bytes are needed, or the connection is closed.
    pub fn poll(&mut self) -> Option<Asked> {
        while self.closed.is_none() {
            let frame = match self.decoder.poll() {
                Ok(frame) => frame?,
                Err(error) => {
                    self.protocol_error(error);
                    return None;
                }
            };
            let verbose = self.options.as_ref().is_some_and(|options| options.verbose);
            let asked = match frame {
                ClientFrame::Ping => {
                    self.line("PONG");
                    continue;
                }
                ClientFrame::Connect(options) => {
                    let verbose = options.verbose;
                    self.options = Some(options.clone());
                    if verbose {
                        self.line("+OK");
                    }
                    return Some(Asked::Connect(Box::new(options)));
                }
                ClientFrame::Pong => return Some(Asked::Pong),
                ClientFrame::Publish(message) => Asked::Publish(message),
                ClientFrame::Subscribe { subject, queue, sid } => Asked::Subscribe { subject, queue, sid },
                ClientFrame::Unsubscribe { sid, max } => Asked::Unsubscribe { sid, max },
            };
            if verbose {
                self.line("+OK");
            }
            return Some(asked);
        }
        None
    }

    /// Writes a message for one of the client's subscriptions.
    pub fn deliver(&mut self, sid: Sid, message: &Message) {
        if self.closed.is_some() {
            return;
        }
        let subject = message.subject.text();
        let reply = message.reply.as_ref().map(|reply| reply.text());
        let headers = message.headers.as_ref().filter(|_| self.options.as_ref().is_some_and(|options| options.headers));
        let out = &mut self.outbound;
        out.extend_from_slice(if headers.is_some() { b"HMSG " } else { b"MSG " });
        out.extend_from_slice(subject.as_bytes());
        out.push(b' ');
        out.extend_from_slice(sid.0.to_string().as_bytes());
        if let Some(reply) = &reply {
            out.push(b' ');
            out.extend_from_slice(reply.as_bytes());
        }
        let header_bytes = headers.map_or(&[][..], |headers| headers.as_bytes());
        if headers.is_some() {
            out.push(b' ');
            out.extend_from_slice(header_bytes.len().to_string().as_bytes());
        }
        out.push(b' ');
        out.extend_from_slice((header_bytes.len() + message.payload.len()).to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(header_bytes);
        out.extend_from_slice(&message.payload);
        out.extend_from_slice(b"\r\n");
        if self.outbound.len() - self.written > self.limits.max_pending {
            self.outbound.clear();
            self.written = 0;
            self.refuse(Refusal::SlowConsumer);
        }
    }

    /// Asks for a PONG.
    pub fn ping(&mut self) {
        self.line("PING");
    }

    /// Sends the client away.
    pub fn refuse(&mut self, refusal: Refusal) {
        if self.closed.is_none() {
            self.line(&format!("-ERR '{}'", refusal.text()));
            self.closed = Some(Closed::Refused(refusal));
        }
    }

    /// What the client said of itself.
    pub fn options(&self) -> Option<&ConnectOptions> {
        self.options.as_ref()
    }

    /// What is to be written.
    pub fn outbound(&self) -> &[u8] {
        &self.outbound[self.written..]
    }

    /// So many bytes of it were written.
    pub fn sent(&mut self, count: usize) {
        self.written += count;
        if self.written >= self.outbound.len() {
            self.outbound.clear();
            self.written = 0;
        }
    }

    /// Why it is closed, if it is: what is outbound is still to be written.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    fn protocol_error(&mut self, error: WireError) {
        let text = match &error {
            WireError::LineTooLong { .. } => "maximum control line exceeded",
            WireError::PayloadTooLarge { .. } => "Maximum Payload Violation",
            WireError::UnknownOperation(_) => "Unknown Protocol Operation",
            _ => "Parser Error",
        };
        self.line(&format!("-ERR '{text}'"));
        self.closed = Some(Closed::Protocol(error));
    }

    fn line(&mut self, line: &str) {
        if self.closed.is_none() {
            self.outbound.extend_from_slice(line.as_bytes());
            self.outbound.extend_from_slice(b"\r\n");
        }
    }
}
