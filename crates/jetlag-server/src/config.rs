//! How a server is set up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jetlag_core::{CoreConfig, StateWrites, StoreLimits};
use jetlag_fault::Rule;
use jetlag_model::{Duration, ServerVersion, Text, WallTime};
use jetlag_sim::Simulated;
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

/// A user who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// What it has to show; `None` lets it in without.
    pub password: Option<String>,
    /// Where it finds itself. Users of one namespace see each other's messages, as those of one account do.
    pub namespace: String,
}

/// Who may come in. Without any user and token everybody may, and the user name chooses the namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// By name. With any, others are refused.
    pub users: BTreeMap<String, User>,
    /// A token, instead of a user. As a password it lets any user in, whose name chooses the namespace.
    pub token: Option<String>,
    /// Which user a client is that says nothing of itself.
    pub no_auth_user: Option<String>,
}

impl Auth {
    /// Whether a client has to say who it is.
    pub fn is_required(&self) -> bool {
        !self.users.is_empty() || self.token.is_some()
    }

    /// Where a client finds itself, and whether it may use the controls; `None` if it may not come in.
    pub(crate) fn admit(&self, options: &ConnectOptions, control: Option<&str>) -> Option<(Text, bool)> {
        let silent = options.user.is_none() && options.pass.is_none() && options.auth_token.is_none();
        let assumed = self.no_auth_user.as_deref().filter(|_| silent);
        let name = options.user.as_deref().or(assumed).unwrap_or_default();
        let user = self.users.get(name);
        let shown = [options.pass.as_deref(), options.auth_token.as_deref()];
        let shows = |token: Option<&str>| token.is_some() && shown.contains(&token);
        let in_charge = shows(control);
        // Who knows the control token may do everything, as any user.
        let admitted = in_charge
            || !self.is_required()
            || shows(self.token.as_deref())
            || user.is_some_and(|user| assumed.is_some() || user.password.is_none() || user.password.as_deref() == options.pass.as_deref());
        let namespace = user.map_or(name, |user| &user.namespace);
        admitted.then(|| (namespace.into(), control.is_none() || in_charge))
    }
}

/// How a server is set up. [`ServerConfig::default`] is the newest version on a running clock, for anybody on this machine.
#[derive(Clone)]
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
    /// A file to which everything that happens is written, whatever is kept; that of a namespace with a name has the name before its extension.
    pub trace: Option<PathBuf>,
    /// Whether what happens is counted, for [`Running::metrics_text`](crate::Running::metrics_text).
    pub count: bool,
    /// A folder in which namespaces are kept, so that a process that was killed goes on where it was.
    pub store_dir: Option<PathBuf>,
    /// What a namespace begins with, if nothing of it was kept, without its clients; an empty server if there is none. Its time goes on from where
    /// it is.
    pub initial: Option<Arc<Simulated>>,
    /// The fault rules that a namespace begins with.
    pub rules: Vec<Rule>,
    /// Who may come in.
    pub auth: Auth,
    /// What a client has to show (as token or password) to use the `$JETLAG` controls; `None` lets everybody.
    pub control_token: Option<String>,
    /// The name in INFO; the id if there is none.
    pub server_name: Option<String>,
    /// How long a client may take to say who it is, where it has to. `None` waits for ever.
    pub auth_timeout: Option<Duration>,
    /// A client that has said nothing for so long is sent a PING. `None` sends none.
    pub ping_interval: Option<Duration>,
    /// So many PINGs may be unanswered when the next is due; then the connection is stale, and closed.
    pub ping_max: u32,
    /// Bytes that the streams of a namespace may hold.
    pub stores: StoreLimits,
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
            trace: None,
            count: false,
            store_dir: None,
            initial: None,
            rules: Vec::new(),
            auth: Auth::default(),
            control_token: None,
            server_name: None,
            auth_timeout: None,
            ping_interval: None,
            ping_max: 2,
            stores: StoreLimits::default(),
            max_connections: 65_536,
            max_payload: 1024 * 1024,
            max_control_line: jetlag_wire::MAX_CONTROL_LINE,
            max_pending: 64 * 1024 * 1024,
        }
    }
}

impl ServerConfig {
    pub(crate) fn core(&self) -> CoreConfig {
        CoreConfig { stores: self.stores, ..CoreConfig::of(self.version) }
    }

    /// When the state of consumers is kept. On a manual clock no time passes until a server would write it.
    pub(crate) fn state_writes(&self) -> StateWrites {
        match self.clock {
            Clock::Running => StateWrites::Delayed,
            Clock::Manual => StateWrites::AtOnce,
        }
    }

    /// An id that looks like a server's and is the same in every run of the same seed.
    pub(crate) fn server_id(&self) -> String {
        format!("NJETLAG{:0>49}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(users: &[(&str, &str, &str)], token: Option<&str>, no_auth_user: Option<&str>) -> Auth {
        let user = |password: &str, namespace: &str| User { password: Some(password.into()), namespace: namespace.into() };
        Auth {
            users: users.iter().map(|(name, password, namespace)| ((*name).to_owned(), user(password, namespace))).collect(),
            token: token.map(Into::into),
            no_auth_user: no_auth_user.map(Into::into),
        }
    }

    /// What becomes of a client that shows `user:pass` or `token`.
    fn admitted(auth: &Auth, shown: &str) -> Option<(String, bool)> {
        let mut options = ConnectOptions::default();
        match shown.split_once(':') {
            Some((user, pass)) => {
                options.user = Some(user.into());
                options.pass = Some(pass.into()).filter(|pass: &String| !pass.is_empty());
            }
            None => options.auth_token = Some(shown.to_owned()).filter(|token| !token.is_empty()),
        }
        auth.admit(&options, Some("control")).map(|(namespace, may)| (namespace.to_string(), may))
    }

    #[test]
    fn who_comes_in_where_and_who_is_in_charge() {
        let open = auth(&[], None, None);
        let token = auth(&[], Some("t"), None);
        let accounts = auth(&[("a", "p", "A"), ("b", "q", "A")], None, None);
        let assumed = auth(&[("a", "p", "A")], None, Some("a"));
        for (auth, shown, expected) in [
            (&open, "", Some(("", false))),
            (&open, "w:whatever", Some(("w", false))),
            (&open, "control", Some(("", true))),
            (&open, "w:control", Some(("w", true))),
            (&token, "", None),
            (&token, "wrong", None),
            (&token, "t", Some(("", false))),
            (&token, "w:t", Some(("w", false))),
            (&token, "w:wrong", None),
            (&token, "w:", None),
            (&token, "w:control", Some(("w", true))),
            (&accounts, "", None),
            (&accounts, "a:p", Some(("A", false))),
            (&accounts, "b:q", Some(("A", false))),
            (&accounts, "b:p", None),
            (&accounts, "b:", None),
            (&accounts, "c:p", None),
            (&accounts, "b:control", Some(("A", true))),
            (&assumed, "", Some(("A", false))),
            (&assumed, "a:wrong", None),
        ] {
            let expected = expected.map(|(namespace, may)| (namespace.to_owned(), may));
            assert_eq!(admitted(auth, shown), expected, "{shown:?} with {auth:?}");
        }
    }
}
