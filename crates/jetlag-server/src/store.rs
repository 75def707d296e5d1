//! What a server keeps on disk, so that a process that was killed goes on where it was: one file a namespace, in a folder that one process
//! has for itself.
//!
//! A file is a log of what storage was told to hold (`jetlag_core::Write`), a frame for each batch, written before anybody hears of it.
//! When it has grown to a multiple of what it says, it is written anew beside itself and takes its own place. `frames.rs` has the form
//! of the file, `line.rs` the form of one write.
//!
//! It is for processes that are killed: nothing is forced from the system's memory onto the disk.

mod frames;
mod line;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jetlag_core::{DiskError, StateWrites, Stored, Written};
use jetlag_model::WallTime;
use jetlag_sim::{Backend, Simulated};

use frames::Frames;

/// The end of the names of our files.
const EXTENSION: &str = "jetlag";
/// The file that the process holds.
const LOCK: &str = "lock";
/// A file is not written anew before it is this long, in bytes.
const SHORT: u64 = 4 * 1024 * 1024;
/// A file is written anew when it is so many times as long as what it holds.
const GROWN: u64 = 3;
/// The longest name of a namespace that becomes the name of a file; others are hashed.
const LONGEST: usize = 100;

/// A folder or a file of it that can not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refuses.
    #[error("the store {} can not be used: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Two processes would write over each other.
    #[error("the store {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// Something else lives there.
    #[error("{} is not of a store of jetlag's; choose another folder, or remove it (a real nats-server's store can not be read)", .0.display())]
    Foreign(PathBuf),
    /// A file of a release that wrote it otherwise.
    #[error("{} was written in format {found:?}, and this release reads format {FORMAT}; remove it to begin anew", path.display(), FORMAT = frames::FORMAT)]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        found: String,
    },
    /// Bytes that nobody wrote like this.
    #[error("{} is damaged at byte {at}: {reason}; remove it to begin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the frame begins that makes no sense.
        at: u64,
        /// Why it makes none.
        reason: String,
    },
}

impl StoreError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Io { path, source }
    }
}

/// A folder with a file for each namespace.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    when: StateWrites,
    _lock: File,
}

impl Store {
    /// Takes a folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it can not be written, another process has it, or something else is in it.
    pub(crate) fn open(folder: &Path, when: StateWrites) -> Result<Store, StoreError> {
        fs::create_dir_all(folder).map_err(StoreError::io(folder))?;
        let path = folder.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(StoreError::io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(folder.to_owned())),
            // Where there are no locks, nobody is kept out.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => return Err(StoreError::Io { path, source }),
        }
        Ok(Store { folder: folder.to_owned(), when, _lock: lock })
    }

    /// What was kept, namespace by namespace.
    ///
    /// # Errors
    /// When a file is none of ours, or damaged.
    pub(crate) fn read(&self) -> Result<Vec<(String, Kept)>, StoreError> {
        let mut all = Vec::new();
        let mut paths = Vec::new();
        for entry in self.folder.read_dir().map_err(StoreError::io(&self.folder))? {
            paths.push(entry.map_err(StoreError::io(&self.folder))?.path());
        }
        paths.sort_unstable();
        for path in paths {
            match path.extension().and_then(|end| end.to_str()) {
                Some(EXTENSION) => {
                    let (namespace, kept) = self.read_file(path)?;
                    all.push((namespace, kept));
                }
                // Half of a file that was being written anew; the whole one is still there.
                Some(frames::UNFINISHED) => fs::remove_file(&path).map_err(StoreError::io(&path))?,
                _ if path.file_name().is_some_and(|name| name == LOCK) => {}
                _ => return Err(StoreError::Foreign(path)),
            }
        }
        Ok(all)
    }

    fn read_file(&self, path: PathBuf) -> Result<(String, Kept), StoreError> {
        let mut stored = Stored::default();
        let mut wall = None;
        let (frames, namespace, dropped) = Frames::open(&path, |at, body| {
            let damaged = |reason: String| StoreError::Damaged { path: path.clone(), at, reason };
            let (now, writes) = line::read(body).map_err(&damaged)?;
            wall = Some(now);
            writes.into_iter().try_for_each(|write| stored.apply(write)).map_err(|error: DiskError| damaged(error.to_string()))
        })?;
        Ok((namespace, Kept { file: NamespaceStore::over(frames, self.when), stored, wall, dropped }))
    }

    /// A file for a new namespace.
    ///
    /// # Errors
    /// When it can not be written.
    pub(crate) fn create(&self, namespace: &str) -> Result<NamespaceStore, StoreError> {
        let path = self.folder.join(file_name(namespace)).with_extension(EXTENSION);
        Ok(NamespaceStore::over(Frames::create(&path, namespace)?, self.when))
    }
}

