//! A nats-server process of our own: its folder, its port, and its end.
//!
//! A small shell script, `keeper.sh`, is the server's parent. It kills the server when this process is gone, even by SIGKILL, and it
//! sends the signals, so that no process id is ever used after its process was reaped.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jetlag_model::{ServerVersion, VersionError};
use jetlag_wire::{ConnectOptions, ServerInfo};

use crate::connection::ConnectionError;
use crate::folder::OwnFolder;
use crate::raw::Requester;

/// How often something that has no event to wait for is looked at.
const POLL: Duration = Duration::from_millis(2);

/// Lines of the log that an error quotes.
const QUOTED_LINES: usize = 8;

/// Room that there has to be where servers keep their data, in MiB: with less, what a server does is not to be believed.
const ROOM: usize = 16;

/// How a server is started.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The port; a free one unless given. A restart keeps it in either case.
    pub port: Option<u16>,
    /// Text of a configuration file, in addition to the listen address, JetStream and its folder, which are set here.
    pub config: String,
    /// How to connect when looking whether the server is ready; the account needs JetStream.
    pub connect: ConnectOptions,
    /// Time to become ready.
    pub start_timeout: Duration,
    /// Time to stop gracefully; then it is killed.
    pub stop_timeout: Duration,
}

impl Default for ServerOptions {
    /// A free port, nothing configured, half a minute for a start, as there may be hundreds at once, and ten seconds for a stop.
    fn default() -> ServerOptions {
        ServerOptions {
            port: None,
            config: String::new(),
            connect: ConnectOptions { name: Some("jetlag".to_owned()), ..ConnectOptions::default() },
            start_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
        }
    }
}

/// A server that did not start, or did not stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The folder can not be prepared or read.
    #[error("the server's folder: {path} can not be used: {source}; TMPDIR has to be a folder that can be written and has 16 MiB of room")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No POSIX shell.
    #[error("sh can not be run: {0}; starting servers needs a POSIX shell")]
    Shell(io::Error),
    /// It ended before it was ready.
    #[error("{binary} ended with {status} before it was ready; is it a nats-server, and is its configuration right? {log}")]
    Ended {
        /// The binary.
        binary: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// Another process listens on the port.
    #[error("port {port} is in use; choose another, or none for a free one")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// It did not become ready in time.
    #[error("{binary} was not ready within {after:?}: {waiting_for}; {log}")]
    NotReady {
        /// The binary.
        binary: PathBuf,
        /// The time it had.
        after: Duration,
        /// What was still missing.
        waiting_for: String,
        /// The end of its log.
        log: String,
    },
    /// It does not let us in.
    #[error(
        "{binary} started but refuses the connection that looks whether it is ready: {reason}; give credentials that its configuration accepts"
    )]
    Refused {
        /// The binary.
        binary: PathBuf,
        /// What the server said.
        reason: String,
    },
    /// It reports a version that is none.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// It did not stop in time and was killed.
    #[error("{binary} did not stop within {after:?} and was killed; {log}")]
    NotStopped {
        /// The binary.
        binary: PathBuf,
        /// The time it had.
        after: Duration,
        /// The end of its log.
        log: String,
    },
}

/// A nats-server process with JetStream, on 127.0.0.1, with a folder of its own. Dropped, it is killed and the folder removed.
#[derive(Debug)]
pub struct ServerProcess {
    binary: PathBuf,
    options: ServerOptions,
    folder: OwnFolder,
    addr: SocketAddr,
    info: ServerInfo,
    version: ServerVersion,
    running: Option<Running>,
}

impl ServerProcess {
    /// Starts `binary`, a path, and waits until clients can connect and JetStream answers.
    ///
    /// # Errors
    ///
    /// When that does not come about; what was started is gone then.
    pub fn start(binary: &Path, options: ServerOptions) -> Result<ServerProcess, ServerError> {
        let parent = std::env::temp_dir();
        let folder = OwnFolder::new(&parent, "jetlag-server-").map_err(|source| ServerError::Folder { path: parent, source })?;
        // It is started in another folder.
        let binary = std::path::absolute(binary).map_err(|source| ServerError::Folder { path: binary.to_owned(), source })?;
        let started = start(&binary, &options, folder.path(), options.port)?;
        Ok(ServerProcess {
            binary,
            options,
            folder,
            addr: started.addr,
            info: started.info,
            version: started.version,
            running: Some(started.running),
        })
    }

