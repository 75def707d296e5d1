//! The form of nats-server's configuration files: text in, values with their lines out. What a key means is said in `configured.rs`.
//!
//! `key: value`, `key = value` and `key value`, blocks in braces, lists in brackets, comments after `#` and `//`, numbers with a size at the end
//! (`64MiB`), variables (`$NAME`, from the file or the environment) and `include`, as in `conf/lex.go` and `conf/parse.go`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    List(Vec<Value>),
    Block(Block),
}

/// The entries of a block, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Block(pub(crate) Vec<Entry>);

/// One key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Value,
    /// Where it stands: a file and a line.
    pub(crate) place: String,
}

/// A file that can not be read as configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfError {
    /// The file itself.
    #[error("the configuration {path} can not be read: {source}")]
    File { path: PathBuf, source: std::io::Error },
    /// What stands in it.
    #[error("{place}: {what}")]
    Syntax { place: String, what: String },
}

/// How deep files may include each other.
const DEEPEST: usize = 16;

/// Reads a file and what it includes.
pub(crate) fn read(path: &Path) -> Result<Block, ConfError> {
    read_at(path, 0)
}

fn read_at(path: &Path, depth: usize) -> Result<Block, ConfError> {
    let text = fs::read_to_string(path).map_err(|source| ConfError::File { path: path.to_owned(), source })?;
    let mut reader = Reader { text: &text, at: 0, path, depth, variables: Vec::new() };
    reader.block(None)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    path: &'t Path,
    depth: usize,
    /// What the enclosing blocks have set, the innermost last.
    variables: Vec<BTreeMap<String, Value>>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn place(&self) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }

    fn error<T>(&self, what: impl Into<String>) -> Result<T, ConfError> {
        Err(ConfError::Syntax { place: self.place(), what: what.into() })
    }

    /// Passes over white space and comments; with `separators`, over commas, semicolons and line ends too.
    fn skip(&mut self, separators: bool) {
        while let Some(next) = self.peek() {
            let comment = next == '#' || self.rest().starts_with("//");
            if comment {
                let end = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += end;
            } else if next == ' ' || next == '\t' || next == '\r' || (separators && matches!(next, '\n' | ',' | ';')) {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    /// The entries up to `end`, or to the end of the file.
    fn block(&mut self, end: Option<char>) -> Result<Block, ConfError> {
        let mut block = Block::default();
        self.variables.push(BTreeMap::new());
        loop {
            self.skip(true);
            match (self.peek(), end) {
                (None, None) => break,
                (None, Some(end)) => return self.error(format!("the file ends where {end:?} is missing")),
                (Some(next), Some(end)) if next == end => {
                    self.at += 1;
                    break;
                }
                (Some('}'), None) => return self.error("this closes a block that was not opened"),
                _ => self.entry(&mut block)?,
            }
        }
        self.variables.pop();
        Ok(block)
    }

    fn entry(&mut self, block: &mut Block) -> Result<(), ConfError> {
        // Some files are one block in braces, as JSON is.
        if self.peek() == Some('{') && block.0.is_empty() && self.variables.len() == 1 {
            self.at += 1;
            *block = self.block(Some('}'))?;
            return Ok(());
        }
        let place = self.place();
        let key = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.until(|next| matches!(next, ':' | '=' | '{' | '[' | '}' | ',' | ';') || next.is_whitespace()),
        };
        if key.is_empty() {
            return self.error(format!("a key is expected, not {:?}", self.peek().unwrap_or(' ')));
        }
        self.skip(false);
        if key == "include" {
            return self.include(block);
        }
        if let Some(':' | '=') = self.peek() {
            self.at += 1;
        }
        self.skip(false);
        // A value may begin on the next line if it is a block.
        if self.peek() == Some('\n') {
            self.skip(true);
            if self.peek() != Some('{') && self.peek() != Some('[') {
                return self.error(format!("{key} has no value"));
            }
        }
        let value = self.value(&key)?;
        if let Some(scope) = self.variables.last_mut() {
            scope.insert(key.clone(), value.clone());
        }
        block.0.push(Entry { key, value, place });
        Ok(())
    }

    fn include(&mut self, block: &mut Block) -> Result<(), ConfError> {
        let name = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.until(|next| next.is_whitespace() || matches!(next, ',' | ';' | '}')),
        };
        if name.is_empty() {
            return self.error("include has no file");
        }
        if self.depth >= DEEPEST {
            return self.error("files include each other without an end");
        }
        let path = self.path.parent().unwrap_or(Path::new("")).join(name);
        block.0.extend(read_at(&path, self.depth + 1)?.0);
        Ok(())
    }

    fn value(&mut self, key: &str) -> Result<Value, ConfError> {
        match self.peek() {
            Some('{') => {
                self.at += 1;
                Ok(Value::Block(self.block(Some('}'))?))
            }
            Some('[') => {
                self.at += 1;
                let mut list = Vec::new();
                loop {
                    self.skip(true);
                    match self.peek() {
                        Some(']') => break,
                        None => return self.error("the file ends where ']' is missing"),
                        _ => list.push(self.value(key)?),
                    }
                }
                self.at += 1;
                Ok(Value::List(list))
            }
            Some(quote @ ('"' | '\'')) => Ok(Value::Text(self.quoted(quote)?)),
            Some('(') => {
                // A text over several lines, up to a closing parenthesis on its own.
                let Some(end) = self.rest().find("\n)") else { return self.error("the file ends where ')' is missing") };
                let text = self.rest()[1..end].to_owned();
                self.at += end + 2;
                Ok(Value::Text(text))
            }
            _ => {
                let word = self.until(|next| matches!(next, ',' | ';' | ']' | '}') || next.is_whitespace());
                match word.strip_prefix('$') {
                    _ if word.is_empty() => self.error(format!("{key} has no value")),
                    Some(name) => self.variable(name),
                    None => Ok(plain(&word)),
                }
            }
        }
    }

    /// What was set by this name in the file, or in the environment.
    fn variable(&self, name: &str) -> Result<Value, ConfError> {
        if let Some(value) = self.variables.iter().rev().find_map(|scope| scope.get(name)) {
            return Ok(value.clone());
        }
        match std::env::var(name) {
            Ok(text) => Ok(plain(&text)),
            Err(_) => self.error(format!("${name} is set neither above nor in the environment")),
        }
    }

    fn until(&mut self, stop: impl Fn(char) -> bool) -> String {
        let end = self.rest().find(stop).unwrap_or(self.rest().len());
        let word = self.rest()[..end].to_owned();
        self.at += end;
        word
    }

    fn quoted(&mut self, quote: char) -> Result<String, ConfError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.take() {
                None => {
                    self.at = start;
                    return self.error("this text is not closed");
                }
                Some(next) if next == quote => return Ok(text),
                // Single quotes take everything as it stands.
                Some('\\') if quote == '"' => match self.take() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(escaped @ ('"' | '\\')) => text.push(escaped),
                    other => return self.error(format!("{:?} is no escape", other.map_or("\\".to_owned(), |other| format!("\\{other}")))),
                },
                Some(next) => text.push(next),
            }
        }
    }
}

