//! What a server says, and how it is read.

use jetlag_model::{Address, Headers, Message, Sid};

use crate::error::quote;
use crate::{ServerInfo, WireError};

/// One operation of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// INFO: who the server is; first on every connection, and again when something changed.
    Info(Box<ServerInfo>),
    /// MSG or HMSG: a message for the subscription `sid`. Subjects are text here, those of acknowledgements too.
    Message {
        /// The number that the client gave its subscription.
        sid: Sid,
        /// The message.
        message: Message,
    },
    /// PING: are you there.
    Ping,
    /// PONG: I am.
    Pong,
    /// +OK, when the client is verbose.
    Ok,
    /// -ERR with its text, without the quotes; the server mostly closes the connection after it.
    Err(String),
}

/// What a control line is.
pub(crate) enum Line {
    /// A frame of its own.
    Whole(ServerFrame),
    /// The beginning of one: a body follows.
    Head(MessageHead),
}

/// A MSG or HMSG line whose payload is still to come.
#[derive(Clone, Debug)]
pub(crate) struct MessageHead {
    pub(crate) subject: String,
    sid: Sid,
    reply: Option<String>,
    /// Bytes of the header block; `None` for MSG.
    headers: Option<usize>,
    /// Bytes of headers and payload together.
    pub(crate) size: usize,
}

/// `max_control_line` binds clients. A server's own lines may be longer: INFO lists a whole cluster, and a MSG line is a PUB line of
/// full length and a sid.
pub(crate) const MAX_LINE: usize = 16 * crate::MAX_CONTROL_LINE;

/// Reads a control line, given without its line end.
pub(crate) fn read_line(line: &[u8]) -> Result<Line, WireError> {
    let unknown = || WireError::UnknownOperation(quote(line));
    let text = std::str::from_utf8(line).map_err(|_| unknown())?;
    let (operation, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    Ok(Line::Whole(match operation.to_ascii_uppercase().as_str() {
        "MSG" => return message_head("MSG", text, rest).map(Line::Head),
        "HMSG" => return message_head("HMSG", text, rest).map(Line::Head),
        "INFO" => {
            ServerFrame::Info(serde_json::from_str(rest).map_err(|error| WireError::Json { operation: "INFO", reason: error.to_string() })?)
        }
        "PING" => ServerFrame::Ping,
        "PONG" => ServerFrame::Pong,
        "+OK" => ServerFrame::Ok,
        "-ERR" => {
            let said = rest.trim();
            ServerFrame::Err(said.strip_prefix('\'').and_then(|said| said.strip_suffix('\'')).unwrap_or(said).to_owned())
        }
        _ => return Err(unknown()),
    }))
}

/// Puts head and body together.
pub(crate) fn complete(head: MessageHead, body: &[u8]) -> Result<ServerFrame, WireError> {
    let (headers, payload) = body.split_at(head.headers.unwrap_or(0));
    let headers = match head.headers {
        Some(_) => Some(Headers::from_block(headers).ok_or_else(|| WireError::Headers(head.subject.clone()))?),
        None => None,
    };
    let message = Message { subject: Address::from(head.subject), reply: head.reply.map(Address::from), headers, payload: payload.into() };
    Ok(ServerFrame::Message { sid: head.sid, message })
}

/// `MSG <subject> <sid> [reply] <size>` and `HMSG <subject> <sid> [reply] <header size> <size>`; `text` is the whole line, for the error.
fn message_head(operation: &'static str, text: &str, rest: &str) -> Result<MessageHead, WireError> {
    let words: Vec<&str> = rest.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let parsed = match (operation, words.as_slice()) {
        ("MSG", [subject, sid, size]) => head(subject, sid, None, None, size),
        ("MSG", [subject, sid, reply, size]) => head(subject, sid, Some(reply), None, size),
        ("HMSG", [subject, sid, headers, size]) => head(subject, sid, None, Some(headers), size),
        ("HMSG", [subject, sid, reply, headers, size]) => head(subject, sid, Some(reply), Some(headers), size),
        _ => None,
    };
    parsed.ok_or_else(|| WireError::Malformed { operation, line: quote(text.as_bytes()) })
}

fn head(subject: &str, sid: &str, reply: Option<&str>, headers: Option<&str>, size: &str) -> Option<MessageHead> {
    let size = usize::try_from(number(size)?).ok()?;
    let headers = match headers {
        Some(headers) => Some(usize::try_from(number(headers)?).ok().filter(|headers| *headers <= size)?),
        None => None,
    };
    Some(MessageHead { subject: subject.to_owned(), sid: Sid(number(sid)?), reply: reply.map(str::to_owned), headers, size })
}

/// Digits alone: `parse` would take a plus sign too.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
