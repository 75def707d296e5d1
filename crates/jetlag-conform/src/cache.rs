//! The user's cache of servers: a folder with one folder a version. What is in it is checked before it is used.
//!
//! Not here: filling it ([`crate::fetch`]).

use std::env;
use std::path::PathBuf;

use jetlag_model::ServerVersion;

use crate::binary::{self, BinaryError};
use crate::checksum::{Checked, Checksums};
use crate::find::BINARY;

/// A cache, and the checksums that its binaries must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// The folder that holds one folder a version. It need not be there.
    pub folder: PathBuf,
    /// What the binaries must have.
    pub checksums: Checksums,
}

impl Cache {
    /// The user's: `$XDG_CACHE_HOME/jetlag/nats-server`, by default below `~/.cache`. `None` without a home.
    pub fn of_user() -> Option<Cache> {
        // The XDG rules: a relative path is invalid and passed over.
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(Cache { folder: cache.join("jetlag").join(BINARY), checksums: Checksums::shipped() })
    }

    /// Where the binary of a version is, or would be.
    pub fn path(&self, version: ServerVersion) -> PathBuf {
        self.folder.join(version.to_string()).join(BINARY)
    }

    /// Whether there is a binary of this version. It is not checked.
    pub fn has(&self, version: ServerVersion) -> bool {
        binary::is_executable(&self.path(version))
    }

    /// The versions of which there is a binary, oldest first. They are not checked.
    pub fn versions(&self) -> Vec<ServerVersion> {
        // A cache that is not there or can not be read is an empty one: every caller has another place to look, or an error of its own.
        let folders = self.folder.read_dir().into_iter().flatten().flatten();
        // `2.15.0-dev` reads as a version, but is not where the binary of 2.15.0 is looked for.
        let is_named = |version: &ServerVersion, name: &str| version.to_string() == name;
        let named = folders.filter_map(|folder| {
            let name = folder.file_name().into_string().ok()?;
            name.parse().ok().filter(|version| is_named(version, &name))
        });
        let mut versions: Vec<ServerVersion> = named.filter(|version| self.has(*version)).collect();
        versions.sort();
        versions
    }

    /// Checks the binary of a version that is there; see [`binary::check`].
    ///
    /// # Errors
    ///
    /// When it is not what it should be.
    pub fn check(&self, version: ServerVersion) -> Result<Checked, BinaryError> {
        binary::check(&self.checksums, version, &self.path(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binary::tests::{fake_server, put};

    #[test]
    fn what_is_executable_and_filed_under_a_version_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = Cache { folder: folder.path().to_owned(), ..Cache::default() };
        let (older, newer) = (ServerVersion::new(2, 9, 25), ServerVersion::new(2, 10, 26));
        fake_server(&cache.path(newer), "2.10.26");
        fake_server(&cache.path(older), "2.9.26");
        put(&cache.path(ServerVersion::NEWEST), "", 0o644);
        for odd in [".fetch-x", "2.15.0-dev", "v2.9.24"] {
            fake_server(&folder.path().join(odd).join("nats-server"), "2.15.0");
        }
        assert_eq!(cache.versions(), [older, newer]);
        assert!(matches!(cache.check(newer).unwrap(), Checked::Unknown(_)));
        assert!(matches!(cache.check(older), Err(BinaryError::WrongVersion { .. })));
        cache.folder = folder.path().join("no-such-cache");
        assert_eq!(cache.versions(), []);
    }
}
