//! What the keys of nats-server's configuration files mean here: taken, passed over with a note, or refused.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jetlag_model::Duration;
use jetlag_server::{Auth, User};

use crate::serve::conf::{self, Block, ConfError, Entry, Value};

/// What a file sets. What it leaves out is `None`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Configured {
    pub(crate) host: Option<IpAddr>,
    pub(crate) port: Option<i32>,
    pub(crate) monitor: Option<i32>,
    pub(crate) server_name: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) auth_timeout: Option<Duration>,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) ping_max: Option<u32>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) max_payload: Option<usize>,
    pub(crate) max_control_line: Option<usize>,
    pub(crate) max_pending: Option<usize>,
    pub(crate) max_memory: Option<u64>,
    pub(crate) max_storage: Option<u64>,
    pub(crate) store_dir: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) ports_file_dir: Option<PathBuf>,
    /// What was passed over.
    pub(crate) notes: Vec<String>,
}

/// A configuration that can not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfiguredError {
    /// It can not be read.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// A value that is none for its key.
    #[error("{place}: {key} is {expected}")]
    Value { place: String, key: String, expected: &'static str },
    /// A key of nats-server that asks for what is not simulated.
    #[error("{place}: {key} is not simulated{hint}; leave it out, or use a real nats-server")]
    NotSimulated { place: String, key: String, hint: &'static str },
    /// A key that nats-server does not know either.
    #[error("{place}: unknown field {key:?}")]
    Unknown { place: String, key: String },
}

type Result<T = (), E = ConfiguredError> = std::result::Result<T, E>;

/// Keys of nats-server that change nothing that a client of one server sees, or nothing here.
const PASSED_OVER: &[&str] = &[
    "connect_error_reports",
    "debug",
    "default_js_domain",
    "disable_sublist_cache",
    "lame_duck_duration",
    "lame_duck_grace_period",
    "log_size_limit",
    "logfile_max_num",
    "logfile_size_limit",
    "logtime",
    "logtime_utc",
    "max_closed_clients",
    "max_subs",
    "max_subscriptions",
    "max_traced_msg_len",
    "no_sys_acc",
    "prof_port",
    "reconnect_error_reports",
    "remote_syslog",
    "syslog",
    "system",
    "system_account",
    "trace",
    "trace_headers",
    "trace_verbose",
    "write_deadline",
];

/// Keys of nats-server that ask for what is not simulated.
const NOT_SIMULATED: &[&str] = &[
    "auth_callout",
    "cluster",
    "gateway",
    "https",
    "https_port",
    "leafnodes",
    "mapping",
    "mappings",
    "mqtt",
    "ocsp",
    "operator",
    "operators",
    "resolver",
    "resolver_preload",
    "tls",
    "trusted",
    "trusted_keys",
    "websocket",
];

impl Configured {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Configured> {
        let mut configured = Configured::default();
        conf::read(path)?.0.iter().try_for_each(|entry| configured.key(entry))?;
        Ok(configured)
    }

    fn key(&mut self, entry: &Entry) -> Result {
        match entry.key.to_ascii_lowercase().as_str() {
            "port" => self.port = Some(port(entry)?),
            "host" | "net" => self.host = Some(host(entry, &text(entry)?)?),
            "listen" => {
                let (host, port) = listen(entry)?;
                self.host = host.or(self.host);
                self.port = Some(port);
            }
            "http" | "http_port" | "monitor_port" => self.monitor = Some(listen(entry)?.1),
            "server_name" => self.server_name = Some(text(entry)?),
            "max_connections" | "max_conn" => self.max_connections = Some(size(entry)?),
            "max_payload" => self.max_payload = Some(size(entry)?),
            "max_control_line" => self.max_control_line = Some(size(entry)?),
            "ping_interval" => self.ping_interval = Some(length(entry)?),
            "ping_max" => self.ping_max = Some(u32::try_from(size(entry)?).map_err(|_| wrong(entry, "a number of PINGs"))?),
            "max_pending" => self.max_pending = Some(size(entry)?),
            "store_dir" | "storedir" => self.store_dir = Some(text(entry)?.into()),
            "log_file" | "logfile" => self.log = Some(text(entry)?.into()),
            "pid_file" | "pidfile" => self.pid_file = Some(text(entry)?.into()),
            "ports_file_dir" => self.ports_file_dir = Some(text(entry)?.into()),
            "jetstream" => self.jetstream(entry)?,
            "authorization" | "authentication" => self.authorization(block(entry)?)?,
            "accounts" => self.accounts(block(entry)?)?,
            "no_auth_user" => self.auth.no_auth_user = Some(text(entry)?),
            key if PASSED_OVER.contains(&key) => self.pass_over(entry),
            key if NOT_SIMULATED.contains(&key) => return Err(not_simulated(entry, "")),
            // What only gives a value its name for `$NAME` is no key of the server's: those are upper case.
            key if entry.key != key && matches!(entry.value, Value::Text(_) | Value::Integer(_) | Value::Flag(_)) => {}
            _ => return Err(ConfiguredError::Unknown { place: entry.place.clone(), key: entry.key.clone() }),
        }
        Ok(())
    }

    fn pass_over(&mut self, entry: &Entry) {
        self.notes.push(format!("{}: {} has no effect here", entry.place, entry.key));
    }

    fn jetstream(&mut self, entry: &Entry) -> Result {
        let block = match &entry.value {
            Value::Block(block) => block,
            Value::Flag(true) => return Ok(()),
            Value::Text(word) if word.starts_with("enable") => return Ok(()),
            // Without it there would be nothing to simulate, but what a client sees of it is asked for often enough.
            Value::Flag(false) => return Err(not_simulated(entry, " when it is off: a server here always has JetStream")),
            Value::Text(word) if word.starts_with("disable") => {
                return Err(not_simulated(entry, " when it is off: a server here always has JetStream"));
            }
            _ => return Err(wrong(entry, "enabled, or a block")),
        };
        for entry in &block.0 {
            match entry.key.to_ascii_lowercase().as_str() {
                "store_dir" | "storedir" | "store" => self.store_dir = Some(text(entry)?.into()),
                "max_mem_store" | "max_memory_store" | "max_mem" => self.max_memory = limit(entry)?,
                "max_file_store" | "max_file" => self.max_storage = limit(entry)?,
                // Strict requests are the default, and the only way here.
                "strict" if entry.value == Value::Flag(true) => {}
                "enabled" | "enable" if entry.value == Value::Flag(true) => {}
                "domain" | "key" | "cipher" | "encryption_key" | "tpm" | "extension_hint" => return Err(not_simulated(entry, "")),
                _ => self.pass_over(entry),
            }
        }
        Ok(())
    }

    fn authorization(&mut self, block: &Block) -> Result {
        let (mut user, mut password) = (None, None);
        for entry in &block.0 {
            match entry.key.to_ascii_lowercase().as_str() {
                "user" | "username" => user = Some(text(entry)?),
                "pass" | "password" => password = Some(plaintext(entry)?),
                "token" => self.auth.token = Some(plaintext(entry)?),
                "users" => self.users(entry, "")?,
                "timeout" => self.auth_timeout = Some(length(entry)?),
                _ => return Err(not_simulated(entry, "")),
            }
        }
        if let Some(user) = user {
            self.auth.users.insert(user, User { password, namespace: String::new() });
        }
        Ok(())
    }

    fn accounts(&mut self, accounts: &Block) -> Result {
        for account in &accounts.0 {
            for entry in &block(account)?.0 {
                match entry.key.to_ascii_lowercase().as_str() {
                    "users" => self.users(entry, &account.key)?,
                    "jetstream" | "limits" => {
                        if matches!(&entry.value, Value::Block(block) if !block.0.is_empty()) {
                            self.pass_over(entry);
                        }
                    }
                    _ => return Err(not_simulated(entry, " between accounts")),
                }
            }
        }
        Ok(())
    }

    fn users(&mut self, list: &Entry, namespace: &str) -> Result {
        let Value::List(users) = &list.value else { return Err(wrong(list, "a list")) };
        for user in users {
            let Value::Block(fields) = user else { return Err(wrong(list, "a list of blocks")) };
            let (mut name, mut password) = (None, None);
            for entry in &fields.0 {
                match entry.key.to_ascii_lowercase().as_str() {
                    "user" | "username" => name = Some(text(entry)?),
                    "pass" | "password" => password = Some(plaintext(entry)?),
                    _ => return Err(not_simulated(entry, " of a user")),
                }
            }
            let name = name.ok_or_else(|| wrong(list, "a list of blocks with user and password"))?;
            self.auth.users.insert(name, User { password, namespace: namespace.to_owned() });
        }
        Ok(())
    }
}

fn wrong(entry: &Entry, expected: &'static str) -> ConfiguredError {
    ConfiguredError::Value { place: entry.place.clone(), key: entry.key.clone(), expected }
}

fn not_simulated(entry: &Entry, hint: &'static str) -> ConfiguredError {
    ConfiguredError::NotSimulated { place: entry.place.clone(), key: entry.key.clone(), hint }
}

fn block(entry: &Entry) -> Result<&Block> {
    match &entry.value {
        Value::Block(block) => Ok(block),
        _ => Err(wrong(entry, "a block in braces")),
    }
}

/// A text; a number may be one too, as a password.
fn text(entry: &Entry) -> Result<String> {
    match &entry.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        _ => Err(wrong(entry, "a text")),
    }
}

