//! `$JS.API.DIRECT.GET`: a stored message as the answer, with its place in headers. Rules of `processDirectGetRequest`,
//! `processDirectGetLastBySubjectRequest` and `getDirectRequest` (`server/stream.go`, 2.15).

use jetlag_model::{DecodeError, Headers, Json, MsgGetRequest, Now, StreamSeq};

use crate::core::Core;
use crate::rules::{Rule, Rules};
use crate::stream::LogEntry;

/// Why there is no message: code and text of a status.
type Refusal = (u16, &'static str);

impl Core {
    /// Answers with a message of a stream that allows it. Where the stream does not, or there is none, nobody listens.
    pub(super) fn direct_get(&mut self, now: Now, stream: &str, subject: Option<&str>, reply: Option<&str>, body: &[u8]) -> bool {
        let Some(stream) = self.streams.get(stream).filter(|stream| stream.config.allow_direct) else { return false };
        let Some(reply) = reply else { return true };
        let found = read(subject, body, self.rules).and_then(|wanted| {
            let log = &stream.log;
            let entry = if wanted.seq > 0 && wanted.next_by_subj.is_empty() {
                log.entry(StreamSeq(wanted.seq))
            } else if !wanted.next_by_subj.is_empty() {
                log.next_matching(std::slice::from_ref(&wanted.next_by_subj), StreamSeq(wanted.seq))
            } else {
                log.last_told(&wanted.last_by_subj, self.rules).and_then(|seq| log.entry(seq))
            };
            entry.ok_or((404, "Message Not Found"))
        });
        match found {
            Ok(entry) => {
                let (headers, payload) = (placed(&stream.name, entry), entry.payload.clone());
                self.context(now).send(reply, Some(headers), &payload);
            }
            Err((code, text)) => self.context(now).send_status(reply, Headers::from_status(code, text)),
        }
        true
    }
}

/// What is asked for, by the subject or by the body.
fn read(subject: Option<&str>, body: &[u8], rules: Rules) -> Result<MsgGetRequest, Refusal> {
    if let Some(subject) = subject {
        let options = options(body)?;
        let otherwise = (!body.is_empty() && !rules.has(Rule::DirectGetReadsOptions))
            || options.seq > 0
            || !options.last_by_subj.is_empty()
            || !options.next_by_subj.is_empty();
        return if otherwise { Err((408, "Bad Request")) } else { Ok(MsgGetRequest { last_by_subj: subject.to_owned(), ..options }) };
    }
    if body.is_empty() {
        return Err((408, "Empty Request"));
    }
    let wanted = options(body)?;
    if wanted.seq == 0 && wanted.last_by_subj.is_empty() && wanted.next_by_subj.is_empty() {
        return Err((408, "Empty Request"));
    }
    let contradictory = !wanted.last_by_subj.is_empty() && (wanted.seq > 0 || !wanted.next_by_subj.is_empty());
    if contradictory { Err((408, "Bad Request")) } else { Ok(wanted) }
}

fn options(body: &[u8]) -> Result<MsgGetRequest, Refusal> {
    MsgGetRequest::decode(body, false).map_err(|error| match error {
        DecodeError::NotModelled(_) => (501, "jetlag does not model batches of direct gets"),
        DecodeError::Invalid(_) | DecodeError::UnknownField(_) => (408, "Malformed Request"),
    })
}

/// The message's own headers, and behind them where it was.
fn placed(stream: &str, entry: &LogEntry) -> Headers {
    let own = entry.headers.clone().unwrap_or_else(|| Headers::from_fields::<&str, &str>([]));
    own.with("Nats-Stream", stream)
        .with("Nats-Subject", &entry.subject)
        .with("Nats-Sequence", &entry.seq.to_string())
        .with("Nats-Time-Stamp", &entry.time.to_string())
}
