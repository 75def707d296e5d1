//! Which nats-server to use: one that was named, one that is installed, one in the user's cache, or one that already runs.
//!
//! Not here: filling the cache ([`crate::fetch`]) and running what was found ([`crate::server`]).

mod url;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use jetlag_model::ServerVersion;

pub use url::{ServerUrl, UrlError};

/// The environment variable that names a binary or a URL.
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
        "no nats-server found; name a binary or a nats:// URL, set {VARIABLE}, install nats-server on PATH, or fetch one with: jetlag nats-server fetch"
    )]
    NotFound,
    /// A path that leads to no executable file.
    #[error("{path}, {origin}, is no executable file; name the nats-server binary itself")]
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
    /// A binary that can not be run.
    #[error("{path} can not be run: {source}; is it built for this machine?")]
    Run {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A binary that is something else.
    #[error("{path} --version says {said:?}, not \"nats-server: v...\"; name the nats-server binary itself")]
    NotNatsServer {
        /// The path.
        path: PathBuf,
        /// The first line of what it printed.
        said: String,
    },
}

/// The places where a server is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The value of [`VARIABLE`].
    pub variable: Option<OsString>,
    /// The value of `PATH`.
    pub path: Option<OsString>,
    /// The folder that holds one folder a version.
    pub cache: Option<PathBuf>,
}

impl Places {
    /// The places of this process.
    pub fn of_process() -> Places {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        Places { variable: set(VARIABLE), path: set("PATH"), cache: cache_dir() }
    }

    /// The server to use: `given` if there is one, else [`VARIABLE`], else `nats-server` on PATH, else the newest in the cache.
    ///
    /// Each of the first two is a path or a `nats://` URL. A binary is not run here; [`version_of`] tells whether it is what it should be.
    ///
    /// # Errors
    ///
    /// When nothing is found, or when what was named is of no use: a wrong name is never passed over for another place.
    pub fn find(&self, given: Option<&OsStr>) -> Result<Found, FindError> {
        if let Some(given) = given {
            return named(given, Origin::Given);
        }
        if let Some(variable) = &self.variable {
            return named(variable, Origin::Variable);
        }
        let on_path = self.path.iter().flat_map(env::split_paths).map(|folder| folder.join(BINARY)).find(|path| is_executable(path));
        if let Some(path) = on_path {
            return Ok(Found { server: Server::Binary(path), origin: Origin::Path });
        }
        match self.cached().pop() {
            Some((_, path)) => Ok(Found { server: Server::Binary(path), origin: Origin::Cache }),
            None => Err(FindError::NotFound),
        }
    }

    /// The binaries in the cache with the versions they are filed under, oldest version first.
    pub fn cached(&self) -> Vec<(ServerVersion, PathBuf)> {
        // A cache that is not there or can not be read is an empty one: every caller has another place to look, or an error of its own.
        let folders = self.cache.iter().filter_map(|cache| cache.read_dir().ok()).flatten().flatten();
        let mut found: Vec<_> = folders
            .filter_map(|folder| {
                let version = folder.file_name().to_str()?.parse().ok()?;
                let path = folder.path().join(BINARY);
                is_executable(&path).then_some((version, path))
            })
            .collect();
        found.sort();
        found
    }
}

/// Finds a server in the places of this process; see [`Places::find`].
///
/// # Errors
///
/// See [`Places::find`].
pub fn find(given: Option<&OsStr>) -> Result<Found, FindError> {
    Places::of_process().find(given)
}

/// The folder for fetched servers: `$XDG_CACHE_HOME/jetlag/nats-server`, by default below `~/.cache`. `None` without a home.
pub fn cache_dir() -> Option<PathBuf> {
    // The XDG rules: a relative path is invalid and passed over.
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("jetlag").join(BINARY))
}

/// Asks a binary for its version by running it with `--version`.
///
/// # Errors
///
/// When it can not be run or is no nats-server.
pub fn version_of(binary: &Path) -> Result<ServerVersion, FindError> {
    let output = Command::new(binary)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| FindError::Run { path: binary.to_owned(), source })?;
    let printed = String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout });
    let line = printed.lines().next().unwrap_or_default();
    parse_version(line).ok_or_else(|| FindError::NotNatsServer { path: binary.to_owned(), said: line.to_owned() })
}

