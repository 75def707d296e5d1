//! What is wrong with a scenario's text: where, what, and what was probably meant. Plain data; rendering is the caller's.

use std::ops::Range;

use crate::Span;

/// One thing that is wrong with a scenario's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The bytes it is about; empty where something is missing.
    pub span: Range<usize>,
    /// The line of the first byte, counted from 1.
    pub line: usize,
    /// The column of the first byte, counted in characters from 1.
    pub column: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// What stands under the caret, in a few words: what was expected there.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn new(text: &str, span: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Diagnostic {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span,
            message: message.into(),
            label: label.into(),
            help: None,
        }
    }

    pub(crate) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }
}

impl std::fmt::Display for Diagnostic {
    /// `line:column: message (help)`, for where nothing better can be drawn.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// The diagnostics of one text, as they are found.
pub(crate) struct Report<'a> {
    text: &'a str,
    found: Vec<Diagnostic>,
    /// Which options could be had, and which were, by what they belong to.
    pub(crate) words: Vec<Words>,
}

/// The options and flags of one command, or of a part of it.
pub(crate) struct Words {
    /// What they belong to.
    pub(crate) of: String,
    /// All of them.
    pub(crate) known: Vec<&'static str>,
    /// Those that are there.
    pub(crate) taken: Vec<&'static str>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(text: &'a str) -> Report<'a> {
        Report { text, found: Vec::new(), words: Vec::new() }
    }

    /// Adds a diagnostic, and hands it back for its help.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, label: impl Into<String>) -> &mut Diagnostic {
        let at = self.found.len();
        self.found.push(Diagnostic::new(self.text, span.range(), message, label));
        &mut self.found[at]
    }

    /// Adds a diagnostic from an error's message, of which what follows a semicolon is help.
    pub(crate) fn error_with_help(&mut self, span: Span, message: &str, label: &str) {
        let (message, help) = message.split_once("; ").map_or((message, None), |(message, help)| (message, Some(help)));
        self.error(span, message, label).help = help.map(str::to_owned);
    }

    /// Adds a diagnostic about a word that is none of those known, with the nearest as its help, otherwise all.
    pub(crate) fn unknown(&mut self, span: Span, message: String, label: &str, word: &str, known: &[&str]) {
        let help = match nearest(word, known) {
            Some(meant) => Some(format!("did you mean `{meant}`?")),
            None => (!known.is_empty()).then(|| format!("known are {}", known.join(", "))),
        };
        self.error(span, message, label).help = help;
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// What was found, in the order of the text.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        self.found
    }
}

/// The known word that was probably meant. Of two that are as near, the one that begins as the word does.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase().replace('_', "-");
    let allowed = (word.chars().count() / 3).max(1);
    let near = known
        .iter()
        .map(|candidate| (distance(&word, &candidate.replace('_', "-")), *candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, candidate)| (*distance, candidate.chars().next() != word.chars().next()));
    let begun = || known.iter().find(|candidate| word.len() >= 3 && candidate.starts_with(&word)).copied();
    near.map(|(_, candidate)| candidate).or_else(begun)
}

/// The edit distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Three rows of the table are enough: a swap looks two rows back.
    let (mut before, mut above): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = substituted.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("ack", "ack", 0), ("nack", "nak", 1), ("akc", "ack", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["publish", "subscribe", "ack", "nak", "max-deliver", "by_start_time"];
        for (word, expected) in [
            ("pubish", Some("publish")),
            ("pub", Some("publish")),
            ("nack", Some("nak")),
            ("max_delivr", Some("max-deliver")),
            ("by-start-time", Some("by_start_time")),
            ("PUBLISH", Some("publish")),
            ("zzz", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let text = "a\näöb\n";
        for (at, line, column) in [(0, 1, 1), (2, 2, 1), (6, 2, 3), (8, 3, 1)] {
            let diagnostic = Diagnostic::new(text, at..at, "", "");
            assert_eq!((diagnostic.line, diagnostic.column), (line, column), "{at}");
        }
    }
}
