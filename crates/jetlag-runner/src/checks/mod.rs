//! Checks: what must hold in every run, judged on the trace. One file each; here is what they share.
//!
//! A check follows the run one record at a time and keeps only what it will need: a run of days takes no more room than one of minutes. It counts
//! what it looked at and how often each of its exemptions was used, and fails when it had nothing to look at.

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

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jetlag_model::ConsumerConfig;
use jetlag_scenario::CheckName;
use jetlag_sim::{Backend, World, WorldError};
use jetlag_trace::{Key, Kind, Record};
use serde_json::Value as Json;

use crate::CheckReport;

/// A consumer: its stream's name and its own. There is one a consumer, so that comparing two of them mostly ends with their places in memory.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerKey(Arc<(Arc<str>, Arc<str>)>);

impl ConsumerKey {
    fn stream(&self) -> &Arc<str> {
        &self.0.0
    }

    fn consumer(&self) -> &Arc<str> {
        &self.0.1
    }
}

impl Ord for ConsumerKey {
    fn cmp(&self, other: &ConsumerKey) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for ConsumerKey {
    fn partial_cmp(&self, other: &ConsumerKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ConsumerKey {
    fn eq(&self, other: &ConsumerKey) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ConsumerKey {}

impl fmt::Display for ConsumerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream(), self.consumer())
    }
}

/// The consumers that records have named so far.
#[derive(Default)]
struct Names {
    /// By their names.
    known: Vec<ConsumerKey>,
    /// The one that was named last.
    last: usize,
}

impl Names {
    /// What a record is about.
    fn about(&mut self, record: &Record) -> About {
        let consumer = record.fields.text(Key::Stream).zip(record.fields.text(Key::Consumer));
        About { consumer: consumer.map(|(stream, consumer)| self.key(stream, consumer)), seq: record.fields.uint(Key::StreamSeq) }
    }

