//! What acknowledgements do. Rules of `processAck`, `processAckMsgLocked`, `processNak`, `processTermLocked`, `progressUpdate` and
//! `moveAckFloor` (`server/consumer.go`, 2.15).

use jetlag_model::{AckKind, AckPolicy, AckToken, Advisory, ConsumerSeq, DeliveryCount, Duration, SeqMap, SequencePair, StreamSeq};

use super::{Consumer, Pending};
use crate::Note;
use crate::context::Context;
use crate::rules::{Rule, Rules};
use crate::stream::Log;

impl Consumer {
    /// Somebody published to an ack reply subject. Only the stream sequence says which message is meant.
    pub(crate) fn acknowledge(&mut self, token: &AckToken, kind: AckKind, reply: Option<&str>, log: &Log, cx: &mut Context) {
        self.touch_by_ack(cx);
        // Everything is confirmed when a reply is asked for, but an ack for a message that was never delivered, and what names message 0.
        let named = token.stream_seq != StreamSeq(0);
        let stalled = self.is_stalled();
        let mut wakes = false;
        let confirm = match kind {
            AckKind::Ack => self.settle(token, cx),
            AckKind::Term { reason } => {
                let confirm = self.settle_without_note(token.stream_seq, token.consumer_seq, cx);
                self.terminated(token.stream_seq, token.consumer_seq, token.delivery_count, &reason, cx);
                confirm
            }
            AckKind::Next { request } => {
                self.settle(token, cx);
                if reply.is_some_and(|reply| self.pull(reply, &request, cx)) {
                    return self.run(log, cx);
                }
                return self.go_on_if_freed(stalled, log, cx);
            }
            AckKind::Nak { delay } => {
                wakes = self.nak(token, delay, cx);
                named
            }
            AckKind::InProgress => {
                self.in_progress(token.stream_seq, cx);
                named
            }
            AckKind::Unknown => {
                cx.note(Note::AckIgnored { at: self.at(), stream_seq: token.stream_seq });
                named
            }
        };
        if let Some(reply) = reply.filter(|_| confirm) {
            cx.send(reply, None, b"");
        }
        if wakes {
            self.run(log, cx);
        } else {
            self.go_on_if_freed(stalled, log, cx);
        }
    }

    /// An ack of any kind shows that somebody is there.
    fn touch_by_ack(&mut self, cx: &Context) {
        if self.acks_are_use && self.inactive.is_some() && !self.config.is_push() {
            self.touch(cx.now);
        }
    }

    /// An ack. Says whether it is confirmed.
    fn settle(&mut self, token: &AckToken, cx: &mut Context) -> bool {
        let seq = token.stream_seq;
        // Under `ack all` it may settle what is below as well.
        let below: Vec<_> =
            if self.config.ack_policy == AckPolicy::All { self.pending.range(..seq).map(|(seq, _)| seq).collect() } else { Vec::new() };
        let was_pending = self.pending.contains(seq);
        let confirmed = self.settle_without_note(seq, token.consumer_seq, cx);
        let mut ignored = true;
        for stream_seq in below.into_iter().chain(was_pending.then_some(seq)).filter(|seq| !self.pending.contains(*seq)) {
            cx.note(Note::Acked { at: self.at(), stream_seq, delivery_count: token.delivery_count, ack_floor: self.floor });
            ignored = false;
        }
        if ignored {
            cx.note(Note::AckIgnored { at: self.at(), stream_seq: seq });
        }
        confirmed
    }

    fn settle_without_note(&mut self, seq: StreamSeq, number: ConsumerSeq, cx: &mut Context) -> bool {
        if seq >= self.next_stream {
            return false; // Never delivered: ignored, and not confirmed.
        }
        let mut number = number;
        match self.config.ack_policy {
            AckPolicy::Explicit => {
                if let Some(pending) = self.pending.remove(seq) {
                    number = pending.first;
                    self.move_floor(number, seq);
                }
                self.redelivered.remove(seq);
                self.queue.remove(seq);
            }
            AckPolicy::All => {
                // A stale reply has a lower number than the floor and is passed over, although it names a higher message.
                if number <= self.floor.consumer_seq || seq <= self.floor.stream_seq {
                    return true;
                }
                let from = self.floor.stream_seq;
                self.floor = SequencePair { consumer_seq: number, stream_seq: seq };
                self.settle_up_to(from, seq, cx.rules);
            }
            AckPolicy::None => return false,
        }
        self.store.update_acks(cx.now.mono, self.config.ack_policy, number, seq);
        if self.config.ack_policy == AckPolicy::Explicit {
            self.released.push((seq, seq));
        }
        self.last_ack = Some(cx.now.wall);
        if self.pending.is_empty() {
            self.timer = None;
        }
        true
    }

