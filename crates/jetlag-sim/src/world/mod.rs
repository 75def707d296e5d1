//! The world: clients and workers, their links to one server, fault rules, and time. Everything that happens in it becomes a record of
//! its trace.
//!
//! What happens at one instant happens in this order: outputs of the server; then what arrives at the end of a link, in the order in which
//! it was sent; then a server's start, reconnects, and workers' actions; and when there is none of these, the server's own next deadline.

mod actor;
mod carry;
mod connections;
mod receive;
mod server;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use jetlag_core::{ConnectOptions, Input, Output};
use jetlag_fault::{Action, Report, Rule, RuleId, Rules};
use jetlag_model::{ConnId, Duration, Message, SeqMap, Sid, Text, Time};
use jetlag_trace::{Kind, Record, Trace};

use crate::client::{Client, REQUESTS, RequestId};
use crate::crossing::Description;
use crate::handler;
use crate::notes::{deadline_record, note_record};
use crate::schedule::{Rank, Schedule};
use crate::worker::Worker;
use crate::{Backend, Delivery, Frame, Limit, Polled, WorldError};

pub use actor::{Actor, PubAck, Publication};
pub use server::lost_tail;

/// So many things at one instant are a loop.
const EVENTS_PER_INSTANT: u64 = 100_000;

/// So many steps without coming to rest are no settling.
const STEPS_TO_SETTLE: u64 = 20_000;

/// Where a client's connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// It is connected.
    Open(ConnId),
    /// It is not, and comes back by itself.
    Waiting,
    /// It is not, and stays so until told otherwise.
    Closed,
}

/// A client and what the world knows of it.
struct Member {
    client: Client,
    connection: Connection,
    /// Whether connecting and disconnecting are no news.
    quiet: bool,
    /// Requests whose answers a rule takes away.
    lost_replies: SeqMap<RequestId, RuleId>,
    /// Which worker a pull belongs to, by the subscription of the pull's inbox.
    pulls: SeqMap<Sid, usize>,
    /// Acknowledgements of workers that wait for a confirmation.
    confirmations: SeqMap<RequestId, (usize, Arc<Delivery>, handler::Action)>,
}

impl Member {
    fn conn(&self) -> Option<ConnId> {
        match self.connection {
            Connection::Open(conn) => Some(conn),
            Connection::Waiting | Connection::Closed => None,
        }
    }
}

/// Something that the world has due.
enum Item {
    /// A frame on a connection reaches the server.
    Up(Box<Passage<(ConnId, Frame)>>),
    /// A message for a subscription reaches a client.
    Down(Box<Passage<(Sid, Message)>>),
    /// The server starts again.
    ServerUp,
    /// A client tries to connect.
    Reconnect { member: usize },
    /// A worker's next action is due.
    Act { worker: usize, handling: u64 },
    /// A worker gives up a pull that nobody ended.
    GiveUp { worker: usize, pull: Text },
    /// A client publishes again.
    Publish { member: usize, series: Box<Series> },
}

/// Messages that a client publishes one by one.
struct Series {
    message: Message,
    /// Whether it asks for pub acks.
    confirm: bool,
    /// How many are left.
    left: u64,
    /// The time from one to the next.
    every: Duration,
    /// The driver's command.
    cause: Option<u64>,
}

/// Something that crosses a client's link.
struct Passage<T> {
    member: usize,
    what: T,
    /// What rules know of it: nothing if it is a subscription.
    about: Option<Description>,
    cause: Option<u64>,
    /// How much longer than planned a worker takes for it.
    slow: Duration,
    /// What rules want done once it has passed.
    then: Vec<(RuleId, Action)>,
}

/// How many deliveries clients got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Got {
    /// All of them.
    pub deliveries: u64,
    /// Those that were not the first attempt.
    pub redeliveries: u64,
}

/// A world on a server.
pub struct World<B> {
    backend: B,
    rules: Rules,
    trace: Trace,
    schedule: Schedule<Item>,
    members: Vec<Member>,
    names: BTreeMap<Text, usize>,
    connections: SeqMap<ConnId, usize>,
    workers: Vec<Worker>,
    running_workers: BTreeMap<Text, usize>,
    next_conn: u64,
    answers: BTreeMap<(usize, RequestId), Message>,
    deliveries: Vec<Arc<Delivery>>,
    got: Got,
    /// The instant at which the server starts again, while it is down.
    down_until: Option<Time>,
    /// The record that led to what is happening.
    cause: Option<u64>,
    /// The latest record of what the server did because of it.
    server_cause: Option<u64>,
    /// How many things happened at this instant.
    happened: (Time, u64),
    /// The connection of [`World::observe`], and what came on it.
    observer: Option<(ConnId, Option<Message>)>,
}

