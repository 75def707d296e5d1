//! What of a Rust source is code: the same text with comments and the insides of literals blanked out, line by line. No parsing beyond that.

/// `source` with comments and the contents of string and character literals replaced by spaces; newlines stay where they are.
pub(crate) fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !continues_word(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'\'' => character_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            kept.push(bytes[at]);
            at += 1;
        } else {
            kept.extend(bytes[at..end].iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Whether `word` stands in `line` as a whole identifier.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the byte at `at` is the middle of an identifier; the prefixes of `br"..."` and `cr"..."` are not.
fn continues_word(bytes: &[u8], at: usize) -> bool {
    let is_word = |index: usize| bytes[index].is_ascii_alphanumeric() || bytes[index] == b'_';
    match at.checked_sub(1) {
        None => false,
        Some(before) if matches!(bytes[before], b'b' | b'c') => before.checked_sub(1).is_some_and(is_word),
        Some(before) => is_word(before),
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|&&byte| byte == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let inside = &bytes[open + 1..];
    Some(inside.windows(close.len()).position(|window| window == close).map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// The end of a character literal at `start`; `None` for a lifetime.
fn character_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start + 1) == Some(&b'\\') {
        let close = bytes.get(start + 3..)?.iter().position(|&byte| byte == b'\'')?;
        return Some(start + 3 + close + 1);
    }
    let text = std::str::from_utf8(bytes.get(start + 1..)?).ok()?;
    let end = start + 1 + text.chars().next()?.len_utf8();
    (bytes.get(end) == Some(&b'\'')).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_what_is_not_code() {
        for (source, expected) in [
            ("a // b", "a     "),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x\"y", z)"#, r#"f(      , z)"#),
            (r###"r#"a "b" c"# d"###, "             d"),
            (r##"br"a" cr#"b"# d"##, "b     c       d"),
            ("for r in x", "for r in x"),
            (r"'a' '\'' '\n' '\u{1F}' 'é' b", "                            b"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("\"open", "     "),
            ("/* open\nx", "       \n "),
        ] {
            assert_eq!(code(source), expected, "{source}");
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "a\n\"b\nc\"\n/* d\n*/ e\n";
        assert_eq!(code(source), "a\n  \n  \n    \n   e\n");
    }

    #[test]
    fn words_are_whole_identifiers() {
        for (line, word, found) in
            [("use rand::Rng", "rand", true), ("rand_chacha::x", "rand", false), ("operand", "rand", false), ("(Instant)", "Instant", true)]
        {
            assert_eq!(has_word(line, word), found, "{word} in {line}");
        }
    }
}
