//! Subjects and filters: validity, matching, subsets, overlap. Rules of `server/sublist.go` (2.15).

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use crate::Text;

/// A valid subject, with or without wildcards. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Text);

/// A text that is no subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid subject: tokens are separated by single dots, hold no white space, and `>` comes last")]
pub struct SubjectError(pub String);

impl Subject {
    /// Takes a subject that may hold the wildcards `*` and `>`.
    pub fn new(text: impl Into<Text>) -> Result<Subject, SubjectError> {
        let text = text.into();
        if is_valid_filter(&text) { Ok(Subject(text)) } else { Err(SubjectError(text.to_string())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it holds no wildcard.
    pub fn is_literal(&self) -> bool {
        is_valid_literal(&self.0)
    }
}

impl Deref for Subject {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Subject {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Whether `text` is a valid subject in which wildcards are allowed.
pub fn is_valid_filter(text: &str) -> bool {
    shape(text).is_some()
}

/// Whether `text` is a valid subject without wildcards.
pub fn is_valid_literal(text: &str) -> bool {
    shape(text) == Some(Shape { has_wildcard: false })
}

/// What is to be known of a valid subject.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    has_wildcard: bool,
}

/// Looks at each byte once: subjects are checked at every turn. `None` for what is no subject.
fn shape(text: &str) -> Option<Shape> {
    let (mut length, mut last, mut is_full, mut has_wildcard) = (0_usize, 0, false, false);
    for byte in text.bytes().chain([b'.']) {
        match byte {
            b'.' if length == 0 || is_full => return None,
            b'.' => {
                is_full = length == 1 && last == b'>';
                has_wildcard |= is_full || (length == 1 && last == b'*');
                length = 0;
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'\x0c' => return None,
            _ => length += 1,
        }
        last = byte;
    }
    Some(Shape { has_wildcard })
}

/// Whether the literal `subject` matches `filter`. An empty token matches nothing.
pub fn matches(filter: &str, subject: &str) -> bool {
    // Asked for every message and every filter, and nearly always answered by the first bytes that differ.
    let (filter, subject) = (filter.as_bytes(), subject.as_bytes());
    let is_end = |text: &[u8], at: usize| text.get(at).is_none_or(|byte| *byte == b'.');
    let (mut wanted, mut at, mut begins) = (0, 0, true);
    loop {
        if begins {
            match filter.get(wanted) {
                _ if is_end(subject, at) => return false,
                Some(b'>') if is_end(filter, wanted + 1) => {
                    return subject[at..].split(|byte| *byte == b'.').all(|token| !token.is_empty());
                }
                Some(b'*') if is_end(filter, wanted + 1) => {
                    wanted += 1;
                    at += subject[at..].iter().take_while(|byte| **byte != b'.').count();
                }
                _ => {}
            }
        }
        match (filter.get(wanted), subject.get(at)) {
            (None, None) => return true,
            (Some(wanted), Some(byte)) if wanted == byte => begins = *byte == b'.',
            _ => return false,
        }
        wanted += 1;
        at += 1;
    }
}

/// Whether everything that `filter` matches is matched by `wider` too.
pub fn is_subset_of(filter: &str, wider: &str) -> bool {
    let mut filter = filter.split('.');
    for wanted in wider.split('.') {
        match (wanted, filter.next()) {
            (">", Some(_)) => return true,
            ("*", Some(token)) if token != ">" => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    filter.next().is_none()
}

/// Whether some literal subject matches both filters.
pub fn filters_overlap(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
            (Some(x), Some(y)) if x == y => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn validity() {
        for (text, filter, literal) in [
            ("a", true, true),
            ("a.b.c", true, true),
            ("a.*.c", true, false),
            ("a.>", true, false),
            (">", true, false),
            ("a.>.b", false, false),
            ("", false, false),
            ("a..b", false, false),
            (".a", false, false),
            ("a.", false, false),
            ("a b", false, false),
            ("a*", true, true),
            ("$JS.API.>", true, false),
        ] {
            assert_eq!((is_valid_filter(text), is_valid_literal(text)), (filter, literal), "{text:?}");
        }
    }

    #[test]
    fn matching() {
        for (filter, subject, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("*.b", "a.b", true),
            (">", "a..b", false),
            (">", "a.", false),
            ("a.>", "a.", false),
            ("*.*", "a.", false),
            ("*.*", ".a", false),
        ] {
            assert_eq!(matches(filter, subject), expected, "{filter} {subject}");
        }
    }

    #[test]
    fn subset_and_overlap() {
        for (a, b, subset, overlap) in [
            ("a.b", "a.*", true, true),
            ("a.*", "a.b", false, true),
            ("a.>", "a.*", false, true),
            ("a.*", "a.>", true, true),
            ("a.>", ">", true, true),
            ("a.*.c", "a.b.*", false, true),
            ("a.b", "c.>", false, false),
            ("a", "a.>", false, false),
        ] {
            assert_eq!((is_subset_of(a, b), filters_overlap(a, b)), (subset, overlap), "{a} {b}");
        }
    }

    fn tokens(wild: bool) -> impl Strategy<Value = String> {
        let token = if wild { "[ab*]" } else { "[ab]" };
        (proptest::collection::vec(token, 1..4), any::<bool>()).prop_map(move |(mut tokens, full)| {
            if wild && full {
                tokens.push(">".into());
            }
            tokens.join(".")
        })
    }

    proptest! {
        #[test]
        fn matching_respects_subset_and_overlap(a in tokens(true), b in tokens(true), subject in tokens(false)) {
            if is_subset_of(&a, &b) && matches(&a, &subject) {
                prop_assert!(matches(&b, &subject));
            }
            if matches(&a, &subject) && matches(&b, &subject) {
                prop_assert!(filters_overlap(&a, &b));
            }
            prop_assert_eq!(filters_overlap(&a, &b), filters_overlap(&b, &a));
            prop_assert_eq!(matches(&a, &subject), is_subset_of(&subject, &a));
        }
    }
}
