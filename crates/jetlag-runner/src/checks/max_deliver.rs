//! `max-deliver`: no message is delivered more often than its consumer allows, and none after it was given up. No exemptions: a lowered limit
//! counts from when it was lowered.

use std::collections::BTreeMap;

use jetlag_trace::{Key, Kind, Record};

use super::{Configs, Finding, forget_deleted, message_of, show};

pub(super) fn check(records: &[Record], finding: &mut Finding) {
    let mut configs = Configs::default();
    let mut exhausted = BTreeMap::new();
    for record in records {
        configs.follow(record);
        forget_deleted(record, &mut exhausted);
        let Some((consumer, seq)) = message_of(record) else { continue };
        match record.kind {
            Kind::Exhausted => {
                exhausted.insert((consumer, seq), record.at);
            }
            Kind::Delivered => {
                let count = record.fields.uint(Key::DeliveryCount).unwrap_or(0);
                let limit = configs.of(&consumer).and_then(|config| u64::try_from(config.max_deliver).ok()).filter(|limit| *limit > 0);
                finding.look();
                if let Some(limit) = limit.filter(|limit| count > *limit) {
                    let message = format!("{} was delivered {count} times by {}; max_deliver is {limit}", show(&consumer, seq), record.at);
                    finding.fail(message, Some(record.n));
                }
                if let Some(at) = exhausted.get(&(consumer.clone(), seq)) {
                    let message = format!("{} was delivered at {}; it had used up max_deliver at {at}", show(&consumer, seq), record.at);
                    finding.fail(message, Some(record.n));
                }
            }
            _ => {}
        }
    }
}
