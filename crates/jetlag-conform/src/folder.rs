//! Temporary folders that go away with their owner; or, when that was killed, with the next one who comes.
//!
//! An owner holds a lock on a file in its folder. A lock ends with its process, however that ends, so a folder that nobody holds is left over.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use tempfile::TempDir;

/// The file that is locked.
const LOCK: &str = ".lock";

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct OwnFolder {
    folder: TempDir,
    _lock: File,
}

impl OwnFolder {
    /// A new folder in `parent`, its name beginning with `prefix`; what is left over there, with that prefix, is removed.
    ///
    /// # Errors
    ///
    /// When it can not be made.
    pub(crate) fn new(parent: &Path, prefix: &str) -> io::Result<OwnFolder> {
        sweep(parent, prefix);
        loop {
            let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
            match hold(folder.path()) {
                Ok(lock) => return Ok(OwnFolder { folder, _lock: lock }),
                // Someone else took it for left over before it was locked.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.path().exists() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn lock_file(folder: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK))
}

/// Locks a folder that was just made.
fn hold(folder: &Path) -> io::Result<File> {
    let lock = lock_file(folder)?;
    match lock.lock() {
        // Where there are no locks, nothing is ever taken for left over.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(lock),
        Err(error) => Err(error),
        Ok(()) => fs::metadata(folder.join(LOCK)).map(|_| lock),
    }
}

/// Removes the folders that nobody holds.
fn sweep(parent: &Path, prefix: &str) {
    // What can not be looked at or removed stays: it is not ours, or its owner's keeper is at it.
    let entries = parent.read_dir().into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix))) {
        let folder = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(lock) = lock_file(&folder)
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use super::*;

    fn names(parent: &Path) -> BTreeSet<String> {
        parent.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_nobody_holds_is_swept_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let held = OwnFolder::new(parent.path(), "own-").unwrap();
        fs::create_dir_all(parent.path().join("own-dead/store")).unwrap();
        fs::write(parent.path().join("own-dead").join(LOCK), "").unwrap();
        fs::create_dir(parent.path().join("own-half-made")).unwrap();
        fs::create_dir(parent.path().join("other")).unwrap();
        fs::write(parent.path().join("own-file"), "").unwrap();
        let second = OwnFolder::new(parent.path(), "own-").unwrap();
        let name = |folder: &OwnFolder| folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        let others = ["other", "own-file"].map(str::to_owned);
        assert_eq!(names(parent.path()), others.iter().cloned().chain([name(&held), name(&second)]).collect());
        drop((held, second));
        assert_eq!(names(parent.path()), others.into());
    }

    #[test]
    fn who_makes_a_folder_while_others_sweep_has_it() {
        let parent = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let own = OwnFolder::new(parent.path(), "own-").unwrap();
                        fs::write(own.path().join("file"), "mine").unwrap();
                        assert_eq!(fs::read(own.path().join("file")).unwrap(), b"mine");
                    }
                });
            }
        });
        assert_eq!(names(parent.path()), BTreeSet::new());
    }

    #[test]
    fn without_a_parent_there_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(OwnFolder::new(&file, "own-").is_err());
        assert!(OwnFolder::new(&parent.path().join("missing"), "own-").is_err());
    }
}
