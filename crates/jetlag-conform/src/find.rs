//! Which nats-server to use: one that was named, one that is installed, one in the user's cache, or one that already runs.
//!
//! Not here: what to believe of a binary ([`crate::binary`]), filling the cache ([`crate::fetch`]) and running what was found
//! ([`crate::server`]).

mod url;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

use jetlag_model::ServerVersion;

use crate::binary::{BinaryError, is_executable, version_text};
use crate::cache::Cache;

pub use url::{ServerUrl, UrlError};

/// The environment variable that names a server: a version, a binary or a URL.
pub const VARIABLE: &str = "JETLAG_NATS_SERVER";

/// The environment variable that turns tests without a server from skipped to failed, when it is `1`.
pub const REQUIRE_VARIABLE: &str = "JETLAG_REQUIRE_SERVERS";

/// The name of the binary, on PATH and in the cache.
pub(crate) const BINARY: &str = "nats-server";

/// A server to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A binary, to start as many processes of as needed.
    Binary(PathBuf),
    /// A server that someone else runs: it can be talked to, but neither restarted nor configured.
    Running(ServerUrl),
}

/// Where a server was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was named.
    Given,
    /// [`VARIABLE`].
    Variable,
    /// PATH.
    Path,
    /// The user's cache.
    Cache,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Given => "as given",
            Origin::Variable => VARIABLE,
            Origin::Path => "PATH",
            Origin::Cache => "the cache",
        })
    }
}

/// A server, and why this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The server.
    pub server: Server,
    /// Where it was found.
    pub origin: Origin,
}

/// No server, or none of use.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nothing named, nothing installed, nothing in the cache.
    #[error(
        "no nats-server found; name a version, a binary or a nats:// URL, set {VARIABLE}, install nats-server on PATH, or fetch one with: jetlag nats-server fetch"
    )]
    NotFound,
    /// A version that is not in the cache.
    #[error("the cache has no nats-server {version}; fetch it with: jetlag nats-server fetch {version}")]
    NotCached {
        /// The version.
        version: ServerVersion,
    },
    /// A path that leads to no executable file.
    #[error("{path}, {origin}, is no executable file; name a version such as 2.15.1, the nats-server binary itself or a nats:// URL")]
    NoBinary {
        /// The path.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
    },
    /// A URL that can not be read.
    #[error("the URL, {origin}, can not be used: {source}")]
    Url {
        /// Who named it.
        origin: Origin,
        /// What is wrong.
        source: UrlError,
    },
    /// A binary that can not be run, or is something else.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A binary in the cache that is not what it should be.
    #[error("{source}; fetch it anew with: jetlag nats-server fetch {version}")]
    Cached {
        /// The version it is filed under.
        version: ServerVersion,
        /// What is wrong with it.
        source: BinaryError,
    },
}

/// The places where a server is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The value of [`VARIABLE`].
    pub variable: Option<OsString>,
    /// The value of `PATH`.
    pub path: Option<OsString>,
    /// The cache.
    pub cache: Option<Cache>,
}

impl Places {
    /// The places of this process.
    pub fn of_process() -> Places {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        Places { variable: set(VARIABLE), path: set("PATH"), cache: Cache::of_user() }
    }

    /// The server to use: `given` if there is one, else [`VARIABLE`], else `nats-server` on PATH, else the newest in the cache.
    ///
    /// Each of the first two is a version such as `2.15.1`, which is taken from the cache, or a path, or a `nats://` URL. What comes from
    /// the cache is checked here. Another binary is not run here; [`version_of`] tells whether it is what it should be.
    ///
    /// # Errors
    ///
    /// When nothing is found, or when what was named is of no use: a wrong name is never passed over for another place.
    pub fn find(&self, given: Option<&OsStr>) -> Result<Found, FindError> {
        if let Some(given) = given {
            return self.named(given, Origin::Given);
        }
        if let Some(variable) = &self.variable {
            return self.named(variable, Origin::Variable);
        }
        let on_path = self.path.iter().flat_map(env::split_paths).map(|folder| folder.join(BINARY)).find(|path| is_executable(path));
        if let Some(path) = on_path {
            return Ok(Found { server: Server::Binary(path), origin: Origin::Path });
        }
        let newest = self.cache.as_ref().and_then(|cache| cache.versions().pop());
        self.cached(newest.ok_or(FindError::NotFound)?)
    }

