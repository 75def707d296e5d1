//! `$JS.API`: finds the request a subject stands for and answers it. Streams are in `stream`, consumers in `consumer`, messages
//! read without a consumer in `direct`.

mod consumer;
mod direct;
mod metadata;
mod stream;

use jetlag_model::{AccountInfo, ApiAnswer, ApiError, ApiRequest, ApiUsage, DecodeError, Json, Message, Now, StorageType};

use crate::core::Core;
use crate::rules::{Rule, Rules};

/// Requests that a real server answers and this simulator does not, by the beginning of what follows `$JS.API.`.
const NOT_MODELLED: &[&str] = &[
    "STREAM.SNAPSHOT.",
    "STREAM.RESTORE.",
    "STREAM.LEADER.",
    "STREAM.PEER.",
    "STREAM.TEMPLATE.",
    "CONSUMER.PAUSE.",
    "CONSUMER.RESET.",
    "CONSUMER.LEADER.",
    "META.",
    "SERVER.",
    "ACCOUNT.",
];

impl Core {
    /// Answers a request under `$JS.API.`. Says whether anybody is responsible for it: a request to a consumer that is not there meets
    /// nobody, while an unknown request is taken and never answered.
    pub(crate) fn handle_api(&mut self, now: Now, subject: &str, message: &Message) -> bool {
        let Some(request) = ApiRequest::parse(subject) else { return false };
        let body = &*message.payload;
        let reply = message.reply.as_ref().map(|reply| reply.text().into_owned());
        let answer = match request {
            ApiRequest::DirectGet(stream, subject) => return self.direct_get(now, stream, subject, reply.as_deref(), body),
            ApiRequest::MsgNext(stream, consumer) => return self.next_message_request(now, stream, consumer, reply.as_deref(), body),
            ApiRequest::Unknown => match NOT_MODELLED.iter().find(|known| subject["$JS.API.".len()..].starts_with(*known)) {
                Some(known) => Err(ApiError::not_modelled(&format!("$JS.API.{known}>"))),
                None => return true,
            },
            ApiRequest::AccountInfo => Ok(self.account_info()),
            ApiRequest::StreamCreate(name) => self.create_stream(now, name, body),
            ApiRequest::StreamUpdate(name) => self.update_stream(now, name, body),
            ApiRequest::StreamInfo(name) => self.stream_info(now, name, body),
            ApiRequest::StreamDelete(name) => self.delete_stream(now, name),
            ApiRequest::StreamPurge(name) => self.purge_stream(now, name, body),
            ApiRequest::StreamNames => Ok(self.stream_names()),
            ApiRequest::StreamList => Ok(self.stream_list(now)),
            ApiRequest::MsgGet(name) => self.get_message(name, body),
            ApiRequest::MsgDelete(name) => self.delete_message(now, name, body),
            ApiRequest::ConsumerCreate { stream, consumer, filter, durable } => {
                self.create_consumer(now, stream, consumer, filter, durable, body)
            }
            ApiRequest::ConsumerInfo(stream, consumer) => self.consumer_info(now, stream, consumer),
            ApiRequest::ConsumerDelete(stream, consumer) => self.delete_consumer(now, stream, consumer),
            ApiRequest::ConsumerUnpin(stream, consumer) if self.rules.has(Rule::PriorityGroups) => {
                self.unpin_consumer(now, stream, consumer, body)
            }
            // A server that does not know the request never answers.
            ApiRequest::ConsumerUnpin(..) => return true,
            ApiRequest::ConsumerNames(stream) => self.consumer_names(stream),
            ApiRequest::ConsumerList(stream) => self.consumer_list(now, stream),
        };
        self.api_usage.total += 1;
        self.api_usage.errors += u64::from(answer.is_err());
        if let Some(reply) = reply {
            let body = answer.map_or_else(|error| request.refuse(&error), |answer| request.answer(&answer));
            self.context(now).send(reply, None, &body);
        }
        true
    }

    fn account_info(&self) -> ApiAnswer {
        let level = self.rules.has(Rule::VersionMetadata).then(|| self.rules.api_level());
        let mut info = AccountInfo::default();
        info.api = ApiUsage { level, ..self.api_usage };
        for stream in self.streams.values() {
            let (used, reserved) = match stream.config.storage {
                StorageType::File => (&mut info.storage, &mut info.reserved_storage),
                StorageType::Memory => (&mut info.memory, &mut info.reserved_memory),
            };
            *used += stream.log.bytes();
            let limit = stream.config.max_bytes;
            if limit > 0 || !self.rules.has(Rule::UnlimitedReservesNothing) {
                *reserved = reserved.wrapping_add_signed(limit);
            }
            info.streams += 1;
            info.consumers += stream.consumers.len() as u64;
        }
        ApiAnswer::Account(info)
    }
}

/// Reads a body, or says what is wrong with it as the server does.
fn decode<T: Json>(body: &[u8], rules: Rules) -> Result<T, ApiError> {
    T::decode(body, rules.has(Rule::StrictJson)).map_err(|error| refused(&error, rules))
}

fn refused(error: &DecodeError, rules: Rules) -> ApiError {
    match error {
        DecodeError::NotModelled(field) => ApiError::not_modelled(field),
        DecodeError::Invalid(_) | DecodeError::UnknownField(_) if rules.has(Rule::InvalidJsonSaysWhy) => {
            ApiError::invalid_json(Some(&error.to_string()))
        }
        DecodeError::Invalid(_) | DecodeError::UnknownField(_) => ApiError::invalid_json(None),
    }
}
