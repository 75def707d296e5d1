//! What can go wrong in a test that is the test's own mistake.

use std::fmt;

use jetlag_fault::RuleError;
use jetlag_model::{Duration, DurationError, SubjectError, Text};
use jetlag_sim::WorldError;

/// Why a simulation could not do what it was asked. The text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is no length of time.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// A length of time below zero where time is to pass.
    #[error("time can not run backwards, and {0} lies in the past; write 0s or more")]
    Negative(Duration),
    /// A text that names no consumer.
    #[error("{0:?} does not name a consumer; write the names of stream and consumer, as in ORDERS/WORK, without dots, wildcards or spaces")]
    ConsumerPath(String),
    /// A text that names no stream.
    #[error("{0:?} does not name a stream; write a name such as ORDERS, without dots, wildcards, slashes or spaces")]
    StreamName(String),
    /// A configuration with another name than the one that was given beside it.
    #[error("consumer {path} has the name {name:?} in its configuration; leave the name out there")]
    TwoNames {
        /// The consumer's path.
        path: String,
        /// The name in the configuration.
        name: String,
    },
    /// A stream that is not there.
    #[error("there is no stream {stream}; {}", Known { what: "stream", names: known, create: "`stream`" })]
    UnknownStream {
        /// The name that was asked for.
        stream: String,
        /// The streams there are.
        known: Vec<String>,
    },
    /// A consumer that is not there.
    #[error("stream {stream} has no consumer {consumer}; {}", Known { what: "consumer", names: known, create: "`consumer`" })]
    UnknownConsumer {
        /// The stream, which is there.
        stream: String,
        /// The name that was asked for.
        consumer: String,
        /// The stream's consumers.
        known: Vec<String>,
    },
    /// A worker for a consumer that can not be pulled from.
    #[error(
        "{path} is a push consumer, and workers pull; subscribe to {deliver_subject} with `client` instead, or leave out deliver_subject"
    )]
    PushConsumer {
        /// The consumer's path.
        path: String,
        /// Where it sends.
        deliver_subject: String,
    },
    /// A publish to a subject that no stream takes.
    #[error("no stream takes {0}; create one with `stream`, or correct the subject")]
    NoStream(String),
    /// A publish that the server refused, in the server's words.
    #[error("the server refused to store {subject}: {description} ({err_code})")]
    PublishRefused {
        /// Where it was published.
        subject: String,
        /// The JetStream error code.
        err_code: u64,
        /// The text.
        description: String,
    },
    /// A publish that failed on the client's side.
    #[error("{subject} was not sent: {description}; where that is what is tested, publish with `client`")]
    NotSent {
        /// Where it was to be published.
        subject: String,
        /// The text of the failure.
        description: String,
    },
    /// A publish that nothing came back from at once.
    #[error("no pub ack for {0} came at once; where a fault or a server that is down is what is tested, publish with `client`")]
    NoPubAck(String),
    /// An API request that the server refused, in the server's words.
    #[error("the server refused {subject}: {description} ({code}/{err_code})")]
    Refused {
        /// The request.
        subject: Text,
        /// The status code.
        code: u64,
        /// The JetStream error code.
        err_code: u64,
        /// The text.
        description: String,
    },
    /// A fault that makes no sense, or is not there.
    #[error(transparent)]
    Fault(#[from] RuleError),
    /// A text that is no subject.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// Faults that never acted: the run was not the one that its author had in mind.
    #[error("nothing ever met the fault {}; correct what it matches or when it acts, or leave it out", .0.join(", "))]
    FaultUnused(Vec<String>),
    /// A server that can not be started, or can not do what it was asked.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Server(jetlag_server::ServerError),
    /// A request that the server refused, in the server's words.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Api(#[from] jetlag_model::ApiError),
    /// An answer of the server that can not be read.
    #[cfg(feature = "server")]
    #[error("an answer of the server can not be read: {0}")]
    Answer(serde_json::Error),
    /// A message came again where none was to.
    #[cfg(feature = "server")]
    #[error("message {stream_seq} came to {path} again at {at}, the delivery of count {delivery_count}, and was not to")]
    Redelivered {
        /// The consumer's path.
        path: String,
        /// The message's place in the stream.
        stream_seq: u64,
        /// Which attempt it was.
        delivery_count: u64,
        /// When, on the server's clock.
        at: jetlag_model::Time,
    },
    /// Anything else that a world can not do.
    #[error(transparent)]
    World(WorldError),
}

impl From<WorldError> for Error {
    fn from(error: WorldError) -> Error {
        match error {
            WorldError::Rule(error) => Error::Fault(error),
            WorldError::Refused { subject, code, err_code, description } => Error::Refused { subject, code, err_code, description },
            error => Error::World(error),
        }
    }
}

#[cfg(feature = "server")]
impl From<jetlag_server::ServerError> for Error {
    fn from(error: jetlag_server::ServerError) -> Error {
        match error {
            jetlag_server::ServerError::Rule(error) => Error::Fault(error),
            error => Error::Server(error),
        }
    }
}

/// What is there instead of what was asked for.
struct Known<'a> {
    what: &'a str,
    names: &'a [String],
    create: &'a str,
}

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Known { what, names, create } = self;
        match names {
            [] => write!(f, "there is no {what} at all yet, create it first with {create}"),
            names => write!(f, "there is {}; correct the name, or create it first with {create}", names.join(", ")),
        }
    }
}
