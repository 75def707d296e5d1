//! Takes typed arguments out of a command's tokens, and complains about what is missing, malformed or left over.

use std::fmt::Display;

use jetlag_model::{DeliveryCount, Duration, DurationError, StreamSeq};

use crate::diagnostic::{Report, Words};
use crate::lex::{Token, Word};
use crate::{Comparison, ConsumerPath, DeliveryRef, Name, Span};

/// The arguments of one command. Words are taken in order, options and flags by name; [`Args::finish`] reports the rest.
pub(crate) struct Args<'r, 't> {
    pub(crate) report: &'r mut Report<'t>,
    /// What the arguments belong to, for messages.
    pub(crate) of: String,
    tokens: Vec<Token>,
    /// Just behind the last argument, for what is missing.
    end: Span,
    /// The options and flags that were asked for.
    known: Vec<&'static str>,
    /// Those that were there, and where.
    taken: Vec<(&'static str, Span)>,
}

impl<'r, 't> Args<'r, 't> {
    pub(crate) fn new(of: impl Into<String>, tokens: Vec<Token>, end: Span, report: &'r mut Report<'t>) -> Args<'r, 't> {
        Args { report, of: of.into(), tokens, end, known: Vec::new(), taken: Vec::new() }
    }

    /// From the first argument that is left to the last.
    pub(crate) fn span(&self) -> Span {
        self.tokens.first().map_or(self.end, |first| Span { end: self.end.end, ..first.span() })
    }

    /// The next positional argument. `what` says what it is ("a subject").
    pub(crate) fn word(&mut self, what: &str) -> Option<Word> {
        let word = self.word_if_any();
        if word.is_none() {
            self.missing(what);
        }
        word
    }

    /// Reports that `what` is missing.
    pub(crate) fn missing(&mut self, what: &str) {
        self.report.error(self.end, format!("`{}` needs {what}", self.of), format!("expected {what}"));
    }

    /// Reports that an option or flag that was taken makes no sense.
    pub(crate) fn contradiction(&mut self, key: &str, message: impl Into<String>) {
        let span = self.taken(key).unwrap_or(self.end);
        self.report.error(span, message, "contradicts the rest");
    }

