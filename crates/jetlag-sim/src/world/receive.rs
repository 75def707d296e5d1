//! What follows when a message reached a client.

use std::sync::Arc;

use jetlag_model::{AckToken, Message, Sid, Text};
use jetlag_trace::{Kind, Place, Record};

use super::{Passage, World};
use crate::arrival::{arrival, got_record, is_nobody};
use crate::client::{Request, RequestId};
use crate::{Backend, Delivery, Received, Sent, WorldError, client};

impl<B: Backend> World<B> {
    /// A message reaches a client.
    pub(super) fn arrive(&mut self, passage: Box<Passage<(Sid, Message)>>) -> Result<(), WorldError> {
        self.set_cause(passage.cause);
        let (member, (sid, message)) = (passage.member, &passage.what);
        let (received, answer) = self.members[member].client.receive(*sid, message);
        let mut touched = None;
        // Of the statuses that end a pull, only the expiry says that the next one may do better at once.
        let refused = matches!(received, Received::Status { code, .. } if code != 100 && code != 408);
        let now = self.backend.now();
        let name = self.members[member].client.name();
        let record = match &received {
            Received::Delivery { token, pull } => Some(got_record(now, name, token, pull.as_ref(), message)),
            // Most answers were read when they began to cross the link.
            Received::Answer { request: Request::Publish { .. }, .. } => passage.about.as_ref().and_then(|about| about.stored_record(now)),
            _ => None,
        };
        let n = match record {
            Some(record) => Some(self.push_as_cause(record)),
            None => arrival(now, name, &received, message).map(|record| self.push_as_cause(record)),
        };
        match received {
            Received::Delivery { token, pull } => {
                touched = self.members[member].pulls.get(*sid).copied();
                let delivery = self.got(member, token, passage.what.1, pull, n.unwrap_or_default());
                if let Some(worker) = touched {
                    self.workers[worker].take(delivery, passage.slow);
                }
            }
            Received::Status { .. } => touched = self.members[member].pulls.get(*sid).copied(),
            Received::Answer { id, request } => self.answer(member, id, &request, message),
            Received::Advisory | Received::Message | Received::Stray => {}
        }
        if !answer.is_empty() {
            self.send(member, answer)?;
        }
        self.act_once_answered(member, passage.then)?;
        let Some(worker) = touched else { return Ok(()) };
        match self.workers[worker].pull().filter(|_| refused).cloned() {
            Some(pull) => self.pull_again_later(worker, &pull),
            None => self.notice_pull_end(worker),
        }
        self.work(worker)
    }

    /// A delivery came, recorded as `n`.
    fn got(&mut self, member: usize, token: Arc<AckToken>, message: Message, pull: Option<Text>, n: u64) -> Arc<Delivery> {
        let name = self.members[member].client.name().clone();
        let delivery = Arc::new(client::delivery(&name, self.backend.now(), token, message, pull, n));
        self.members[member].client.remember(delivery.clone());
        self.got.deliveries += 1;
        self.got.redeliveries += u64::from(delivery.delivery_count().0 > 1);
        self.deliveries.push(delivery.clone());
        delivery
    }

    fn answer(&mut self, member: usize, id: RequestId, request: &Request, message: &Message) {
        self.members[member].lost_replies.remove(id);
        match request {
            Request::Publish { .. } | Request::Ack { .. } => {
                let Some((worker, delivery, action)) = self.members[member].confirmations.remove(id) else { return };
                if let Some(sent) = confirmation(request, message) {
                    self.told(worker, &delivery, &action, &sent);
                }
            }
            Request::Api { .. } => {
                self.answers.insert((member, id), message.clone());
            }
        }
    }

    pub(super) fn client_record(&self, member: usize, kind: Kind) -> Record {
        Record::new(self.backend.now(), Place::client(self.members[member].client.name().clone()), kind)
    }

    /// Adds a record that leads to what comes next.
    pub(super) fn push_as_cause(&mut self, record: Record) -> u64 {
        let n = self.push(record);
        self.set_cause(Some(n));
        n
    }
}

/// What an answer says about what was sent; `None` for an acknowledgement that met nobody.
fn confirmation(request: &Request, message: &Message) -> Option<Sent> {
    let is_publish = matches!(request, Request::Publish { .. });
    if is_nobody(message) {
        return is_publish.then(|| Sent::Refused("no responders".into()));
    }
    let refusal = match request {
        Request::Publish { .. } => serde_json::from_slice::<serde_json::Value>(&message.payload).ok(),
        Request::Ack { .. } | Request::Api { .. } => None,
    };
    let refusal = refusal.and_then(|body| body.get("error")?.get("description")?.as_str().map(Text::from));
    Some(refusal.map_or(Sent::Confirmed, Sent::Refused))
}
