//! How a server is set up.

use std::collections::BTreeMap;
use std::sync::Arc;

use jetlag_core::CoreConfig;
use jetlag_model::{ServerVersion, WallTime};
use jetlag_wire::ConnectOptions;

use crate::Keep;

/// How time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// As the runtime's clock does: real time, or tokio's paused time; and by leaps when told to.
    Running,
    /// Only when told to.
    Manual,
}

/// Who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Passwords of users. With any, others are refused.
    pub users: BTreeMap<String, String>,
    /// A token, instead of a user.
    pub token: Option<String>,
}

impl Auth {
    /// Whether a client has to say who it is.
    pub fn is_required(&self) -> bool {
        !self.users.is_empty() || self.token.is_some()
    }

    /// The namespace of a client, which is its user name, and whether it may use the controls; `None` if it may not come in.
    pub(crate) fn admit(&self, options: &ConnectOptions, control: Option<&str>) -> Option<(Arc<str>, bool)> {
        let user = options.user.as_deref().unwrap_or_default();
        let pass = options.pass.as_deref();
        let token = options.auth_token.as_deref();
        // Who knows the control token may do everything, as any user.
        if control.is_some() && (token == control || pass == control) {
            return Some((user.into(), true));
        }
        let known = match (&self.token, self.users.get(user)) {
            _ if !self.is_required() => true,
            (Some(wanted), _) if token == Some(wanted.as_str()) => true,
            (_, Some(wanted)) => pass == Some(wanted.as_str()),
            _ => false,
        };
        known.then(|| (user.into(), control.is_none()))
    }
}

/// How a server is set up. [`ServerConfig::default`] is the newest version on a running clock, for anybody on this machine.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The release of nats-server that it behaves like.
    pub version: ServerVersion,
    /// What faults that act by chance draw from.
    pub seed: u64,
    /// How time goes.
    pub clock: Clock,
    /// Whether pulls with an expiry or a heartbeat are taken on a manual clock, although the client's side of them runs on real time.
    pub allow_client_timers: bool,
    /// The wall clock at the start.
    pub started: WallTime,
    /// How much of what happens is kept.
    pub keep: Keep,
    /// Who may come in.
    pub auth: Auth,
    /// What a client has to show (as token or password) to use the `$JETLAG` controls; `None` lets everybody.
    pub control_token: Option<String>,
    /// The name in INFO; the id if there is none.
    pub server_name: Option<String>,
    /// Connections at a time.
    pub max_connections: usize,
    /// Bytes of headers and payload together in one message.
    pub max_payload: usize,
    /// Bytes of one control line.
    pub max_control_line: usize,
    /// Bytes waiting to be written to one connection before it is a slow consumer.
    pub max_pending: usize,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            version: ServerVersion::NEWEST,
            seed: 1,
            clock: Clock::Running,
            allow_client_timers: false,
            // 2026-01-01T00:00:00Z, as in simulations.
            started: WallTime::from_unix_nanos(1_767_225_600_000_000_000),
            keep: Keep::All,
            auth: Auth::default(),
            control_token: None,
            server_name: None,
            max_connections: 65_536,
            max_payload: 1024 * 1024,
            max_control_line: jetlag_wire::MAX_CONTROL_LINE,
            max_pending: 64 * 1024 * 1024,
        }
    }
}

impl ServerConfig {
    pub(crate) fn core(&self) -> CoreConfig {
        CoreConfig::of(self.version)
    }

    /// An id that looks like a server's and is the same in every run of the same seed.
    pub(crate) fn server_id(&self) -> String {
        format!("NJETLAG{:0>49}", self.seed)
    }
}
