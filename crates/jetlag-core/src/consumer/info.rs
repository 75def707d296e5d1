//! What info requests say of a consumer. Numbers come from two copies of its state, as on the server (`infoWithSnapAndReply`, 2.15).

use jetlag_model::{ConsumerInfo, SequenceInfo, SequencePair};

use super::Consumer;
use crate::context::Context;
use crate::rules::{Rule, Rules};
use crate::stream::Log;

impl Consumer {
    pub(crate) fn info(&mut self, log: &Log, cx: &mut Context) -> ConsumerInfo {
        self.correct_pending(log, cx.rules);
        let memory = SequencePair { consumer_seq: self.next_consumer.prev(), stream_seq: self.next_stream.prev() };
        let (delivered, floor) = if cx.rules.has(Rule::InfoFromStore) {
            (if self.on_disk || self.store.has_state() { self.store.delivered() } else { memory }, self.store.floor())
        } else {
            (memory, self.floor)
        };
        let hidden = self.config.max_deliver == 1 && cx.rules.has(Rule::RedeliveredHiddenAtOne);
        ConsumerInfo {
            stream_name: self.stream.to_string(),
            name: self.name.to_string(),
            created: self.created(),
            config: self.config.clone(),
            delivered: SequenceInfo { last_active: self.last_delivery, ..delivered.into() },
            ack_floor: SequenceInfo { last_active: self.last_ack, ..floor.into() },
            num_ack_pending: self.pending.len() as u64,
            num_redelivered: if hidden { 0 } else { self.redelivered.len() as u64 },
            num_waiting: self.num_waiting(cx),
            num_pending: self.num_pending(),
            push_bound: self.config.is_push() && self.active,
            ts: cx.now.wall,
            priority_groups: self.group_state(),
        }
    }

    /// An info request also corrects the count: there are never more than the stream could hold.
    fn correct_pending(&mut self, log: &Log, rules: Rules) {
        let at_end = self.next_stream > log.last_seq();
        if !rules.has(Rule::InfoClampsPending) {
            if (at_end && self.num_pending() > 0) || self.num_pending() > log.len() {
                self.count_pending(log);
            }
        } else if at_end {
            self.num_pending = 0;
        } else {
            let most = log.len().min(log.last_seq().0 - self.next_stream.0 + 1);
            self.num_pending = self.num_pending.min(i64::try_from(most).unwrap_or(i64::MAX));
        }
    }
}
