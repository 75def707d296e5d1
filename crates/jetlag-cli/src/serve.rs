//! `jetlag serve`: a server for clients of any language, as a process; and a stand-in for nats-server where one is started by its command line.
//!
//! Here: what a user types becomes a [`ServerConfig`], the process says where it listens, and stops when it is told to. What the server does is
//! `jetlag-server`'s affair.

mod announce;
mod conf;
mod configured;
pub(crate) mod flags;
mod log;
mod monitor;
mod set_up;

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use jetlag_model::{Duration as Length, ServerVersion, WallTime};
use jetlag_runner::Registry;
use jetlag_server::{Clock, Keep, Running, ServerConfig, User};
use tokio::net::TcpListener;

use crate::exit::Exit;
use crate::serve::announce::{Announcement, OwnFile};
use crate::serve::configured::Configured;
use crate::serve::log::Log;

/// How many records of each namespace `$JETLAG.TRACE` can show.
const KEPT: usize = 100_000;

/// How long a client may take to read the server's last words.
const STOPPING: Duration = Duration::from_secs(2);

/// What the help says at its end.
pub(crate) const HELP: &str = "\
It also takes the command line and the configuration file of nats-server, and does so alone when it is called by that name.

Exit codes: 0 a signal ended it; 1 it failed while it ran; 2 it could not start.";

/// What `jetlag serve` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The address to listen on [default: 127.0.0.1].
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port; 0 or -1 chooses a free one [default: 4222].
    #[arg(long, value_name = "PORT", allow_negative_numbers = true)]
    port: Option<i32>,
    /// Where the address is written to, as the JSON line that standard output gets, once the server listens. The file goes when the server
    /// stops.
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,
    /// Where a file of nats-server's name and form says the same.
    #[arg(long, value_name = "DIR")]
    ports_file_dir: Option<PathBuf>,
    /// How time goes: as real time does, plus what ADVANCE adds, or only when `$JETLAG.CLOCK` says so.
    #[arg(long, value_enum, default_value_t = ClockChoice::Real)]
    clock: ClockChoice,
    /// Takes pulls with an expiry or a heartbeat on a manual clock too, although the client's side of them runs on real time.
    #[arg(long)]
    allow_client_timers: bool,
    /// The version of nats-server that is played [default: the newest one that the simulator follows].
    #[arg(long, value_name = "VERSION", env = "JETLAG_AS_VERSION")]
    as_version: Option<ServerVersion>,
    /// What faults that act by chance draw from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fault rules to begin with: a line each, as in a scenario. Every user's streams begin with them.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// A scenario that is played before anybody connects. What it leaves of streams, consumers and messages is there for every user, the time
    /// it took has passed; its clients and faults are gone.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Where everything that happens is written to, as a trace of JSON lines. Of a user with a name it is written beside it, the name before the
    /// extension.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// A port where `/varz`, `/healthz` and `/metrics` are answered over HTTP; 0 or -1 chooses a free one.
    #[arg(long, short, value_name = "PORT", allow_negative_numbers = true)]
    monitor: Option<i32>,
    /// A name for the server.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// The user who may connect; others are refused.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The user's password.
    #[arg(long, value_name = "PASSWORD", requires = "user")]
    pass: Option<String>,
    /// The token with which clients may connect; others are refused.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The token that the `$JETLAG` controls need, shown as token or as password [default: a new one, printed at start].
    #[arg(long, value_name = "TOKEN", conflicts_with = "insecure_control")]
    control_token: Option<String>,
    /// Lets everybody who may connect use the controls.
    #[arg(long)]
    insecure_control: bool,
    /// Connections at a time [default: 65536].
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// Bytes of one message, headers included [default: 1048576].
    #[arg(long, value_name = "BYTES")]
    max_payload: Option<usize>,
    /// Bytes that the memory streams of one user may hold [default: no limit].
    #[arg(long, value_name = "BYTES")]
    max_memory: Option<u64>,
    /// Bytes that the file streams of one user may hold [default: no limit].
    #[arg(long, value_name = "BYTES")]
    max_storage: Option<u64>,
    /// Bytes that may wait for one connection before it is a slow consumer [default: 67108864].
    #[arg(long, value_name = "BYTES")]
    max_pending: Option<usize>,
    /// A folder in which file streams and their consumers are kept, so that a process that was killed goes on where it was. What is in memory
    /// is lost.
    #[arg(long, value_name = "DIR")]
    store_dir: Option<PathBuf>,
    /// A configuration file of nats-server; what the command line says goes before it.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the log goes [default: standard error].
    #[arg(long, short, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Where the process id is written to.
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Reads the configuration, says whether it can be taken, and ends.
    #[arg(long, requires = "config")]
    check_config: bool,

    // What `flags.rs` makes of the command line of nats-server.
    #[arg(long, hide = true)]
    stand_in: bool,
    #[arg(long, hide = true)]
    stand_in_version: bool,
    #[arg(long, hide = true)]
    passed_over: Vec<String>,
    #[arg(long, hide = true)]
    not_simulated: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClockChoice {
    Real,
    Manual,
}

