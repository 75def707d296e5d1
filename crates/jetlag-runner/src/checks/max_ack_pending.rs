//! `max-ack-pending`: a new message is delivered only while fewer than max_ack_pending wait for an acknowledgement. Redeliveries pass the limit.
//! Exempt are deliveries after the limit was lowered or the server restarted, until the number has been below the limit once.

use std::collections::BTreeMap;

use jetlag_model::AckPolicy;
use jetlag_trace::{Key, Kind, Record};

use super::{About, Configs, ConsumerKey, Finding, Judge, config_of, show};

/// Consumers whose number may be above the limit, and why.
#[derive(Default)]
pub(super) struct Excuses(BTreeMap<ConsumerKey, &'static str>);

impl Judge for Excuses {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::ConsumerUpdated, Kind::ServerDown, Kind::Delivered]
    }

    fn follow(&mut self, record: &Record, about: &About<'_>, configs: &Configs, finding: &mut Finding) {
        match record.kind {
            Kind::ConsumerUpdated => {
                let Some((consumer, config)) = about.consumer.zip(config_of(record)) else { return };
                if configs.of(consumer).is_some_and(|before| config.max_ack_pending < before.max_ack_pending) {
                    self.0.insert(consumer.clone(), "limit lowered");
                }
            }
            Kind::ServerDown => self.0.extend(configs.0.iter().map(|(consumer, _)| (consumer.clone(), "restart"))),
            Kind::Delivered if record.fields.uint(Key::DeliveryCount) == Some(1) => self.judge(record, about, configs, finding),
            _ => {}
        }
    }
}

impl Excuses {
    fn judge(&mut self, record: &Record, about: &About<'_>, configs: &Configs, finding: &mut Finding) {
        let Some((consumer, seq)) = about.message() else { return };
        let Some(config) = configs.of(consumer).filter(|config| config.ack_policy != AckPolicy::None) else { return };
        let (Ok(limit), Some(pending)) = (u64::try_from(config.max_ack_pending), record.fields.uint(Key::NumAckPending)) else { return };
        if limit == 0 {
            return;
        }
        finding.look();
        match (pending > limit, self.0.get(consumer)) {
            (true, Some(why)) => finding.exempt(why),
            (true, None) => {
                let name = show(consumer, seq);
                let message = format!("{name} was delivered at {}, so that {pending} wait; max_ack_pending is {limit}", record.at);
                finding.fail(message, Some(record.n));
            }
            (false, _) => {
                self.0.remove(consumer);
            }
        }
    }
}
