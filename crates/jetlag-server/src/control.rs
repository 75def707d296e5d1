//! The `$JETLAG` controls: time, faults, state, trace and snapshots of a namespace, by request and reply on any connection that may.
//!
//! | subject | payload | answer |
//! |---|---|---|
//! | `$JETLAG.CLOCK.NOW` | | where the clock stands, and when something is due next |
//! | `$JETLAG.CLOCK.ADVANCE` | `30s` | the same, after that much time |
//! | `$JETLAG.CLOCK.NEXT` | | the same, at the next instant at which something is due |
//! | `$JETLAG.CLOCK.SETTLE` | | the same, when nothing is left to happen but what is idle |
//! | `$JETLAG.FAULT.ADD` | lines of a scenario, `fault lost-ack drop kind=ack` | the ids |
//! | `$JETLAG.FAULT.LIST` | | rules with how often each was asked and acted |
//! | `$JETLAG.FAULT.CLEAR` | an id, or nothing for all | the ids |
//! | `$JETLAG.FAULT.WAIT` | an id, and how many hits (1) | the rule, once it has acted that often |
//! | `$JETLAG.STATE` | | connections, streams and consumers |
//! | `$JETLAG.TRACE` | how many records (1000) | the latest records, one JSON a line |
//! | `$JETLAG.SNAPSHOT`, `$JETLAG.RESTORE` | a name | the name |
//! | `$JETLAG.SERVER.RESTART`, `$JETLAG.SERVER.KILL` | downtime (`0s`) | what is to happen; then all connections break |
//! | `$JETLAG.SERVER.DISCONNECT` | a client's name | how many connections break |
//!
//! Answers are JSON; what can not be done is `{"error": {"code": 400, "description": "..."}}`.

use jetlag_core::{Lost, LostTail};
use jetlag_fault::Report;
use jetlag_model::{Address, ConnId, Duration, Message, Text};
use serde_json::{Value as Json, json};

use crate::broker::{Broker, CONTROL};
use crate::error::ServerError;
use crate::operation::{Goal, Operation};
use crate::state::state;

/// A control that waits for a rule.
#[derive(Debug)]
pub(crate) struct FaultWait {
    pub(crate) id: String,
    pub(crate) hits: u64,
    pub(crate) reply: Option<Address>,
}

/// What a control comes to.
enum Outcome {
    /// An answer at once.
    Now(Json),
    /// Text at once.
    Text(String),
    /// Something that takes its time and answers by itself.
    Later,
}

impl Broker {
    /// A client sends a control.
    pub(crate) fn control(&mut self, conn: ConnId, namespace: &Text, may: bool, message: &Message) {
        let subject = message.subject.text().into_owned();
        let asked = subject.strip_prefix(CONTROL).unwrap_or_default();
        let payload = String::from_utf8_lossy(&message.payload).trim().to_owned();
        let outcome = if may {
            self.obey(conn, namespace, asked, &payload, message.reply.clone())
        } else {
            Err(refused(403, "controls need the token printed at start, as auth token or password; or start with --insecure-control"))
        };
        let body = match outcome {
            Ok(Outcome::Later) => return self.collect(namespace),
            Ok(Outcome::Text(text)) => text,
            Ok(Outcome::Now(answer)) => answer.to_string(),
            Err(error) => error.to_string(),
        };
        if let Some(reply) = &message.reply {
            self.deliver_by_subject(namespace, Message::new(reply.clone(), body));
        }
    }

