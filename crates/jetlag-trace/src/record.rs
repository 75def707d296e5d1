//! What a record is: when, where, what kind, why, and its fields. Neither collection nor rendering lives here.

use jetlag_model::{ConnId, ConsumerSeq, DeliveryCount, Direction, Duration, Headers, Payload, Sid, StreamSeq, Text, Time};

use crate::{Key, Kind};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its number in the trace, from 0 without gaps; set by [`Trace::push`](crate::Trace::push).
    pub n: u64,
    /// When it happened, on the virtual clock.
    pub at: Time,
    /// Where it happened.
    pub place: Place,
    /// What happened.
    pub kind: Kind,
    /// The number of the record that led to it.
    pub cause: Option<u64>,
    /// The fault rule behind it.
    pub rule: Option<Text>,
    /// The particulars.
    pub fields: Fields,
}

/// As many fields as nearly all records have.
const ROOM: usize = 10;

impl Record {
    /// A record without cause, rule and fields.
    pub fn new(at: Time, place: Place, kind: Kind) -> Record {
        Record { n: 0, at, place, kind, cause: None, rule: None, fields: Fields(Vec::with_capacity(ROOM)) }
    }

    /// A record with these fields, which stand in the order of their keys: the way to make many.
    ///
    /// # Panics
    /// In debug builds, when they are not in order.
    #[inline]
    pub fn of(at: Time, place: Place, kind: Kind, fields: Vec<(Key, Value)>) -> Record {
        debug_assert!(fields.is_sorted_by(|(a, _), (b, _)| a < b), "the fields of a record stand in the order of their keys: {fields:?}");
        Record { n: 0, at, place, kind, cause: None, rule: None, fields: Fields(fields) }
    }

    /// The same record with one more field; a field of that key is replaced.
    #[must_use]
    #[inline]
    pub fn with(mut self, key: Key, value: impl Into<Value>) -> Record {
        self.fields.set(key, value);
        self
    }

    /// The same record with the number of the record that led to it.
    #[must_use]
    pub fn caused_by(mut self, n: u64) -> Record {
        self.cause = Some(n);
        self
    }

    /// The same record with the fault rule behind it.
    #[must_use]
    pub fn by_rule(mut self, rule: impl Into<Text>) -> Record {
        self.rule = Some(rule.into());
        self
    }

    /// The same record in a run in which all time is stretched by `num / den`: the instant and every [`Value::Duration`] are
    /// multiplied, rounded towards zero to whole nanoseconds. Numbers that happen to be times inside texts and payloads stay.
    ///
    /// # Panics
    /// When `den` is 0.
    #[must_use]
    pub fn scaled(&self, num: u32, den: u32) -> Record {
        assert!(den != 0, "a scale is a ratio, and its denominator can not be 0");
        let at = u128::from(self.at.as_nanos()) * u128::from(num) / u128::from(den);
        let mut scaled = self.clone();
        scaled.at = Time::from_nanos(u64::try_from(at).unwrap_or(u64::MAX));
        for (_, value) in &mut scaled.fields.0 {
            if let Value::Duration(duration) = value {
                let ns = i128::from(duration.as_nanos()) * i128::from(num) / i128::from(den);
                *duration = Duration::from_nanos(ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
            }
        }
        scaled
    }
}

/// Where something happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The script itself: it answers a command directly, at no time worth printing.
    Script,
    /// A client or worker, by name.
    Client(Text),
    /// The link of a client.
    Link {
        /// The client's name.
        client: Text,
        /// Which way.
        direction: Direction,
    },
    /// The server.
    Server,
}

impl Place {
    /// The client of this name.
    pub fn client(name: impl Into<Text>) -> Place {
        Place::Client(name.into())
    }

    /// The link of the client of this name.
    pub fn link(client: impl Into<Text>, direction: Direction) -> Place {
        Place::Link { client: client.into(), direction }
    }

    /// The client's name, if this is a client or its link.
    pub fn actor(&self) -> Option<&Text> {
        match self {
            Place::Client(client) | Place::Link { client, .. } => Some(client),
            Place::Script | Place::Server => None,
        }
    }
}

/// What a field holds. Each key is used with one of these, always the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number without sign.
    Uint(u64),
    /// A number with sign.
    Int(i64),
    /// Yes or no.
    Flag(bool),
    /// Text.
    Text(Text),
    /// Bytes that may or may not be text.
    Bytes(Payload),
    /// A length of time, in nanoseconds.
    Duration(Duration),
    /// Two numbers that belong together: consumer sequence and stream sequence.
    Pair(u64, u64),
}

impl Value {
    /// The number without sign that it is.
    #[inline]
    pub fn uint(&self) -> Option<u64> {
        if let Value::Uint(value) = self { Some(*value) } else { None }
    }

    /// The text that it is.
    #[inline]
    pub fn text(&self) -> Option<&Text> {
        if let Value::Text(value) = self { Some(value) } else { None }
    }
}

/// Conversions into a [`Value`], one line each.
macro_rules! value_from {
    ($($type:ty => |$value:ident| $into:expr,)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Value {
                $into
            }
        })*
    };
}

