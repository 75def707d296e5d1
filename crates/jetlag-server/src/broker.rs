//! All connections of one listening server, and the namespaces behind them: who may come in, what they ask, and what leaves for them.
//! Sans-IO: bytes and real time are handed in, bytes are taken out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use jetlag_core::ConnectOptions;
use jetlag_model::{ConnId, Duration, Headers, Message, PullRequest, Text, Time};
use jetlag_sim::{Backend, Frame, Simulated};
use jetlag_wire::{Asked, Limits, Refusal, ServerConnection, ServerInfo};

use crate::config::{Clock, ServerConfig};
use crate::control::{FaultWait, report};
use crate::error::ServerError;
use crate::ledger::{Ledger, TraceFile, trace_path};
use crate::namespace::{Admission, Namespace, Sending};
use crate::operation::{Operation, Progress};
use crate::store::{NamespaceStore, Store};

/// The subjects of the server's own controls.
pub(crate) const CONTROL: &str = "$JETLAG.";

/// How long a server is down that does not come back.
const FOR_GOOD: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Where a connection stands.
#[derive(Debug)]
enum Standing {
    /// It has said nothing yet.
    New,
    /// It belongs to a namespace.
    In { namespace: Text, may_control: bool },
    /// What it said of itself got lost, and nobody hears what it says: until it gives up.
    Unheard,
    /// It is over: what is outbound is written, then the socket is closed.
    Over,
}

/// One connection.
#[derive(Debug)]
struct Conn {
    wire: ServerConnection,
    standing: Standing,
    /// PINGs that it has not answered yet.
    pings: u32,
    /// Those of them that asked whether it is still there, since it last said PONG.
    unanswered: u32,
    /// When it last said something, in real time.
    heard: Time,
    /// When it is looked at next, in real time.
    check: Option<Time>,
}

/// One namespace and where its time stands.
pub(crate) struct Place {
    pub(crate) namespace: Namespace,
    /// Where it is kept, if it is.
    store: Option<NamespaceStore>,
    /// Added to real time, while the clock runs.
    offset: Duration,
    /// When something is due, in real time.
    wake: Option<Time>,
    pub(crate) operation: Option<Operation>,
    pub(crate) queue: VecDeque<Operation>,
    pub(crate) snapshots: BTreeMap<String, Simulated>,
    /// Controls that wait for a rule.
    pub(crate) waits: Vec<FaultWait>,
}

/// What went over all connections, as nats-server counts it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) in_msgs: u64,
    pub(crate) in_bytes: u64,
    pub(crate) out_msgs: u64,
    pub(crate) out_bytes: u64,
    pub(crate) slow_consumers: u64,
    pub(crate) stale_connections: u64,
}

/// All of a listening server that is not a socket.
pub(crate) struct Broker {
    pub(crate) config: ServerConfig,
    info: ServerInfo,
    conns: BTreeMap<ConnId, Conn>,
    pub(crate) places: BTreeMap<Text, Place>,
    store: Option<Store>,
    next_conn: u64,
    pub(crate) traffic: Traffic,
    ready: BTreeSet<ConnId>,
    /// The namespaces in which something happened since [`Broker::finish`].
    touched: BTreeSet<Text>,
    /// When something is due in which namespace, in real time.
    wakes: BTreeSet<(Time, Text)>,
    /// When which connection is looked at, in real time.
    checks: BTreeSet<(Time, ConnId)>,
    /// The latest real time it was told.
    at: Time,
    is_stopping: bool,
    /// What was to be kept could not be: nothing is said or done any more.
    is_broken: bool,
    /// What the simulated server could not do, or the disk: told once.
    failure: Option<ServerError>,
    /// What whoever starts it may want to know.
    notes: Vec<String>,
}

/// The namespace of clients that name no user.
pub(crate) const DEFAULT_NAMESPACE: &str = "";

