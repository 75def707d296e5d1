//! `ack-floor`: a consumer's ack floor never goes back. Exempt is a server that died and lost a tail of what it had stored; a consumer that was
//! deleted and made again starts afresh.

use std::collections::{BTreeMap, BTreeSet};

use jetlag_trace::{Key, Record};

use super::{Configs, ConsumerKey, Finding, Judge, consumer_of, forget_deleted, lost_a_tail};

#[derive(Default)]
pub(super) struct Floors {
    floors: BTreeMap<ConsumerKey, (u64, u64)>,
    lost: BTreeSet<ConsumerKey>,
}

impl Judge for Floors {
    fn follow(&mut self, record: &Record, _: &Configs, finding: &mut Finding) {
        if lost_a_tail(record) {
            self.lost.extend(self.floors.keys().cloned());
        }
        forget_deleted(record, &mut self.floors);
        let Some(floor) = record.fields.pair(Key::AckFloor).filter(|_| !record.kind.is_client_visible()) else { return };
        let Some(consumer) = consumer_of(record) else { return };
        finding.look();
        let before = self.floors.insert(consumer.clone(), floor).unwrap_or((0, 0));
        if floor.0 >= before.0 && floor.1 >= before.1 {
            return;
        }
        if self.lost.remove(&consumer) {
            finding.exempt("lost tail");
        } else {
            let (stream, consumer) = &consumer;
            let message = format!(
                "{stream}/{consumer}: the ack floor went back from {}/{} to {}/{} at {}",
                before.0, before.1, floor.0, floor.1, record.at
            );
            finding.fail(message, Some(record.n));
        }
    }
}
