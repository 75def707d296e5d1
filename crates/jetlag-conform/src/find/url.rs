//! The URL of a server that already runs. TLS and web sockets are not spoken here.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use jetlag_wire::ConnectOptions;

/// `nats://[user:password@|token@]host[:port]`.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// The host: a name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The port; 4222 unless written.
    pub port: u16,
    /// User and password.
    pub user: Option<(String, String)>,
    /// Token, instead of a user.
    pub token: Option<String>,
}

/// A text that is no URL of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme than `nats`.
    #[error("{0:?} is not supported; write nats://host:port")]
    Scheme(String),
    /// No host.
    #[error("there is no host; write nats://host:port")]
    NoHost,
    /// A port that is none.
    #[error("{0:?} is no port; write nats://host:port")]
    Port(String),
}

impl ServerUrl {
    /// The first address of the host.
    ///
    /// # Errors
    ///
    /// When the name can not be resolved.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        (self.host.as_str(), self.port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", self.host)))
    }

    /// `options` with the credentials of the URL.
    #[must_use]
    pub fn credentials(&self, mut options: ConnectOptions) -> ConnectOptions {
        if let Some((user, pass)) = &self.user {
            options.user = Some(user.clone());
            options.pass = Some(pass.clone());
        }
        if let Some(token) = &self.token {
            options.auth_token = Some(token.clone());
        }
        options
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<ServerUrl, UrlError> {
        let rest = match text.split_once("://") {
            Some(("nats", rest)) => rest,
            Some((scheme, _)) => return Err(UrlError::Scheme(format!("{scheme}://"))),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The last at sign: a password may hold one.
        let (login, address) = rest.rsplit_once('@').map_or((None, rest), |(login, address)| (Some(login), address));
        let (host, port) = match address.strip_prefix('[').and_then(|address| address.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(|| UrlError::Port(port.to_owned()))?)),
            None => address.rsplit_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err(UrlError::NoHost);
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| UrlError::Port(port.to_owned()))?,
            None => 4222,
        };
        let (user, token) = match login.map(|login| login.split_once(':').ok_or(login)) {
            None => (None, None),
            Some(Ok((user, pass))) => (Some((user.to_owned(), pass.to_owned())), None),
            Some(Err(token)) => (None, Some(token.to_owned())),
        };
        Ok(ServerUrl { host: host.to_owned(), port, user, token })
    }
}

impl fmt::Display for ServerUrl {
    /// Without the credentials: this ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "nats://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "nats://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let url = |host: &str, port| ServerUrl { host: host.into(), port, user: None, token: None };
        let user = |name: &str, pass: &str| Some((name.to_owned(), pass.to_owned()));
        for (text, expected) in [
            ("nats://127.0.0.1:4333", url("127.0.0.1", 4333)),
            ("nats://localhost", url("localhost", 4222)),
            ("nats://localhost:4222/", url("localhost", 4222)),
            ("[::1]:5000", url("::1", 5000)),
            ("nats://[::1]", url("::1", 4222)),
            ("nats://a:b:c@host:1", ServerUrl { user: user("a", "b:c"), ..url("host", 1) }),
            ("nats://a:p@ss@host", ServerUrl { user: user("a", "p@ss"), ..url("host", 4222) }),
            ("nats://t0ken@host", ServerUrl { token: Some("t0ken".into()), ..url("host", 4222) }),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert_eq!("nats://a:secret@[::1]".parse::<ServerUrl>().unwrap().to_string(), "nats://[::1]:4222");
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (text, error) in [
            ("tls://host", UrlError::Scheme("tls://".into())),
            ("nats://", UrlError::NoHost),
            ("nats://:4222", UrlError::NoHost),
            ("nats://host:port", UrlError::Port("port".into())),
            ("nats://host:70000", UrlError::Port("70000".into())),
            ("nats://[::1]4222", UrlError::Port("4222".into())),
        ] {
            assert_eq!(text.parse::<ServerUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn credentials_go_into_connect() {
        let options = "nats://a:b@h".parse::<ServerUrl>().unwrap().credentials(ConnectOptions::default());
        assert_eq!((options.user.as_deref(), options.pass.as_deref(), options.auth_token), (Some("a"), Some("b"), None));
        let options = "nats://t@h".parse::<ServerUrl>().unwrap().credentials(ConnectOptions::default());
        assert_eq!(options.auth_token.as_deref(), Some("t"));
    }
}
