//! How much a server may store: what streams hold of each kind of storage, and what they reserve (`limitsExceeded` and `checkBytesLimits`,
//! `server/jetstream.go`). The limits of one stream are the stream's.

use jetlag_model::{ApiError, StorageType, StreamConfig};

use crate::core::Core;

/// Bytes that all streams together may hold, by storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreLimits {
    /// In memory; `None` is no limit.
    pub memory: Option<u64>,
    /// In files; `None` is no limit.
    pub file: Option<u64>,
}

impl StoreLimits {
    fn of(self, storage: StorageType) -> Option<u64> {
        match storage {
            StorageType::Memory => self.memory,
            StorageType::File => self.file,
        }
    }
}

impl Core {
    /// Whether nothing more is stored: the message that goes beyond the limit still is, and none after it.
    pub(crate) fn is_full(&self, storage: StorageType) -> bool {
        let Some(limit) = self.stores.of(storage) else { return false };
        let streams = self.streams.values().filter(|stream| stream.config.storage == storage);
        streams.map(|stream| stream.log.bytes()).sum::<u64>() > limit
    }

    /// Whether there is room for what a stream wants to reserve with `max_bytes`, beside what the others have reserved; `old` is what it was.
    pub(crate) fn check_reservation(&self, new: &StreamConfig, old: Option<&StreamConfig>) -> Result<(), ApiError> {
        let Some(limit) = self.stores.of(new.storage) else { return Ok(()) };
        let wanted = |config: &StreamConfig| u64::try_from(config.max_bytes).unwrap_or(0);
        let more = wanted(new).saturating_sub(old.map_or(0, wanted));
        let reserved: u64 =
            self.streams.values().filter(|stream| stream.config.storage == new.storage).map(|stream| wanted(&stream.config)).sum();
        match new.storage {
            _ if more == 0 || reserved.saturating_add(more) <= limit => Ok(()),
            StorageType::Memory => Err(ApiError::memory_resources_exceeded()),
            StorageType::File => Err(ApiError::storage_resources_exceeded()),
        }
    }
}
