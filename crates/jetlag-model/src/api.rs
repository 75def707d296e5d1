//! `$JS.API`: which request a subject is, request bodies, and pub acks. Answers are in `answer`.

use serde::{Deserialize, Serialize};

use crate::json::{is_default, to_vec};
use crate::{ApiError, ConsumerConfig, DecodeError, Headers, Json, StreamSeq, Text, WallTime};

/// What every API subject starts with.
const PREFIX: &str = "$JS.API.";

/// A request, by its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiRequest<'a> {
    /// `INFO`: the account.
    AccountInfo,
    /// `STREAM.CREATE.<stream>`.
    StreamCreate(&'a str),
    /// `STREAM.UPDATE.<stream>`.
    StreamUpdate(&'a str),
    /// `STREAM.INFO.<stream>`.
    StreamInfo(&'a str),
    /// `STREAM.DELETE.<stream>`.
    StreamDelete(&'a str),
    /// `STREAM.PURGE.<stream>`.
    StreamPurge(&'a str),
    /// `STREAM.NAMES`.
    StreamNames,
    /// `STREAM.LIST`.
    StreamList,
    /// `STREAM.MSG.GET.<stream>`.
    MsgGet(&'a str),
    /// `STREAM.MSG.DELETE.<stream>`.
    MsgDelete(&'a str),
    /// `DIRECT.GET.<stream>[.<subject>]`: the message itself is the answer.
    DirectGet(&'a str, Option<&'a str>),
    /// `CONSUMER.CREATE.<stream>[.<consumer>[.<filter>]]`, and the older `CONSUMER.DURABLE.CREATE.<stream>.<consumer>`.
    ConsumerCreate {
        /// The stream.
        stream: &'a str,
        /// The consumer; absent in the oldest form.
        consumer: Option<&'a str>,
        /// The filter in the subject.
        filter: Option<&'a str>,
        /// Whether this is the older durable form.
        durable: bool,
    },
    /// `CONSUMER.INFO.<stream>.<consumer>`.
    ConsumerInfo(&'a str, &'a str),
    /// `CONSUMER.DELETE.<stream>.<consumer>`.
    ConsumerDelete(&'a str, &'a str),
    /// `CONSUMER.UNPIN.<stream>.<consumer>`.
    ConsumerUnpin(&'a str, &'a str),
    /// `CONSUMER.NAMES.<stream>`.
    ConsumerNames(&'a str),
    /// `CONSUMER.LIST.<stream>`.
    ConsumerList(&'a str),
    /// `CONSUMER.MSG.NEXT.<stream>.<consumer>`.
    MsgNext(&'a str, &'a str),
    /// Any other subject under `$JS.API.`: the server takes it and never answers.
    Unknown,
}

impl<'a> ApiRequest<'a> {
    /// Reads a subject. `None` if it is not under `$JS.API.`.
    pub fn parse(subject: &'a str) -> Option<ApiRequest<'a>> {
        let rest = subject.strip_prefix(PREFIX)?;
        let tokens: Vec<&str> = rest.split('.').collect();
        Some(match *tokens.as_slice() {
            ["INFO"] => ApiRequest::AccountInfo,
            ["STREAM", "NAMES"] => ApiRequest::StreamNames,
            ["STREAM", "LIST"] => ApiRequest::StreamList,
            ["STREAM", "CREATE", stream] => ApiRequest::StreamCreate(stream),
            ["STREAM", "UPDATE", stream] => ApiRequest::StreamUpdate(stream),
            ["STREAM", "INFO", stream] => ApiRequest::StreamInfo(stream),
            ["STREAM", "DELETE", stream] => ApiRequest::StreamDelete(stream),
            ["STREAM", "PURGE", stream] => ApiRequest::StreamPurge(stream),
            ["STREAM", "MSG", "GET", stream] => ApiRequest::MsgGet(stream),
            ["STREAM", "MSG", "DELETE", stream] => ApiRequest::MsgDelete(stream),
            ["DIRECT", "GET", stream] => ApiRequest::DirectGet(stream, None),
            ["DIRECT", "GET", stream, ..] => ApiRequest::DirectGet(stream, Some(&rest["DIRECT.GET.".len() + stream.len() + 1..])),
            ["CONSUMER", "CREATE", stream] => ApiRequest::ConsumerCreate { stream, consumer: None, filter: None, durable: false },
            ["CONSUMER", "DURABLE", "CREATE", stream, consumer] => {
                ApiRequest::ConsumerCreate { stream, consumer: Some(consumer), filter: None, durable: true }
            }
            ["CONSUMER", "CREATE", stream, consumer] => {
                ApiRequest::ConsumerCreate { stream, consumer: Some(consumer), filter: None, durable: false }
            }
            ["CONSUMER", "CREATE", stream, consumer, ..] => {
                let filter = &rest["CONSUMER.CREATE.".len() + stream.len() + consumer.len() + 2..];
                ApiRequest::ConsumerCreate { stream, consumer: Some(consumer), filter: Some(filter), durable: false }
            }
            ["CONSUMER", "INFO", stream, consumer] => ApiRequest::ConsumerInfo(stream, consumer),
            ["CONSUMER", "DELETE", stream, consumer] => ApiRequest::ConsumerDelete(stream, consumer),
            ["CONSUMER", "UNPIN", stream, consumer] => ApiRequest::ConsumerUnpin(stream, consumer),
            ["CONSUMER", "NAMES", stream] => ApiRequest::ConsumerNames(stream),
            ["CONSUMER", "LIST", stream] => ApiRequest::ConsumerList(stream),
            ["CONSUMER", "MSG", "NEXT", stream, consumer] => ApiRequest::MsgNext(stream, consumer),
            _ => ApiRequest::Unknown,
        })
    }

    /// The answer's `type`, after `io.nats.jetstream.api.v1.`. Empty where there is no JSON answer.
    pub fn response_type(&self) -> &'static str {
        match self {
            ApiRequest::AccountInfo => "account_info_response",
            ApiRequest::StreamCreate(_) => "stream_create_response",
            ApiRequest::StreamUpdate(_) => "stream_update_response",
            ApiRequest::StreamInfo(_) => "stream_info_response",
            ApiRequest::StreamDelete(_) => "stream_delete_response",
            ApiRequest::StreamPurge(_) => "stream_purge_response",
            ApiRequest::StreamNames => "stream_names_response",
            ApiRequest::StreamList => "stream_list_response",
            ApiRequest::MsgGet(_) => "stream_msg_get_response",
            ApiRequest::MsgDelete(_) => "stream_msg_delete_response",
            ApiRequest::ConsumerCreate { .. } => "consumer_create_response",
            ApiRequest::ConsumerInfo(..) => "consumer_info_response",
            ApiRequest::ConsumerDelete(..) => "consumer_delete_response",
            ApiRequest::ConsumerUnpin(..) => "consumer_unpin_response",
            ApiRequest::ConsumerNames(_) => "consumer_names_response",
            ApiRequest::ConsumerList(_) => "consumer_list_response",
            ApiRequest::MsgNext(..) | ApiRequest::DirectGet(..) | ApiRequest::Unknown => "",
        }
    }
}

/// What a consumer request may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsumerAction {
    /// Create it or update it.
    #[default]
    #[serde(rename = "")]
    CreateOrUpdate,
    /// Create it; the same again is no error.
    Create,
    /// Update it.
    Update,
}

/// The body of a consumer create request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreateConsumerRequest {
    /// The stream, again.
    pub stream_name: String,
    /// The configuration.
    pub config: ConsumerConfig,
    /// What may be done.
    #[serde(skip_serializing_if = "is_default")]
    pub action: ConsumerAction,
}

impl CreateConsumerRequest {
    /// Reads a body. With `strict`, fields the server does not know are errors, in `config` too.
    pub fn decode(body: &[u8], strict: bool) -> Result<CreateConsumerRequest, DecodeError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Outer {
            stream_name: String,
            config: Option<serde_json::Value>,
            action: String,
        }
        impl Json for Outer {
            const FIELDS: &'static [&'static str] = &["stream_name", "config", "action"];
            const NOT_MODELLED: &'static [&'static str] = &["pedantic"];
        }
        let outer = Outer::decode(body, strict)?;
        let action = match outer.action.as_str() {
            "" => ConsumerAction::CreateOrUpdate,
            "create" => ConsumerAction::Create,
            "update" => ConsumerAction::Update,
            other => return Err(DecodeError::Invalid(format!("unknown consumer action: {other:?}"))),
        };
        let config = outer.config.map_or_else(|| Ok(ConsumerConfig::default()), |config| ConsumerConfig::decode_value(config, strict))?;
        Ok(CreateConsumerRequest { stream_name: outer.stream_name, config, action })
    }
}

/// The body of a stream info request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamInfoRequest {
    /// Whether deleted sequences are listed; not modelled.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted_details: bool,
    /// Which subjects are counted; not modelled.
    #[serde(skip_serializing_if = "is_default")]
    pub subjects_filter: String,
}

impl Json for StreamInfoRequest {
    const FIELDS: &'static [&'static str] = &["offset"];
    const NOT_MODELLED: &'static [&'static str] = &["deleted_details", "subjects_filter"];
}

