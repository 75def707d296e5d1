//! Workers at work: fetching, handling, acting.

use std::sync::Arc;

use jetlag_model::{AckKind, Duration, PullRequest, Text};
use jetlag_trace::{Key, Kind, Place, Record};

use super::{Item, Member, World, insert_bounded};
use crate::client::PULLS;
use crate::schedule::Rank;
use crate::worker::Step;
use crate::{Action, Backend, ConnectionChange, Delivery, Sending, Sent, WorldError};

impl<B: Backend> World<B> {
    /// Lets a worker go on: begins to handle what waits, does what is due at once, and fetches when there is room.
    pub(super) fn work(&mut self, worker: usize) -> Result<(), WorldError> {
        let member = self.workers[worker].client;
        while let Some(begun) = self.workers[worker].begin(self.backend.now()) {
            self.set_cause(Some(begun.record));
            self.record_metrics(worker);
            if let Some((token, count)) = begun.own_count {
                let record = self
                    .client_record(member, Kind::WorkerCount)
                    .with(Key::Stream, &token.stream)
                    .with(Key::Consumer, &token.consumer)
                    .with(Key::StreamSeq, token.stream_seq)
                    .with(Key::DeliveryCount, token.delivery_count)
                    .with(Key::Count, count);
                self.push(record);
            }
            self.act(worker, begun.handling)?;
        }
        let connected = self.members[member].conn().is_some() && self.down_until.is_none();
        match self.workers[worker].wanted_pull().filter(|_| connected) {
            Some(request) => self.pull(worker, member, &request),
            None => Ok(()),
        }
    }

    /// Does what is due of a handling, and schedules the next action.
    pub(super) fn act(&mut self, worker: usize, handling: u64) -> Result<(), WorldError> {
        loop {
            match self.workers[worker].step(handling, self.backend.now()) {
                Step::Act(delivery, action) => {
                    self.set_cause(Some(delivery.record));
                    self.perform(worker, &delivery, &action)?;
                }
                Step::Later(due) => {
                    self.schedule(due, Rank::Worker, Item::Act { worker, handling });
                    return Ok(());
                }
                Step::Over => return Ok(()),
            }
        }
    }

    /// Sends what an action says, and tells the handler what became of it.
    fn perform(&mut self, worker: usize, delivery: &Arc<Delivery>, action: &Action) -> Result<(), WorldError> {
        let member = self.workers[worker].client;
        let token = &delivery.token;
        let mut fields = match &action.send {
            Sending::Nothing => return Ok(()),
            Sending::Ack(kind) => {
                let mut fields = vec![
                    (Key::Crossing, Text::new_static(word(kind)).into()),
                    (Key::Stream, (&token.stream).into()),
                    (Key::Consumer, (&token.consumer).into()),
                    (Key::StreamSeq, token.stream_seq.into()),
                ];
                match kind {
                    AckKind::Nak { delay: Some(delay) } => fields.push((Key::Delay, (*delay).into())),
                    AckKind::Term { reason } if !reason.is_empty() => fields.push((Key::Reason, reason.as_str().into())),
                    _ => {}
                }
                fields
            }
            Sending::Publish(message) => vec![(Key::Crossing, "publish".into()), (Key::Subject, message.subject.shared().into())],
        };
        if action.sync {
            fields.push((Key::Sync, true.into()));
        }
        let place = Place::client(self.members[member].client.name().clone());
        self.push_as_cause(Record::of(self.backend.now(), place, Kind::Sent, fields));
        let client = &mut self.members[member].client;
        let to_send = match &action.send {
            Sending::Nothing => return Ok(()),
            Sending::Ack(kind) => client.ack(token, kind, action.sync)?.1,
            Sending::Publish(message) => client.publish(message.clone(), action.sync)?,
        };
        let request = to_send.message.as_ref().and_then(|message| self.request_of(member, message));
        let sent = self.send(member, to_send)?;
        self.told(worker, delivery, action, &sent);
        if let (Some(id), Sent::Done) = (request, &sent) {
            insert_bounded(&mut self.members[member].confirmations, id, (worker, delivery.clone(), action.clone()));
        }
        Ok(())
    }

    /// Tells a handler what became of an action.
    pub(super) fn told(&mut self, worker: usize, delivery: &Delivery, action: &Action, sent: &Sent) {
        self.workers[worker].handler().sent(delivery, action, sent);
        self.record_metrics(worker);
    }

