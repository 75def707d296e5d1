//! The errors of `$JS.API` and of publishing, as values: code, err_code and text of `server/errors.json` (2.15).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// An error as the server answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}/{err_code} {description}")]
pub struct ApiError {
    /// As in HTTP.
    pub code: u16,
    /// The error's own number; 0 where this simulator refuses something the server would do.
    pub err_code: u16,
    /// The text.
    pub description: Cow<'static, str>,
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $name:ident = $code:literal / $err_code:literal $text:literal;)+) => {
        impl ApiError {
            $($(#[$doc])*
            pub const fn $name() -> ApiError {
                ApiError { code: $code, err_code: $err_code, description: Cow::Borrowed($text) }
            })+
        }
    };
}

fixed! {
    /// Malformed in a way that has no error of its own.
    bad_request = 400/10003 "bad request";
    /// The name is taken and its deliver subject in use.
    consumer_name_in_use = 400/10013 "consumer name already in use";
    /// No such consumer.
    consumer_not_found = 404/10014 "consumer not found";
    /// Two names for one durable.
    durable_name_mismatch = 400/10017 "consumer name in subject does not match durable name in request";
    /// A name that can not be a token of a subject.
    bad_durable_name = 400/10103 "durable name can not contain '.', '*', '>'";
    /// A durable create without a durable name.
    durable_name_missing = 400/10018 "consumer expected to be durable but a durable name was not set";
    /// An ephemeral create with a durable name.
    ephemeral_with_durable_name = 400/10020 "consumer expected to be ephemeral but a durable name was set in request";
    /// The stream has as many consumers as it may.
    maximum_consumers = 400/10026 "maximum consumers limit reached";
    /// No message there.
    no_message_found = 404/10037 "no message found";
    /// Larger than max_msg_size.
    message_too_large = 400/10054 "message size exceeds maximum allowed";
    /// Subject and body name two streams.
    stream_name_mismatch = 400/10056 "stream name in subject does not match request";
    /// The name is taken by a stream that is set up otherwise.
    stream_name_in_use = 400/10058 "stream name already in use with a different configuration";
    /// No such stream.
    stream_not_found = 404/10059 "stream not found";
    /// `Nats-Expected-Stream` names another stream.
    stream_not_match = 400/10060 "expected stream does not match";
    /// Two streams would store one message.
    subjects_overlap = 400/10065 "subjects overlap with an existing stream";
    /// A cluster is needed.
    replicas_not_supported = 500/10074 "replicas > 1 not supported in non-clustered mode";
    /// A deliver subject must be literal.
    deliver_to_wildcards = 400/10079 "consumer deliver subject has wildcards";
    /// max_waiting is for pull consumers.
    push_max_waiting = 400/10080 "consumer in push mode can not set max waiting";
    /// The stream would store its own deliveries.
    deliver_cycle = 400/10081 "consumer deliver subject forms a cycle";
    /// max_ack_pending without acknowledgements.
    max_ack_pending_without_acks = 400/10082 "consumer requires ack policy for max ack pending";
    /// A heartbeat below 100 ms.
    small_heartbeat = 400/10083 "consumer idle heartbeat needs to be >= 100ms";
    /// A rate limit is for push consumers.
    rate_limit_requires_push = 400/10086 "consumer in pull mode can not have rate limit set";
    /// max_waiting below zero (before 2.12).
    max_waiting_negative = 400/10087 "consumer max waiting needs to be positive";
    /// Heartbeats of a pull consumer belong to its pull requests.
    heartbeat_requires_push = 400/10088 "consumer idle heartbeat requires a push based consumer";
    /// Flow control is for push consumers.
    flow_control_requires_push = 400/10089 "consumer flow control requires a push based consumer";
    /// The server holds all it may.
    insufficient_resources = 503/10023 "insufficient resources";
    /// More memory is to be reserved than the server may use.
    memory_resources_exceeded = 500/10028 "insufficient memory resources available";
    /// More file storage is to be reserved than the server may use.
    storage_resources_exceeded = 500/10047 "insufficient storage resources available";
    /// Headers above 64 KiB.
    header_too_large = 400/10097 "header size exceeds maximum allowed of 64k";
    /// A work queue is read with explicit acknowledgements.
    work_queue_requires_explicit_ack = 400/10098 "workqueue stream requires explicit ack";
    /// An unfiltered consumer beside another one on a work queue.
    work_queue_multiple_unfiltered = 400/10099 "multiple non-filtered consumers not allowed on workqueue stream";
    /// Two consumers of a work queue would get one message.
    work_queue_consumer_not_unique = 400/10100 "filtered consumer not unique on workqueue stream";
    /// A work queue is read from its beginning.
    work_queue_not_deliver_all = 400/10101 "consumer must be deliver all on workqueue stream";
    /// Flow control without heartbeats.
    flow_control_needs_heartbeats = 400/10108 "consumer with flow control also needs heartbeats";
    /// The stream is sealed.
    stream_sealed = 400/10109 "invalid operation on sealed stream";
    /// A deliver subject that is no subject.
    invalid_deliver_subject = 400/10112 "invalid push consumer deliver subject";
    /// max_batch below zero (before 2.12).
    max_batch_negative = 400/10114 "consumer max request batch needs to be > 0";
    /// max_expires below 1 ms.
    max_expires_too_small = 400/10115 "consumer max request expires needs to be >= 1ms";
    /// More backoff steps than deliveries. The text says `>`, the server checks `>=`.
    max_deliver_backoff = 400/10116 "max deliver is required to be > length of backoff values";
    /// More copies than the stream has.
    replicas_exceed_stream = 400/10126 "consumer config replica count exceeds parent stream";
    /// A consumer name with a slash.
    consumer_name_path_separators = 400/10127 "Consumer name can not contain path separators";
    /// A stream name with a slash.
    stream_name_path_separators = 400/10128 "Stream name can not contain path separators";
    /// The filter in the subject is not the filter in the body.
    create_filter_mismatch = 400/10131 "Consumer create request did not match filtered subject from create subject";
    /// Two names.
    durable_and_name_mismatch = 400/10132 "Consumer Durable and Name have to be equal if both are provided";
    /// Copies below zero.
    replicas_negative = 400/10133 "replicas count cannot be negative";
    /// Two kinds of filters.
    duplicate_filters = 400/10136 "consumer cannot have both FilterSubject and FilterSubjects specified";
    /// A filter in the subject and several in the body.
    multiple_filters_in_subject = 400/10137 "consumer with multiple subject filters cannot use subject based API";
    /// One filter holds another.
    overlapping_filters = 400/10138 "consumer subject filters cannot overlap";
    /// An empty filter in a list.
    empty_filter = 400/10139 "consumer filter in FilterSubjects cannot be empty";
    /// `action: create` and the consumer differs.
    consumer_already_exists = 400/10148 "consumer already exists";
    /// `action: update` and there is none.
    consumer_does_not_exist = 400/10149 "consumer does not exist";
    /// A subject for an expected sequence, and no expected sequence.
    expected_subject_without_sequence = 400/10193 "missing sequence for expected last sequence per subject";
    /// A time to live that can not be read.
    message_ttl_invalid = 400/10165 "invalid per-message TTL";
    /// A message with a time to live in a stream that allows none.
    message_ttl_disabled = 400/10166 "per-message TTL is disabled";
    /// A priority policy without a group.
    priority_policy_without_group = 400/10159 "Setting PriorityPolicy requires at least one PriorityGroup to be set";
    /// A group that the consumer does not have.
    invalid_priority_group = 400/10160 "Provided priority group does not exist for this consumer";
    /// A group without a name.
    empty_group_name = 400/10161 "Group name cannot be an empty string";
    /// A group whose name is none.
    invalid_group_name = 400/10162 "Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters";
    /// Priority groups are for pull consumers.
    push_with_priority_group = 400/10178 "priority groups can not be used with push consumers";
    /// Groups without a policy.
    priority_group_with_policy_none = 400/10196 "consumer can not have priority groups when policy is none";
    /// A timeout without a policy.
    pinned_ttl_without_policy = 400/10197 "PinnedTTL cannot be set when PriorityPolicy is none";
    /// ack_wait below zero.
    ack_wait_negative = 400/10183 "consumer ack wait needs to be positive";
    /// A backoff step below zero.
    backoff_negative = 400/10184 "consumer backoff needs to be positive";
}

