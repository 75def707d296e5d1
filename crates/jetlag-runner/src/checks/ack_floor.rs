//! `ack-floor`: a consumer's ack floor never goes back. Exempt is a server that died and lost a tail of what it had stored; a consumer that was
//! deleted and made again starts afresh.

use std::collections::BTreeSet;

use jetlag_trace::{Key, Kind, Record};

use super::{About, ByConsumer, Configs, ConsumerKey, Finding, Judge, lost_a_tail};

#[derive(Default)]
pub(super) struct Floors {
    floors: ByConsumer<(u64, u64)>,
    lost: BTreeSet<ConsumerKey>,
}

impl Judge for Floors {
    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Acked, Kind::Terminated, Kind::ServerDown, Kind::ConsumerDeleted, Kind::StreamDeleted]
    }

    fn follow(&mut self, record: &Record, about: &About<'_>, _: &Configs, finding: &mut Finding) {
        if lost_a_tail(record) {
            self.lost.extend(self.floors.iter().map(|(consumer, _)| consumer.clone()));
        }
        self.floors.forget_deleted(record, about);
        let Some(floor) = record.fields.pair(Key::AckFloor) else { return };
        let Some(consumer) = about.consumer else { return };
        finding.look();
        let known = self.floors.of(consumer);
        let before = std::mem::replace(known, floor);
        if floor.0 >= before.0 && floor.1 >= before.1 {
            return;
        }
        if self.lost.remove(consumer) {
            finding.exempt("lost tail");
        } else {
            let message =
                format!("{consumer}: the ack floor went back from {}/{} to {}/{} at {}", before.0, before.1, floor.0, floor.1, record.at);
            finding.fail(message, Some(record.n));
        }
    }
}
