//! The transcript line of a record: the one place where what a run prints is worded.
//!
//! A line is the time, the actor with a colon, the words of the kind, the fault rule as `by=`, and every further field as
//! `key=value` in the order of [`Key`]. The script's own answers carry neither time nor actor; the server's carry no actor.

use std::fmt::Write;

use jetlag_model::Headers;

use crate::{Fields, Key, Kind, Place, Record, Value};

/// The transcript line of a record, or `None` for the kinds that no client and no script can see.
///
/// It never holds a line break and is never empty. A field that the kind's words need and the record lacks shows as `?`.
pub fn line(record: &Record) -> Option<String> {
    let fields = &record.fields;
    let mut line = Line { text: String::new(), fields, used: Vec::new() };
    line.place(record);
    match record.kind {
        Kind::Got => {
            line.words("got");
            line.message();
            line.skip(&[Key::Reply]);
            return Some(line.finish_with_source(record));
        }
        Kind::Message => {
            line.words("message");
            line.message();
        }
        Kind::Status => {
            line.words("status");
            line.value(Key::Code);
            line.quoted(Key::Description);
            return Some(line.finish_with_source(record));
        }
        Kind::Advisory => {
            line.words("advisory");
            line.value(Key::Advisory);
            line.names();
        }
        Kind::Stored => {
            line.words(if fields.flag(Key::Duplicate) { "duplicate" } else { "stored" });
            line.skip(&[Key::Duplicate, Key::Stream]);
        }
        Kind::Refused => line.error(),
        Kind::NoResponders => line.words("no responders"),
        Kind::Confirmed => {
            line.words("confirmed");
            line.reference();
        }
        Kind::Sent => line.crossing(),
        Kind::Lost => {
            line.crossing();
            line.words("lost");
        }
        Kind::Delayed => {
            line.crossing();
            line.words("delayed");
        }
        Kind::Duplicated => {
            line.crossing();
            line.words("duplicated");
        }
        Kind::Failed => {
            line.crossing();
            line.words("failed");
            line.quoted(Key::Description);
        }
        Kind::Disconnected => line.words("disconnected"),
        Kind::Connected => line.words("connected"),
        Kind::Crashed => line.words("crashed"),
        Kind::Ok => line.words("ok"),
        Kind::StreamInfo | Kind::ConsumerInfo => line.names(),
        Kind::ServerDown => line.words("server down"),
        Kind::ServerUp => line.words("server up"),
        Kind::ApiReply => line.raw(Key::Text),
        _ => return None,
    }
    Some(line.finish(record))
}

/// A line under construction.
struct Line<'a> {
    text: String,
    fields: &'a Fields,
    /// The keys already said, or not to be said.
    used: Vec<Key>,
}

