//! Chance, by name: every draw is computed from what it is about. The crate's page has the derivation.

use jetlag_model::Duration;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Identity, Probability};

/// The two numbers that belong to one attempt of one crossing at one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draw {
    chance: u64,
    length: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64, rule: &str, identity: Identity, attempt: u64) -> Draw {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&xxh3_64(rule.as_bytes()).to_le_bytes());
        key[16..].copy_from_slice(&identity.0.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(attempt);
        Draw { chance: generator.next_u64(), length: generator.next_u64() }
    }

    /// Whether chance says yes.
    pub(crate) fn says_yes(self, probability: Probability) -> bool {
        share(self.chance, u128::from(probability.denominator)) < probability.numerator
    }

    /// A length from `min` to `max`, both included.
    pub(crate) fn length(self, min: Duration, max: Duration) -> Duration {
        // The span fits: both are above zero, so their distance is below 2^63.
        let span = u128::from((max - min).as_nanos().unsigned_abs()) + 1;
        min + Duration::from_nanos(share(self.length, span) as i64)
    }
}

/// `number * of / 2^64`: evenly spread over `0..of`, for `of` up to 2^64.
fn share(number: u64, of: u128) -> u64 {
    ((u128::from(number) * of) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Draws are a promise: a seed printed by one version reproduces with the next.
    #[test]
    fn pinned() {
        let draw = Draw::new(1, "lossy", Identity(2), 1);
        assert_eq!((draw.chance, draw.length), (16_267_687_898_104_504_757, 18_058_500_313_523_261_247));
    }

    #[test]
    fn chance_is_as_likely_as_it_says() {
        let probability = Probability { numerator: 1, denominator: 4 };
        let hits = (0..10_000).filter(|n| Draw::new(7, "r", Identity(*n), 1).says_yes(probability)).count();
        assert!((2_300..2_700).contains(&hits), "{hits} of 10000 at 1/4");
    }

    proptest! {
        #[test]
        fn certain_is_certain(seed: u64, identity: u128, attempt: u64, of in 1_u64..) {
            let draw = Draw::new(seed, "r", Identity(identity), attempt);
            let chance = |numerator| Probability { numerator, denominator: of };
            prop_assert!(draw.says_yes(chance(of)));
            prop_assert!(!draw.says_yes(chance(0)));
        }

        #[test]
        fn lengths_stay_within_bounds(seed: u64, attempt: u64, a in 0..i64::MAX, b in 0..i64::MAX) {
            let (min, max) = (Duration::from_nanos(a.min(b)), Duration::from_nanos(a.max(b)));
            let length = Draw::new(seed, "r", Identity(0), attempt).length(min, max);
            prop_assert!(min <= length && length <= max);
            prop_assert_eq!(Draw::new(seed, "r", Identity(0), attempt).length(min, min), min);
        }

        #[test]
        fn every_input_counts(seed: u64, identity: u128, attempt: u64) {
            let draw = Draw::new(seed, "r", Identity(identity), attempt);
            prop_assert_eq!(Draw::new(seed, "r", Identity(identity), attempt), draw);
            prop_assert_ne!(Draw::new(seed ^ 1, "r", Identity(identity), attempt), draw);
            prop_assert_ne!(Draw::new(seed, "s", Identity(identity), attempt), draw);
            prop_assert_ne!(Draw::new(seed, "r", Identity(identity ^ 1), attempt), draw);
            prop_assert_ne!(Draw::new(seed, "r", Identity(identity), attempt ^ 1), draw);
        }
    }
}
