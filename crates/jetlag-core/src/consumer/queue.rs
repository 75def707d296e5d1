//! Messages that wait to be delivered again, first come first served, each at most once.

use std::collections::{BTreeSet, VecDeque};

use jetlag_model::StreamSeq;

#[derive(Clone, Debug, Default)]
pub(crate) struct RedeliveryQueue {
    order: VecDeque<StreamSeq>,
    members: BTreeSet<StreamSeq>,
}

impl RedeliveryQueue {
    pub(crate) fn len(&self) -> u64 {
        self.order.len() as u64
    }

    pub(crate) fn contains(&self, seq: StreamSeq) -> bool {
        self.members.contains(&seq)
    }

    /// Adds a message at the end unless it waits already.
    pub(crate) fn push(&mut self, seq: StreamSeq) {
        if self.members.insert(seq) {
            self.order.push_back(seq);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<StreamSeq> {
        let seq = self.order.pop_front()?;
        self.members.remove(&seq);
        Some(seq)
    }

    pub(crate) fn remove(&mut self, seq: StreamSeq) {
        if self.members.remove(&seq) {
            self.order.retain(|other| *other != seq);
        }
    }

    /// Keeps only messages from `from` on.
    pub(crate) fn retain_from(&mut self, from: StreamSeq) {
        self.order.retain(|seq| *seq >= from);
        self.members.retain(|seq| *seq >= from);
    }

    pub(crate) fn clear(&mut self) {
        *self = RedeliveryQueue::default();
    }
}
