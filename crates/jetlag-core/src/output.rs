//! What a server does in answer: what a driver takes out of the core.

use jetlag_model::{ConnId, Message, Sid};

use crate::Note;

/// Something the server does.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// MSG or HMSG to one subscription. `message.subject` is the subject the client sees.
    Deliver {
        /// To which connection.
        conn: ConnId,
        /// To which of its subscriptions.
        sid: Sid,
        /// The message.
        message: Message,
    },
    /// Something happened inside that no client need see: for traces, counters and checks.
    Note(Note),
}
