//! The queue of one direction of a link. It moves nothing by itself and knows no clock.

use std::collections::BTreeMap;

use jetlag_model::{Duration, Time};

/// What is under way in one direction of a link: frames, each with the time at which it arrives.
///
/// Frames due at the same time leave in the order in which they came. A delayed frame does not hold back those behind it: this is
/// a link of datagrams, which is what a fault on a single message needs. On a TCP connection nothing overtakes; there, the delay acts
/// on the client's side, before bytes reach the socket or after they left it.
///
/// ```
/// use jetlag_fault::Link;
/// use jetlag_model::{Duration, Time};
/// let mut link = Link::new();
/// link.push(Time::START, "slow", Duration::from_secs(5));
/// link.push(Time::START, "fast", Duration::ZERO);
/// assert_eq!(link.poll(Time::START), Some("fast"));
/// assert_eq!(link.poll(Time::START), None);
/// assert_eq!(link.next_due(), Some(Time::START + Duration::from_secs(5)));
/// ```
#[derive(Clone, Debug)]
pub struct Link<T> {
    /// By due time, then by arrival.
    frames: BTreeMap<(Time, u64), T>,
    pushed: u64,
}

impl<T> Link<T> {
    /// An empty link.
    pub const fn new() -> Link<T> {
        Link { frames: BTreeMap::new(), pushed: 0 }
    }

    /// Puts a frame on the link that arrives `delay` after `now`. A negative delay counts as none.
    pub fn push(&mut self, now: Time, frame: T, delay: Duration) {
        self.frames.insert((now + delay.max(Duration::ZERO), self.pushed), frame);
        self.pushed += 1;
    }

    /// Takes the next frame that has arrived by `now`.
    pub fn poll(&mut self, now: Time) -> Option<T> {
        let first = self.frames.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the next frame arrives.
    pub fn next_due(&self) -> Option<Time> {
        self.frames.first_key_value().map(|((due, _), _)| *due)
    }

    /// Empties the link, as a lost connection does. What was under way is returned in the order in which it would have arrived.
    pub fn clear(&mut self) -> Vec<T> {
        std::mem::take(&mut self.frames).into_values().collect()
    }

    /// How many frames are under way.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

impl<T> Default for Link<T> {
    fn default() -> Link<T> {
        Link::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ns: u64) -> Time {
        Time::from_nanos(ns)
    }

    #[test]
    fn a_lost_connection_loses_what_is_under_way() {
        let mut link = Link::default();
        link.push(at(0), 'b', Duration::from_nanos(2));
        link.push(at(0), 'a', Duration::from_nanos(1));
        link.push(at(0), 'c', Duration::from_nanos(2));
        assert_eq!(link.clear(), ['a', 'b', 'c']);
        assert!(link.is_empty());
        assert_eq!((link.poll(Time::NEVER), link.next_due()), (None, None));
    }

    #[test]
    fn nothing_arrives_before_it_was_sent() {
        let mut link = Link::new();
        link.push(at(5), (), Duration::from_nanos(-3));
        assert_eq!((link.next_due(), link.poll(at(4)), link.poll(at(5))), (Some(at(5)), None, Some(())));
    }

    proptest! {
        #[test]
        fn frames_arrive_when_due_and_in_order(pushes in proptest::collection::vec((0_u64..20, 0_i64..20), 0..40)) {
            let mut link = Link::new();
            let mut expected = Vec::new();
            for (index, (now, delay)) in pushes.iter().enumerate() {
                link.push(at(*now), index, Duration::from_nanos(*delay));
                expected.push((*now + *delay as u64, index));
            }
            expected.sort_unstable();
            prop_assert_eq!(link.len(), expected.len());
            for (due, index) in expected {
                prop_assert_eq!(link.next_due(), Some(at(due)));
                prop_assert_eq!(due.checked_sub(1).and_then(|before| link.poll(at(before))), None);
                prop_assert_eq!(link.poll(at(due)), Some(index));
            }
            prop_assert!(link.is_empty());
        }
    }
}
