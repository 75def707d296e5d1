//! The server's log, in the form of nats-server's, which test suites read.

use std::io::{self, Write};
use std::sync::Mutex;

use crate::serve::wall_clock;

/// Where lines go.
pub(crate) struct Log {
    out: Mutex<Box<dyn Write + Send>>,
}

impl Log {
    pub(crate) fn standard_error() -> Log {
        Log { out: Mutex::new(Box::new(io::stderr())) }
    }

    /// Says what happens.
    pub(crate) fn info(&self, text: &str) {
        self.line("INF", text);
    }

    fn line(&self, level: &str, text: &str) {
        // `2026-11-28T20:15:00.123456789Z`, written as Go does.
        let now = wall_clock().to_string();
        let (date, time) = now.split_at(10);
        let time: String = time[1..].trim_end_matches('Z').chars().take(15).collect();
        let line = format!("[{}] {} {time:0<15} [{level}] {text}\n", std::process::id(), date.replace('-', "/"));
        let mut out = self.out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A log that can not be written has no place to say so.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}