/// A password that can be compared.
fn plaintext(entry: &Entry) -> Result<String> {
    let text = text(entry)?;
    if text.starts_with("$2") { Err(not_simulated(entry, " when it is hashed with bcrypt")) } else { Ok(text) }
}

fn port(entry: &Entry) -> Result<i32> {
    match entry.value {
        Value::Integer(number) if (-1..=65_535).contains(&number) => i32::try_from(number).map_err(|_| wrong(entry, "a port")),
        _ => Err(wrong(entry, "a port: 1 to 65535, or -1 for a free one")),
    }
}

fn host(entry: &Entry, text: &str) -> Result<IpAddr> {
    super::host(text).ok_or_else(|| wrong(entry, "an address such as 127.0.0.1"))
}

/// `host:port`, or a port alone.
fn listen(entry: &Entry) -> Result<(Option<IpAddr>, i32)> {
    let Value::Text(text) = &entry.value else { return Ok((None, port(entry)?)) };
    let (name, number) = text.rsplit_once(':').ok_or_else(|| wrong(entry, "host:port"))?;
    let number = number.parse().ok().filter(|number| (-1..=65_535).contains(number)).ok_or_else(|| wrong(entry, "host:port"))?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    Ok(((!name.is_empty()).then(|| host(entry, name)).transpose()?, number))
}

