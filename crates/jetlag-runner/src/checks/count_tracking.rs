//! `count-tracking`: the number of deliveries that a worker counts by itself is the server's delivery count.
//!
//! Exempt are messages of which another client, or nobody, got an earlier attempt; messages that a fault delivered twice; and workers that
//! died and so forgot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jetlag_trace::{Key, Kind, Record};

use super::{ConsumerKey, Finding, message_of, show};

/// What one client got of one message.
#[derive(Default)]
struct Got {
    attempts: BTreeSet<u64>,
    /// How many times it got any of them.
    times: u64,
}

pub(super) fn check(records: &[Record], finding: &mut Finding) {
    let mut got: BTreeMap<(Arc<str>, ConsumerKey, u64), Got> = BTreeMap::new();
    let mut crashed: BTreeSet<Arc<str>> = BTreeSet::new();
    for record in records {
        let Some(client) = record.place.actor() else { continue };
        if record.kind == Kind::Crashed {
            crashed.insert(client.clone());
        }
        let Some((consumer, seq)) = message_of(record) else { continue };
        let Some(server) = record.fields.uint(Key::DeliveryCount) else { continue };
        let known = got.entry((client.clone(), consumer.clone(), seq)).or_default();
        match record.kind {
            Kind::Got => {
                known.attempts.insert(server);
                known.times += 1;
            }
            Kind::WorkerCount => {
                finding.look();
                let own = record.fields.uint(Key::Count).unwrap_or(0);
                let attempts = known.attempts.len() as u64;
                match own == server {
                    true => {}
                    false if crashed.contains(client) => finding.exempt("worker died"),
                    false if known.times > attempts => finding.exempt("delivered twice by a fault"),
                    // The attempts it did get, it counted.
                    false if attempts < server && own == attempts => finding.exempt("earlier attempt elsewhere"),
                    false => {
                        let name = show(&consumer, seq);
                        let message = format!("{client} counts {own} deliveries of {name} at {}; the server counts {server}", record.at);
                        finding.fail(message, Some(record.n));
                    }
                }
            }
            _ => {}
        }
    }
}
