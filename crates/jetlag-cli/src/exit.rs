//! Exit codes: part of the public interface.

/// How a command ended. Of several that apply, the one that stands first here counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// What was given could not be read or understood.
    BadInput,
    /// Two runs of the same thing differ.
    Nondeterminism,
    /// A real server does something else.
    Disagreement,
    /// A scenario or a check failed.
    Failed,
    /// Nothing ran.
    NothingRan,
    /// All is well.
    Ok,
}

/// What the help says.
pub(crate) const HELP: &str = "\
Exit codes: 0 all is well; 1 a scenario or check failed; 2 bad input; 3 nondeterminism;
4 disagreement with a real server; 5 nothing ran. Of several, the first of 2, 3, 4, 1, 5.";

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::BadInput => 2,
            Exit::Nondeterminism => 3,
            Exit::Disagreement => 4,
            Exit::NothingRan => 5,
        }
    }

    /// The one of the two that counts.
    pub(crate) fn and(self, other: Exit) -> Exit {
        self.min(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_2_3_4_1_5_counts() {
        for (exits, code) in [
            (&[Exit::Ok, Exit::Failed, Exit::BadInput, Exit::Nondeterminism][..], 2),
            (&[Exit::Failed, Exit::Disagreement, Exit::Nondeterminism], 3),
            (&[Exit::Failed, Exit::Disagreement], 4),
            (&[Exit::NothingRan, Exit::Failed], 1),
            (&[Exit::Ok, Exit::NothingRan], 5),
            (&[], 0),
        ] {
            assert_eq!(exits.iter().copied().fold(Exit::Ok, Exit::and).code(), code, "{exits:?}");
        }
    }
}
