//! `count-tracking`: the number of deliveries that a worker counts by itself is the server's delivery count.
//!
//! Exempt are messages of which another client, or nobody, got an earlier attempt; messages that a fault delivered twice; and workers that
//! died and so forgot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jetlag_trace::{Key, Kind, Record};

use super::{ConsumerKey, Finding, message_of, show};

pub(super) fn check(records: &[Record], finding: &mut Finding) {
    // Which attempts each client got, and how many times it got any.
    let mut got: BTreeMap<(Arc<str>, ConsumerKey, u64), (BTreeSet<u64>, u64)> = BTreeMap::new();
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
                known.0.insert(server);
                known.1 += 1;
            }
            Kind::WorkerCount => {
                finding.look();
                let own = record.fields.uint(Key::Count).unwrap_or(0);
                let attempts = known.0.len() as u64;
                match own == server {
                    true => {}
                    false if crashed.contains(client) => finding.exempt("worker died"),
                    false if known.1 > attempts => finding.exempt("delivered twice by a fault"),
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
