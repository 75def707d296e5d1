//! The delivery loop: which message goes next, and to whom. Rules of `loopAndGatherMsgs`, `getNextMsg`, `deliverMsg` and `didNotDeliver`
//! (`server/consumer.go`, 2.15).

use jetlag_model::{AckToken, Address, DeliveryCount, Headers, Message, PriorityPolicy, SequencePair, StreamSeq, Text};

use super::{Consumer, Flow, UNACKNOWLEDGED_DELETED, waiting};
use crate::Note;
use crate::context::Context;
use crate::rules::{Rule, Rules};
use crate::stream::{Log, LogEntry};

/// What the loop found.
enum Next {
    /// This message, for the so-manieth time.
    Message(StreamSeq, u64),
    /// Nothing, because too many messages are unsettled.
    Stalled,
    /// Nothing.
    End,
    /// Nothing for now: a message that was chosen at the start is gone, and the loop stops there until something wakes it.
    Gap,
}

impl Consumer {
    /// Delivers until there is nothing more to deliver or nobody to deliver it to. Without demand nothing happens at all: not even a
    /// message that has used up max_deliver is noticed.
    pub(crate) fn run(&mut self, log: &Log, cx: &mut Context) {
        let stalled = self.gather(log, cx);
        if !self.config.is_push() {
            self.sweep_waiting(!stalled, false, cx);
        }
    }

    /// The loop itself. Says whether it ended because too many messages are unsettled.
    fn gather(&mut self, log: &Log, cx: &mut Context) -> bool {
        loop {
            let demand = if self.config.is_push() {
                self.active && !self.flow.as_ref().is_some_and(Flow::is_full)
            } else {
                !self.waiting.is_empty()
            };
            if !demand {
                return false;
            }
            match self.next_message(log, cx) {
                Next::Message(seq, count) => {
                    let Some(entry) = log.entry(seq) else { return false };
                    if !self.offer(entry, count, cx) {
                        return false;
                    }
                }
                Next::Stalled => return true,
                Next::End | Next::Gap => return false,
            }
        }
    }

    /// Whether so many messages are unsettled that no new one is delivered.
    pub(super) fn is_stalled(&self) -> bool {
        self.max_ack_pending().is_some_and(|max| self.pending.len() >= max)
    }

    /// Goes on with delivering if it was stalled and is not any more. What else settles messages wakes nobody.
    pub(super) fn go_on_if_freed(&mut self, stalled: bool, log: &Log, cx: &mut Context) {
        if stalled && !self.is_stalled() {
            self.run(log, cx);
        }
    }

    /// Redeliveries first, past max_ack_pending; then new messages.
    fn next_message(&mut self, log: &Log, cx: &mut Context) -> Next {
        while let Some(seq) = self.queue.pop() {
            // On older servers a failed first delivery has left one below zero here, so that this is the first again.
            let count = self.redelivered.get(seq).copied().unwrap_or(0).wrapping_add(2);
            if let Some(max) = self.max_deliver(cx.rules)
                && count > max
            {
                self.exhaust(seq, count - 1, count, count == max + 1, cx);
                self.redelivered.insert(seq, count - 1);
                continue;
            }
            if log.entry(seq).is_none() {
                // It left the stream while it waited, and nobody said so: it is not what the filters ask for any more.
                if !self.redelivered.contains(seq) {
                    self.redelivered.insert(seq, 0);
                }
                if cx.rules.has(Rule::GoneRedeliveryTerminates)
                    && let Some(pending) = self.pending.get(seq).copied()
                {
                    self.terminate(seq, pending.first, count - 1, UNACKNOWLEDGED_DELETED, cx);
                }
                continue;
            }
            self.redelivered.insert(seq, count - 1);
            return Next::Message(seq, count);
        }
        if self.is_stalled() {
            return Next::Stalled;
        }
        if let Some(seq) = self.chosen.pop_front() {
            self.next_stream = if self.chosen.is_empty() {
                self.resume.next()
            } else if cx.rules.has(Rule::LastPerSubjectFollowsGaps) {
                seq.next()
            } else {
                self.next_stream.next()
            };
            return if log.entry(seq).is_some() { Next::Message(seq, 1) } else { Next::Gap };
        }
        match log.next_matching(self.config.filters(), self.next_stream) {
            Some(entry) => {
                self.next_stream = entry.seq.next();
                Next::Message(entry.seq, 1)
            }
            None => {
                self.next_stream = self.next_stream.max(log.last_seq().next());
                self.num_pending = 0;
                self.counted_to = log.last_seq();
                Next::End
            }
        }
    }

