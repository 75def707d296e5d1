//! API requests about consumers, pull requests among them. Rules of `jsConsumerCreateRequest` (`server/jetstream_api.go`, 2.15) and
//! `addConsumerWithAssignmentAndMode` (`server/consumer.go`).

use jetlag_model::{ApiAnswer, ApiError, ConsumerAction, ConsumerConfig, CreateConsumerRequest, Now, UnpinRequest};

use super::{decode, metadata, refused};
use crate::consumer::{self, Consumer};
use crate::core::Core;
use crate::rules::{Rule, Rules};
use crate::stream::LONGEST_NAME;

impl Core {
    pub(super) fn create_consumer(
        &mut self,
        now: Now,
        stream: &str,
        name: Option<&str>,
        filter: Option<&str>,
        durable: bool,
        body: &[u8],
    ) -> Result<ApiAnswer, ApiError> {
        if body.trim_ascii().is_empty() && !self.rules.has(Rule::EmptyBodyAccepted) {
            return Err(ApiError::invalid_json(None));
        }
        let create = CreateConsumerRequest::decode(body, self.rules.has(Rule::StrictJson)).map_err(|error| refused(&error, self.rules))?;
        consumer::check_policy(&create.config, self.rules)?;
        if create.stream_name != stream {
            return Err(ApiError::stream_name_mismatch());
        }
        let mut config = create.config;
        if let Some(name) = name.filter(|_| durable && self.rules.has(Rule::DurableCreateOverridesName)) {
            config.name = name.to_owned();
        }
        check_names(&mut config, name, filter, durable, self.rules)?;
        if config.num_replicas > 1 {
            return Err(ApiError::replicas_not_supported());
        }
        let level = consumer::required_level(&config);
        metadata::store(&mut config.metadata, level, self.rules);
        let stream_config = self.stream(stream)?.config.clone();
        let mut config = consumer::checked(config, &stream_config, self.rules)?;
        if config.name.is_empty() {
            config.name = self.ids.draw_name();
        }
        if config.name.len() > LONGEST_NAME {
            return Err(ApiError::consumer_name_too_long());
        }
        let name = config.name.clone();
        if self.stream(stream)?.consumers.contains(&name) {
            self.update_consumer(now, stream, config, create.action)?;
        } else {
            if create.action == ConsumerAction::Update {
                return Err(ApiError::consumer_does_not_exist());
            }
            let consumers = self.stream(stream)?.consumers.len();
            if usize::try_from(stream_config.max_consumers).is_ok_and(|max| max > 0 && consumers >= max) {
                return Err(ApiError::maximum_consumers());
            }
            let rules = self.rules;
            self.stream(stream)?.check_new_consumer(&config, rules)?;
            consumer::check_modelled(&config)?;
            self.with_stream(now, stream, |stream, cx| {
                let order = stream.next_consumer_order();
                let consumer = Consumer::create(&stream.config, order, config, &stream.log, cx);
                let name = consumer.name.clone();
                stream.log.count_subjects(consumer.config.filters());
                stream.add_consumer(consumer);
                stream.with_consumer(&name, cx, |consumer, log, cx| consumer.run(log, cx));
            });
        }
        self.tell_consumer(now, stream, &name)
    }

    fn update_consumer(&mut self, now: Now, stream: &str, config: ConsumerConfig, action: ConsumerAction) -> Result<(), ApiError> {
        let rules = self.rules;
        let known = self.stream(stream)?.consumers.get(&config.name);
        let old = known.expect("whoever updates a consumer found it").config.clone();
        if action == ConsumerAction::Create && !consumer::same_config(&old, &config) {
            return Err(ApiError::consumer_already_exists());
        }
        self.stream(stream)?.check_unique(&config)?;
        let in_use = old.is_push() && self.connections.interest(&old.deliver_subject);
        consumer::check_update(&old, &config, in_use, rules)?;
        consumer::check_modelled(&config)?;
        let name = config.name.as_str().into();
        self.with_stream(now, stream, |stream, cx| stream.update_consumer(&name, config, cx));
        Ok(())
    }

    pub(super) fn consumer_info(&mut self, now: Now, stream: &str, consumer: &str) -> Result<ApiAnswer, ApiError> {
        self.tell_consumer(now, stream, consumer)
    }

