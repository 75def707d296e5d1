//! `jetlag serve`: a server for clients of any language, as a process.
//!
//! Here: what a user types becomes a [`ServerConfig`], the process says where it listens, and stops when it is told to. What the server does is
//! `jetlag-server`'s affair.

mod announce;
mod log;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, ValueEnum};
use jetlag_model::{ServerVersion, WallTime};
use jetlag_server::{Clock, Keep, Running, ServerConfig};

use crate::exit::Exit;
use crate::serve::announce::Announcement;
use crate::serve::log::Log;

/// How many records of each namespace `$JETLAG.TRACE` can show.
const KEPT: usize = 100_000;

/// What `jetlag serve` takes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port; 0 or -1 chooses a free one.
    #[arg(long, short, value_name = "PORT", default_value_t = 4222, allow_negative_numbers = true)]
    port: i32,
    /// Where the address is written to as JSON once the server listens; the file is removed when the server stops.
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,
    /// How time goes: as real time does, or only when `$JETLAG.CLOCK` says so.
    #[arg(long, value_enum, default_value_t = ClockChoice::Real)]
    clock: ClockChoice,
    /// The version of nats-server that is played [default: the newest one that the simulator follows].
    #[arg(long, value_name = "VERSION", env = "JETLAG_AS_VERSION")]
    as_version: Option<ServerVersion>,
    /// What faults that act by chance draw from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Takes pulls with an expiry or a heartbeat on a manual clock too, although the client's side of them runs on real time.
    #[arg(long)]
    allow_client_timers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClockChoice {
    Real,
    Manual,
}

/// Serves until a signal ends it.
pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let port = match arguments.port {
        -1 => 0,
        port => u16::try_from(port).with_context(|| format!("{port} is no port; write 1 to 65535, or 0 for a free one"))?,
    };
    let config = config(arguments);
    let address = SocketAddr::new(arguments.host, port);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(serve(arguments, config, address, out))
}

fn config(arguments: &Arguments) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.version = arguments.as_version.unwrap_or(ServerVersion::NEWEST);
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
    config
}

/// What the machine's clock shows.
pub(crate) fn wall_clock() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

async fn serve(arguments: &Arguments, config: ServerConfig, address: SocketAddr, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let log = Log::standard_error();
    let version = config.version;
    let running = Running::start(config, address, None).await?;
    let announcement = Announcement { address: running.address(), version, pid: std::process::id() };
    announcement.say(out)?;
    log.info(&format!("Listening for client connections on {}", running.address()));
    let file = arguments.ports_file.as_ref().map(|path| announcement.write_to(path)).transpose()?;
    log.info("Server is ready");
    let signal = told_to_stop().await?;
    log.info(&format!("{signal}: the server stops"));
    drop(running);
    drop(file);
    Ok(Exit::Ok)
}

/// Waits for a signal that ends the process.
async fn told_to_stop() -> anyhow::Result<&'static str> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => Ok("interrupted"),
            _ = terminate.recv() => Ok("terminated"),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await?;
        Ok("interrupted")
    }
}