fn size(entry: &Entry) -> Result<usize> {
    match entry.value {
        Value::Integer(number) => usize::try_from(number).map_err(|_| wrong(entry, "a number of zero or more, such as 64KB")),
        _ => Err(wrong(entry, "a number of zero or more, such as 64KB")),
    }
}

/// A length of time above zero: a text with a unit, or a number of seconds.
fn length(entry: &Entry) -> Result<Duration> {
    let seconds = |seconds: f64| Duration::from_nanos((seconds * 1e9) as i64);
    let length = match &entry.value {
        Value::Text(text) => text.parse().ok(),
        Value::Integer(number) => Some(seconds(*number as f64)),
        Value::Float(number) => Some(seconds(*number)),
        _ => None,
    };
    length.filter(|length| *length > Duration::ZERO).ok_or_else(|| wrong(entry, "a length of time such as 2m, or a number of seconds"))
}

/// Bytes that may be stored; below zero is no limit.
fn limit(entry: &Entry) -> Result<Option<u64>> {
    match entry.value {
        Value::Integer(number) => Ok(u64::try_from(number).ok()),
        _ => Err(wrong(entry, "a size such as 64MiB, or -1 for none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Configured, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.conf");
        std::fs::write(&path, text).unwrap();
        Configured::read(&path).map_err(|error| error.to_string().rsplit('/').next().unwrap_or_default().to_owned())
    }

    fn user(password: &str, namespace: &str) -> User {
        User { password: Some(password.to_owned()), namespace: namespace.to_owned() }
    }

    #[test]
    fn the_files_of_client_test_suites_are_taken() {
        let configured =
            read("jetstream: {\n  strict: true,\n  max_mem_store:  64MiB,\n  max_file_store: 10GiB\n}\nmax_payload = 128KB").unwrap();
        let (max_memory, max_storage) = (Some(64 << 20), Some(10 << 30));
        assert_eq!(configured, Configured { max_memory, max_storage, max_payload: Some(131_072), ..Configured::default() });

        let configured = read("listen: localhost:8888\nauthorization {\n user: derek\n password: s3cr3t\n timeout: 1\n}").unwrap();
        assert_eq!((configured.host.map(|host| host.to_string()), configured.port), (Some("127.0.0.1".to_owned()), Some(8888)));
        assert_eq!(configured.auth.users, [("derek".to_owned(), user("s3cr3t", ""))].into());
        assert_eq!(configured.auth_timeout, Some(Duration::from_secs(1)));

        let configured = read("authorization { token: \"s3cr3t\" }\nport: -1\nhttp: 8222\nserver_name: here").unwrap();
        assert_eq!((configured.auth.token.as_deref(), configured.port, configured.monitor), (Some("s3cr3t"), Some(-1), Some(8222)));

        let accounts = "accounts { A: { jetstream: enabled, users: [{user: a, password: p}, {user: b, password: 7}] }, B: {users: []} }";
        assert_eq!(read(accounts).unwrap().auth.users, [("a".to_owned(), user("p", "A")), ("b".to_owned(), user("7", "A"))].into());
    }

    #[test]
    fn what_is_not_simulated_or_no_key_is_refused_by_line() {
        for (text, expected) in [
            ("\ntls { cert_file: x }", "server.conf:2: tls is not simulated; leave it out, or use a real nats-server"),
            ("cluster { listen: a }", "server.conf:1: cluster is not simulated; leave it out, or use a real nats-server"),
            ("jetstream { domain: HUB }", "server.conf:1: domain is not simulated; leave it out, or use a real nats-server"),
            (
                "jetstream: false",
                "server.conf:1: jetstream is not simulated when it is off: a server here always has JetStream; leave it out, or use a real \
                 nats-server",
            ),
            (
                "authorization: { users: [{ nkey: UAF }] }",
                "server.conf:1: nkey is not simulated of a user; leave it out, or use a real nats-server",
            ),
            ("colour: red", "server.conf:1: unknown field \"colour\""),
            ("port: many", "server.conf:1: port is a port: 1 to 65535, or -1 for a free one"),
            ("ping_interval: 0", "server.conf:1: ping_interval is a length of time such as 2m, or a number of seconds"),
            ("max_payload: -1", "server.conf:1: max_payload is a number of zero or more, such as 64KB"),
            ("accounts: 7", "server.conf:1: accounts is a block in braces"),
            ("listen: 'a.b.c.d:1'", "server.conf:1: listen is an address such as 127.0.0.1"),
        ] {
            assert_eq!(read(text).map(|_| ()), Err(expected.to_owned()), "{text}");
        }
    }
}
