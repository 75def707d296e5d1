//! What storage holds between two lives of a server, and how much of it a crash takes away.

use jetlag_model::{ConsumerConfig, Duration, StreamConfig, Text, Time, WallTime};

use crate::consumer::ConsumerStore;
use crate::stream::Log;

/// What storage holds while no server runs on it.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub(crate) streams: Vec<StoredStream>,
    /// How many ids the server has drawn, so that they stay unique over its lives.
    pub(crate) ids_drawn: u64,
}

/// A file stream on disk.
#[derive(Clone, Debug)]
pub(crate) struct StoredStream {
    pub(crate) config: StreamConfig,
    pub(crate) created: WallTime,
    pub(crate) log: Log,
    pub(crate) consumers: Vec<StoredConsumer>,
}

/// A consumer on disk.
#[derive(Clone, Debug)]
pub(crate) struct StoredConsumer {
    pub(crate) name: Text,
    pub(crate) config: ConsumerConfig,
    pub(crate) created: WallTime,
    pub(crate) state: ConsumerStore,
}

/// How much of what was written last a crash takes away from one store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// Nothing: all of it had reached the disk.
    #[default]
    Nothing,
    /// What was written during the last so many nanoseconds, the very first of them included.
    Since(Duration),
    /// The last so many operations.
    Operations(u64),
    /// What the server had not written yet when it was killed, while the machine lives on: of a stream nothing, as it writes messages before
    /// it confirms them; of a consumer what waited for its next write (`consumerFileStore.flushLoop` in `server/filestore.go`).
    Unwritten,
    /// Everything that can be asked for: the last 10,000 operations.
    All,
}

/// What a killed server loses. A killed process loses consumer state that waited to be written ([`Lost::Unwritten`]); only a machine that
/// loses its power loses messages too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostTail {
    /// Of each stream's messages.
    pub messages: Lost,
    /// Of each consumer's state.
    pub consumers: Lost,
}

impl From<Lost> for LostTail {
    /// As much of the one as of the other.
    fn from(lost: Lost) -> LostTail {
        LostTail { messages: lost, consumers: lost }
    }
}

/// How many of the operations made at these times survive, where each is written at once.
pub(crate) fn kept(times: impl ExactSizeIterator<Item = Time>, now: Time, lost: Lost) -> usize {
    let all = times.len();
    match lost {
        Lost::Nothing | Lost::Unwritten => all,
        Lost::All => 0,
        Lost::Operations(count) => all.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX)),
        Lost::Since(duration) => times.filter(|at| *at < now + -duration).count(),
    }
}