macro_rules! worded {
    ($($(#[$doc:meta])* $name:ident = $code:literal / $err_code:literal;)+) => {
        impl ApiError {
            $($(#[$doc])*
            pub fn $name(text: impl Into<Cow<'static, str>>) -> ApiError {
                ApiError { code: $code, err_code: $err_code, description: text.into() }
            })+
        }
    };
}

worded! {
    /// A consumer could not be created or updated, for the given reason.
    consumer_create = 500/10012;
    /// A stream's configuration is refused, for the given reason. The server uses it for consumers' names and filters too.
    stream_invalid_config = 500/10052;
    /// A message could not be deleted, for the given reason.
    message_delete_failed = 500/10057;
    /// A limit of the stream was reached, as the text says.
    stream_store_failed = 503/10077;
    /// A start position that does not go with the deliver policy.
    consumer_invalid_policy = 400/10094;
    /// A stream could not be purged, for the given reason.
    stream_purge_failed = 500/10110;
    /// A rollup was refused, for the given reason.
    stream_rollup_failed = 500/10111;
    /// A limit of the stream would be broken by existing consumers.
    stream_limits = 500/10069;
    /// An update of a stream was refused, for the given reason.
    stream_update = 500/10052;
}

impl ApiError {
    /// A body that is not JSON or not of the right shape. Servers before 2.11 do not say what is wrong with it.
    pub fn invalid_json(error: Option<&str>) -> ApiError {
        let description = error.map_or(Cow::Borrowed("invalid JSON"), |error| format!("invalid JSON: {error}").into());
        ApiError { code: 400, err_code: 10025, description }
    }

    /// Pulling from a work queue without acknowledgements. Servers before 2.11 say less.
    pub const fn pull_requires_ack(explicit: bool) -> ApiError {
        let description = if explicit {
            "consumer in pull mode requires explicit ack policy on workqueue stream"
        } else {
            "consumer in pull mode requires ack policy"
        };
        ApiError { code: 400, err_code: 10084, description: Cow::Borrowed(description) }
    }

    /// A message that is not there.
    pub fn sequence_not_found(seq: u64) -> ApiError {
        ApiError { code: 400, err_code: 10043, description: format!("sequence {seq} not found").into() }
    }

    /// `Nats-Expected-Last-Msg-Id` names another id than the stream's last.
    pub fn wrong_last_msg_id(id: &str) -> ApiError {
        ApiError { code: 400, err_code: 10070, description: format!("wrong last msg ID: {id}").into() }
    }

    /// An expected sequence is not the last one.
    pub fn wrong_last_sequence(seq: u64) -> ApiError {
        ApiError { code: 400, err_code: 10071, description: format!("wrong last sequence: {seq}").into() }
    }

    /// A sample frequency that is no number.
    pub fn invalid_sampling(error: &str) -> ApiError {
        ApiError { code: 400, err_code: 10095, description: format!("failed to parse consumer sampling configuration: {error}").into() }
    }

    /// A name above 255 bytes.
    pub fn consumer_name_too_long() -> ApiError {
        ApiError { code: 400, err_code: 10102, description: "consumer name is too long, maximum allowed is 255".into() }
    }

    /// A description above 4 KiB.
    pub fn description_too_long() -> ApiError {
        ApiError { code: 400, err_code: 10107, description: "consumer description is too long, maximum allowed is 4096".into() }
    }

    /// More unacknowledged messages than the stream lets its consumers have.
    pub fn max_ack_pending_exceeds(limit: i64) -> ApiError {
        ApiError { code: 400, err_code: 10121, description: format!("consumer max ack pending exceeds system limit of {limit}").into() }
    }

    /// A longer inactive threshold than the stream lets its consumers have.
    pub fn inactive_threshold_exceeds(limit: crate::Duration) -> ApiError {
        ApiError {
            code: 400,
            err_code: 10153,
            description: format!("consumer inactive threshold exceeds system limit of {}", limit.as_go()).into(),
        }
    }

    /// Something a real server does and this simulator does not.
    pub fn not_modelled(what: &str) -> ApiError {
        ApiError { code: 501, err_code: 0, description: format!("jetlag does not model {what}").into() }
    }
}
