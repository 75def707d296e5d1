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

use crate::names::Encoded;
use crate::{Direction, Key, Place, Record, SCHEMA, Value};

/// What identifies a trace: equal traces have equal digests, and a single changed byte or nanosecond changes it. Shown as 32 hex
/// digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// So many bytes are hashed at once.
const ROOM: usize = 4096;

/// So many bytes are free once [`Pen::make_room`] was called: more than numbers and names take between two texts.
const FREE: usize = 128;

/// The digest so far.
#[derive(Clone)]
pub(crate) struct Hasher {
    state: Xxh3,
    /// What is not hashed yet: this many bytes of the room.
    waiting: usize,
    room: Box<[u8; ROOM]>,
}

impl Hasher {
    pub(crate) fn new() -> Hasher {
        let mut hasher = Hasher { state: Xxh3::new(), waiting: 0, room: Box::new([0; ROOM]) };
        hasher.bytes(SCHEMA.as_bytes());
        hasher
    }

    pub(crate) fn digest(&self) -> Digest {
        let mut state = self.state.clone();
        state.update(&self.room[..self.waiting]);
        Digest(state.digest128())
    }

    /// Adds the bytes of one record, as the module's table says.
    pub(crate) fn add(&mut self, record: &Record) {
        let mut pen = Pen { state: &mut self.state, room: &mut self.room, at: self.waiting };
        pen.make_room();
        pen.fixed(&record.n.to_le_bytes());
        pen.fixed(&record.at.as_nanos().to_le_bytes());
        pen.fixed(&[match &record.place {
            Place::Script => 0,
            Place::Client(_) => 1,
            Place::Link { direction: Direction::Up, .. } => 2,
            Place::Link { direction: Direction::Down, .. } => 3,
            Place::Server => 4,
        }]);
        if let Some(client) = record.place.actor() {
            pen.text32(client.as_bytes());
        }
        pen.name(record.kind.encoded());
        match record.cause {
            None => pen.fixed(&[0]),
            Some(cause) => {
                pen.fixed(&[1]);
                pen.fixed(&cause.to_le_bytes());
            }
        }
        match &record.rule {
            None => pen.fixed(&[0]),
            Some(rule) => {
                pen.fixed(&[1]);
                pen.text32(rule.as_bytes());
            }
        }
        // There are fewer than 256 keys, and a record holds each at most once.
        pen.fixed(&[record.fields.len() as u8]);
        for (key, value) in record.fields.iter() {
            pen.field(key, value);
        }
        self.waiting = pen.at;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let mut pen = Pen { state: &mut self.state, room: &mut self.room, at: self.waiting };
        pen.bytes(bytes);
        self.waiting = pen.at;
    }
}

/// Writes into the room. Where it stands is its own, and nobody else's to see, so that a processor can hold it.
struct Pen<'a> {
    state: &'a mut Xxh3,
    room: &'a mut [u8; ROOM],
    at: usize,
}

impl Pen<'_> {
    #[inline]
    fn field(&mut self, key: Key, value: &Value) {
        self.make_room();
        let room: &mut [u8; FREE] = self.room[self.at..].first_chunk_mut().expect("there is room");
        let name = key.encoded();
        put(room, 0, &name.bytes);
        // The mask takes nothing away: it tells the compiler that what follows is within the room.
        let at = name.len & 31;
        let (tag, text) = match value {
            Value::Uint(value) => return self.at += tagged(room, at, 0, value.to_le_bytes()),
            Value::Int(value) => return self.at += tagged(room, at, 1, value.to_le_bytes()),
            Value::Flag(value) => return self.at += tagged(room, at, 2, [u8::from(*value)]),
            Value::Duration(value) => return self.at += tagged(room, at, 5, value.as_nanos().to_le_bytes()),
            Value::Pair(first, second) => {
                put(room, at + 9, &second.to_le_bytes());
                return self.at += tagged(room, at, 6, first.to_le_bytes()) + 8;
            }
            Value::Text(value) => (3, value.as_bytes()),
            Value::Bytes(value) => (4, &**value),
        };
        self.at += tagged(room, at, tag, (text.len() as u32).to_le_bytes());
        self.bytes(text);
    }

    /// A name with its length before it.
    #[inline]
    fn name(&mut self, name: &Encoded) {
        let end = self.at + name.len;
        self.fixed(&name.bytes);
        self.at = end;
    }

    /// Bytes for which there is room. As their number is known to the compiler, they are copied without a call.
    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: &[u8; N]) {
        *self.room[self.at..].first_chunk_mut().expect("whoever adds a record makes room first") = *bytes;
        self.at += N;
    }

    /// Text or bytes of any length; only the low 32 bits of a length count, and all bytes are there. There is room for what stands before the
    /// next text afterwards.
    #[inline]
    fn text32(&mut self, text: &[u8]) {
        self.fixed(&(text.len() as u32).to_le_bytes());
        self.bytes(text);
        self.make_room();
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room.get_mut(self.at..self.at + bytes.len()) {
            room.copy_from_slice(bytes);
            self.at += bytes.len();
        } else {
            self.at = overflow(self.state, self.room, self.at, bytes);
        }
    }

    #[inline]
    fn make_room(&mut self) {
        if self.at > ROOM - FREE {
            self.at = overflow(self.state, self.room, self.at, &[]);
        }
    }
}

