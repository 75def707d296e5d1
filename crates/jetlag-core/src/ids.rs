//! Ids the server makes up: advisory ids, names of ephemeral consumers. Counted, not random, so that a run repeats.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A source of ids of 22 characters, as long as the real server's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    drawn: u64,
}

impl Ids {
    /// Goes on after so many ids.
    pub(crate) fn after(drawn: u64) -> Ids {
        Ids { drawn }
    }

    pub(crate) fn drawn(&self) -> u64 {
        self.drawn
    }

    pub(crate) fn draw(&mut self) -> String {
        self.drawn += 1;
        format!("JETLAG{}", self.digits(16))
    }

    /// A name for a consumer that brought none.
    pub(crate) fn draw_name(&mut self) -> String {
        self.drawn += 1;
        self.digits(8)
    }

    fn digits(&self, len: usize) -> String {
        let mut rest = self.drawn;
        let mut digits = vec![b'0'; len];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[(rest % 62) as usize];
            rest /= 62;
        }
        String::from_utf8(digits).expect("digits are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_long_as_the_servers_and_never_repeat() {
        let mut ids = Ids::after(61);
        assert_eq!((ids.draw().as_str(), ids.draw().as_str()), ("JETLAG0000000000000010", "JETLAG0000000000000011"));
        assert_eq!(ids.draw().len(), 22);
        assert_eq!((ids.draw_name().as_str(), ids.drawn()), ("00000013", 65));
    }
}
