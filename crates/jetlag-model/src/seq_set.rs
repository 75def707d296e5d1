//! A set of sequences, held as the ranges that they make: what is settled in order takes no more room than its gaps.

use std::collections::BTreeMap;

/// A set of sequences.
///
/// ```
/// use jetlag_model::SeqSet;
/// let mut set = SeqSet::new();
/// assert!([3, 1, 2, 9].into_iter().all(|seq| set.insert(seq)));
/// assert!(!set.insert(2), "it was there");
/// assert_eq!((set.contains(3), set.contains(4), set.len(), set.ranges()), (true, false, 4, 2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeqSet {
    /// First and last of the highest range: most sequences come in order.
    newest: Option<(u64, u64)>,
    /// First and last of each range below it. No two touch.
    older: BTreeMap<u64, u64>,
    len: u64,
}

impl SeqSet {
    /// Nothing.
    pub const fn new() -> SeqSet {
        SeqSet { newest: None, older: BTreeMap::new(), len: 0 }
    }

    /// Adds a sequence. Says whether it is new.
    pub fn insert(&mut self, seq: u64) -> bool {
        let is_new = match &mut self.newest {
            Some((first, last)) if seq >= *first => {
                if seq <= *last {
                    return false;
                }
                if *last + 1 < seq {
                    self.older.insert(*first, *last);
                    *first = seq;
                }
                *last = seq;
                true
            }
            Some((first, _)) if seq + 1 == *first => {
                let below = self.older.last_entry().filter(|below| below.get() + 1 == seq);
                *first = below.map_or(seq, |below| below.remove_entry().0);
                true
            }
            Some(_) => self.insert_older(seq),
            None => {
                self.newest = Some((seq, seq));
                true
            }
        };
        self.len += u64::from(is_new);
        is_new
    }

    /// Adds a sequence that does not touch the highest range and is below it. Says whether it is new.
    fn insert_older(&mut self, seq: u64) -> bool {
        let below = self.older.range(..=seq).next_back().map(|(first, last)| (*first, *last));
        if below.is_some_and(|(_, last)| seq <= last) {
            return false;
        }
        let above = self.older.remove(&(seq + 1)).unwrap_or(seq);
        match below {
            Some((first, last)) if last + 1 == seq => self.older.insert(first, above),
            _ => self.older.insert(seq, above),
        };
        true
    }

    /// Whether it is there.
    pub fn contains(&self, seq: u64) -> bool {
        match self.newest {
            Some((first, last)) if seq >= first => seq <= last,
            _ => self.older.range(..=seq).next_back().is_some_and(|(_, last)| seq <= *last),
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many ranges they make.
    pub fn ranges(&self) -> usize {
        self.older.len() + usize::from(self.newest.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(seqs in prop::collection::vec(0_u64..40, 0..60)) {
            let (mut ours, mut plain) = (SeqSet::new(), BTreeSet::new());
            for seq in seqs {
                prop_assert_eq!(ours.insert(seq), plain.insert(seq));
                prop_assert_eq!(ours.len(), plain.len() as u64);
            }
            prop_assert!((0..40).all(|seq| ours.contains(seq) == plain.contains(&seq)));
            let gaps = plain.iter().filter(|seq| !plain.contains(&(**seq + 1))).count();
            prop_assert_eq!(ours.ranges(), gaps);
        }
    }

    #[test]
    fn the_last_sequence_of_all_has_none_behind_it() {
        let mut set = SeqSet::new();
        assert!(set.insert(u64::MAX) && set.insert(u64::MAX - 1) && !set.insert(u64::MAX));
        assert_eq!((set.len(), set.ranges(), set.is_empty()), (2, 1, false));
    }
}
