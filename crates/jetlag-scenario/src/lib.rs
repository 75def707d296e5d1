//! The scenario language: parse, print, diagnostics. A scenario is text in, typed values out; how to run one is `jetlag-runner`'s concern.
//!
//! Internal to jetlag and in lock step with it; the language itself is public and versioned.

mod command;
mod fault;
mod scenario;
mod settings;
mod span;
mod version;
mod worker;

pub use command::{
    AckCommand, AckVerb, Advance, Check, CheckName, ClientCommand, Command, ConsumerCommand, ConsumerPath, DeleteConsumer, DeleteMessage,
    DeleteStream, DeliveryRef, Fetch, Info, Kill, Lost, Publish, Purge, Request, Restart, StreamCommand, Subscribe, Unsubscribe,
};
pub use fault::{CrossingKind, Cycle, FaultEffect, FaultMatch, FaultSpec, FaultWhen, Occurrence, Partition, Probability};
pub use scenario::{Block, Conform, Header, Mode, SCRIPT, Scenario, Step, Transcript, VersionCondition};
pub use settings::{Setting, SettingValue, Settings};
pub use span::{Name, Span};
pub use version::{Comparison, VersionRange, VersionRangeError};
pub use worker::{Action, ActionKind, CountCondition, HandlerOption, WorkerCommand, WorkerMatch, WorkerRule};
