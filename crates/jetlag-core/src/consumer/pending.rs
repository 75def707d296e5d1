//! The ack-wait timer: one a consumer, which sweeps all unsettled messages, because that its effects come in batches can be seen. Rules of
//! `checkPending`, `trackPending` and `hasMaxDeliveries` (`server/consumer.go`, 2.15).

use jetlag_model::{Advisory, ConsumerSeq, Duration, Now, StreamSeq, Time, WallTime};

use super::{Consumer, Pending, never_expires};
use crate::Note;
use crate::context::Context;
use crate::rules::{Rule, Rules};
use crate::stream::Log;

impl Consumer {
    /// A message was delivered: its ack deadline counts from now.
    pub(super) fn track(&mut self, seq: StreamSeq, number: ConsumerSeq, cx: &Context) {
        let now = cx.now;
        match self.pending.get_mut(seq) {
            Some(pending) => pending.stamp = now.wall,
            None => _ = self.pending.insert(seq, Pending { first: number, stamp: now.wall }),
        }
        self.note_deadline(seq);
        if never_expires(&self.config, cx.rules) {
            return;
        }
        let due = now.mono + self.wait(seq).max(Duration::ZERO);
        if self.timer.is_none_or(|timer| due < timer) {
            self.timer = Some(due);
        }
        if self.alarm.is_none_or(|alarm| due < alarm) {
            self.alarm = Some(due);
        }
    }

    /// The server's timer is to look in a moment, and finds out by itself what is due when.
    pub(super) fn arm_soon(&mut self, now: Now, moment: Duration, rules: Rules) {
        let alarm = self.alarm.map(|_| now.mono + moment);
        self.arm(now, rules);
        self.alarm = alarm;
    }

    /// Sets the timer to the first ack deadline of a message that is not queued already. The server's timer also fires in between and finds
    /// nothing, which is left out, so that an idle consumer does no work; where that can be seen, [`Consumer::catch_up`] makes up for it.
    pub(super) fn arm(&mut self, now: Now, rules: Rules) {
        if never_expires(&self.config, rules) {
            self.timer = None;
            return;
        }
        self.alarm = self.alarm.map(|_| now.mono + self.alarm_after(now.wall));
        self.timer = self.first_due(now);
    }

    /// Deadlines changed, and the server's timer was left as it is: one that comes before the timer fires is found only then.
    pub(super) fn leave_armed(&mut self, now: Now, rules: Rules) {
        if !never_expires(&self.config, rules) {
            self.timer = self.first_due(now).map(|due| self.alarm.map_or(due, |alarm| due.max(alarm)));
        }
    }

    /// The first ack deadline of a message that is not queued already.
    fn first_due(&mut self, now: Now) -> Option<Time> {
        while let Some((due, seq)) = self.deadlines.first()
            && self.deadline_of(seq) != Some(due)
        {
            self.deadlines.pop_first();
        }
        let due = self.deadlines.iter().find(|entry| self.holds(entry) && !self.queue.contains(entry.1)).map(|(due, _)| due);
        due.map(|due| now.mono + due.since(now.wall).max(Duration::ZERO))
    }

    /// When an unsettled message is due.
    fn deadline_of(&self, seq: StreamSeq) -> Option<WallTime> {
        self.pending.get(seq).map(|pending| pending.stamp + self.wait(seq))
    }

    /// Whether an entry says when its message is due; it may say when it was.
    fn holds(&self, (due, seq): &(WallTime, StreamSeq)) -> bool {
        self.deadline_of(*seq) == Some(*due)
    }

    /// The deadline of a message is another one, or may be.
    pub(super) fn note_deadline(&mut self, seq: StreamSeq) {
        let Some(due) = self.deadline_of(seq) else { return };
        self.deadlines.insert((due, seq));
        // Entries that hold no more are let go of when they come first, or here when they are most.
        if self.deadlines.len() > 64 + 2 * self.pending.len() {
            self.note_all_deadlines();
        }
    }

