//! The stored copy of a consumer's state. It follows the copy in memory by rules of its own (`server/memstore.go` and `filestore.go`,
//! `UpdateDelivered` and `UpdateAcks`, 2.15), so the two differ, and info requests show this one. It holds no redelivery queue, no pull
//! requests and no timers: a restart loses those.

use std::collections::VecDeque;

use jetlag_model::{AckPolicy, ConsumerConfig, ConsumerSeq, Duration, SeqMap, SequencePair, StreamSeq, Time, WallTime};

use super::Pending;
use super::ack::walk_ack_all;
use crate::disk::{ConsumerState, StateWrites};
use crate::stored::{Lost, kept};

/// How many changes a consumer on disk can be asked to lose.
const JOURNAL: usize = 10_000;

/// A server writes the state of a consumer no more often than this (`flushLoop` in `server/filestore.go`, all versions).
const WRITTEN_EVERY: Duration = Duration::from_millis(100);

/// The stored state, with a journal of its last changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConsumerStore {
    state: State,
    journal: VecDeque<Change>,
    /// How many changes there were.
    changes: u64,
    writer: Writer,
    /// It is in memory: nothing is written, and nothing can be lost but all of it.
    volatile: bool,
}

/// When the state is written: a change at once if the last write is long enough ago, else as soon as it is.
#[derive(Clone, Debug, Default)]
struct Writer {
    last: Option<Time>,
    due: Option<Time>,
    /// How many changes wait for the next write.
    waiting: usize,
    /// How many writes there were.
    writes: u64,
}

impl Writer {
    fn change(&mut self, now: Time) {
        self.pass(now);
        self.waiting += 1;
        let due = *self.due.get_or_insert_with(|| self.last.map_or(now, |last| now.max(last + WRITTEN_EVERY)));
        if due == now {
            self.write(due);
        }
    }

    /// What is due is written.
    fn pass(&mut self, now: Time) {
        if let Some(due) = self.due.filter(|due| *due <= now) {
            self.write(due);
        }
    }

    fn write(&mut self, at: Time) {
        *self = Writer { last: Some(at), due: None, waiting: 0, writes: self.writes + 1 };
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    delivered: SequencePair,
    floor: SequencePair,
    pending: SeqMap<StreamSeq, Pending>,
    redelivered: SeqMap<StreamSeq, u64>,
}

/// One change, as what it takes to undo it: both pairs, and the entries it touched as they were.
#[derive(Clone, Debug)]
struct Change {
    at: Time,
    delivered: SequencePair,
    floor: SequencePair,
    pending: Vec<(StreamSeq, Option<Pending>)>,
    redelivered: Vec<(StreamSeq, Option<u64>)>,
}

impl ConsumerStore {
    /// A new consumer that starts behind `delivered`.
    pub(crate) fn starting(delivered: SequencePair, floor: SequencePair) -> ConsumerStore {
        ConsumerStore { state: State { delivered, floor, ..State::default() }, ..ConsumerStore::default() }
    }

    /// One that holds this, as storage says.
    pub(crate) fn of(state: ConsumerState) -> ConsumerStore {
        let ConsumerState { delivered, floor, pending, redelivered } = state;
        let pending = pending.into_iter().map(|(seq, first, stamp)| (seq, Pending { first, stamp })).collect();
        let state = State { delivered, floor, pending, redelivered: redelivered.into_iter().collect() };
        ConsumerStore { state, ..ConsumerStore::default() }
    }

    /// Keeps it in memory from now on, where no journal is needed; or on disk.
    pub(crate) fn keep_in_memory(&mut self, volatile: bool) {
        self.volatile = volatile;
    }

    /// What it holds, for storage.
    pub(crate) fn state(&self) -> ConsumerState {
        let State { delivered, floor, pending, redelivered } = &self.state;
        ConsumerState {
            delivered: *delivered,
            floor: *floor,
            pending: pending.iter().map(|(seq, entry)| (seq, entry.first, entry.stamp)).collect(),
            redelivered: redelivered.iter().map(|(seq, count)| (seq, *count)).collect(),
        }
    }

    /// A number that is another one when storage has to hold something else.
    pub(crate) fn revision(&self, now: Time, when: StateWrites) -> u64 {
        match when {
            StateWrites::AtOnce => self.changes,
            StateWrites::Delayed => self.writer.writes + u64::from(self.writer.due.is_some_and(|due| due <= now)),
        }
    }