impl Broker {
    /// A server that listens on `address`, with what its store holds.
    pub(crate) fn open(config: ServerConfig, address: SocketAddr) -> Result<Broker, ServerError> {
        let info = ServerInfo {
            server_id: config.server_id(),
            server_name: config.server_name.clone().unwrap_or_else(|| config.server_id()),
            version: config.version.to_string(),
            proto: 1,
            host: address.ip().to_string(),
            port: address.port(),
            headers: true,
            auth_required: config.auth.is_required(),
            max_payload: config.max_payload as u64,
            jetstream: true,
            ..ServerInfo::default()
        };
        let store = config.store_dir.as_deref().map(|folder| Store::open(folder, config.state_writes())).transpose()?;
        let kept = store.as_ref().map_or(Ok(Vec::new()), Store::read)?;
        let mut broker = Broker {
            config,
            info,
            conns: BTreeMap::new(),
            places: BTreeMap::new(),
            store,
            next_conn: 1,
            traffic: Traffic::default(),
            ready: BTreeSet::new(),
            touched: BTreeSet::new(),
            wakes: BTreeSet::new(),
            checks: BTreeSet::new(),
            at: Time::START,
            is_stopping: false,
            is_broken: false,
            failure: None,
            notes: Vec::new(),
        };
        for (name, kept) in kept {
            if kept.dropped > 0 {
                broker.notes.push(format!("The store of {name:?} ended with {} bytes half written; they are passed over", kept.dropped));
            }
            // Time does not go back, be it that it was far ahead.
            let wall = kept.wall.map_or(broker.config.started, |wall| match broker.config.clock {
                Clock::Running => wall.max(broker.config.started),
                Clock::Manual => wall,
            });
            let server = Simulated::on_storage(broker.config.core(), wall, kept.stored);
            broker.add(name.into(), server, Some(kept.file))?;
        }
        broker.place(&DEFAULT_NAMESPACE.into());
        broker.finish();
        broker.failure.take().map_or(Ok(broker), Err)
    }

    /// What whoever started it may want to know.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What INFO says of the server.
    pub(crate) fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// How many connections there are, those that have said nothing yet or are told why they are over among them.
    pub(crate) fn connection_count(&self) -> usize {
        self.conns.len()
    }

    /// How many connections there were, those that are gone among them.
    pub(crate) fn connections_so_far(&self) -> u64 {
        self.next_conn - 1
    }

    /// The files of all traces are whole.
    pub(crate) fn finish_traces(&mut self) {
        let finished = self.places.values_mut().try_for_each(|place| place.namespace.ledger_mut().finish());
        self.note(finished);
    }

    /// The namespace of this name, made if it is new.
    pub(crate) fn place(&mut self, name: &Text) -> &mut Place {
        if !self.places.contains_key(name) {
            let (core, started) = (self.config.core(), self.config.started);
            let server = self.config.initial.as_deref().cloned().unwrap_or_else(|| Simulated::starting(core, started));
            let store = self.store.as_ref().map(|store| store.create(name)).transpose().map_err(ServerError::from);
            let store = store.unwrap_or_else(|error| {
                self.failure.get_or_insert(error);
                None
            });
            let added = self.add(name.clone(), server, store);
            self.note(added);
        }
        self.places.get_mut(name).expect("it was made if it was not there")
    }

    fn add(&mut self, name: Text, server: Simulated, store: Option<NamespaceStore>) -> Result<(), ServerError> {
        let mut ledger = Ledger::new(self.config.keep);
        if self.config.count {
            ledger = ledger.counting();
        }
        if let Some(path) = &self.config.trace {
            match TraceFile::create(trace_path(path, &name)) {
                Ok(file) => ledger = ledger.writing(file),
                Err(error) => self.note::<()>(Err(error)),
            }
        }
        // What comes with a server from elsewhere is its time, and clients that stayed there.
        let offset = server.now().since_start();
        let mut namespace = Namespace::new(server, self.config.seed, ledger);
        let forgotten = namespace.forget_connections();
        let rules = self.config.rules.iter().cloned().try_for_each(|rule| namespace.add_rule(rule));
        let place = Place {
            namespace,
            store,
            offset,
            wake: None,
            operation: None,
            queue: VecDeque::new(),
            snapshots: BTreeMap::new(),
            waits: Vec::new(),
        };
        self.places.insert(name.clone(), place);
        self.touched.insert(name);
        forgotten.and(rules)
    }

