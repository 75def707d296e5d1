//! A trace as JSON lines: a header, then one object a record.
//!
//! The header is `{"schema":"jetlag-trace/1","records":N,"digest":"…"}` and whatever else the writer was told. A record's keys stand
//! in this order: `n`, `at` (nanoseconds since the start), `place` (`script`, `client`, `link-up`, `link-down`, `server`), `client`,
//! `kind`, `cause`, `rule`, then the fields by their public names. What is absent is left out. Durations are integers, in
//! nanoseconds; pairs are arrays of two numbers; bytes are a string, or `{"base64":"…"}` when they are not UTF-8.

use std::collections::BTreeMap;
use std::io;

use jetlag_model::{Duration, Text, Time};
use serde_json::Value as Json;

use crate::{Direction, Key, Kind, Place, Record, Trace, Value};

/// The name and version of the trace's schema: of records, their JSON and their digest.
pub const SCHEMA: &str = "jetlag-trace/1";

impl Trace {
    /// Writes the trace as JSON lines. `about` are further keys and texts for the header, such as title and seed.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_jsonl(&self, out: &mut dyn io::Write, about: &[(&str, &str)]) -> io::Result<()> {
        let mut header = format!("{{\"schema\":\"{SCHEMA}\",\"records\":{},\"digest\":\"{}\"", self.records().len(), self.digest());
        for (key, text) in about {
            push_key(&mut header, key);
            push_string(&mut header, text);
        }
        header.push('}');
        writeln!(out, "{header}")?;
        self.records().iter().try_for_each(|record| writeln!(out, "{}", json_line(record)))
    }
}

/// Why a text is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not of a {SCHEMA} trace: {reason}")]
pub struct ReadError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads what [`Trace::write_jsonl`] wrote: the trace, and what else the header says, by its keys.
///
/// # Errors
/// When a line is not of this schema, when lines are missing, or when the records do not give the digest that the header names: then somebody
/// changed one.
///
/// ```
/// use jetlag_model::Time;
/// use jetlag_trace::{Kind, Place, Record, Trace, read_jsonl};
///
/// let mut trace = Trace::new();
/// trace.push(Record::new(Time::START, Place::Script, Kind::Ok));
/// let mut text = Vec::new();
/// trace.write_jsonl(&mut text, &[("title", "one record")]).unwrap();
/// let (read, about) = read_jsonl(std::str::from_utf8(&text).unwrap()).unwrap();
/// assert_eq!((read, about["title"].as_str()), (trace, "one record"));
/// ```
pub fn read_jsonl(text: &str) -> Result<(Trace, BTreeMap<String, String>), ReadError> {
    let mut lines = text.lines();
    let wrong = |line, reason: &str| ReadError { line, reason: reason.to_owned() };
    let header: BTreeMap<String, Json> = lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    if header.get("schema").and_then(Json::as_str) != Some(SCHEMA) {
        return Err(wrong(1, "it is no header with that schema"));
    }
    let mut trace = Trace::new();
    for (index, line) in lines.enumerate() {
        let record = record(line, index as u64).map_err(|reason| wrong(index + 2, &reason))?;
        trace.push(record);
    }
    let count = trace.records().len();
    if header.get("records").and_then(Json::as_u64) != Some(count as u64) {
        return Err(wrong(1, &format!("there are {count} records, which is not what it says")));
    }
    if header.get("digest").and_then(Json::as_str) != Some(&trace.digest().to_string()) {
        return Err(wrong(1, &format!("the records have the digest {}, which is not what it says", trace.digest())));
    }
    let about = header.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())));
    Ok((trace, about.filter(|(key, _)| !["schema", "digest"].contains(&key.as_str())).collect()))
}