    /// `ack all` of message `to`, with the floor at `from` until now.
    fn settle_up_to(&mut self, from: StreamSeq, to: StreamSeq, rules: Rules) {
        let walked = walk_ack_all(&self.pending, from, to);
        if rules.has(Rule::AckAllReleasesDelivered) {
            self.released.push((to, to));
            self.released.extend(walked.iter().filter(|seq| **seq != to && self.pending.contains(**seq)).map(|seq| (*seq, *seq)));
        } else if to > from.next() {
            // Everything from the lowest message that was walked over, whoever it was for; older servers took a distance for a sequence.
            let mut lowest = walked.iter().copied().min().unwrap_or(to);
            if !rules.has(Rule::AckAllReleasesFromLowest) {
                lowest = lowest.min(StreamSeq(to.0 - from.0));
            }
            self.released.push((lowest, to));
        } else {
            self.released.push((to, to));
        }
        for seq in walked {
            self.pending.remove(seq);
            self.redelivered.remove(seq);
            self.queue.remove(seq);
        }
    }

    /// Moves the ack floor after the delivery numbered `number` of message `seq` was settled.
    pub(super) fn move_floor(&mut self, number: ConsumerSeq, seq: StreamSeq) {
        if self.pending.is_empty() {
            self.settle_floor();
        } else if number == self.floor.consumer_seq.next() {
            self.floor = SequencePair { consumer_seq: number, stream_seq: seq };
            if let Some((next, pending)) = self.pending.range(seq.next()..self.next_stream).next()
                && pending.first.0 > 0
            {
                self.floor = SequencePair { consumer_seq: pending.first.prev(), stream_seq: next.prev() };
            }
        }
    }

    /// A nak. A message that is not unsettled, or a delivery out of range, is passed over. Says whether it is to be delivered at once.
    fn nak(&mut self, token: &AckToken, delay: Option<Duration>, cx: &mut Context) -> bool {
        let seq = token.stream_seq;
        let in_range = token.consumer_seq > self.floor.consumer_seq && token.consumer_seq <= self.next_consumer;
        if !in_range || !self.pending.contains(seq) {
            cx.note(Note::AckIgnored { at: self.at(), stream_seq: seq });
            return false;
        }
        let advisory = Advisory::Nak { consumer_seq: token.consumer_seq, stream_seq: seq, deliveries: token.delivery_count };
        cx.advise(&self.stream, &self.name, &advisory);
        cx.note(Note::Naked { at: self.at(), stream_seq: seq, delay });
        match delay {
            None => self.queue.push(seq),
            Some(delay) => {
                // Stamped as if it had expired just now, plus the delay. The step of the backoff is not looked at here, yet it is when the
                // deadline is found: from the second delivery on a delayed nak under backoff waits longer than asked.
                self.queue.remove(seq);
                let stamp = cx.now.wall - self.config.ack_wait + delay;
                if let Some(pending) = self.pending.get_mut(seq) {
                    pending.stamp = stamp;
                    let first = pending.first;
                    self.store.update_delivered(cx.now.mono, &self.config, first, seq, token.delivery_count.0, stamp);
                }
                self.note_deadline(seq);
                self.arm_soon(cx.now, Duration::from_millis(10), cx.rules);
            }
        }
        delay.is_none()
    }

    /// An in-progress: the ack deadline counts from now. It does not take a message off the redelivery queue.
    fn in_progress(&mut self, seq: StreamSeq, cx: &mut Context) {
        let Some(pending) = self.pending.get_mut(seq) else {
            return cx.note(Note::AckIgnored { at: self.at(), stream_seq: seq });
        };
        pending.stamp = cx.now.wall;
        let first = pending.first;
        self.store.update_delivered(cx.now.mono, &self.config, first, seq, 1, cx.now.wall);
        self.last_delivery = Some(cx.now.wall);
        self.note_deadline(seq);
        self.leave_armed(cx.now, cx.rules);
        cx.note(Note::InProgress { at: self.at(), stream_seq: seq });
    }

    /// A message is settled for good by the server itself.
    pub(super) fn terminate(&mut self, seq: StreamSeq, number: ConsumerSeq, count: u64, reason: &str, cx: &mut Context) {
        self.settle_without_note(seq, number, cx);
        self.terminated(seq, number, DeliveryCount(count), reason, cx);
    }

    /// The advisory of a termination is published even if there was nothing to terminate.
    fn terminated(&mut self, seq: StreamSeq, number: ConsumerSeq, count: DeliveryCount, reason: &str, cx: &mut Context) {
        let advisory = Advisory::Terminated { consumer_seq: number, stream_seq: seq, deliveries: count, reason: reason.to_owned() };
        cx.advise(&self.stream, &self.name, &advisory);
        cx.note(Note::Terminated { at: self.at(), stream_seq: seq, ack_floor: self.floor });
    }
}

/// The messages that an `ack all` of `to` settles, of what is unsettled and the floor at `from`. The server walks through what is unsettled or
/// down from `to` to the floor, whichever is less; only the second way also meets messages that have used up max_deliver, and it ends
/// when nothing is unsettled any more.
pub(super) fn walk_ack_all(pending: &SeqMap<StreamSeq, Pending>, from: StreamSeq, to: StreamSeq) -> Vec<StreamSeq> {
    if to.0 - from.0 > pending.len() as u64 {
        return pending.range(..=to).map(|(seq, _)| seq).collect();
    }
    let mut unsettled = pending.len();
    let mut walked = Vec::new();
    for seq in (from.0 + 1..=to.0).rev().map(StreamSeq) {
        if unsettled == 0 {
            break;
        }
        unsettled -= usize::from(pending.contains(seq));
        walked.push(seq);
    }
    walked
}