    pub(crate) fn word_if_any(&mut self) -> Option<Word> {
        let at = self.tokens.iter().position(|token| matches!(token, Token::Word(_)))?;
        match self.tokens.remove(at) {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The next positional argument as text.
    pub(crate) fn text(&mut self, what: &str) -> Option<String> {
        let word = self.word(what)?;
        self.utf8(word)
    }

    /// The next positional argument as a name that the server judges.
    pub(crate) fn name(&mut self, what: &str) -> Option<Name> {
        let word = self.word(what)?;
        self.name_of(word, what)
    }

    /// The next positional argument as a name of ours, which appears in transcripts.
    pub(crate) fn identifier(&mut self, what: &str) -> Option<Name> {
        let word = self.word(what)?;
        self.identifier_of(word, what)
    }

    /// The next positional argument as `S/C`.
    pub(crate) fn path(&mut self) -> Option<ConsumerPath> {
        let what = "a consumer as STREAM/CONSUMER";
        let word = self.word(what)?;
        let span = word.span;
        let text = self.utf8(word)?;
        match text.split_once('/') {
            Some((stream, consumer)) if !stream.is_empty() && !consumer.is_empty() => {
                Some(ConsumerPath { stream: Name { text: stream.into(), span }, consumer: Name { text: consumer.into(), span } })
            }
            _ => {
                self.report.error(span, format!("`{text}` is not {what}"), "expected STREAM/CONSUMER");
                None
            }
        }
    }

    /// The next positional argument as a reference to a delivery.
    pub(crate) fn delivery(&mut self) -> Option<DeliveryRef> {
        let word = self.word("a delivery such as ORDERS/WORK:1")?;
        let span = word.span;
        let text = self.utf8(word)?;
        let (path, rest) = text.rsplit_once(':').map_or((None, text.as_str()), |(path, rest)| (Some(path), rest));
        let (seq, count) = rest.split_once('#').map_or((rest, None), |(seq, count)| (seq, Some(count)));
        let (stream, consumer) = match path.map(|path| path.split_once('/').map_or((None, path), |(s, c)| (Some(s), c))) {
            Some((stream, consumer)) => (stream, Some(consumer)),
            None => (None, None),
        };
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
        let seq = number(seq).filter(|_| stream != Some("") && consumer != Some(""));
        let Some((seq, count)) = seq.zip(count.map_or(Some(None), |count| number(count).map(Some))) else {
            let message = format!("`{text}` is not a delivery");
            self.report
                .error(span, message, "expected STREAM/CONSUMER:SEQ or SEQ, with #N for attempt N")
                .help("both numbers count from 1");
            return None;
        };
        let name = |text: &str| Name { text: text.into(), span };
        let (stream, consumer) = (stream.map(name), consumer.map(name));
        Some(DeliveryRef { stream, consumer, seq: StreamSeq(seq), delivery_count: count.map(DeliveryCount), span })
    }

    /// The value of an option, and whether it was there.
    pub(crate) fn option(&mut self, key: &'static str) -> Option<Word> {
        self.compared(key).and_then(|(comparison, value)| {
            if comparison == Comparison::Equal {
                return Some(value);
            }
            let message = format!("`{key}` is set, not compared");
            self.report.error(value.span, message, format!("expected {key}=")).help(format!("write {key}=VALUE"));
            None
        })
    }

    /// The value of an option that may be a comparison.
    pub(crate) fn compared(&mut self, key: &'static str) -> Option<(Comparison, Word)> {
        let first = self.option_again(key)?;
        while let Some((_, again)) = self.option_again(key) {
            self.report.error(again.span, format!("`{key}` is given twice"), "already given").help("keep one of them");
        }
        Some(first)
    }

    /// The value of an option that may be given several times.
    pub(crate) fn option_again(&mut self, key: &'static str) -> Option<(Comparison, Word)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let at = self.tokens.iter().position(|token| matches!(token, Token::Option { key: found, .. } if found == key))?;
        let span = self.tokens[at].span();
        match self.tokens.remove(at) {
            Token::Option { comparison, value, .. } => {
                self.taken.push((key, span));
                Some((comparison, value))
            }
            _ => None,
        }
    }

    /// Whether a bare flag is there.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        self.known.push(key);
        let matching = |token: &Token| matches!(token, Token::Word(word) if !word.quoted && word.bytes == key.as_bytes());
        match self.tokens.iter().position(matching) {
            Some(at) => {
                self.taken.push((key, self.tokens.remove(at).span()));
                true
            }
            None => false,
        }
    }

    pub(crate) fn text_option(&mut self, key: &'static str) -> Option<String> {
        let word = self.option(key)?;
        self.utf8(word)
    }

    pub(crate) fn name_option(&mut self, key: &'static str) -> Option<Name> {
        let word = self.option(key)?;
        self.name_of(word, "a name")
    }

    pub(crate) fn identifier_option(&mut self, key: &'static str) -> Option<Name> {
        let word = self.option(key)?;
        self.identifier_of(word, "a name")
    }

    /// A whole number, 0 or above.
    pub(crate) fn number_option(&mut self, key: &'static str) -> Option<u64> {
        let word = self.option(key)?;
        self.number(&word)
    }

    /// A whole number, 1 or above, because of `why`.
    pub(crate) fn count_option(&mut self, key: &'static str, why: &str) -> Option<u64> {
        let word = self.option(key)?;
        let number = self.number(&word)?;
        if number == 0 {
            self.report.error(word.span, format!("`{key}=0`: {why}"), "expected 1 or more");
        }
        Some(number)
    }

    /// A duration as the server might be told it, also a negative one.
    pub(crate) fn duration_option(&mut self, key: &'static str) -> Option<Duration> {
        let word = self.option(key)?;
        self.duration(&word)
    }

    /// A length of time that really passes.
    pub(crate) fn delay_option(&mut self, key: &'static str) -> Option<Duration> {
        let word = self.option(key)?;
        self.delay(&word)
    }

    /// `key=yes` or `key=no`.
    pub(crate) fn yes_option(&mut self, key: &'static str) -> Option<bool> {
        let word = self.option(key)?;
        self.yes(&word)
    }

    /// Where an option or flag was that has been taken.
    pub(crate) fn taken(&self, key: &str) -> Option<Span> {
        self.taken.iter().find(|(taken, _)| *taken == key).map(|(_, span)| *span)
    }

    /// The option that is next, whichever it is: key, its span, value.
    pub(crate) fn any_option(&mut self) -> Option<(String, Span, Word)> {
        let set = |token: &Token| matches!(token, Token::Option { comparison: Comparison::Equal, .. });
        let at = self.tokens.iter().position(set)?;
        match self.tokens.remove(at) {
            Token::Option { key, span, value, .. } => Some((key, span, value)),
            _ => None,
        }
    }

    /// Adds options that [`Args::any_option`] looks for.
    pub(crate) fn knows(&mut self, keys: impl IntoIterator<Item = &'static str>) {
        self.known.extend(keys);
    }

    /// Notes that one of them was there.
    pub(crate) fn took(&mut self, key: &'static str, span: Span) {
        self.taken.push((key, span));
    }

    /// Reports what nobody asked for.
    pub(crate) fn finish(self) {
        let taken = self.taken.iter().map(|(key, _)| *key).collect();
        self.report.words.push(Words { of: self.of.clone(), known: self.known.clone(), taken });
        for token in &self.tokens {
            let (span, word) = match token {
                Token::Option { key, span, .. } => (*span, key.clone()),
                Token::Word(word) if !word.quoted => (word.span, String::from_utf8_lossy(&word.bytes).into_owned()),
                Token::Comma(span) => {
                    self.report.error(*span, "a comma between nothing", "not expected here");
                    continue;
                }
                other => {
                    self.report.error(other.span(), format!("`{}` takes no further argument", self.of), "not expected here");
                    continue;
                }
            };
            if self.known.contains(&word.as_str()) {
                // A flag written as an option, the other way round, or a flag given twice.
                let flag = matches!(token, Token::Option { .. }) || self.taken(&word).is_some();
                let (message, label) = match flag {
                    true => (format!("`{word}` stands alone, once"), "no value here".to_owned()),
                    false => (format!("`{word}` needs a value"), format!("expected {word}=VALUE")),
                };
                self.report.error(token.span(), message, label);
            } else {
                let what = if matches!(token, Token::Option { .. }) { "option" } else { "argument" };
                self.report.unknown(span, format!("`{}` has no {what} `{word}`", self.of), "unknown", &word, &self.known);
            }
        }
    }

    /// A word's text; a string may hold bytes that are none.
    pub(crate) fn utf8(&mut self, word: Word) -> Option<String> {
        let span = word.span;
        let text = String::from_utf8(word.bytes).ok();
        if text.is_none() {
            self.report.error(span, "these bytes are no UTF-8 text", "expected text").help("only payloads may hold any bytes");
        }
        text
    }

    pub(crate) fn name_of(&mut self, word: Word, what: &str) -> Option<Name> {
        let span = word.span;
        let text = self.utf8(word)?;
        if text.is_empty() {
            self.report.error(span, "a name is empty", format!("expected {what}"));
            return None;
        }
        Some(Name { text: text.into(), span })
    }

    pub(crate) fn identifier_of(&mut self, word: Word, what: &str) -> Option<Name> {
        let name = self.name_of(word, what)?;
        if !is_identifier(&name) {
            let message = format!("`{}` can not be {what}", name.as_str().escape_debug());
            self.report.error(name.span, message, "not a name").help(IDENTIFIER);
            return None;
        }
        Some(name)
    }

    pub(crate) fn number<T: std::str::FromStr + Display>(&mut self, word: &Word) -> Option<T> {
        let text = String::from_utf8_lossy(&word.bytes);
        // "+5" parses as a number, but it would not print as one.
        let number = text.parse().ok().filter(|_| !text.starts_with('+'));
        if number.is_none() {
            let message = match text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
                true => format!("`{text}` is out of range"),
                false => format!("`{}` is not a whole number", text.escape_debug()),
            };
            self.report.error(word.span, message, "expected a whole number");
        }
        number
    }

