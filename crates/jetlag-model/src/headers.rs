//! NATS headers, kept as the raw block they cross the wire as, because sizes and order are observable.

use std::fmt;
use std::sync::Arc;

/// The first line of every header block.
const PROLOGUE: &str = "NATS/1.0";

/// A header block: `NATS/1.0[ code[ text]]\r\n(Name: value\r\n)*\r\n`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Headers(Arc<[u8]>);

/// The status in the first line of a header block, such as `408 Request Timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine<'a> {
    /// Three digits.
    pub code: u16,
    /// What follows the code, possibly nothing.
    pub text: &'a str,
}

impl Headers {
    /// A block with these fields, in this order.
    pub fn from_fields<K: AsRef<str>, V: AsRef<str>>(fields: impl IntoIterator<Item = (K, V)>) -> Headers {
        let mut block = format!("{PROLOGUE}\r\n");
        for (name, value) in fields {
            push_field(&mut block, name.as_ref(), value.as_ref());
        }
        block.push_str("\r\n");
        Headers(block.into_bytes().into())
    }

    /// A status block without fields; add them with [`Headers::with`].
    pub fn from_status(code: u16, text: &str) -> Headers {
        let separator = if text.is_empty() { "" } else { " " };
        Headers(format!("{PROLOGUE} {code}{separator}{text}\r\n\r\n").into_bytes().into())
    }

    /// Takes a block as it came over the wire. `None` if it does not start with `NATS/1.0` or does not end with an empty line.
    pub fn from_block(block: &[u8]) -> Option<Headers> {
        (block.starts_with(PROLOGUE.as_bytes()) && block.ends_with(b"\r\n\r\n")).then(|| Headers(block.into()))
    }

    /// Takes whatever a client announced as headers: servers pass it on without a look.
    pub fn from_bytes(block: &[u8]) -> Headers {
        Headers(block.into())
    }

    /// The same block with one more field at its end.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Headers {
        let mut field = String::new();
        push_field(&mut field, name, value);
        let mut block = self.0.strip_suffix(b"\r\n").unwrap_or(&self.0).to_vec();
        block.extend_from_slice(field.as_bytes());
        block.extend_from_slice(b"\r\n");
        Headers(block.into())
    }

    /// The whole block.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The status, if the first line has one.
    pub fn status(&self) -> Option<StatusLine<'_>> {
        let line = self.lines().next()?;
        let rest = std::str::from_utf8(line).ok()?.strip_prefix(PROLOGUE)?.trim_start();
        let (code, text) = rest.split_at_checked(3)?;
        Some(StatusLine { code: code.parse().ok()?, text: text.trim_start() })
    }

    /// The fields in order. Names and values that are not UTF-8 are passed over.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines().skip(1).filter_map(|line| {
            let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
            Some((name, value.trim()))
        })
    }

    /// The first value of `name`; names are case-sensitive, as on the server.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let body = self.0.strip_suffix(b"\r\n\r\n").unwrap_or(&self.0);
        let mut rest = Some(body);
        std::iter::from_fn(move || {
            let current = rest?;
            let end = current.windows(2).position(|pair| pair == b"\r\n");
            rest = end.map(|end| &current[end + 2..]);
            Some(&current[..end.unwrap_or(current.len())])
        })
    }
}

fn push_field(block: &mut String, name: &str, value: &str) {
    block.push_str(name);
    block.push_str(": ");
    block.push_str(value);
    block.push_str("\r\n");
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_status() {
        let headers = Headers::from_status(408, "Request Timeout").with("Nats-Pending-Messages", "2").with("Nats-Pending-Bytes", "0");
        assert_eq!(headers.as_bytes(), b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 2\r\nNats-Pending-Bytes: 0\r\n\r\n");
        assert_eq!(headers.status(), Some(StatusLine { code: 408, text: "Request Timeout" }));
        assert_eq!(headers.get("Nats-Pending-Bytes"), Some("0"));
        assert_eq!(headers.get("nats-pending-bytes"), None);
        assert_eq!(Headers::from_status(503, "").as_bytes(), b"NATS/1.0 503\r\n\r\n");
        assert_eq!(Headers::from_status(503, "").status(), Some(StatusLine { code: 503, text: "" }));
    }

    #[test]
    fn a_block_is_kept_to_the_byte() {
        let block = b"NATS/1.0\r\nA:1\r\nA:  2 \r\nB:\r\n\r\n";
        let headers = Headers::from_block(block).unwrap();
        assert_eq!(headers.as_bytes(), block);
        assert_eq!(headers.fields().collect::<Vec<_>>(), [("A", "1"), ("A", "2"), ("B", "")]);
        assert_eq!(headers.status(), None);
        assert_eq!(Headers::from_block(b"HTTP/1.1\r\n\r\n"), None);
        assert_eq!(Headers::from_block(b"NATS/1.0\r\nA: 1"), None);
        assert_eq!(Headers::from_fields([("A", "1")]).as_bytes(), b"NATS/1.0\r\nA: 1\r\n\r\n");
    }

    #[test]
    fn what_is_no_block_is_kept_too() {
        for bytes in [&b""[..], b"x", b"\r\n", b"ABC", b"NATS/1.0", b"NATS/1.0\r\nA: 1"] {
            let headers = Headers::from_bytes(bytes);
            assert_eq!(headers.as_bytes(), bytes);
            assert_eq!(headers.status(), None);
            assert_eq!(headers.get("A"), bytes.ends_with(b"A: 1").then_some("1"));
            assert!(headers.with("B", "2").as_bytes().ends_with(b"B: 2\r\n\r\n"));
        }
    }
}
