//! What the core says has to be written makes, whenever a server ends, the storage that it ends with: all scenarios, looked at after each
//! step of theirs.

use std::path::Path;

use jetlag_core::{Deadline, Input, Lost, LostTail, StateWrites, Stored, Write, Written};
use jetlag_model::{ConsumerConfig, StreamConfig, Time, WallTime};
use jetlag_runner::{RunOptions, ScenarioFile, VirtualPace, find_files, in_order, run_on};
use jetlag_sim::{Backend, BackendError, Limit, Polled, Simulated};

/// A simulated server, and what a driver would have written of it.
struct Kept {
    server: Simulated,
    when: StateWrites,
    stored: Stored,
    written: Written,
    /// How often it was looked whether there is something to write, and how often the two were compared.
    looked: usize,
    compared: usize,
}

/// A configuration comes back from its JSON as it was: that is how it is written.
fn check_json(write: &Write) {
    match write {
        Write::Stream { config, .. } => {
            assert_eq!(serde_json::from_value::<StreamConfig>(serde_json::to_value(config).unwrap()).unwrap(), **config);
        }
        Write::Consumer { config, .. } => {
            assert_eq!(serde_json::from_value::<ConsumerConfig>(serde_json::to_value(config).unwrap()).unwrap(), **config);
        }
        _ => {}
    }
}

impl Kept {
    fn new(when: StateWrites) -> Kept {
        Kept { server: Simulated::new(), when, stored: Stored::default(), written: Written::default(), looked: 0, compared: 0 }
    }

    fn look(&mut self) {
        let Some(core) = self.server.core() else { return };
        let writes = core.writes(self.server.now(), self.when, &mut self.written);
        self.looked += 1;
        // A change that was not told shows at the next one that was; and now and then it is looked without any.
        if writes.is_empty() && !self.looked.is_multiple_of(16) {
            return;
        }
        for write in writes {
            check_json(&write);
            self.stored.apply(write).unwrap();
        }
        let lost = match self.when {
            StateWrites::AtOnce => Lost::Nothing,
            StateWrites::Delayed => Lost::Unwritten,
        };
        let mut killed = self.server.clone();
        killed.kill(LostTail { messages: Lost::Nothing, consumers: lost }).unwrap();
        let killed = killed.stored().expect("it is down").writes();
        assert_eq!(self.stored.writes(), killed, "at {}", self.server.now());
        self.compared += 1;
    }
}

impl Backend for &mut Kept {
    fn now(&self) -> Time {
        self.server.now()
    }

    fn started(&self) -> WallTime {
        self.server.started()
    }

    fn input(&mut self, input: Input) -> Result<(), BackendError> {
        self.server.input(input)
    }

    fn poll(&mut self, limit: Limit) -> Result<Polled, BackendError> {
        let polled = self.server.poll(limit)?;
        if polled == Polled::Reached {
            self.look();
        }
        Ok(polled)
    }

    fn stop(&mut self) -> Result<(), BackendError> {
        self.server.stop()
    }

    fn kill(&mut self, lost: LostTail) -> Result<(), BackendError> {
        self.server.kill(lost)
    }

    fn start(&mut self) -> Result<(), BackendError> {
        // Another life: all is written anew.
        self.server.start()?;
        (self.stored, self.written) = (Stored::default(), Written::default());
        Ok(())
    }

    fn next_busy_deadline(&self) -> Option<(Time, Deadline)> {
        self.server.next_busy_deadline()
    }
}

#[test]
fn what_is_written_is_what_a_killed_server_leaves() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = find_files(&[directory]).unwrap();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let compared = in_order(&files, jobs, |path| {
        let options = RunOptions::default();
        let Ok(file) = ScenarioFile::read(path, &options) else { panic!("{} can not be read", path.display()) };
        let mut all = 0;
        for when in [StateWrites::AtOnce, StateWrites::Delayed] {
            let mut kept = Kept::new(when);
            let outcome = run_on(&mut kept, &file.scenario, &options, &mut VirtualPace { most_records: usize::MAX });
            assert!(outcome.failures.is_empty() || outcome.verdict == jetlag_runner::Verdict::Skip, "{}", path.display());
            all += kept.compared;
        }
        all
    });
    assert!(compared.iter().sum::<usize>() > 3_000, "it was looked too rarely: {compared:?}");
}
