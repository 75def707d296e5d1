//! One command line into tokens: words, strings, options, parentheses, a comment at the end. Also which texts need quotes.

use std::fmt;

use crate::diagnostic::Report;
use crate::{Comparison, Span};

/// A line of the text, without its line end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: usize,
    /// The offset of its first byte.
    pub(crate) start: usize,
    pub(crate) text: &'a str,
    /// The offset behind its line end, if it has one.
    pub(crate) next: usize,
}

impl<'a> Line<'a> {
    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub(crate) fn is_indented(&self) -> bool {
        self.text.starts_with([' ', '\t'])
    }

    /// What follows the `#` of a line that is nothing but a comment.
    pub(crate) fn comment(&self) -> Option<&'a str> {
        self.text.trim().strip_prefix('#')
    }

    /// The span of a part of the line, by offsets into it.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        Span { start: self.start + start, end: self.start + end, line: self.number }
    }

    /// The span of the line without white space around it.
    pub(crate) fn trimmed_span(&self) -> Span {
        let start = self.text.len() - self.text.trim_start().len();
        self.span(start, start + self.text.trim().len())
    }

    /// All lines of a text, whichever line ends it has.
    pub(crate) fn all(text: &'a str) -> Vec<Line<'a>> {
        let mut start = 0;
        let mut lines = Vec::new();
        for (i, line) in text.split_inclusive('\n').enumerate() {
            let bare = line.strip_suffix('\n').unwrap_or(line);
            let next = start + line.len();
            lines.push(Line { number: i + 1, start, text: bare.strip_suffix('\r').unwrap_or(bare), next });
            start = next;
        }
        lines
    }
}

/// A word or a string.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// Its bytes, with escapes resolved.
    pub(crate) bytes: Vec<u8>,
    /// Whether it stood in quotes.
    pub(crate) quoted: bool,
    pub(crate) span: Span,
}

/// The parts of a command line.
#[derive(Clone, Debug)]
pub(crate) enum Token {
    Word(Word),
    /// `key=value`, and in rules `key<=value`, `key>=value`. The span is the key's.
    Option {
        key: String,
        span: Span,
        comparison: Comparison,
        value: Word,
    },
    /// `!` at the start of the line.
    Bang(Span),
    /// `(`
    Open(Span),
    /// `)`
    Close(Span),
    /// `,` between the actions of a rule.
    Comma(Span),
}

impl Token {
    pub(crate) fn span(&self) -> Span {
        match self {
            Token::Word(word) => word.span,
            Token::Option { span, value, .. } => Span { end: value.span.end, ..*span },
            Token::Bang(span) | Token::Open(span) | Token::Close(span) | Token::Comma(span) => *span,
        }
    }
}

/// A command line in parts.
#[derive(Debug, Default)]
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<Token>,
    /// What follows the `#` of a comment at the end.
    pub(crate) remark: Option<String>,
}

/// Takes a line apart. `None`, and a diagnostic, if that can not be done.
///
/// In a rule a comma at the end of a word stands between two actions.
pub(crate) fn lex(line: Line<'_>, rule: bool, report: &mut Report<'_>) -> Option<Lexed> {
    Lexer { line, rule, at: 0, report }.run()
}

struct Lexer<'l, 'r, 't> {
    line: Line<'l>,
    rule: bool,
    at: usize,
    report: &'r mut Report<'t>,
}