    /// Delivers a message to whoever is next. Says whether somebody was.
    fn offer(&mut self, entry: &LogEntry, count: u64, cx: &mut Context) -> bool {
        if count == 1 {
            self.num_pending -= 1;
        }
        let token = AckToken {
            stream: self.stream.clone(),
            consumer: self.name.clone(),
            delivery_count: DeliveryCount(count),
            stream_seq: entry.seq,
            consumer_seq: self.next_consumer,
            timestamp: entry.time,
            num_pending: self.num_pending(),
        };
        // Its size is asked for where bytes are limited alone.
        let is_measured = self.flow.is_some() || self.waiting.iter().any(|waiting| waiting.bytes > 0);
        let addresses = if is_measured { entry.subject.len() + token.text_len() } else { 0 };
        let mut message = self.message(entry, token);
        let size = if is_measured { addresses as u64 + message.size() } else { 0 };
        let to: Text;
        let mut completed = None;
        if self.config.is_push() {
            to = self.config.deliver_subject.as_str().into();
        } else {
            let Some(chosen) = self.choose_waiting(i64::try_from(size).unwrap_or(i64::MAX), cx) else {
                self.take_back(entry.seq, count, cx.rules);
                return false;
            };
            if chosen.missing <= 0 && chosen.bytes > 0 {
                completed = Some(waiting::batch_completed(chosen.missing, chosen.bytes));
            }
            to = chosen.reply;
            if self.config.priority_policy == PriorityPolicy::PinnedClient {
                let id = self.pin.as_ref().map_or("", |pin| &pin.id);
                let own = message.headers.take().unwrap_or_else(|| Headers::from_fields::<&str, &str>([]));
                message.headers = Some(own.with("Nats-Pin-Id", id));
            }
        }
        self.delivered(entry, count, cx);
        cx.deliver(to.clone(), message, self.at(), entry.seq);
        self.count_flow(size, cx);
        if let Some(status) = completed {
            cx.send_status(to, status);
        }
        true
    }

    /// The message as it is delivered.
    fn message(&self, entry: &LogEntry, token: AckToken) -> Message {
        let reply = Some(token.into());
        let subject = Address::Subject(entry.subject.clone());
        if !self.config.headers_only {
            return Message { subject, reply, headers: entry.headers.clone(), payload: entry.payload.clone() };
        }
        let size = entry.payload.len().to_string();
        let headers = match &entry.headers {
            Some(headers) => headers.with("Nats-Msg-Size", &size),
            None => Headers::from_fields([("Nats-Msg-Size", size)]),
        };
        Message { subject, reply, headers: Some(headers), payload: (*b"").into() }
    }

    /// Nobody was there: the message goes back to where it came from.
    fn take_back(&mut self, seq: StreamSeq, count: u64, rules: Rules) {
        if count == 1 && seq == self.next_stream.prev() {
            self.next_stream = self.next_stream.prev();
            self.num_pending += 1;
        } else {
            self.uncount(seq, rules);
            self.queue.push(seq);
        }
    }

    /// One redelivery less. Older servers keep counting at nothing, and then below it, which the next expiry takes for more deliveries than
    /// any limit allows.
    fn uncount(&mut self, seq: StreamSeq, rules: Rules) {
        let count = self.redelivered.get(seq).copied().unwrap_or(0);
        if count > 1 || !rules.has(Rule::FailedDeliveryKeepsCount) {
            self.redelivered.insert(seq, count.wrapping_sub(1));
        } else {
            self.redelivered.remove(seq);
        }
        self.note_deadline(seq);
    }

    fn delivered(&mut self, entry: &LogEntry, count: u64, cx: &mut Context) {
        let number = self.next_consumer;
        self.next_consumer = number.next();
        // The stored copy keeps the message's own time: after a restart its deadline counts from there.
        self.store.update_delivered(cx.now.mono, &self.config, number, entry.seq, count, entry.time);
        self.last_delivery = Some(cx.now.wall);
        if self.expects_acks() {
            self.track(entry.seq, number, cx);
        } else {
            self.floor = SequencePair { consumer_seq: number, stream_seq: entry.seq };
            self.released.push((entry.seq, entry.seq));
        }
        if !self.config.is_push() {
            self.touch(cx.now);
        }
        self.reset_heartbeat(cx.now);
        cx.note(Note::Delivered {
            at: self.at(),
            stream_seq: entry.seq,
            consumer_seq: number,
            delivery_count: DeliveryCount(count),
            num_ack_pending: self.pending.len() as u64,
            num_pending: self.num_pending(),
        });
    }

    /// A delivery met nobody after all: somebody went away between being chosen and being sent to.
    pub(crate) fn not_delivered(&mut self, seq: StreamSeq, log: &Log, cx: &mut Context) {
        cx.note(Note::Undelivered { at: self.at(), stream_seq: seq });
        self.uncount(seq, cx.rules);
        if self.config.is_push() {
            self.active = false;
            self.interest_changed(log, cx);
        } else {
            // Where nobody hears a message nobody waits either: the request it went to leaves the queue here.
            self.sweep_waiting(false, false, cx);
            if self.pending.contains(seq) {
                self.queue.push(seq);
            }
            self.run(log, cx);
        }
    }
}
