//! What a program has come to: who is there, who holds what, and what will happen next. Read from the trace of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jetlag_model::{Direction, Duration, Text, Time};
use jetlag_runner::{Failure, Outcome};
use jetlag_trace::{Key, Kind, Place, Record};

/// A delivery that a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) client: Text,
    pub(crate) consumer: Text,
    pub(crate) seq: u64,
    pub(crate) count: u64,
}

/// What is to happen at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    pub(crate) at: Time,
    /// How late a server may be with it.
    pub(crate) slack: Duration,
    /// Two things of different kinds happen at once, or two requests come at once: which is first is a race.
    pub(crate) mixed: bool,
}

/// What there is, and what comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) now: Time,
    /// Streams, each with its last sequence.
    pub(crate) streams: BTreeMap<Text, u64>,
    /// Consumers, each with its stream.
    pub(crate) consumers: BTreeMap<Text, Text>,
    /// Deliveries in the hands of clients, the latest last.
    pub(crate) held: Vec<Held>,
    /// Deliveries that were acknowledged in some way, by consumer and sequence.
    pub(crate) answered: BTreeSet<(Text, u64)>,
    /// Clients without connection.
    pub(crate) away: BTreeSet<Text>,
    /// Fault rules that have acted.
    pub(crate) acted: BTreeSet<Text>,
    /// Whether the last command was refused.
    pub(crate) refused: bool,
    /// The last command had something delivered at once.
    pub(crate) delivers: bool,
    /// The last command took an unsettled message from a consumer, which delivered another one for it: a server terminates on a thread of its own,
    /// so that nobody chooses how much is pending by then.
    pub(crate) eviction_delivers: bool,
    /// How old the messages were that went because of their age with the last command.
    pub(crate) aged: BTreeSet<Duration>,
    /// Fault rules that act, from the last command on, on some but not all copies of one message that goes to several clients at once: whose copy
    /// comes first is nobody's choice.
    pub(crate) splitting: BTreeSet<Text>,
    /// What happens if nothing more is done, in order of time.
    pub(crate) future: Vec<Instant>,
}

impl View {
    /// What the first `steps` commands of a run came to; what the others, which only let time run, show is the future. `None` when a command
    /// could not be carried out.
    pub(crate) fn of(outcome: &Outcome, steps: usize, updates: bool, unit: Duration) -> Option<View> {
        let failed = |failure: &Failure| matches!(failure, Failure::Step { .. });
        if outcome.failures.iter().any(failed) || outcome.steps.len() < steps {
            return None;
        }
        let records = outcome.trace.records();
        let last = steps.checked_sub(1).and_then(|last| outcome.steps.get(last));
        let end = last.map_or(0, |last| last.end);
        let mut view = View { now: last.map_or(Time::START, |last| last.ended), ..View::default() };
        records[..end].iter().for_each(|record| view.see(record));
        view.refused = last.is_some_and(|last| records[last.first..last.end].iter().any(|record| record.kind == Kind::Refused));
        view.eviction_delivers = last.is_some_and(|last| eviction_delivers(&records[last.first..last.end]));
        view.delivers = last.is_some_and(|last| records[last.first..last.end].iter().any(|record| record.kind == Kind::Delivered));
        if let Some(last) = last {
            view.aged = aged(records, last.first..last.end);
            view.splitting = splitting(&records[last.first..]);
        }
        view.future = future(records, end, updates, unit);
        Some(view)
    }

    fn see(&mut self, record: &Record) {
        let text = |key| record.fields.text(key).cloned().unwrap_or_else(|| "".into());
        let number = |key| record.fields.uint(key).unwrap_or(0);
        let client = || record.place.actor().cloned().unwrap_or_else(|| "".into());
        match record.kind {
            Kind::StreamCreated => {
                self.streams.insert(text(Key::Stream), 0);
            }
            Kind::StreamDeleted => {
                self.streams.remove(&text(Key::Stream));
            }
            Kind::MsgStored => {
                self.streams.insert(text(Key::Stream), number(Key::StreamSeq));
            }
            Kind::ConsumerCreated => {
                self.consumers.insert(text(Key::Consumer), text(Key::Stream));
            }
            Kind::ConsumerDeleted => {
                self.consumers.remove(&text(Key::Consumer));
            }
            Kind::Got => self.held.push(Held {
                client: client(),
                consumer: text(Key::Consumer),
                seq: number(Key::StreamSeq),
                count: number(Key::DeliveryCount),
            }),
            Kind::Acked | Kind::Terminated | Kind::Naked => {
                self.answered.insert((text(Key::Consumer), number(Key::StreamSeq)));
            }
            Kind::Delivered => {
                self.answered.remove(&(text(Key::Consumer), number(Key::StreamSeq)));
            }
            Kind::RuleHit => self.acted.extend(record.rule.clone()),
            Kind::Crashed => {
                let client = client();
                self.held.retain(|held| held.client != client);
                self.away.insert(client);
            }
            Kind::Disconnected => {
                self.away.insert(client());
            }
            Kind::Connected => {
                self.away.remove(&client());
            }
            _ => {}
        }
    }
}

