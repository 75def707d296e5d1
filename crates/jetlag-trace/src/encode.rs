//! The digest of a trace, and the bytes it is made of.
//!
//! A trace's bytes are the schema name `jetlag-trace/1` (14 bytes, no length before it), then each record in order. Numbers are
//! little-endian. `text8` is one byte for the length and that many bytes; `text32` is four bytes for the length and that many bytes.
//!
//! | part | bytes |
//! |---|---|
//! | `n` | u64 |
//! | `at` | u64, nanoseconds since the start of the run |
//! | place | u8: 0 script, 1 client, 2 link up, 3 link down, 4 server; after 1, 2 and 3 the client's name as text32 |
//! | kind | its public name as text8 |
//! | cause | u8: 0 none; or 1 and u64 |
//! | rule | u8: 0 none; or 1 and text32 |
//! | fields | u8, their number; then for each the key's public name as text8 and the value |
//! | value | u8 for its type, then: 0 u64; 1 i64; 2 u8 that is 0 or 1; 3 text32; 4 text32 (bytes); 5 i64 nanoseconds; 6 two u64 |
//!
//! Kinds and keys stand by name, so that a new one does not move the digest of a trace that does not use it. The digest is xxh3
//! of 128 bits with seed 0 over these bytes. It depends on nothing else: neither on process, architecture nor optimisation level.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use crate::{Direction, Place, Record, SCHEMA, Value};

/// What identifies a trace: equal traces have equal digests, and a single changed byte or nanosecond changes it. Shown as 32 hex
/// digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The digest so far.
#[derive(Clone)]
pub(crate) struct Hasher {
    state: Xxh3,
    /// Reused for the bytes of one record.
    buffer: Vec<u8>,
}

impl Hasher {
    pub(crate) fn new() -> Hasher {
        let mut state = Xxh3::new();
        state.update(SCHEMA.as_bytes());
        Hasher { state, buffer: Vec::new() }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        self.buffer.clear();
        encode(record, &mut self.buffer);
        self.state.update(&self.buffer);
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest(self.state.digest128())
    }
}

/// Appends the bytes of one record, as the module's table says.
fn encode(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(&record.n.to_le_bytes());
    out.extend_from_slice(&record.at.as_nanos().to_le_bytes());
    out.push(match &record.place {
        Place::Script => 0,
        Place::Client(_) => 1,
        Place::Link { direction: Direction::Up, .. } => 2,
        Place::Link { direction: Direction::Down, .. } => 3,
        Place::Server => 4,
    });
    if let Some(client) = record.place.actor() {
        text32(client.as_bytes(), out);
    }
    text8(record.kind.name(), out);
    match record.cause {
        None => out.push(0),
        Some(cause) => {
            out.push(1);
            out.extend_from_slice(&cause.to_le_bytes());
        }
    }
    match &record.rule {
        None => out.push(0),
        Some(rule) => {
            out.push(1);
            text32(rule.as_bytes(), out);
        }
    }
    // There are fewer than 256 keys, and a record holds each at most once.
    out.push(record.fields.len() as u8);
    for (key, value) in record.fields.iter() {
        text8(key.name(), out);
        encode_value(value, out);
    }
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Uint(value) => {
            out.push(0);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Int(value) => {
            out.push(1);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Flag(value) => out.extend_from_slice(&[2, u8::from(*value)]),
        Value::Text(value) => {
            out.push(3);
            text32(value.as_bytes(), out);
        }
        Value::Bytes(value) => {
            out.push(4);
            text32(value, out);
        }
        Value::Duration(value) => {
            out.push(5);
            out.extend_from_slice(&value.as_nanos().to_le_bytes());
        }
        Value::Pair(first, second) => {
            out.push(6);
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&second.to_le_bytes());
        }
    }
}

/// A public name: shorter than 256 bytes, because all of them are written in this crate.
fn text8(text: &str, out: &mut Vec<u8>) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// Text or bytes of any length; only the low 32 bits of a length count, and all bytes are there.
fn text32(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}