    // Connections

    /// A client connected. When there are too many, what is to be written to it is a refusal, and it is over.
    pub(crate) fn accept(&mut self, at: Time, peer: SocketAddr) -> ConnId {
        self.at = self.at.max(at);
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let info = ServerInfo { client_id: conn.0, client_ip: peer.ip().to_string(), ..self.info.clone() };
        let limits = Limits {
            max_control_line: self.config.max_control_line,
            max_payload: self.config.max_payload,
            max_pending: self.config.max_pending,
            must_connect: self.config.auth.is_required() && self.config.auth.no_auth_user.is_none(),
        };
        let mut wire = ServerConnection::new(info, limits);
        let mut standing = Standing::New;
        if self.is_stopping {
            standing = Standing::Over;
        } else if self.conns.len() >= self.config.max_connections {
            wire.refuse(Refusal::MaxConnections);
            standing = Standing::Over;
        }
        let is_new = matches!(standing, Standing::New);
        self.conns.insert(conn, Conn { wire, standing, pings: 0, unanswered: 0, heard: at, check: None });
        self.ready.insert(conn);
        if is_new {
            let authentication = self.config.auth_timeout.filter(|_| self.config.auth.is_required());
            self.check_at(conn, authentication.or(self.config.ping_interval).map(|after| at + after));
        }
        conn
    }

