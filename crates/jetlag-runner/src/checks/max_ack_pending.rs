//! `max-ack-pending`: a new message is delivered only while fewer than max_ack_pending wait for an acknowledgement. Redeliveries pass the limit.
//! Exempt are deliveries after the limit was lowered or the server restarted, until the number has been below the limit once.

use std::collections::BTreeMap;

use jetlag_model::AckPolicy;
use jetlag_trace::{Key, Kind, Record};

use super::{Configs, ConsumerKey, Finding, consumer_of, message_of, show};

pub(super) fn check(records: &[Record], finding: &mut Finding) {
    let mut configs = Configs::default();
    let mut excuses: BTreeMap<ConsumerKey, &'static str> = BTreeMap::new();
    for record in records {
        if record.kind == Kind::ConsumerUpdated
            && let Some(consumer) = consumer_of(record)
        {
            let before = configs.of(&consumer).map(|config| config.max_ack_pending);
            configs.follow(record);
            if configs.of(&consumer).map(|config| config.max_ack_pending) < before {
                excuses.insert(consumer, "limit lowered");
            }
            continue;
        }
        configs.follow(record);
        if record.kind == Kind::ServerDown {
            excuses.extend(configs.0.keys().map(|consumer| (consumer.clone(), "restart")));
        }
        if record.kind != Kind::Delivered || record.fields.uint(Key::DeliveryCount) != Some(1) {
            continue;
        }
        let Some((consumer, seq)) = message_of(record) else { continue };
        let Some(config) = configs.of(&consumer).filter(|config| config.ack_policy != AckPolicy::None) else { continue };
        let (Ok(limit), Some(pending)) = (u64::try_from(config.max_ack_pending), record.fields.uint(Key::NumAckPending)) else { continue };
        if limit == 0 {
            continue;
        }
        finding.look();
        match (pending > limit, excuses.get(&consumer)) {
            (true, Some(why)) => finding.exempt(why),
            (true, None) => {
                let name = show(&consumer, seq);
                let message = format!("{name} was delivered at {}, so that {pending} wait; max_ack_pending is {limit}", record.at);
                finding.fail(message, Some(record.n));
            }
            (false, _) => {
                excuses.remove(&consumer);
            }
        }
    }
}
