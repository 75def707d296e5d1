//! A map for look-ups, without iteration: the one place that names hashbrown. Iterating a hash map would let an order that nobody chose
//! into the output.

#![expect(clippy::disallowed_types, reason = "this is the module that wraps it")]

use std::hash::{BuildHasherDefault, Hash, Hasher};

use hashbrown::{Equivalent, HashMap};

/// FNV-1a: without a seed, so that a run depends on nothing but its input.
#[derive(Clone)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map that can be asked and not walked.
#[derive(Clone)]
pub(crate) struct Index<K, V>(HashMap<K, V, BuildHasherDefault<Fnv>>);

impl<K, V> Default for Index<K, V> {
    fn default() -> Index<K, V> {
        Index(HashMap::default())
    }
}

impl<K, V> std::fmt::Debug for Index<K, V> {
    /// How much it holds: what it holds has no order.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index({})", self.0.len())
    }
}

impl<K: Eq + Hash, V> Index<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub(crate) fn find<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.0.get(key)
    }

    pub(crate) fn find_mut<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    pub(crate) fn remove<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> Option<V> {
        self.0.remove(key)
    }
}
