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

/// Locks a folder that was just made. The lock file is the first thing in it, and nobody else ever makes one.
fn hold(folder: &Path) -> io::Result<File> {
    let lock = File::create_new(folder.join(LOCK))?;
    match lock.lock() {
        // Where there are no locks, nothing is ever taken for left over.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(lock),
        Err(error) => Err(error),
        Ok(()) => fs::metadata(folder.join(LOCK)).map(|_| lock),
    }
}

/// Removes the folders that nobody holds.
fn sweep(parent: &Path, prefix: &str) {
    let entries = parent.read_dir().into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix))) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // What can not be looked at or removed stays: it is not ours, or its owner's keeper is at it.
            let _ = remove_unheld(&entry.path());
        }
    }
}

/// Removes a folder, unless someone holds it.
///
/// Who makes a folder can come to any point of this: either they find that it is gone, or they have it.
fn remove_unheld(folder: &Path) -> io::Result<()> {
    // An empty one was just made, or its owner died before it was locked.
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        done => return done,
    }
    // What is not empty once had a lock file: where that is gone, someone has begun to remove it all.
    let _lock = match OpenOptions::new().write(true).open(folder.join(LOCK)) {
        Ok(lock) => {
            lock.try_lock()?;
            Some(lock)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    fs::remove_dir_all(folder)
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
        fs::create_dir_all(parent.path().join("own-half-removed/store")).unwrap();
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
