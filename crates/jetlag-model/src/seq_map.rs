//! A map by sequence, for what comes in order and mostly goes in order: messages, requests, deliveries. Finding something in it takes one step,
//! where a search tree takes a dozen.

use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

/// So many empty places are nothing to worry about.
const SLACK: usize = 64;

/// A number that things are in the order of.
pub trait Sequence: Copy + Ord {
    /// The number.
    fn number(self) -> u64;

    /// The sequence of this number.
    fn of(number: u64) -> Self;
}

impl Sequence for u64 {
    fn number(self) -> u64 {
        self
    }

    fn of(number: u64) -> u64 {
        number
    }
}

/// A map from sequences to values, in the order of the sequences.
///
/// ```
/// use jetlag_model::SeqMap;
/// let mut map = SeqMap::<u64, _>::new();
/// map.insert(7, "seven");
/// map.insert(9, "nine");
/// assert_eq!(map.insert(7, "again"), Some("seven"));
/// assert_eq!((map.get(7), map.get(8), map.len()), (Some(&"again"), None, 2));
/// assert_eq!(map.range(8..).collect::<Vec<_>>(), [(9, &"nine")]);
/// ```
#[derive(Clone, Debug)]
pub struct SeqMap<K, T> {
    /// What was left behind: all below `base`.
    old: BTreeMap<u64, T>,
    /// The values from `base` on, each at its place. The first place and the last one hold something.
    recent: VecDeque<Option<T>>,
    base: u64,
    /// How many places of `recent` hold something.
    held: usize,
    key: PhantomData<K>,
}

impl<K, T> Default for SeqMap<K, T> {
    fn default() -> SeqMap<K, T> {
        SeqMap::new()
    }
}

impl<K, T> SeqMap<K, T> {
    /// Nothing.
    pub const fn new() -> SeqMap<K, T> {
        SeqMap { old: BTreeMap::new(), recent: VecDeque::new(), base: 0, held: 0, key: PhantomData }
    }
}