impl<B: Backend> World<B> {
    /// A world with nothing in it but a server; fault rules draw from seed 1.
    pub fn new(backend: B) -> World<B> {
        World::with_seed(backend, 1)
    }

    /// The same, with the seed that fault rules draw from.
    pub fn with_seed(backend: B, seed: u64) -> World<B> {
        World {
            backend,
            rules: Rules::new(seed),
            trace: Trace::new(),
            schedule: Schedule::new(),
            members: Vec::new(),
            names: BTreeMap::new(),
            connections: SeqMap::new(),
            workers: Vec::new(),
            running_workers: BTreeMap::new(),
            next_conn: 1,
            answers: BTreeMap::new(),
            deliveries: Vec::new(),
            got: Got::default(),
            down_until: None,
            cause: None,
            server_cause: None,
            happened: (Time::START, 0),
            observer: None,
        }
    }

    /// The time since the run started.
    pub fn now(&self) -> Time {
        self.backend.now()
    }

    /// The server.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The server, for what only this kind of server can do.
    pub fn backend_mut(&mut self) -> &mut B {
        &mut self.backend
    }

    /// All that happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Takes the trace out of a world that is not needed any more.
    pub fn into_trace(self) -> Trace {
        self.trace
    }

    /// Takes server and trace out of a world that is not needed any more.
    pub fn into_parts(self) -> (B, Trace) {
        (self.backend, self.trace)
    }

    /// All deliveries that clients got, in order; after [`World::forget`], those that came since.
    pub fn deliveries(&self) -> &[Arc<Delivery>] {
        &self.deliveries
    }

    /// How many deliveries clients got, forgotten ones too.
    pub fn delivered(&self) -> Got {
        self.got
    }

    /// Lets go of all records and deliveries so far, so that a long run does not grow. What happens next does not depend on it.
    pub fn forget(&mut self) {
        self.trace.forget();
        self.deliveries.clear();
    }

    /// Adds a record of the driver's own, caused by what the driver is doing. Returns its number.
    pub fn record(&mut self, record: Record) -> u64 {
        self.push(record)
    }

    /// Says which record leads to what is done from here on: the driver's command.
    pub fn set_cause(&mut self, cause: Option<u64>) {
        self.cause = cause;
        self.server_cause = None;
    }

    /// Adds a fault rule, from now on.
    ///
    /// # Errors
    /// When the rule makes no sense, or its id is in use.
    pub fn add_rule(&mut self, rule: Rule) -> Result<(), WorldError> {
        Ok(self.rules.add(self.backend.now(), rule)?)
    }

    /// Takes a fault rule away.
    ///
    /// # Errors
    /// When there is no such rule.
    pub fn clear_rule(&mut self, id: &str) -> Result<(), WorldError> {
        Ok(self.rules.clear(id)?)
    }

    /// How often each rule was asked and acted.
    pub fn rule_reports(&self) -> impl ExactSizeIterator<Item = &Report> {
        self.rules.reports()
    }

    /// Lets time run for this long, and all that is due at the end of it happen.
    ///
    /// # Errors
    /// When the server fails, when there is no end of things at one instant, or when the length is below zero.
    pub fn advance(&mut self, by: Duration) -> Result<(), WorldError> {
        if by.is_negative() {
            return Err(WorldError::Negative { what: "an advance", length: by });
        }
        self.advance_to(self.now() + by)
    }

    /// Lets time run to this instant, and all that is due at it happen.
    ///
    /// # Errors
    /// As [`World::advance`], and when the instant has passed.
    pub fn advance_to(&mut self, end: Time) -> Result<(), WorldError> {
        self.advance_until(end, |_| false).map(|_| ())
    }

    /// The same, unless `enough` says before that it is: it is asked after each thing that happens. Says whether it was not.
    ///
    /// # Errors
    /// As [`World::advance_to`].
    pub fn advance_until(&mut self, end: Time, enough: impl Fn(&World<B>) -> bool) -> Result<bool, WorldError> {
        let now = self.now();
        if end < now {
            return Err(WorldError::Backwards { now, to: end });
        }
        self.run_until(end, &enough)?;
        Ok(!enough(self))
    }

