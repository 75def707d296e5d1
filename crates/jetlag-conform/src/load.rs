//! How late this machine is right now, measured beside the replays, and how many replays it bears at once.
//!
//! What is allowed for it is the affair of `slack.rs`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the gauge sleeps at a time.
const TICK: Duration = Duration::from_millis(2);

/// A lateness that every machine has.
const USUAL: Duration = Duration::from_millis(2);

/// Lateness is told in steps of this, so that the same plan serves while it is much the same.
const STEP: Duration = Duration::from_millis(5);

/// A lateness is remembered for between one and two of these.
const MEMORY: Duration = Duration::from_millis(500);

/// Above this lateness no more than a few replays should be under way.
const BEARABLE: Duration = Duration::from_millis(10);

/// How long who wants to begin sleeps before it looks again.
const PATIENCE: Duration = Duration::from_millis(20);

/// A thread that sleeps and looks how much too long it slept. Ends when dropped.
pub(crate) struct Gauge {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    /// The worst of the last while, and of the while before, in nanoseconds.
    worst: [AtomicU64; 2],
}

impl Gauge {
    pub(crate) fn start() -> Gauge {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        // A machine that has no thread left has nobody to replay on it either, and that is told.
        let thread = thread::Builder::new().name("lateness".to_owned()).spawn(move || watch(&watched)).ok();
        Gauge { shared, thread }
    }

    /// The worst of late beyond what is usual, rounded up.
    pub(crate) fn lateness(&self) -> Duration {
        let [now, before] = &self.shared.worst;
        let worst = Duration::from_nanos(now.load(Ordering::Relaxed).max(before.load(Ordering::Relaxed)));
        let beyond = worst.saturating_sub(USUAL);
        let steps = beyond.as_nanos().div_ceil(STEP.as_nanos());
        STEP * u32::try_from(steps).unwrap_or(u32::MAX)
    }

    /// Whether the machine bears more than it has.
    pub(crate) fn bears_more(&self) -> bool {
        self.lateness() <= BEARABLE
    }
}

fn watch(shared: &Shared) {
    let mut since = Instant::now();
    while !shared.over.load(Ordering::Relaxed) {
        let before = Instant::now();
        thread::sleep(TICK);
        let late = u64::try_from(before.elapsed().saturating_sub(TICK).as_nanos()).unwrap_or(u64::MAX);
        if since.elapsed() >= MEMORY {
            shared.worst[1].store(shared.worst[0].swap(0, Ordering::Relaxed), Ordering::Relaxed);
            since = Instant::now();
        }
        shared.worst[0].fetch_max(late, Ordering::Relaxed);
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, nothing depends on it any more.
            let _ = thread.join();
        }
    }
}

/// Lets in a few, and more while they are borne.
pub(crate) struct Door {
    inside: Mutex<usize>,
    left: Condvar,
    few: usize,
}

impl Door {
    pub(crate) fn new(few: usize) -> Door {
        Door { inside: Mutex::new(0), left: Condvar::new(), few: few.max(1) }
    }

    /// Waits until few are inside, or until there may be more than a few. Whoever is inside leaves when the answer is dropped.
    pub(crate) fn enter(&self, may_be_more: impl Fn() -> bool) -> Inside<'_> {
        let mut inside = self.lock();
        while *inside >= self.few && !may_be_more() {
            inside = self.left.wait_timeout(inside, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
        *inside += 1;
        Inside(self)
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who was let in.
pub(crate) struct Inside<'d>(&'d Door);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge_that_says(late: Duration) -> Gauge {
        let shared = Shared { worst: [AtomicU64::new(0), AtomicU64::new(late.as_nanos() as u64)], ..Shared::default() };
        Gauge { shared: Arc::new(shared), thread: None }
    }

    #[test]
    fn lateness_is_what_goes_beyond_the_usual_in_steps() {
        for (late, told) in [(0, 0), (2, 0), (3, 5), (7, 5), (8, 10), (100, 100)] {
            assert_eq!(gauge_that_says(Duration::from_millis(late)).lateness(), Duration::from_millis(told), "{late}");
        }
    }

    #[test]
    fn a_late_machine_lets_few_in() {
        let (late, prompt) = (gauge_that_says(Duration::from_millis(50)), gauge_that_says(Duration::ZERO));
        let door = Door::new(2);
        let first = door.enter(|| late.bears_more());
        let second = door.enter(|| late.bears_more());
        let _third = door.enter(|| prompt.bears_more());
        assert_eq!(*door.lock(), 3);
        drop(first);
        thread::scope(|scope| {
            let waits = scope.spawn(|| drop(door.enter(|| late.bears_more())));
            thread::sleep(Duration::from_millis(30));
            assert!(!waits.is_finished(), "two are inside");
            drop(second);
            waits.join().unwrap();
        });
    }
}
