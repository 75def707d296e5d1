//! What the world itself has due, in the order in which it happens.

use std::collections::{BTreeMap, VecDeque};

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

/// When a thing is due, and which of those due at one instant comes first.
type Place = (Time, Rank, u64);

/// A queue by time.
#[derive(Clone, Debug)]
pub struct Schedule<T> {
    /// Arrivals that were scheduled in the order in which they happen: nearly all, as most links take no time.
    arrivals: VecDeque<(Place, T)>,
    /// Everything else.
    others: BTreeMap<Place, T>,
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
        Schedule { arrivals: VecDeque::new(), others: BTreeMap::new(), next: 0 }
    }

    /// Adds a thing that is due at `at`.
    pub fn add(&mut self, at: Time, rank: Rank, item: T) {
        let place = (at, rank, self.next);
        self.next += 1;
        if rank == Rank::Arrival && self.arrivals.back().is_none_or(|(last, _)| *last < place) {
            self.arrivals.push_back((place, item));
        } else {
            self.others.insert(place, item);
        }
    }

    /// When the next thing is due.
    pub fn next_time(&self) -> Option<Time> {
        let arrival = self.arrivals.front().map(|((at, ..), _)| *at);
        let other = self.others.first_key_value().map(|((at, ..), _)| *at);
        arrival.into_iter().chain(other).min()
    }

    /// When the next thing is due of those that `counts` names.
    pub fn next_time_of(&self, counts: impl Fn(&T) -> bool) -> Option<Time> {
        let arrival = self.arrivals.iter().find(|(_, item)| counts(item)).map(|((at, ..), _)| *at);
        let other = self.others.iter().find(|(_, item)| counts(item)).map(|((at, ..), _)| *at);
        arrival.into_iter().chain(other).min()
    }

    /// Takes out what is due first.
    pub fn pop(&mut self) -> Option<T> {
        let arrival_first = match (self.arrivals.front(), self.others.first_key_value()) {
            (Some((arrival, _)), Some((other, _))) => arrival < other,
            (arrival, _) => arrival.is_some(),
        };
        if arrival_first { self.arrivals.pop_front().map(|(_, item)| item) } else { self.others.pop_first().map(|(_, item)| item) }
    }

    /// Takes out everything that is due at `now` or before and that `wanted` names, in order.
    pub fn extract_due(&mut self, now: Time, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        self.extract_where(|(at, ..), item| *at <= now && wanted(item))
    }

    /// Takes out everything that `gone` names, in order.
    pub fn extract(&mut self, mut gone: impl FnMut(&T) -> bool) -> Vec<T> {
        self.extract_where(|_, item| gone(item))
    }

    fn extract_where(&mut self, mut gone: impl FnMut(&Place, &T) -> bool) -> Vec<T> {
        let places: Vec<Place> = self.others.iter().filter(|(place, item)| gone(place, item)).map(|(place, _)| *place).collect();
        let mut extracted: Vec<(Place, T)> = places.iter().filter_map(|place| Some((*place, self.others.remove(place)?))).collect();
        for (place, item) in std::mem::take(&mut self.arrivals) {
            if gone(&place, &item) {
                extracted.push((place, item));
            } else {
                self.arrivals.push_back((place, item));
            }
        }
        extracted.sort_unstable_by_key(|(place, _)| *place);
        extracted.into_iter().map(|(_, item)| item).collect()
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
