//! Where the server listens, for whoever started it: a line on standard output, and files that are there for as long as the server is.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jetlag_model::ServerVersion;
use serde_json::json;

/// What is to be known of a server that listens.
pub(crate) struct Announcement {
    pub(crate) address: SocketAddr,
    /// Where `/varz` and others are answered.
    pub(crate) monitor: Option<SocketAddr>,
    pub(crate) version: ServerVersion,
    pub(crate) pid: u32,
    pub(crate) control_token: Option<String>,
}

impl Announcement {
    /// A JSON object on a line.
    pub(crate) fn line(&self) -> String {
        let mut json = json!({
            "url": self.url(),
            "host": self.address.ip().to_string(),
            "port": self.address.port(),
            "pid": self.pid,
            "version": self.version.to_string(),
        });
        if let Some(monitor) = &self.monitor {
            json["monitor"] = json!(format!("http://{monitor}"));
        }
        if let Some(token) = &self.control_token {
            json["control_token"] = json!(token);
        }
        format!("{json}\n")
    }

    /// The form of nats-server's ports file.
    pub(crate) fn ports(&self) -> String {
        let mut json = json!({ "nats": [self.url()] });
        if let Some(monitor) = &self.monitor {
            json["monitoring"] = json!([format!("http://{monitor}")]);
        }
        json.to_string()
    }

    fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Writes the line.
    pub(crate) fn say(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.line().as_bytes())?;
        out.flush()
    }
}

/// A file that is there for as long as the server is.
pub(crate) struct OwnFile(PathBuf);

impl OwnFile {
    /// Writes it whole or not at all.
    pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<OwnFile> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".{}", std::process::id()));
        let unfinished = PathBuf::from(unfinished);
        let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            // It is worth an error already that it could not be written.
            let _ = fs::remove_file(&unfinished);
        }
        written.with_context(|| format!("{} can not be written", path.display()))?;
        Ok(OwnFile(path.to_owned()))
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        // Someone else may have removed it.
        let _ = fs::remove_file(&self.0);
    }
}
