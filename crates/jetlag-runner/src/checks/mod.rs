//! Checks: what must hold in every run, judged on the trace. One file each; here is what they share.
//!
//! A check follows the run one record at a time and keeps only what it will need: a run of days takes no more room than one of minutes. It counts
//! what it looked at and how often each of its exemptions was used, and fails when it had nothing to look at.

mod ack_floor;
mod count_tracking;
mod idle;
mod max_ack_pending;
mod max_deliver;
mod names;
mod no_message_lost;
mod redelivery_deadline;
mod settled;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jetlag_model::ConsumerConfig;
use jetlag_scenario::CheckName;
use jetlag_sim::{Backend, World, WorldError};
use jetlag_trace::{Key, Kind, Record};
use serde_json::Value as Json;

use self::names::{About, ByConsumer, Names};
use crate::CheckReport;

pub(crate) use self::names::ConsumerKey;

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
    /// The kinds of records that it looks at.
    fn kinds(&self) -> &'static [Kind];

    /// Takes note of a record and what it is about. Configurations are as they stood before it.
    fn follow(&mut self, record: &Record, about: &About<'_>, configs: &Configs, finding: &mut Finding);

    /// Judges what only the state at the time of the check tells.
    fn conclude(&self, _: &Configs, _: &Observed, _: &mut Finding) {}
}

/// The checks of one run.
#[derive(Default)]
pub(crate) struct Checks {
    names: Names,
    configs: Configs,
    followed: Vec<Followed>,
    /// All that any of them looks at.
    kinds: Kinds,
}

struct Followed {
    name: CheckName,
    judge: Box<dyn Judge>,
    finding: Finding,
    kinds: Kinds,
}

/// A set of kinds of records.
#[derive(Clone, Copy, Default)]
struct Kinds(u64);

impl Kinds {
    const ALL: () = assert!(Kind::ALL.len() <= u64::BITS as usize);

    fn of(kinds: &[Kind]) -> Kinds {
        let () = Kinds::ALL;
        Kinds(kinds.iter().fold(0, |all, kind| all | 1 << (*kind as u64)))
    }

    fn has(self, kind: Kind) -> bool {
        self.0 & 1 << (kind as u64) > 0
    }
}

impl Checks {
    /// These, each once.
    pub(crate) fn of(names: impl IntoIterator<Item = CheckName>) -> Checks {
        let mut checks = Checks { kinds: Kinds::of(CONFIGURES), ..Checks::default() };
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
            let kinds = Kinds::of(judge.kinds());
            checks.kinds.0 |= kinds.0;
            checks.followed.push(Followed { name, judge, finding: Finding::new(name), kinds });
        }
        checks
    }

    /// Takes note of what happened.
    pub(crate) fn follow(&mut self, records: &[Record]) {
        if self.followed.is_empty() {
            return;
        }
        for record in records.iter().filter(|record| self.kinds.has(record.kind)) {
            let about = self.names.about(record);
            for Followed { judge, finding, kinds, .. } in &mut self.followed {
                if kinds.has(record.kind) {
                    judge.follow(record, &about, &self.configs, finding);
                }
            }
            self.configs.follow(record, &about);
        }
    }

    /// The consumers that exist.
    pub(crate) fn consumers(&self) -> Vec<ConsumerKey> {
        self.configs.0.iter().map(|(consumer, _)| consumer.clone()).collect()
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

/// The kinds of records that tell configurations.
const CONFIGURES: &[Kind] = &[Kind::ConsumerCreated, Kind::ConsumerUpdated, Kind::ConsumerDeleted, Kind::StreamDeleted];

/// Configurations as they stand while a run is followed.
#[derive(Default)]
struct Configs(ByConsumer<ConsumerConfig>);

impl Configs {
    /// Takes note of a record if it changes the configuration of the consumer that it is about.
    fn follow(&mut self, record: &Record, about: &About<'_>) {
        match record.kind {
            Kind::ConsumerCreated | Kind::ConsumerUpdated => {
                if let (Some(consumer), Some(config)) = (about.consumer, config_of(record)) {
                    *self.0.of(consumer) = config;
                }
            }
            Kind::ConsumerDeleted | Kind::StreamDeleted => self.0.forget_deleted(record, about),
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