    /// Where clients connect. Stays the same over restarts.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address as clients write it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.addr)
    }

    /// What the server said about itself at the last start.
    pub fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// The id of the server's process while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.pid)
    }

    /// The folder of this server: `store` with JetStream's data, `server.conf` and `log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that the server has logged since the first start.
    ///
    /// # Errors
    ///
    /// When the file can not be read.
    pub fn log(&self) -> Result<String, ServerError> {
        let path = log_path(self.folder());
        match fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(source) => Err(ServerError::Folder { path, source }),
        }
    }

    /// The last lines of the log, with a word in front, for an error message.
    pub(crate) fn log_tail(&self) -> String {
        log_tail(self.folder())
    }

    /// Whether the process runs; `false` after a stop, a kill, or an end of its own.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| matches!(running.keeper.try_wait(), Ok(None)))
    }

    /// Whether somebody listens at its address.
    pub(crate) fn answers(&self) -> bool {
        TcpStream::connect_timeout(&self.addr, Duration::from_secs(1)).is_ok()
    }

    /// Stops the server gracefully and waits for its end. Does nothing if it does not run.
    ///
    /// # Errors
    ///
    /// When it did not stop in time; it is killed then.
    pub fn stop(&mut self) -> Result<(), ServerError> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.say("TERM");
        if running.wait(self.options.stop_timeout).is_some() {
            return Ok(());
        }
        running.kill();
        let log = log_tail(self.folder());
        Err(ServerError::NotStopped { binary: self.binary.clone(), after: self.options.stop_timeout, log })
    }

    /// Kills the server, as SIGKILL does, and waits for its end. Its folder stays as it is. Does nothing if it does not run.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
    }

    /// Starts the server again on the same folder and the same port, after stopping it gracefully if it still runs.
    ///
    /// # Errors
    ///
    /// When it does not stop, or does not become ready.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop()?;
        let deadline = Instant::now() + self.options.start_timeout;
        loop {
            match start(&self.binary, &self.options, self.folder(), Some(self.addr.port())) {
                Ok(started) => {
                    (self.info, self.version, self.running) = (started.info, started.version, Some(started.running));
                    return Ok(());
                }
                // While it was down, the system may have lent the port to an outgoing connection of someone else. That passes.
                Err(ServerError::PortInUse { .. }) if Instant::now() < deadline => thread::sleep(POLL),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process of the server, and the keeper above it.
#[derive(Debug)]
struct Running {
    keeper: Child,
    /// Our end of the pipe that keeps the server alive.
    pipe: Option<ChildStdin>,
    pid: u32,
}

impl Running {
    fn spawn(binary: &Path, arguments: &[&str], folder: &Path) -> Result<Running, ServerError> {
        let mut keeper = Command::new("sh")
            .args(["-c", include_str!("server/keeper.sh"), "jetlag-keeper"])
            .arg(log_path(folder))
            .arg(folder)
            .arg(binary)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ServerError::Shell)?;
        let pipe = keeper.stdin.take();
        let mut line = String::new();
        let read = keeper.stdout.take().map_or(Ok(0), |stdout| BufReader::new(stdout).read_line(&mut line));
        let pid = read.and_then(|_| line.trim().parse().map_err(|_| io::Error::other(format!("it printed {line:?} for a process id"))));
        // Without an id the keeper is still there: dropping this closes the pipe.
        let running = Running { keeper, pipe, pid: *pid.as_ref().unwrap_or(&0) };
        pid.map_err(ServerError::Shell)?;
        Ok(running)
    }

    /// Says something to the keeper: the name of a signal for the server, or, when the server has ended, that its folder is still wanted.
    fn say(&mut self, word: &str) {
        if let Some(pipe) = &mut self.pipe {
            // A broken pipe: the keeper is gone, and so is the server.
            let _ = writeln!(pipe, "{word}");
        }
    }

    /// How it ended, or `None` if it did not within `timeout`.
    fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.keeper.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    fn kill(&mut self) {
        self.say("KILL");
        // Nothing withstands SIGKILL, so this ends; an error means that there is nobody to wait for.
        let _ = self.keeper.wait();
        self.say("KEEP");
        self.pipe = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a start leads to.
struct Started {
    running: Running,
    addr: SocketAddr,
    info: ServerInfo,
    version: ServerVersion,
}

fn start(binary: &Path, options: &ServerOptions, folder: &Path, port: Option<u16>) -> Result<Started, ServerError> {
    let deadline = Instant::now() + options.start_timeout;
    let config = folder.join("server.conf");
    fs::write(&config, &options.config).map_err(|source| ServerError::Folder { path: config, source })?;
    let ports = folder.join("ports");
    // What a killed server left would be read as the new one's if the process id came around again.
    match fs::remove_dir_all(&ports) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(ServerError::Folder { path: ports, source }),
        _ => fs::create_dir(&ports).map_err(|source| ServerError::Folder { path: ports.clone(), source })?,
    }
    // A number below zero asks for a free port. The flags are in force over the file.
    let number = port.map_or("-1".to_owned(), |port| port.to_string());
    let arguments = ["-c", "server.conf", "-a", "127.0.0.1", "-p", &number, "-js", "-sd", "store", "--ports_file_dir", "ports"];
    let logged = fs::metadata(log_path(folder)).map_or(0, |data| data.len());
    let mut running = Running::spawn(binary, &arguments, folder)?;
    let mut waiting_for = "it has not named its port".to_owned();
    let mut found = None;
    loop {
        if let Some(status) = running.keeper.try_wait().map_err(ServerError::Shell)? {
            if let Some(port) = port.filter(|_| log_since(folder, logged).contains("address already in use")) {
                return Err(ServerError::PortInUse { port });
            }
            return Err(ServerError::Ended { binary: binary.to_owned(), status, log: log_tail(folder) });
        }
        found = found.or_else(|| port_in(&ports));
        if let Some(port) = found {
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            match probe(addr, &options.connect) {
                Probe::Ready(info) => return Ok(Started { running, addr, version: info.server_version()?, info: *info }),
                Probe::NotYet(reason) => waiting_for = reason,
                Probe::Refused(reason) => return Err(ServerError::Refused { binary: binary.to_owned(), reason }),
            }
        }
        if Instant::now() >= deadline {
            let log = log_tail(folder);
            return Err(ServerError::NotReady { binary: binary.to_owned(), after: options.start_timeout, waiting_for, log });
        }
        thread::sleep(POLL);
    }
}

/// The client port in the file that the server writes once it listens. `None` while the file is missing or half written.
fn port_in(folder: &Path) -> Option<u16> {
    #[derive(serde::Deserialize)]
    struct Ports {
        nats: Vec<String>,
    }
    let file =
        folder.read_dir().ok()?.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "ports"))?;
    let ports: Ports = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    ports.nats.first()?.rsplit(':').next()?.parse().ok()
}

