//! What a running server keeps of what happened: everything, the latest records, or nothing.
//!
//! What real clients make up anew in each run (inboxes, the names of ephemeral consumers) is replaced by its order of appearance, and
//! header fields are sorted, so that the same run has the same trace.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jetlag_trace::{Fields, Key, Record, Trace, Value};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing is recorded.
    Nothing,
    /// The latest so many records.
    Latest(usize),
    /// Everything.
    All,
}

/// The records of one namespace.
pub(crate) struct Ledger {
    keep: Keep,
    trace: Trace,
    latest: VecDeque<Record>,
    next: u64,
    aliases: Aliases,
}

impl Ledger {
    pub(crate) fn new(keep: Keep) -> Ledger {
        Ledger { keep, trace: Trace::new(), latest: VecDeque::new(), next: 0, aliases: Aliases::default() }
    }

    /// Whether anything is kept.
    pub(crate) fn is_on(&self) -> bool {
        self.keep != Keep::Nothing
    }

    /// Adds a record that `cause` led to; it is made only if it is kept. Returns its number.
    pub(crate) fn push_with(&mut self, cause: Option<u64>, record: impl FnOnce() -> Record) -> Option<u64> {
        if self.keep == Keep::Nothing {
            return None;
        }
        let mut record = self.aliases.apply(record());
        record.cause = record.cause.or(cause);
        let n = self.next;
        self.next += 1;
        match self.keep {
            Keep::Nothing => {}
            Keep::All => {
                self.trace.push(record);
            }
            Keep::Latest(count) => {
                record.n = n;
                self.latest.push_back(record);
                while self.latest.len() > count {
                    self.latest.pop_front();
                }
            }
        }
        Some(n)
    }

    /// The whole trace, if everything is kept.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        (self.keep == Keep::All).then_some(&self.trace)
    }

    /// The latest records, at most `count`.
    pub(crate) fn latest(&self, count: usize) -> Vec<&Record> {
        match self.keep {
            Keep::Nothing => Vec::new(),
            Keep::Latest(_) => self.latest.iter().skip(self.latest.len().saturating_sub(count)).collect(),
            Keep::All => {
                let records = self.trace.records();
                records[records.len().saturating_sub(count)..].iter().collect()
            }
        }
    }

    /// How many records were written in all.
    pub(crate) fn len(&self) -> u64 {
        self.next
    }
}

/// Names that clients draw at random, in order of appearance.
#[derive(Debug, Default)]
struct Aliases {
    known: BTreeMap<String, usize>,
}

/// The length of the ids that NATS libraries draw: 22 digits of base 62.
const NUID: usize = 22;

impl Aliases {
    fn apply(&mut self, mut record: Record) -> Record {
        let fields: Vec<(Key, Value)> = record.fields.iter().map(|(key, value)| (key, self.value(key, value))).collect();
        let mut aliased = Fields::new();
        for (key, value) in fields {
            aliased.set(key, value);
        }
        record.fields = aliased;
        record
    }

    fn value(&mut self, key: Key, value: &Value) -> Value {
        match value {
            Value::Text(text) => match self.text(text) {
                Some(aliased) => Value::from(aliased),
                None => value.clone(),
            },
            Value::Bytes(bytes) if key == Key::Headers => Value::Bytes(sorted_headers(bytes)),
            other => other.clone(),
        }
    }

    /// The text with each random id replaced; `None` if there is none.
    fn text(&mut self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let mut out = String::new();
        let (mut at, mut copied, mut found) = (0, 0, false);
        while at < bytes.len() {
            if !bytes[at].is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let word = &text[at..end];
            // A token of an inbox is random whatever its length.
            let in_inbox = text[..at].rsplit([' ', '"']).next().is_some_and(|before| before.starts_with("_INBOX."));
            if in_inbox || is_nuid(word) {
                out.push_str(&text[copied..at]);
                let next = self.known.len() + 1;
                let number = *self.known.entry(word.to_owned()).or_insert(next);
                out.push_str(&format!("id{number}"));
                copied = end;
                found = true;
            }
            at = end;
        }
        out.push_str(&text[copied..]);
        found.then_some(out)
    }
}

/// Whether a word looks drawn: of the right length, with digits and letters of both cases or with many digits.
fn is_nuid(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    word.len() == NUID && has(u8::is_ascii_uppercase) && (has(u8::is_ascii_lowercase) || has(u8::is_ascii_digit))
}

/// A header block with its fields in alphabetical order.
fn sorted_headers(bytes: &[u8]) -> Arc<[u8]> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.into() };
    let mut lines: Vec<&str> = text.split("\r\n").collect();
    let Some(end) = lines.iter().position(|line| line.is_empty()) else { return bytes.into() };
    if end > 1 {
        lines[1..end].sort_unstable();
    }
    lines.join("\r\n").into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_numbered_as_they_appear() {
        let mut aliases = Aliases::default();
        for (text, aliased) in [
            ("_INBOX.LNm9XyaXfTF7SLfyz0bUbi.LNm9XyaXfTF7SLfyz0bUcc", Some("_INBOX.id1.id2")),
            ("_INBOX.LNm9XyaXfTF7SLfyz0bUbi.7", Some("_INBOX.id1.id3")),
            ("orders.created", None),
            ("$JS.API.CONSUMER.CREATE.S.LNm9XyaXfTF7SLfyz0bUcc", Some("$JS.API.CONSUMER.CREATE.S.id2")),
            ("averylongwordof22lettr", None),
        ] {
            assert_eq!(aliases.text(text).as_deref(), aliased, "{text}");
        }
    }

    #[test]
    fn headers_are_sorted() {
        assert_eq!(&*sorted_headers(b"NATS/1.0\r\nb: 1\r\na: 2\r\n\r\n"), b"NATS/1.0\r\na: 2\r\nb: 1\r\n\r\n");
    }
}