    fn obey(&mut self, conn: ConnId, name: &Text, asked: &str, payload: &str, reply: Option<Address>) -> Result<Outcome, Json> {
        let place = self.place(name);
        let namespace = &mut place.namespace;
        let answer = match asked {
            "CLOCK.NOW" => {
                let next = namespace.next_time().map(|due| due.as_nanos());
                json!({"now": namespace.now().to_string(), "now_ns": namespace.now().as_nanos(), "next_ns": next})
            }
            "CLOCK.ADVANCE" => {
                let by = duration(payload)?;
                place.queue.push_back(Operation::new(Goal::Advance(by), reply));
                return Ok(Outcome::Later);
            }
            "CLOCK.NEXT" | "CLOCK.SETTLE" => {
                let goal = if asked == "CLOCK.NEXT" { Goal::Next } else { Goal::Settle };
                place.queue.push_back(Operation::new(goal, reply));
                return Ok(Outcome::Later);
            }
            "FAULT.ADD" => {
                let rules = jetlag_scenario::parse_faults(payload).map_err(|errors| {
                    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
                    refused(400, &text.join("; "))
                })?;
                let mut added = Vec::new();
                for rule in rules {
                    added.push(rule.id.to_string());
                    namespace.add_rule(rule).map_err(bad)?;
                }
                json!({"added": added})
            }
            "FAULT.LIST" => json!({"faults": namespace.reports().map(report).collect::<Vec<_>>()}),
            "FAULT.CLEAR" => {
                let ids: Vec<String> = match payload {
                    "" => namespace.open_rules(),
                    id => vec![id.to_owned()],
                };
                ids.iter().try_for_each(|id| namespace.clear_rule(id)).map_err(bad)?;
                json!({"cleared": ids})
            }
            "FAULT.WAIT" => {
                let (id, hits) = payload.split_once(' ').unwrap_or((payload, "1"));
                let hits = hits.trim().parse().map_err(|_| refused(400, "how many hits to wait for is a number: ID 3"))?;
                if !namespace.reports().any(|report| *report.id == *id) {
                    return Err(refused(404, &format!("there is no rule {id}")));
                }
                place.waits.push(FaultWait { id: id.to_owned(), hits, reply });
                return Ok(Outcome::Later);
            }
            "STATE" => state(namespace).map_err(bad)?,
            "TRACE" => {
                let count =
                    if payload.is_empty() { 1000 } else { payload.parse().map_err(|_| refused(400, "how many records is a number"))? };
                let lines: Vec<String> = namespace.ledger().latest(count).into_iter().map(jetlag_trace::json_line).collect();
                return Ok(Outcome::Text(lines.join("\n")));
            }
            "SNAPSHOT" => {
                let snapshot = namespace.snapshot();
                place.snapshots.insert(payload.to_owned(), snapshot);
                json!({"snapshot": payload})
            }
            "RESTORE" => {
                let snapshot = place.snapshots.get(payload).ok_or_else(|| refused(404, &format!("there is no snapshot {payload:?}")))?;
                // The asker's connection breaks as all others do, so the answer goes first.
                if let Some(reply) = reply {
                    namespace.say(Message::new(reply, json!({"restored": payload}).to_string())).map_err(bad)?;
                }
                namespace.restore(snapshot).map_err(bad)?;
                self.clock_moved(name);
                return Ok(Outcome::Later);
            }
            "SERVER.RESTART" | "SERVER.KILL" => {
                let downtime = if payload.is_empty() { Duration::ZERO } else { duration(payload)? };
                let kill = (asked == "SERVER.KILL").then(|| LostTail::from(Lost::Nothing));
                if let Some(reply) = reply {
                    namespace.say(Message::new(reply, json!({"downtime": downtime.to_string()}).to_string())).map_err(bad)?;
                }
                namespace.take_down(kill, downtime, None).map_err(bad)?;
                return Ok(Outcome::Later);
            }
            "SERVER.DISCONNECT" => json!({"connections": namespace.disconnect_client(payload).map_err(bad)?}),
            _ => return Err(refused(404, &format!("there is no control {CONTROL}{asked} (asked by connection {conn})"))),
        };
        Ok(Outcome::Now(answer))
    }
}

fn duration(text: &str) -> Result<Duration, Json> {
    text.parse::<Duration>().map_err(|error| refused(400, &error.to_string()))
}

fn refused(code: u16, description: &str) -> Json {
    json!({"error": {"code": code, "description": description}})
}

fn bad(error: impl Into<ServerError>) -> Json {
    refused(400, &error.into().to_string())
}

/// A rule's counts.
pub(crate) fn report(report: &Report) -> Json {
    json!({"id": &*report.id, "evaluated": report.evaluated, "matched": report.matched, "hits": report.hits})
}
