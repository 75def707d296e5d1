//! A scenario as a value: header, blocks, steps, transcripts. What a step does is in `command`.

use jetlag_model::ServerVersion;

use crate::{Command, Name, Span, VersionRange};

/// The name of the client that acts where a line names no actor.
pub const SCRIPT: &str = "script";

/// One scenario file. Its `Display` is the canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What the file says of itself.
    pub header: Header,
    /// Commands and what they produce, in time order.
    pub blocks: Vec<Block>,
}

/// The `key: value` lines at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Comment lines at the top, each with what follows its `#`.
    pub comments: Vec<String>,
    /// `title:` the claim, in one line. The only line every scenario has.
    pub title: String,
    /// `cites:` lines: where the claim comes from.
    pub cites: Vec<String>,
    /// `ids:` the rows of the coverage matrix that this covers.
    pub ids: Vec<String>,
    /// `server:` the versions for which the claim holds; all when absent.
    pub server: Option<VersionRange>,
    /// `seed:` what the run's draws depend on; 1 when absent.
    pub seed: u64,
    /// `labels:` by which scenarios are chosen.
    pub labels: Vec<String>,
    /// `conform:` whether a real server can be asked.
    pub conform: Conform,
    /// `differs:` lines: servers that are known to do something else than the transcripts say, and where that is tracked.
    pub differs: Vec<KnownDifference>,
    /// `unconfirmed:` present while no real server has confirmed the transcript; says why or since when.
    pub unconfirmed: Option<String>,
}

impl Header {
    /// A header that holds a title and defaults.
    pub fn new(title: impl Into<String>) -> Header {
        Header {
            comments: Vec::new(),
            title: title.into(),
            cites: Vec::new(),
            ids: Vec::new(),
            server: None,
            seed: 1,
            labels: Vec::new(),
            conform: Conform::Yes,
            differs: Vec::new(),
            unconfirmed: None,
        }
    }
}

/// Whether a scenario also runs on real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conform {
    /// It does. Written by leaving the line out.
    Yes,
    /// It does not, for this reason: `conform: no - reason`.
    No(String),
}

/// A difference between the simulator and some servers that is known and not modelled: `differs: RANGE - EVIDENCE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDifference {
    /// On which servers.
    pub range: VersionRange,
    /// A server issue (`#8605`), a commit or a line of the server's source, with a word on what differs.
    pub evidence: String,
}

impl KnownDifference {
    /// Whether a text names something that others can look up: an issue, a commit, or a place in the server's source.
    pub fn is_evidence(text: &str) -> bool {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let commit = |text: &str| {
            (9..=40).contains(&text.len())
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                && text.bytes().any(|byte| byte.is_ascii_digit())
        };
        let words = text.split(|c: char| c.is_whitespace() || ",;()".contains(c)).map(|word| word.trim_end_matches(['.', ':']));
        words.into_iter().any(|word| {
            let issue = word.rsplit_once('#').is_some_and(|(_, after)| number(after));
            let source = word.strip_prefix("server/").is_some_and(|file| file.contains(".go"));
            issue || source || commit(word)
        })
    }
}

/// Commands, then the transcripts they produce. Blocks are separated by blank lines.
///
/// A block has steps and an unconditional first transcript, or it has comments alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The commands, in order.
    pub steps: Vec<Step>,
    /// Comment lines after the last command, each with what follows its `#`.
    pub comments: Vec<String>,
    /// What the steps print: first the one without a condition, then those for other versions.
    pub transcripts: Vec<Transcript>,
    /// The whole block.
    pub span: Span,
}

impl Block {
    /// The transcript that holds for `version`, with its index: the first whose condition contains it, otherwise the unconditional one.
    /// `None` for a block of comments.
    pub fn transcript_for(&self, version: ServerVersion) -> Option<(usize, &Transcript)> {
        let all = || self.transcripts.iter().enumerate();
        let conditional = all().find(|(_, t)| t.condition.as_ref().is_some_and(|condition| condition.range.contains(version)));
        conditional.or_else(|| all().find(|(_, t)| t.condition.is_none()))
    }
}

/// One command line with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The comment lines above, each with what follows its `#`.
    pub comments: Vec<String>,
    /// Who does it: `w1:`.
    pub actor: Option<Name>,
    /// What is expected and printed.
    pub mode: Mode,
    /// What is done.
    pub command: Command,
    /// The comment at the end of the line: what follows its `#`.
    pub remark: Option<String>,
    /// The command line, without its body.
    pub span: Span,
}

impl Step {
    /// A step of the script, in normal mode, that was never text in a file.
    pub fn new(command: Command) -> Step {
        Step { comments: Vec::new(), actor: None, mode: Mode::Normal, command, remark: None, span: Span::default() }
    }

    /// The line of the command, counted from 1.
    pub fn line(&self) -> usize {
        self.span.line
    }
}

/// What is expected of a step, and what it prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Prints whatever comes of it.
    Normal,
    /// `!command`: must be refused; prints the refusal.
    MustFail,
    /// `(command)`: must succeed; prints nothing but errors.
    Silent,
}

/// What the steps of a block print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// For which versions, and why they differ; `None` for the first transcript of a block.
    pub condition: Option<VersionCondition>,
    /// The lines, none of them blank.
    pub lines: Vec<String>,
    /// The bytes of the lines with their line ends, empty just behind the `----` line when there are none. `line` is the line of `----`.
    pub span: Span,
}

/// `server<2.11.0: reason` behind `----`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionCondition {
    /// The versions.
    pub range: VersionRange,
    /// Why they differ.
    pub reason: String,
}
