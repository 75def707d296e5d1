//! One raw connection to a server: what the server says goes, with the instant it arrived, into a channel that many connections share.
//!
//! Not here: subscriptions, requests, reconnecting, and what a message means. Three things happen behind the caller's back, and do not
//! reach the channel: the server's PING is answered, PONG ends a [`Connection::flush`], and an INFO after the first, which servers send
//! when they please, moves the payload limit.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jetlag_wire::{ClientFrame, ConnectOptions, Decoder, ServerFrame, ServerInfo, WireError};

/// Time for the whole of connect, INFO, CONNECT and the first PONG.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that reads nothing for this long is given up; nats-server itself gives a client up after 10 s.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for the reader to find out why a write failed.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that a server may add to a message of `max_payload` bytes: headers of direct gets, republishing and the like.
const ADDED_HEADERS: u64 = 64 * 1024;

/// Largest INFO and MSG limit before the server has said its own.
const FIRST_PAYLOAD: usize = 1024 * 1024;

/// The caller's number for a connection, to tell connections apart that share a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionTag(pub u64);

/// What came in: on which connection, when, what. Frames that arrived with one read have one instant.
pub type Arrival = (ConnectionTag, Instant, Event);

/// What comes in on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame: a message, +OK or -ERR.
    Frame(ServerFrame),
    /// The end; exactly one, and nothing of this connection follows.
    Closed(CloseReason),
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// [`Connection::close`], or dropped.
    ByUs,
    /// By the server, with the text of its last -ERR if there was one. A server that was killed looks the same.
    ByServer {
        /// What the server complained about.
        error: Option<String>,
    },
    /// The server said what is no NATS protocol.
    Protocol(WireError),
    /// The network failed.
    Io(String),
}

/// A connection that could not be made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// Nobody listens.
    #[error("connection refused by {addr}; is the server up?")]
    Refused {
        /// The address.
        addr: SocketAddr,
    },
    /// No answer.
    #[error("{addr} did not {missing} within {after:?}")]
    TimedOut {
        /// The address.
        addr: SocketAddr,
        /// What was waited for, such as `answer PING`.
        missing: &'static str,
        /// How long.
        after: Duration,
    },
    /// The server, or the caller, said what is no NATS protocol.
    #[error(transparent)]
    Protocol(#[from] WireError),
    /// The connection has ended.
    #[error("connection to {addr} is closed{}", error.as_deref().map(|error| format!(": {error}")).unwrap_or_default())]
    Closed {
        /// The address.
        addr: SocketAddr,
        /// The text of the server's last -ERR, or what the network said.
        error: Option<String>,
    },
    /// A requirement of the server that is not met here.
    #[error("{addr} wants TLS, which is not spoken here; give a server without")]
    Tls {
        /// The address.
        addr: SocketAddr,
    },
    /// Something else is wrong with the network.
    #[error("connection to {addr} failed: {reason}")]
    Io {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        reason: String,
    },
}