    /// When a connection is looked at next.
    fn check_at(&mut self, conn: ConnId, at: Option<Time>) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        if let Some(before) = std::mem::replace(&mut state.check, at) {
            self.checks.remove(&(before, conn));
        }
        self.checks.extend(at.map(|at| (at, conn)));
    }

    /// Looks whether a client has said who it is, and whether it is still there (`processPingTimer`, `server/client.go`).
    fn check(&mut self, conn: ConnId) {
        let must_present = self.config.auth_timeout.is_some() && self.config.auth.is_required();
        let (interval, most) = (self.config.ping_interval, self.config.ping_max);
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let mut next = None;
        match (&state.standing, interval) {
            (Standing::Over | Standing::Unheard, _) => {}
            (Standing::New, _) if must_present => state.wire.refuse(Refusal::AuthenticationTimeout),
            (_, None) => {}
            (_, Some(interval)) if state.heard + interval > self.at => next = Some(state.heard + interval),
            _ if state.unanswered >= most => {
                self.traffic.stale_connections += 1;
                state.wire.refuse(Refusal::StaleConnection);
            }
            (_, Some(interval)) => {
                state.wire.ping();
                state.pings += 1;
                state.unanswered += 1;
                next = Some(self.at + interval);
                self.ready.insert(conn);
            }
        }
        if state.wire.closed().is_some() {
            self.over(conn);
        }
        self.check_at(conn, next);
    }

    /// Bytes came from a client.
    pub(crate) fn bytes(&mut self, at: Time, conn: ConnId, bytes: &[u8]) {
        self.at = self.at.max(at);
        let Some(state) = self.conns.get_mut(&conn).filter(|_| !self.is_broken) else { return };
        if let Standing::In { namespace, .. } = &state.standing {
            let namespace = namespace.clone();
            self.catch_up(&namespace);
        }
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.heard = at;
        state.wire.feed(bytes);
        // Who is turned away gets no answer to what it has already sent, not even a PONG.
        let is_heard = |state: &&mut Conn| !matches!(state.standing, Standing::Over | Standing::Unheard);
        let next = |broker: &mut Broker| broker.conns.get_mut(&conn).filter(is_heard)?.wire.poll();
        while let Some(asked) = next(self) {
            self.asked(conn, asked);
        }
        if let Some(state) = self.conns.get_mut(&conn)
            && state.wire.closed().is_some()
        {
            self.over(conn);
        }
        self.ready.insert(conn);
    }

    /// A client's socket is closed.
    pub(crate) fn gone(&mut self, at: Time, conn: ConnId) {
        self.at = self.at.max(at);
        if let Some(Standing::In { namespace, .. }) = self.conns.get(&conn).map(|state| &state.standing) {
            let namespace = namespace.clone();
            self.catch_up(&namespace);
        }
        self.over(conn);
        self.check_at(conn, None);
        self.conns.remove(&conn);
        self.ready.remove(&conn);
    }

    /// The server stops in good order, for good: waiting pulls are told so, all connections end when that is written, and the store
    /// holds everything.
    pub(crate) fn stop(&mut self, at: Time) {
        self.at = self.at.max(at);
        self.is_stopping = true;
        let names: Vec<Text> = self.places.keys().cloned().collect();
        for name in names {
            self.catch_up(&name);
            if let Some(place) = self.places.get_mut(&name)
                && place.namespace.is_up()
            {
                let result = place.namespace.take_down(None, FOR_GOOD, None);
                self.note(result);
            }
            self.collect(&name);
        }
        for (conn, state) in &mut self.conns {
            state.standing = Standing::Over;
            self.ready.insert(*conn);
        }
    }

    /// The connection is over; the namespace hears of it at once.
    fn over(&mut self, conn: ConnId) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        if let Standing::In { namespace, .. } = std::mem::replace(&mut state.standing, Standing::Over)
            && let Some(place) = self.places.get_mut(&namespace)
        {
            let result = place.namespace.disconnect(conn);
            if let Some(operation) = &mut place.operation {
                operation.answered(conn);
            }
            self.note(result);
            self.collect(&namespace);
        }
        self.ready.insert(conn);
    }

    /// Connections that have something to write, or are over.
    pub(crate) fn take_ready(&mut self) -> BTreeSet<ConnId> {
        std::mem::take(&mut self.ready)
    }

    /// Moves what is to be written to a connection into `out`. Says whether the connection is over once that is written.
    pub(crate) fn take_outbound(&mut self, conn: ConnId, out: &mut Vec<u8>) -> bool {
        let Some(state) = self.conns.get_mut(&conn).filter(|_| !self.is_broken) else { return true };
        let bytes = state.wire.outbound();
        out.extend_from_slice(bytes);
        let count = bytes.len();
        state.wire.sent(count);
        matches!(state.standing, Standing::Over) || state.wire.closed().is_some()
    }

    fn asked(&mut self, conn: ConnId, asked: Asked) {
        let Some(state) = self.conns.get(&conn) else { return };
        let (namespace, may_control) = match (&state.standing, &asked) {
            (Standing::Over | Standing::Unheard, _) => return,
            // Whoever presents itself again leaves, and comes in anew.
            (Standing::In { .. }, Asked::Connect) => {
                self.over(conn);
                return self.connect(conn, true);
            }
            (Standing::In { namespace, may_control }, _) => (namespace.clone(), *may_control),
            (Standing::New, Asked::Connect) => return self.connect(conn, true),
            (Standing::New, _) => {
                self.connect(conn, false);
                match self.conns.get(&conn).map(|state| &state.standing) {
                    Some(Standing::In { namespace, may_control }) => (namespace.clone(), *may_control),
                    _ => return,
                }
            }
        };
        let frame = match asked {
            Asked::Connect => return,
            Asked::Pong => return self.pong(conn, &namespace),
            Asked::Publish(message) => {
                self.traffic.in_msgs += 1;
                self.traffic.in_bytes += size(&message);
                if message.subject.text().starts_with(CONTROL) {
                    return self.control(conn, &namespace, may_control, &message);
                }
                if let Some(refusal) = self.refused_timer(&message) {
                    return self.deliver_by_subject(&namespace, refusal);
                }
                Frame::Publish(message)
            }
            Asked::Subscribe { subject, queue, sid } => Frame::Subscribe { sid, subject: subject.into(), queue: queue.map(Into::into) },
            Asked::Unsubscribe { sid, max } => Frame::Unsubscribe { sid, max },
        };
        if let Some(place) = self.places.get_mut(&namespace) {
            let result = place.namespace.send(conn, frame);
            self.note(result);
            self.collect(&namespace);
        }
    }

    /// Lets a client in, or sends it away; `presents` says whether it sent CONNECT, or something else before it.
    fn connect(&mut self, conn: ConnId, presents: bool) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let options = state.wire.options().clone();
        let Some((namespace, may_control)) = self.config.auth.admit(&options, self.config.control_token.as_deref()) else {
            state.wire.refuse(Refusal::AuthorizationViolation);
            state.standing = Standing::Over;
            return;
        };
        if presents && !state.wire.accept() {
            state.standing = Standing::Over;
            return;
        }
        let name: Text = options.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| format!("c{conn}")).into();
        let connect = ConnectOptions { echo: options.echo, headers: options.headers, no_responders: options.no_responders };
        self.place(&namespace);
        self.catch_up(&namespace);
        let admission = self.place(&namespace).namespace.connect(conn, name, connect);
        if let Some(state) = self.conns.get_mut(&conn) {
            match &admission {
                Ok(Admission::In) if presents => state.wire.welcome(),
                Ok(Admission::Refused(Some(text))) => state.wire.turn_away(text),
                _ => {}
            }
            state.standing = match &admission {
                Ok(Admission::In) => Standing::In { namespace: namespace.clone(), may_control },
                Ok(Admission::Unheard) => Standing::Unheard,
                Ok(Admission::Refused(_)) | Err(_) => Standing::Over,
            };
        }
        self.note(admission);
        self.collect(&namespace);
    }

    fn pong(&mut self, conn: ConnId, namespace: &Text) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.pings = state.pings.saturating_sub(1);
        state.unanswered = 0;
        if state.pings == 0
            && let Some(operation) = self.places.get_mut(namespace).and_then(|place| place.operation.as_mut())
        {
            operation.answered(conn);
        }
    }

    /// On a manual clock, a pull whose timers the client keeps too would never end for one side.
    fn refused_timer(&self, message: &Message) -> Option<Message> {
        if self.config.clock != Clock::Manual || self.config.allow_client_timers {
            return None;
        }
        let subject = message.subject.text();
        if !subject.starts_with("$JS.API.CONSUMER.MSG.NEXT.") {
            return None;
        }
        let request = PullRequest::parse(&message.payload).ok()?;
        if request.expires.is_zero() && request.idle_heartbeat.is_zero() {
            return None;
        }
        let text = "jetlag: on a manual clock the client's own timers run on; pull with no_wait, or start with --allow-client-timers";
        let reply = message.reply.clone()?;
        Some(Message::new(reply, b"").with_headers(Headers::from_status(400, text)))
    }

    // Answers of our own

    /// Sends a message of the server's own to whoever listens in a namespace.
    pub(crate) fn deliver_by_subject(&mut self, namespace: &Text, message: Message) {
        if let Some(place) = self.places.get_mut(namespace) {
            let result = place.namespace.say(message);
            self.note(result);
            self.collect(namespace);
        }
    }

    // Time

    /// When something is due, in real time.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let (wake, check) = (self.wakes.first().map(|(at, _)| *at), self.checks.first().map(|(at, _)| *at));
        wake.into_iter().chain(check).min()
    }

    /// Real time went on to `at`: everything happens that is due by then.
    pub(crate) fn tick(&mut self, at: Time) {
        self.at = self.at.max(at);
        let due: Vec<Text> = self.wakes.iter().take_while(|(due, _)| *due <= self.at).map(|(_, name)| name.clone()).collect();
        due.iter().for_each(|name| self.run(name, true));
        while let Some((_, conn)) = self.checks.first().filter(|(due, _)| *due <= self.at).copied() {
            self.check(conn);
        }
    }

    /// Lets the clock of one namespace show what it should by now, and everything happen in it that is due.
    pub(crate) fn tick_one(&mut self, at: Time, name: &Text) {
        self.at = self.at.max(at);
        self.run(name, true);
    }

    /// What is due before now happens before what comes now.
    fn catch_up(&mut self, name: &Text) {
        self.run(name, false);
    }

    fn run(&mut self, name: &Text, through: bool) {
        let (clock, at) = (self.config.clock, self.at);
        if let Some(place) = self.places.get_mut(name) {
            let result = place.run(clock, at, through);
            self.note(result);
            self.collect(name);
        }
    }

    // What follows from all that

    /// Goes on with what controls asked for, as far as it goes without an answer of a client; writes down what is kept; and finds out when
    /// something is due next. To be called after everything else, before anybody is told what came of it.
    pub(crate) fn finish(&mut self) {
        if self.is_broken {
            return;
        }
        let mut touched = BTreeSet::new();
        while let Some(name) = self.touched.pop_first() {
            self.answer_waits(&name);
            while self.work_on(&name) {}
            touched.insert(name);
        }
        let clock = self.config.clock;
        for name in touched {
            let Some(place) = self.places.get_mut(&name) else { continue };
            let saved = place.save();
            let wake = place.next_wake(clock);
            if let Some(before) = std::mem::replace(&mut place.wake, wake) {
                self.wakes.remove(&(before, name.clone()));
            }
            self.wakes.extend(wake.map(|wake| (wake, name)));
            self.is_broken |= saved.is_err();
            self.note(saved);
        }
    }

    /// The clock of a namespace was set otherwise; a running one goes on from there.
    pub(crate) fn clock_moved(&mut self, name: &Text) {
        let at = self.at;
        if self.config.clock == Clock::Running
            && let Some(place) = self.places.get_mut(name)
        {
            place.offset = place.namespace.now().since(at);
        }
        self.collect(name);
    }

    /// Answers the controls whose rule has acted often enough.
    fn answer_waits(&mut self, name: &Text) {
        let Some(place) = self.places.get_mut(name) else { return };
        if place.waits.is_empty() {
            return;
        }
        let mut answers = Vec::new();
        let reports: BTreeMap<String, _> = place.namespace.reports().map(|of| (of.id.to_string(), (of.hits, report(of)))).collect();
        place.waits.retain(|wait| match reports.get(&wait.id) {
            Some((hits, counts)) if *hits >= wait.hits => {
                answers.extend(wait.reply.clone().map(|reply| Message::new(reply, counts.to_string())));
                false
            }
            _ => true,
        });
        for answer in answers {
            self.deliver_by_subject(name, answer);
        }
    }

    /// One step of a namespace's operation. Says whether there may be another.
    fn work_on(&mut self, name: &Text) -> bool {
        let (clock, at) = (self.config.clock, self.at);
        let Some(place) = self.places.get_mut(name) else { return false };
        if place.operation.is_none() {
            place.operation = place.queue.pop_front();
        }
        let Some(mut operation) = place.operation.take() else { return false };
        let progress = operation.step(&mut place.namespace, at);
        if clock == Clock::Running {
            // The clock goes on from where the operation left it.
            place.offset = place.namespace.now().since(at);
        }
        match progress {
            Ok(Progress::Waiting) => {
                place.operation = Some(operation);
                false
            }
            Ok(Progress::Stepped) => {
                place.operation = Some(operation);
                self.collect(name);
                self.ping_all(name);
                true
            }
            Ok(Progress::Done(answer)) => {
                self.collect(name);
                if let Some(reply) = operation.reply() {
                    self.deliver_by_subject(name, Message::new(reply, answer.as_bytes()));
                }
                true
            }
            Err(error) => {
                self.note::<()>(Err(error));
                true
            }
        }
    }

    /// Asks every connection of a namespace for a sign, so that the operation knows when all of them have read what was sent.
    fn ping_all(&mut self, name: &Text) {
        let Some(place) = self.places.get_mut(name) else { return };
        let conns: Vec<(ConnId, Text)> = place.namespace.connections().map(|(conn, name)| (conn, name.clone())).collect();
        for (conn, client) in conns {
            let Some(state) = self.conns.get_mut(&conn) else { continue };
            state.wire.ping();
            state.pings += 1;
            self.ready.insert(conn);
            if let Some(operation) = &mut place.operation {
                operation.wait_for(conn, client);
            }
        }
    }

    // Inside

    /// Writes what leaves a namespace to its connections.
    pub(crate) fn collect(&mut self, name: &Text) {
        let Some(place) = self.places.get_mut(name) else { return };
        if !self.touched.contains(name) {
            self.touched.insert(name.clone());
        }
        let mut overrun = Vec::new();
        while let Some(sending) = place.namespace.poll_sending() {
            match sending {
                Sending::Deliver { conn, sid, message } => {
                    let Some(state) = self.conns.get_mut(&conn) else { continue };
                    state.wire.deliver(sid, &message);
                    self.traffic.out_msgs += 1;
                    self.traffic.out_bytes += size(&message);
                    self.ready.insert(conn);
                    if state.wire.closed().is_some() {
                        self.traffic.slow_consumers += 1;
                        overrun.push(conn);
                    }
                }
                Sending::Close { conn } => {
                    if let Some(state) = self.conns.get_mut(&conn) {
                        state.standing = Standing::Over;
                        self.ready.insert(conn);
                    }
                    if let Some(operation) = &mut place.operation {
                        operation.answered(conn);
                    }
                }
            }
        }
        for conn in overrun {
            self.over(conn);
        }
    }

    /// Keeps the first thing that went wrong inside.
    pub(crate) fn note<T>(&mut self, result: Result<T, ServerError>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }

    /// What went wrong inside, if anything did.
    pub(crate) fn take_failure(&mut self) -> Option<ServerError> {
        self.failure.take()
    }
}