    /// Lets everything happen that is due now.
    ///
    /// # Errors
    /// As [`World::advance`].
    pub fn finish_instant(&mut self) -> Result<(), WorldError> {
        self.run_until(self.now(), |_| false)
    }

    /// Lets time run until `done`, which is asked after each thing that happens, and at most to `end` and all that is due at it.
    ///
    /// # Errors
    /// As [`World::advance`].
    pub fn run_until(&mut self, end: Time, mut done: impl FnMut(&World<B>) -> bool) -> Result<(), WorldError> {
        while !done(self) {
            if let Some(output) = self.backend.said() {
                self.output(output)?;
                self.count_event()?;
                continue;
            }
            let limit = match self.schedule.next_time() {
                Some(due) if due <= end => Limit::Before(due),
                _ => Limit::Through(end),
            };
            match self.backend.poll(limit)? {
                Polled::Output(output) => self.output(output)?,
                Polled::Fired(deadline) => {
                    self.cause = None;
                    let n = self.push(deadline_record(self.backend.now(), deadline));
                    self.set_cause(Some(n));
                }
                Polled::Reached => match limit {
                    Limit::Through(_) => return Ok(()),
                    Limit::Before(_) => self.next_item()?,
                },
            }
            self.count_event()?;
        }
        Ok(())
    }

    /// Lets time run until nothing is under way and the server has only idle deadlines left (see `Deadline::is_idle`), and returns the
    /// instant.
    ///
    /// # Errors
    /// As [`World::advance`], and when things keep happening.
    pub fn settle(&mut self) -> Result<Time, WorldError> {
        for _ in 0..STEPS_TO_SETTLE {
            self.finish_instant()?;
            let own = self.schedule.next_time_of(|item| !matches!(item, Item::GiveUp { .. }));
            let server = self.backend.next_busy_deadline().map(|(due, _)| due);
            match own.into_iter().chain(server).min() {
                None => return Ok(self.now()),
                Some(next) => self.advance_to(next.max(self.now()))?,
            }
        }
        Err(WorldError::NotSettled { at: self.now(), events: STEPS_TO_SETTLE, what: self.what_keeps_happening() })
    }

    /// Whether nothing is under way on a link and no worker has anything in hand.
    pub fn is_quiet(&self) -> bool {
        let nothing_due = self.schedule.next_time_of(|item| !matches!(item, Item::GiveUp { .. })).is_none();
        nothing_due && self.workers.iter().all(|worker| worker.unfinished() == 0)
    }

    /// Asks the server something on a connection of its own that no fault rule sees and that leaves no record of itself. `None` when the
    /// server is down, or does not answer within [`Backend::patience`].
    ///
    /// # Errors
    /// As [`World::advance`].
    pub fn observe(&mut self, subject: &str) -> Result<Option<Message>, WorldError> {
        if !self.is_up() {
            return Ok(None);
        }
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.observer = Some((conn, None));
        let inbox: Text = format!("_INBOX.observer.{conn}").into();
        let request = Message::new(subject, b"").with_reply(inbox.clone());
        for input in [
            Input::Connect { conn, options: ConnectOptions::default() },
            Input::Subscribe { conn, sid: Sid(1), subject: inbox, queue: None },
            Input::Publish { conn, message: request },
        ] {
            self.backend.input(input)?;
            self.drain()?;
        }
        let end = self.now() + self.backend.patience();
        let answered = |world: &World<B>| world.observer.as_ref().is_some_and(|(_, answer)| answer.is_some());
        if !answered(self) && end > self.now() {
            self.run_until(end, answered)?;
        }
        self.backend.input(Input::Disconnect { conn })?;
        self.drain()?;
        Ok(self.observer.take().and_then(|(_, answer)| answer))
    }

    /// Adds a record with the current cause.
    #[inline]
    fn push(&mut self, record: Record) -> u64 {
        self.trace.push_caused(record, self.cause)
    }

