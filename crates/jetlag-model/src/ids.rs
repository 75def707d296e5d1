//! Numbers that must not be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::seq_map::Sequence;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl Sequence for $name {
            fn number(self) -> u64 {
                self.0
            }

            fn of(number: u64) -> $name {
                $name(number)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A message's place in its stream, from 1; 0 means none.
    StreamSeq
}
number! {
    /// A count of the deliveries a consumer made, redeliveries included, from 1; 0 means none.
    ConsumerSeq
}
number! {
    /// Which delivery attempt of one message this is, from 1.
    DeliveryCount
}
number! {
    /// A client connection, numbered by the driver. Never used twice in a run.
    ConnId
}
number! {
    /// A subscription's number on its connection, chosen by the client.
    Sid
}

impl StreamSeq {
    /// The next place in the stream.
    #[must_use]
    pub fn next(self) -> StreamSeq {
        StreamSeq(self.0.wrapping_add(1))
    }

    /// The place before; the one before 0 is 0.
    #[must_use]
    pub fn prev(self) -> StreamSeq {
        StreamSeq(self.0.saturating_sub(1))
    }
}

impl ConsumerSeq {
    /// The next delivery.
    #[must_use]
    pub fn next(self) -> ConsumerSeq {
        ConsumerSeq(self.0.wrapping_add(1))
    }

    /// The delivery before; the one before 0 is 0.
    #[must_use]
    pub fn prev(self) -> ConsumerSeq {
        ConsumerSeq(self.0.saturating_sub(1))
    }
}