impl<K: Sequence, T> SeqMap<K, T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.old.len() + self.held
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of a sequence among the recent ones, be there one or not.
    #[inline]
    fn place(&self, seq: K) -> Option<usize> {
        usize::try_from(seq.number().checked_sub(self.base)?).ok()
    }

    /// The value of a sequence.
    #[inline]
    pub fn get(&self, seq: K) -> Option<&T> {
        match self.place(seq) {
            Some(place) => self.recent.get(place)?.as_ref(),
            None => self.old.get(&seq.number()),
        }
    }

    /// The value of a sequence, to change it.
    #[inline]
    pub fn get_mut(&mut self, seq: K) -> Option<&mut T> {
        match self.place(seq) {
            Some(place) => self.recent.get_mut(place)?.as_mut(),
            None => self.old.get_mut(&seq.number()),
        }
    }

    /// Whether there is a value.
    #[inline]
    pub fn contains(&self, seq: K) -> bool {
        self.get(seq).is_some()
    }

    /// Puts a value at a sequence, and gives the one that was there.
    pub fn insert(&mut self, seq: K, value: T) -> Option<T> {
        if self.recent.is_empty() && self.old.last_key_value().is_none_or(|(last, _)| *last < seq.number()) {
            self.base = seq.number();
        }
        let Some(place) = self.place(seq) else { return self.old.insert(seq.number(), value) };
        if let Some(there) = self.recent.get_mut(place) {
            let before = there.replace(value);
            self.held += usize::from(before.is_none());
            return before;
        }
        if place - self.recent.len() > SLACK {
            self.leave_behind(usize::MAX);
            self.base = seq.number();
        } else if place > self.recent.len() {
            self.recent.resize_with(place, || None);
        }
        self.recent.push_back(Some(value));
        self.held += 1;
        self.limit_empty();
        None
    }

    /// Takes a value out.
    pub fn remove(&mut self, seq: K) -> Option<T> {
        let Some(place) = self.place(seq) else { return self.old.remove(&seq.number()) };
        let value = self.recent.get_mut(place)?.take()?;
        self.held -= 1;
        if place == 0 || place + 1 == self.recent.len() {
            self.shrink();
        } else {
            self.limit_empty();
        }
        Some(value)
    }

    /// Both ends of the recent ones hold something, and empty places are not most of them.
    fn shrink(&mut self) {
        while let Some(None) = self.recent.front() {
            self.recent.pop_front();
            self.base = self.base.saturating_add(1);
        }
        while let Some(None) = self.recent.back() {
            self.recent.pop_back();
        }
        self.limit_empty();
    }

    /// Empty places are not most of them.
    #[inline]
    fn limit_empty(&mut self) {
        if self.recent.len() > SLACK + 4 * self.held {
            self.leave_behind(self.recent.len() / 2);
        }
    }

    /// So many of the first places go to those that were left behind.
    fn leave_behind(&mut self, places: usize) {
        for value in self.recent.drain(..places.min(self.recent.len())) {
            if let Some(value) = value {
                self.old.insert(self.base, value);
                self.held -= 1;
            }
            self.base += 1;
        }
        self.shrink();
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &T)> {
        self.range(..)
    }

    /// Those in a range, in order.
    pub fn range(&self, range: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (K, &T)> {
        // From the first one to before the end, which is none beyond the largest number.
        let first = match range.start_bound() {
            Bound::Included(first) => Some(first.number()),
            Bound::Excluded(before) => before.number().checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.number().checked_add(1),
            Bound::Excluded(end) => Some(end.number()),
            Bound::Unbounded => None,
        };
        let is_empty = first.is_none_or(|first| end.is_some_and(|end| end <= first));
        let first = if is_empty { 0 } else { first.unwrap_or(0) };
        let end = if is_empty { Some(0) } else { end };
        let place = |seq: u64| usize::try_from(seq.saturating_sub(self.base)).unwrap_or(usize::MAX).min(self.recent.len());
        let to = end.map_or(self.recent.len(), place);
        let from = place(first).min(to);
        let base = self.base;
        let recent = self.recent.range(from..to).enumerate();
        let recent = recent.filter_map(move |(place, value)| Some((K::of(base + (from + place) as u64), value.as_ref()?)));
        // A range of the recent ones alone needs no search.
        let old = (first < base && !self.old.is_empty()).then(|| {
            let end = end.map_or(Bound::Unbounded, Bound::Excluded);
            self.old.range((Bound::Included(first), end)).map(|(seq, value)| (K::of(*seq), value))
        });
        old.into_iter().flatten().chain(recent)
    }

    /// All sequences, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = K> {
        self.iter().map(|(seq, _)| seq)
    }

    /// All values, in the order of their sequences.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.iter().map(|(_, value)| value)
    }

    /// All values, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.old.values_mut().chain(self.recent.iter_mut().flatten())
    }

    /// The first one.
    #[inline]
    pub fn first(&self) -> Option<(K, &T)> {
        if self.old.is_empty() {
            return self.recent.front().and_then(Option::as_ref).map(|value| (K::of(self.base), value));
        }
        self.old.first_key_value().map(|(seq, value)| (K::of(*seq), value))
    }

    /// The last one.
    #[inline]
    pub fn last(&self) -> Option<(K, &T)> {
        match self.recent.back() {
            Some(value) => value.as_ref().map(|value| (K::of(self.base + (self.recent.len() as u64 - 1)), value)),
            None => self.old.last_key_value().map(|(seq, value)| (K::of(*seq), value)),
        }
    }

    /// Takes the first one out.
    pub fn pop_first(&mut self) -> Option<(K, T)> {
        let (first, _) = self.first()?;
        self.remove(first).map(|value| (first, value))
    }

    /// Keeps those that `keep` names.
    pub fn retain(&mut self, mut keep: impl FnMut(K, &mut T) -> bool) {
        self.old.retain(|seq, value| keep(K::of(*seq), value));
        let base = self.base;
        for (place, there) in self.recent.iter_mut().enumerate() {
            if there.as_mut().is_some_and(|value| !keep(K::of(base + place as u64), value)) {
                *there = None;
                self.held -= 1;
            }
        }
        self.shrink();
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = SeqMap::new();
    }
}

