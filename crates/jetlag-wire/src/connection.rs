//! One connection as a server sees it: bytes in, what the client asks for out; answers are collected as bytes. Sockets, time, who may come in
//! and who hears whom are the driver's.
//!
//! What is answered and what ends a connection follows `server/client.go` of nats-server 2.15: an operation that is none, a line or a payload
//! that is too long gets its -ERR, arguments that can not be read get nothing; both end the connection. What is wrong with a subject
//! gets -ERR and ends nothing.

use jetlag_model::{Message, Sid, is_valid_filter};

use crate::parser::{Parser, Said};
use crate::sids::{Sids, write_number};
use crate::{ConnectOptions, ServerInfo, WireError};

/// What a server allows one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the arguments of one control line.
    pub max_control_line: usize,
    /// Bytes of headers and payload together in one message.
    pub max_payload: usize,
    /// Bytes waiting to be written before the client is a slow consumer.
    pub max_pending: usize,
    /// Whether the first thing a client says has to be CONNECT.
    pub must_connect: bool,
}

/// What a client asks for. PING is answered by the connection itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// CONNECT: who it is stands in [`ServerConnection::options`]. The driver answers with [`ServerConnection::accept`] or
    /// [`ServerConnection::refuse`]. With a second CONNECT a client leaves, and comes in again without subscriptions.
    Connect,
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

/// Why a server sends a client away, with -ERR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may not come in.
    AuthorizationViolation,
    /// It did not say in time who it is.
    AuthenticationTimeout,
    /// There are too many.
    MaxConnections,
    /// It did not answer PINGs.
    StaleConnection,
    /// It speaks another version of the protocol.
    ClientProtocol,
    /// It wants to hear of missing responders, and does not understand the headers in which that is said.
    NoRespondersWithoutHeaders,
}

impl Refusal {
    /// As the server words it.
    pub const fn text(self) -> &'static str {
        match self {
            Refusal::AuthorizationViolation => "Authorization Violation",
            Refusal::AuthenticationTimeout => "Authentication Timeout",
            Refusal::MaxConnections => "maximum connections exceeded",
            Refusal::StaleConnection => "Stale Connection",
            Refusal::ClientProtocol => "invalid client protocol",
            Refusal::NoRespondersWithoutHeaders => "no responders requires headers support",
        }
    }
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The server sent it away.
    Refused(Refusal),
    /// It was sent away in words that are no server's own.
    TurnedAway,
    /// What it sent is no protocol.
    Protocol(WireError),
    /// It reads too slowly. What was waiting is not written any more, and nothing is said.
    SlowConsumer,
}

/// One connection as a server sees it.
#[derive(Debug)]
pub struct ServerConnection {
    parser: Parser,
    info: ServerInfo,
    max_pending: usize,
    must_connect: bool,
    options: ConnectOptions,
    has_connected: bool,
    has_ponged: bool,
    sids: Sids,
    outbound: Vec<u8>,
    written: usize,
    closed: Option<Closed>,
}

impl ServerConnection {
    /// A connection whose INFO waits to be written.
    pub fn new(info: ServerInfo, limits: Limits) -> ServerConnection {
        let mut connection = ServerConnection {
            parser: Parser::new(&limits),
            info,
            max_pending: limits.max_pending,
            must_connect: limits.must_connect,
            options: ConnectOptions::assumed(),
            has_connected: false,
            has_ponged: false,
            sids: Sids::default(),
            outbound: Vec::new(),
            written: 0,
            closed: None,
        };
        connection.say_info();
        connection
    }

