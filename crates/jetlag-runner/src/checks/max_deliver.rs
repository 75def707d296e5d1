//! `max-deliver`: no message is delivered more often than its consumer allows, and none after it was given up. No exemptions: a lowered limit
//! counts from when it was lowered.

use jetlag_model::SeqSet;
use jetlag_trace::{Key, Kind, Record};

use super::{About, ByConsumer, Configs, Finding, Judge, show};

/// What each consumer has given up.
#[derive(Default)]
pub(super) struct Exhausted(ByConsumer<SeqSet>);

impl Judge for Exhausted {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Exhausted, Kind::Delivered, Kind::ConsumerDeleted, Kind::StreamDeleted]
    }

    fn follow(&mut self, record: &Record, about: &About<'_>, configs: &Configs, finding: &mut Finding) {
        self.0.forget_deleted(record, about);
        if !matches!(record.kind, Kind::Exhausted | Kind::Delivered) {
            return;
        }
        let Some((consumer, seq)) = about.message() else { return };
        if record.kind == Kind::Exhausted {
            self.0.of(consumer).insert(seq);
            return;
        }
        finding.look();
        let count = record.fields.uint(Key::DeliveryCount).unwrap_or(0);
        let limit = configs.of(consumer).and_then(|config| u64::try_from(config.max_deliver).ok()).filter(|limit| *limit > 0);
        if let Some(limit) = limit.filter(|limit| count > *limit) {
            let message = format!("{} was delivered {count} times by {}; max_deliver is {limit}", show(consumer, seq), record.at);
            finding.fail(message, Some(record.n));
        }
        if self.0.get(consumer).is_some_and(|exhausted| exhausted.contains(seq)) {
            let message = format!("{} was delivered at {}; it had used up max_deliver before", show(consumer, seq), record.at);
            finding.fail(message, Some(record.n));
        }
    }
}