    /// All deadlines may be others.
    pub(super) fn note_all_deadlines(&mut self) {
        self.deadlines = self.pending.iter().map(|(seq, pending)| (pending.stamp + self.wait(seq), seq)).collect();
    }

    /// Messages that are past their deadlines and not queued, in the stream's order.
    fn overdue(&self, now: WallTime) -> Vec<StreamSeq> {
        let past = self.deadlines.iter().take_while(|(due, _)| *due <= now);
        let overdue = past.filter(|entry| self.holds(entry) && !self.queue.contains(entry.1));
        let mut overdue: Vec<_> = overdue.map(|(_, seq)| seq).collect();
        overdue.sort_unstable();
        overdue
    }

    /// How long after `at` the server's timer fires again: with the next deadline, and at the latest after ack_wait or the longest backoff.
    fn alarm_after(&self, at: WallTime) -> Duration {
        let (period, rest) = self.alarm_period(at);
        rest.map_or(period, |rest| period.min(rest))
    }

    /// The time between two alarms that find nothing, and the time until the next deadline.
    fn alarm_period(&self, at: WallTime) -> (Duration, Option<Duration>) {
        let backoff = &self.config.backoff;
        let longest = backoff.last().copied().unwrap_or(self.config.ack_wait);
        let redeliveries = |seq| self.redelivered.get(seq).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX));
        let next_step = |seq| backoff.get(redeliveries(seq).saturating_add(1)).copied().unwrap_or(longest);
        let period = match backoff.as_slice() {
            [] => longest,
            _ => self.pending.keys().map(next_step).min().unwrap_or(longest).min(longest),
        };
        // A deadline at `at` itself has passed, and the next one behind it counts, whether its message is queued or not.
        let next = self.deadlines.after(at).find(|entry| self.holds(entry));
        (period.max(Duration::from_millis(1)), next.map(|(due, _)| due.since(at)))
    }

    /// Makes up for what the timer did since anybody looked: it fired in between, and found nothing that is due. Where exhaustion leaves the
    /// ack floor behind, it moves that as soon as it finds nothing unsettled.
    pub(crate) fn catch_up(&mut self, now: Now, rules: Rules) {
        while let Some(alarm) = self.alarm.filter(|alarm| *alarm <= now.mono) {
            if self.pending.is_empty() {
                self.alarm = None;
                if !rules.has(Rule::ExhaustionMovesFloor) {
                    self.settle_floor();
                }
                return;
            }
            let passed = now.mono.since(alarm);
            let (period, rest) = self.alarm_period(now.wall - passed);
            let quiet = rest.map_or(passed, |rest| passed.min(rest));
            self.alarm = Some(alarm + rest.filter(|rest| *rest < period).unwrap_or(period * (quiet.as_nanos() / period.as_nanos()).max(1)));
        }
    }

    /// The timer fires: every message past its deadline is queued, in the stream's order, or used up max_deliver.
    pub(crate) fn sweep(&mut self, log: &Log, cx: &mut Context) {
        if never_expires(&self.config, cx.rules) {
            self.timer = None;
            return;
        }
        let now = cx.now.wall;
        let stalled = self.is_stalled();
        let mut expired = Vec::new();
        let mut dropped = false;
        while let Some((seq, pending)) = self.pending.first()
            && (seq < log.first_seq() || seq <= self.floor.stream_seq)
        {
            // It is gone from the stream, or was settled while nobody looked.
            self.floor.stream_seq = self.floor.stream_seq.max(seq);
            self.floor.consumer_seq = self.floor.consumer_seq.max(pending.first);
            self.pending.remove(seq);
            self.redelivered.remove(seq);
            self.queue.remove(seq);
            dropped = true;
        }
        for seq in self.overdue(now) {
            if !self.exhausted_by_timer(seq, cx) {
                expired.push(seq);
            }
        }
        self.queue_expired(&expired, cx);
        if self.pending.is_empty() {
            self.timer = None;
            self.alarm = None;
            self.queue.clear();
            self.settle_floor();
        } else {
            self.alarm = Some(cx.now.mono);
            self.arm(cx.now, cx.rules);
        }
        if dropped {
            self.overwrite_store(cx.now.mono);
        }
        if expired.is_empty() {
            self.go_on_if_freed(stalled, log, cx);
        } else {
            self.run(log, cx);
        }
    }

    /// All unsettled messages go to the queue: the deliver subject changed. Rules of `forceExpirePending`.
    pub(super) fn expire_all(&mut self, cx: &mut Context) {
        let candidates: Vec<_> = self.pending.keys().filter(|seq| !self.queue.contains(*seq)).collect();
        let expired: Vec<_> = candidates.into_iter().filter(|seq| !self.exhausted_by_timer(*seq, cx)).collect();
        if expired.is_empty() {
            return;
        }
        self.queue_expired(&expired, cx);
        self.arm(cx.now, cx.rules);
        self.alarm = Some(cx.now.mono + self.config.ack_wait);
    }

    /// Queues expired messages. Their stamps move together, the lowest sequence to now: that keeps their distances for a next time.
    fn queue_expired(&mut self, expired: &[StreamSeq], cx: &mut Context) {
        let Some(lowest) = expired.first().and_then(|seq| self.pending.get(*seq)) else { return };
        let shift = cx.now.wall.since(lowest.stamp);
        for seq in expired {
            self.queue.push(*seq);
            if let Some(pending) = self.pending.get_mut(*seq) {
                pending.stamp = pending.stamp + shift;
            }
            self.note_deadline(*seq);
            cx.note(Note::Expired { at: self.at(), stream_seq: *seq });
        }
    }

    /// Whether a message past its deadline has used up max_deliver here and now. The server compares the number of redeliveries, one less
    /// than that of deliveries, so this is so only for a limit of 1, or after an update lowered the limit: otherwise exhaustion waits for
    /// somebody to pull.
    fn exhausted_by_timer(&mut self, seq: StreamSeq, cx: &mut Context) -> bool {
        let Some(max) = self.max_deliver(cx.rules) else { return false };
        let redeliveries = self.redelivered.get(seq).copied().unwrap_or(0);
        let count = redeliveries.max(1);
        if count < max {
            return false;
        }
        // Where the floor stays behind, the stored copy hears of one delivery less, and keeps the message as unsettled.
        let stored_count = if cx.rules.has(Rule::ExhaustionMovesFloor) { count.saturating_add(1) } else { count };
        self.exhaust(seq, redeliveries.wrapping_add(1), stored_count, count == max, cx);
        self.redelivered.insert(seq, count);
        true
    }

    /// A message has used up max_deliver: it is not unsettled any more, and stays in the stream. `stored_count` goes to the stored copy;
    /// `at_limit` is what older servers asked before they said so.
    pub(super) fn exhaust(&mut self, seq: StreamSeq, deliveries: u64, stored_count: u64, at_limit: bool, cx: &mut Context) {
        let real = cx.rules.has(Rule::AdvisoryHasRealCount);
        let told = self.max_deliver(cx.rules).filter(|_| !real).unwrap_or(deliveries);
        let advised = real || at_limit;
        if advised {
            cx.advise(&self.stream, &self.name, &Advisory::MaxDeliver { stream_seq: seq, deliveries: told });
        }
        if let Some(pending) = self.pending.remove(seq) {
            self.store.update_delivered(cx.now.mono, &self.config, pending.first, seq, stored_count, pending.stamp);
            self.last_delivery = Some(cx.now.wall);
            if cx.rules.has(Rule::ExhaustionMovesFloor) {
                self.move_floor(pending.first, seq);
            }
        }
        self.queue.remove(seq);
        cx.note(Note::Exhausted { at: self.at(), stream_seq: seq, deliveries, advised });
    }
}
