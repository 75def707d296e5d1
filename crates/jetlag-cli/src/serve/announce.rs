//! Where the server listens, as JSON for whoever started it: a line on standard output, a file.

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
    pub(crate) version: ServerVersion,
    pub(crate) pid: u32,
}

impl Announcement {
    fn text(&self) -> String {
        let address = self.address;
        let json = json!({
            "url": format!("nats://{address}"),
            "host": address.ip().to_string(),
            "port": address.port(),
            "pid": self.pid,
            "version": self.version.to_string(),
        });
        format!("{json}\n")
    }

    /// Writes the line.
    pub(crate) fn say(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.text().as_bytes())?;
        out.flush()
    }

    /// Writes the file. It appears whole, and goes when what is returned is dropped.
    pub(crate) fn write_to(&self, path: &Path) -> anyhow::Result<OwnFile> {
        OwnFile::write(path, &self.text())
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