    /// When what waits is written.
    pub(crate) fn next_write(&self) -> Option<Time> {
        self.writer.due
    }

    /// Whether anything was ever written.
    pub(crate) fn has_state(&self) -> bool {
        self.state.delivered != SequencePair::default()
    }

    pub(crate) fn delivered(&self) -> SequencePair {
        self.state.delivered
    }

    pub(crate) fn floor(&self) -> SequencePair {
        self.state.floor
    }

    pub(crate) fn pending(&self) -> &SeqMap<StreamSeq, Pending> {
        &self.state.pending
    }

    pub(crate) fn redelivered(&self) -> &SeqMap<StreamSeq, u64> {
        &self.state.redelivered
    }

    fn change(&self, at: Time) -> Change {
        Change { at, delivered: self.state.delivered, floor: self.state.floor, pending: Vec::new(), redelivered: Vec::new() }
    }

    fn record(&mut self, change: Change) {
        if self.volatile {
            return;
        }
        self.writer.change(change.at);
        self.changes += 1;
        if self.journal.len() == JOURNAL {
            self.journal.pop_front();
        }
        self.journal.push_back(change);
    }

    fn set_pending(&mut self, change: &mut Change, seq: StreamSeq, entry: Option<Pending>) {
        let before = match entry {
            Some(entry) => self.state.pending.insert(seq, entry),
            None => self.state.pending.remove(seq),
        };
        if !self.volatile {
            change.pending.push((seq, before));
        }
    }

    fn set_redelivered(&mut self, change: &mut Change, seq: StreamSeq, count: Option<u64>) {
        let before = match count {
            Some(count) => self.state.redelivered.insert(seq, count),
            None => self.state.redelivered.remove(seq),
        };
        if !self.volatile {
            change.redelivered.push((seq, before));
        }
    }

    /// A delivery, or a new stamp for a pending message. `stamp` is the message's own time for a delivery: a restart redelivers by it.
    pub(crate) fn update_delivered(
        &mut self,
        at: Time,
        config: &ConsumerConfig,
        consumer_seq: ConsumerSeq,
        seq: StreamSeq,
        count: u64,
        stamp: WallTime,
    ) {
        if consumer_seq <= self.state.floor.consumer_seq {
            return;
        }
        let mut change = self.change(at);
        if config.ack_policy == AckPolicy::None {
            if consumer_seq > self.state.delivered.consumer_seq {
                self.state.delivered.consumer_seq = consumer_seq;
                self.state.floor.consumer_seq = consumer_seq;
            }
            if seq > self.state.delivered.stream_seq {
                self.state.delivered.stream_seq = seq;
                self.state.floor.stream_seq = seq;
            }
            return self.record(change);
        }
        if seq <= self.state.delivered.stream_seq {
            if let Some(entry) = self.state.pending.get(seq).copied() {
                self.set_pending(&mut change, seq, Some(Pending { stamp, ..entry }));
            }
        } else {
            self.set_pending(&mut change, seq, Some(Pending { first: consumer_seq, stamp }));
        }
        self.state.delivered.consumer_seq = self.state.delivered.consumer_seq.max(consumer_seq);
        self.state.delivered.stream_seq = self.state.delivered.stream_seq.max(seq);
        if count > 1 {
            if u64::try_from(config.max_deliver).is_ok_and(|max| max > 0 && count > max) {
                self.set_pending(&mut change, seq, None);
            }
            if self.state.redelivered.get(seq).copied().unwrap_or(0) < count - 1 {
                self.set_redelivered(&mut change, seq, Some(count - 1));
            }
        }
        self.record(change);
    }

