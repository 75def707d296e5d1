//! Where in the text a value stood, and names that remember it.

use std::fmt;
use std::ops::{Deref, Range};

use jetlag_model::Text;

/// A range of bytes in the scenario's text.
///
/// All spans compare equal, so that two scenarios are equal when they say the same, wherever in their files they say it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The line of the first byte, counted from 1; 0 for what was never text.
    pub line: usize,
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

impl Eq for Span {}

impl Span {
    /// The bytes.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A name as written in a scenario: of a stream, a consumer, a client, a worker, a fault rule, a handler. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: Text,
    /// Where it stood.
    pub span: Span,
}

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<&str> for Name {
    /// A name that was never text in a file.
    fn from(text: &str) -> Name {
        Name { text: text.into(), span: Span::default() }
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}