/// How far a server is.
enum Probe {
    Ready(Box<ServerInfo>),
    NotYet(String),
    /// It will not get better by waiting.
    Refused(String),
}

/// Connects and asks JetStream for its account: ready when there is an answer without an error.
fn probe(addr: SocketAddr, options: &ConnectOptions) -> Probe {
    let mut requester = match Requester::open(addr, options) {
        Ok(requester) => requester,
        Err(ConnectionError::Closed { error: Some(reason), .. }) => return Probe::Refused(reason),
        Err(error) => return Probe::NotYet(error.to_string()),
    };
    let answer = match requester.request("$JS.API.INFO", "", Duration::from_secs(1)) {
        Ok(answer) => answer,
        Err(error) => return Probe::NotYet(format!("JetStream: {error}")),
    };
    match serde_json::from_slice::<serde_json::Value>(&answer.payload) {
        Ok(answer) => match answer.get("error") {
            Some(error) => Probe::NotYet(format!("JetStream answers {error}")),
            None => Probe::Ready(Box::new(requester.info().clone())),
        },
        Err(error) => Probe::NotYet(format!("JetStream: {error}")),
    }
}

/// Looks whether servers can keep data: a full disk makes them do things that they would not do else.
///
/// # Errors
///
/// When they can not.
pub(crate) fn check_room() -> Result<(), ServerError> {
    let folder = std::env::temp_dir();
    let write = || {
        let mut file = tempfile::tempfile_in(&folder)?;
        let mebibyte = vec![1; 1 << 20];
        (0..ROOM).try_for_each(|_| file.write_all(&mebibyte))
    };
    write().map_err(|source| ServerError::Folder { path: folder.clone(), source })
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn log_since(folder: &Path, position: u64) -> String {
    // Only looked at to explain an error: a log that can not be read explains nothing.
    let log = fs::read(log_path(folder)).unwrap_or_default();
    String::from_utf8_lossy(usize::try_from(position).ok().and_then(|position| log.get(position..)).unwrap_or_default()).into_owned()
}

/// The end of the log, for an error message.
fn log_tail(folder: &Path) -> String {
    let log = log_since(folder, 0);
    let lines: Vec<&str> = log.trim_end().lines().collect();
    if lines.is_empty() {
        return "its log is empty".to_owned();
    }
    format!("its log ends:\n{}", lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n"))
}