/// Serves until a signal ends it.
pub(crate) fn run(arguments: &Arguments, handlers: &Registry, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let version = arguments.as_version.unwrap_or(ServerVersion::NEWEST);
    if arguments.stand_in_version {
        writeln!(out, "nats-server: v{version}")?;
        return Ok(Exit::Ok);
    }
    if let [first, ..] = arguments.not_simulated.as_slice() {
        bail!("-{first} of nats-server is not simulated; leave it out, or use a real nats-server");
    }
    let configured = arguments.config.as_deref().map(Configured::read).transpose()?.unwrap_or_default();
    if arguments.check_config {
        writeln!(out, "nats-server: configuration file {} is valid", arguments.config.as_deref().unwrap_or(Path::new("")).display())?;
        return Ok(Exit::Ok);
    }
    let address = address(arguments, &configured)?;
    let monitor = arguments.monitor.or(configured.monitor).map(port).transpose()?;
    let mut config = server_config(arguments, &configured, version)?;
    config.count = monitor.is_some();
    if let Some(path) = &arguments.faults {
        config.rules = set_up::faults(path, err)?;
    }
    if let Some(path) = &arguments.scenario {
        let server = set_up::server(path, &set_up::options(handlers, &config), config.started, err)?;
        config.initial = Some(Arc::new(server));
    }
    let log = match arguments.log.as_ref().or(configured.log.as_ref()) {
        Some(path) => Log::file(path)?,
        None => Log::standard_error(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the system gives no event loop")?;
    let served = runtime.block_on(serve(arguments, &configured, config, Addresses { clients: address, monitor }, &log, out));
    if let (Err(error), true) = (&served, log.is_file()) {
        log.fatal(&format!("{error:#}"));
    }
    served
}

/// Where to listen for whom.
struct Addresses {
    clients: SocketAddr,
    /// The port for those who ask over HTTP, on the same address.
    monitor: Option<u16>,
}

/// Where to listen.
fn address(arguments: &Arguments, configured: &Configured) -> anyhow::Result<SocketAddr> {
    let ip = match &arguments.host {
        Some(text) => host(text).with_context(|| format!("{text} is no address to listen on; write one such as 127.0.0.1"))?,
        None => configured.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    Ok(SocketAddr::new(ip, port(arguments.port.or(configured.port).unwrap_or(4222))?))
}

/// A port; 0 for a free one, which nats-server writes as -1.
fn port(number: i32) -> anyhow::Result<u16> {
    let number = if number == -1 { 0 } else { number };
    u16::try_from(number).map_err(|_| anyhow::anyhow!("{number} is no port; write 1 to 65535, or 0 for a free one"))
}

/// The address of a host: as it stands, or the first one of a name.
fn host(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| {
        let all: Vec<IpAddr> = (text, 0).to_socket_addrs().ok()?.map(|address| address.ip()).collect();
        // `localhost` has two; clients try the older one in any case.
        all.iter().find(|ip| ip.is_ipv4()).or(all.first()).copied()
    })
}

fn server_config(arguments: &Arguments, configured: &Configured, version: ServerVersion) -> anyhow::Result<ServerConfig> {
    let mut config = ServerConfig::default();
    config.version = version;
    config.seed = arguments.seed;
    config.allow_client_timers = arguments.allow_client_timers;
    config.keep = Keep::Latest(KEPT);
    match arguments.clock {
        ClockChoice::Real => {
            config.clock = Clock::Running;
            config.started = wall_clock();
        }
        ClockChoice::Manual => config.clock = Clock::Manual,
    }
    config.trace = arguments.trace.clone();
    config.server_name = arguments.server_name.clone().or_else(|| configured.server_name.clone());
    config.auth = configured.auth.clone();
    if let Some(user) = &arguments.user {
        config.auth.users.insert(user.clone(), User { password: arguments.pass.clone(), namespace: String::new() });
    }
    config.auth.token = arguments.token.clone().or(config.auth.token);
    config.control_token = match (&arguments.control_token, arguments.insecure_control) {
        (_, true) => None,
        (Some(token), _) if token.is_empty() => bail!("the control token is empty; leave it out for a new one, or say --insecure-control"),
        (Some(token), _) => Some(token.clone()),
        (None, _) => Some(new_token()?),
    };
    // The folder of nats-server's that test suites remove.
    config.store_dir = arguments.store_dir.as_ref().or(configured.store_dir.as_ref()).map(|folder| folder.join("jetstream"));
    // Those of nats-server.
    config.auth_timeout = configured.auth_timeout.or(Some(Length::from_secs(2)));
    config.ping_interval = configured.ping_interval.or(Some(Length::from_secs(2 * 60)));
    config.ping_max = configured.ping_max.unwrap_or(config.ping_max);
    config.stores.memory = arguments.max_memory.or(configured.max_memory);
    config.stores.file = arguments.max_storage.or(configured.max_storage);
    config.max_connections = arguments.max_connections.or(configured.max_connections).unwrap_or(config.max_connections);
    config.max_payload = arguments.max_payload.or(configured.max_payload).unwrap_or(config.max_payload);
    config.max_control_line = configured.max_control_line.unwrap_or(config.max_control_line);
    config.max_pending = arguments.max_pending.or(configured.max_pending).unwrap_or(config.max_pending);
    Ok(config)
}

/// A token that nobody guesses.
fn new_token() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random bytes for the control token: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What the machine's clock shows.
fn wall_clock() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

async fn serve(
    arguments: &Arguments,
    configured: &Configured,
    config: ServerConfig,
    addresses: Addresses,
    log: &Log,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    log.info("Starting nats-server, simulated by jetlag");
    log.info(&format!("  Version:  {}", config.version));
    if let Some(path) = &arguments.config {
        log.info(&format!("Using configuration file: {}", path.display()));
    }
    for flag in &arguments.passed_over {
        log.info(&format!("-{flag} has no effect here"));
    }
    for note in &configured.notes {
        log.info(note);
    }
    if !addresses.clients.ip().is_loopback() {
        log.warning(&format!("{} is open to other machines, and this server is made for tests", addresses.clients.ip()));
    }
    if let Some(folder) = &config.store_dir {
        log.info("---------------- JETSTREAM ----------------");
        log.info(&format!("  Store Directory: \"{}\"", folder.display()));
        log.info("-------------------------------------------");
    }
    let announced = (config.version, config.control_token.clone());
    let running = Arc::new(Running::start(config, addresses.clients, None).await?);
    running.notes().iter().for_each(|note| log.warning(note));
    let monitor = match addresses.monitor {
        Some(port) => Some(monitor(SocketAddr::new(addresses.clients.ip(), port), &running, log).await?),
        None => None,
    };
    let announcement = Announcement {
        address: running.address(),
        monitor: monitor.as_ref().map(|monitor| monitor.0),
        version: announced.0,
        pid: std::process::id(),
        control_token: announced.1,
    };
    // They go when the server does.
    let _files = write_files(arguments, configured, &announcement)?;
    match &announcement.control_token {
        Some(token) => log.info(&format!("The controls, $JETLAG.>, need this token: {token}")),
        None => log.warning("The controls, $JETLAG.>, are for everybody"),
    }
    log.info(&format!("Listening for client connections on {}", running.address()));
    log.info("Server is ready");
    if !arguments.stand_in {
        announcement.say(out)?;
    }
    let signal = tokio::select! {
        signal = signals.stop(log) => signal,
        failure = running.failed() => {
            log.fatal(&failure.to_string());
            return Ok(Exit::Failed);
        }
    };
    log.info(&format!("Trapped {signal:?} signal"));
    log.info("Initiating Shutdown...");
    if let Err(error) = running.stop(STOPPING).await {
        log.fatal(&error.to_string());
        return Ok(Exit::Failed);
    }
    log.info("Server Exiting..");
    Ok(Exit::Ok)
}

/// Answers over HTTP, until the process ends. Says where.
async fn monitor(address: SocketAddr, running: &Arc<Running>, log: &Log) -> anyhow::Result<(SocketAddr, tokio::task::AbortHandle)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("can not listen on {address} for /varz and others"))?;
    let address = listener.local_addr().with_context(|| format!("{address} is not known"))?;
    log.info(&format!("Starting http monitor on {address}"));
    Ok((address, tokio::spawn(monitor::serve(listener, running.clone())).abort_handle()))
}