/// The record of a line.
fn record(line: &str, n: u64) -> Result<Record, String> {
    let mut object: BTreeMap<String, Json> = serde_json::from_str(line).map_err(|_| "it is no JSON object".to_owned())?;
    let mut take = |key: &str| object.remove(key);
    if take("n").and_then(|n| n.as_u64()) != Some(n) {
        return Err(format!("its number is not {n}"));
    }
    let at = take("at").and_then(|at| at.as_u64()).ok_or("it has no time")?;
    let client = take("client").and_then(|client| client.as_str().map(Text::from));
    let place = match (take("place").as_ref().and_then(Json::as_str), client) {
        (Some("script"), None) => Place::Script,
        (Some("server"), None) => Place::Server,
        (Some("client"), Some(client)) => Place::Client(client),
        (Some("link-up"), Some(client)) => Place::Link { client, direction: Direction::Up },
        (Some("link-down"), Some(client)) => Place::Link { client, direction: Direction::Down },
        _ => return Err("it has no place".to_owned()),
    };
    let kind = take("kind").as_ref().and_then(Json::as_str).and_then(Kind::from_name).ok_or("nobody knows its kind")?;
    let mut record = Record::new(Time::from_nanos(at), place, kind);
    record.cause = take("cause").and_then(|cause| cause.as_u64());
    if record.cause.is_some_and(|cause| cause >= n) {
        return Err("its cause comes after it".to_owned());
    }
    record.rule = take("rule").as_ref().and_then(Json::as_str).map(Text::from);
    for (name, json) in object {
        let key = Key::from_name(&name).ok_or_else(|| format!("nobody knows its key {name:?}"))?;
        record.fields.set(key, value(kind, key, &json).ok_or_else(|| format!("its {name} holds something else than such a field does"))?);
    }
    Ok(record)
}

/// The value of a field. What JSON does not tell apart, the key does, and once the kind.
fn value(kind: Kind, key: Key, json: &Json) -> Option<Value> {
    // A pull request may ask for, and miss, fewer than none.
    let is_int = key == Key::Batch || (kind, key) == (Kind::PullEnded, Key::PendingMessages);
    let is_bytes = matches!(key, Key::Payload | Key::Headers);
    let is_duration =
        matches!(key, Key::Expires | Key::IdleHeartbeat | Key::PauseRemaining | Key::Delay | Key::For | Key::Downtime | Key::Due);
    Some(match json {
        Json::Bool(flag) => Value::Flag(*flag),
        Json::String(text) if is_bytes => Value::Bytes(text.as_bytes().into()),
        Json::String(text) => Value::Text(text.as_str().into()),
        Json::Number(number) if is_duration => Value::Duration(Duration::from_nanos(number.as_i64()?)),
        Json::Number(number) if is_int => Value::Int(number.as_i64()?),
        Json::Number(number) => number.as_u64().map(Value::Uint).or_else(|| number.as_i64().map(Value::Int))?,
        Json::Array(pair) => match pair.as_slice() {
            [first, second] => Value::Pair(first.as_u64()?, second.as_u64()?),
            _ => return None,
        },
        Json::Object(bytes) => Value::Bytes(from_base64(bytes.get("base64")?.as_str()?)?.as_slice().into()),
        Json::Null => return None,
    })
}

/// One record as a JSON object on one line.
pub fn json_line(record: &Record) -> String {
    let place = match &record.place {
        Place::Script => "script",
        Place::Client(_) => "client",
        Place::Link { direction: Direction::Up, .. } => "link-up",
        Place::Link { direction: Direction::Down, .. } => "link-down",
        Place::Server => "server",
    };
    let mut out = format!("{{\"n\":{},\"at\":{},\"place\":\"{place}\"", record.n, record.at.as_nanos());
    if let Some(client) = record.place.actor() {
        push_key(&mut out, "client");
        push_string(&mut out, client);
    }
    push_key(&mut out, "kind");
    push_string(&mut out, record.kind.name());
    if let Some(cause) = record.cause {
        push_key(&mut out, "cause");
        out.push_str(&cause.to_string());
    }
    if let Some(rule) = &record.rule {
        push_key(&mut out, "rule");
        push_string(&mut out, rule);
    }
    for (key, value) in record.fields.iter() {
        push_key(&mut out, key.name());
        push_value(&mut out, value);
    }
    out.push('}');
    out
}

