//! Pull requests: the body published to `$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>`. Rules of `nextReqFromMsg` (2.15).

use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::json::is_default;

/// A pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PullRequest {
    /// How many messages. Missing, zero or negative still gets one if one is there.
    #[serde(skip_serializing_if = "is_default")]
    pub batch: i64,
    /// How long it waits, ns; 0 for ever, negative is expired already.
    #[serde(skip_serializing_if = "is_default")]
    pub expires: Duration,
    /// Answer at once when there is nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub no_wait: bool,
    /// Most bytes; 0 for no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_bytes: i64,
    /// Heartbeats while idle, ns; 0 for none.
    #[serde(skip_serializing_if = "is_default")]
    pub idle_heartbeat: Duration,
    /// What a consumer with a priority policy looks at.
    #[serde(flatten)]
    pub priority: RequestPriority,
    /// It came as a JSON object: only such a request has a priority at all.
    #[serde(skip)]
    pub is_object: bool,
}

/// What a pull request says to a consumer with a priority policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestPriority {
    /// The priority group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// For `overflow`: how many messages must be pending.
    #[serde(skip_serializing_if = "is_default")]
    pub min_pending: i64,
    /// For `overflow`: how many messages must be unacknowledged.
    #[serde(skip_serializing_if = "is_default")]
    pub min_ack_pending: i64,
    /// For `pinned_client`: the id under which the client is the pinned one.
    #[serde(skip_serializing_if = "is_default")]
    pub id: String,
    /// For `prioritized`: 0 comes first, 9 last.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i64,
}

/// Why a body is no pull request: the text after `400 Bad Request - `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullRequestError {
    /// A JSON object that could not be read. Go words the rest; only the first word is comparable.
    #[error("json: {0}")]
    Json(String),
    /// More than half of `expires`, or no `expires` at all.
    #[error("heartbeat value too large")]
    HeartbeatTooLarge,
}

impl PullRequest {
    /// Reads a body: empty for one message, a number for a batch, a JSON object for all fields, anything else for one message.
    pub fn parse(body: &[u8]) -> Result<PullRequest, PullRequestError> {
        let body = body.trim_ascii();
        if !body.starts_with(b"{") {
            let batch = std::str::from_utf8(body).ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(1);
            return Ok(PullRequest { batch, ..PullRequest::default() });
        }
        let mut request: PullRequest =
            serde_json::from_slice(body).and_then(crate::json::read).map_err(|error| PullRequestError::Json(error.to_string()))?;
        if request.idle_heartbeat > Duration::ZERO && request.idle_heartbeat * 2 > request.expires {
            return Err(PullRequestError::HeartbeatTooLarge);
        }
        request.is_object = true;
        Ok(request)
    }

    /// The body a client library sends.
    pub fn body(&self) -> Vec<u8> {
        crate::json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let batch = |batch| Ok(PullRequest { batch, ..PullRequest::default() });
        let object = |batch| Ok(PullRequest { batch, is_object: true, ..PullRequest::default() });
        for (body, expected) in [
            ("", batch(1)),
            ("  ", batch(1)),
            ("7", batch(7)),
            ("-1", batch(-1)),
            ("abc", batch(1)),
            ("{}", object(0)),
            ("{\"batch\":5}", object(5)),
            ("{\"batch\":5,\"unknown\":1}", object(5)),
            (
                "{\"batch\":1,\"group\":\"A\",\"min_pending\":3,\"id\":\"x\"}",
                Ok(PullRequest {
                    batch: 1,
                    priority: RequestPriority { group: "A".into(), min_pending: 3, id: "x".into(), ..RequestPriority::default() },
                    is_object: true,
                    ..PullRequest::default()
                }),
            ),
            (
                "{\"batch\":1,\"expires\":2000000000,\"idle_heartbeat\":1000000000,\"no_wait\":true,\"max_bytes\":9}",
                Ok(PullRequest {
                    batch: 1,
                    expires: Duration::from_secs(2),
                    idle_heartbeat: Duration::from_secs(1),
                    no_wait: true,
                    max_bytes: 9,
                    is_object: true,
                    ..PullRequest::default()
                }),
            ),
            ("{\"batch\":1,\"expires\":1999999999,\"idle_heartbeat\":1000000000}", Err(PullRequestError::HeartbeatTooLarge)),
            ("{\"batch\":1,\"idle_heartbeat\":1}", Err(PullRequestError::HeartbeatTooLarge)),
        ] {
            assert_eq!(PullRequest::parse(body.as_bytes()), expected, "{body}");
        }
        assert!(matches!(PullRequest::parse(b"{\"batch\":\"x\"}"), Err(PullRequestError::Json(_))));
    }
}
