//! `count-tracking`: the number of deliveries that a worker counts by itself is the server's delivery count.
//!
//! Exempt are messages of which another client, or nobody, got an earlier attempt; messages that a fault delivered twice; and workers that
//! died and so forgot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jetlag_model::Text;
use jetlag_trace::{Key, Kind, Record};

use super::{About, Configs, ConsumerKey, Finding, Judge, show};

/// So many messages are remembered after a client got them last.
const REMEMBERED: usize = 100_000;

/// A client and a message.
type GotKey = (Text, ConsumerKey, u64);

#[derive(Default)]
pub(super) struct Counts {
    got: BTreeMap<GotKey, Got>,
    /// In the order in which the first attempts came.
    order: VecDeque<GotKey>,
    crashed: BTreeSet<Text>,
}

/// What one client got of one message.
#[derive(Default)]
struct Got {
    attempts: BTreeSet<u64>,
    /// How many times it got any of them.
    times: u64,
}

impl Judge for Counts {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Crashed, Kind::Got, Kind::WorkerCount]
    }

    fn follow(&mut self, record: &Record, about: &About<'_>, _: &Configs, finding: &mut Finding) {
        let Some(client) = record.place.actor() else { return };
        match record.kind {
            Kind::Crashed => {
                self.crashed.insert(client.clone());
            }
            Kind::Got => self.got(record, about, client),
            Kind::WorkerCount => self.counted(record, about, client, finding),
            _ => {}
        }
    }
}

impl Counts {
    fn got(&mut self, record: &Record, about: &About<'_>, client: &Text) {
        let Some((consumer, seq)) = about.message() else { return };
        let Some(server) = record.fields.uint(Key::DeliveryCount) else { return };
        let key = (client.clone(), consumer.clone(), seq);
        if !self.got.contains_key(&key) {
            self.order.push_back(key.clone());
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.got.remove(&oldest);
            }
        }
        let known = self.got.entry(key).or_default();
        known.attempts.insert(server);
        known.times += 1;
    }

    fn counted(&mut self, record: &Record, about: &About<'_>, client: &Text, finding: &mut Finding) {
        let Some((consumer, seq)) = about.message() else { return };
        let Some(server) = record.fields.uint(Key::DeliveryCount) else { return };
        finding.look();
        let own = record.fields.uint(Key::Count).unwrap_or(0);
        if own == server {
            return;
        }
        let known = self.got.get(&(client.clone(), consumer.clone(), seq));
        let (attempts, times) = known.map_or((0, 0), |known| (known.attempts.len() as u64, known.times));
        if self.crashed.contains(client) {
            finding.exempt("worker died");
        } else if times > attempts {
            finding.exempt("delivered twice by a fault");
        } else if attempts < server && own == attempts {
            // The attempts it did get, it counted.
            finding.exempt("earlier attempt elsewhere");
        } else {
            let name = show(consumer, seq);
            let message = format!("{client} counts {own} deliveries of {name} at {}; the server counts {server}", record.at);
            finding.fail(message, Some(record.n));
        }
    }
}
