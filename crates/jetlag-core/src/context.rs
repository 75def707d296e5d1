//! What a stream or a consumer needs from the server around it while it works: the time, the version's rules, who listens, and a way to
//! send.

use jetlag_model::{Address, Advisory, Headers, Message, Now, StreamSeq, Text};

use crate::connections::Connections;
use crate::fifo::Fifo;
use crate::ids::Ids;
use crate::rules::Rules;
use crate::{ConsumerRef, Note};

/// A message on its way out of the server.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// The subject that decides who gets it.
    pub(crate) to: Text,
    /// The message as it will be seen.
    pub(crate) message: Message,
    /// The delivery it is, if it is one: taken back when it meets nobody.
    pub(crate) delivery: Option<(ConsumerRef, StreamSeq)>,
}

/// Something that is to happen, in order.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Note(Note),
    Send(Box<Outgoing>),
}

pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) rules: Rules,
    pub(crate) connections: &'a Connections,
    pub(crate) ids: &'a mut Ids,
    pub(crate) effects: &'a mut Fifo<Effect>,
}

impl Context<'_> {
    #[inline]
    pub(crate) fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
    }

    /// Sends a message that is seen under the subject it is sent to.
    pub(crate) fn send(&mut self, to: impl Into<Text>, headers: Option<Headers>, payload: &[u8]) {
        let to: Text = to.into();
        let message = Message { subject: Address::Subject(to.clone()), reply: None, headers, payload: payload.into() };
        self.effects.push(Effect::Send(Box::new(Outgoing { to, message, delivery: None })));
    }

    /// Sends a status message that wants an answer.
    pub(crate) fn ask(&mut self, to: &str, reply: &Text, status: Headers) {
        let to: Text = to.into();
        let reply = Some(Address::Subject(reply.clone()));
        let message = Message { subject: Address::Subject(to.clone()), reply, headers: Some(status), payload: (*b"").into() };
        self.effects.push(Effect::Send(Box::new(Outgoing { to, message, delivery: None })));
    }

    /// Sends a status message: headers only.
    pub(crate) fn send_status(&mut self, to: impl Into<Text>, status: Headers) {
        self.send(to, Some(status), b"");
    }

    /// Sends a stored message to a pull request's reply subject or a deliver subject.
    pub(crate) fn deliver(&mut self, to: Text, message: Message, consumer: ConsumerRef, seq: StreamSeq) {
        self.effects.push(Effect::Send(Box::new(Outgoing { to, message, delivery: Some((consumer, seq)) })));
    }

    /// Publishes an advisory about a stream, or about a consumer of it.
    pub(crate) fn advise(&mut self, stream: &str, consumer: &str, advisory: &Advisory) {
        let subject = advisory.subject(stream, consumer);
        let body = advisory.body(&self.ids.draw(), self.now.wall, stream, consumer);
        self.send(subject, None, &body);
    }
}
