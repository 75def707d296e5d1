//! Where replays take place: an account of its own on a server that many share, or a process of its own. On a `jetlag serve` an account is a user
//! name that nobody has used.
//!
//! An account is as good as a server: nothing of one is seen from another, and names need not be changed. Each is used once.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jetlag_model::ServerVersion;
use jetlag_wire::ConnectOptions;

use crate::find::{Server, ServerUrl};
use crate::real::{RealError, RealServer};
use crate::server::{ServerOptions, ServerProcess, check_room};

/// How many accounts a process gets. Starting one with so many takes a fifth of a second; many more at once than are used would only cost memory.
const ACCOUNTS: usize = 400;

/// What a replay needs of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// That nothing else is seen.
    Account,
    /// That it can be stopped and started.
    Process,
}

/// One version of the server, as many of it as needed.
pub(crate) struct Host {
    server: Server,
    shared: Mutex<Option<Shared>>,
    /// Users of a `jetlag serve` so far, if it is one and lets everybody in.
    users: OnceLock<AtomicUsize>,
    is_simulated: AtomicBool,
}

/// A process with accounts that are left.
struct Shared {
    process: Arc<ServerProcess>,
    used: usize,
}

impl Host {
    pub(crate) fn new(server: Server) -> Host {
        Host { server, shared: Mutex::new(None), users: OnceLock::new(), is_simulated: AtomicBool::new(false) }
    }

    /// Makes sure that there is a server, and says of which version it is.
    ///
    /// # Errors
    ///
    /// When it does not start, can not be reached, or has no JetStream.
    pub(crate) fn ready(&self) -> Result<ServerVersion, RealError> {
        match &self.server {
            Server::Running(url) => {
                let running = RealServer::at(url)?;
                self.is_simulated.store(running.is_simulated, Ordering::Relaxed);
                if running.is_simulated && url.user.is_none() {
                    // Asked twice, it goes on counting.
                    let _ = self.users.set(AtomicUsize::new(0));
                }
                Ok(running.version())
            }
            Server::Binary(binary) => {
                check_room()?;
                let process = Arc::new(with_accounts(binary)?);
                let version = process.version();
                *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(Shared { process, used: 0 });
                Ok(version)
            }
        }
    }

    /// Whether it is a `jetlag serve`, as far as that can be seen: one given by URL.
    pub(crate) fn is_simulated(&self) -> bool {
        self.is_simulated.load(Ordering::Relaxed)
    }

    /// Whether replays are out of each other's way: not on a server of somebody else's, unless that is a `jetlag serve`.
    pub(crate) fn has_accounts(&self) -> bool {
        matches!(self.server, Server::Binary(_)) || self.users.get().is_some()
    }

    /// A server that holds nothing, if it [has accounts](Host::has_accounts).
    ///
    /// # Errors
    ///
    /// When it does not start or can not be reached.
    pub(crate) fn server(&self, need: Need) -> Result<RealServer, RealError> {
        match (&self.server, need) {
            (Server::Running(url), _) => match self.users.get() {
                None => RealServer::at(url),
                Some(users) => {
                    let name = format!("replay-{}-{}", std::process::id(), users.fetch_add(1, Ordering::Relaxed));
                    // A token lets any user in who has it as password.
                    let pass = url.token.clone().unwrap_or_default();
                    RealServer::at(&ServerUrl { user: Some((name, pass)), token: None, ..url.clone() })
                }
            },
            (Server::Binary(binary), Need::Process) => RealServer::start(binary),
            (Server::Binary(binary), Need::Account) => {
                let (process, number) = self.account(binary)?;
                Ok(RealServer::in_account(process, login(number)))
            }
        }
    }

    fn account(&self, binary: &Path) -> Result<(Arc<ServerProcess>, usize), RealError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Shared { process, used }) = shared.as_mut().filter(|shared| shared.used < ACCOUNTS && shared.process.answers()) {
            *used += 1;
            return Ok((Arc::clone(process), *used - 1));
        }
        // Those who are still in the old one keep it until they are done.
        let process = Arc::new(with_accounts(binary)?);
        *shared = Some(Shared { process: Arc::clone(&process), used: 1 });
        Ok((process, 0))
    }
}

fn with_accounts(binary: &Path) -> Result<ServerProcess, RealError> {
    let mut config = "accounts {\n".to_owned();
    for number in 0..ACCOUNTS {
        let (name, _) = login(number);
        // Writing to a text does not fail.
        let _ = writeln!(config, "  {name}: {{ jetstream: enabled, users: [{{ user: {name}, password: {name} }}] }}");
    }
    config.push_str("}\n");
    let options = ServerOptions { connect: connect(login(0)), config, ..ServerOptions::default() };
    Ok(ServerProcess::start(binary, options)?)
}

/// The user and the password of an account.
fn login(number: usize) -> (String, String) {
    let name = format!("a{number}");
    (name.clone(), name)
}

/// How to connect as this user.
pub(crate) fn connect((user, pass): (String, String)) -> ConnectOptions {
    ConnectOptions { user: Some(user), pass: Some(pass), ..ConnectOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;
    use crate::raw::Requester;

    #[test]
    fn accounts_of_one_process_see_nothing_of_each_other_and_a_dead_process_is_replaced() {
        let Some(binary) = find::for_tests() else { return };
        let host = Host::new(Server::Binary(binary));
        let (one, two) = (host.server(Need::Account).unwrap(), host.server(Need::Account).unwrap());
        assert_eq!(one.addr(), two.addr());
        let timeout = std::time::Duration::from_secs(5);
        let mut api = [0, 1].map(|number| Requester::open(one.addr(), &connect(login(number))).unwrap());
        api[0].request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#, timeout).unwrap();
        let infos = api.each_mut().map(|api| api.request("$JS.API.STREAM.INFO.S", "", timeout).unwrap());
        let found = infos.map(|info| !String::from_utf8_lossy(&info.payload).contains("error"));
        assert_eq!(found, [true, false]);
        let pid = one.pid().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
        while host.shared.lock().unwrap().as_ref().unwrap().process.answers() {
            std::thread::yield_now();
        }
        let three = host.server(Need::Account).unwrap();
        assert_ne!(three.addr(), one.addr());
        let own = host.server(Need::Process).unwrap();
        assert_ne!(own.addr(), three.addr());
    }
}
