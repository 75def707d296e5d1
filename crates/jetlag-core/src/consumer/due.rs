//! When unsettled messages are due, in order. Whether an entry still holds is not known here: the messages say so.

use std::collections::{BTreeSet, VecDeque};

use jetlag_model::{StreamSeq, WallTime};

/// An instant, and the message that is due then.
type Entry = (WallTime, StreamSeq);

/// A set of entries in order of time, then of the stream.
#[derive(Clone, Debug, Default)]
pub(super) struct DueList {
    /// Those that came in order: nearly all, as most messages wait equally long.
    in_order: VecDeque<Entry>,
    /// The rest. None of these is among the others.
    others: BTreeSet<Entry>,
}

impl DueList {
    pub(super) fn insert(&mut self, entry: Entry) {
        if self.in_order.back().is_none_or(|last| *last < entry) {
            if !self.others.contains(&entry) {
                self.in_order.push_back(entry);
            }
        } else if self.in_order.binary_search(&entry).is_err() {
            self.others.insert(entry);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.in_order.len() + self.others.len()
    }

    pub(super) fn first(&self) -> Option<Entry> {
        self.in_order.front().into_iter().chain(self.others.first()).min().copied()
    }

    pub(super) fn pop_first(&mut self) {
        if self.first() == self.in_order.front().copied() {
            self.in_order.pop_front();
        } else {
            self.others.pop_first();
        }
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.from(None)
    }

    /// Those behind an instant, in order.
    pub(super) fn after(&self, at: WallTime) -> impl Iterator<Item = Entry> {
        self.from(Some((at, StreamSeq(u64::MAX))))
    }

    /// Those behind an entry, in order.
    fn from(&self, behind: Option<Entry>) -> impl Iterator<Item = Entry> {
        let passed = behind.map_or(0, |behind| self.in_order.partition_point(|entry| *entry <= behind));
        let mut in_order = self.in_order.range(passed..).copied().peekable();
        let from = behind.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut others = self.others.range((from, std::ops::Bound::Unbounded)).copied().peekable();
        std::iter::from_fn(move || match (in_order.peek(), others.peek()) {
            (Some(one), Some(other)) if other < one => others.next(),
            (None, _) => others.next(),
            _ => in_order.next(),
        })
    }
}

impl FromIterator<Entry> for DueList {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> DueList {
        let mut list = DueList::default();
        entries.into_iter().for_each(|entry| list.insert(entry));
        list
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_in_order(steps in prop::collection::vec(prop::option::weighted(0.8, (0_i64..30, 0_u64..4)), 0..80), at in 0_i64..30) {
            let (mut ours, mut plain) = (DueList::default(), BTreeSet::new());
            let time = WallTime::from_unix_nanos;
            for step in steps {
                match step.map(|(at, seq)| (time(at), StreamSeq(seq))) {
                    Some(entry) => {
                        ours.insert(entry);
                        plain.insert(entry);
                    }
                    None => {
                        ours.pop_first();
                        plain.pop_first();
                    }
                }
                prop_assert_eq!(ours.iter().collect::<Vec<_>>(), plain.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!((ours.len(), ours.first()), (plain.len(), plain.first().copied()));
            }
            let behind = plain.iter().copied().filter(|(due, _)| *due > time(at)).collect::<Vec<_>>();
            prop_assert_eq!(ours.after(time(at)).collect::<Vec<_>>(), behind);
        }
    }
}
