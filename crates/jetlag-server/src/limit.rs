//! The end of virtual time: a test that waits for something that never comes would, on a paused clock, run through years of heartbeats.

use std::io::Write;

use jetlag_model::Time;

use crate::sockets::Shared;

/// What happens when virtual time reaches its end.
pub(crate) struct VirtualLimit {
    at: Time,
    /// The name of the thread that started the server; in tests, the name of the test.
    who: String,
}

impl VirtualLimit {
    pub(crate) fn new(at: Time) -> VirtualLimit {
        let who = std::thread::current().name().unwrap_or("a thread without a name").to_owned();
        VirtualLimit { at, who }
    }

    /// When it is reached.
    pub(crate) fn at(&self) -> Time {
        self.at
    }

    /// Virtual time is over.
    pub(crate) fn reached(&self, shared: &Shared) -> ! {
        let what = format!("has run for {} of virtual time, its limit. It waits for something that does not come", self.at);
        self.end(shared, &what, "Raise `virtual_limit` if this is intended.")
    }

    /// Time stands still while traffic goes on and on.
    pub(crate) fn looped(&self, shared: &Shared, calls: u64) -> ! {
        let what =
            format!("has sent {calls} pieces of traffic at one instant of virtual time. Client and server answer each other in a loop");
        self.end(shared, &what, "What happened last shows who begins.")
    }

    /// Says what the server knows and ends the process: nothing else stops a runtime that can always jump to its next timer.
    fn end(&self, shared: &Shared, what: &str, remedy: &str) -> ! {
        let dump = shared.look(crate::running::dump);
        let text = format!("\njetlag: {} {what}.\n{dump}\n{remedy}\n", self.who);
        // Past the capturing of test output, which would be lost with the process.
        let _ = std::io::stderr().write_all(text.as_bytes());
        std::process::exit(101);
    }
}
