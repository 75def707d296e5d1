//! Links: what fault rules make of a frame on its way up or a message on its way down, and the records of it.

use jetlag_fault::{Direction, Fate, RuleId, Verdict};
use jetlag_model::{Duration, Message, Sid};
use jetlag_trace::{Key, Kind};

use super::{Item, Passage, World, insert_bounded};
use crate::client::RequestId;
use crate::crossing::{Description, Peer};
use crate::schedule::Rank;
use crate::{Backend, Frame, Received, Sent, ToSend, WorldError};

/// The text of an error that no rule made.
const NOT_CONNECTED: &str = "not connected";

impl<B: Backend> World<B> {
    /// A client sends something. The result is that of the message, if there is one.
    pub(super) fn send(&mut self, member: usize, to_send: impl Into<ToSend>) -> Result<Sent, WorldError> {
        let ToSend { frames, message } = to_send.into();
        for frame in frames {
            // Subscriptions belong to the connection: without one there is nothing to say, and a cut link carries nothing.
            let Some(conn) = self.members[member].conn() else { break };
            let now = self.backend.now();
            if self.rules.partitioned(now, self.members[member].client.name(), Direction::Up).is_none() {
                let what = (conn, frame);
                let passage = Passage { member, what, about: None, cause: self.cause, slow: Duration::ZERO, then: Vec::new() };
                self.schedule(now, Rank::Arrival, Item::Up(Box::new(passage)));
            }
        }
        message.map_or(Ok(Sent::Done), |message| self.carry_up(member, message))
    }

    fn carry_up(&mut self, member: usize, message: Message) -> Result<Sent, WorldError> {
        let now = self.backend.now();
        let client = &self.members[member].client;
        let about = Description::up(client, &message);
        let Some(conn) = self.members[member].conn() else {
            self.push(about.record(now, Kind::Failed).with(Key::Description, NOT_CONNECTED));
            self.forget_reply(member, &message);
            return Ok(Sent::Failed(NOT_CONNECTED.into()));
        };
        let acknowledged = about.acknowledged(client, &self.rules);
        let verdict = self.rules.evaluate(now, &about.crossing(Some(&message), acknowledged));
        self.record_hits(&about, &verdict);
        match &verdict.fate {
            Fate::Error(rule, text) => {
                let failed = about.record(now, Kind::Failed).with(Key::Description, text).by_rule(rule.clone());
                self.push(failed);
                self.forget_reply(member, &message);
                let text = text.clone();
                self.act_on(member, verdict.actions)?;
                return Ok(Sent::Failed(text));
            }
            Fate::Drop(rule) => {
                self.push(about.record(now, Kind::Lost).by_rule(rule.clone()));
                self.act_on(member, verdict.actions)?;
                return Ok(Sent::Done);
            }
            Fate::Pass => {}
        }
        if let Some(rule) = &verdict.reply_lost
            && let Some(id) = self.request_of(member, &message)
        {
            insert_bounded(&mut self.members[member].lost_replies, id, rule.clone());
        }
        let (due, copies, cause) = (now + verdict.delay(), verdict.copies(), self.cause);
        let mut pass = |message, about, then| {
            let what = (conn, Frame::Publish(message));
            let passage = Passage { member, what, about: Some(about), cause, slow: Duration::ZERO, then };
            self.schedule(due, Rank::Arrival, Item::Up(Box::new(passage)));
        };
        (0..copies).for_each(|_| pass(message.clone(), about.clone(), Vec::new()));
        pass(message, about, verdict.actions);
        Ok(Sent::Done)
    }

    /// The server sends a message to a client.
    pub(super) fn carry_down(&mut self, member: usize, sid: Sid, message: Message) -> Result<(), WorldError> {
        let now = self.backend.now();
        let client = &self.members[member].client;
        let received = client.classify(sid, &message);
        if received == Received::Stray {
            return Ok(());
        }
        let about = Description::down(client, &received, &message);
        let acknowledged = about.acknowledged(client, &self.rules);
        let mut verdict = self.rules.evaluate(now, &about.crossing(Some(&message), acknowledged));
        if let Received::Answer { id, .. } = &received
            && let Some(rule) = self.members[member].lost_replies.get(*id)
            && verdict.fate == Fate::Pass
        {
            verdict.fate = Fate::Drop(rule.clone());
        }
        let before = self.cause;
        self.cause = self.server_cause.or(self.cause);
        self.record_hits(&about, &verdict);
        let cause = std::mem::replace(&mut self.cause, before);
        if let Fate::Drop(rule) | Fate::Error(rule, _) = &verdict.fate {
            let mut lost = about.record(now, Kind::Lost).by_rule(rule.clone());
            lost.cause = cause;
            self.push(lost);
            return self.act_on(member, verdict.actions);
        }
        let (due, copies, slow) = (now + verdict.delay(), verdict.copies(), verdict.slowness());
        let mut pass = |message, about, then| {
            let passage = Passage { member, what: (sid, message), about: Some(about), cause, slow, then };
            self.schedule(due, Rank::Arrival, Item::Down(Box::new(passage)));
        };
        (0..copies).for_each(|_| pass(message.clone(), about.clone(), Vec::new()));
        pass(message, about, verdict.actions);
        Ok(())
    }

    /// Records each rule that acted, and what it did where a client could see it. What does not pass is recorded by the caller.
    pub(super) fn record_hits(&mut self, about: &Description, verdict: &Verdict) {
        if verdict.hits.is_empty() {
            return;
        }
        for record in about.records_of(self.backend.now(), verdict) {
            self.push(record);
        }
    }

    /// The request that a message asks, if it asks one.
    pub(super) fn request_of(&self, member: usize, message: &Message) -> Option<RequestId> {
        self.members[member].client.request_of_reply(&message.reply.as_ref()?.text()).map(|(id, _)| id)
    }

    /// An answer that will not come, because the request was never sent.
    fn forget_reply(&mut self, member: usize, message: &Message) {
        if let Some(id) = self.request_of(member, message) {
            self.members[member].client.forget_request(id);
        }
    }

    /// What was under way on a client's connection is lost with it.
    pub(super) fn lose_traffic(&mut self, member: usize, by: Option<&RuleId>) {
        let now = self.backend.now();
        let of = |item: &Item| match item {
            Item::Up(passage) => passage.member == member,
            Item::Down(passage) => passage.member == member,
            _ => false,
        };
        for item in self.schedule.extract(of) {
            let (about, cause) = match item {
                Item::Up(passage) => (passage.about, passage.cause),
                Item::Down(passage) => (passage.about, passage.cause),
                _ => continue,
            };
            let Some(about) = about else { continue };
            let mut lost = about.record(now, Kind::Lost);
            lost.cause = cause;
            lost.rule = by.cloned();
            self.push(lost);
        }
    }

    /// What has arrived at clients already when their connections break reaches them still.
    pub(super) fn flush(&mut self) -> Result<(), WorldError> {
        self.drain()?;
        loop {
            let now = self.backend.now();
            let due = self.schedule.extract_due(now, |item| matches!(item, Item::Down(_)));
            if due.is_empty() {
                return Ok(());
            }
            for item in due {
                if let Item::Down(passage) = item {
                    self.arrive(passage)?;
                }
            }
        }
    }
}
