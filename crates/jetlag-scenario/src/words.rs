//! Closed sets of words: one list gives the spelling, the parser and the help text.

/// Gives an enum of unit variants its words.
macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// All of them, in the order in which they are documented.
            pub const ALL: &[$name] = &[$($name::$variant),+];
            /// Their words, in the same order.
            pub(crate) const WORDS: &[&str] = &[$($word),+];

            /// As it is written in a scenario.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word),+
                }
            }

            /// Reads the word.
            pub(crate) fn from_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

pub(crate) use words;