    /// An acknowledgement.
    pub(crate) fn update_acks(&mut self, at: Time, policy: AckPolicy, consumer_seq: ConsumerSeq, seq: StreamSeq) {
        if policy == AckPolicy::None {
            return;
        }
        let mut change = self.change(at);
        if self.state.redelivered.contains(seq) {
            self.set_redelivered(&mut change, seq, None);
        }
        let known = self.state.pending.get(seq).copied();
        let Some(entry) = known.filter(|_| consumer_seq > self.state.floor.consumer_seq) else {
            return self.record(change);
        };
        if policy == AckPolicy::All {
            let settled = walk_ack_all(&self.state.pending, self.state.floor.stream_seq, seq);
            self.state.floor = SequencePair { consumer_seq, stream_seq: seq };
            for seq in settled {
                self.set_pending(&mut change, seq, None);
                self.set_redelivered(&mut change, seq, None);
            }
            return self.record(change);
        }
        self.set_pending(&mut change, seq, None);
        let first = if entry.first.0 > 0 { consumer_seq.min(entry.first) } else { consumer_seq };
        if self.state.pending.is_empty() {
            self.state.floor = self.state.delivered;
        } else if first == self.state.floor.consumer_seq.next() {
            self.state.floor = SequencePair { consumer_seq: first, stream_seq: seq };
            if self.state.delivered.consumer_seq > first
                && let Some((next, entry)) = self.state.pending.range(seq.next()..).next()
                && entry.first.0 > 0
            {
                self.state.floor = SequencePair { consumer_seq: entry.first.prev(), stream_seq: next.prev() };
            }
        }
        self.record(change);
    }

    /// Takes over the state in memory, after a purge. An older state than the stored one is not taken.
    pub(crate) fn overwrite(
        &mut self,
        at: Time,
        delivered: SequencePair,
        floor: SequencePair,
        pending: &SeqMap<StreamSeq, Pending>,
        redelivered: &SeqMap<StreamSeq, u64>,
    ) {
        let out_of_range = pending.keys().any(|seq| seq <= floor.stream_seq || seq > delivered.stream_seq);
        if out_of_range
            || floor.consumer_seq > delivered.consumer_seq
            || floor.stream_seq > delivered.stream_seq
            || delivered.consumer_seq < self.state.delivered.consumer_seq
            || floor.stream_seq < self.state.floor.stream_seq
        {
            return;
        }
        let mut change = self.change(at);
        for seq in self.state.pending.keys().collect::<Vec<_>>() {
            self.set_pending(&mut change, seq, None);
        }
        for seq in self.state.redelivered.keys().collect::<Vec<_>>() {
            self.set_redelivered(&mut change, seq, None);
        }
        for (seq, entry) in pending.iter() {
            self.set_pending(&mut change, seq, Some(*entry));
        }
        for (seq, count) in redelivered.iter() {
            self.set_redelivered(&mut change, seq, Some(*count));
        }
        self.state.delivered = delivered;
        self.state.floor = floor;
        self.record(change);
    }

    /// Undoes the last changes, as if they had never reached the disk.
    pub(crate) fn lose(&mut self, now: Time, lost: Lost) {
        self.writer.pass(now);
        let keep = match lost {
            Lost::Unwritten => self.journal.len().saturating_sub(self.writer.waiting),
            other => kept(self.journal.iter().map(|change| change.at), now, other),
        };
        while self.journal.len() > keep {
            let change = self.journal.pop_back().expect("longer than what is kept");
            self.state.delivered = change.delivered;
            self.state.floor = change.floor;
            for (seq, before) in change.pending.into_iter().rev() {
                match before {
                    Some(entry) => self.state.pending.insert(seq, entry),
                    None => self.state.pending.remove(seq),
                };
            }
            for (seq, before) in change.redelivered.into_iter().rev() {
                match before {
                    Some(count) => self.state.redelivered.insert(seq, count),
                    None => self.state.redelivered.remove(seq),
                };
            }
        }
    }