/// The files that say that the server is there.
fn write_files(arguments: &Arguments, configured: &Configured, announcement: &Announcement) -> anyhow::Result<Vec<OwnFile>> {
    let mut files = Vec::new();
    if let Some(path) = arguments.pid_file.as_ref().or(configured.pid_file.as_ref()) {
        files.push(OwnFile::write(path, &announcement.pid.to_string())?);
    }
    if let Some(folder) = arguments.ports_file_dir.as_ref().or(configured.ports_file_dir.as_ref()) {
        fs::create_dir_all(folder).with_context(|| format!("{} can not be made", folder.display()))?;
        let path = folder.join(format!("nats-server_{}.ports", announcement.pid));
        files.push(OwnFile::write(&path, &announcement.ports())?);
    }
    if let Some(path) = &arguments.ports_file {
        files.push(OwnFile::write(path, &announcement.line())?);
    }
    Ok(files)
}

/// The signals that are for the server. They are heard from when this is made.
struct Signals {
    #[cfg(unix)]
    unix: [tokio::signal::unix::Signal; 3],
}

#[cfg(unix)]
impl Signals {
    fn new() -> anyhow::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let heard = |kind| signal(kind).context("signals can not be heard");
        Ok(Signals { unix: [heard(SignalKind::interrupt())?, heard(SignalKind::terminate())?, heard(SignalKind::hangup())?] })
    }

    /// Waits for one that ends the process.
    async fn stop(&mut self, log: &Log) -> &'static str {
        let [interrupt, terminate, hangup] = &mut self.unix;
        loop {
            tokio::select! {
                _ = interrupt.recv() => return "interrupt",
                _ = terminate.recv() => return "terminated",
                _ = hangup.recv() => log.warning("the configuration is read once, at the start"),
            }
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> anyhow::Result<Signals> {
        Ok(Signals {})
    }

    /// Waits for one that ends the process.
    async fn stop(&mut self, log: &Log) -> &'static str {
        if let Err(error) = tokio::signal::ctrl_c().await {
            log.warning(&format!("signals can not be heard: {error}"));
            std::future::pending::<()>().await;
        }
        "interrupt"
    }
}
