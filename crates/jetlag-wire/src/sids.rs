//! The numbers of subscriptions. Clients give them as text, mostly a number; any other word stands for a number above those.

use std::collections::BTreeMap;

use jetlag_model::Sid;

/// Numbers from here on stand for words.
const WORDS: u64 = 1 << 63;

/// The words that stand for subscriptions of one connection.
#[derive(Debug, Default)]
pub(crate) struct Sids {
    numbers: BTreeMap<Box<str>, u64>,
    words: BTreeMap<u64, Box<str>>,
    next: u64,
}

impl Sids {
    /// The number that this word is, or stands for from now on.
    pub(crate) fn number(&mut self, word: &str) -> Sid {
        if let Some(number) = plain(word) {
            return Sid(number);
        }
        if let Some(number) = self.numbers.get(word) {
            return Sid(*number);
        }
        let number = WORDS + self.next;
        self.next += 1;
        self.numbers.insert(word.into(), number);
        self.words.insert(number, word.into());
        Sid(number)
    }

    /// The number that this word is or stands for already.
    pub(crate) fn known(&self, word: &str) -> Option<Sid> {
        plain(word).or_else(|| self.numbers.get(word).copied()).map(Sid)
    }

    /// A subscription ended: its word is free.
    pub(crate) fn forget(&mut self, sid: Sid) {
        if let Some(word) = self.words.remove(&sid.0) {
            self.numbers.remove(&word);
        }
    }

    /// How the client writes this number.
    pub(crate) fn write(&self, sid: Sid, out: &mut Vec<u8>) {
        match self.words.get(&sid.0) {
            Some(word) => out.extend_from_slice(word.as_bytes()),
            None => write_number(sid.0, out),
        }
    }
}

/// Appends a number in digits.
pub(crate) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The number, if it is written the way we would write it back.
fn plain(word: &str) -> Option<u64> {
    let canonical = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    canonical.then(|| word.parse().ok()).flatten().filter(|number| *number < WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back_as_it_was_written() {
        let mut sids = Sids::default();
        for word in ["0", "7", "007", "x1y", "18446744073709551615", "9223372036854775807", "9223372036854775808", "é", "+1"] {
            let sid = sids.number(word);
            assert_eq!(sids.number(word), sid, "{word}");
            let mut written = Vec::new();
            sids.write(sid, &mut written);
            assert_eq!(written, word.as_bytes());
        }
        let word = sids.number("x1y");
        sids.forget(word);
        assert!(sids.known("x1y").is_none() && !sids.words.contains_key(&word.0));
    }
}
