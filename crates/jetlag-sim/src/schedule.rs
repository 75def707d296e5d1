//! What the world itself has due, in the order in which it happens.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

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

/// When a thing is due, and which of those due at one instant comes first: its rank, and below that its number among all that were scheduled.
type Place = (Time, u64);

/// Numbers stand below this bit of a place, the rank above.
const RANK: u32 = 60;

/// A thing at its place; of two, the one that is due first is the greater, as a heap gives the greatest.
#[derive(Clone, Debug)]
struct Entry<T>(Place, T);

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Entry<T>) -> Ordering {
        other.0.cmp(&self.0)
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Entry<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Entry<T>) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Entry<T> {}

/// A queue by time.
#[derive(Clone, Debug)]
pub struct Schedule<T> {
    /// Arrivals that were scheduled in the order in which they happen: nearly all, as most links take no time.
    arrivals: VecDeque<Entry<T>>,
    /// Everything else.
    others: BinaryHeap<Entry<T>>,
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
        Schedule { arrivals: VecDeque::new(), others: BinaryHeap::new(), next: 0 }
    }

    /// Adds a thing that is due at `at`.
    #[inline]
    pub fn add(&mut self, at: Time, rank: Rank, item: T) {
        let place = (at, (rank as u64) << RANK | self.next);
        self.next += 1;
        // Of two arrivals the later one to be scheduled is the later one, unless it is due before.
        if rank == Rank::Arrival && self.arrivals.back().is_none_or(|Entry((last, _), _)| *last <= at) {
            self.arrivals.push_back(Entry(place, item));
        } else {
            self.others.push(Entry(place, item));
        }
    }

    /// When the next thing is due.
    pub fn next_time(&self) -> Option<Time> {
        match (self.arrivals.front(), self.others.peek()) {
            (Some(Entry((arrival, _), _)), Some(Entry((other, _), _))) => Some(*arrival.min(other)),
            (Some(Entry((at, _), _)), None) | (None, Some(Entry((at, _), _))) => Some(*at),
            (None, None) => None,
        }
    }

    /// When the next thing is due of those that `counts` names.
    pub fn next_time_of(&self, counts: impl Fn(&T) -> bool) -> Option<Time> {
        let counted = |Entry((at, _), item): &Entry<T>| counts(item).then_some(*at);
        self.arrivals.iter().find_map(counted).into_iter().chain(self.others.iter().filter_map(counted)).min()
    }

    /// Takes out what is due first.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let arrival_first = match (self.arrivals.front(), self.others.peek()) {
            (Some(arrival), Some(other)) => arrival > other,
            (arrival, _) => arrival.is_some(),
        };
        let first = if arrival_first { self.arrivals.pop_front() } else { self.others.pop() };
        first.map(|Entry(_, item)| item)
    }

    /// Takes out everything that is due at `now` or before and that `wanted` names, in order.
    pub fn extract_due(&mut self, now: Time, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        self.extract_where(|Entry((at, _), item)| *at <= now && wanted(item))
    }

    /// Takes out everything that `gone` names, in order.
    pub fn extract(&mut self, mut gone: impl FnMut(&T) -> bool) -> Vec<T> {
        self.extract_where(|Entry(_, item)| gone(item))
    }

    fn extract_where(&mut self, mut gone: impl FnMut(&Entry<T>) -> bool) -> Vec<T> {
        let (mut extracted, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.others).into_iter().partition(&mut gone);
        self.others = others.into();
        for entry in std::mem::take(&mut self.arrivals) {
            if gone(&entry) {
                extracted.push(entry);
            } else {
                self.arrivals.push_back(entry);
            }
        }
        extracted.sort_unstable_by(|a, b| b.cmp(a));
        extracted.into_iter().map(|Entry(_, item)| item).collect()
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
        schedule.add(Time::from_nanos(2), Rank::Worker, 'y');
        assert_eq!(schedule.next_time_of(|item| *item == 'x'), Some(Time::from_nanos(3)));
        assert_eq!(schedule.extract_due(Time::from_nanos(2), |item| matches!(*item, 'x' | 'y')), ['y']);
        assert_eq!(schedule.extract(|item| *item == 'x'), ['x']);
        assert_eq!(schedule.next_time(), Some(Time::from_nanos(1)));
        assert_eq!(std::iter::from_fn(|| schedule.pop()).collect::<String>(), "abcde");
        assert_eq!(schedule.next_time(), None);
    }
}
