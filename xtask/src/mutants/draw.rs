//! Which mutants are tried: a random draw that can be repeated, and that moves little when the sources do.

use std::collections::BTreeMap;

/// Mutants drawn from all that there are.
pub(super) struct Drawn {
    /// In the order of the sources.
    pub(super) mutants: Vec<Named>,
    /// How many there were to draw from.
    pub(super) of: usize,
}

/// A mutant and its key.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// As cargo-mutants has it: `FILE:LINE:COLUMN: CHANGE`.
    pub(super) name: String,
    /// `FILE: CHANGE #N`: the Nth such change in the file. It stays the same when lines move.
    pub(super) key: String,
}

impl Drawn {
    /// Draws `count` of the mutants whose key contains one of `only`, or of all if that is empty: those whose keys have the smallest hashes. So a change of the sources replaces
    /// those mutants that it touches, and leaves the others drawn.
    pub(super) fn from(names: impl Iterator<Item = String>, seed: u64, count: usize, only: &[String]) -> Drawn {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut all: Vec<(usize, Named)> = Vec::new();
        for (index, name) in names.enumerate() {
            let change = without_place(&name);
            let nth = counts.entry(change.clone()).or_default();
            *nth += 1;
            let key = format!("{change} #{nth}");
            if only.is_empty() || only.iter().any(|text| key.contains(text)) {
                all.push((index, Named { name, key }));
            }
        }
        let of = all.len();
        all.sort_by_cached_key(|(_, mutant)| (hash(seed, &mutant.key), mutant.key.clone()));
        all.truncate(count);
        all.sort_by_key(|(index, _)| *index);
        Drawn { mutants: all.into_iter().map(|(_, mutant)| mutant).collect(), of }
    }

    /// The key of a mutant, if it was drawn.
    pub(super) fn key(&self, name: &str) -> Option<&str> {
        self.mutants.iter().find(|mutant| mutant.name == name).map(|mutant| &*mutant.key)
    }
}

/// `FILE:LINE:COLUMN: CHANGE` as `FILE: CHANGE`.
fn without_place(name: &str) -> String {
    let Some((place, change)) = name.split_once(": ") else { return name.to_owned() };
    let file = place.split(':').next().unwrap_or(place);
    format!("{file}: {change}")
}

/// FNV-1a over the text, mixed with the seed as splitmix64 does it.
fn hash(seed: u64, text: &str) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut x = text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fnv).wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(shift: usize) -> impl Iterator<Item = String> {
        (0..100).map(move |n| format!("src/{}.rs:{}:1: replace + with - in f{}", n % 3, n + shift, n / 7))
    }

    fn keys(drawn: &Drawn) -> Vec<String> {
        drawn.mutants.iter().map(|mutant| mutant.key.clone()).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_mutants_wherever_they_stand() {
        let first = Drawn::from(names(0), 7, 20, &[]);
        assert_eq!((first.mutants.len(), first.of), (20, 100));
        assert_eq!(keys(&first), keys(&Drawn::from(names(5), 7, 20, &[])));
        assert_ne!(keys(&first), keys(&Drawn::from(names(0), 8, 20, &[])));
        assert_eq!(Drawn::from(names(0), 7, 20, &["f3".to_owned()]).of, 7);
    }

    #[test]
    fn a_key_tells_equal_changes_apart() {
        let names = ["a.rs:1:1: x", "a.rs:2:9: x", "b.rs:1:1: x"].map(str::to_owned);
        let drawn = Drawn::from(names.into_iter(), 1, 9, &[]);
        assert_eq!(keys(&drawn), ["a.rs: x #1", "a.rs: x #2", "b.rs: x #1"]);
        assert_eq!((drawn.key("a.rs:2:9: x"), drawn.key("a.rs:3:1: x")), (Some("a.rs: x #2"), None));
    }
}