/// Puts bytes at a place of some room.
#[inline]
fn put<const N: usize>(room: &mut [u8; FREE], at: usize, bytes: &[u8; N]) {
    *room[at..].first_chunk_mut().expect("there is room") = *bytes;
}

/// The same behind the byte that says what they are. Says where they end.
#[inline]
fn tagged<const N: usize>(room: &mut [u8; FREE], at: usize, tag: u8, bytes: [u8; N]) -> usize {
    room[at] = tag;
    put(room, at + 1, &bytes);
    at + 1 + N
}

/// Hashes what waits, which is up to `waiting`, and puts `bytes` in its place. Says how much waits now.
#[cold]
fn overflow(state: &mut Xxh3, room: &mut [u8; ROOM], waiting: usize, bytes: &[u8]) -> usize {
    state.update(&room[..waiting]);
    if let Some(room) = room.get_mut(..bytes.len()) {
        room.copy_from_slice(bytes);
        bytes.len()
    } else {
        state.update(bytes);
        0
    }
}

#[cfg(test)]
mod tests {
    use jetlag_model::{Duration, Time};
    use proptest::prelude::*;

    use super::*;
    use crate::{Kind, Trace};

    /// A record that uses every part of the table and every type of value.
    fn everything() -> Record {
        Record::new(Time::from_nanos(0x0102), Place::link("w1", Direction::Down), Kind::Lost)
            .caused_by(0)
            .by_rule("r")
            .with(Key::Stream, "S")
            .with(Key::Payload, &b"\xff"[..])
            .with(Key::Duplicate, true)
            .with(Key::StreamSeq, 7_u64)
            .with(Key::Delivered, (2_u64, 1_u64))
            .with(Key::Delay, Duration::from_nanos(-2))
            .with(Key::Count, -1_i64)
    }

    #[test]
    fn the_bytes_are_those_of_the_table() {
        let expected: &[&[u8]] = &[
            &[0; 8],
            &[2, 1, 0, 0, 0, 0, 0, 0],
            &[3, 2, 0, 0, 0],
            b"w1",
            b"\x04lost",
            &[1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 1, 0, 0, 0],
            b"r",
            &[7],
            b"\x06stream\x03\x01\x00\x00\x00S",
            b"\x07payload\x04\x01\x00\x00\x00\xff",
            b"\x09duplicate\x02\x01",
            b"\x0astream-seq\x00\x07\x00\x00\x00\x00\x00\x00\x00",
            b"\x09delivered\x06\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00",
            b"\x05delay\x05\xfe\xff\xff\xff\xff\xff\xff\xff",
            b"\x05count\x01\xff\xff\xff\xff\xff\xff\xff\xff",
        ];
        let mut hasher = Hasher::new();
        hasher.add(&everything());
        assert_eq!(hasher.room[SCHEMA.len()..hasher.waiting], expected.concat());
    }

    #[test]
    fn the_digest_is_that_of_the_bytes() {
        assert_eq!(Trace::new().digest().0, xxhash_rust::xxh3::xxh3_128(b"jetlag-trace/1"));

        let mut trace = Trace::new();
        let mut hasher = Hasher::new();
        trace.push(Record::new(Time::START, Place::Script, Kind::Ok));
        trace.push(everything());
        trace.records().iter().for_each(|record| hasher.add(record));
        assert_eq!(trace.digest().0, xxhash_rust::xxh3::xxh3_128(&hasher.room[..hasher.waiting]));
        assert_eq!(
            trace.digest().to_string(),
            "16df3575835f1e8d07f655f73e435a7a",
            "the digest of a trace is a promise: a new encoding needs a new schema name"
        );
    }