/// The body of an unpin request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnpinRequest {
    /// The priority group.
    pub group: String,
}

impl Json for UnpinRequest {
    const FIELDS: &'static [&'static str] = &["group"];
}

/// The body of a purge request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PurgeRequest {
    /// Only messages whose subject matches.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: String,
    /// Only messages below this sequence.
    #[serde(skip_serializing_if = "is_default")]
    pub seq: u64,
    /// All but this many.
    #[serde(skip_serializing_if = "is_default")]
    pub keep: u64,
}

impl Json for PurgeRequest {
    const FIELDS: &'static [&'static str] = &["filter", "seq", "keep"];
}

/// The body of a message get or delete request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MsgGetRequest {
    /// The message at this sequence, or with `next_by_subj` the first one from there.
    #[serde(skip_serializing_if = "is_default")]
    pub seq: u64,
    /// The last message of this subject.
    #[serde(skip_serializing_if = "is_default")]
    pub last_by_subj: String,
    /// The next message of this subject.
    #[serde(skip_serializing_if = "is_default")]
    pub next_by_subj: String,
    /// For delete: leave the bytes in place; without effect here.
    #[serde(skip_serializing_if = "is_default")]
    pub no_erase: bool,
}

impl Json for MsgGetRequest {
    const FIELDS: &'static [&'static str] = &["seq", "last_by_subj", "next_by_subj", "no_erase"];
    const NOT_MODELLED: &'static [&'static str] = &["start_time", "no_hdr", "batch", "max_bytes", "multi_last", "up_to_seq", "up_to_time"];
}