    /// Takes bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.closed.is_none() {
            self.parser.feed(bytes);
        }
    }

    /// The next thing the client asks for; `None` if more bytes are needed, or the connection is closed.
    pub fn poll(&mut self) -> Option<Asked> {
        while self.closed.is_none() {
            if self.must_connect && !self.has_connected && self.parser.first_byte().is_some_and(|byte| !byte.eq_ignore_ascii_case(&b'c')) {
                self.refuse(Refusal::AuthorizationViolation);
                break;
            }
            match self.parser.poll(&self.options) {
                Ok(said) => {
                    if let Some(asked) = self.answer(said?) {
                        return Some(asked);
                    }
                }
                Err(error) => self.protocol_error(error),
            }
        }
        None
    }

    /// Does what needs no driver. `None` if that was all.
    fn answer(&mut self, said: Said) -> Option<Asked> {
        match said {
            Said::Ping => {
                self.line("PONG");
                // The first answer to a client that takes INFO at any time says how it has come in.
                if self.has_connected && !std::mem::replace(&mut self.has_ponged, true) && self.options.protocol >= 1 {
                    self.info.connect_info = true;
                    self.info.remote_account = Some("$G".to_owned());
                    self.say_info();
                }
                None
            }
            Said::Pong => Some(Asked::Pong),
            Said::Connect(json) => match self.options.merge(&json) {
                Ok(()) => Some(Asked::Connect),
                Err(error) => {
                    self.protocol_error(error);
                    None
                }
            },
            Said::InvalidPublishSubject => {
                self.error("Invalid Publish Subject");
                None
            }
            Said::Publish(message) => {
                if let Some(violation) = publish_violation(&message) {
                    self.error(&violation);
                    return None;
                }
                self.ok();
                Some(Asked::Publish(message))
            }
            Said::Subscribe { subject, queue, sid } => {
                if !is_valid_filter(&subject) {
                    self.error("Invalid Subject");
                    return None;
                }
                self.ok();
                Some(Asked::Subscribe { subject, queue, sid: self.sids.number(&sid) })
            }
            Said::Unsubscribe { sid, max } => {
                self.ok();
                let sid = self.sids.known(&sid)?;
                if max.is_none() {
                    self.sids.forget(sid);
                }
                Some(Asked::Unsubscribe { sid, max })
            }
        }
    }

    /// The client that asked to connect may come in. Says whether it can: the server may still not speak its protocol, and then it is
    /// closed.
    pub fn accept(&mut self) -> bool {
        self.has_connected = true;
        let options = &self.options;
        if options.account.is_some() || options.new_account {
            self.refuse(Refusal::AuthorizationViolation);
        } else if !(0..=1).contains(&options.protocol) {
            self.refuse(Refusal::ClientProtocol);
        } else if options.no_responders && !options.headers {
            self.refuse(Refusal::NoRespondersWithoutHeaders);
        }
        self.closed.is_none()
    }

    /// The client is in, and hears it if it wants to.
    pub fn welcome(&mut self) {
        self.ok();
    }

    /// Writes a message for one of the client's subscriptions.
    pub fn deliver(&mut self, sid: Sid, message: &Message) {
        if self.closed.is_some() {
            return;
        }
        let headers = message.headers.as_ref().filter(|_| self.options.headers).map_or(&[][..], |headers| headers.as_bytes());
        let out = &mut self.outbound;
        out.extend_from_slice(if headers.is_empty() { b"MSG " } else { b"HMSG " });
        out.extend_from_slice(message.subject.text().as_bytes());
        out.push(b' ');
        self.sids.write(sid, out);
        if let Some(reply) = &message.reply {
            out.push(b' ');
            out.extend_from_slice(reply.text().as_bytes());
        }
        if !headers.is_empty() {
            out.push(b' ');
            write_number(headers.len() as u64, out);
        }
        out.push(b' ');
        write_number((headers.len() + message.payload.len()) as u64, out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(headers);
        out.extend_from_slice(&message.payload);
        out.extend_from_slice(b"\r\n");
        if self.outbound.len() - self.written > self.max_pending {
            self.outbound = Vec::new();
            self.written = 0;
            self.close(Closed::SlowConsumer);
        }
    }

    /// Asks for a PONG.
    pub fn ping(&mut self) {
        self.line("PING");
    }

    /// Sends the client away.
    pub fn refuse(&mut self, refusal: Refusal) {
        if self.closed.is_none() {
            self.error(refusal.text());
            self.close(Closed::Refused(refusal));
        }
    }

    /// Sends the client away in any words; control characters in them are spaces, for they end a line.
    pub fn turn_away(&mut self, text: &str) {
        if self.closed.is_none() {
            self.error(&text.replace(char::is_control, " "));
            self.close(Closed::TurnedAway);
        }
    }

    /// What the client said of itself; before that, what is taken for granted.
    pub fn options(&self) -> &ConnectOptions {
        &self.options
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

    /// Bytes of the client that are held because what they are part of is unfinished: never more than a payload or a control line, after
    /// [`ServerConnection::poll`] said `None`.
    pub fn held(&self) -> usize {
        self.parser.held()
    }

    /// Why it is closed, if it is: what is outbound is still to be written.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    fn protocol_error(&mut self, error: WireError) {
        match &error {
            WireError::LineTooLong { .. } => self.error("maximum control line exceeded"),
            WireError::PayloadTooLarge { .. } => self.error("Maximum Payload Violation"),
            WireError::UnknownOperation(_) | WireError::PayloadEnd(_) => self.error("Unknown Protocol Operation"),
            WireError::NotText(_) => self.error("jetlag: names have to be UTF-8"),
            _ => {}
        }
        self.close(Closed::Protocol(error));
    }

    /// Nothing is read any more, so what was not read is not kept.
    fn close(&mut self, why: Closed) {
        self.parser.clear();
        self.closed = Some(why);
    }

    fn say_info(&mut self) {
        let json = serde_json::to_string(&self.info).unwrap_or_default();
        self.line(&format!("INFO {json} "));
    }

    fn ok(&mut self) {
        if self.options.verbose {
            self.line("+OK");
        }
    }

    fn error(&mut self, text: &str) {
        self.line(&format!("-ERR '{text}'"));
    }

    fn line(&mut self, line: &str) {
        if self.closed.is_none() {
            self.outbound.extend_from_slice(line.as_bytes());
            self.outbound.extend_from_slice(b"\r\n");
        }
    }
}

/// Why nobody may publish this: the subjects that servers keep for themselves.
fn publish_violation(message: &Message) -> Option<String> {
    let begins = |text: &str, prefix: &str| text.len() > prefix.len() && text.starts_with(prefix);
    let subject = message.subject.text();
    if ["_GR_.", "$GR.", "$NRG."].into_iter().any(|prefix| begins(&subject, prefix)) {
        return Some(format!("Permissions Violation for Publish to \"{subject}\""));
    }
    let reply = message.reply.as_ref()?.text();
    let reserved = reply.starts_with("_R_.") || reply.starts_with("$JS.ACK.") || begins(&reply, "_GR_.");
    reserved.then(|| format!("Permissions Violation for Publish with Reply of \"{reply}\""))
}
