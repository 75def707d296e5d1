//! What the tests of async-nats know as the crate `nats_server`: it starts servers, each a process with a folder of its own.
//!
//! The functions and methods are those that the published tests call, by their names; how they do it is our own. Which server it is, is said by
//! the environment: [`SERVER`]. `cargo xtask client-suite` sets it, and gives this crate to the tests under the name they ask for.
//!
//! What goes wrong is a panic: it fails the test that asked for the server, with the text that says why.

mod cluster;
mod process;

use std::path::{Path, PathBuf};

pub use crate::cluster::{Cluster, run_cluster};
use crate::process::{Process, Settings};

/// The variable that says how a server is started: a program and its first arguments, as a JSON array of texts.
pub const SERVER: &str = "JETLAG_STAND_IN_SERVER";

/// A running server; dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct Server {
    process: Process,
}

/// Starts a server on a free port with the configuration in this file, or none when it is empty.
pub fn run_server(config: &str) -> Server {
    run_server_with_port(config, None)
}

/// Starts a server on this port, or on a free one.
pub fn run_server_with_port(config: &str, port: Option<&str>) -> Server {
    let config = (!config.is_empty()).then(|| PathBuf::from(config));
    Server::start(Settings { config, port: port.map(str::to_owned), ..Settings::default() })
}

/// Starts a server on a free port without a configuration.
pub fn run_basic_server() -> Server {
    run_server("")
}

/// Has the server turn its clients away one after the other.
pub fn set_lame_duck_mode(server: &Server) {
    server.process.signal("USR2");
}

impl Server {
    fn start(settings: Settings) -> Server {
        Server { process: Process::start(settings).unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Starts a server by a program and its first arguments, whatever the environment says.
    ///
    /// # Errors
    ///
    /// When it does not listen; the text has its log.
    pub fn of(program: &[String]) -> Result<Server, String> {
        let settings = Settings { program: Some(program.to_vec()), ..Settings::default() };
        Process::start(settings).map(|process| Server { process }).map_err(|error| error.to_string())
    }

    /// What clients connect to.
    pub fn client_url(&self) -> String {
        let info = self.process.info();
        // Tests that name a certificate name the host in it, and it is `localhost` there.
        let scheme = if info.tls_required { "tls" } else { "nats" };
        format!("{scheme}://localhost:{}", info.port)
    }

    /// The port clients connect to.
    pub fn client_port(&self) -> u16 {
        self.process.info().port
    }

    /// The id of the process.
    pub fn client_pid(&self) -> usize {
        self.process.pid() as usize
    }

    /// The folder in which it stores what it has to keep.
    pub fn store_dir(&self) -> &Path {
        self.process.store()
    }

    /// Kills the server and starts it again on the same folder and the same port.
    pub fn restart(&mut self) {
        self.process.restart().unwrap_or_else(|error| panic!("{error}"));
    }
}