fn push_key(out: &mut String, key: &str) {
    out.push(',');
    push_string(out, key);
    out.push(':');
}

fn push_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Uint(value) => out.push_str(&value.to_string()),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Flag(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Text(value) => push_string(out, value),
        Value::Bytes(value) => match std::str::from_utf8(value) {
            Ok(text) => push_string(out, text),
            Err(_) => {
                out.push_str("{\"base64\":\"");
                push_base64(out, value);
                out.push_str("\"}");
            }
        },
        Value::Duration(value) => out.push_str(&value.as_nanos().to_string()),
        Value::Pair(first, second) => out.push_str(&format!("[{first},{second}]")),
    }
}

/// The digits of base64.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of RFC 4648 with padding.
fn push_base64(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let [first, second, third] = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let group = u32::from_be_bytes([0, first, second, third]);
        for digit in 0..4 {
            let sextet = (group >> (18 - 6 * digit)) & 63;
            out.push(if digit > chunk.len() { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
}

/// The bytes of base64 with padding; `None` if it is none.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len());
    for chunk in digits.chunks(4) {
        let sextet = |byte: &u8| ALPHABET.iter().position(|digit| digit == byte);
        let group = chunk.iter().try_fold(0, |group, byte| Some(group << 6 | sextet(byte)?))? << (6 * (4 - chunk.len()));
        let [_, .., first, second, third] = group.to_be_bytes();
        bytes.extend(&[first, second, third][..chunk.len() - 1]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (text, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")] {
            let mut out = String::new();
            push_base64(&mut out, text.as_bytes());
            assert_eq!(out, expected, "{text}");
            assert_eq!(from_base64(expected).as_deref(), Some(text.as_bytes()), "{text}");
        }
        let mut out = String::new();
        push_base64(&mut out, &[0xff, 0xfe, 0xfb]);
        assert_eq!(out, "//77");
        assert_eq!(from_base64("//77").as_deref(), Some(&[0xff, 0xfe, 0xfb][..]));
        assert_eq!(from_base64("a-b="), None);
    }

    #[test]
    fn what_is_no_trace_is_told_with_its_line() {
        let mut trace = Trace::new();
        for payload in [&b"a"[..], b"\xff"] {
            trace.push(
                Record::new(Time::from_nanos(5), Place::client("c"), Kind::Message).with(Key::Payload, payload).with(Key::Subject, "s"),
            );
        }
        let mut text = Vec::new();
        trace.write_jsonl(&mut text, &[]).expect("a vector takes everything");
        let text = String::from_utf8(text).expect("JSON is text");
        assert_eq!(read_jsonl(&text).map(|(read, _)| read), Ok(trace));
        let lines: Vec<&str> = text.lines().collect();
        for (text, complaint) in [
            (String::new(), "line 1 is not of a jetlag-trace/1 trace: it is no header with that schema"),
            (text.replace("trace/1", "trace/2"), "line 1 is not of a jetlag-trace/1 trace: it is no header with that schema"),
            (lines[..2].join("\n"), "line 1 is not of a jetlag-trace/1 trace: there are 1 records, which is not what it says"),
            (text.replace("\"at\":5", "\"at\":6"), "which is not what it says"),
            (text.replace("\"n\":1", "\"n\":2"), "line 3 is not of a jetlag-trace/1 trace: its number is not 1"),
            (
                text.replace("\"kind\":\"message\"", "\"kind\":\"massage\""),
                "line 2 is not of a jetlag-trace/1 trace: nobody knows its kind",
            ),
            (text.replace("\"subject\"", "\"object\""), "nobody knows its key \"object\""),
            (text.replace("\"s\"", "null"), "its subject holds something else"),
            (text.replace("\"client\":\"c\",", ""), "it has no place"),
            (format!("{text}\n"), "line 4 is not of a jetlag-trace/1 trace: it is no JSON object"),
        ] {
            let error = read_jsonl(&text).expect_err(complaint).to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