    /// Something the server did.
    #[inline]
    fn output(&mut self, output: Output) -> Result<(), WorldError> {
        match output {
            Output::Note(note) => {
                let n = self.push(note_record(self.backend.now(), note));
                self.server_cause = Some(n);
                Ok(())
            }
            Output::Deliver { conn, message, .. } if self.observer.as_ref().is_some_and(|(observer, _)| *observer == conn) => {
                self.observer = Some((conn, Some(message)));
                Ok(())
            }
            Output::Deliver { conn, sid, message } => {
                // A message for a connection that is gone meets nobody.
                let Some(member) = self.connections.get(conn).copied() else { return Ok(()) };
                self.carry_down(member, sid, message)
            }
        }
    }

    /// Takes all outputs that are there, without letting time run.
    fn drain(&mut self) -> Result<(), WorldError> {
        loop {
            match self.backend.poll(Limit::Before(self.backend.now()))? {
                Polled::Output(output) => self.output(output)?,
                Polled::Fired(_) | Polled::Reached => return Ok(()),
            }
        }
    }

    /// The next thing of the world's own that is due.
    fn next_item(&mut self) -> Result<(), WorldError> {
        let Some(item) = self.schedule.pop() else { return Ok(()) };
        match item {
            Item::Up(passage) => {
                let Passage { member, what: (conn, frame), cause, then, .. } = *passage;
                self.set_cause(cause);
                self.backend.input(frame.into_input(conn))?;
                self.act_once_answered(member, then)
            }
            Item::Down(passage) => self.arrive(passage),
            Item::ServerUp => {
                self.set_cause(None);
                self.server_up()
            }
            Item::Reconnect { member } => {
                self.set_cause(None);
                self.try_connect(member)
            }
            Item::Act { worker, handling } => {
                self.set_cause(None);
                self.act(worker, handling)?;
                self.work(worker)
            }
            Item::GiveUp { worker, pull } => {
                self.set_cause(None);
                self.give_up(worker, &pull)
            }
            Item::Publish { member, series } => self.publish_next(member, series),
        }
    }

    fn schedule(&mut self, at: Time, rank: Rank, item: Item) {
        self.schedule.add(at, rank, item);
    }

    fn count_event(&mut self) -> Result<(), WorldError> {
        let now = self.now();
        if self.happened.0 != now {
            self.happened = (now, 0);
        }
        self.happened.1 += 1;
        if self.happened.1 <= EVENTS_PER_INSTANT {
            return Ok(());
        }
        Err(WorldError::Loop { at: now, events: EVENTS_PER_INSTANT, what: self.what_keeps_happening() })
    }

    /// The distinct things among the latest records, in words.
    fn what_keeps_happening(&self) -> String {
        let records = self.trace.records();
        let mut seen: Vec<String> = Vec::new();
        for record in &records[records.len().saturating_sub(200)..] {
            let what = describe(record);
            if !seen.contains(&what) {
                seen.push(what);
            }
        }
        let more = seen.len().saturating_sub(6);
        seen.truncate(6);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        if seen.is_empty() { "traffic that leaves no record".to_owned() } else { format!("{}{tail}", seen.join(", ")) }
    }

    /// The member of this name.
    fn member(&self, name: &str) -> Result<usize, WorldError> {
        self.names.get(name).copied().ok_or_else(|| WorldError::UnknownClient(name.into()))
    }
}

/// Adds what waits for an answer; of what waits the longest, no answer is expected any more.
fn insert_bounded<T>(waiting: &mut SeqMap<RequestId, T>, id: RequestId, value: T) {
    waiting.insert(id, value);
    if waiting.len() > REQUESTS {
        waiting.pop_first();
    }
}

/// A record in a few words that stay the same when it comes back.
fn describe(record: &Record) -> String {
    use jetlag_trace::Key;
    let fields = &record.fields;
    let mut words = Vec::new();
    words.extend(record.place.actor().map(|actor| format!("{actor}:")));
    words.push(match (record.kind, fields.text(Key::Crossing)) {
        (Kind::Sent, Some(crossing)) => crossing.to_string(),
        (kind, Some(crossing)) => format!("{crossing} {kind}"),
        (kind, None) => kind.to_string(),
    });
    words.extend(fields.text(Key::Deadline).map(|deadline| deadline.to_string()));
    let path: Vec<&str> = [Key::Stream, Key::Consumer].into_iter().filter_map(|key| fields.text(key).map(|text| &**text)).collect();
    if !path.is_empty() {
        words.push(path.join("/"));
    }
    words.extend(fields.text(Key::Subject).filter(|_| path.is_empty()).map(|subject| subject.to_string()));
    words.join(" ")
}