/// One connection. Closed when dropped.
#[derive(Debug)]
pub struct Connection {
    addr: SocketAddr,
    info: ServerInfo,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

/// What the reader thread and the callers share.
#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    /// Held while writing, so that frames do not mix. Never taken by who holds `state`: a write may block.
    outgoing: Mutex<Outgoing>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Outgoing {
    buffer: Vec<u8>,
    /// PINGs sent.
    pings: u64,
}

#[derive(Debug, Default)]
struct State {
    /// PONGs seen.
    pongs: u64,
    /// We want the end.
    closing: bool,
    /// Why a write failed, when that is how the end began.
    write_error: Option<String>,
    closed: Option<CloseReason>,
}

impl Connection {
    /// Connects, introduces itself with `options` and waits until the server has accepted that. From then on all that arrives goes to
    /// `arrivals` under `tag`.
    ///
    /// # Errors
    ///
    /// When the connection can not be made within five seconds or the server does not accept the client; `arrivals` stays silent then.
    pub fn open(
        addr: SocketAddr,
        options: &ConnectOptions,
        tag: ConnectionTag,
        arrivals: Sender<Arrival>,
    ) -> Result<Connection, ConnectionError> {
        let (stream, decoder, info, early) = Handshake::new(addr)?.run(options)?;
        let failed = |error: io::Error| io_error(addr, &error);
        stream.set_read_timeout(None).map_err(failed)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT)).map_err(failed)?;
        let reading = stream.try_clone().map_err(failed)?;
        let shared = Arc::new(Shared { stream, outgoing: Mutex::default(), state: Mutex::default(), changed: Condvar::new() });
        let reader = Reader { stream: reading, decoder, shared: Arc::clone(&shared), tag, arrivals, error: None };
        let reader = thread::Builder::new().name(format!("nats connection {}", tag.0)).spawn(move || reader.run(early)).map_err(failed)?;
        Ok(Connection { addr, info, shared, reader: Some(reader) })
    }

    /// What the server said when the connection was made.
    pub fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// The server's address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether the connection has not ended yet, as far as is known.
    pub fn is_open(&self) -> bool {
        self.shared.state().closed.is_none()
    }

    /// Hands a frame to the system. That it was sent does not say that the server has acted on it; [`Connection::flush`] does.
    ///
    /// # Errors
    ///
    /// When the frame can not be written down, or when the connection has ended.
    pub fn send(&self, frame: &ClientFrame) -> Result<(), ConnectionError> {
        self.write(frame).map(|_| ())
    }

    /// Waits until the server has read all that was sent before, and until all that it sent meanwhile is in the channel.
    ///
    /// # Errors
    ///
    /// When that takes longer than `timeout`, or when the connection ends.
    pub fn flush(&self, timeout: Duration) -> Result<(), ConnectionError> {
        let deadline = Instant::now() + timeout;
        let goal = self.write(&ClientFrame::Ping)?;
        let mut state = self.shared.state();
        while state.pongs < goal {
            if let Some(reason) = &state.closed {
                return Err(self.closed(reason));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ConnectionError::TimedOut { addr: self.addr, missing: "answer PING", after: timeout });
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Closes the connection at once. When this returns, its last event is in the channel.
    pub fn close(mut self) {
        self.end();
    }

    /// The number of PINGs sent so far, this one included.
    fn write(&self, frame: &ClientFrame) -> Result<u64, ConnectionError> {
        if let Some(reason) = &self.shared.state().closed {
            return Err(self.closed(reason));
        }
        self.shared.write(frame)?.map_err(|error| self.why_closed(&error))
    }

    /// A write that failed knows little; the reader, which is about to come upon the end too, may have the server's own words.
    fn why_closed(&self, error: &io::Error) -> ConnectionError {
        let state = self.shared.state();
        let wait = self.shared.changed.wait_timeout_while(state, LAST_WORDS_TIMEOUT, |state| state.closed.is_none());
        match &wait.unwrap_or_else(PoisonError::into_inner).0.closed {
            Some(reason) => self.closed(reason),
            None => ConnectionError::Closed { addr: self.addr, error: Some(error.to_string()) },
        }
    }

    fn end(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        self.shared.state().closing = true;
        // An error means that it is closed already, which is what is wanted.
        let _ = self.shared.stream.shutdown(Shutdown::Both);
        if let Err(panic) = reader.join() {
            // A second panic while unwinding would abort and hide the first.
            if !thread::panicking() {
                std::panic::resume_unwind(panic);
            }
        }
    }

    fn closed(&self, reason: &CloseReason) -> ConnectionError {
        let error = match reason {
            CloseReason::ByUs => None,
            CloseReason::ByServer { error } => error.clone(),
            CloseReason::Protocol(error) => Some(error.to_string()),
            CloseReason::Io(error) => Some(error.clone()),
        };
        ConnectionError::Closed { addr: self.addr, error }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a frame; answers with the number of PINGs written so far. Of the two kinds of error, that the frame can not be encoded
    /// changes nothing, and that it can not be written ends the connection.
    fn write(&self, frame: &ClientFrame) -> Result<io::Result<u64>, WireError> {
        let mut outgoing = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner);
        let Outgoing { buffer, pings } = &mut *outgoing;
        buffer.clear();
        frame.encode(buffer)?;
        if let Err(error) = (&self.stream).write_all(buffer) {
            // A server that is gone shows in the next read, with its reason.
            if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) {
                self.state().write_error = Some(error.to_string());
            }
            // Half a frame may be out, and what follows would be misread. The reader notices and reports the end.
            let _ = self.stream.shutdown(Shutdown::Write);
            return Ok(Err(error));
        }
        *pings += u64::from(*frame == ClientFrame::Ping);
        Ok(Ok(*pings))
    }
}

/// The thread that reads.
struct Reader {
    stream: TcpStream,
    decoder: Decoder,
    shared: Arc<Shared>,
    tag: ConnectionTag,
    arrivals: Sender<Arrival>,
    /// The text of the last -ERR.
    error: Option<String>,
}