/// Whether a delivery follows the termination of what a limit took.
fn eviction_delivers(records: &[Record]) -> bool {
    let is_evicted =
        |record: &Record| record.kind == Kind::MsgRemoved && record.fields.text(Key::Reason).is_some_and(|reason| **reason == *"limit");
    let after = records.iter().skip_while(|record| !is_evicted(record));
    let mut after = after.skip_while(|record| record.kind != Kind::Terminated || record.fields.uint(Key::StreamSeq).is_none());
    after.any(|record| record.kind == Kind::Delivered)
}

/// The ages of messages that went because of them, among these records.
fn aged(records: &[Record], among: Range<usize>) -> BTreeSet<Duration> {
    let of = |record: &Record| (record.fields.text(Key::Stream).cloned(), record.fields.uint(Key::StreamSeq));
    let is_aged =
        |record: &&Record| record.kind == Kind::MsgRemoved && record.fields.text(Key::Reason).is_some_and(|reason| **reason == *"age");
    let gone = records[among.clone()].iter().filter(is_aged);
    let stored = |gone: &Record| {
        let is_it = |record: &&Record| record.kind == Kind::MsgStored && of(record) == of(gone);
        records[..among.end].iter().rev().find(is_it).map(|record| gone.at.since(record.at))
    };
    gone.filter_map(stored).collect()
}

/// The rules that act on some but not all copies of one message for several clients.
fn splitting(records: &[Record]) -> BTreeSet<Text> {
    let mut copies: BTreeMap<u64, BTreeMap<Text, BTreeSet<Text>>> = BTreeMap::new();
    for record in records {
        let (Place::Client(client) | Place::Link { client, direction: Direction::Down }) = &record.place else { continue };
        let is_copy = matches!(record.kind, Kind::RuleHit | Kind::Got | Kind::Message);
        if let Some(cause) = record.cause.filter(|_| is_copy) {
            let by = copies.entry(cause).or_default().entry(client.clone()).or_default();
            by.extend(record.rule.clone().filter(|_| record.kind == Kind::RuleHit));
        }
    }
    let some_but_not_all = |clients: BTreeMap<Text, BTreeSet<Text>>| {
        let acting: BTreeSet<Text> = clients.values().flatten().cloned().collect();
        acting.into_iter().filter(move |rule| !clients.values().all(|by| by.contains(rule))).collect::<Vec<_>>()
    };
    copies.into_values().flat_map(some_but_not_all).collect()
}

/// What happens after the record `end`, in order of time. What follows from something at the same instant is part of it.
fn future(records: &[Record], end: usize, updates: bool, unit: Duration) -> Vec<Instant> {
    let mut future: Vec<Instant> = Vec::new();
    let mut kinds: BTreeSet<&str> = BTreeSet::new();
    // Of two requests that a rule has come at once, the second may be there before the first is served.
    let held_up: BTreeSet<u64> = records.iter().filter(|record| is_held_up_request(record)).filter_map(|record| record.cause).collect();
    let mut requests: BTreeSet<u64> = BTreeSet::new();
    for record in &records[end..] {
        let caused_now = record.cause.and_then(|n| usize::try_from(n).ok()).is_some_and(|n| records[n].at == record.at);
        let kind: &str = match (record.kind, &record.place) {
            (Kind::DeadlineFired, _) => record.fields.text(Key::Deadline).map_or("", |deadline| &**deadline),
            (Kind::Command | Kind::RuleCount, _) | (_, Place::Script) => continue,
            _ if caused_now => continue,
            _ => "link",
        };
        if future.last().is_none_or(|last| last.at != record.at) {
            kinds.clear();
            requests.clear();
            future.push(Instant { at: record.at, slack: Duration::ZERO, mixed: false });
        }
        kinds.insert(kind);
        requests.extend(record.cause.filter(|cause| held_up.contains(cause)));
        if let Some(last) = future.last_mut() {
            last.slack = last.slack.max(slack(kind, updates, unit));
            last.mixed = kinds.len() > 1 || requests.len() > 1;
        }
    }
    future
}

/// Whether a fault rule delays a request for messages.
fn is_held_up_request(record: &Record) -> bool {
    record.kind == Kind::Delayed && record.fields.text(Key::Crossing).is_some_and(|crossing| matches!(&**crossing, "pull" | "next"))
}

/// How much later than told a server may get to something, in the time of a program whose shortest wait is `unit`: generously what a replay
/// at its pace allows.
fn slack(kind: &str, updates: bool, unit: Duration) -> Duration {
    let half = Duration::from_nanos(unit.as_nanos() / 2);
    match kind {
        // Rounds of housekeeping, a quarter of a second apart.
        "max-age" => half * 2,
        // Up to a second more, drawn by the server.
        "inactive" => half * 7,
        // The timer looks again a tenth of a second after an update.
        "ack-wait" if updates => half,
        _ => Duration::ZERO,
    }
}
