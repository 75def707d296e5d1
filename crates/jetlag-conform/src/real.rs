//! A real server as a [`Backend`]: inputs become frames on raw connections, outputs are the messages that arrive, and time is real.
//!
//! Which scenario runs on it, how fast, and what is made of what comes, is not known here.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jetlag_core::{Deadline, Input, Lost, LostTail, Output};
use jetlag_model::{ConnId, ServerVersion, Time, VersionError, WallTime};
use jetlag_sim::{Backend, BackendError, Limit, Polled};
use jetlag_wire::{ClientFrame, ConnectOptions, ServerFrame};

use crate::connection::{Arrival, CloseReason, Connection, ConnectionError, ConnectionTag, Event};
use crate::find::ServerUrl;
use crate::hosts::connect;
use crate::lane::{ANSWER_PAUSE, COMMAND_PAUSE, Lane, Wait};
use crate::led::Barrier;
use crate::server::{ServerError, ServerOptions, ServerProcess};

/// How long the server may take to answer PING.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the connections to a server that has ended may take to notice.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer that comes at once may take.
pub(crate) const PATIENCE: jetlag_model::Duration = jetlag_model::Duration::from_secs(2);

/// Why a real server can not go on.
#[derive(Debug, thiserror::Error)]
pub enum RealError {
    /// The process.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A connection that could not be made or used.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The URL leads nowhere.
    #[error("{url} can not be reached: {source}")]
    Url {
        /// The URL, without credentials.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// It was started without JetStream.
    #[error("the server at {url} has no JetStream; start it with -js")]
    NoJetStream {
        /// The URL, without credentials.
        url: String,
    },
    /// It reports a version that is none.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The server ended a connection, and nobody had asked for that.
    #[error("the server closed a connection unasked ({reason}); {log}")]
    Closed {
        /// What the server, or the network, said.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// The server complained about what a client sent.
    #[error("the server answered -ERR '{0}'")]
    Complaint(String),
    /// A server that is not this replay's alone.
    #[error("a server given by URL can not {0}; give a binary instead")]
    NotOurs(&'static str),
    /// What a killed process loses is not ours to choose.
    #[error("a real server can not be asked which tail of its storage it loses; only nothing and what it had not written can be replayed")]
    LostTail,
}

/// Who runs the server.
#[derive(Debug)]
enum Host {
    /// We do, for this one alone.
    Process(Box<ServerProcess>),
    /// We do, and others have accounts there too.
    Shared(Arc<ServerProcess>),
    /// Someone else.
    Other,
}

/// What the server ids of `jetlag serve` begin with.
const SIMULATED: &str = "NJETLAG";

/// A real server. Time runs from when it was made.
#[derive(Debug)]
pub struct RealServer {
    // First, so that connections end before the server does.
    connections: BTreeMap<ConnId, Connection>,
    host: Host,
    addr: SocketAddr,
    /// Credentials.
    connect: ConnectOptions,
    version: ServerVersion,
    /// Whether it is a `jetlag serve`.
    pub(crate) is_simulated: bool,
    start: Instant,
    wall: WallTime,
    patience: jetlag_model::Duration,
    sender: Sender<Arrival>,
    arrivals: Receiver<Arrival>,
    /// What has arrived and not been asked for, in order of arrival.
    ready: VecDeque<Output>,
    /// The lane of the last input, if nothing was waited for since.
    last: Option<Lane>,
    /// What went wrong first, for who gave the server away to a world.
    failure: Arc<OnceLock<String>>,
}

impl RealServer {
    /// A new process of `binary` with a folder of its own.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(binary: &Path) -> Result<RealServer, RealError> {
        let process = ServerProcess::start(binary, ServerOptions::default())?;
        let (addr, version) = (process.addr(), process.version());
        Ok(RealServer::new(Host::Process(Box::new(process)), addr, ConnectOptions::default(), version))
    }

    /// An account, with this user and password, on a process that others use too. It can not be stopped, killed or started.
    pub(crate) fn in_account(process: Arc<ServerProcess>, login: (String, String)) -> RealServer {
        let (addr, version) = (process.addr(), process.version());
        RealServer::new(Host::Shared(process), addr, connect(login), version)
    }

    /// A server that someone else runs. It can not be stopped, killed or started.
    ///
    /// # Errors
    ///
    /// When nobody answers there, or not as a server.
    pub fn at(url: &ServerUrl) -> Result<RealServer, RealError> {
        let addr = url.resolve().map_err(|source| RealError::Url { url: url.to_string(), source })?;
        let connect = url.credentials(ConnectOptions::default());
        let (sender, _arrivals) = mpsc::channel();
        let probe = Connection::open(addr, &connect, ConnectionTag(0), sender)?;
        if !probe.info().jetstream {
            return Err(RealError::NoJetStream { url: url.to_string() });
        }
        let version = probe.info().server_version()?;
        let is_simulated = probe.info().server_id.starts_with(SIMULATED);
        Ok(RealServer { is_simulated, ..RealServer::new(Host::Other, addr, connect, version) })
    }

    fn new(host: Host, addr: SocketAddr, connect: ConnectOptions, version: ServerVersion) -> RealServer {
        let (sender, arrivals) = mpsc::channel();
        let since_epoch = since_epoch();
        RealServer {
            connections: BTreeMap::new(),
            host,
            addr,
            connect,
            version,
            is_simulated: false,
            start: Instant::now(),
            wall: wall_of(since_epoch),
            patience: PATIENCE,
            sender,
            arrivals,
            ready: VecDeque::new(),
            last: None,
            failure: Arc::default(),
        }
    }

    /// The same server, its time running from a whole second of the wall clock, as the simulator's does. Waits for one.
    #[must_use]
    pub fn from_a_whole_second(self) -> RealServer {
        thread::sleep(Duration::from_secs(1) - Duration::from_nanos(since_epoch().subsec_nanos().into()));
        RealServer { start: Instant::now(), wall: wall_of(since_epoch()), ..self }
    }

    /// Where the text of its first failure will be.
    pub(crate) fn failure(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.failure)
    }

    fn noted<T>(&self, result: Result<T, RealError>) -> Result<T, BackendError> {
        result.map_err(|error| {
            // Only the first one counts: the others follow from it.
            let _ = self.failure.set(error.to_string());
            BackendError::Failed(Box::new(error))
        })
    }

    /// The same server, given no longer than this to answer what is answered at once.
    #[must_use]
    pub fn with_patience(mut self, patience: jetlag_model::Duration) -> RealServer {
        self.patience = patience;
        self
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The id of the server's process, if it is ours and runs.
    pub fn pid(&self) -> Option<u32> {
        match &self.host {
            Host::Process(process) => process.pid(),
            Host::Shared(process) => process.pid(),
            Host::Other => None,
        }
    }

    /// Waits until the server has acted on all that was sent to it: commands are no barriers, see `lane.rs`.
    ///
    /// # Errors
    ///
    /// When a connection fails.
    pub fn barrier(&mut self) -> Result<(), RealError> {
        self.wait_for_queues(false)
    }

    fn wait_for_queues(&mut self, answered: bool) -> Result<(), RealError> {
        let Some(lane) = self.last.take() else { return Ok(()) };
        self.flush(lane.conn)?;
        if lane.needs_pause(answered) {
            thread::sleep(COMMAND_PAUSE);
        }
        Ok(())
    }

    /// Earlier connections were flushed when the connection changed, so this is about the last one used.
    fn flush(&mut self, conn: ConnId) -> Result<(), RealError> {
        match self.connections.get(&conn) {
            Some(connection) => connection.flush(FLUSH_TIMEOUT).map_err(|error| self.failed(error)),
            // It is closed, by us.
            None => Ok(()),
        }
    }

    fn keep_order(&mut self, next: Option<Lane>) -> Result<(), RealError> {
        let Some(next) = next else { return Ok(()) };
        if let Some(last) = self.last.replace(next) {
            let wait = last.before(next);
            if wait != Wait::Nothing {
                self.flush(last.conn)?;
            }
            if let Wait::FlushAndPause(pause) = wait {
                thread::sleep(pause);
            }
        }
        Ok(())
    }

    fn take(&mut self, (tag, _, event): Arrival) -> Result<(), RealError> {
        let conn = ConnId(tag.0);
        if !self.connections.contains_key(&conn) {
            // Said on a connection that we have closed since.
            return Ok(());
        }
        match event {
            Event::Frame(ServerFrame::Message { sid, message }) => self.ready.push_back(Output::Deliver { conn, sid, message }),
            Event::Frame(ServerFrame::Err(text)) => return Err(RealError::Complaint(text)),
            Event::Frame(_) | Event::Closed(CloseReason::ByUs) => {}
            Event::Closed(CloseReason::ByServer { error }) => {
                return Err(self.closed(error.unwrap_or_else(|| "without a word".to_owned())));
            }
            Event::Closed(CloseReason::Protocol(error)) => return Err(ConnectionError::Protocol(error).into()),
            Event::Closed(CloseReason::Io(reason)) => return Err(self.closed(reason)),
        }
        Ok(())
    }

    /// Takes what has arrived, by the instant of arrival: the channel has it in the order in which the readers got to it.
    fn take_all(&mut self, first: Option<Arrival>) -> Result<(), RealError> {
        let mut arrived: Vec<Arrival> = first.into_iter().chain(self.arrivals.try_iter()).collect();
        // Stable: frames of one connection that came with one read have one instant.
        arrived.sort_by_key(|(_, at, _)| *at);
        arrived.into_iter().try_for_each(|arrival| self.take(arrival))
    }

    /// An error of a connection; that it ended has to do with the server.
    fn failed(&self, error: ConnectionError) -> RealError {
        match error {
            ConnectionError::Closed { error, .. } => self.closed(error.unwrap_or_else(|| "without a word".to_owned())),
            error => error.into(),
        }
    }

    fn closed(&self, reason: String) -> RealError {
        let log = match &self.host {
            Host::Process(process) => process.log_tail(),
            Host::Shared(process) => process.log_tail(),
            Host::Other => "its log is with whoever runs it".to_owned(),
        };
        RealError::Closed { reason, log }
    }

    fn process(&mut self, what: &'static str) -> Result<&mut ServerProcess, RealError> {
        match &mut self.host {
            Host::Process(process) => Ok(process),
            Host::Shared(_) | Host::Other => Err(RealError::NotOurs(what)),
        }
    }

    /// Ends the process, in one way or another.
    fn end(&mut self, what: &'static str, how: impl FnOnce(&mut ServerProcess) -> Result<(), RealError>) -> Result<(), RealError> {
        self.barrier()?;
        how(self.process(what)?)?;
        self.hear_last_words();
        Ok(())
    }

    fn next_arrival(&mut self, limit: Limit) -> Result<Polled, RealError> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return Ok(Polled::Output(output));
            }
            self.take_all(None)?;
            if !self.ready.is_empty() {
                continue;
            }
            let left = limit.time().since(self.now());
            if left <= jetlag_model::Duration::ZERO {
                return Ok(Polled::Reached);
            }
            match self.arrivals.recv_timeout(left.into()) {
                Ok(arrival) => self.take_all(Some(arrival))?,
                // The other end of the channel is ours too, so it is never disconnected.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// The process is gone: takes what it said last, until every connection has noticed.
    fn hear_last_words(&mut self) {
        let deadline = Instant::now() + LAST_WORDS_TIMEOUT;
        while !self.connections.is_empty() {
            let Ok((tag, _, event)) = self.arrivals.recv_timeout(deadline.saturating_duration_since(Instant::now())) else { break };
            let conn = ConnId(tag.0);
            match event {
                Event::Frame(ServerFrame::Message { sid, message }) if self.connections.contains_key(&conn) => {
                    self.ready.push_back(Output::Deliver { conn, sid, message });
                }
                // Complaints such as "Server Shutdown" are part of an end.
                Event::Frame(_) => {}
                Event::Closed(_) => {
                    self.connections.remove(&conn);
                }
            }
        }
        self.connections.clear();
        self.last = None;
    }

    fn send(&mut self, conn: ConnId, frame: &ClientFrame) -> Result<(), RealError> {
        match self.connections.get(&conn) {
            Some(connection) => connection.send(frame).map_err(|error| self.failed(error)),
            None => Err(self.closed("before it was used again".to_owned())),
        }
    }

    fn take_input(&mut self, input: Input) -> Result<(), RealError> {
        self.keep_order(Lane::of(&input))?;
        match input {
            Input::Connect { conn, options } => {
                let options = ConnectOptions {
                    echo: options.echo,
                    headers: options.headers,
                    // A server refuses one without the other.
                    no_responders: options.no_responders && options.headers,
                    name: Some(format!("jetlag {}", conn.0)),
                    ..self.connect.clone()
                };
                let connection = Connection::open(self.addr, &options, ConnectionTag(conn.0), self.sender.clone())?;
                self.connections.insert(conn, connection);
                Ok(())
            }
            Input::Disconnect { conn } => {
                self.flush(conn)?;
                if let Some(connection) = self.connections.remove(&conn) {
                    connection.close();
                }
                Ok(())
            }
            Input::Subscribe { conn, sid, subject, queue } => {
                let (subject, queue) = (subject.to_string(), queue.map(|queue| queue.to_string()));
                self.send(conn, &ClientFrame::Subscribe { subject, queue, sid })
            }
            Input::Unsubscribe { conn, sid, max } => self.send(conn, &ClientFrame::Unsubscribe { sid, max }),
            Input::Publish { conn, message } => self.send(conn, &ClientFrame::Publish(message)),
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn wall_of(since_epoch: Duration) -> WallTime {
    WallTime::from_unix_nanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}

impl Backend for RealServer {
    fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn started(&self) -> WallTime {
        self.wall
    }

    fn input(&mut self, input: Input) -> Result<(), BackendError> {
        let taken = self.take_input(input);
        self.noted(taken)
    }

    /// Blocks until something arrives or the limit's instant has come. Both kinds of limits are the same here: what a real server has due
    /// at an instant is its own affair.
    fn poll(&mut self, limit: Limit) -> Result<Polled, BackendError> {
        let polled = self.next_arrival(limit);
        self.noted(polled)
    }

    fn stop(&mut self) -> Result<(), BackendError> {
        let stopped = self.end("be stopped", |process| Ok(process.stop()?));
        self.noted(stopped)
    }

    fn kill(&mut self, lost: LostTail) -> Result<(), BackendError> {
        let by_itself = |lost| matches!(lost, Lost::Nothing | Lost::Unwritten);
        let killed = if by_itself(lost.messages) && by_itself(lost.consumers) {
            self.end("be killed", |process| {
                process.kill();
                Ok(())
            })
        } else {
            Err(RealError::LostTail)
        };
        self.noted(killed)
    }

    fn start(&mut self) -> Result<(), BackendError> {
        let started = self.process("be started").and_then(|process| Ok(process.restart()?));
        self.noted(started)
    }

    /// Nobody but the server knows.
    fn next_busy_deadline(&self) -> Option<(Time, Deadline)> {
        None
    }

    fn catch_up(&mut self) -> Result<(), BackendError> {
        let flushed = self.last.map_or(Ok(()), |lane| self.flush(lane.conn));
        thread::sleep(ANSWER_PAUSE);
        self.noted(flushed)
    }

    fn patience(&self) -> jetlag_model::Duration {
        self.patience
    }
}

impl Barrier for RealServer {
    fn barrier(&mut self, answered: bool) -> Result<(), BackendError> {
        let waited = self.wait_for_queues(answered);
        self.noted(waited)
    }
}