impl Reader {
    fn run(mut self, early: Vec<(Instant, ServerFrame)>) {
        for (at, frame) in early {
            self.take(at, frame);
        }
        let reason = self.read();
        let reason = {
            let mut state = self.shared.state();
            if state.closing { CloseReason::ByUs } else { state.write_error.take().map_or(reason, CloseReason::Io) }
        };
        self.report(Instant::now(), Event::Closed(reason.clone()));
        // After the report: who finds the connection closed finds the event in the channel.
        self.shared.state().closed = Some(reason);
        self.shared.changed.notify_all();
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn read(&mut self) -> CloseReason {
        let mut piece = vec![0; 64 * 1024];
        let mut at = Instant::now();
        loop {
            // First what the handshake left over.
            loop {
                match self.decoder.poll() {
                    Ok(Some(frame)) => self.take(at, frame),
                    Ok(None) => break,
                    Err(error) => return CloseReason::Protocol(error),
                }
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return CloseReason::ByServer { error: self.error.take() },
                Ok(n) => {
                    at = Instant::now();
                    self.decoder.feed(&piece[..n]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What a killed server, or one that closed with our bytes unread, looks like.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return CloseReason::ByServer { error: self.error.take() },
                Err(error) => return CloseReason::Io(error.to_string()),
            }
        }
    }

    fn take(&mut self, at: Instant, frame: ServerFrame) {
        match &frame {
            ServerFrame::Ping => {
                // PONG is always encodable, and a write that fails shows in the next read.
                let _ = self.shared.write(&ClientFrame::Pong);
                return;
            }
            ServerFrame::Pong => {
                self.shared.state().pongs += 1;
                self.shared.changed.notify_all();
                return;
            }
            ServerFrame::Info(info) => {
                self.decoder.set_max_payload(payload_limit(info));
                return;
            }
            ServerFrame::Err(text) => self.error = Some(text.clone()),
            ServerFrame::Message { .. } | ServerFrame::Ok => {}
        }
        self.report(at, Event::Frame(frame));
    }

    fn report(&self, at: Instant, event: Event) {
        // Nobody listens any more: the connection lives on for its sender, who may still be flushing.
        let _ = self.arrivals.send((self.tag, at, event));
    }
}

/// From nothing to a server that has accepted us.
struct Handshake {
    addr: SocketAddr,
    stream: TcpStream,
    decoder: Decoder,
    deadline: Instant,
}

impl Handshake {
    fn new(addr: SocketAddr) -> Result<Handshake, ConnectionError> {
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        let stream = TcpStream::connect_timeout(&addr, HANDSHAKE_TIMEOUT).map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused => ConnectionError::Refused { addr },
            ErrorKind::TimedOut => ConnectionError::TimedOut { addr, missing: "accept a connection", after: HANDSHAKE_TIMEOUT },
            _ => io_error(addr, &error),
        })?;
        stream.set_nodelay(true).map_err(|error| io_error(addr, &error))?;
        stream.set_write_timeout(Some(HANDSHAKE_TIMEOUT)).map_err(|error| io_error(addr, &error))?;
        Ok(Handshake { addr, stream, decoder: Decoder::new(FIRST_PAYLOAD), deadline })
    }

    #[expect(clippy::type_complexity, reason = "the parts of a connection, for the one caller")]
    fn run(mut self, options: &ConnectOptions) -> Result<(TcpStream, Decoder, ServerInfo, Vec<(Instant, ServerFrame)>), ConnectionError> {
        let info = match self.next("send INFO")? {
            ServerFrame::Info(info) => *info,
            ServerFrame::Err(text) => return Err(self.closed(Some(text))),
            other => return Err(WireError::UnknownOperation(format!("{other:?} before INFO")).into()),
        };
        if info.tls_required {
            return Err(ConnectionError::Tls { addr: self.addr });
        }
        self.decoder.set_max_payload(payload_limit(&info));
        let mut hello = Vec::new();
        ClientFrame::Connect(options.clone()).encode(&mut hello)?;
        ClientFrame::Ping.encode(&mut hello)?;
        self.stream.write_all(&hello).map_err(|error| io_error(self.addr, &error))?;
        let mut early = Vec::new();
        loop {
            match self.next("accept CONNECT")? {
                ServerFrame::Pong => return Ok((self.stream, self.decoder, info, early)),
                ServerFrame::Err(text) => return Err(self.closed(Some(text))),
                frame => early.push((Instant::now(), frame)),
            }
        }
    }

    fn next(&mut self, missing: &'static str) -> Result<ServerFrame, ConnectionError> {
        let timed_out = ConnectionError::TimedOut { addr: self.addr, missing, after: HANDSHAKE_TIMEOUT };
        let mut piece = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.poll()? {
                return Ok(frame);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(timed_out);
            }
            self.stream.set_read_timeout(Some(left)).map_err(|error| io_error(self.addr, &error))?;
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(self.closed(None)),
                Ok(n) => self.decoder.feed(&piece[..n]),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(timed_out),
                    ErrorKind::ConnectionReset => return Err(self.closed(None)),
                    _ => return Err(io_error(self.addr, &error)),
                },
            }
        }
    }

    fn closed(&self, error: Option<String>) -> ConnectionError {
        ConnectionError::Closed { addr: self.addr, error }
    }
}

fn payload_limit(info: &ServerInfo) -> usize {
    usize::try_from(info.max_payload.saturating_add(ADDED_HEADERS)).unwrap_or(usize::MAX)
}

fn io_error(addr: SocketAddr, error: &io::Error) -> ConnectionError {
    ConnectionError::Io { addr, reason: error.to_string() }
}
