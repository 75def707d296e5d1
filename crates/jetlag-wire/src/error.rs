//! What can be wrong with bytes that claim to be the NATS client protocol.

/// Bytes that are no frame, or a frame that can not be put into bytes.
///
/// After an error of a decoder the connection is of no more use: where the next frame begins is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A line that starts with no operation of this direction.
    #[error("{0:?} is no line of the NATS protocol; is the other side a NATS server?")]
    UnknownOperation(String),
    /// A control line without an end in sight.
    #[error("a control line is longer than {limit} bytes; it begins {start:?}")]
    LineTooLong {
        /// The limit, in bytes.
        limit: usize,
        /// The first bytes of the line.
        start: String,
    },
    /// An operation whose arguments do not fit.
    #[error("{operation} line can not be read: {line:?}")]
    Malformed {
        /// The operation, such as `MSG`.
        operation: &'static str,
        /// The line, shortened if long.
        line: String,
    },
    /// A JSON body that can not be read.
    #[error("{operation} holds JSON that can not be read: {reason}")]
    Json {
        /// `INFO` or `CONNECT`.
        operation: &'static str,
        /// What the JSON reader says.
        reason: String,
    },
    /// Headers and payload together are larger than allowed.
    #[error("a message of {size} bytes on {subject:?} is larger than the limit of {limit} bytes")]
    PayloadTooLarge {
        /// The subject of the message.
        subject: String,
        /// Bytes of headers and payload together.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// No line end where the payload should stop: the announced size is wrong.
    #[error("the payload of a message on {0:?} does not end where its size says")]
    PayloadEnd(String),
    /// HPUB from a client that did not say that it understands headers.
    #[error("HPUB from a client whose CONNECT does not say \"headers\":true")]
    HeadersNotAgreed,
    /// A client that says -ERR.
    #[error("the client says -ERR {0}")]
    ClientError(String),
    /// Names that are not UTF-8, which nats-server passes on and jetlag does not.
    #[error("{0:?} is not UTF-8; a real server takes it, jetlag takes subjects in UTF-8 alone")]
    NotText(String),
    /// Bytes announced as headers that are no header block.
    #[error("a message on {0:?} has headers that do not start with NATS/1.0 or do not end with an empty line")]
    Headers(String),
    /// A name that would break the line it is written into.
    #[error("{what} {text:?} can not be sent: it is empty or holds white space")]
    Unsendable {
        /// What the text was meant to be, such as `subject`.
        what: &'static str,
        /// The text.
        text: String,
    },
}

/// As much of a line as an error message should quote.
pub(crate) fn quote(line: &[u8]) -> String {
    const SHOWN: usize = 80;
    let start = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned();
    if line.len() > SHOWN { start + "..." } else { start }
}
