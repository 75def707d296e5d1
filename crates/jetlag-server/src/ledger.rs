//! What a running server keeps of what happened: everything, the latest records, or nothing; and what it makes of it beside that, a file and
//! counters.
//!
//! What real clients make up anew in each run (inboxes, the names of ephemeral consumers) is replaced by its order of appearance, and
//! header fields are sorted, so that the same run has the same trace.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jetlag_metrics::Metrics;
use jetlag_trace::{Key, Record, Trace, TraceWriter, Value};

use crate::error::ServerError;

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
    file: Option<TraceFile>,
    metrics: Option<Metrics>,
}

impl Ledger {
    pub(crate) fn new(keep: Keep) -> Ledger {
        let (latest, aliases) = (VecDeque::new(), Aliases::default());
        Ledger { keep, trace: Trace::new(), latest, next: 0, aliases, file: None, metrics: None }
    }

    /// The same, which counts what happens.
    pub(crate) fn counting(self) -> Ledger {
        Ledger { metrics: Some(Metrics::new()), ..self }
    }

    /// The same, which writes what happens to a file.
    pub(crate) fn writing(self, file: TraceFile) -> Ledger {
        Ledger { file: Some(file), ..self }
    }

    /// Whether anybody wants to know what happens.
    pub(crate) fn is_on(&self) -> bool {
        self.keep != Keep::Nothing || self.file.is_some() || self.metrics.is_some()
    }

    /// What was counted, if that is done.
    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.metrics.as_ref()
    }

    /// What happened so far is in the file, if there is one.
    pub(crate) fn flush(&mut self) -> Result<(), ServerError> {
        match &mut self.file {
            Some(file) if file.is_behind => {
                file.is_behind = false;
                file.settle(TraceWriter::flush)
            }
            _ => Ok(()),
        }
    }

    /// The file, if there is one, is a whole trace.
    pub(crate) fn finish(&mut self) -> Result<(), ServerError> {
        self.file.as_mut().map_or(Ok(()), |file| file.settle(TraceWriter::finish))
    }

    /// Adds a record that `cause` led to; it is made only if it is kept. Returns its number.
    pub(crate) fn push_with(&mut self, cause: Option<u64>, record: impl FnOnce() -> Record) -> Option<u64> {
        if !self.is_on() {
            return None;
        }
        let mut record = self.aliases.apply(record());
        record.cause = record.cause.or(cause);
        let n = self.next;
        record.n = n;
        self.next += 1;
        if let Some(metrics) = &mut self.metrics {
            metrics.add(&record);
        }
        if let Some(file) = &mut self.file {
            file.push(&record);
        }
        match self.keep {
            Keep::Nothing => {}
            Keep::All => {
                self.trace.push(record);
            }
            Keep::Latest(count) => {
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

/// A file that gets all records.
pub(crate) struct TraceFile {
    path: PathBuf,
    writer: TraceWriter<BufWriter<File>>,
    /// Why it could not be written: told when it is to be whole.
    failure: Option<io::Error>,
    is_behind: bool,
}

impl TraceFile {
    /// Begins the file; what was in it is gone.
    pub(crate) fn create(path: PathBuf) -> Result<TraceFile, ServerError> {
        match File::create(&path).and_then(|file| TraceWriter::new(BufWriter::new(file))) {
            Ok(writer) => Ok(TraceFile { path, writer, failure: None, is_behind: true }),
            Err(source) => Err(ServerError::Trace { path, source }),
        }
    }

    fn push(&mut self, record: &Record) {
        if self.failure.is_none() {
            self.failure = self.writer.push(record).err();
        }
        self.is_behind = true;
    }

    fn settle(&mut self, how: impl FnOnce(&mut TraceWriter<BufWriter<File>>) -> io::Result<()>) -> Result<(), ServerError> {
        let settled = self.failure.take().map_or_else(|| how(&mut self.writer), Err);
        settled.map_err(|source| ServerError::Trace { path: self.path.clone(), source })
    }
}

/// The trace file of a namespace: `path`, with the namespace's name before the extension.
pub(crate) fn trace_path(path: &Path, namespace: &str) -> PathBuf {
    if namespace.is_empty() {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{}", crate::store::plain(namespace)));
    if let Some(extension) = path.extension() {
        name.push(OsString::from_iter([".".as_ref(), extension]));
    }
    path.with_file_name(name)
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
        // Most records have nothing to change.
        let changed: Vec<(Key, Value)> = record.fields.iter().filter_map(|(key, value)| Some((key, self.value(key, value)?))).collect();
        for (key, value) in changed {
            record.fields.set(key, value);
        }
        record
    }

    /// The value as it is kept, if that is another one.
    fn value(&mut self, key: Key, value: &Value) -> Option<Value> {
        match value {
            Value::Text(text) => self.text(text).map(Value::from),
            Value::Bytes(bytes) if key == Key::Headers => Some(Value::Bytes(sorted_headers(bytes))),
            _ => None,
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
        if !found {
            return None;
        }
        out.push_str(&text[copied..]);
        Some(out)
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
    fn every_namespace_has_a_trace_of_its_own() {
        for (path, namespace, of) in
            [("a/trace.jsonl", "", "a/trace.jsonl"), ("a/trace.jsonl", "w1", "a/trace.w1.jsonl"), ("trace", "../b", "trace._2e_2e_2fb")]
        {
            assert_eq!(trace_path(Path::new(path), namespace), Path::new(of));
        }
    }

    #[test]
    fn headers_are_sorted() {
        assert_eq!(&*sorted_headers(b"NATS/1.0\r\nb: 1\r\na: 2\r\n\r\n"), b"NATS/1.0\r\na: 2\r\nb: 1\r\n\r\n");
    }
}
