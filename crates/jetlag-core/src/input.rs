//! What can happen to a server: what a driver feeds into the core.

use jetlag_model::{ConnId, Message, Sid, Text};

/// Something a client, or the network, does to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A client connected. The number must not have been used before in this run.
    Connect {
        /// The connection's number, chosen by the driver.
        conn: ConnId,
        /// What the client asked for in its CONNECT.
        options: ConnectOptions,
    },
    /// A connection is gone; its subscriptions go with it.
    Disconnect {
        /// Which connection.
        conn: ConnId,
    },
    /// SUB.
    Subscribe {
        /// Which connection.
        conn: ConnId,
        /// The subscription's number on that connection.
        sid: Sid,
        /// A subject, possibly with wildcards.
        subject: Text,
        /// The queue group, if any.
        queue: Option<Text>,
    },
    /// UNSUB.
    Unsubscribe {
        /// Which connection.
        conn: ConnId,
        /// Which subscription.
        sid: Sid,
        /// Ends after that many messages in all, counted from the SUB; at once when absent.
        max: Option<u64>,
    },
    /// PUB or HPUB.
    Publish {
        /// Which connection.
        conn: ConnId,
        /// The message.
        message: Message,
    },
}

/// What a client asked for in its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Own messages come back to own subscriptions.
    pub echo: bool,
    /// The client understands headers.
    pub headers: bool,
    /// A request that meets nobody is answered with a 503; needs `headers`.
    pub no_responders: bool,
}

impl Default for ConnectOptions {
    /// What client libraries send: echo, headers and no-responders all on.
    fn default() -> ConnectOptions {
        ConnectOptions { echo: true, headers: true, no_responders: true }
    }
}
