//! Where a test runs: on the embedded server with paused time, or on a real one with the same waits in a smaller unit. The test's code is the
//! same, and cannot tell.

use std::net::SocketAddr;
use std::time::Duration;

use jetlag::Server;
use jetlag_conform::{ServerOptions, ServerProcess, find};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Result;

enum Place {
    Embedded(Server),
    Real(Box<ServerProcess>),
}

/// A server, and how long a test's unit of time is on it.
pub(crate) struct Host {
    place: Place,
    unit: Duration,
    /// How much later than due something may be.
    slack: Duration,
}

impl Host {
    /// The embedded server; a unit is a minute, and nothing is late.
    pub(crate) async fn embedded() -> Result<Host> {
        let server = Server::start().await?;
        // The timers of tokio have whole milliseconds.
        Ok(Host { place: Place::Embedded(server), unit: Duration::from_secs(60), slack: Duration::from_millis(2) })
    }

    /// A process of a real server, if one is at hand; a unit is 40 ms, and a busy machine may be late.
    pub(crate) fn real() -> Option<Result<Host>> {
        let binary = find::for_tests()?;
        let server = ServerProcess::start(&binary, ServerOptions::default());
        let host = |server| Host { place: Place::Real(Box::new(server)), unit: Duration::from_millis(40), slack: Duration::from_secs(10) };
        Some(server.map(host).map_err(Into::into))
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Embedded(server) => server.address(),
            Place::Real(server) => server.addr(),
        }
    }

    pub(crate) fn units(&self, count: u32) -> Duration {
        self.unit * count
    }

    /// Stops the server in good order and starts it again.
    pub(crate) async fn restart(&mut self) -> Result {
        match &mut self.place {
            Place::Embedded(server) => server.restart("1s")?,
            Place::Real(server) => server.restart()?,
        }
        Ok(())
    }

    /// Asserts that since `start` so many units went by.
    #[track_caller]
    pub(crate) fn took(&self, start: Instant, units: u32) {
        let (took, due) = (start.elapsed(), self.units(units));
        // A real server counts from when it sent, which is before the client looked at its clock.
        let early = if matches!(self.place, Place::Real(_)) { Duration::from_millis(30) } else { Duration::ZERO };
        assert!(took + early >= due && took <= due + self.slack, "{took:?} instead of {due:?}");
    }
}

/// A way to the server that can be cut: what goes over it does so a connection at a time.
pub(crate) struct Link {
    address: SocketAddr,
    cut: watch::Sender<u32>,
}

impl Link {
    pub(crate) async fn to(server: SocketAddr) -> Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (cut, cuts) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(server).await else { return };
                    // Held back by the kernel for want of an answer, bytes would come late on a paused clock.
                    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
                        return;
                    }
                    tokio::select! {
                        biased;
                        _ = cuts.changed() => {}
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Ok(Link { address, cut })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Breaks all connections; new ones may be made.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

/// Each of these functions as two tests: `NAME::embedded` and `NAME::real`.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::Result;
            use crate::host::Host;

            #[tokio::test(start_paused = true)]
            async fn embedded() -> Result {
                super::$name(Host::embedded().await?).await
            }

            #[tokio::test]
            async fn real() -> Result {
                match Host::real() {
                    Some(host) => super::$name(host?).await,
                    None => Ok(()),
                }
            }
        }
    )*};
}
pub(crate) use on_both;
