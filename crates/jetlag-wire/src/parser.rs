//! How a server reads what a client says, after `server/parser.go` of nats-server: a wrong operation is noticed at its first wrong byte, a line
//! ends at its line feed, and a carriage return anywhere in it stands for the one before the end. Where that server's reading depends on
//! how the bytes were cut, this is what it makes of bytes that arrive together.

use jetlag_model::{Address, Headers, Message, is_valid_literal};

use crate::error::quote;
use crate::{ConnectOptions, Limits, WireError};

/// What a client says, as far as it can be told without knowing what it said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// CONNECT with its JSON, unread.
    Connect(Vec<u8>),
    /// The head of a publish whose subject a pedantic client is told about. The message follows.
    InvalidPublishSubject,
    Publish(Message),
    Subscribe {
        subject: String,
        queue: Option<String>,
        sid: String,
    },
    /// `max` is `None` for one that ends at once.
    Unsubscribe {
        sid: String,
        max: Option<u64>,
    },
    Ping,
    Pong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Connect,
    Info,
    Pub,
    Hpub,
    Sub,
    Unsub,
    Ping,
    Pong,
    Ok,
    Err,
}

impl Operation {
    /// No name begins another.
    const NAMES: [(&'static [u8], Operation); 10] = [
        (b"PUB", Operation::Pub),
        (b"HPUB", Operation::Hpub),
        (b"SUB", Operation::Sub),
        (b"UNSUB", Operation::Unsub),
        (b"PING", Operation::Ping),
        (b"PONG", Operation::Pong),
        (b"CONNECT", Operation::Connect),
        (b"INFO", Operation::Info),
        (b"+OK", Operation::Ok),
        (b"-ERR", Operation::Err),
    ];

    /// Whether the rest of the line means something.
    fn has_arguments(self) -> bool {
        !matches!(self, Operation::Ping | Operation::Pong | Operation::Ok)
    }

    /// Whether a blank has to follow the name.
    fn needs_blank(self) -> bool {
        self.has_arguments() && !matches!(self, Operation::Connect | Operation::Info)
    }
}

#[derive(Debug)]
enum State {
    /// Before an operation, or within its name.
    Start,
    /// Within a line whose rest means nothing.
    Rest(Operation),
    /// After the name, before the first byte of the arguments.
    Blanks(Operation),
    /// Within the arguments. The first `scanned` bytes hold no end; `returned` says whether they hold a carriage return.
    Arguments { operation: Operation, scanned: usize, returned: bool },
    /// Within a message.
    Payload(Head),
}

/// A message whose bytes are still to come.
#[derive(Debug)]
struct Head {
    subject: String,
    reply: Option<String>,
    /// Bytes of the header block.
    headers: usize,
    /// Bytes of headers and payload together.
    size: usize,
}

/// Turns bytes into what a client says. It holds no more than one unfinished operation and what was last fed.
#[derive(Debug)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that are used up.
    used: usize,
    state: State,
    max_control_line: usize,
    max_payload: usize,
}

/// What a step came to.
enum Step {
    /// The state changed.
    On,
    /// More bytes are needed.
    Wait,
    Said(Said),
}

