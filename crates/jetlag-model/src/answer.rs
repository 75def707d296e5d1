//! Answers of `$JS.API` with their exact JSON: field order, page fields, the envelope.

use serde::Serialize;

use crate::json::to_vec;
use crate::{ApiError, ApiRequest, ConsumerInfo, LogMessage, StreamConfig, StreamInfo, StreamState, WallTime};

/// What a request is answered with when it succeeds.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiAnswer {
    /// It is done.
    Success,
    /// It is done, and nothing is said about it.
    Nothing,
    /// How many messages were purged.
    Purged(u64),
    /// What there is of everything.
    Account(AccountInfo),
    /// A stream, and whether this request created it (the repetition of a create says so too).
    Stream(Box<StreamInfo>, bool),
    /// The names of all streams.
    StreamNames(Vec<String>),
    /// All streams.
    StreamList(Vec<StreamInfo>),
    /// A stored message.
    Message(LogMessage),
    /// A consumer.
    Consumer(Box<ConsumerInfo>),
    /// The names of a stream's consumers.
    ConsumerNames(Vec<String>),
    /// A stream's consumers.
    ConsumerList(Vec<ConsumerInfo>),
}

/// What an account has used, and what it may. There are no limits here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AccountInfo {
    /// Bytes stored in memory.
    pub memory: u64,
    /// Bytes stored on disk.
    pub storage: u64,
    /// Bytes that streams in memory may take, of those that have a limit.
    pub reserved_memory: u64,
    /// The same on disk.
    pub reserved_storage: u64,
    /// Streams.
    pub streams: u64,
    /// Consumers.
    pub consumers: u64,
    /// What it may have.
    limits: AccountLimits,
    /// What it asked for.
    pub api: ApiUsage,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct AccountLimits {
    max_memory: i64,
    max_storage: i64,
    max_streams: i64,
    max_consumers: i64,
    max_ack_pending: i64,
    memory_max_stream_bytes: i64,
    storage_max_stream_bytes: i64,
    max_bytes_required: bool,
}

impl Default for AccountLimits {
    fn default() -> AccountLimits {
        AccountLimits {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

/// How many requests of the API were answered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApiUsage {
    /// The level of the API; not said before 2.11.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// All of them.
    pub total: u64,
    /// Those that were refused.
    pub errors: u64,
}

/// The id under which this server answers for itself, as long as a real one.
const SERVER_ID: &str = "NJETLAG00000000000000000000000000000000000000000000000000";
/// Names on one page.
const NAMES: usize = 1024;
/// Infos on one page.
const INFOS: usize = 256;

#[derive(Serialize)]
struct Envelope<T> {
    r#type: String,
    #[serde(flatten)]
    fields: T,
}

#[derive(Serialize)]
struct Page {
    total: usize,
    offset: usize,
    limit: usize,
}

impl Page {
    /// The one page of so many entries; several pages are not modelled.
    fn of(total: usize, limit: usize) -> Page {
        Page { total, offset: 0, limit }
    }
}

#[derive(Serialize)]
struct Leader {
    leader: &'static str,
}

#[derive(Serialize)]
struct StreamFields<'a> {
    #[serde(flatten)]
    page: Option<Page>,
    config: &'a StreamConfig,
    created: WallTime,
    state: &'a StreamState,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Leader>,
    ts: WallTime,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    did_create: bool,
}

#[derive(Serialize)]
struct Streams<T> {
    #[serde(flatten)]
    page: Page,
    streams: T,
}

#[derive(Serialize)]
struct Consumers<T> {
    #[serde(flatten)]
    page: Page,
    consumers: T,
}

impl ApiRequest<'_> {
    /// The answer's whole `type`.
    fn full_type(&self) -> String {
        format!("io.nats.jetstream.api.v1.{}", self.response_type())
    }

