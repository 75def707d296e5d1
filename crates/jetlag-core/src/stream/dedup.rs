//! Message ids seen within the duplicate window.

use std::collections::VecDeque;

use jetlag_model::{Duration, StreamSeq, Text, WallTime};

use crate::index::Index;

/// The ids of one stream. An id is remembered even when its message is gone. Rules of `storeMsgIdLocked` and `purgeMsgIds` (`server/stream.go`).
#[derive(Clone, Default)]
pub(crate) struct Dedup {
    known: Index<Text, StreamSeq>,
    by_age: VecDeque<Remembered>,
}

#[derive(Clone, Debug)]
struct Remembered {
    id: Text,
    /// From when on the window counts.
    since: WallTime,
    /// Whether its message had no time, as one that nobody is interested in: a round that comes to it lets go of it, however young it is.
    is_timeless: bool,
}

impl Dedup {
    /// The sequence this id was stored under, if that was within the window.
    pub(crate) fn find(&mut self, id: &str, now: WallTime, window: Duration) -> Option<StreamSeq> {
        self.forget(|first| is_older(first, now, window));
        self.known.find(id).copied()
    }

    /// Remembers an id.
    pub(crate) fn remember(&mut self, id: &str, seq: StreamSeq, at: WallTime) {
        self.add(id, seq, at, false);
    }

    /// Remembers an id whose message was not stored, as nobody is interested in it. It is let go with the one before it.
    pub(crate) fn remember_unwanted(&mut self, id: &str, seq: StreamSeq, at: WallTime) {
        let since = self.by_age.back().map_or(at, |before| before.since);
        self.add(id, seq, since, true);
    }

    fn add(&mut self, id: &str, seq: StreamSeq, since: WallTime, is_timeless: bool) {
        let id: Text = id.into();
        if self.known.insert(id.clone(), seq).is_none() {
            self.by_age.push_back(Remembered { id, since, is_timeless });
        }
    }

    /// Another window: the server goes round at once.
    pub(crate) fn change_window(&mut self, now: WallTime, window: Duration) {
        self.forget(|first| first.is_timeless || is_older(first, now, window));
    }

    fn forget(&mut self, goes: impl Fn(&Remembered) -> bool) {
        while self.by_age.front().is_some_and(&goes) {
            if let Some(first) = self.by_age.pop_front() {
                self.known.remove(&first.id);
            }
        }
    }
}

/// Whether an id is older than the window. One exactly as old is still known: the publish comes before the timer.
fn is_older(id: &Remembered, now: WallTime, window: Duration) -> bool {
    now.since(id.since) > window
}

impl std::fmt::Debug for Dedup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.by_age).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_for_the_window_and_then_free_again() {
        let at = |ms: i64| WallTime::from_unix_nanos(0) + Duration::from_millis(ms);
        let window = Duration::from_millis(100);
        let mut dedup = Dedup::default();
        assert_eq!(dedup.find("x", at(0), window), None);
        dedup.remember("x", StreamSeq(7), at(0));
        assert_eq!(dedup.find("x", at(100), window), Some(StreamSeq(7)));
        assert_eq!(dedup.find("x", at(101), window), None);
        dedup.remember("x", StreamSeq(8), at(101));
        assert_eq!(dedup.find("x", at(150), window), Some(StreamSeq(8)));
        assert_eq!(dedup.find("x", at(150), Duration::from_millis(10)), None, "a shorter window applies to known ids");
    }

    #[test]
    fn an_id_of_an_unwanted_message_goes_with_the_one_before_it() {
        let at = |ms: i64| WallTime::from_unix_nanos(0) + Duration::from_millis(ms);
        let window = Duration::from_millis(100);
        let mut dedup = Dedup::default();
        dedup.remember_unwanted("alone", StreamSeq(1), at(0));
        assert_eq!(dedup.find("alone", at(100), window), Some(StreamSeq(1)));
        assert_eq!(dedup.find("alone", at(101), window), None);
        dedup.remember("wanted", StreamSeq(2), at(200));
        dedup.remember_unwanted("after", StreamSeq(3), at(290));
        assert_eq!(dedup.find("after", at(300), window), Some(StreamSeq(3)));
        assert_eq!(dedup.find("after", at(301), window), None);
        dedup.remember_unwanted("young", StreamSeq(4), at(400));
        dedup.change_window(at(401), Duration::from_millis(1000));
        assert_eq!(dedup.find("young", at(401), Duration::from_millis(1000)), None);
    }
}