    fn key(&mut self, stream: &Arc<str>, consumer: &Arc<str>) -> ConsumerKey {
        if let Some(last) = self.known.get(self.last)
            && *last.consumer() == *consumer
            && *last.stream() == *stream
        {
            return last.clone();
        }
        let place = self.known.binary_search_by(|known| (known.stream(), known.consumer()).cmp(&(stream, consumer)));
        self.last = place.unwrap_or_else(|place| {
            self.known.insert(place, ConsumerKey(Arc::new((stream.clone(), consumer.clone()))));
            place
        });
        self.known[self.last].clone()
    }
}

/// What a record is about.
struct About {
    /// The consumer.
    consumer: Option<ConsumerKey>,
    /// The message's sequence in the stream.
    seq: Option<u64>,
}

impl About {
    /// The message of the consumer.
    fn message(&self) -> Option<(&ConsumerKey, u64)> {
        self.consumer.as_ref().zip(self.seq)
    }
}

/// What a check found.
#[derive(Clone)]
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
    /// Looks at a world and these consumers in it.
    pub(crate) fn of<B: Backend>(world: &mut World<B>, consumers: Vec<ConsumerKey>) -> Result<Observed, WorldError> {
        let quiet = world.is_quiet();
        let working = world.has_running_workers();
        let busy = world.backend().next_busy_deadline().map(|(due, deadline)| format!("{} at {due}", deadline.kind()));
        let mut infos = BTreeMap::new();
        for key in consumers {
            let subject = format!("$JS.API.CONSUMER.INFO.{}.{}", key.stream(), key.consumer());
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

/// What must hold in a run, as it is followed.
trait Judge {
    /// Takes note of a record and what it is about. Configurations are as they stood before it.
    fn follow(&mut self, record: &Record, about: &About, configs: &Configs, finding: &mut Finding);

    /// Judges what only the state at the time of the check tells.
    fn conclude(&self, _: &Configs, _: &Observed, _: &mut Finding) {}
}

/// The checks of one run.
#[derive(Default)]
pub(crate) struct Checks {
    names: Names,
    configs: Configs,
    followed: Vec<Followed>,
}

struct Followed {
    name: CheckName,
    judge: Box<dyn Judge>,
    finding: Finding,
}

impl Checks {
    /// These, each once.
    pub(crate) fn of(names: impl IntoIterator<Item = CheckName>) -> Checks {
        let mut checks = Checks::default();
        for name in names {
            if checks.followed.iter().any(|followed| followed.name == name) {
                continue;
            }
            let judge: Box<dyn Judge> = match name {
                CheckName::NoMessageLost => Box::<no_message_lost::Books>::default(),
                CheckName::MaxDeliver => Box::<max_deliver::Exhausted>::default(),
                CheckName::RedeliveryDeadline => Box::<redelivery_deadline::Deadlines>::default(),
                CheckName::AckFloor => Box::<ack_floor::Floors>::default(),
                CheckName::MaxAckPending => Box::<max_ack_pending::Excuses>::default(),
                CheckName::Settled => Box::<settled::Settled>::default(),
                CheckName::Idle => Box::new(idle::Idle),
                CheckName::CountTracking => Box::<count_tracking::Counts>::default(),
            };
            checks.followed.push(Followed { name, judge, finding: Finding::new(name) });
        }
        checks
    }

    /// Takes note of what happened.
    pub(crate) fn follow(&mut self, records: &[Record]) {
        if self.followed.is_empty() {
            return;
        }
        for record in records {
            let about = self.names.about(record);
            for Followed { judge, finding, .. } in &mut self.followed {
                judge.follow(record, &about, &self.configs, finding);
            }
            self.configs.follow(record, about.consumer);
        }
    }

    /// The consumers that exist.
    pub(crate) fn consumers(&self) -> Vec<ConsumerKey> {
        self.configs.0.keys().cloned().collect()
    }

    /// What a check finds in all that happened so far. It must be one of these.
    pub(crate) fn evaluate(&self, name: CheckName, observed: &Observed) -> Finding {
        let followed = self.followed.iter().find(|followed| followed.name == name);
        let Followed { judge, finding, .. } = followed.unwrap_or_else(|| panic!("{} was not followed", name.as_str()));
        let mut finding = finding.clone();
        judge.conclude(&self.configs, observed, &mut finding);
        if finding.report.evaluated == 0 && finding.failure.is_none() {
            finding.fail("it was never evaluated: nothing in this run is what it looks at".to_owned(), None);
        }
        finding
    }
}

/// `ORDERS/WORK:1`
fn show(consumer: &ConsumerKey, seq: u64) -> String {
    format!("{consumer}:{seq}")
}

/// The configuration that a record tells.
fn config_of(record: &Record) -> Option<ConsumerConfig> {
    serde_json::from_str(record.fields.text(Key::Text)?).ok()
}

/// Configurations as they stand while a run is followed.
#[derive(Default)]
struct Configs(BTreeMap<ConsumerKey, ConsumerConfig>);

impl Configs {
    /// Takes note of a record if it changes the configuration of the consumer that it is about.
    fn follow(&mut self, record: &Record, consumer: Option<ConsumerKey>) {
        match record.kind {
            Kind::ConsumerCreated | Kind::ConsumerUpdated => {
                if let (Some(key), Some(config)) = (consumer, config_of(record)) {
                    self.0.insert(key, config);
                }
            }
            Kind::ConsumerDeleted => {
                consumer.map(|key| self.0.remove(&key));
            }
            Kind::StreamDeleted => {
                if let Some(stream) = record.fields.text(Key::Stream) {
                    self.0.retain(|key, _| key.stream() != stream);
                }
            }
            _ => {}
        }
    }

    fn of(&self, consumer: &ConsumerKey) -> Option<&ConsumerConfig> {
        self.0.get(consumer)
    }
}

/// Whether a record says that a server died and its storage lost something.
fn lost_a_tail(record: &Record) -> bool {
    record.kind == Kind::ServerDown && [Key::Lost, Key::LostState].iter().any(|key| record.fields.value(*key).is_some())
}

/// Forgets what is kept by consumer when the consumer or its stream goes away.
fn forget_deleted<T>(record: &Record, about: &About, by_consumer: &mut BTreeMap<ConsumerKey, T>) {
    match record.kind {
        Kind::ConsumerDeleted => {
            about.consumer.as_ref().map(|gone| by_consumer.remove(gone));
        }
        Kind::StreamDeleted => {
            let gone = record.fields.text(Key::Stream);
            by_consumer.retain(|key, _| Some(key.stream()) != gone);
        }
        _ => {}
    }
}