    /// What a consumer finds when it comes back: stamps in whole seconds, as the file holds them, and nothing beyond the stream's end,
    /// which may itself have lost a tail.
    pub(crate) fn reload(&mut self, last: StreamSeq) {
        const SECOND: i64 = 1_000_000_000;
        for entry in self.state.pending.values_mut() {
            let whole = entry.stamp.unix_nanos().div_euclid(SECOND) * SECOND;
            entry.stamp = WallTime::from_unix_nanos(0) + Duration::from_nanos(whole);
        }
        self.journal.clear();
        self.writer = Writer::default();
        if self.state.delivered.stream_seq > last {
            self.state.pending.retain(|seq, _| seq <= last);
            self.state.redelivered.retain(|seq, _| seq <= last);
            self.state.delivered.stream_seq = last;
            self.state.floor.stream_seq = self.state.floor.stream_seq.min(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(max_deliver: i64) -> ConsumerConfig {
        ConsumerConfig { ack_policy: AckPolicy::Explicit, max_deliver, ..ConsumerConfig::default() }
    }

    fn floors(store: &ConsumerStore) -> (u64, u64, u64, u64) {
        (store.delivered().consumer_seq.0, store.delivered().stream_seq.0, store.floor().consumer_seq.0, store.floor().stream_seq.0)
    }

    #[test]
    fn floors_as_five_acks_out_of_order_move_them() {
        let mut store = ConsumerStore::default();
        for seq in 1..=5 {
            store.update_delivered(Time::START, &config(-1), ConsumerSeq(seq), StreamSeq(seq), 1, WallTime::default());
        }
        // Reference 1.7, seen on all versions.
        for (seq, expected) in [(2, (5, 5, 0, 0)), (4, (5, 5, 0, 0)), (1, (5, 5, 2, 2)), (5, (5, 5, 2, 2)), (3, (5, 5, 5, 5))] {
            store.update_acks(Time::START, AckPolicy::Explicit, ConsumerSeq(seq), StreamSeq(seq));
            assert_eq!(floors(&store), expected, "ack {seq}");
        }
    }

    #[test]
    fn exhaustion_leaves_the_floor_behind() {
        let mut store = ConsumerStore::default();
        for count in 1..=3 {
            store.update_delivered(Time::START, &config(2), ConsumerSeq(count), StreamSeq(1), count, WallTime::default());
        }
        assert!(store.pending().is_empty());
        assert_eq!(store.redelivered().get(StreamSeq(1)), Some(&2));
        assert_eq!(floors(&store), (3, 1, 0, 0));
    }

    #[test]
    fn state_is_written_ten_times_a_second_at_most() {
        let at = |ms| Time::START + Duration::from_millis(ms);
        // Deliveries at these milliseconds, a kill, and how many of them are on disk.
        for (deliveries, killed, written) in [
            (&[0][..], 0, 1),
            (&[0, 0, 0], 0, 1),
            (&[0, 0, 0], 99, 1),
            (&[0, 0, 0], 100, 3),
            (&[0, 30], 60, 1),
            (&[0, 30, 100], 150, 2),
            (&[0, 30, 101], 150, 2),
            (&[0, 30, 101], 200, 3),
            (&[0, 300, 301], 310, 2),
            (&[0, 100, 200, 201], 250, 3),
        ] {
            let mut store = ConsumerStore::default();
            for (seq, ms) in (1..).zip(deliveries) {
                store.update_delivered(at(*ms), &config(-1), ConsumerSeq(seq), StreamSeq(seq), 1, WallTime::default());
            }
            store.lose(at(killed), Lost::Unwritten);
            assert_eq!(store.delivered().stream_seq.0, written, "{deliveries:?} killed at {killed}");
        }
    }

    #[test]
    fn every_change_can_be_lost() {
        let mut store = ConsumerStore::default();
        let mut before = vec![store.state.clone()];
        let step = |store: &mut ConsumerStore, before: &mut Vec<State>, change: &dyn Fn(&mut ConsumerStore)| {
            change(store);
            before.push(store.state.clone());
        };
        for seq in 1..=3 {
            step(&mut store, &mut before, &|store| {
                store.update_delivered(Time::START, &config(-1), ConsumerSeq(seq), StreamSeq(seq), 1, WallTime::default());
            });
        }
        step(&mut store, &mut before, &|store| {
            store.update_delivered(Time::START, &config(-1), ConsumerSeq(4), StreamSeq(1), 2, WallTime::default());
        });
        step(&mut store, &mut before, &|store| store.update_acks(Time::START, AckPolicy::Explicit, ConsumerSeq(1), StreamSeq(1)));
        step(&mut store, &mut before, &|store| store.update_acks(Time::START, AckPolicy::All, ConsumerSeq(3), StreamSeq(3)));
        step(&mut store, &mut before, &|store| {
            let pair = SequencePair { consumer_seq: ConsumerSeq(4), stream_seq: StreamSeq(9) };
            store.overwrite(Time::START, pair, pair, &SeqMap::new(), &SeqMap::new());
        });
        while let Some(state) = before.pop() {
            assert_eq!(store.state, state);
            store.lose(Time::START, Lost::Operations(1));
        }
    }
}
