//! A trace as JSON lines: a header, then one object a record.
//!
//! The header is `{"schema":"jetlag-trace/1","records":N,"digest":"…"}` and whatever else the writer was told. A record's keys stand
//! in this order: `n`, `at` (nanoseconds since the start), `place` (`script`, `client`, `link-up`, `link-down`, `server`), `client`,
//! `kind`, `cause`, `rule`, then the fields by their public names. What is absent is left out. Durations are integers, in
//! nanoseconds; pairs are arrays of two numbers; bytes are a string, or `{"base64":"…"}` when they are not UTF-8.

use std::io;

use crate::{Direction, Place, Record, Trace, Value};

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

/// Base64 of RFC 4648 with padding.
fn push_base64(out: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let [first, second, third] = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let group = u32::from_be_bytes([0, first, second, third]);
        for digit in 0..4 {
            let sextet = (group >> (18 - 6 * digit)) & 63;
            out.push(if digit > chunk.len() { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
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
        }
        let mut out = String::new();
        push_base64(&mut out, &[0xff, 0xfe, 0xfb]);
        assert_eq!(out, "//77");
    }
}
