//! Flow control of a push consumer: after so many bytes it asks its client to answer, and sends no more than a window's worth until that has
//! happened. Rules of `needFlowControl`, `sendFlowControl` and `processFlowControl` (`server/consumer.go`, 2.15).

use jetlag_model::Text;

use jetlag_model::Headers;

use super::Consumer;
use crate::context::Context;
use crate::stream::Log;

/// What the subjects begin with on which clients answer.
pub(crate) const PREFIX: &str = "$JS.FC.";

/// The largest window, bytes; the first is a sixteenth of it.
const LARGEST: u64 = 32 * 1024 * 1024;

/// What is under way to the client, as far as the consumer knows.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// Bytes that may be under way.
    window: u64,
    /// Bytes that are.
    bytes: u64,
    /// The question that is not answered yet: its subject, and how many bytes an answer confirms.
    asked: Option<(Text, u64)>,
}

impl Default for Flow {
    fn default() -> Flow {
        Flow { window: LARGEST / 16, bytes: 0, asked: None }
    }
}

impl Flow {
    /// Whether the window is full.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > self.window
    }

    /// The question that is not answered yet.
    pub(super) fn asked(&self) -> Option<&str> {
        self.asked.as_ref().map(|(subject, _)| &**subject)
    }

    /// So many bytes are on their way. Says whether it is time to ask.
    fn sent(&mut self, size: u64) -> bool {
        self.bytes += size;
        match &mut self.asked {
            None => self.bytes > self.window / 2,
            Some((_, confirmed)) => {
                if self.bytes - *confirmed >= self.window {
                    *confirmed += size;
                }
                false
            }
        }
    }

    /// The client answered. Says whether that was to the latest question.
    fn answered(&mut self, subject: &str) -> bool {
        let Some((_, confirmed)) = self.asked.take_if(|(asked, _)| **asked == *subject) else { return false };
        self.window = (self.window * 2).min(LARGEST);
        self.bytes = self.bytes.saturating_sub(confirmed);
        true
    }
}

impl Consumer {
    /// A message of so many bytes was sent to whoever listens.
    pub(super) fn count_flow(&mut self, size: u64, cx: &mut Context) {
        let Some(flow) = &mut self.flow else { return };
        if flow.sent(size) {
            let subject: Text = format!("{PREFIX}{}.{}.{}", self.stream, self.name, cx.ids.draw_name()).into();
            flow.asked = Some((subject.clone(), flow.bytes));
            cx.ask(&self.config.deliver_subject, &subject, Headers::from_status(100, "FlowControl Request"));
        }
    }

    /// Somebody published to a subject on which a client of this consumer answers. Says whether it listens there.
    pub(crate) fn flow_answered(&mut self, subject: &str, log: &Log, cx: &mut Context) -> bool {
        let Some(flow) = &mut self.flow else { return false };
        if flow.answered(subject) {
            self.run(log, cx);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_with_each_answer() {
        let mut flow = Flow::default();
        let half = flow.window / 2;
        assert!(!flow.sent(half));
        assert!(flow.sent(1), "past half of the window it asks");
        flow.asked = Some(("a".into(), flow.bytes));
        assert!(!flow.sent(half), "it asks once");
        assert!(flow.is_full());
        assert!(!flow.answered("b"));
        assert!(flow.answered("a"));
        assert_eq!((flow.window, flow.bytes), (LARGEST / 8, half));
        assert!(!flow.is_full());
    }

    #[test]
    fn what_goes_out_beyond_the_window_is_confirmed_too() {
        let mut flow = Flow { window: 10, bytes: 6, asked: Some(("a".into(), 6)) };
        assert!(!flow.sent(9));
        assert!(!flow.sent(1));
        assert!(flow.answered("a"));
        assert_eq!((flow.window, flow.bytes), (20, 9));
    }
}
