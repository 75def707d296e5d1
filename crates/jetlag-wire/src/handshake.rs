//! The JSON bodies of INFO and CONNECT.

use jetlag_model::{ServerVersion, VersionError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::WireError;

/// What a server says about itself when a client connects, and again when something changed. Fields not listed here are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerInfo {
    /// The server's own id, new with each start.
    pub server_id: String,
    /// The configured name, or the id.
    pub server_name: String,
    /// The version as the server writes it.
    pub version: String,
    /// The version of the protocol: 1 since servers send INFO again.
    pub proto: i64,
    /// The address it listens on.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// Whether it understands headers.
    pub headers: bool,
    /// Whether a client has to identify itself.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Whether the connection has to be upgraded to TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Largest size of headers and payload together that it accepts, in bytes.
    pub max_payload: u64,
    /// Whether JetStream is enabled.
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    /// The id of this connection on the server.
    pub client_id: u64,
    /// The address of the client as the server sees it.
    pub client_ip: String,
    /// What a client that uses keys has to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The name of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The JetStream domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Other servers of the cluster, as `host:port`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// Lame duck mode: the server is about to stop.
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    /// Whether this INFO answers the first PING and says how the client has come in.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// With `connect_info`: the account of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_account: Option<String>,
}

impl ServerInfo {
    /// The version as numbers.
    ///
    /// # Errors
    ///
    /// When the server writes something that is no version.
    pub fn server_version(&self) -> Result<ServerVersion, VersionError> {
        self.version.parse()
    }
}

/// How a client presents itself: the body of CONNECT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectOptions {
    /// Ask for `+OK` after each operation.
    pub verbose: bool,
    /// Ask for strict checks of subjects.
    pub pedantic: bool,
    /// Ask for TLS.
    pub tls_required: bool,
    /// Receive what this connection itself publishes.
    pub echo: bool,
    /// Understand headers.
    pub headers: bool,
    /// Be told with status 503 when a request meets no one; needs `headers`.
    pub no_responders: bool,
    /// A name for the server's logs and advisories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The language of the client.
    pub lang: String,
    /// The version of the client.
    pub version: String,
    /// The version of the protocol: 1 accepts INFO at any time.
    pub protocol: i64,
    /// User, together with `pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password of `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// Token, instead of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<String>,
    /// An account to join, which servers do not grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether to make that account.
    #[serde(skip_serializing_if = "is_false")]
    pub new_account: bool,
}

impl ConnectOptions {
    /// What a server takes for granted of a client that has not said anything.
    pub(crate) fn assumed() -> ConnectOptions {
        ConnectOptions {
            verbose: true,
            pedantic: true,
            headers: false,
            no_responders: false,
            lang: String::new(),
            version: String::new(),
            protocol: 0,
            ..ConnectOptions::default()
        }
    }

    /// Takes over what a CONNECT says. As Go reads JSON: the case of names does not matter, null changes nothing, what is unknown is passed
    /// over, and bytes that are not UTF-8 are replaced.
    pub(crate) fn merge(&mut self, json: &[u8]) -> Result<(), WireError> {
        let unreadable = |error: serde_json::Error| WireError::Json { operation: "CONNECT", reason: error.to_string() };
        let said: Option<serde_json::Map<String, Value>> = serde_json::from_str(&String::from_utf8_lossy(json)).map_err(unreadable)?;
        let mut all = serde_json::to_value(&*self).map_err(unreadable)?;
        for (name, value) in said.into_iter().flatten() {
            if !value.is_null() {
                all[name.to_ascii_lowercase()] = value;
            }
        }
        *self = serde_json::from_value(all).map_err(unreadable)?;
        Ok(())
    }
}

impl Default for ConnectOptions {
    /// What client libraries send: quiet, with echo, headers and no-responders.
    fn default() -> ConnectOptions {
        ConnectOptions {
            verbose: false,
            pedantic: false,
            tls_required: false,
            echo: true,
            headers: true,
            no_responders: true,
            name: None,
            lang: "rust".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: 1,
            user: None,
            pass: None,
            auth_token: None,
            account: None,
            new_account: false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_of_a_real_server_is_read() {
        let info: ServerInfo = serde_json::from_str(
            r#"{"server_id":"NABC","server_name":"NABC","version":"2.15.1","proto":1,"git_commit":"b2fd3ef","go":"go1.25","host":"127.0.0.1",
                "port":39103,"headers":true,"max_payload":1048576,"jetstream":true,"client_id":5,"client_ip":"127.0.0.1","xkey":"X"}"#,
        )
        .unwrap();
        assert_eq!(info.server_version(), Ok(ServerVersion::NEWEST));
        assert_eq!((info.port, info.max_payload, info.client_id), (39103, 1_048_576, 5));
        assert!(info.headers && info.jetstream && !info.auth_required);
        assert_eq!(serde_json::from_str::<ServerInfo>(&serde_json::to_string(&info).unwrap()).unwrap(), info);
    }

    #[test]
    fn a_connect_is_read_as_go_reads_json() {
        let assumed = ConnectOptions::assumed;
        for (json, options) in [
            ("{}", assumed()),
            ("null", assumed()),
            (r#"{"verbose":null,"PEDANTIC":false,"unheard":[1]}"#, ConnectOptions { pedantic: false, ..assumed() }),
            (r#"{"verbose":true,"verbose":false}"#, ConnectOptions { verbose: false, ..assumed() }),
        ] {
            let mut read = assumed();
            assert_eq!(read.merge(json.as_bytes()), Ok(()), "{json}");
            assert_eq!(read, options, "{json}");
        }
        for json in ["", "{", "[]", "3", r#"{"verbose":3}"#, r#"{"lang":5}"#, r#"{"protocol":1.5}"#, "{}x"] {
            assert!(matches!(assumed().merge(json.as_bytes()), Err(WireError::Json { operation: "CONNECT", .. })), "{json}");
        }
        let mut named = assumed();
        named.merge(b"{\"name\":\"\xff\"}").unwrap();
        assert_eq!(named.name.as_deref(), Some("\u{fffd}"));
        named.merge(br#"{"headers":true}"#).unwrap();
        assert!(named.name.is_some() && named.headers, "a second CONNECT changes what it names");
    }

    #[test]
    fn connect_leaves_out_what_is_not_given() {
        let options = ConnectOptions { name: Some("w1".into()), version: "0".into(), ..ConnectOptions::default() };
        assert_eq!(
            serde_json::to_string(&options).unwrap(),
            r#"{"verbose":false,"pedantic":false,"tls_required":false,"echo":true,"headers":true,"no_responders":true,"name":"w1","lang":"rust","version":"0","protocol":1}"#
        );
    }
}
