//! Versions of nats-server.

use std::fmt;
use std::str::FromStr;

/// A released version of nats-server. Ordered as releases are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
}

/// A text that is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version of nats-server; write three numbers such as 2.15.1")]
pub struct VersionError(pub String);

impl ServerVersion {
    /// The version whose behaviour the simulator follows unless told otherwise.
    pub const NEWEST: ServerVersion = ServerVersion::new(2, 15, 1);

    /// The versions that the simulator is compared with, oldest first: the last release of each line, as far as it is packaged.
    pub const COMPARED: [ServerVersion; 5] = [
        ServerVersion::new(2, 10, 26),
        ServerVersion::new(2, 11, 11),
        ServerVersion::new(2, 12, 8),
        ServerVersion::new(2, 14, 6),
        ServerVersion::NEWEST,
    ];

    /// The version `major.minor.patch`.
    pub const fn new(major: u16, minor: u16, patch: u16) -> ServerVersion {
        ServerVersion { major, minor, patch }
    }
}

impl FromStr for ServerVersion {
    type Err = VersionError;

    /// Reads `2.15.1` or `v2.15.1`; what follows a `-` (as in `2.15.0-dev`) is passed over.
    fn from_str(text: &str) -> Result<ServerVersion, VersionError> {
        let numbers = text.strip_prefix('v').unwrap_or(text);
        let numbers = numbers.split_once('-').map_or(numbers, |(numbers, _)| numbers);
        let mut parts = numbers.split('.').map(|part| part.parse::<u16>().ok());
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten(), parts.next()) {
            (Some(major), Some(minor), Some(patch), None) => Ok(ServerVersion { major, minor, patch }),
            _ => Err(VersionError(text.to_owned())),
        }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_and_compare() {
        assert_eq!("2.15.1".parse(), Ok(ServerVersion::NEWEST));
        assert_eq!("v2.10.26".parse(), Ok(ServerVersion::new(2, 10, 26)));
        assert_eq!("2.15.0-dev".parse(), Ok(ServerVersion::new(2, 15, 0)));
        assert!(ServerVersion::new(2, 9, 10) < ServerVersion::new(2, 10, 2));
        for bad in ["", "2", "2.15", "2.15.1.0", "two.15.1", "2.15.x"] {
            assert_eq!(bad.parse::<ServerVersion>(), Err(VersionError(bad.into())));
        }
    }
}
