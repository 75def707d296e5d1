//! One process: its folder, its log, how it is known to be ready, and its end.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::SERVER;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the log is looked at.
const POLL: Duration = Duration::from_millis(5);

/// The shell that is the server's parent: a line on its input is a signal for the server; the end of its input, which is the end of the test's
/// process however that comes about, kills it.
const KEEPER: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & server=$!
( while read -r signal; do kill -s "$signal" "$server"; done; kill -s KILL "$server" ) <&3 3<&- & listener=$!
exec 3<&-
wait "$server"; kill -s KILL "$listener"
"#;

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The program and its first arguments; what the environment says unless given.
    pub(crate) program: Option<Vec<String>>,
    pub(crate) config: Option<PathBuf>,
    /// A free one unless given.
    pub(crate) port: Option<String>,
    /// Further arguments.
    pub(crate) more: Vec<String>,
}

/// What a server says of itself to each client.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) port: u16,
    pub(crate) tls_required: bool,
}

/// Why there is no server.
#[derive(Debug)]
pub(crate) struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug)]
pub(crate) struct Process {
    settings: Settings,
    folder: TempDir,
    info: Info,
    pid: u32,
    keeper: Child,
}

impl Process {
    /// Starts it and waits until it listens.
    pub(crate) fn start(settings: Settings) -> Result<Process, StartError> {
        let folder = tempfile::Builder::new().prefix("stand-in-").tempdir().map_err(|error| StartError(format!("no folder: {error}")))?;
        let (keeper, info, pid) = launch(&settings, folder.path())?;
        Ok(Process { settings, folder, info, pid, keeper })
    }

    pub(crate) fn info(&self) -> &Info {
        &self.info
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn store(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it and starts it with the same settings on the same folder and port.
    pub(crate) fn restart(&mut self) -> Result<(), StartError> {
        end(&mut self.keeper);
        let settings = Settings { port: Some(self.info.port.to_string()), ..self.settings.clone() };
        (self.keeper, self.info, self.pid) = launch(&settings, self.folder.path())?;
        Ok(())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        if let Some(mut input) = self.keeper.stdin.as_ref() {
            // A server that has ended needs no signal.
            let _ = writeln!(input, "{name}");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.keeper);
    }
}

/// Kills the server and waits for its end.
fn end(keeper: &mut Child) {
    drop(keeper.stdin.take());
    // There is nothing to be done about a shell that can not be waited for.
    let _ = keeper.wait();
}

fn launch(settings: &Settings, folder: &Path) -> Result<(Child, Info, u32), StartError> {
    let (log, pid) = (folder.join("log"), folder.join("pid"));
    for file in [&log, &pid] {
        if let Err(error) = fs::remove_file(file)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(StartError(format!("{}: {error}", file.display())));
        }
    }
    let program = settings.program.clone().map_or_else(program, Ok)?;
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "sh"]).args(&program);
    command.arg("--store_dir").arg(folder).args(["-p", settings.port.as_deref().unwrap_or("-1")]);
    command.arg("-l").arg(&log).arg("-P").arg(&pid).args(&settings.more);
    if let Some(config) = &settings.config {
        command.arg("-c").arg(config);
    }
    let output = fs::File::create(folder.join("output")).map_err(|error| StartError(format!("the server's output: {error}")))?;
    let errors = output.try_clone().map_err(|error| StartError(format!("the server's output: {error}")))?;
    command.stdin(Stdio::piped()).stdout(output).stderr(errors);
    let mut keeper = command.spawn().map_err(|error| StartError(format!("sh: {error}")))?;
    match ready(&mut keeper, &log, &pid) {
        Ok((info, pid)) => Ok((keeper, info, pid)),
        Err(what) => {
            end(&mut keeper);
            let said = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
            Err(StartError(format!("{program:?} {what}; its log: {}{}", said("log"), said("output"))))
        }
    }
}

/// The program and its first arguments.
fn program() -> Result<Vec<String>, StartError> {
    let text = std::env::var(SERVER).map_err(|error| StartError(format!("{SERVER}, which says how a server is started: {error}")))?;
    serde_json::from_str(&text).map_err(|error| StartError(format!("{SERVER}: {error}: {text}")))
}

/// Waits until the server listens, and has it introduce itself.
fn ready(keeper: &mut Child, log: &Path, pid: &Path) -> Result<(Info, u32), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let port = fs::read_to_string(log).ok().as_deref().and_then(listens_on);
        let pid = fs::read_to_string(pid).ok().and_then(|text| text.trim().parse().ok());
        if let (Some(port), Some(pid)) = (port, pid) {
            return introduction(port).map(|info| (info, pid)).map_err(|error| format!("listens on {port} but does not talk: {error}"));
        }
        if let Ok(Some(status)) = keeper.try_wait() {
            return Err(format!("ended with {status}"));
        }
        if Instant::now() > deadline {
            return Err(format!("does not listen after {PATIENCE:?}"));
        }
        thread::sleep(POLL);
    }
}

/// The port in the line of the log that says so, once the line is whole.
fn listens_on(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("Listening for client connections on ")?;
    let (address, _) = rest.split_once('\n')?;
    address.trim().rsplit_once(':')?.1.parse().ok()
}

/// What the server says to a client that connects.
fn introduction(port: u16) -> Result<Info, String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(|error| error.to_string())?;
    let json = line.strip_prefix("INFO ").ok_or_else(|| format!("it says {line:?}"))?;
    let json: serde_json::Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let port = json["port"].as_u64().and_then(|port| u16::try_from(port).ok()).ok_or("INFO has no port")?;
    Ok(Info { port, tls_required: json["tls_required"].as_bool().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_stands_in_the_log_once_its_line_is_whole() {
        let before = "[7] 2026/11/28 20:15:00.123456 [INF]   Store Directory: \"/tmp/x/jetstream\"\n";
        let line = "[7] 2026/11/28 20:15:00.123456 [INF] Listening for client connections on 0.0.0.0:41";
        assert_eq!(listens_on(before), None);
        assert_eq!(listens_on(&format!("{before}{line}")), None);
        assert_eq!(listens_on(&format!("{before}{line}55\n[7]")), Some(4155));
    }
}
