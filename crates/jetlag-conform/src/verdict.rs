//! What a replay says of a scenario on one server, and how many say so.

use std::time::Duration;

use crate::compare::Difference;
use crate::ratio::Ratio;

/// What a replay says of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server does what the transcript says.
    Agree,
    /// It does not, and the file says that it is known, with this evidence.
    Known(String),
    /// It does, though it was said that it does not: by this.
    Closed(String),
    /// It does not, and these rules separate its version from the one that the simulator plays; none is named when it takes several together.
    Separated(Vec<&'static str>),
    /// It does not.
    Differ(Box<Difference>),
    /// It can not be told, for this reason.
    Inconclusive(String),
    /// It was not asked, for this reason.
    Skipped(String),
}

impl Verdict {
    /// One word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Agree => "agree",
            Verdict::Known(_) => "known",
            Verdict::Closed(_) => "closed",
            Verdict::Separated(_) => "separated",
            Verdict::Differ(_) => "differ",
            Verdict::Inconclusive(_) => "inconclusive",
            Verdict::Skipped(_) => "skipped",
        }
    }
}

/// What came of a scenario on one server.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What came of it.
    pub verdict: Verdict,
    /// The pace of the last replay.
    pub ratio: Option<Ratio>,
    /// How many replays were made: more than one if the first differed.
    pub replays: u32,
    /// How long the last one took, with what led to it.
    pub took: Duration,
}

/// How many scenarios came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// [`Verdict::Agree`].
    pub agree: usize,
    /// [`Verdict::Known`].
    pub known: usize,
    /// [`Verdict::Closed`].
    pub closed: usize,
    /// [`Verdict::Separated`].
    pub separated: usize,
    /// [`Verdict::Differ`].
    pub differ: usize,
    /// [`Verdict::Inconclusive`].
    pub inconclusive: usize,
    /// [`Verdict::Skipped`].
    pub skipped: usize,
    /// No scenarios.
    pub unreadable: usize,
}

impl Counts {
    /// One more.
    pub fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Agree => &mut self.agree,
            Verdict::Known(_) => &mut self.known,
            Verdict::Closed(_) => &mut self.closed,
            Verdict::Separated(_) => &mut self.separated,
            Verdict::Differ(_) => &mut self.differ,
            Verdict::Inconclusive(_) => &mut self.inconclusive,
            Verdict::Skipped(_) => &mut self.skipped,
        } += 1;
    }

    /// Each count with its word, in the order of this type.
    pub fn words(&self) -> [(usize, &'static str); 8] {
        [
            (self.agree, "agree"),
            (self.known, "known"),
            (self.closed, "closed"),
            (self.separated, "separated"),
            (self.differ, "differ"),
            (self.inconclusive, "inconclusive"),
            (self.skipped, "skipped"),
            (self.unreadable, "unreadable"),
        ]
    }
}
