//! What a scenario says, in the words of the crates below: worker scripts, acknowledgements.

use jetlag_core::ConnectOptions;
use jetlag_model::{AckKind, Duration, Headers, Message, PullRequest, RequestPriority, matches};
use jetlag_scenario as scenario;
use jetlag_sim::{Action, ClientOptions, Delivery, DeliveryRef, Handler, Plan, Sending, WorkerOptions};
use scenario::{AckVerb, ActionKind};

/// A client that is not as others are.
pub(crate) fn client_options(command: &scenario::ClientCommand) -> ClientOptions {
    let connect = ConnectOptions { echo: command.echo, headers: command.headers, no_responders: command.no_responders };
    ClientOptions { connect, reconnect: command.reconnect }
}

/// The message of a publish.
pub(crate) fn message(publish: &scenario::Publish) -> Message {
    let mut fields: Vec<(&str, String)> = Vec::new();
    fields.extend(publish.id.as_ref().map(|id| ("Nats-Msg-Id", id.clone())));
    fields.extend(publish.expected_last_seq.map(|seq| ("Nats-Expected-Last-Sequence", seq.to_string())));
    fields.extend(publish.expected_last_subject_seq.map(|seq| ("Nats-Expected-Last-Subject-Sequence", seq.to_string())));
    fields.extend(publish.expected_stream.as_ref().map(|stream| ("Nats-Expected-Stream", stream.clone())));
    fields.extend(publish.expected_last_msg_id.as_ref().map(|id| ("Nats-Expected-Last-Msg-Id", id.clone())));
    fields.extend(publish.headers.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let message = Message::new(publish.subject.as_str(), &publish.payload);
    let message = if fields.is_empty() { message } else { message.with_headers(Headers::from_fields(fields)) };
    match &publish.reply {
        Some(reply) => message.with_reply(reply.as_str()),
        None => message,
    }
}

/// A pull request; for one message unless told otherwise, as client libraries do.
pub(crate) fn pull_request(fetch: &scenario::Fetch) -> PullRequest {
    PullRequest {
        batch: signed(fetch.batch.unwrap_or(1)),
        expires: fetch.expires.unwrap_or_default(),
        no_wait: fetch.no_wait,
        max_bytes: signed(fetch.max_bytes.unwrap_or(0)),
        idle_heartbeat: fetch.idle_heartbeat.unwrap_or_default(),
        priority: RequestPriority {
            group: fetch.group.clone().unwrap_or_default(),
            min_pending: signed(fetch.min_pending.unwrap_or(0)),
            min_ack_pending: signed(fetch.min_ack_pending.unwrap_or(0)),
            id: fetch.id.clone().unwrap_or_default(),
            priority: signed(fetch.priority.unwrap_or(0)),
        },
        is_object: true,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The delivery that is meant.
pub(crate) fn delivery_ref(reference: &scenario::DeliveryRef) -> DeliveryRef {
    DeliveryRef {
        stream: reference.stream.as_ref().map(|name| name.text.clone()),
        consumer: reference.consumer.as_ref().map(|name| name.text.clone()),
        stream_seq: reference.seq,
        delivery_count: reference.delivery_count,
    }
}

/// What is told to the server about a delivery.
pub(crate) fn ack_kind(verb: &AckVerb) -> AckKind {
    match verb {
        AckVerb::Ack => AckKind::Ack,
        AckVerb::Nak { delay } => AckKind::Nak { delay: *delay },
        AckVerb::InProgress => AckKind::InProgress,
        AckVerb::Term { reason } => AckKind::Term { reason: reason.clone().unwrap_or_default() },
        AckVerb::Next { batch: None } => AckKind::Next { request: Vec::new() },
        AckVerb::Next { batch: Some(batch) } => {
            AckKind::Next { request: PullRequest { batch: signed(*batch), ..PullRequest::default() }.body() }
        }
    }
}

/// How a worker fetches.
pub(crate) fn worker_options(command: &scenario::WorkerCommand) -> WorkerOptions {
    let default = WorkerOptions::default();
    WorkerOptions {
        batch: command.batch.unwrap_or(default.batch),
        expires: command.expires,
        concurrency: command.concurrency.unwrap_or(default.concurrency),
    }
}

/// A worker that follows the rules written under it: the first one that matches decides, and without one nothing is done.
pub(crate) struct Scripted(Vec<(scenario::WorkerMatch, Plan)>);

impl Scripted {
    pub(crate) fn new(rules: &[scenario::WorkerRule]) -> Scripted {
        Scripted(rules.iter().map(|rule| (rule.matching.clone(), Plan::new(rule.actions.iter().map(action)))).collect())
    }
}

impl Handler for Scripted {
    fn handle(&mut self, delivery: &Delivery) -> Plan {
        let rule = self.0.iter().find(|(matching, _)| handles(matching, delivery));
        rule.map_or_else(Plan::ignore, |(_, plan)| plan.clone())
    }
}

fn handles(wanted: &scenario::WorkerMatch, delivery: &Delivery) -> bool {
    wanted.subject.as_ref().is_none_or(|filter| matches(filter, &delivery.subject))
        && wanted.delivery_count.is_none_or(|wanted| wanted.comparison.holds(delivery.delivery_count(), wanted.count))
        && wanted.stream_seq.is_none_or(|seq| seq == delivery.stream_seq())
        && wanted.payload.as_ref().is_none_or(|payload| *payload == delivery.payload)
}

fn action(written: &scenario::Action) -> Action {
    let send = match &written.kind {
        ActionKind::Ack => Sending::Ack(AckKind::Ack),
        ActionKind::Nak { delay } => Sending::Ack(AckKind::Nak { delay: *delay }),
        ActionKind::InProgress => Sending::Ack(AckKind::InProgress),
        ActionKind::Term { reason } => Sending::Ack(AckKind::Term { reason: reason.clone().unwrap_or_default() }),
        ActionKind::Ignore => Sending::Nothing,
    };
    Action { send, after: written.after.unwrap_or(Duration::ZERO), sync: written.sync }
}