/// A word without quotes: a flag, a number with or without a size, or a text.
fn plain(word: &str) -> Value {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => return Value::Flag(true),
        "false" | "no" | "off" => return Value::Flag(false),
        _ => {}
    }
    let digits = word.strip_prefix('-').unwrap_or(word);
    let end = digits.find(|next: char| !next.is_ascii_digit()).unwrap_or(digits.len());
    let (number, suffix) = word.split_at(word.len() - digits.len() + end);
    if end > 0
        && let Ok(number) = number.parse::<i64>()
        && let Some(factor) = factor(suffix)
        && let Some(value) = number.checked_mul(factor)
    {
        return Value::Integer(value);
    }
    match word.parse::<f64>() {
        Ok(number) if end > 0 && number.is_finite() => Value::Float(number),
        _ => Value::Text(word.to_owned()),
    }
}

/// What a size multiplies its number with: K is a thousand, KB and KiB are 1024.
fn factor(suffix: &str) -> Option<i64> {
    let lower = suffix.to_ascii_lowercase();
    let mut letters = lower.chars();
    let Some(unit) = letters.next() else { return Some(1) };
    let power = 1 + u32::try_from("kmgtpe".find(unit)?).ok()?;
    match letters.as_str() {
        "" => 1000_i64.checked_pow(power),
        "b" | "i" | "ib" => 1024_i64.checked_pow(power),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Block, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.conf");
        fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string().rsplit('/').next().unwrap_or_default().to_owned())
    }

    fn shape(block: &Block) -> String {
        let value = |value: &Value| match value {
            Value::Block(block) => format!("{{{}}}", shape(block)),
            Value::List(list) => {
                let items: Vec<String> = list
                    .iter()
                    .map(|item| match item {
                        Value::Block(block) => format!("{{{}}}", shape(block)),
                        other => format!("{other:?}"),
                    })
                    .collect();
                format!("[{}]", items.join(" "))
            }
            other => format!("{other:?}"),
        };
        block.0.iter().map(|entry| format!("{}={}", entry.key, value(&entry.value))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_people_write_is_read() {
        for (text, expected) in [
            ("port: 4222", "port=Integer(4222)"),
            ("port = -1\nhost 127.0.0.1", "port=Integer(-1) host=Text(\"127.0.0.1\")"),
            ("listen: localhost:4222 # here", "listen=Text(\"localhost:4222\")"),
            ("a: 64MiB, b: 10K, c: 128KB, d: 1Gi", "a=Integer(67108864) b=Integer(10000) c=Integer(131072) d=Integer(1073741824)"),
            ("jetstream: {\n  strict: true,\n  max: 64MiB\n}", "jetstream={strict=Flag(true) max=Integer(67108864)}"),
            ("jetstream {}\ndebug off", "jetstream={} debug=Flag(false)"),
            ("users: [ {user: a, password: \"b c\"}, {user: d} ]", "users=[{user=Text(\"a\") password=Text(\"b c\")} {user=Text(\"d\")}]"),
            ("list = [\n  1\n  2 // two\n]", "list=[Integer(1) Integer(2)]"),
            ("TOKEN: \"x\\\"y\"\nauth: { token: $TOKEN }", "TOKEN=Text(\"x\\\"y\") auth={token=Text(\"x\\\"y\")}"),
            ("{\"port\": 1, \"a\": {\"b\": null}}", "port=Integer(1) a={b=Text(\"null\")}"),
            ("timeout: 1.5; wait: \"2s\"; name: '\\n'", "timeout=Float(1.5) wait=Text(\"2s\") name=Text(\"\\\\n\")"),
            ("accounts\n{\n A { users = [] }\n}", "accounts={A={users=[]}}"),
            ("url: nats://a:b@h:1/x", "url=Text(\"nats://a:b@h:1/x\")"),
            ("", ""),
        ] {
            assert_eq!(parse(text).map(|block| shape(&block)), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_none_says_where_and_why() {
        for (text, expected) in [
            ("port: 1\njetstream {", "server.conf:2: the file ends where '}' is missing"),
            ("port:\n", "server.conf:2: port has no value"),
            ("}", "server.conf:1: this closes a block that was not opened"),
            ("a: \"x", "server.conf:1: this text is not closed"),
            ("a: [1, 2", "server.conf:1: the file ends where ']' is missing"),
            ("\n\na: $JETLAG_SURELY_UNSET", "server.conf:3: $JETLAG_SURELY_UNSET is set neither above nor in the environment"),
            (": 1", "server.conf:1: a key is expected, not ':'"),
            ("include server.conf", "server.conf:1: files include each other without an end"),
        ] {
            assert_eq!(parse(text).map(|block| shape(&block)), Err(expected.to_owned()), "{text}");
        }
        assert!(parse("include 'missing.conf'").unwrap_err().contains("can not be read"));
    }
}
