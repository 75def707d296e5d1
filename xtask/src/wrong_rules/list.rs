//! The wrong rules: each a mistake somebody could make about JetStream, as a small change to the core. They are numbered by the sections of the
//! behaviour reference that this simulator was written from.

/// One mistake.
pub(super) struct WrongRule {
    /// The mistake in a few words.
    pub(super) name: &'static str,
    /// The section that says how it really is.
    pub(super) section: &'static str,
    /// What a reader of this list should know: the truth, and the mistake.
    pub(super) about: &'static str,
    /// The source file, below `crates/jetlag-core/src`.
    pub(super) file: &'static str,
    /// What stands there, exactly once.
    pub(super) right: &'static str,
    /// What takes its place.
    pub(super) wrong: &'static str,
    /// The scenario that is about this rule, below `scenarios`. It must be among those that fail.
    pub(super) scenario: &'static str,
}

/// All of them, by section.
pub(super) const WRONG_RULES: &[WrongRule] = &[
    WrongRule {
        name: "redeliveries-wait-for-room",
        section: "1.1, 1.9",
        about: "Redeliveries pass max_ack_pending; here they wait like new messages.",
        file: "consumer/deliver.rs",
        right: "while let Some(seq) = self.queue.pop() {",
        wrong: "while self.max_ack_pending().is_none_or(|max| self.pending.len() < max)
            && let Some(seq) = self.queue.pop()
        {",
        scenario: "pull/max-ack-pending-holds-back-new-messages-only.scn",
    },
    WrongRule {
        name: "expired-batch-backwards",
        section: "1.2",
        about: "Messages that expire together come back in the stream's order; here the last one comes first.",
        file: "consumer/pending.rs",
        right: "self.queue_expired(&expired, cx);
        if self.pending.is_empty()",
        wrong: "expired.reverse();
        self.queue_expired(&expired, cx);
        if self.pending.is_empty()",
        scenario: "pull/expired-messages-come-before-new-ones.scn",
    },
    WrongRule {
        name: "nak-counts-as-a-delivery",
        section: "1.3",
        about: "The delivery count goes up when a message is delivered again; here a nak counts as well.",
        file: "consumer/ack.rs",
        right: "None => self.queue.push(seq),",
        wrong: "None => {
                let count = self.redelivered.get(seq).copied().unwrap_or(0);
                self.redelivered.insert(seq, count + 1);
                self.queue.push(seq)
            }",
        scenario: "acks/naks-come-back-in-the-order-of-naks.scn",
    },
    WrongRule {
        name: "backoff-starts-over",
        section: "1.4",
        about: "After the last step of a backoff the last one repeats; here the first one follows.",
        file: "consumer/mod.rs",
        right: "self.config.wait_after(self.redelivered.get(seq).copied().unwrap_or(0).wrapping_add(1))",
        wrong: "self.config.wait_after(self.redelivered.get(seq).copied().unwrap_or(0) % self.config.backoff.len().max(1) as u64 + 1)",
        scenario: "gotchas/backoff-overrides-ackwait.scn",
    },
    WrongRule {
        name: "delayed-nak-waits-as-asked",
        section: "1.6",
        about: "Under backoff a delayed nak waits longer than asked from the second delivery on; here it waits as asked.",
        file: "consumer/ack.rs",
        right: "let stamp = cx.now.wall - self.config.ack_wait + delay;",
        wrong: "let stamp = cx.now.wall - self.wait(seq) + delay;",
        scenario: "gotchas/nak-delay-plus-backoff-overshoot.scn",
    },
    WrongRule {
        name: "in-progress-rescues-from-the-queue",
        section: "1.6, 1.10",
        about: "In-progress does not take a message off the redelivery queue; here it does.",
        file: "consumer/ack.rs",
        right: "pending.stamp = cx.now.wall;
        let first",
        wrong: "pending.stamp = cx.now.wall;
        self.queue.remove(seq);
        let first",
        scenario: "acks/in-progress-does-not-rescue-from-the-queue.scn",
    },
    WrongRule {
        name: "floor-passes-a-gap",
        section: "1.7",
        about: "The ack floor waits for the first unsettled delivery; here any later ack moves it.",
        file: "consumer/store.rs",
        right: "} else if first == self.state.floor.consumer_seq.next() {",
        wrong: "} else if first > self.state.floor.consumer_seq {",
        scenario: "acks/ack-floor-waits-for-the-gap.scn",
    },
    WrongRule {
        name: "ack-all-settles-one",
        section: "1.7",
        about: "Under ack all an ack settles everything below; here only the message it names.",
        file: "consumer/ack.rs",
        right: "let walked = walk_ack_all(&self.pending, from, to);",
        wrong: "let walked: Vec<_> = self.pending.keys().filter(|seq| *seq == to).collect();",
        scenario: "acks/ack-all-settles-everything-below.scn",
    },
    WrongRule {
        name: "exhausted-at-the-deadline",
        section: "1.8",
        about: "With max_deliver of 2 or more, exhaustion is noticed at the next pull; here when the last ack_wait ends.",
        file: "consumer/pending.rs",
        right: "let count = redeliveries.max(1);",
        wrong: "let count = redeliveries.wrapping_add(1);",
        scenario: "gotchas/exhaustion-by-timeout-needs-a-pull.scn",
    },
    WrongRule {
        name: "purge-spares-the-queue",
        section: "1.14",
        about: "A purge empties the redelivery queue of messages that survive it, too; here they stay on it.",
        file: "consumer/mod.rs",
        right: "self.queue.retain_from(self.next_stream);",
        wrong: "self.queue.retain_from(log.first_seq());",
        scenario: "streams/purge-empties-the-redelivery-queue.scn",
    },
    WrongRule {
        name: "pulls-are-served-in-full",
        section: "3.3",
        about: "Waiting pulls take turns, a message each; here the first gets its whole batch.",
        file: "consumer/waiting.rs",
        right: "self.enqueue(waiting);
            } else {",
        wrong: "self.waiting.push_front(waiting);
            } else {",
        scenario: "pull/waiting-pulls-take-turns.scn",
    },
    WrongRule {
        name: "an-id-goes-with-its-message",
        section: "5.4",
        about: "A message id is known for the whole window even if its message is gone; here only while the message is there.",
        file: "stream/publish.rs",
        right: "&& let Some(seq) = self.dedup.find(id, cx.now.wall, self.config.duplicate_window)",
        wrong: "&& let Some(seq) = self.dedup.find(id, cx.now.wall, self.config.duplicate_window)
            && self.log.entry(seq).is_some()",
        scenario: "streams/ids-outlive-their-messages.scn",
    },
    WrongRule {
        name: "deadlines-count-from-delivery-after-a-restart",
        section: "7.2",
        about: "After a restart ack deadlines count from publishing; here from the last delivery.",
        file: "consumer/deliver.rs",
        right: "self.store.update_delivered(cx.now.mono, &self.config, number, entry.seq, count, entry.time);",
        wrong: "self.store.update_delivered(cx.now.mono, &self.config, number, entry.seq, count, cx.now.wall);",
        scenario: "restart/deadlines-count-from-publishing.scn",
    },
];
