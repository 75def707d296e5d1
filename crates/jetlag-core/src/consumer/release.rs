//! What a consumer still needs of its stream, and what it is done with. Rules of `needAck` and `checkStateForInterestStream`
//! (`server/consumer.go`, 2.15). The stream decides what becomes of it.

use jetlag_model::{AckPolicy, SequencePair, StreamSeq};

use super::Consumer;
use crate::rules::{Rule, Rules};
use crate::stream::{Log, LogEntry, accepts};

impl Consumer {
    /// Its ack floor in memory.
    pub(crate) fn floor(&self) -> SequencePair {
        self.floor
    }

    /// What it is done with since it was last asked.
    pub(crate) fn released(&mut self) -> &mut Vec<(StreamSeq, StreamSeq)> {
        &mut self.released
    }

    /// Whether a message must stay for it: it is still to come, or is under way, or has used up max_deliver. What it steps over for other
    /// reasons than its filters must not.
    pub(crate) fn needs(&self, entry: &LogEntry, rules: Rules) -> bool {
        let seq = entry.seq;
        if !accepts(self.config.filters(), &entry.subject) {
            return false;
        }
        let unsettled = match self.config.ack_policy {
            AckPolicy::None | AckPolicy::All => true,
            AckPolicy::Explicit => seq >= self.next_stream || self.pending.contains(seq),
        };
        (seq > self.floor.stream_seq && unsettled) || (rules.has(Rule::GivenUpIsNeeded) && self.redelivered.contains(seq))
    }

    /// The messages that are settled according to its stored copy.
    pub(crate) fn settled_in_store(&self, log: &Log, rules: Rules) -> Vec<StreamSeq> {
        let (floor, delivered, pending) = (self.store.floor().stream_seq, self.store.delivered().stream_seq, self.store.pending());
        if floor > log.last_seq() {
            return Vec::new();
        }
        let above_floor = |entry: &LogEntry| {
            let settled = !pending.is_empty() && entry.seq <= delivered && !pending.contains(entry.seq);
            settled && (rules.has(Rule::StoredAcksRelease) || (floor > StreamSeq(0) && self.needs(entry, rules)))
        };
        let wanted = |entry: &&LogEntry| accepts(self.config.filters(), &entry.subject) && (entry.seq <= floor || above_floor(entry));
        log.entries().filter(wanted).map(|entry| entry.seq).collect()
    }
}