impl<K: Sequence, T: PartialEq> PartialEq for SeqMap<K, T> {
    fn eq(&self, other: &SeqMap<K, T>) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: Sequence, T: Eq> Eq for SeqMap<K, T> {}

impl<K: Sequence, T> FromIterator<(K, T)> for SeqMap<K, T> {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(values: I) -> SeqMap<K, T> {
        let mut map = SeqMap::new();
        for (seq, value) in values {
            map.insert(seq, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One thing done to a map.
    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, u32),
        Remove(u64),
        PopFirst,
        Retain(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Near each other mostly, and far apart at times, up to the end of all numbers.
        let seq = || prop_oneof![8 => 0_u64..300, 1 => 10_000_u64..10_400, 1 => (u64::MAX - 3)..=u64::MAX];
        prop_oneof![
            6 => (seq(), any::<u32>()).prop_map(|(seq, value)| Step::Insert(seq, value)),
            5 => seq().prop_map(Step::Remove),
            2 => Just(Step::PopFirst),
            1 => (2_u64..4).prop_map(Step::Retain),
        ]
    }

    fn agrees(ours: &SeqMap<u64, u32>, plain: &BTreeMap<u64, u32>) -> Result<(), TestCaseError> {
        prop_assert_eq!(ours.iter().map(|(seq, value)| (seq, *value)).collect::<Vec<_>>(), plain.clone().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(ours.len(), plain.len());
        prop_assert_eq!(ours.first().map(|(seq, _)| seq), plain.keys().next().copied());
        prop_assert_eq!(ours.last().map(|(seq, _)| seq), plain.keys().next_back().copied());
        prop_assert!(ours.recent.len() <= SLACK + 4 * ours.held + 1, "{} places for {}", ours.recent.len(), ours.held);
        Ok(())
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec(step(), 0..400), ends in (0_u64..320, 0_u64..320)) {
            let (mut ours, mut plain) = (SeqMap::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(seq, value) => prop_assert_eq!(ours.insert(seq, value), plain.insert(seq, value)),
                    Step::Remove(seq) => prop_assert_eq!(ours.remove(seq), plain.remove(&seq)),
                    Step::PopFirst => prop_assert_eq!(ours.pop_first(), plain.pop_first()),
                    Step::Retain(by) => {
                        ours.retain(|seq, _| seq % by > 0);
                        plain.retain(|seq, _| *seq % by > 0);
                    }
                }
                agrees(&ours, &plain)?;
            }
            prop_assert!((0..320).all(|seq| ours.get(seq) == plain.get(&seq)));
            let (from, to) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let range = |map: &SeqMap<u64, u32>, from: u64, to: u64| map.range(from..=to).map(|(seq, _)| seq).collect::<Vec<_>>();
            prop_assert_eq!(range(&ours, from, to), plain.range(from..=to).map(|(seq, _)| *seq).collect::<Vec<_>>());
            prop_assert_eq!(ours.range(to..).rev().map(|(seq, _)| seq).collect::<Vec<_>>(), plain.range(to..).rev().map(|(seq, _)| *seq).collect::<Vec<_>>());
            prop_assert_eq!(ours.range(..from).count(), plain.range(..from).count());
            if from < to {
                prop_assert_eq!(range(&ours, to, from).len(), 0, "a range that ends before it begins holds nothing");
            }
        }

        /// In order, with some that stay: what most uses are like.
        #[test]
        fn what_stays_behind_takes_no_room(stays in prop::collection::btree_set(0_u64..3000, 0..20)) {
            let mut ours = SeqMap::<u64, _>::new();
            for seq in 0..3000 {
                ours.insert(seq, seq as u32);
                if seq >= 10 && !stays.contains(&(seq - 10)) {
                    ours.remove(seq - 10);
                }
            }
            prop_assert!(ours.recent.len() <= SLACK + 4 * 31);
            prop_assert!(stays.iter().all(|seq| ours.contains(*seq)));
            prop_assert_eq!(ours.len(), 10 + stays.iter().filter(|seq| **seq < 2990).count());
        }
    }
}
