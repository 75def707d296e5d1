//! What the world itself has due, in the order in which it happens.

use std::collections::BTreeMap;

use jetlag_model::Time;

/// Kinds of things due at one instant, in the order in which they happen. Within a kind: in the order in which they were scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Something arrives at the end of a link.
    Arrival,
    /// The server starts again.
    Server,
    /// A client connects again.
    Reconnect,
    /// A worker acts.
    Worker,
}

/// A queue by time.
#[derive(Clone, Debug)]
pub struct Schedule<T> {
    items: BTreeMap<(Time, Rank, u64), T>,
    next: u64,
}

impl<T> Default for Schedule<T> {
    fn default() -> Schedule<T> {
        Schedule::new()
    }
}

impl<T> Schedule<T> {
    /// Nothing is due.
    pub fn new() -> Schedule<T> {
        Schedule { items: BTreeMap::new(), next: 0 }
    }

    /// Adds a thing that is due at `at`.
    pub fn add(&mut self, at: Time, rank: Rank, item: T) {
        self.items.insert((at, rank, self.next), item);
        self.next += 1;
    }

    /// When the next thing is due.
    pub fn next_time(&self) -> Option<Time> {
        self.items.first_key_value().map(|((at, _, _), _)| *at)
    }

    /// When the next thing is due of those that `counts` names.
    pub fn next_time_of(&self, counts: impl Fn(&T) -> bool) -> Option<Time> {
        self.items.iter().find(|(_, item)| counts(item)).map(|((at, _, _), _)| *at)
    }

    /// Takes out what is due first.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop_first().map(|(_, item)| item)
    }

    /// Takes out everything that is due at `now` or before and that `wanted` names, in order.
    pub fn extract_due(&mut self, now: Time, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let keys: Vec<_> =
            self.items.iter().take_while(|((at, _, _), _)| *at <= now).filter(|(_, item)| wanted(item)).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.items.remove(key)).collect()
    }

    /// Takes out everything that `gone` names, in order.
    pub fn extract(&mut self, mut gone: impl FnMut(&T) -> bool) -> Vec<T> {
        let keys: Vec<_> = self.items.iter().filter(|(_, item)| gone(item)).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.items.remove(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_then_rank_then_order() {
        let mut schedule = Schedule::new();
        for (at, rank, item) in [(2, Rank::Arrival, 'e'), (1, Rank::Worker, 'd'), (1, Rank::Arrival, 'a'), (1, Rank::Server, 'c')] {
            schedule.add(Time::from_nanos(at), rank, item);
        }
        schedule.add(Time::from_nanos(1), Rank::Arrival, 'b');
        schedule.add(Time::from_nanos(3), Rank::Arrival, 'x');
        assert_eq!(schedule.extract(|item| *item == 'x'), ['x']);
        assert_eq!(schedule.next_time(), Some(Time::from_nanos(1)));
        assert_eq!(std::iter::from_fn(|| schedule.pop()).collect::<String>(), "abcde");
        assert_eq!(schedule.next_time(), None);
    }
}
