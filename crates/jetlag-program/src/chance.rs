//! Draws by a seed: numbers, choices, and which words a program may use. What is drawn with them is not known here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of draws.
pub(crate) struct Chance {
    seed: u64,
    generator: ChaCha8Rng,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance { seed, generator: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A number below `end`, evenly.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u128::try_from(end).unwrap_or(1);
        usize::try_from((u128::from(self.generator.next_u64()) * end) >> 64).unwrap_or(0)
    }

    /// Yes in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them, evenly.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// The index of one of these weights, as likely as it weighs.
    pub(crate) fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut left = self.below(weights.iter().sum());
        weights
            .iter()
            .position(|weight| {
                let here = left < *weight;
                left = left.saturating_sub(*weight);
                here
            })
            .unwrap_or(0)
    }

    /// How much a whole program likes a word, from 0 to below 100: the same whenever it is asked, and independent of all other draws. So
    /// each program uses some words often and others never, which meets more combinations than using each a little.
    pub(crate) fn liking(&self, word: &str) -> usize {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        for (index, byte) in word.bytes().enumerate() {
            let at = 8 + index % 24;
            key[at] = key[at].wrapping_mul(31).wrapping_add(byte);
        }
        let mut generator = ChaCha8Rng::from_seed(key);
        usize::try_from(generator.next_u64() % 100).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_pinned() {
        let mut chance = Chance::new(7);
        let drawn: Vec<_> = (0..6).map(|_| chance.below(1_000)).collect();
        assert_eq!(drawn, [157, 167, 704, 726, 601, 359]);
        assert_eq!(["fetch batch", "fetch expires", "publish id"].map(|word| chance.liking(word)), [7, 42, 27]);
    }

    #[test]
    fn weights_are_kept() {
        let mut chance = Chance::new(1);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[chance.weighted(&[1, 0, 3])] += 1;
        }
        assert!((2_300..2_700).contains(&counts[0]) && counts[1] == 0, "{counts:?}");
    }
}