/// Bytes of headers and payload.
fn size(message: &Message) -> u64 {
    let headers = message.headers.as_ref().map_or(0, |headers| headers.as_bytes().len());
    (headers + message.payload.len()) as u64
}

impl Place {
    /// What the namespace's clock shows at this real time.
    fn virtual_at(&self, clock: Clock, at: Time) -> Time {
        match clock {
            Clock::Manual => self.namespace.now(),
            Clock::Running => (at + self.offset).max(self.namespace.now()),
        }
    }

    /// Lets time go on to what the clock shows; what is due at that very instant happens only with `through`.
    fn run(&mut self, clock: Clock, at: Time, through: bool) -> Result<(), ServerError> {
        if self.operation.is_some() {
            // Time belongs to the operation until it is done.
            return Ok(());
        }
        self.namespace.run_to(self.virtual_at(clock, at), through)
    }

    fn save(&mut self) -> Result<(), ServerError> {
        self.namespace.ledger_mut().flush()?;
        match &mut self.store {
            Some(store) => Ok(store.save(self.namespace.server(), self.namespace.wall(), self.namespace.life())?),
            None => Ok(()),
        }
    }

    fn next_wake(&self, clock: Clock) -> Option<Time> {
        if let Some(operation) = &self.operation {
            return operation.patience_ends();
        }
        match clock {
            Clock::Manual => None,
            Clock::Running => {
                let write = self.store.as_ref().and_then(|_| self.namespace.server().core()?.next_write());
                self.namespace.next_time().into_iter().chain(write).min().map(|due| due + -self.offset)
            }
        }
    }
}