    /// Tells the handlers of a client's workers what became of its connection, and does what they want done.
    pub(super) fn connection_changed(&mut self, member: usize, change: ConnectionChange) -> Result<(), WorldError> {
        for worker in self.workers_of(member) {
            self.connection_of(worker, change)?;
        }
        Ok(())
    }

    /// Tells a worker's handler what became of its connection, and does what it wants done.
    pub(super) fn connection_of(&mut self, worker: usize, change: ConnectionChange) -> Result<(), WorldError> {
        let actions = self.workers[worker].handler().connection(change);
        self.record_metrics(worker);
        actions.into_iter().try_for_each(|(delivery, action)| self.perform(worker, &Arc::new(delivery), &action))
    }

    /// What a worker's handler has counted becomes records.
    fn record_metrics(&mut self, worker: usize) {
        let changes = self.workers[worker].handler().take_metrics();
        if changes.is_empty() {
            return;
        }
        let place = Place::client(self.members[self.workers[worker].client].client.name().clone());
        for change in changes {
            self.push(change.record(self.backend.now(), place.clone()));
        }
    }

    fn pull(&mut self, worker: usize, member: usize, request: &PullRequest) -> Result<(), WorldError> {
        let (stream, consumer) = (self.workers[worker].stream.clone(), self.workers[worker].consumer.clone());
        let (name, to_send) = self.members[member].client.fetch(&stream, &consumer, request, None)?;
        let Member { pulls, client, .. } = &mut self.members[member];
        if pulls.len() >= 3 * PULLS {
            pulls.retain(|sid, _| client.pull_at(sid).is_some());
        }
        let inbox = client.inbox_of(&name).expect("a pull that was just opened has an inbox");
        pulls.insert(inbox, worker);
        self.workers[worker].pull_opened(name.clone(), inbox);
        if request.expires > Duration::ZERO {
            // The server ends the pull in time; this is for when its word gets lost.
            let patience = request.expires + retry_wait(request.expires);
            self.schedule(self.now() + patience, Rank::Worker, Item::GiveUp { worker, pull: name.clone() });
        }
        let sent = self.send(member, to_send)?;
        self.workers[worker].handler().pulled(&stream, &consumer, &sent);
        self.record_metrics(worker);
        if let Sent::Failed(_) = sent {
            self.pull_again_later(worker, &name);
        }
        Ok(())
    }

    /// A pull ended at once and with nothing, or could not be sent: the next one follows after a moment, so that time moves.
    pub(super) fn pull_again_later(&mut self, worker: usize, pull: &Text) {
        let wait = retry_wait(self.workers[worker].options().expires.unwrap_or(Duration::ZERO));
        self.schedule(self.now() + wait, Rank::Worker, Item::GiveUp { worker, pull: pull.clone() });
    }

    /// A worker has waited long enough for a pull: it gives it up and goes on.
    pub(super) fn give_up(&mut self, worker: usize, pull: &Text) -> Result<(), WorldError> {
        if self.workers[worker].pull() != Some(pull) {
            return Ok(());
        }
        let member = self.workers[worker].client;
        self.workers[worker].pull_ended();
        let frames = self.members[member].client.abandon_pull(pull);
        self.send(member, frames)?;
        self.work(worker)
    }

    /// If the worker's pull is over, so is the worker's waiting for it.
    pub(super) fn notice_pull_end(&mut self, worker: usize) {
        let client = &self.members[self.workers[worker].client].client;
        let ended = self.workers[worker].pull_inbox().is_some_and(|sid| client.pull_at(sid).is_none_or(|pull| !pull.open));
        if ended {
            self.workers[worker].pull_ended();
        }
    }
}

/// How long a worker waits after a pull that ended at once: a tenth of what its pulls wait, so that a run with all durations stretched is the
/// same run, and a second if they wait for ever.
fn retry_wait(expires: Duration) -> Duration {
    if expires > Duration::ZERO { Duration::from_nanos((expires.as_nanos() / 10).max(1)) } else { Duration::from_secs(1) }
}

/// The scenario language's word for an acknowledgement.
fn word(kind: &AckKind) -> &'static str {
    match kind {
        AckKind::Ack | AckKind::Unknown => "ack",
        AckKind::Nak { .. } => "nak",
        AckKind::InProgress => "in-progress",
        AckKind::Term { .. } => "term",
        AckKind::Next { .. } => "next",
    }
}
