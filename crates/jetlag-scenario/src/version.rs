//! Ranges of server versions, as in `server: >=2.11.0,<2.14.0`.

use std::fmt;
use std::str::FromStr;

use jetlag_model::{ServerVersion, VersionError};

/// How a value compares with the one that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Greater,
}

impl Comparison {
    /// Whether `left OP right` holds.
    pub fn holds<T: Ord>(self, left: T, right: T) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Equal => left == right,
            Comparison::AtLeast => left >= right,
            Comparison::Greater => left > right,
        }
    }

    /// Takes an operator off the front of a text.
    pub(crate) fn strip(text: &str) -> Option<(Comparison, &str)> {
        let all = [Comparison::AtMost, Comparison::AtLeast, Comparison::Less, Comparison::Greater, Comparison::Equal];
        all.into_iter().find_map(|op| text.strip_prefix(op.as_str()).map(|rest| (op, rest)))
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Equal => "=",
            Comparison::AtLeast => ">=",
            Comparison::Greater => ">",
        }
    }
}

/// A range of server versions: all of its comparisons hold.
///
/// ```
/// use jetlag_scenario::VersionRange;
/// let range: VersionRange = ">=2.11.0,<2.14.0".parse().unwrap();
/// assert!(range.contains("2.13.9".parse().unwrap()));
/// assert!(!range.contains("2.14.0".parse().unwrap()));
/// assert_eq!(range.to_string(), ">=2.11.0,<2.14.0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    parts: Vec<(Comparison, ServerVersion)>,
}

/// A text that is no range of versions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionRangeError {
    /// A part without an operator.
    #[error("{0:?} has no comparison; write one of <, <=, =, >=, > before the version, such as >=2.11.0")]
    NoComparison(String),
    /// What follows the operator is no version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// No version is inside.
    #[error("no version is inside {0}")]
    Empty(String),
}

impl VersionRange {
    /// Whether `version` is inside.
    pub fn contains(&self, version: ServerVersion) -> bool {
        self.parts.iter().all(|(op, bound)| op.holds(version, *bound))
    }

    /// Whether some version is inside. Patch releases are the smallest steps.
    fn is_satisfiable(&self) -> bool {
        let at = |v: ServerVersion| (v.major, v.minor, u32::from(v.patch));
        let after = |v: ServerVersion| (v.major, v.minor, u32::from(v.patch) + 1);
        let (mut lowest, mut bound) = ((0, 0, 0), (u16::MAX, u16::MAX, u32::MAX));
        for (op, version) in &self.parts {
            match op {
                Comparison::Less => bound = bound.min(at(*version)),
                Comparison::AtMost => bound = bound.min(after(*version)),
                Comparison::AtLeast => lowest = lowest.max(at(*version)),
                Comparison::Greater => lowest = lowest.max(after(*version)),
                Comparison::Equal => {
                    lowest = lowest.max(at(*version));
                    bound = bound.min(after(*version));
                }
            }
        }
        lowest < bound
    }
}

impl FromStr for VersionRange {
    type Err = VersionRangeError;

    /// Reads comparisons joined by commas, with or without spaces.
    fn from_str(text: &str) -> Result<VersionRange, VersionRangeError> {
        let mut parts = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            let (op, version) = Comparison::strip(part).ok_or_else(|| VersionRangeError::NoComparison(part.to_owned()))?;
            parts.push((op, version.trim().parse()?));
        }
        let range = VersionRange { parts };
        if range.is_satisfiable() { Ok(range) } else { Err(VersionRangeError::Empty(range.to_string())) }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (op, version)) in self.parts.iter().enumerate() {
            write!(f, "{}{}{version}", if i > 0 { "," } else { "" }, op.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_they_say() {
        for (range, inside, outside) in [
            ("<2.11.0", "2.10.26", "2.11.0"),
            ("<=2.11.0", "2.11.0", "2.11.1"),
            ("=2.11.0", "2.11.0", "2.11.1"),
            (">=2.11.0", "2.11.0", "2.10.26"),
            (">2.11.0", "2.11.1", "2.11.0"),
            (">=2.11.0,<2.14.0", "2.13.9", "2.14.0"),
            (">= 2.11.0, < 2.14.0", "2.11.0", "2.10.0"),
        ] {
            let range: VersionRange = range.parse().expect(range);
            assert!(range.contains(inside.parse().expect(inside)), "{range} {inside}");
            assert!(!range.contains(outside.parse().expect(outside)), "{range} {outside}");
            assert_eq!(range.to_string().parse(), Ok(range));
        }
    }

    #[test]
    fn what_is_no_range_says_why() {
        for (text, error) in [
            ("", VersionRangeError::NoComparison(String::new())),
            ("2.11.0", VersionRangeError::NoComparison("2.11.0".into())),
            (">=2.11.0,", VersionRangeError::NoComparison(String::new())),
            (">=2.11", VersionRangeError::Version(VersionError("2.11".into()))),
            ("==2.11.0", VersionRangeError::Version(VersionError("=2.11.0".into()))),
            (">=2.14.0,<2.11.0", VersionRangeError::Empty(">=2.14.0,<2.11.0".into())),
            (">2.11.0,<2.11.1", VersionRangeError::Empty(">2.11.0,<2.11.1".into())),
            ("<0.0.0", VersionRangeError::Empty("<0.0.0".into())),
        ] {
            assert_eq!(text.parse::<VersionRange>(), Err(error), "{text}");
        }
    }
}