impl Line<'_> {
    fn place(&mut self, record: &Record) {
        match &record.place {
            Place::Script => {}
            Place::Server => self.words(&record.at.to_string()),
            Place::Client(client) | Place::Link { client, .. } => {
                self.words(&record.at.to_string());
                self.words(&format!("{}:", word(client)));
            }
        }
    }

    /// Adds words, after a space unless they are the first.
    fn words(&mut self, words: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(words);
    }

    fn skip(&mut self, keys: &[Key]) {
        self.used.extend_from_slice(keys);
    }

    /// A field's value without its key.
    fn value(&mut self, key: Key) {
        self.skip(&[key]);
        let shown = self.fields.value(key).map_or("?".to_owned(), |value| show(key, value));
        self.words(&shown);
    }

    /// A field's text or bytes in quotes, without its key.
    fn quoted(&mut self, key: Key) {
        self.skip(&[key]);
        let shown = match self.fields.value(key) {
            Some(Value::Text(text)) => quoted(text.as_bytes()),
            Some(Value::Bytes(bytes)) => quoted(bytes),
            Some(other) => show(key, other),
            None => "?".to_owned(),
        };
        self.words(&shown);
    }

    /// A field's text as it is, made to fit one line.
    fn raw(&mut self, key: Key) {
        self.skip(&[key]);
        let shown = self.fields.text(key).map_or("?".to_owned(), |text| one_line(text));
        self.words(&shown);
    }

    /// Subject, payload and headers.
    fn message(&mut self) {
        self.value(Key::Subject);
        self.quoted(Key::Payload);
        self.headers();
    }

    fn headers(&mut self) {
        self.skip(&[Key::Headers]);
        let Some(block) = self.fields.bytes(Key::Headers) else { return };
        match Headers::from_block(block) {
            Some(headers) => {
                for (name, value) in headers.fields() {
                    self.words(&format!("header={}", word(&format!("{name}:{value}"))));
                }
            }
            None => self.words(&format!("headers={}", quoted(block))),
        }
    }

    /// The stream's name, or stream and consumer.
    fn names(&mut self) {
        let names = names(self.fields).unwrap_or_else(|| "?".to_owned());
        self.skip(&[Key::Stream, Key::Consumer]);
        self.words(&names);
    }

    /// What something is about, in the shortest clear form: `ORDERS/WORK:1#2`, `ORDERS:1`, `p2`, a subject, or a name.
    fn reference(&mut self) {
        let fields = self.fields;
        let names = names(fields);
        if let (Some(names), Some(seq)) = (&names, fields.uint(Key::StreamSeq)) {
            let attempt = fields.uint(Key::DeliveryCount).map_or(String::new(), |count| format!("#{count}"));
            self.words(&format!("{names}:{seq}{attempt}"));
            self.skip(&[Key::Stream, Key::Consumer, Key::StreamSeq, Key::DeliveryCount, Key::ConsumerSeq, Key::Subject, Key::Pull]);
        } else if fields.value(Key::Pull).is_some() {
            self.value(Key::Pull);
            self.skip(&[Key::Stream, Key::Consumer, Key::Subject]);
        } else if fields.value(Key::Subject).is_some() {
            self.value(Key::Subject);
            self.skip(&[Key::Stream, Key::Consumer]);
        } else if let Some(names) = names {
            self.words(&names);
            self.skip(&[Key::Stream, Key::Consumer]);
        }
    }

    /// What crosses a link, and what it is about. Its payload and headers are left out.
    fn crossing(&mut self) {
        self.skip(&[Key::Crossing, Key::Payload, Key::Headers, Key::Reply]);
        let crossing = match self.fields.text(Key::Crossing).map(|text| &**text) {
            Some("ack-reply") => "confirmation",
            Some(other) => other,
            None => "?",
        };
        self.words(&one_line(crossing));
        self.reference();
    }

    /// `error 400/10071 wrong last sequence: 1`, with what there is of it.
    fn error(&mut self) {
        self.words("error");
        match (self.fields.uint(Key::Code), self.fields.uint(Key::ErrCode)) {
            (Some(code), Some(err_code)) => self.words(&format!("{code}/{err_code}")),
            (Some(code), None) => self.words(&code.to_string()),
            (None, Some(err_code)) => self.words(&format!("?/{err_code}")),
            (None, None) => {}
        }
        self.skip(&[Key::Code, Key::ErrCode]);
        self.raw(Key::Description);
    }

    /// The rule, then every field not yet said.
    fn finish(mut self, record: &Record) -> String {
        if let Some(rule) = &record.rule {
            self.words(&format!("by={}", word(rule)));
        }
        for (key, value) in record.fields.iter() {
            if self.used.contains(&key) {
                continue;
            }
            match key {
                Key::Headers => self.headers(),
                _ => self.words(&format!("{key}={}", show(key, value))),
            }
        }
        self.text
    }

    /// As [`Line::finish`], and at the end what brought it: the pull request, or the consumer that pushes.
    fn finish_with_source(mut self, record: &Record) -> String {
        self.skip(&[Key::Stream, Key::Consumer, Key::Pull]);
        let source = match (record.fields.text(Key::Pull), names(&record.fields)) {
            (Some(pull), _) => format!(" pull={}", word(pull)),
            (None, Some(names)) => format!(" consumer={names}"),
            (None, None) => String::new(),
        };
        self.finish(record) + &source
    }
}

/// `ORDERS` or `ORDERS/WORK`.
fn names(fields: &Fields) -> Option<String> {
    let stream = fields.text(Key::Stream)?;
    Some(match fields.text(Key::Consumer) {
        Some(consumer) => format!("{}/{}", word(stream), word(consumer)),
        None => word(stream),
    })
}

/// A value as it stands behind `key=`.
fn show(key: Key, value: &Value) -> String {
    match value {
        Value::Uint(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Flag(value) => if *value { "yes" } else { "no" }.to_owned(),
        // A reason is prose, even when it happens to be one word.
        Value::Text(value) if key == Key::Reason => quoted(value.as_bytes()),
        Value::Text(value) => word(value),
        Value::Bytes(value) => quoted(value),
        Value::Duration(value) => value.to_string(),
        Value::Pair(first, second) => format!("{first}/{second}"),
    }
}

/// The text as it is if it reads as one word, in quotes otherwise.
///
/// ```
/// assert_eq!(jetlag_trace::word("orders.1"), "orders.1");
/// assert_eq!(jetlag_trace::word("two words"), "\"two words\"");
/// ```
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".>*$/:#@-_{}[],=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quoted(text.as_bytes()) }
}

/// Bytes in double quotes on one line, with the scenario language's escapes: `\"`, `\\`, `\n`, `\t`, `\r`, `\0`, and `\xNN` for
/// other control characters and for what is not UTF-8.
///
/// ```
/// assert_eq!(jetlag_trace::quoted(b"a \"b\"\n\xff"), r#""a \"b\"\n\xff""#);
/// ```
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => {
                    out.push('\\');
                    out.push(c);
                }
                _ => push_escaped(&mut out, c),
            }
        }
        for byte in chunk.invalid() {
            push_byte(&mut out, *byte);
        }
    }
    out.push('"');
    out
}

/// Text without quotes, with its line breaks and other control characters escaped.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut out, c));
    out
}

/// A character; escaped if it is a control character, or one that a terminal or an editor takes for a line break.
fn push_escaped(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\0' => out.push_str("\\0"),
        _ if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_byte(out, byte));
        }
        _ => out.push(c),
    }
}

fn push_byte(out: &mut String, byte: u8) {
    write!(out, "\\x{byte:02x}").expect("writing to a string can not fail");
}