/// What was kept of a namespace.
pub(crate) struct Kept {
    pub(crate) file: NamespaceStore,
    pub(crate) stored: Stored,
    /// What the wall clock showed last.
    pub(crate) wall: Option<WallTime>,
    /// Bytes of a frame that was only half written.
    pub(crate) dropped: u64,
}

/// The file of one namespace.
#[derive(Debug)]
pub(crate) struct NamespaceStore {
    frames: Frames,
    when: StateWrites,
    written: Written,
    /// Which life of the server `written` is about.
    life: Option<u64>,
    /// How long the file was when it was last written anew.
    whole: u64,
}

impl NamespaceStore {
    fn over(frames: Frames, when: StateWrites) -> NamespaceStore {
        NamespaceStore { frames, when, written: Written::default(), life: None, whole: 0 }
    }

    /// Writes down what happened since the last time. `life` is another number when the server is not the one of then.
    ///
    /// # Errors
    /// When it can not be written. The file is then as it was, or ends with half a frame, which is passed over when it is read.
    pub(crate) fn save(&mut self, server: &Simulated, wall: WallTime, life: u64) -> Result<(), StoreError> {
        if self.life != Some(life) || self.frames.len() > SHORT.max(GROWN * self.whole) {
            return self.save_whole(server, wall, life);
        }
        if let Some(core) = server.core() {
            let writes = core.writes(server.now(), self.when, &mut self.written);
            if !writes.is_empty() {
                self.frames.append(&line::write(wall, &writes))?;
            }
        }
        Ok(())
    }

    fn save_whole(&mut self, server: &Simulated, wall: WallTime, life: u64) -> Result<(), StoreError> {
        self.written = Written::default();
        let writes = match (server.core(), server.stored()) {
            (Some(core), _) => core.writes(server.now(), self.when, &mut self.written),
            (None, Some(stored)) => stored.writes(),
            (None, None) => return Ok(()),
        };
        self.frames.replace(&line::write(wall, &writes))?;
        self.life = Some(life);
        self.whole = self.frames.len();
        Ok(())
    }
}

/// The name of a namespace's file.
fn file_name(namespace: &str) -> String {
    format!("ns-{}", plain(namespace))
}

/// What the name of a namespace is in the name of a file: what is not plain is escaped, what is long is
/// hashed, which no escape looks like.
pub(crate) fn plain(namespace: &str) -> String {
    let mut name = String::new();
    for byte in namespace.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            _ => name += &format!("_{byte:02x}"),
        }
    }
    if name.len() > LONGEST { format!("_hash-{:032x}", xxhash_rust::xxh3::xxh3_128(namespace.as_bytes())) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_a_file_of_its_own() {
        for (namespace, name) in [("", "ns-"), ("w1", "ns-w1"), ("W1", "ns-_571"), ("a/b_c", "ns-a_2fb_5fc"), ("..", "ns-_2e_2e")] {
            assert_eq!(file_name(namespace), name);
        }
        let long = ["x".repeat(500), "x".repeat(501)].map(|name| file_name(&name));
        assert!(long[0].len() < LONGEST && long[0] != long[1]);
    }

    #[test]
    fn a_folder_is_for_one_process_and_for_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("js");
        let store = Store::open(&path, StateWrites::AtOnce).unwrap();
        assert!(matches!(Store::open(&path, StateWrites::AtOnce), Err(StoreError::InUse(_))));
        assert_eq!(store.read().unwrap().len(), 0);
        fs::create_dir(path.join("$G")).unwrap();
        assert!(matches!(store.read(), Err(StoreError::Foreign(_))));
        fs::remove_dir(path.join("$G")).unwrap();
        fs::write(path.join("ns-.jetlag.new"), "half").unwrap();
        assert_eq!(store.read().unwrap().len(), 0);
        assert!(!path.join("ns-.jetlag.new").exists());
        drop(store);
        Store::open(&path, StateWrites::AtOnce).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Store::open(&file, StateWrites::AtOnce), Err(StoreError::Io { .. })));
    }
}
