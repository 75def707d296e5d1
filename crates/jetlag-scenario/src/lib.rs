//! The scenario language: parse, print, diagnostics. A scenario is text in, typed values out; how to run one is `jetlag-runner`'s concern.
//!
//! Internal to jetlag and in lock step with it; the language itself is public and versioned.
//!
//! ```
//! let text = "title: a stream is made\n\nstream ORDERS subjects=orders.>\n----\nok\n";
//! let scenario = jetlag_scenario::parse(text).unwrap();
//! assert_eq!(scenario.header.title, "a stream is made");
//! assert_eq!(scenario.to_string(), text);
//! ```

mod args;
mod bless;
mod command;
mod diagnostic;
mod expect;
mod fault;
mod lex;
mod parse;
mod print;
mod scale;
mod scenario;
mod settings;
mod span;
mod version;
mod vocabulary;
mod words;
mod worker;

pub use bless::{Bless, bless, set_unconfirmed};
pub use command::{
    AckCommand, AckVerb, Advance, Check, CheckName, ClientCommand, Command, ConsumerCommand, ConsumerPath, DeleteConsumer, DeleteMessage,
    DeleteStream, DeliveryRef, Fetch, Info, Kill, Publish, Purge, Request, Restart, StreamCommand, Subscribe, Unsubscribe,
};
pub use diagnostic::Diagnostic;
pub use expect::{Amount, Expect, ExpectAlert, ExpectMetric, Wanted};
pub use fault::FaultSpec;
pub use parse::{parse, parse_bytes, parse_faults};
pub use print::format;
pub use scenario::{Block, Conform, Header, KnownDifference, Mode, SCRIPT, Scenario, Step, Transcript, VersionCondition};
pub use settings::{Setting, SettingValue, Settings};
pub use span::{Name, Span};
pub use version::{Comparison, VersionRange, VersionRangeError};
pub use vocabulary::{vocabulary, words_of};
pub use worker::{Action, ActionKind, CountCondition, HandlerOption, WorkerCommand, WorkerMatch, WorkerRule};
