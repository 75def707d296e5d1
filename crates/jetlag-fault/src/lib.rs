//! Fault rules and verdicts for what crosses a link between a client and a server.
//!
//! A driver that moves traffic between clients and a server describes each thing that is about to cross a link as a [`Crossing`],
//! asks [`Rules::evaluate`] what becomes of it, and does what the [`Verdict`] says. This crate knows nothing of how a server works
//! and does nothing itself: it drops no message, closes no connection and reads no clock.
//!
//! ```
//! use jetlag_fault::{Crossing, CrossingKind, Effect, Fate, Match, Rule, Rules, When};
//! use jetlag_model::Time;
//!
//! let mut rules = Rules::new(1);
//! let kind = Some(CrossingKind::Ack);
//! let rule = Rule { id: "lost-ack".into(), matcher: Match { kind, ..Match::default() }, when: When::default(), effect: Effect::Drop };
//! rules.add(Time::START, rule).unwrap();
//!
//! let ack = Crossing::new(CrossingKind::Ack, "w1");
//! assert_eq!(rules.evaluate(Time::START, &ack).fate, Fate::Drop("lost-ack".into()));
//! assert_eq!(rules.evaluate(Time::START, &ack).fate, Fate::Pass, "a drop happens once unless told otherwise");
//! ```
//!
//! # What a lost reply means
//!
//! [`Effect::ReplyLost`] lets a request through and takes its answer away: the thing is done, and who asked does not learn it. It
//! acts on requests whose sender waits for an answer ([`Crossing::answered`]), of these kinds:
//!
//! | request | answer | done | what its sender believes |
//! |---|---|---|---|
//! | `publish` | `pub-ack` | the message is in the stream (or was refused) | nothing: a second try may store it twice, unless it has a message id |
//! | `api` | `api-reply` | the change is made (or was refused) | nothing: a second try meets its own result |
//! | `ack` | `ack-reply` | the message is settled | nothing: a second ack is confirmed and has no effect |
//! | `nak` | `ack-reply` | the message is queued again | nothing: a second nak may ask twice |
//! | `in-progress` | `ack-reply` | ack_wait starts again | nothing |
//! | `term` | `ack-reply` | the message is settled, the advisory is out | nothing: a second term is a second advisory |
//!
//! `pull` and `next` are not in the table: what answers them are deliveries, each of which counts as an attempt. To lose those,
//! drop `delivery`.
//!
//! # How several rules combine
//!
//! Every rule that is not cleared is evaluated, in the order in which they were added, even after a drop. A drop beats everything
//! that would happen to the crossing itself; otherwise the first error does; otherwise delays add up and copies add up, and each
//! copy has the same delay and the same lost reply. Whether a rule that comes after or holds until an event holds is settled before any
//! rule looks at the crossing, so that their order does not matter for it. What happens to connection, client and server is collected in order and is
//! to be done after the crossing met its fate.
//!
//! # How chance is drawn
//!
//! A draw is a function of the seed, the rule's id, the crossing's [`Identity`] and the attempt, and of nothing else. So neither
//! another rule nor another message moves it. The attempt is 1 for the first crossing of this identity that matched the rule since it
//! was added, 2 for the second, and so on. The generator is ChaCha with 8 rounds; its 32-byte key is, numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | the seed |
//! | 8..16 | xxh3 of 64 bits, seed 0, of the rule's id |
//! | 16..32 | the identity: xxh3 of 128 bits, seed 0, of what [`Crossing::identity`] says |
//!
//! and its 64-bit stream number is the attempt. The first 8 bytes of output, as a number `x`, decide a probability of `p/q`: yes if
//! `x * q / 2^64 < p`. The next 8 bytes choose a delay between `min` and `max`: `min + x * (max - min + 1) / 2^64` nanoseconds.

mod crossing;
mod draw;
mod rule;
mod rules;
mod validate;

pub use crossing::{Crossing, CrossingKind, Identity};
pub use jetlag_model::Direction;
pub use rule::{Cycle, Effect, Lost, LostTail, Match, Numbers, Occurrence, Partition, Probability, Rule, RuleId, When};
pub use rules::{Action, Fate, Report, Rules, Verdict};
pub use validate::{Attribute, RuleError};
