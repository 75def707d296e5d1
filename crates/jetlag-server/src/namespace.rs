//! One simulated server and the links of the clients that chose it: fault rules, what is on its way, virtual time, trace. No bytes, no
//! sockets, no real time.
//!
//! What happens at one instant happens in the order of the simulation's world: what clients send, what arrives at the end of a link, the
//! server's start; and when there is none of these, the server's own next deadline.

use std::collections::{BTreeMap, VecDeque};

use jetlag_core::{ConnectOptions, Input, LostTail, Output};
use jetlag_fault::{Action, CrossingKind, Direction, Effect, Fate, Report, Rule, RuleId, Rules, Verdict};
use jetlag_model::{ConnId, Duration, Message, Sid, Text, Time, WallTime};
use jetlag_sim::{
    Backend, Description, Frame, Peer, Rank, Received, Request, RequestId, Schedule, Simulated, arrival, deadline_record, lost_tail,
    note_record,
};
use jetlag_trace::{Key, Kind, Place, Record, Value};

use crate::error::ServerError;
use crate::ledger::Ledger;
use crate::peer::Observed;

/// Something that is to leave for a client.
#[derive(Debug)]
pub(crate) enum Sending {
    /// A message for one of its subscriptions.
    Deliver { conn: ConnId, sid: Sid, message: Message },
    /// Its connection ends.
    Close { conn: ConnId },
}

/// What becomes of a client that presents itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is in.
    In,
    /// It is turned away, in these words if there are any.
    Refused(Option<Text>),
    /// What it said got lost: nobody answers.
    Unheard,
}

/// A connection of this namespace.
#[derive(Debug)]
struct Link {
    peer: Observed,
    /// Requests whose answers a rule takes away.
    lost_replies: BTreeMap<RequestId, RuleId>,
}

/// Something that is due.
#[derive(Debug)]
enum Item {
    /// A frame reaches the server.
    Up { conn: ConnId, frame: Frame, about: Box<Description>, cause: Option<u64>, then: Vec<(RuleId, Action)> },
    /// A message reaches a client.
    Down { conn: ConnId, sid: Sid, message: Message, about: Box<Description>, cause: Option<u64>, then: Vec<(RuleId, Action)> },
    /// The server starts again.
    ServerUp,
}

/// One simulated server with its clients.
pub(crate) struct Namespace {
    server: Simulated,
    /// Another number for each life of the server.
    life: u64,
    rules: Rules,
    has_rules: bool,
    ledger: Ledger,
    schedule: Schedule<Item>,
    links: BTreeMap<ConnId, Link>,
    /// Clients that a rule keeps away, by name, until when.
    away: BTreeMap<Text, Time>,
    down_until: Option<Time>,
    sending: VecDeque<Sending>,
    cause: Option<u64>,
    server_cause: Option<u64>,
    /// Whether the server knows the connection of our own.
    own_is_open: bool,
    /// What came on the connection of our own.
    own_answer: Option<Message>,
}

/// The connection on which the server itself speaks; clients' numbers begin with 1.
const OWN: ConnId = ConnId(0);

/// Where the server listens for answers to its own requests.
const OWN_INBOX: &str = "_INBOX.jetlag";

impl Namespace {
    pub(crate) fn new(server: Simulated, seed: u64, ledger: Ledger) -> Namespace {
        Namespace {
            server,
            life: 1,
            rules: Rules::new(seed),
            has_rules: false,
            ledger,
            schedule: Schedule::new(),
            links: BTreeMap::new(),
            away: BTreeMap::new(),
            down_until: None,
            sending: VecDeque::new(),
            cause: None,
            server_cause: None,
            own_is_open: false,
            own_answer: None,
        }
    }

    /// Virtual time.
    pub(crate) fn now(&self) -> Time {
        self.server.now()
    }

    /// What the server's wall clock shows.
    pub(crate) fn wall(&self) -> WallTime {
        self.server.started() + self.now().since_start()
    }

