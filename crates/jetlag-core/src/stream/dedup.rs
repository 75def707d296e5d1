//! Message ids seen within the duplicate window.

use std::collections::VecDeque;
use std::sync::Arc;

use jetlag_model::{Duration, StreamSeq, WallTime};

use crate::index::Index;

/// The ids of one stream. An id is remembered even when its message is gone.
#[derive(Clone, Default)]
pub(crate) struct Dedup {
    known: Index<Arc<str>, StreamSeq>,
    by_age: VecDeque<(WallTime, Arc<str>)>,
}

impl Dedup {
    /// The sequence this id was stored under, if that was within the window.
    pub(crate) fn find(&mut self, id: &str, now: WallTime, window: Duration) -> Option<StreamSeq> {
        self.forget(now, window);
        self.known.find(id).copied()
    }

    /// Remembers an id.
    pub(crate) fn remember(&mut self, id: &str, seq: StreamSeq, at: WallTime) {
        let id: Arc<str> = id.into();
        if self.known.insert(id.clone(), seq).is_none() {
            self.by_age.push_back((at, id));
        }
    }

    /// Lets go of ids older than the window. An id exactly as old as the window is still known: the publish comes before the timer.
    fn forget(&mut self, now: WallTime, window: Duration) {
        while self.by_age.front().is_some_and(|(at, _)| now.since(*at) > window) {
            if let Some((_, id)) = self.by_age.pop_front() {
                self.known.remove(&id);
            }
        }
    }
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
}
