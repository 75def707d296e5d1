//! The words of NATS and JetStream as types: time, subjects, headers, messages, stream and consumer configurations, acknowledgements,
//! pull requests, API messages and advisories, with the server's exact JSON.
//!
//! This crate knows no behaviour: what a server does with these values is `jetlag-core`.

mod ack;
mod advisory;
mod answer;
mod api;
mod config;
mod direction;
mod error_table;
mod headers;
mod ids;
mod info;
mod json;
mod message;
mod pull;
mod seq_map;
mod seq_set;
mod subject;
mod text;
mod time;
mod version;

pub use ack::{AckKind, AckToken};
pub use advisory::Advisory;
pub use answer::{AccountInfo, ApiAnswer, ApiUsage};
pub use api::{
    ApiRequest, ConsumerAction, CreateConsumerRequest, LogMessage, MsgGetRequest, PubAck, PurgeRequest, StreamInfoRequest, UnpinRequest,
};
pub use config::{
    AckPolicy, Compression, ConsumerConfig, ConsumerLimits, DeliverPolicy, DiscardPolicy, PriorityPolicy, ReplayPolicy, RetentionPolicy,
    StorageType, StreamConfig,
};
pub use direction::Direction;
pub use error_table::ApiError;
pub use headers::{Headers, StatusLine};
pub use ids::{ConnId, ConsumerSeq, DeliveryCount, Sid, StreamSeq};
pub use info::{ConsumerInfo, PriorityGroupState, SequenceInfo, SequencePair, StreamInfo, StreamState};
pub use json::{DecodeError, Json};
pub use message::{Address, Message, Payload};
pub use pull::{PullRequest, PullRequestError, RequestPriority};
pub use seq_map::{SeqMap, Sequence};
pub use seq_set::SeqSet;
pub use subject::{Subject, SubjectError, filters_overlap, is_subset_of, is_valid_filter, is_valid_literal, matches};
pub use text::{Text, TextBuilder};
pub use time::{Duration, DurationError, Now, Time, WallTime};
pub use version::{ServerVersion, VersionError};