    fn named(&self, name: &OsStr, origin: Origin) -> Result<Found, FindError> {
        if let Some(version) = version_named(name) {
            return self.cached(version);
        }
        let server = match name.to_str().filter(|name| name.contains("://")) {
            Some(url) => Server::Running(url.parse().map_err(|source| FindError::Url { origin, source })?),
            None if is_executable(Path::new(name)) => Server::Binary(absolute(Path::new(name))),
            None => return Err(FindError::NoBinary { path: name.into(), origin }),
        };
        Ok(Found { server, origin })
    }

    fn cached(&self, version: ServerVersion) -> Result<Found, FindError> {
        let cache = self.cache.as_ref().filter(|cache| cache.has(version)).ok_or(FindError::NotCached { version })?;
        cache.check(version).map_err(|source| FindError::Cached { version, source })?;
        Ok(Found { server: Server::Binary(cache.path(version)), origin: Origin::Cache })
    }
}

/// The version that a name is, if it is one: `2.15.1` or `v2.15.1`. Anything more, such as `./2.15.1`, is a path.
fn version_named(name: &OsStr) -> Option<ServerVersion> {
    let name = name.to_str()?;
    let version: ServerVersion = name.parse().ok()?;
    (version.to_string() == name.strip_prefix('v').unwrap_or(name)).then_some(version)
}

/// Finds a server in the places of this process; see [`Places::find`].
///
/// # Errors
///
/// See [`Places::find`].
pub fn find(given: Option<&OsStr>) -> Result<Found, FindError> {
    Places::of_process().find(given)
}

/// Asks a binary for its version by running it with `--version`. What stands behind the three numbers, such as `-dev`, is passed over.
///
/// # Errors
///
/// When it can not be run or is no nats-server.
pub fn version_of(binary: &Path) -> Result<ServerVersion, FindError> {
    let text = version_text(binary)?;
    Ok(text.parse().map_err(|_| BinaryError::NotNatsServer { path: binary.to_owned(), said: text })?)
}

/// The binary that tests which need a real server start, or `None`: then the test has nothing to do and returns.
///
/// The places are those of [`find`]. Without a server one line on standard error says how to give one.
///
/// # Panics
///
/// Without a server when [`REQUIRE_VARIABLE`] is `1`, and always when a server was named that is of no use.
pub fn for_tests() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let required = env::var_os(REQUIRE_VARIABLE).is_some_and(|value| value == "1");
    let missing = match find(None) {
        Ok(Found { server: Server::Binary(path), .. }) => return Some(path),
        Ok(Found { server: Server::Running(url), .. }) => format!("{VARIABLE} is {url}, but these tests start servers of their own"),
        Err(error @ FindError::NotFound) => error.to_string(),
        Err(error) => panic!("{error}"),
    };
    assert!(!required, "{REQUIRE_VARIABLE}=1: {missing}");
    SAID.call_once(|| {
        // Straight to the stream: the test harness would keep back what a passing test prints. A closed stream is no reason to fail.
        let _ = writeln!(io::stderr(), "tests with a real server are skipped: {missing}");
    });
    None
}

