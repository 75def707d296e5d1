//! Checks: what must hold in every run, judged on the trace. One file each; here is what they share.
//!
//! A check counts what it looked at and how often each of its exemptions was used, and fails when it had nothing to look at.

mod ack_floor;
mod count_tracking;
mod idle;
mod max_ack_pending;
mod max_deliver;
mod no_message_lost;
mod redelivery_deadline;
mod settled;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jetlag_model::ConsumerConfig;
use jetlag_scenario::CheckName;
use jetlag_sim::{Backend, World, WorldError};
use jetlag_trace::{Key, Kind, Record};
use serde_json::Value as Json;

use crate::CheckReport;

/// A consumer: its stream's name and its own.
pub(crate) type ConsumerKey = (Arc<str>, Arc<str>);

/// What a check found.
pub(crate) struct Finding {
    pub(crate) report: CheckReport,
    /// The first thing wrong, and the record that shows it.
    pub(crate) failure: Option<(String, Option<u64>)>,
}

impl Finding {
    fn new(name: CheckName) -> Finding {
        Finding { report: CheckReport { name, evaluated: 0, exemptions: Vec::new(), failure: None }, failure: None }
    }

    /// One more thing was looked at.
    fn look(&mut self) {
        self.report.evaluated += 1;
    }

    /// An exemption was used.
    fn exempt(&mut self, why: &'static str) {
        match self.report.exemptions.iter_mut().find(|(known, _)| *known == why) {
            Some((_, count)) => *count += 1,
            None => self.report.exemptions.push((why, 1)),
        }
    }

    /// Something is wrong; only the first is told.
    fn fail(&mut self, message: String, record: Option<u64>) {
        self.failure.get_or_insert((message, record));
    }
}

/// What is known at the time of a check besides the trace.
pub(crate) struct Observed {
    /// The info of each consumer that exists.
    infos: BTreeMap<ConsumerKey, Json>,
    /// Whether nothing is under way and no worker has anything in hand.
    quiet: bool,
    /// Whether a worker still fetches.
    working: bool,
    /// What the server is about to do by itself, other than let idle things expire.
    busy: Option<String>,
}

impl Observed {
    /// Looks at a world.
    pub(crate) fn of<B: Backend>(world: &mut World<B>) -> Result<Observed, WorldError> {
        let quiet = world.is_quiet();
        let working = world.has_running_workers();
        let busy = world.backend().next_busy_deadline().map(|(due, deadline)| format!("{} at {due}", deadline.kind()));
        let mut infos = BTreeMap::new();
        for key in existing_consumers(world.trace().records()) {
            let subject = format!("$JS.API.CONSUMER.INFO.{}.{}", key.0, key.1);
            let Some(answer) = world.observe(&subject)? else { continue };
            if let Ok(info) = serde_json::from_slice::<Json>(&answer.payload)
                && info.get("error").is_none()
            {
                infos.insert(key, info);
            }
        }
        Ok(Observed { infos, quiet, working, busy })
    }

    /// A number of a consumer's info.
    fn number(&self, consumer: &ConsumerKey, field: &str) -> Option<u64> {
        self.infos.get(consumer)?.get(field)?.as_u64()
    }
}

/// Evaluates a check on all that happened so far.
pub(crate) fn evaluate(name: CheckName, records: &[Record], observed: &Observed) -> Finding {
    let mut finding = Finding::new(name);
    match name {
        CheckName::NoMessageLost => no_message_lost::check(records, observed, &mut finding),
        CheckName::MaxDeliver => max_deliver::check(records, &mut finding),
        CheckName::RedeliveryDeadline => redelivery_deadline::check(records, &mut finding),
        CheckName::AckFloor => ack_floor::check(records, &mut finding),
        CheckName::MaxAckPending => max_ack_pending::check(records, &mut finding),
        CheckName::Settled => settled::check(records, &mut finding),
        CheckName::Idle => idle::check(observed, &mut finding),
        CheckName::CountTracking => count_tracking::check(records, &mut finding),
    }
    if finding.report.evaluated == 0 && finding.failure.is_none() {
        finding.fail("it was never evaluated: nothing in this run is what it looks at".to_owned(), None);
    }
    finding
}

/// The consumer that a record is about.
fn consumer_of(record: &Record) -> Option<ConsumerKey> {
    Some((record.fields.text(Key::Stream)?.clone(), record.fields.text(Key::Consumer)?.clone()))
}

/// The message of a consumer that a record is about.
fn message_of(record: &Record) -> Option<(ConsumerKey, u64)> {
    Some((consumer_of(record)?, record.fields.uint(Key::StreamSeq)?))
}

/// `ORDERS/WORK:1`
fn show(consumer: &ConsumerKey, seq: u64) -> String {
    format!("{}/{}:{seq}", consumer.0, consumer.1)
}

/// The configuration that a record tells.
fn config_of(record: &Record) -> Option<ConsumerConfig> {
    serde_json::from_str(record.fields.text(Key::Text)?).ok()
}

/// Configurations as they stand while a trace is read.
#[derive(Default)]
struct Configs(BTreeMap<ConsumerKey, ConsumerConfig>);

impl Configs {
    /// Takes note of a record if it changes a configuration.
    fn follow(&mut self, record: &Record) {
        match record.kind {
            Kind::ConsumerCreated | Kind::ConsumerUpdated => {
                if let (Some(key), Some(config)) = (consumer_of(record), config_of(record)) {
                    self.0.insert(key, config);
                }
            }
            Kind::ConsumerDeleted => {
                consumer_of(record).map(|key| self.0.remove(&key));
            }
            Kind::StreamDeleted => {
                if let Some(stream) = record.fields.text(Key::Stream) {
                    self.0.retain(|(of, _), _| of != stream);
                }
            }
            _ => {}
        }
    }

    fn of(&self, consumer: &ConsumerKey) -> Option<&ConsumerConfig> {
        self.0.get(consumer)
    }
}

fn existing_consumers(records: &[Record]) -> Vec<ConsumerKey> {
    let mut configs = Configs::default();
    records.iter().for_each(|record| configs.follow(record));
    configs.0.into_keys().collect()
}

/// Whether a record says that a server died and its storage lost something.
fn lost_a_tail(record: &Record) -> bool {
    record.kind == Kind::ServerDown && [Key::Lost, Key::LostState].iter().any(|key| record.fields.value(*key).is_some())
}

/// Forgets what is kept by message when its consumer or stream goes away.
fn forget_deleted<T>(record: &Record, by_message: &mut BTreeMap<(ConsumerKey, u64), T>) {
    match record.kind {
        Kind::ConsumerDeleted => {
            let gone = consumer_of(record);
            by_message.retain(|(consumer, _), _| Some(consumer) != gone.as_ref());
        }
        Kind::StreamDeleted => {
            let gone = record.fields.text(Key::Stream);
            by_message.retain(|((stream, _), _), _| Some(stream) != gone);
        }
        _ => {}
    }
}