    /// The server itself.
    pub(crate) fn server(&self) -> &Simulated {
        &self.server
    }

    /// Which life of the server this is.
    pub(crate) fn life(&self) -> u64 {
        self.life
    }

    /// What happened, as far as it is kept.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The same, to hand on what it holds.
    pub(crate) fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Whether the server runs.
    pub(crate) fn is_up(&self) -> bool {
        self.down_until.is_none()
    }

    /// The connections of this namespace, with their clients' names.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (ConnId, &Text)> {
        self.links.iter().map(|(conn, link)| (*conn, link.peer.name()))
    }

    /// Whether something leaves for a client.
    pub(crate) fn has_sent(&self) -> bool {
        !self.sending.is_empty()
    }

    /// The next thing that leaves for a client.
    pub(crate) fn poll_sending(&mut self) -> Option<Sending> {
        self.sending.pop_front()
    }

    // Time

    /// When something is due next.
    pub(crate) fn next_time(&self) -> Option<Time> {
        let server = self.server.next_due();
        self.schedule.next_time().into_iter().chain(server).min()
    }

    /// When something is due next that is not idle: without any, the namespace has settled.
    pub(crate) fn next_busy_time(&self) -> Option<Time> {
        let server = self.server.next_busy_deadline().map(|(due, _)| due);
        self.schedule.next_time().into_iter().chain(server).min()
    }

    /// Lets time go on to `end` and everything happen that is due before it; with `through`, at it too.
    pub(crate) fn run_to(&mut self, end: Time, through: bool) -> Result<(), ServerError> {
        loop {
            let own = self.schedule.next_time();
            let server = self.server.next_due();
            let Some(due) = own.into_iter().chain(server).min() else { break };
            if due > end || (due == end && !through) {
                break;
            }
            if own == Some(due) {
                self.server.lag(due);
                self.next_item()?;
            } else {
                let at = due.max(self.now());
                if let Some((_, deadline)) = self.server.next_deadline() {
                    self.cause = None;
                    let n = self.ledger.push_with(None, || deadline_record(at, deadline));
                    self.set_cause(n);
                }
                self.server.fire(at);
                self.drain()?;
            }
        }
        self.server.lag(end);
        Ok(())
    }

    // Clients

    /// A client presents itself. Refused while the server is down, the client's link is cut, or a rule keeps it away.
    pub(crate) fn connect(&mut self, conn: ConnId, name: Text, options: ConnectOptions) -> Result<Admission, ServerError> {
        let now = self.now();
        let cut = self.rules.connects(now, &name).is_some();
        if cut || self.down_until.is_some() || self.away.get(&name).is_some_and(|until| *until > now) {
            return Ok(Admission::Refused(None));
        }
        self.away.remove(&name);
        self.set_cause(None);
        let peer = Observed::new(name.clone());
        let about = Description::connect(&peer);
        let verdict = if self.has_rules { self.rules.evaluate(now, &about.crossing(None, None)) } else { Verdict::default() };
        self.record_hits(&about, &verdict);
        let (answer, kind, rule) = match &verdict.fate {
            Fate::Pass => (Admission::In, Kind::Connected, None),
            Fate::Drop(rule) => (Admission::Unheard, Kind::Lost, Some(rule)),
            Fate::Error(rule, text) => (Admission::Refused(Some(text.clone())), Kind::Failed, Some(rule)),
        };
        if let Some(rule) = rule {
            let mut refused = about.record(now, kind).by_rule(rule.clone());
            if let Admission::Refused(Some(text)) = &answer {
                refused.fields.set(Key::Description, text);
            }
            self.push(refused);
            self.act_on(conn, verdict.actions)?;
            return Ok(answer);
        }
        let n = self.ledger.push_with(None, || Record::new(now, Place::client(name), kind));
        self.set_cause(n);
        self.links.insert(conn, Link { peer, lost_replies: BTreeMap::new() });
        self.server.input(Input::Connect { conn, options })?;
        self.drain()?;
        self.act_on(conn, verdict.actions)?;
        Ok(answer)
    }

    /// A client's connection is gone, by its own doing.
    pub(crate) fn disconnect(&mut self, conn: ConnId) -> Result<(), ServerError> {
        self.set_cause(None);
        self.lose(conn, Kind::Disconnected, None)
    }

    /// A client sends something.
    pub(crate) fn send(&mut self, conn: ConnId, frame: Frame) -> Result<(), ServerError> {
        if !self.links.contains_key(&conn) || self.down_until.is_some() {
            return Ok(());
        }
        self.set_cause(None);
        match frame {
            Frame::Publish(message) => self.carry_up(conn, message),
            frame => {
                let cut = self.has_rules && self.rules.partitioned(self.now(), self.name_of(conn), Direction::Up).is_some();
                if cut { Ok(()) } else { self.input(frame.into_input(conn)) }
            }
        }
    }

    fn name_of(&self, conn: ConnId) -> &str {
        self.links.get(&conn).map_or("", |link| link.peer.name())
    }

    fn input(&mut self, input: Input) -> Result<(), ServerError> {
        self.server.input(input)?;
        self.drain()
    }

    // The server's own words

    fn open_own(&mut self) -> Result<(), ServerError> {
        if !self.own_is_open {
            self.own_is_open = true;
            let options = ConnectOptions { no_responders: false, ..ConnectOptions::default() };
            self.input(Input::Connect { conn: OWN, options })?;
            self.input(Input::Subscribe { conn: OWN, sid: Sid(1), subject: OWN_INBOX.into(), queue: None })?;
        }
        Ok(())
    }

    /// Publishes a message of the server's own. While the server is down nobody hears it.
    pub(crate) fn say(&mut self, message: Message) -> Result<(), ServerError> {
        if self.down_until.is_some() {
            return Ok(());
        }
        self.open_own()?;
        self.input(Input::Publish { conn: OWN, message })
    }

    /// Asks the server something, unseen by rules and clients. `None` while it is down.
    pub(crate) fn ask(&mut self, subject: &str, body: &[u8]) -> Result<Option<Message>, ServerError> {
        self.own_answer = None;
        self.say(Message::new(subject, body).with_reply(OWN_INBOX))?;
        Ok(self.own_answer.take())
    }

    // Links

    /// Whether anybody wants to know what crosses a link.
    fn watched(&self) -> bool {
        self.has_rules || self.ledger.is_on()
    }

    fn carry_up(&mut self, conn: ConnId, message: Message) -> Result<(), ServerError> {
        let now = self.now();
        let watched = self.watched();
        let Some(link) = self.links.get_mut(&conn) else { return Ok(()) };
        if !watched {
            return self.input(Input::Publish { conn, message });
        }
        link.peer.sends(&message);
        let about = Description::up(&link.peer, &message);
        let n = self.ledger.push_with(None, || sent(&about, link.peer.name(), now, &message));
        self.set_cause(n);
        if !self.has_rules {
            return self.input(Input::Publish { conn, message });
        }
        let acknowledged = self.links.get(&conn).and_then(|link| about.acknowledged(&link.peer, &self.rules));
        let verdict = self.rules.evaluate(now, &about.crossing(Some(&message), acknowledged));
        self.record_hits(&about, &verdict);
        if let Fate::Drop(rule) | Fate::Error(rule, _) = &verdict.fate {
            self.push(about.record(now, Kind::Lost).by_rule(rule.clone()));
            return self.act_on(conn, verdict.actions);
        }
        if let (Some(rule), Some(reply)) = (&verdict.reply_lost, &message.reply)
            && let Some(link) = self.links.get_mut(&conn)
            && let Some(id) = link.peer.request_at(&reply.text())
        {
            link.lost_replies.insert(id, rule.clone());
        }
        let (due, copies, cause) = (now + verdict.delay(), verdict.copies(), self.cause);
        for copy in 0..=copies {
            let then = if copy == copies { verdict.actions.clone() } else { Vec::new() };
            let about = Box::new(about.clone());
            self.schedule.add(due, Rank::Arrival, Item::Up { conn, frame: Frame::Publish(message.clone()), about, cause, then });
        }
        self.finish_instant()
    }

    fn carry_down(&mut self, conn: ConnId, sid: Sid, message: Message) -> Result<(), ServerError> {
        let now = self.now();
        if conn == OWN {
            self.own_answer = Some(message);
            return Ok(());
        }
        if !self.links.contains_key(&conn) {
            return Ok(());
        }
        if !self.watched() {
            self.sending.push_back(Sending::Deliver { conn, sid, message });
            return Ok(());
        }
        let link = &self.links[&conn];
        let received = link.peer.classify(sid, &message);
        let about = Description::down(&link.peer, &received, &message);
        let cause = self.server_cause.or(self.cause);
        let acknowledged = about.acknowledged(&link.peer, &self.rules);
        let crossing = about.crossing(Some(&message), acknowledged);
        let mut verdict = if self.has_rules { self.rules.evaluate(now, &crossing) } else { Verdict::default() };
        if let Received::Answer { id, .. } = &received
            && let Some(rule) = link.lost_replies.get(id)
            && verdict.fate == Fate::Pass
        {
            verdict.fate = Fate::Drop(rule.clone());
        }
        let before = std::mem::replace(&mut self.cause, cause);
        self.record_hits(&about, &verdict);
        self.cause = before;
        if let Fate::Drop(rule) | Fate::Error(rule, _) = &verdict.fate {
            let mut lost = about.record(now, Kind::Lost).by_rule(rule.clone());
            lost.cause = cause;
            self.push(lost);
            if let Some(link) = self.links.get_mut(&conn) {
                link.peer.got(&received, &message);
            }
            return self.act_on(conn, verdict.actions);
        }
        let (delay, copies) = (verdict.delay(), verdict.copies());
        if delay == Duration::ZERO && copies == 0 && verdict.actions.is_empty() {
            self.arrive(conn, sid, message, cause);
            return Ok(());
        }
        for copy in 0..=copies {
            let then = if copy == copies { verdict.actions.clone() } else { Vec::new() };
            let about = Box::new(about.clone());
            self.schedule.add(now + delay, Rank::Arrival, Item::Down { conn, sid, message: message.clone(), about, cause, then });
        }
        Ok(())
    }

    /// A message reaches a client: it is written to its connection.
    fn arrive(&mut self, conn: ConnId, sid: Sid, message: Message, cause: Option<u64>) {
        let now = self.now();
        let Some(link) = self.links.get_mut(&conn) else { return };
        let received = link.peer.classify(sid, &message);
        let name = link.peer.name();
        self.ledger.push_with(cause, || received_record(now, name, &received, &message));
        link.peer.got(&received, &message);
        self.sending.push_back(Sending::Deliver { conn, sid, message });
    }

    fn record_hits(&mut self, about: &Description, verdict: &Verdict) {
        for record in about.records_of(self.now(), verdict) {
            self.push(record);
        }
    }

    fn act_on(&mut self, conn: ConnId, actions: Vec<(RuleId, Action)>) -> Result<(), ServerError> {
        for (rule, action) in actions {
            match action {
                Action::Disconnect { reconnect } => {
                    if let (Some(after), Some(link)) = (reconnect, self.links.get(&conn)) {
                        self.away.insert(link.peer.name().clone(), self.now() + after);
                    }
                    self.cut(conn, Kind::Disconnected, Some(&rule))?;
                }
                Action::Crash => self.cut(conn, Kind::Crashed, Some(&rule))?,
                Action::Restart { downtime } => self.take_down(None, downtime, Some(&rule))?,
                Action::Kill { downtime, lost } => self.take_down(Some(lost_tail(lost)), downtime, Some(&rule))?,
            }
        }
        Ok(())
    }

    /// Ends a client's connection from this side.
    fn cut(&mut self, conn: ConnId, kind: Kind, by: Option<&RuleId>) -> Result<(), ServerError> {
        if self.links.contains_key(&conn) {
            self.sending.push_back(Sending::Close { conn });
        }
        self.lose(conn, kind, by)
    }

    /// Ends the connections of all clients of this name. Says how many there were.
    pub(crate) fn disconnect_client(&mut self, name: &str) -> Result<usize, ServerError> {
        let conns: Vec<ConnId> = self.connections().filter(|(_, of)| ***of == *name).map(|(conn, _)| conn).collect();
        self.set_cause(None);
        conns.iter().try_for_each(|conn| self.cut(*conn, Kind::Disconnected, None))?;
        Ok(conns.len())
    }

    fn lose(&mut self, conn: ConnId, kind: Kind, by: Option<&RuleId>) -> Result<(), ServerError> {
        let Some(link) = self.links.remove(&conn) else { return Ok(()) };
        let now = self.now();
        let mut record = Record::new(now, Place::client(link.peer.name().clone()), kind);
        record.rule = by.cloned();
        self.push(record);
        let of = |item: &Item| matches!(item, Item::Up { conn: c, .. } | Item::Down { conn: c, .. } if *c == conn);
        for item in self.schedule.extract(of) {
            if let Item::Up { about, cause, .. } | Item::Down { about, cause, .. } = item {
                let mut lost = about.record(now, Kind::Lost);
                lost.cause = cause;
                lost.rule = by.cloned();
                self.push(lost);
            }
        }
        if self.down_until.is_none() { self.input(Input::Disconnect { conn }) } else { Ok(()) }
    }

    // The server

    /// The server goes down, in good order or killed, and starts again after `downtime`.
    pub(crate) fn take_down(&mut self, kill: Option<LostTail>, downtime: Duration, by: Option<&RuleId>) -> Result<(), ServerError> {
        if self.down_until.is_some() {
            return Err(ServerError::Down);
        }
        if downtime.is_negative() {
            return Err(ServerError::NegativeTime(downtime));
        }
        let now = self.now();
        let mut record = Record::new(now, Place::Server, Kind::ServerDown);
        record.rule = by.cloned();
        self.push(record);
        match kill {
            None => self.server.stop()?,
            Some(lost) => self.server.kill(lost)?,
        }
        self.life += 1;
        self.drain()?;
        self.down_until = Some(now + downtime);
        self.own_is_open = false;
        let conns: Vec<ConnId> = self.links.keys().copied().collect();
        for conn in conns {
            self.sending.push_back(Sending::Close { conn });
            self.lose(conn, Kind::Disconnected, by)?;
        }
        self.schedule.add(now + downtime, Rank::Server, Item::ServerUp);
        Ok(())
    }

    fn server_up(&mut self) -> Result<(), ServerError> {
        self.server.start()?;
        self.life += 1;
        self.down_until = None;
        self.set_cause(None);
        let n = self.push(Record::new(self.now(), Place::Server, Kind::ServerUp));
        self.set_cause(n);
        self.drain()
    }

    /// The server as it is now, to come back to.
    pub(crate) fn snapshot(&self) -> Simulated {
        self.server.clone()
    }

    /// Puts the server and its time back to what they were. All clients lose their connections, and find the streams and consumers of
    /// then when they come back.
    pub(crate) fn restore(&mut self, snapshot: &Simulated) -> Result<(), ServerError> {
        self.set_cause(None);
        let conns: Vec<ConnId> = self.links.keys().copied().collect();
        conns.into_iter().try_for_each(|conn| self.cut(conn, Kind::Disconnected, None))?;
        self.schedule.extract(|_| true);
        self.server = snapshot.clone();
        self.life += 1;
        self.down_until = None;
        self.own_is_open = false;
        self.forget_connections()
    }

    /// A server from elsewhere knows connections that are none here.
    pub(crate) fn forget_connections(&mut self) -> Result<(), ServerError> {
        for conn in self.server.core().map(jetlag_core::Core::connections).unwrap_or_default() {
            self.input(Input::Disconnect { conn })?;
        }
        Ok(())
    }

    // Rules

    /// Adds a fault rule from now on.
    pub(crate) fn add_rule(&mut self, rule: Rule) -> Result<(), ServerError> {
        let is_inside = match rule.effect {
            // Whom it turns away the server decides.
            Effect::Error(_) => rule.matcher.kind != Some(CrossingKind::Connect),
            Effect::Slow { .. } => true,
            _ => false,
        };
        if is_inside {
            return Err(ServerError::NotForRealClients(rule.id));
        }
        self.rules.add(self.server.now(), rule)?;
        self.has_rules = true;
        Ok(())
    }

    /// Takes a fault rule away.
    pub(crate) fn clear_rule(&mut self, id: &str) -> Result<(), ServerError> {
        Ok(self.rules.clear(id)?)
    }

    /// The ids of the rules that are in force.
    pub(crate) fn open_rules(&self) -> Vec<String> {
        self.rules.open().map(ToString::to_string).collect()
    }

    /// How often each rule was asked and acted.
    pub(crate) fn reports(&self) -> impl ExactSizeIterator<Item = &Report> {
        self.rules.reports()
    }

    // What happens

    fn next_item(&mut self) -> Result<(), ServerError> {
        match self.schedule.pop() {
            None => Ok(()),
            Some(Item::ServerUp) => self.server_up(),
            Some(Item::Up { conn, frame, about: _, cause, then }) => {
                self.set_cause(cause);
                self.input(frame.into_input(conn))?;
                self.act_on(conn, then)
            }
            Some(Item::Down { conn, sid, message, about: _, cause, then }) => {
                self.arrive(conn, sid, message, cause);
                self.set_cause(cause);
                self.act_on(conn, then)
            }
        }
    }

    /// Lets everything arrive that is due now.
    fn finish_instant(&mut self) -> Result<(), ServerError> {
        while self.schedule.next_time().is_some_and(|due| due <= self.now()) {
            self.next_item()?;
        }
        Ok(())
    }

    /// Takes everything that the server says.
    fn drain(&mut self) -> Result<(), ServerError> {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Note(note) => {
                    let now = self.server.now();
                    let cause = self.cause;
                    self.server_cause = self.ledger.push_with(cause, || note_record(now, note)).or(self.server_cause);
                }
                Output::Deliver { conn, sid, message } => self.carry_down(conn, sid, message)?,
            }
        }
        self.finish_instant()
    }

    fn set_cause(&mut self, cause: Option<u64>) {
        self.cause = cause;
        self.server_cause = None;
    }

    fn push(&mut self, record: Record) -> Option<u64> {
        let cause = record.cause.or(self.cause);
        self.ledger.push_with(cause, || record)
    }
}

/// The record of what a client sends.
fn sent(about: &Description, client: &Text, at: Time, message: &Message) -> Record {
    let mut record = about.record(at, Kind::Sent);
    record.place = Place::client(client.clone());
    if record.fields.value(Key::Crossing) == Some(&Value::from("publish")) {
        record = record.with(Key::Payload, &message.payload);
        if let Some(headers) = &message.headers {
            record = record.with(Key::Headers, headers);
        }
    }
    record
}

/// The record of what reached a client; the answers of the API too, because nobody else writes them down.
fn received_record(at: Time, client: &Text, received: &Received, message: &Message) -> Record {
    if let Received::Answer { request: Request::Api { subject }, .. } = received {
        let text = String::from_utf8_lossy(&message.payload);
        let record = Record::new(at, Place::client(client.clone()), Kind::ApiReply);
        return record.with(Key::Subject, subject).with(Key::Text, text.as_ref());
    }
    arrival(at, client, received, message).unwrap_or_else(|| Record::new(at, Place::client(client.clone()), Kind::Message))
}