    /// However the bytes fall on the room, and whether or not they fit.
    #[test]
    fn the_digest_does_not_depend_on_when_bytes_are_hashed() {
        for size in [0, 1, ROOM - 200, ROOM, ROOM + 1, 3 * ROOM] {
            let record = everything().with(Key::Text, "x".repeat(size));
            let mut hasher = Hasher::new();
            let mut bytes = b"jetlag-trace/1".to_vec();
            let mut single = Hasher::new();
            single.waiting = 0;
            single.add(&everything().with(Key::Text, ""));
            let text = ["x".repeat(size).as_bytes()].concat();
            for _ in 0..3 {
                hasher.add(&record);
                // The text is the last field that is not a number behind it: put it where its length stands.
                let empty = &single.room[..single.waiting];
                let at = empty.windows(6).position(|window| window == b"\x04text\x03").unwrap() + 6;
                bytes.extend_from_slice(&empty[..at]);
                bytes.extend_from_slice(&(size as u32).to_le_bytes());
                bytes.extend_from_slice(&text);
                bytes.extend_from_slice(&empty[at + 4..]);
            }
            assert_eq!(hasher.digest().0, xxhash_rust::xxh3::xxh3_128(&bytes), "{size}");
        }
    }

    #[test]
    fn a_digest_shows_all_its_digits() {
        assert_eq!(Digest(0xab).to_string(), "000000000000000000000000000000ab");
    }

    fn place() -> impl Strategy<Value = Place> {
        prop_oneof![
            Just(Place::Script),
            Just(Place::Server),
            "[a-c]{0,2}".prop_map(Place::client),
            "[a-c]{0,2}".prop_map(|client| Place::link(client, Direction::Up)),
            "[a-c]{0,2}".prop_map(|client| Place::link(client, Direction::Down)),
        ]
    }

    fn value() -> impl Strategy<Value = crate::Value> {
        prop_oneof![
            (0_u64..3).prop_map(Value::from),
            (-2_i64..2).prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[a-c]{0,3}".prop_map(Value::from),
            "[a-c]{0,3}".prop_map(|text| Value::from(text.as_bytes())),
            (-2_i64..2).prop_map(|ns| Value::from(Duration::from_nanos(ns))),
            (0_u64..3, 0_u64..3).prop_map(Value::from),
        ]
    }

    fn record() -> impl Strategy<Value = Record> {
        let fields = proptest::collection::vec((0..Key::ALL.len(), value()), 0..4);
        let rule = proptest::option::of("[a-c]{0,2}");
        (0_u64..3, place(), 0..Kind::ALL.len(), proptest::option::of(0_u64..2), rule, fields).prop_map(
            |(at, place, kind, cause, rule, fields)| {
                let mut record = Record::new(Time::from_nanos(at), place, Kind::ALL[kind]);
                record.cause = cause;
                record.rule = rule.map(Into::into);
                fields.into_iter().fold(record, |record, (index, value)| record.with(Key::ALL[index], value))
            },
        )
    }

    fn digest(records: &[Record]) -> Digest {
        let mut hasher = Hasher::new();
        records.iter().for_each(|record| hasher.add(record));
        hasher.digest()
    }

    proptest! {
        /// No two different runs have the same bytes, wherever a name or a payload ends.
        #[test]
        fn digests_are_equal_exactly_when_records_are(
            left in proptest::collection::vec(record(), 0..3),
            right in proptest::collection::vec(record(), 0..3),
        ) {
            prop_assert_eq!(digest(&left) == digest(&right), left == right);
            prop_assert_eq!(digest(&left), digest(&left.clone()));
        }

        #[test]
        fn one_nanosecond_or_one_bit_of_a_payload_moves_the_digest(
            records in proptest::collection::vec(record(), 1..20),
            payload in proptest::collection::vec(any::<u8>(), 1..300),
            (index, byte, bit) in (any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), 0_u8..8),
        ) {
            let mut records = records;
            let index = index.index(records.len());
            records[index].fields.set(Key::Payload, payload.as_slice());
            let before = digest(&records);

            let mut later = records.clone();
            later[index].at += Duration::from_nanos(1);
            prop_assert_ne!(digest(&later), before);

            let mut flipped = payload.clone();
            flipped[byte.index(payload.len())] ^= 1_u8 << bit;
            records[index].fields.set(Key::Payload, flipped.as_slice());
            prop_assert_ne!(digest(&records), before);
            records[index].fields.set(Key::Payload, payload.as_slice());
            prop_assert_eq!(digest(&records), before);
        }
    }
}