    /// A duration, which always has a unit.
    pub(crate) fn duration(&mut self, word: &Word) -> Option<Duration> {
        let text = String::from_utf8_lossy(&word.bytes).into_owned();
        self.duration_in(&text, word.span)
    }

    pub(crate) fn duration_in(&mut self, text: &str, span: Span) -> Option<Duration> {
        let parsed = match text.trim_start_matches('-') {
            "0" => Err(DurationError::NoUnit(text.to_owned())),
            // Its negation would not fit, so it could not be printed and read again.
            _ => text.parse().and_then(|parsed: Duration| match parsed.as_nanos() {
                i64::MIN => Err(DurationError::OutOfRange(text.to_owned())),
                _ => Ok(parsed),
            }),
        };
        let report = |error: DurationError| self.report.error_with_help(span, &error.to_string(), "expected a duration");
        parsed.map_err(report).ok()
    }

    pub(crate) fn delay(&mut self, word: &Word) -> Option<Duration> {
        let delay = self.duration(word)?;
        if delay.is_negative() {
            self.report.error(word.span, "a length of time that passes can not be negative", "expected 0s or more");
            return None;
        }
        Some(delay)
    }

    pub(crate) fn yes(&mut self, word: &Word) -> Option<bool> {
        match word.bytes.as_slice() {
            b"yes" | b"true" => Some(true),
            b"no" | b"false" => Some(false),
            _ => {
                let message = format!("`{}` is neither yes nor no", String::from_utf8_lossy(&word.bytes).escape_debug());
                self.report.error(word.span, message, "expected yes or no");
                None
            }
        }
    }
}

/// What [`is_identifier`] wants.
pub(crate) const IDENTIFIER: &str = "a name is made of letters, digits, `_`, and behind the first also `-` and `.`";

/// Whether a text can be the name of a client, a worker, a fault rule or a pull.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
