//! The words of NATS and JetStream as types: time, subjects, headers, messages, stream and consumer configurations, acknowledgements,
//! pull requests, API messages and advisories, with the server's exact JSON.
//!
//! This crate knows no behaviour: what a server does with these values is `jetlag-core`.

mod ack;
mod headers;
mod ids;
mod message;
mod subject;
mod time;
mod version;

pub use ack::{AckKind, AckToken};
pub use headers::{Headers, StatusLine};
pub use ids::{ConnId, ConsumerSeq, DeliveryCount, Sid, StreamSeq};
pub use message::{Address, Message, Payload};

pub use subject::{Subject, SubjectError, filters_overlap, is_subset_of, is_valid_filter, is_valid_literal, matches};
pub use time::{Duration, DurationError, Now, Time, WallTime};
pub use version::{ServerVersion, VersionError};