/// The version in `nats-server: v2.15.1`.
fn parse_version(line: &str) -> Option<ServerVersion> {
    line.strip_prefix("nats-server: ")?.trim().parse().ok()
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

fn named(name: &OsStr, origin: Origin) -> Result<Found, FindError> {
    let server = match name.to_str().filter(|name| name.contains("://")) {
        Some(url) => Server::Running(url.parse().map_err(|source| FindError::Url { origin, source })?),
        None if is_executable(Path::new(name)) => Server::Binary(absolute(Path::new(name))),
        None => return Err(FindError::NoBinary { path: name.into(), origin }),
    };
    Ok(Found { server, origin })
}

/// A relative path would be looked up on PATH, or from another folder, by the time it is run.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A file that looks like a binary; it is never run.
    fn put(path: &Path, mode: u32) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_owned()
    }

    fn binary(path: &Path, origin: Origin) -> Found {
        Found { server: Server::Binary(path.to_owned()), origin }
    }

    #[test]
    fn the_first_place_with_a_server_wins() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let given = put(&at("given/any-name"), 0o755);
        let variable = put(&at("variable/nats-server"), 0o755);
        let on_path = put(&at("bin/nats-server"), 0o755);
        put(&at("other/nats-server"), 0o644);
        let newest = put(&at("cache/2.10.26/nats-server"), 0o755);
        let older = put(&at("cache/2.9.25/nats-server"), 0o755);
        put(&at("cache/2.15.1/nats-server"), 0o644);
        put(&at("cache/.fetch-x/nats-server"), 0o755);

        let mut places = Places {
            variable: Some(variable.clone().into()),
            path: Some(env::join_paths([at("missing"), at("other"), at("bin")]).unwrap()),
            cache: Some(at("cache")),
        };
        assert_eq!(places.find(Some(given.as_os_str())).unwrap(), binary(&given, Origin::Given));
        assert_eq!(places.find(None).unwrap(), binary(&variable, Origin::Variable));
        places.variable = None;
        assert_eq!(places.find(None).unwrap(), binary(&on_path, Origin::Path));
        places.path = None;
        assert_eq!(places.find(None).unwrap(), binary(&newest, Origin::Cache));
        assert_eq!(
            places.cached(),
            [(ServerVersion::new(2, 9, 25), older), (ServerVersion::new(2, 10, 26), newest)],
            "what is not executable or not filed under a version does not count"
        );
        places.cache = Some(at("no-such-cache"));
        assert!(matches!(places.find(None), Err(FindError::NotFound)));
    }

    #[test]
    fn a_wrong_name_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let good = put(&folder.path().join("nats-server"), 0o755);
        let places = Places { variable: Some("/no/such/file".into()), path: Some(folder.path().into()), cache: None };
        let error = places.find(None).unwrap_err();
        assert_eq!(error.to_string(), "/no/such/file, JETLAG_NATS_SERVER, is no executable file; name the nats-server binary itself");
        let error = places.find(Some(folder.path().as_os_str())).unwrap_err();
        assert!(matches!(error, FindError::NoBinary { origin: Origin::Given, .. }), "a folder: {error}");
        let error = places.find(Some(OsStr::new("http://127.0.0.1"))).unwrap_err();
        assert!(matches!(error, FindError::Url { origin: Origin::Given, .. }), "{error}");
        assert_eq!(places.find(Some(good.as_os_str())).unwrap().origin, Origin::Given);
    }

    #[test]
    fn a_url_means_a_running_server() {
        let found = Places::default().find(Some(OsStr::new("nats://127.0.0.1:4222"))).unwrap();
        assert_eq!(found, Found { server: Server::Running("nats://127.0.0.1:4222".parse().unwrap()), origin: Origin::Given });
    }

    #[test]
    fn versions_are_read_from_what_the_binary_prints() {
        for (line, version) in [
            ("nats-server: v2.15.1", Some(ServerVersion::NEWEST)),
            ("nats-server: v2.10.26 ", Some(ServerVersion::new(2, 10, 26))),
            ("nats-server: v2.15.0-dev", Some(ServerVersion::new(2, 15, 0))),
            ("nats-server v2.15.1", None),
            ("nats: v0.1.5", None),
            ("", None),
        ] {
            assert_eq!(parse_version(line), version, "{line}");
        }
    }

    #[test]
    fn another_program_is_not_taken_for_a_server() {
        let error = version_of(Path::new("/bin/echo")).unwrap_err();
        assert!(matches!(error, FindError::NotNatsServer { .. }), "{error}");
        let error = version_of(Path::new("/no/such/file")).unwrap_err();
        assert!(matches!(error, FindError::Run { .. }), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let error = version_of(&put(&folder.path().join("empty"), 0o755)).unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
    }

    #[test]
    fn a_real_binary_tells_its_version() {
        let Some(binary) = for_tests() else { return };
        assert!(version_of(&binary).unwrap() >= ServerVersion::new(2, 9, 0));
    }
}
