//! A nats-server binary: what it says it is, and the check that it is what it should be.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use jetlag_model::ServerVersion;

use crate::checksum::{Checked, ChecksumError, Checksums};

/// How long a file may stay open for writing elsewhere: a process that was forked while it was written has it until it runs its own program.
const BUSY: Duration = Duration::from_secs(2);

/// How long a binary may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// What of an answer is read, in bytes.
const ANSWER: u64 = 4096;

/// A binary that is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// It can not be run.
    #[error("{path} can not be run: {source}; is it built for this machine?")]
    Run {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is something else: it does not answer.
    #[error("{path} --version does not end within {PATIENCE:?}; name the nats-server binary itself")]
    Silent {
        /// The path.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{path} --version says {said:?}, not \"nats-server: v...\"; name the nats-server binary itself")]
    NotNatsServer {
        /// The path.
        path: PathBuf,
        /// The first line of what it printed.
        said: String,
    },
    /// It has other bytes than that version has.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
    /// It is another version.
    #[error("{path} is refused: it says that it is nats-server {says}, not {version}")]
    WrongVersion {
        /// The path.
        path: PathBuf,
        /// The version it should be.
        version: ServerVersion,
        /// What it says.
        says: String,
    },
}

/// Checks that a binary is this version: by its checksum if that is known, before it is run, and by what it says.
///
/// # Errors
///
/// When it is not.
pub fn check(checksums: &Checksums, version: ServerVersion, path: &Path) -> Result<Checked, BinaryError> {
    let checked = checksums.check(version, path)?;
    let says = version_text(path)?;
    if says == version.to_string() { Ok(checked) } else { Err(BinaryError::WrongVersion { path: path.to_owned(), version, says }) }
}

/// What a binary says of its version when it is run with `--version`, such as `2.15.1` or `2.15.0-dev`.
///
/// # Errors
///
/// When it can not be run or is no nats-server.
pub(crate) fn version_text(path: &Path) -> Result<String, BinaryError> {
    version_text_within(path, PATIENCE)
}

fn version_text_within(path: &Path, patience: Duration) -> Result<String, BinaryError> {
    let mut child = started(path).map_err(|source| BinaryError::Run { path: path.to_owned(), source })?;
    let printed = what_it_prints(&mut child, patience);
    // It has said what it has to say; if it is still there, it is something else.
    let _ = child.kill();
    let _ = child.wait();
    let printed = printed.ok_or_else(|| BinaryError::Silent { path: path.to_owned() })?;
    let line = printed.lines().next().unwrap_or_default();
    let text = line.strip_prefix("nats-server: v").map(str::trim).filter(|text| text.parse::<ServerVersion>().is_ok());
    text.map(str::to_owned).ok_or_else(|| BinaryError::NotNatsServer { path: path.to_owned(), said: line.to_owned() })
}

fn started(path: &Path) -> io::Result<Child> {
    let start = Instant::now();
    loop {
        match Command::new(path).arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && start.elapsed() < BUSY => {
                thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// The beginning of what a program prints until its end: on standard output, or else on standard error. `None` if it does not end in time.
fn what_it_prints(child: &mut Child, patience: Duration) -> Option<String> {
    let deadline = Instant::now() + patience;
    let out = child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
    let err = child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
    let [out, err] = [out, err].map(|stream| {
        let (sender, read) = mpsc::channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            // What could be read before an error is as good as what there is.
            let _ = stream.map(|stream| stream.take(ANSWER).read_to_end(&mut text));
            // Nobody listens after the deadline.
            let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
        });
        read
    });
    let [out, err] = [out, err].map(|read| read.recv_timeout(deadline.saturating_duration_since(Instant::now())));
    let (out, err) = (out.ok()?, err.ok()?);
    Some(if out.is_empty() { err } else { out })
}

#[cfg(unix)]
pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(unix)]
pub(crate) fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
pub(crate) fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::checksum::{platform, sum_of};
    use crate::find;

    /// Makes a file of this text and mode, and the folders above it.
    pub(crate) fn put(path: &Path, text: &str, mode: u32) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_owned()
    }

    /// Makes a program that says it is this version of nats-server.
    pub(crate) fn fake_server(path: &Path, version: &str) -> PathBuf {
        put(path, &format!("#!/bin/sh\necho 'nats-server: v{version}'\n"), 0o755)
    }

    #[test]
    fn versions_are_read_from_what_a_binary_prints() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        for (line, version) in [
            ("nats-server: v2.15.1", Some("2.15.1")),
            ("nats-server: v2.10.26 ", Some("2.10.26")),
            ("nats-server: v2.15.0-dev", Some("2.15.0-dev")),
            ("nats-server v2.15.1", None),
            ("nats-server: vx", None),
            ("nats: v0.1.5", None),
            ("", None),
        ] {
            put(&program, &format!("#!/bin/sh\necho '{line}'\n"), 0o755);
            match version_text(&program) {
                Ok(text) => assert_eq!(Some(text.as_str()), version, "{line}"),
                Err(BinaryError::NotNatsServer { said, .. }) => assert_eq!((said.as_str(), version), (line, None)),
                Err(error) => panic!("{error}"),
            }
        }
        put(&program, "#!/bin/sh\necho 'nats-server: v2.15.1'\nexec sleep 60\n", 0o755);
        let error = version_text_within(&program, Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, BinaryError::Silent { .. }), "{error}");
        let error = version_text(Path::new("/no/such/file")).unwrap_err();
        assert!(matches!(error, BinaryError::Run { .. }), "{error}");
        let error = version_text(&put(&folder.path().join("empty"), "", 0o755)).unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
    }

    #[test]
    fn a_binary_has_to_have_its_bytes_and_say_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let version = ServerVersion::new(9, 8, 7);
        let right = fake_server(&folder.path().join("right"), "9.8.7");
        let candidate = fake_server(&folder.path().join("candidate"), "9.8.7-RC.1");
        let says_it_ran = put(&folder.path().join("runs"), &format!("#!/bin/sh\ntouch '{}'\n", folder.path().join("ran").display()), 0o755);

        let mut checksums = Checksums::default();
        assert!(matches!(check(&checksums, version, &right).unwrap(), Checked::Unknown(_)));
        let error = check(&checksums, version, &candidate).unwrap_err().to_string();
        assert!(error.ends_with("candidate is refused: it says that it is nats-server 9.8.7-RC.1, not 9.8.7"), "{error}");

        checksums.set(version, &platform(), sum_of(&right).unwrap());
        assert_eq!(check(&checksums, version, &right).unwrap(), Checked::Known);
        let error = check(&checksums, version, &says_it_ran).unwrap_err();
        assert!(matches!(error, BinaryError::Checksum(ChecksumError::Wrong { .. })), "{error}");
        assert!(!folder.path().join("ran").exists(), "what has the wrong bytes is not run");

        checksums.set(version, &platform(), sum_of(&candidate).unwrap());
        assert!(matches!(check(&checksums, version, &candidate), Err(BinaryError::WrongVersion { .. })), "even with the right bytes");
    }

    #[test]
    fn a_real_binary_tells_its_version() {
        let Some(binary) = find::for_tests() else { return };
        assert!(find::version_of(&binary).unwrap() >= ServerVersion::new(2, 9, 0));
    }
}