    fn envelope<T: Serialize>(&self, fields: T) -> Vec<u8> {
        to_vec(&Envelope { r#type: self.full_type(), fields })
    }

    /// The body that says what was done or asked for.
    pub fn answer(&self, answer: &ApiAnswer) -> Vec<u8> {
        #[derive(Serialize)]
        struct Success {
            success: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            purged: Option<u64>,
        }
        #[derive(Serialize)]
        struct Got<'a> {
            message: &'a LogMessage,
        }
        #[derive(Serialize)]
        struct Nothing {}
        match answer {
            ApiAnswer::Nothing => self.envelope(Nothing {}),
            ApiAnswer::Success => self.envelope(Success { success: true, purged: None }),
            ApiAnswer::Purged(purged) => self.envelope(Success { success: true, purged: Some(*purged) }),
            ApiAnswer::Account(info) => self.envelope(info),
            ApiAnswer::Stream(info, did_create) => {
                // Only an info request is answered with the fields of a page and of a cluster of one.
                let is_info = matches!(self, ApiRequest::StreamInfo(_));
                self.envelope(StreamFields {
                    page: is_info.then(|| Page::of(0, 0)),
                    config: &info.config,
                    created: info.created,
                    state: &info.state,
                    cluster: is_info.then_some(Leader { leader: SERVER_ID }),
                    ts: info.ts,
                    did_create: *did_create,
                })
            }
            // Of all lists this one alone is null when it is empty: nobody made it.
            ApiAnswer::StreamNames(names) => {
                self.envelope(Streams { page: Page::of(names.len(), NAMES), streams: (!names.is_empty()).then_some(names) })
            }
            ApiAnswer::StreamList(infos) => self.envelope(Streams { page: Page::of(infos.len(), INFOS), streams: infos }),
            ApiAnswer::Message(message) => self.envelope(Got { message }),
            ApiAnswer::Consumer(info) => self.envelope(info),
            ApiAnswer::ConsumerNames(names) => self.envelope(Consumers { page: Page::of(names.len(), NAMES), consumers: names }),
            ApiAnswer::ConsumerList(infos) => self.envelope(Consumers { page: Page::of(infos.len(), INFOS), consumers: infos }),
        }
    }

    /// The body that says what went wrong.
    pub fn refuse(&self, error: &ApiError) -> Vec<u8> {
        #[derive(Serialize)]
        struct Refusal<'a> {
            error: &'a ApiError,
            #[serde(flatten)]
            page: Option<Page>,
        }
        let page = matches!(self, ApiRequest::StreamInfo(_)).then(|| Page::of(0, 0));
        self.envelope(Refusal { error, page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: Vec<u8>) -> String {
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn answers_as_the_server_writes_them() {
        for (request, answer, body) in [
            (
                ApiRequest::StreamPurge("S"),
                ApiAnswer::Purged(2),
                r#"{"type":"io.nats.jetstream.api.v1.stream_purge_response","success":true,"purged":2}"#,
            ),
            (
                ApiRequest::ConsumerDelete("S", "C"),
                ApiAnswer::Success,
                r#"{"type":"io.nats.jetstream.api.v1.consumer_delete_response","success":true}"#,
            ),
            (
                ApiRequest::ConsumerNames("S"),
                ApiAnswer::ConsumerNames(vec!["C".into(), "E".into()]),
                r#"{"type":"io.nats.jetstream.api.v1.consumer_names_response","total":2,"offset":0,"limit":1024,"consumers":["C","E"]}"#,
            ),
        ] {
            assert_eq!(text(request.answer(&answer)), body);
        }
    }

    #[test]
    fn refusals_as_the_server_writes_them() {
        assert_eq!(
            text(ApiRequest::StreamInfo("S").refuse(&ApiError::stream_not_found())),
            r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","error":{"code":404,"err_code":10059,"description":"stream not found"},"total":0,"offset":0,"limit":0}"#
        );
        assert_eq!(
            text(ApiRequest::StreamDelete("S").refuse(&ApiError::stream_not_found())),
            r#"{"type":"io.nats.jetstream.api.v1.stream_delete_response","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#
        );
    }

    #[test]
    fn a_new_stream_as_the_server_tells_it() {
        let config = StreamConfig {
            name: "S".into(),
            subjects: vec!["s.>".into()],
            max_consumers: -1,
            max_msgs: -1,
            max_bytes: -1,
            max_msgs_per_subject: -1,
            max_msg_size: -1,
            num_replicas: 1,
            duplicate_window: crate::Duration::from_secs(120),
            allow_msg_ttl: Some(false),
            ..StreamConfig::default()
        };
        let at = WallTime::from_unix_nanos(0);
        let info = StreamInfo { config, created: at, state: StreamState::default(), ts: at };
        assert_eq!(
            text(ApiRequest::StreamCreate("S").answer(&ApiAnswer::Stream(Box::new(info), true))),
            r#"{"type":"io.nats.jetstream.api.v1.stream_create_response","config":{"name":"S","subjects":["s.\u003e"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"compression":"none","allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false},"created":"1970-01-01T00:00:00Z","state":{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"last_ts":"0001-01-01T00:00:00Z","consumer_count":0},"ts":"1970-01-01T00:00:00Z","did_create":true}"#
        );
    }
}