    fn tell_consumer(&mut self, now: Now, stream: &str, name: &str) -> Result<ApiAnswer, ApiError> {
        self.stream(stream)?;
        let rules = self.rules;
        let mut info =
            self.with_consumer(now, stream, name, |consumer, log, cx| consumer.info(log, cx)).ok_or_else(ApiError::consumer_not_found)?;
        metadata::answer(&mut info.config.metadata, rules);
        Ok(ApiAnswer::Consumer(Box::new(info)))
    }

    pub(super) fn delete_consumer(&mut self, now: Now, stream: &str, name: &str) -> Result<ApiAnswer, ApiError> {
        let deleted =
            self.with_stream(now, stream, |stream, cx| stream.delete_consumer(name, cx)).ok_or_else(ApiError::stream_not_found)?;
        if deleted { Ok(ApiAnswer::Success) } else { Err(ApiError::consumer_not_found()) }
    }

    pub(super) fn unpin_consumer(&mut self, now: Now, stream: &str, name: &str, body: &[u8]) -> Result<ApiAnswer, ApiError> {
        if body.is_empty() {
            return Err(ApiError::invalid_json(Some("unexpected end of JSON input")));
        }
        let unpin: UnpinRequest = decode(body, self.rules)?;
        consumer::check_group(&unpin.group)?;
        self.stream(stream)?;
        self.with_consumer(now, stream, name, |consumer, log, cx| consumer.unpin(&unpin.group, log, cx))
            .ok_or_else(ApiError::consumer_not_found)??;
        Ok(ApiAnswer::Nothing)
    }

    pub(super) fn consumer_names(&mut self, stream: &str) -> Result<ApiAnswer, ApiError> {
        let consumers: Vec<_> = self.stream(stream)?.consumers.names().map(ToString::to_string).collect();
        Ok(ApiAnswer::ConsumerNames(consumers))
    }

    pub(super) fn consumer_list(&mut self, now: Now, stream: &str) -> Result<ApiAnswer, ApiError> {
        let names: Vec<_> = self.stream(stream)?.consumers.names().cloned().collect();
        let consumers: Vec<_> =
            names.iter().filter_map(|name| self.with_consumer(now, stream, name, |consumer, log, cx| consumer.info(log, cx))).collect();
        Ok(ApiAnswer::ConsumerList(consumers))
    }

    /// A pull request. Says whether the consumer is there: it listens on its own subject, so that one which is not there is nobody.
    pub(super) fn next_message_request(&mut self, now: Now, stream: &str, consumer: &str, reply: Option<&str>, body: &[u8]) -> bool {
        self.with_consumer(now, stream, consumer, |consumer, log, cx| {
            if let Some(reply) = reply {
                consumer.request(reply, body, log, cx);
            }
        })
        .is_some()
    }
}

/// Brings the names in subject and body together, or refuses their contradiction.
fn check_names(config: &mut ConsumerConfig, name: Option<&str>, filter: Option<&str>, durable: bool, rules: Rules) -> Result<(), ApiError> {
    let requested = rules.has(Rule::SeparatorsHaveTheirError).then_some(config.name.as_str());
    if name.or(requested).is_some_and(|name| name.contains(['/', '\\'])) {
        return Err(ApiError::consumer_name_path_separators());
    }
    match name {
        Some(name) if durable => {
            if config.durable_name.is_empty() {
                return Err(ApiError::durable_name_missing());
            }
            if config.durable_name != name {
                return Err(ApiError::durable_name_mismatch());
            }
        }
        Some(name) => {
            if !config.durable_name.is_empty() && config.durable_name != name {
                return Err(ApiError::durable_name_mismatch());
            }
            config.name = name.to_owned();
        }
        None if !config.durable_name.is_empty() => return Err(ApiError::ephemeral_with_durable_name()),
        None => {}
    }
    if config.is_durable() && config.name.is_empty() {
        config.name = config.durable_name.clone();
    }
    if let Some(filter) = filter {
        if !config.filter_subjects.is_empty() {
            return Err(ApiError::multiple_filters_in_subject());
        }
        if config.filter_subject != filter {
            return Err(ApiError::create_filter_mismatch());
        }
    }
    Ok(())
}