value_from! {
    u64 => |value| Value::Uint(value),
    u32 => |value| Value::Uint(value.into()),
    u16 => |value| Value::Uint(value.into()),
    usize => |value| Value::Uint(value as u64),
    i64 => |value| Value::Int(value),
    bool => |value| Value::Flag(value),
    &str => |value| Value::Text(value.into()),
    String => |value| Value::Text(value.into()),
    Text => |value| Value::Text(value),
    &Text => |value| Value::Text(value.clone()),
    Payload => |value| Value::Bytes(value),
    &Payload => |value| Value::Bytes(value.clone()),
    &[u8] => |value| Value::Bytes(value.into()),
    Duration => |value| Value::Duration(value),
    (u64, u64) => |value| Value::Pair(value.0, value.1),
    (ConsumerSeq, StreamSeq) => |value| Value::Pair(value.0.0, value.1.0),
    StreamSeq => |value| Value::Uint(value.0),
    ConsumerSeq => |value| Value::Uint(value.0),
    DeliveryCount => |value| Value::Uint(value.0),
    ConnId => |value| Value::Uint(value.0),
    Sid => |value| Value::Uint(value.0),
    &Headers => |value| Value::Bytes(value.as_bytes().into()),
}

/// The particulars of a record: at most one value a key, in the order in which [`Key`] declares them.
///
/// ```
/// use jetlag_trace::{Fields, Key, Value};
/// let fields = Fields::new().with(Key::DeliveryCount, 2_u64).with(Key::StreamSeq, 1_u64);
/// assert_eq!(fields.iter().map(|(key, _)| key).collect::<Vec<_>>(), [Key::StreamSeq, Key::DeliveryCount]);
/// assert_eq!(fields.value(Key::StreamSeq), Some(&Value::Uint(1)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields(Vec<(Key, Value)>);

impl Fields {
    /// No fields.
    pub const fn new() -> Fields {
        Fields(Vec::new())
    }

    /// The same fields and one more; a field of that key is replaced.
    #[must_use]
    pub fn with(mut self, key: Key, value: impl Into<Value>) -> Fields {
        self.set(key, value);
        self
    }

    /// Adds a field; a field of that key is replaced.
    #[inline]
    pub fn set(&mut self, key: Key, value: impl Into<Value>) {
        // Whoever makes a record mostly goes by the order of keys.
        if self.0.last().is_none_or(|(last, _)| *last < key) {
            self.0.push((key, value.into()));
        } else {
            self.put(key, value.into());
        }
    }

    #[cold]
    fn put(&mut self, key: Key, value: Value) {
        match self.0.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(index) => self.0[index].1 = value,
            Err(index) => self.0.insert(index, (key, value)),
        }
    }

    /// The value of a key.
    pub fn value(&self, key: Key) -> Option<&Value> {
        // What is asked for most stands in front.
        let (found, value) = self.0.iter().find(|(other, _)| *other >= key)?;
        (*found == key).then_some(value)
    }

    /// The value of a key that holds a number without sign.
    pub fn uint(&self, key: Key) -> Option<u64> {
        self.value(key)?.uint()
    }

    /// The value of a key that holds text.
    pub fn text(&self, key: Key) -> Option<&Text> {
        self.value(key)?.text()
    }

    /// The value of a key that holds bytes.
    pub fn bytes(&self, key: Key) -> Option<&Payload> {
        match self.value(key)? {
            Value::Bytes(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a key that holds a length of time.
    pub fn duration(&self, key: Key) -> Option<Duration> {
        match self.value(key)? {
            Value::Duration(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether a key is there and says yes.
    pub fn flag(&self, key: Key) -> bool {
        self.value(key) == Some(&Value::Flag(true))
    }

    /// The two numbers of a key.
    pub fn pair(&self, key: Key) -> Option<(u64, u64)> {
        match self.value(key)? {
            Value::Pair(first, second) => Some((*first, *second)),
            _ => None,
        }
    }

    /// All of them, in the order of [`Key`].
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Key, &Value)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_a_key() {
        let fields = Fields::new().with(Key::Stream, "A").with(Key::StreamSeq, 1_u64).with(Key::Stream, "B");
        assert_eq!(fields.len(), 2);
        assert_eq!(fields.text(Key::Stream).map(|text| &**text), Some("B"));
        assert_eq!(fields.uint(Key::Stream), None, "a text is no number");
        assert_eq!(fields.value(Key::Pull), None);
        assert!(!fields.flag(Key::Sync));
    }

    #[test]
    fn scaling_stretches_instants_and_durations_alone() {
        let record = Record::new(Time::from_nanos(3_000), Place::Server, Kind::Naked)
            .with(Key::StreamSeq, 3_000_u64)
            .with(Key::Delay, Duration::from_nanos(-1_500));
        let half = record.scaled(1, 2);
        assert_eq!((half.at, half.fields.duration(Key::Delay)), (Time::from_nanos(1_500), Some(Duration::from_nanos(-750))));
        assert_eq!(half.fields.uint(Key::StreamSeq), Some(3_000));
        assert_eq!(half.scaled(2, 1), record);
        assert_eq!(Record::new(Time::NEVER, Place::Server, Kind::Naked).scaled(3, 1).at, Time::NEVER);
    }

    #[test]
    #[should_panic(expected = "denominator")]
    fn scaling_by_nothing_is_misuse() {
        let _ = Record::new(Time::START, Place::Server, Kind::Naked).scaled(1, 0);
    }
}
