//! What each command does to the world.

use jetlag_model::{Message, Text, Time};
use jetlag_scenario::{Advance, Command, ConsumerPath, Info, Purge, SCRIPT, Settings, Step};
use jetlag_sim::{Backend, Handler, Sent, WorldError, lost_tail};
use jetlag_trace::{Key, Kind, Place, Record};
use serde_json::{Map, Value as Json, json};

use crate::api::{self, Answer, ApiRequest};
use crate::run::{Done, Run, StepPlace};
use crate::translate;

impl<B: Backend> Run<'_, B> {
    /// Does what a step says. Answers become records.
    pub(crate) fn perform(&mut self, place: StepPlace, step: &Step) -> Result<Done, WorldError> {
        let actor: Text = step.actor.as_ref().map_or_else(|| SCRIPT.into(), |actor| actor.text.clone());
        let started = self.world.backend().started();
        match &step.command {
            Command::Stream(command) => self.call(&actor, &api::create_stream(&command.name, &command.settings, started))?,
            Command::UpdateStream(command) => self.update_stream(&actor, &command.name, &command.settings)?,
            Command::DeleteStream(command) => self.call(&actor, &ApiRequest::new("STREAM.DELETE", &command.name, Json::Null))?,
            Command::Purge(command) => self.purge(&actor, command)?,
            Command::DeleteMessage(command) => {
                self.call(&actor, &ApiRequest::new("STREAM.MSG.DELETE", &command.stream, json!({ "seq": command.seq.0 })))?;
            }
            Command::Consumer(command) => self.call(&actor, &api::create_consumer(&command.path, &command.settings, started))?,
            Command::UpdateConsumer(command) => self.update_consumer(&actor, &command.path, &command.settings)?,
            Command::DeleteConsumer(command) => {
                self.call(&actor, &ApiRequest::new("CONSUMER.DELETE", &api::dotted(&command.path), Json::Null))?;
            }
            Command::Info(Info::Stream(name)) => {
                self.info(&actor, &ApiRequest::new("STREAM.INFO", name, Json::Null), |at, answer| api::stream_info(at, name, answer))?;
            }
            Command::Info(Info::Consumer(path)) => {
                let request = ApiRequest::new("CONSUMER.INFO", &api::dotted(path), Json::Null);
                self.info(&actor, &request, |at, answer| api::consumer_info(at, path, answer))?;
            }
            Command::Publish(command) => {
                let (message, confirm) = (translate::message(command), !command.no_reply && command.reply.is_none());
                match command.every {
                    Some(every) => self.world.publish_every(&actor, message, confirm, command.count, every)?,
                    None => {
                        for _ in 0..command.count {
                            self.world.publish(&actor, message.clone(), confirm)?;
                        }
                    }
                }
            }
            Command::Fetch(command) => {
                let request = translate::pull_request(command);
                let alias = command.alias.as_ref().map(|alias| alias.as_str());
                self.world.fetch(&actor, &command.path.stream, &command.path.consumer, &request, alias)?;
            }
            Command::Ack(command) => {
                let reference = translate::delivery_ref(&command.delivery);
                self.world.ack(&actor, &reference, &translate::ack_kind(&command.verb), command.sync)?;
            }
            Command::Subscribe(command) => {
                self.world.subscribe(&actor, &command.subject, command.queue.as_deref(), command.max)?;
            }
            Command::Unsubscribe(command) => self.world.unsubscribe(&actor, &command.subject)?,
            Command::Request(command) => self.request(&actor, &command.subject, command.body.as_deref().unwrap_or_default())?,
            Command::Client(command) => self.world.add_client(&command.name, translate::client_options(command))?,
            Command::Disconnect => self.world.disconnect(&actor)?,
            Command::Reconnect => self.world.reconnect(&actor)?,
            Command::Crash => self.world.crash(&actor)?,
            Command::Restart(command) => self.world.restart(command.downtime.unwrap_or_default())?,
            Command::Kill(command) => self.world.kill(command.downtime.unwrap_or_default(), lost_tail(command.lost))?,
            Command::Fault(spec) => {
                self.rule_lines.insert(spec.rule.id.clone(), spec.span.line);
                self.world.add_rule(spec.rule.clone())?;
            }
            Command::Clear(id) => self.world.clear_rule(id)?,
            Command::Worker(command) => {
                let handler: Box<dyn Handler> = match &command.handler {
                    None => Box::new(translate::Scripted::new(&command.rules)),
                    Some(name) => {
                        self.options.registry.handler(name, &command.options).map_err(|error| WorldError::Handler(error.to_string()))?
                    }
                };
                let (stream, consumer) = (&command.consumer.stream, &command.consumer.consumer);
                self.world.start_worker(&command.name, stream, consumer, translate::worker_options(command), handler)?;
            }
            Command::Stop(name) => self.world.stop_worker(name)?,
            Command::Advance(advance) => {
                self.script = match advance {
                    Advance::By(by) => self.script + *by,
                    Advance::To(to) => Time::START + *to,
                };
                while !self.pace.advance_to(&mut self.world, place, self.script)? {
                    self.look(place.block, step);
                }
                return Ok(Done::Timed);
            }
            Command::Settle => {
                self.script = self.pace.settle(&mut self.world, place)?;
                return Ok(Done::Timed);
            }
            Command::Check(check) => self.check(place, step, check)?,
            Command::Expect(expect) => self.expect(place, step, expect),
        }
        Ok(Done::Issued)
    }

    /// Sends an API request and waits for its answer.
    fn ask(&mut self, actor: &str, message: Message) -> Result<Answer, WorldError> {
        let (id, sent) = self.world.request(actor, message)?;
        match sent {
            Sent::Failed(_) => Ok(Answer::NotSent),
            Sent::Done | Sent::Confirmed | Sent::Refused(_) => Ok(Answer::of(self.world.await_answer(actor, id)?)),
        }
    }

    /// Records what a request came to: its success, or why there is none. A request that was not sent is recorded already.
    fn conclude(&mut self, answer: &Answer, success: impl FnOnce(Time, &Json) -> Record) {
        let now = self.world.now();
        let record = match answer {
            Answer::Done(json) => Some(success(now, json)),
            other => other.failure(now),
        };
        if let Some(record) = record {
            self.world.record(record);
        }
    }

    /// Sends an API request; its success has nothing more to say.
    fn call(&mut self, actor: &str, request: &ApiRequest) -> Result<(), WorldError> {
        let answer = self.ask(actor, request.message())?;
        self.conclude(&answer, |now, _| Record::new(now, Place::Script, Kind::Ok));
        Ok(())
    }

    fn info(&mut self, actor: &str, request: &ApiRequest, record: impl FnOnce(Time, &Json) -> Record) -> Result<(), WorldError> {
        let answer = self.ask(actor, request.message())?;
        self.conclude(&answer, record);
        Ok(())
    }

    fn update_stream(&mut self, actor: &str, name: &str, settings: &Settings) -> Result<(), WorldError> {
        let started = self.world.backend().started();
        let Some(config) = self.config(actor, &ApiRequest::new("STREAM.INFO", name, Json::Null))? else { return Ok(()) };
        self.call(actor, &api::update_stream(name, &config, settings, started))
    }

    fn update_consumer(&mut self, actor: &str, path: &ConsumerPath, settings: &Settings) -> Result<(), WorldError> {
        let started = self.world.backend().started();
        let Some(config) = self.config(actor, &ApiRequest::new("CONSUMER.INFO", &api::dotted(path), Json::Null))? else { return Ok(()) };
        self.call(actor, &api::update_consumer(path, &config, settings, started))
    }

    /// The configuration that an info tells; a refusal is recorded.
    fn config(&mut self, actor: &str, request: &ApiRequest) -> Result<Option<Json>, WorldError> {
        let answer = self.ask(actor, request.message())?;
        if let Some(failure) = answer.failure(self.world.now()) {
            self.world.record(failure);
        }
        match answer {
            Answer::Done(json) => Ok(json.get("config").cloned()),
            _ => Ok(None),
        }
    }

    fn purge(&mut self, actor: &str, command: &Purge) -> Result<(), WorldError> {
        let mut body = Map::new();
        body.extend(command.filter.as_ref().map(|filter| ("filter".to_owned(), json!(filter))));
        body.extend(command.seq.map(|seq| ("seq".to_owned(), json!(seq.0))));
        body.extend(command.keep.map(|keep| ("keep".to_owned(), json!(keep))));
        let request = ApiRequest::new("STREAM.PURGE", &command.name, if body.is_empty() { Json::Null } else { Json::Object(body) });
        self.info(actor, &request, |at, answer| {
            let purged = answer.get("purged").and_then(Json::as_u64).unwrap_or(0);
            Record::new(at, Place::Script, Kind::Ok).with(Key::Purged, purged)
        })
    }

    fn request(&mut self, actor: &str, subject: &str, body: &str) -> Result<(), WorldError> {
        let answer = self.ask(actor, Message::new(subject, body))?;
        match &answer {
            Answer::Done(json) => self.say(api::masked(json)),
            Answer::Other(message) => self.say(api::plain(message)),
            Answer::Nothing => self.say("no answer".to_owned()),
            Answer::Refused(_) | Answer::NoResponders | Answer::NotSent => {
                self.conclude(&answer, |now, _| Record::new(now, Place::Script, Kind::Ok));
            }
        }
        Ok(())
    }

    /// Answers the script in plain words.
    fn say(&mut self, text: String) {
        let record = Record::new(self.world.now(), Place::Script, Kind::ApiReply).with(Key::Text, text);
        self.world.record(record);
    }
}