/// A relative path would be looked up on PATH, or from another folder, by the time it is run.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binary::tests::{fake_server, put};
    use crate::checksum::platform;

    fn binary(path: &Path, origin: Origin) -> Found {
        Found { server: Server::Binary(path.to_owned()), origin }
    }

    #[test]
    fn the_first_place_with_a_server_wins() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let given = put(&at("given/any-name"), "", 0o755);
        let variable = put(&at("variable/nats-server"), "", 0o755);
        let on_path = put(&at("bin/nats-server"), "", 0o755);
        put(&at("other/nats-server"), "", 0o644);
        let newest = fake_server(&at("cache/2.10.26/nats-server"), "2.10.26");
        let older = fake_server(&at("cache/2.9.25/nats-server"), "2.9.25");

        let mut places = Places {
            variable: Some(variable.clone().into()),
            path: Some(env::join_paths([at("missing"), at("other"), at("bin")]).unwrap()),
            cache: Some(Cache { folder: at("cache"), ..Cache::default() }),
        };
        assert_eq!(places.find(Some(given.as_os_str())).unwrap(), binary(&given, Origin::Given));
        assert_eq!(places.find(Some(OsStr::new("2.9.25"))).unwrap(), binary(&older, Origin::Cache));
        assert_eq!(places.find(None).unwrap(), binary(&variable, Origin::Variable));
        places.variable = Some("v2.9.25".into());
        assert_eq!(places.find(None).unwrap(), binary(&older, Origin::Cache));
        places.variable = None;
        assert_eq!(places.find(None).unwrap(), binary(&on_path, Origin::Path));
        places.path = None;
        assert_eq!(places.find(None).unwrap(), binary(&newest, Origin::Cache));
        places.cache = None;
        assert!(matches!(places.find(None), Err(FindError::NotFound)));
    }

    #[test]
    fn a_wrong_name_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let good = put(&folder.path().join("nats-server"), "", 0o755);
        let places = Places { variable: Some("/no/such/file".into()), path: Some(folder.path().into()), cache: None };
        let error = places.find(None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/no/such/file, JETLAG_NATS_SERVER, is no executable file; name a version such as 2.15.1, the nats-server binary itself or a nats:// URL"
        );
        let error = places.find(Some(folder.path().as_os_str())).unwrap_err();
        assert!(matches!(error, FindError::NoBinary { origin: Origin::Given, .. }), "a folder: {error}");
        let error = places.find(Some(OsStr::new("http://127.0.0.1"))).unwrap_err();
        assert!(matches!(error, FindError::Url { origin: Origin::Given, .. }), "{error}");
        let error = places.find(Some(OsStr::new("2.15.1"))).unwrap_err();
        assert_eq!(error.to_string(), "the cache has no nats-server 2.15.1; fetch it with: jetlag nats-server fetch 2.15.1");
        for no_version in ["2.15", "2.15.1-dev", "./2.15.1"] {
            let error = places.find(Some(OsStr::new(no_version))).unwrap_err();
            assert!(matches!(error, FindError::NoBinary { .. }), "{error}");
        }
        assert_eq!(places.find(Some(good.as_os_str())).unwrap().origin, Origin::Given);
    }

    #[test]
    fn a_server_in_the_cache_that_is_not_what_it_should_be_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = Cache { folder: folder.path().to_owned(), ..Cache::default() };
        let (older, newest) = (ServerVersion::new(2, 9, 25), ServerVersion::new(2, 10, 26));
        fake_server(&cache.path(older), "2.9.25");
        fake_server(&cache.path(newest), "2.10.26");
        cache.checksums.set(newest, &platform(), "0".repeat(64));
        let places = Places { cache: Some(cache), ..Places::default() };
        for given in [None, Some(OsStr::new("2.10.26"))] {
            let error = places.find(given).unwrap_err().to_string();
            assert!(error.contains("refused") && error.ends_with("fetch it anew with: jetlag nats-server fetch 2.10.26"), "{error}");
        }
        assert!(places.find(Some(OsStr::new("2.9.25"))).is_ok());
    }

    #[test]
    fn a_url_means_a_running_server() {
        let found = Places::default().find(Some(OsStr::new("nats://127.0.0.1:4222"))).unwrap();
        assert_eq!(found, Found { server: Server::Running("nats://127.0.0.1:4222".parse().unwrap()), origin: Origin::Given });
    }

    #[test]
    fn another_program_is_not_taken_for_a_server() {
        let error = version_of(Path::new("/bin/echo")).unwrap_err();
        assert!(matches!(error, FindError::Binary(BinaryError::NotNatsServer { .. })), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let version = version_of(&fake_server(&folder.path().join("dev"), "2.15.0-dev")).unwrap();
        assert_eq!(version, ServerVersion::new(2, 15, 0));
    }
}