/// A stored message as `STREAM.MSG.GET` answers it; headers and payload in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMessage {
    /// Its subject.
    pub subject: String,
    /// Its place.
    pub seq: StreamSeq,
    /// Its header block.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hdrs: String,
    /// Its payload.
    #[serde(default, skip_serializing_if = "is_default")]
    pub data: String,
    /// When it was stored.
    pub time: WallTime,
}

impl LogMessage {
    /// A message as it is stored.
    pub fn new(subject: &str, seq: StreamSeq, headers: Option<&Headers>, payload: &[u8], time: WallTime) -> LogMessage {
        let hdrs = headers.map_or_else(String::new, |headers| base64(headers.as_bytes()));
        LogMessage { subject: subject.to_owned(), seq, hdrs, data: base64(payload), time }
    }
}

/// Base64 with padding, as Go writes bytes in JSON.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let padding = digit > chunk.len();
            text.push(if padding { '=' } else { char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]) });
        }
    }
    text
}

/// The answer to a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PubAck {
    /// What went wrong, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// The stream.
    pub stream: Text,
    /// The message's place; 0 if it was not stored.
    pub seq: StreamSeq,
    /// Whether the message id was known, so that nothing was stored.
    #[serde(default)]
    pub duplicate: bool,
}

impl PubAck {
    /// Reads the answer to a message that was stored, as the server writes it: stream, sequence, and whether it was a duplicate. `None` for
    /// anything that is written in another way, whatever it says.
    pub fn read_stored(body: &[u8]) -> Option<(&str, StreamSeq, bool)> {
        let rest = body.strip_prefix(b"{\"stream\":\"")?;
        let (stream, rest) = rest.split_at(rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?);
        let rest = rest.strip_prefix(b"\",")?;
        let rest = rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"\"seq\":")?;
        let (digits, rest) = rest.split_at(rest.iter().position(|byte| !byte.is_ascii_digit())?);
        let duplicate = match rest {
            b"}" => false,
            b",\"duplicate\": true}" => true,
            _ => return None,
        };
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with(b"0")) {
            return None;
        }
        let add = |seq: u64, digit: &u8| seq.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        let seq = digits.iter().try_fold(0, add)?;
        Some((std::str::from_utf8(stream).ok()?, StreamSeq(seq), duplicate))
    }

    /// The answer's JSON as the server writes it, with a space before `seq` if it is `spaced`, as up to 2.11.
    pub fn body(&self, spaced: bool) -> Vec<u8> {
        let mut number = itoa::Buffer::new();
        let seq = number.format(self.seq.0).as_bytes();
        let mut body = Vec::with_capacity(64 + self.stream.len());
        let mut push = |part: &[u8]| body.extend_from_slice(part);
        push(b"{");
        if let Some(error) = &self.error {
            push(b"\"error\":");
            push(&to_vec(error));
            push(b",");
        }
        push(b"\"stream\":");
        if self.stream.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            // Nearly every name is written as it is.
            push(b"\"");
            push(self.stream.as_bytes());
            push(b"\"");
        } else {
            push(&to_vec(&self.stream));
        }
        push(if spaced && self.error.is_none() { b", \"seq\":" } else { b",\"seq\":" });
        push(seq);
        if self.duplicate && self.error.is_none() {
            push(b",\"duplicate\": true");
        }
        push(b"}");
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects() {
        let create = |consumer, filter, durable| ApiRequest::ConsumerCreate { stream: "S", consumer, filter, durable };
        for (subject, request) in [
            ("orders.1", None),
            ("$JS.API.INFO", Some(ApiRequest::AccountInfo)),
            ("$JS.API.STREAM.CREATE.S", Some(ApiRequest::StreamCreate("S"))),
            ("$JS.API.STREAM.CREATE.S.x", Some(ApiRequest::Unknown)),
            ("$JS.API.DIRECT.GET.S", Some(ApiRequest::DirectGet("S", None))),
            ("$JS.API.DIRECT.GET.S.a.b", Some(ApiRequest::DirectGet("S", Some("a.b")))),
            ("$JS.API.CONSUMER.CREATE.S", Some(create(None, None, false))),
            ("$JS.API.CONSUMER.CREATE.S.C", Some(create(Some("C"), None, false))),
            ("$JS.API.CONSUMER.CREATE.S.C.a.b.>", Some(create(Some("C"), Some("a.b.>"), false))),
            ("$JS.API.CONSUMER.DURABLE.CREATE.S.C", Some(create(Some("C"), None, true))),
            ("$JS.API.CONSUMER.MSG.NEXT.S.C", Some(ApiRequest::MsgNext("S", "C"))),
            ("$JS.API.FOO", Some(ApiRequest::Unknown)),
        ] {
            assert_eq!(ApiRequest::parse(subject), request, "{subject}");
        }
    }

    #[test]
    fn pub_acks_as_the_server_writes_them() {
        let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
        let ack = |error, seq, duplicate| text(PubAck { error, stream: "S".into(), seq: StreamSeq(seq), duplicate }.body(false));
        for (body, read) in [
            (ack(None, 7, false), Some(("S", StreamSeq(7), false))),
            (ack(None, 7, true), Some(("S", StreamSeq(7), true))),
            ("{\"stream\":\"S\", \"seq\":10}".to_owned(), Some(("S", StreamSeq(10), false))),
            (ack(Some(ApiError::stream_sealed()), 0, false), None),
            ("{\"stream\":\"a\\\"b\",\"seq\":1}".to_owned(), None),
            ("{\"stream\":\"S\",\"seq\":01}".to_owned(), None),
            ("{\"stream\":\"S\",\"seq\":1,\"domain\":\"d\"}".to_owned(), None),
        ] {
            assert_eq!(PubAck::read_stored(body.as_bytes()), read, "{body}");
        }
        assert_eq!(ack(None, 2, false), r#"{"stream":"S","seq":2}"#);
        assert_eq!(ack(None, 2, true), r#"{"stream":"S","seq":2,"duplicate": true}"#);
        assert_eq!(
            ack(Some(ApiError::wrong_last_sequence(2)), 0, false),
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 2"},"stream":"S","seq":0}"#
        );
    }

    #[test]
    fn bytes_in_base64() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("\u{7ff}>", "378+")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn unknown_fields_are_errors_when_strict() {
        let body = br#"{"stream_name":"S","config":{"ack_wait":1,"bogus":2}}"#;
        assert_eq!(CreateConsumerRequest::decode(body, true), Err(DecodeError::UnknownField("bogus".into())));
        assert_eq!(CreateConsumerRequest::decode(body, false).unwrap().config.ack_wait.as_nanos(), 1);
        let body = br#"{"config":{"pause_until":"2026-01-01T00:00:00Z"}}"#;
        assert_eq!(CreateConsumerRequest::decode(body, true), Err(DecodeError::NotModelled("pause_until")));
        assert_eq!(CreateConsumerRequest::decode(br#"{"config":{"priority_policy":"none"}}"#, true), Ok(CreateConsumerRequest::default()));
        assert!(CreateConsumerRequest::decode(b"{", true).is_err());
        assert!(CreateConsumerRequest::decode(br#"{"action":"zzz"}"#, true).is_err());
    }
}