impl Parser {
    pub(crate) fn new(limits: &Limits) -> Parser {
        Parser {
            buffer: Vec::new(),
            used: 0,
            state: State::Start,
            max_control_line: limits.max_control_line,
            max_payload: limits.max_payload,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Lets go of what was not read, which nobody will.
    pub(crate) fn clear(&mut self) {
        self.buffer = Vec::new();
        self.used = 0;
        self.state = State::Start;
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len() - self.used
    }

    /// The first byte of the next operation, if it is there and unread.
    pub(crate) fn first_byte(&self) -> Option<u8> {
        if matches!(self.state, State::Start) { self.rest().first().copied() } else { None }
    }

    /// What the client says next, being one that presented itself with `options`; `None` if more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no protocol. Where the next operation begins is unknown then; nothing more is to be read.
    pub(crate) fn poll(&mut self, options: &ConnectOptions) -> Result<Option<Said>, WireError> {
        loop {
            let step = match &self.state {
                State::Start => self.name(),
                State::Rest(operation) => Ok(self.rest_of_line(*operation)),
                State::Blanks(operation) => Ok(self.blanks(*operation)),
                State::Arguments { operation, scanned, returned } => self.arguments(*operation, *scanned, *returned, options),
                State::Payload(_) => self.payload(),
            };
            match step? {
                Step::On => {}
                Step::Wait => return Ok(None),
                Step::Said(said) => return Ok(Some(said)),
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.used..]
    }

    fn name(&mut self) -> Result<Step, WireError> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(Step::Wait);
        }
        let unknown = |bytes: &[u8]| WireError::UnknownOperation(quote(bytes));
        let begins = |name: &[u8], bytes: &[u8]| {
            let shown = name.len().min(bytes.len());
            name[..shown].eq_ignore_ascii_case(&bytes[..shown])
        };
        let Some((name, operation)) = Operation::NAMES.iter().copied().find(|(name, _)| begins(name, rest)) else {
            // Up to the first wrong byte, so that what is said does not hang on how the bytes were cut.
            let right = |count: &usize| Operation::NAMES.iter().any(|(name, _)| begins(name, &rest[..*count]));
            let count = (1..rest.len()).take_while(right).count();
            return Err(unknown(&rest[..=count]));
        };
        let Some(after) = rest.get(name.len()..) else { return Ok(Step::Wait) };
        if operation.needs_blank() {
            match after.first() {
                None => return Ok(Step::Wait),
                Some(b' ' | b'\t') => {}
                Some(_) => return Err(unknown(&rest[..=name.len()])),
            }
        }
        self.used += name.len();
        self.state = if operation.has_arguments() { State::Blanks(operation) } else { State::Rest(operation) };
        Ok(Step::On)
    }

    fn rest_of_line(&mut self, operation: Operation) -> Step {
        let Some(end) = self.rest().iter().position(|byte| *byte == b'\n') else {
            self.used = self.buffer.len();
            return Step::Wait;
        };
        self.used += end + 1;
        self.state = State::Start;
        match operation {
            Operation::Ping => Step::Said(Said::Ping),
            Operation::Pong => Step::Said(Said::Pong),
            _ => Step::On,
        }
    }

    fn blanks(&mut self, operation: Operation) -> Step {
        let blanks = self.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.used += blanks;
        if self.rest().is_empty() {
            return Step::Wait;
        }
        // The first byte belongs to the arguments whatever it is, be it a line end.
        self.state = State::Arguments { operation, scanned: 1, returned: false };
        Step::On
    }

    fn arguments(&mut self, operation: Operation, scanned: usize, returned: bool, options: &ConnectOptions) -> Result<Step, WireError> {
        let rest = self.rest();
        let end = rest[scanned..].iter().position(|byte| *byte == b'\n').map(|at| scanned + at);
        let line = &rest[..end.unwrap_or(rest.len())];
        let returned = returned || line[scanned..].contains(&b'\r');
        let arguments = &line[..line.len() - usize::from(returned)];
        if arguments.len() > self.max_control_line {
            let start = quote(&arguments[..60.min(self.max_control_line)]);
            return Err(WireError::LineTooLong { limit: self.max_control_line, start });
        }
        let Some(end) = end else {
            self.state = State::Arguments { operation, scanned: rest.len(), returned };
            return Ok(Step::Wait);
        };
        let (step, state) = match read(operation, arguments, options, self.max_payload)? {
            Read::Whole(said) => (said.map_or(Step::On, Step::Said), State::Start),
            Read::Head(head) => {
                let invalid = options.pedantic && !is_valid_literal(&head.subject);
                (if invalid { Step::Said(Said::InvalidPublishSubject) } else { Step::On }, State::Payload(head))
            }
        };
        self.used += end + 1;
        self.state = state;
        Ok(step)
    }

    fn payload(&mut self) -> Result<Step, WireError> {
        let State::Payload(head) = &self.state else { return Ok(Step::On) };
        let rest = &self.buffer[self.used..];
        // The first byte after the payload is enough to see that the size is wrong; the second may be a piece away.
        let ending = rest.get(head.size..).unwrap_or_default();
        if !b"\r\n".starts_with(&ending[..ending.len().min(2)]) {
            return Err(WireError::PayloadEnd(head.subject.clone()));
        }
        if ending.len() < 2 {
            return Ok(Step::Wait);
        }
        let (headers, payload) = rest[..head.size].split_at(head.headers);
        let message = Message {
            subject: Address::from(head.subject.as_str()),
            reply: head.reply.as_deref().map(Address::from),
            headers: (!headers.is_empty()).then(|| Headers::from_bytes(headers)),
            payload: payload.into(),
        };
        self.used += head.size + 2;
        self.state = State::Start;
        Ok(Step::Said(Said::Publish(message)))
    }
}

/// What a line with arguments comes to.
enum Read {
    Whole(Option<Said>),
    Head(Head),
}

fn read(operation: Operation, arguments: &[u8], options: &ConnectOptions, max_payload: usize) -> Result<Read, WireError> {
    let malformed = |operation: &'static str| WireError::Malformed { operation, line: quote(arguments) };
    // Subjects that are not UTF-8 are the one thing that a real server takes and this one does not.
    let text = || std::str::from_utf8(arguments).map_err(|_| WireError::NotText(quote(arguments)));
    Ok(Read::Whole(match operation {
        Operation::Connect => Some(Said::Connect(arguments.to_vec())),
        Operation::Info => {
            let info = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(arguments);
            info.map_err(|error| WireError::Json { operation: "INFO", reason: error.to_string() })?;
            None
        }
        Operation::Err => return Err(WireError::ClientError(quote(arguments))),
        Operation::Pub => {
            let words = words(text()?, &[' ', '\t']);
            return head(&words, max_payload)?.map(Read::Head).ok_or_else(|| malformed("PUB"));
        }
        Operation::Hpub => {
            if !options.headers {
                return Err(WireError::HeadersNotAgreed);
            }
            let mut words = words(text()?, &[' ', '\t']);
            if words.len() < 3 {
                return Err(malformed("HPUB"));
            }
            let headers = size(words.remove(words.len() - 2)).ok_or_else(|| malformed("HPUB"))?;
            // What is too large is told only if it is well formed.
            if words.last().and_then(|word| size(word)).is_some_and(|size| headers > size) {
                return Err(malformed("HPUB"));
            }
            let head = head(&words, max_payload)?.ok_or_else(|| malformed("HPUB"))?;
            return Ok(Read::Head(Head { headers, ..head }));
        }
        Operation::Sub => match words(text()?, &[' ', '\t', '\r', '\n']).as_slice() {
            [subject, sid] => Some(Said::Subscribe { subject: (*subject).to_owned(), queue: None, sid: (*sid).to_owned() }),
            [subject, queue, sid] => {
                Some(Said::Subscribe { subject: (*subject).to_owned(), queue: Some((*queue).to_owned()), sid: (*sid).to_owned() })
            }
            _ => return Err(malformed("SUB")),
        },
        Operation::Unsub => match words(text()?, &[' ', '\t', '\r', '\n']).as_slice() {
            [sid] => Some(Said::Unsubscribe { sid: (*sid).to_owned(), max: None }),
            // What is no number, or none above zero, is as if it were left out.
            [sid, max] => Some(Said::Unsubscribe { sid: (*sid).to_owned(), max: size(max).filter(|max| *max > 0).map(|max| max as u64) }),
            _ => return Err(malformed("UNSUB")),
        },
        Operation::Ping | Operation::Pong | Operation::Ok => None,
    }))
}

fn words<'a>(text: &'a str, blanks: &[char]) -> Vec<&'a str> {
    text.split(blanks).filter(|word| !word.is_empty()).collect()
}

/// The head that `subject [reply] size` makes; `None` if it is malformed.
fn head(words: &[&str], max_payload: usize) -> Result<Option<Head>, WireError> {
    let (subject, reply, count) = match words {
        [subject, count] => (subject, None, count),
        [subject, reply, count] => (subject, Some((*reply).to_owned()), count),
        _ => return Ok(None),
    };
    let Some(size) = size(count) else { return Ok(None) };
    if size > max_payload {
        return Err(WireError::PayloadTooLarge { subject: (*subject).to_owned(), size, limit: max_payload });
    }
    Ok(Some(Head { subject: (*subject).to_owned(), reply, headers: 0, size }))
}

/// At most nine digits, as the server counts.
fn size(text: &str) -> Option<usize> {
    (text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}