impl Lexer<'_, '_, '_> {
    fn rest(&self) -> &str {
        &self.line.text[self.at..]
    }

    fn run(mut self) -> Option<Lexed> {
        let mut lexed = Lexed::default();
        // Only white space, or what opened the line, may stand right before a word or a string.
        let mut apart = true;
        loop {
            let rest = self.rest();
            let Some(next) = rest.chars().next() else { return Some(lexed) };
            let (start, span) = (self.at, self.line.span(self.at, self.at + next.len_utf8()));
            match next {
                ' ' | '\t' => self.at += 1,
                '#' if apart => {
                    lexed.remark = Some(rest[1..].trim_end().to_owned());
                    return Some(lexed);
                }
                '!' if lexed.tokens.is_empty() => {
                    self.at += 1;
                    lexed.tokens.push(Token::Bang(span));
                }
                '(' => {
                    self.at += 1;
                    lexed.tokens.push(Token::Open(span));
                }
                ')' => {
                    self.at += 1;
                    lexed.tokens.push(Token::Close(span));
                }
                ',' if self.rule => {
                    self.at += 1;
                    lexed.tokens.push(Token::Comma(span));
                }
                _ if !apart => {
                    self.report.error(span, "a string ends here, and something follows it at once", "expected a space");
                    return None;
                }
                '"' => lexed.tokens.push(Token::Word(self.string()?)),
                _ => match option_key(rest) {
                    Some((key, comparison, value)) => {
                        let (key, value) = (key.to_owned(), rest.len() - value.len());
                        self.at += value;
                        let value = self.value(&key, comparison)?;
                        let span = self.line.span(start, start + key.len());
                        lexed.tokens.push(Token::Option { key, span, comparison, value });
                    }
                    None => lexed.tokens.push(Token::Word(self.bare()?)),
                },
            }
            apart = !matches!(lexed.tokens.last(), Some(Token::Word(_) | Token::Option { .. })) || matches!(next, ' ' | '\t');
        }
    }

    /// The value of an option.
    fn value(&mut self, key: &str, comparison: Comparison) -> Option<Word> {
        match self.rest().chars().next() {
            Some('"') => self.string(),
            Some(next) if is_bare(next) && !(self.rule && next == ',') => self.bare(),
            _ => {
                let here = self.line.span(self.at, self.at);
                self.report
                    .error(here, format!("`{key}{}` without a value", comparison.as_str()), "expected a value")
                    .help(format!("write {key}=\"\" for an empty one"));
                None
            }
        }
    }

    /// A word without quotes.
    fn bare(&mut self) -> Option<Word> {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_bare(c)).unwrap_or(rest.len());
        let stop = rest[end..].chars().next();
        if let Some(stray) = stop.filter(|stop| !matches!(stop, ' ' | '\t' | '(' | ')')) {
            let at = self.at + end;
            let span = self.line.span(at, at + stray.len_utf8());
            let message = format!("{stray:?} can not stand in a word without quotes");
            self.report.error(span, message, "not allowed here").help("put the whole word or value in quotes");
            return None;
        }
        let word = if self.rule { rest[..end].trim_end_matches(',') } else { &rest[..end] };
        let word = Word { bytes: word.as_bytes().to_vec(), quoted: false, span: self.line.span(self.at, self.at + word.len()) };
        self.at = word.span.end - self.line.start;
        Some(word)
    }

    /// A string in quotes.
    fn string(&mut self) -> Option<Word> {
        let start = self.at;
        let text = self.line.text;
        let mut bytes = Vec::new();
        let mut chars = text[start..].char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + i + 1;
                    return Some(Word { bytes, quoted: true, span: self.line.span(start, self.at) });
                }
                '\\' => {
                    let escape = chars.next().map(|(_, c)| c);
                    let byte = match escape {
                        Some(c @ ('"' | '\\')) => Some(c as u8),
                        Some('n') => Some(b'\n'),
                        Some('t') => Some(b'\t'),
                        Some('r') => Some(b'\r'),
                        Some('0') => Some(0),
                        Some('x') => {
                            let mut digit = || chars.next().and_then(|(_, c)| c.to_digit(16));
                            let (high, low) = (digit(), digit());
                            high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
                        }
                        _ => None,
                    };
                    let Some(byte) = byte else {
                        let end = start + i + 1 + escape.map_or(0, char::len_utf8);
                        let message = "no such escape in a string";
                        let known = "known are \\\" \\\\ \\n \\t \\r \\0 and \\x with two hexadecimal digits";
                        self.report.error(self.line.span(start + i, end), message, "not an escape").help(known);
                        return None;
                    };
                    bytes.push(byte);
                }
                c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        let message = "a string is not closed";
        self.report.error(self.line.span(start, text.trim_end().len()), message, "it begins here").help("end it with \" on the same line");
        None
    }
}

/// Whether a character can stand in a word without quotes.
fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\' | '(' | ')')
}

/// Splits `key=value` after the operator. A key is lower-case letters, digits and `-`, and begins with a letter.
fn option_key(text: &str) -> Option<(&str, Comparison, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_')))?;
    let (key, rest) = text.split_at(end);
    let comparison = Comparison::strip(rest).filter(|(op, _)| !matches!(op, Comparison::Less | Comparison::Greater));
    comparison.filter(|_| key.starts_with(|c: char| c.is_ascii_lowercase())).map(|(op, value)| (key, op, value))
}

/// Writes a text as the value of an option: in quotes only where it needs them.
pub(crate) struct Value<'a>(pub(crate) &'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = !self.0.is_empty() && self.0.chars().all(is_bare) && !self.0.starts_with(',') && !self.0.ends_with(',');
        if bare { f.write_str(self.0) } else { Quoted(self.0.as_bytes()).fmt(f) }
    }
}

/// Writes a text as a positional argument: in quotes only where it needs them.
pub(crate) struct Positional<'a>(pub(crate) &'a str);

impl fmt::Display for Positional<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with('#') || option_key(self.0).is_some() { Quoted(self.0.as_bytes()).fmt(f) } else { Value(self.0).fmt(f) }
    }
}

/// Writes bytes as a string in quotes.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"));
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' => f.write_str("\\\"")?,
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    '\0' => f.write_str("\\0")?,
                    c if c.is_control() => hex(f, c.encode_utf8(&mut [0; 4]).as_bytes())?,
                    c => write!(f, "{c}")?,
                }
            }
            hex(f, chunk.invalid())?;
        }
        f.write_str("\"")
    }
}
