//! The server's log, in the form of nats-server's, which test suites read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use crate::serve::wall_clock;

/// Where lines go.
pub(crate) struct Log {
    out: Mutex<Box<dyn Write + Send>>,
    is_file: bool,
}

impl Log {
    pub(crate) fn standard_error() -> Log {
        Log { out: Mutex::new(Box::new(io::stderr())), is_file: false }
    }

    /// Goes on in a file.
    pub(crate) fn file(path: &Path) -> anyhow::Result<Log> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("the log {} can not be written", path.display()))?;
        Ok(Log { out: Mutex::new(Box::new(file)), is_file: true })
    }

    /// Whether it is a file, so that a terminal does not show it.
    pub(crate) fn is_file(&self) -> bool {
        self.is_file
    }

    /// Says what happens.
    pub(crate) fn info(&self, text: &str) {
        self.line("INF", text);
    }

    /// Says what may not be meant.
    pub(crate) fn warning(&self, text: &str) {
        self.line("WRN", text);
    }

    /// Says why it ends.
    pub(crate) fn fatal(&self, text: &str) {
        self.line("FTL", text);
    }

    fn line(&self, level: &str, text: &str) {
        // `2026-11-28T20:15:00.123456789Z`, written as Go does.
        let now = wall_clock().to_string();
        let (date, time) = now.split_at(10);
        let time: String = time[1..].trim_end_matches('Z').chars().take(15).collect();
        let line = format!("[{}] {} {time:0<15} [{level}] {text}\n", std::process::id(), date.replace('-', "/"));
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that can not be written has no place to say so.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}
