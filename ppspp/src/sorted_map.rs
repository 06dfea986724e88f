//! A map in a sorted `Vec`: for the few to some thousand entries that a peer keeps.
//!
//! In place of `std`'s `BTreeMap` because of what that costs in the browser's bundle: with a dozen key and value types
//! its nodes made up 79 of 513 KB of code. Entries mostly come in order, and then an insertion moves nothing.
//!
//! What many call is not inlined in the browser's bundle, here and elsewhere in the crate: 1.5 KB of it after gzip.
//! Native builds go for speed.

use core::cmp::Ordering;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedMap<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord + Copy, V> SortedMap<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is there no entry?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, key: K) -> Result<usize, usize> {
        search(self.entries.len(), &|at| self.entries[at].0.cmp(&key))
    }

    #[cfg_attr(target_family = "wasm", inline(never))]
    fn put(&mut self, at: usize, key: K, value: V) {
        self.entries.insert(at, (key, value));
    }

    /// Is there an entry for `key`?
    pub fn contains_key(&self, key: K) -> bool {
        self.find(key).is_ok()
    }

    /// The value for `key`.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn get(&self, key: K) -> Option<&V> {
        Some(&self.entries[self.find(key).ok()?].1)
    }

    /// The value for `key`, to be changed.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        Some(&mut self.entries[at].1)
    }

    /// Puts a value in, in place of the one that is there.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn insert(&mut self, key: K, value: V) {
        match self.find(key) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) => self.put(at, key, value),
        }
    }

    /// The value for `key`, put in by `make` when there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.find(key) {
            Ok(at) => at,
            Err(at) => {
                self.put(at, key, make());
                at
            }
        };
        &mut self.entries[at].1
    }

    /// Takes the value for `key` out.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn remove(&mut self, key: K) -> Option<V> {
        let at = self.find(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> + Clone {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    /// The entries in order, their values to be changed.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (K, &mut V)> {
        self.entries.iter_mut().map(|(key, value)| (*key, value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = K> + '_ {
        self.entries.iter().map(|(key, _)| *key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// The entries from `key` on, in order.
    pub fn from(&self, key: K) -> impl DoubleEndedIterator<Item = (K, &V)> {
        let at = self.find(key).unwrap_or_else(|at| at);
        self.entries[at..].iter().map(|(key, value)| (*key, value))
    }

    /// The entries before `key`, in order.
    pub fn before(&self, key: K) -> impl DoubleEndedIterator<Item = (K, &V)> {
        let at = self.find(key).unwrap_or_else(|at| at);
        self.entries[..at].iter().map(|(key, value)| (*key, value))
    }

    /// Drops the entries before `key`.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn drop_before(&mut self, key: K) {
        let at = self.find(key).unwrap_or_else(|at| at);
        self.entries.drain(..at);
    }

    /// Keeps the entries for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(*key, value));
    }

    /// Takes all entries out.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

/// [`slice::binary_search_by`] for entries of any type: one function for all maps.
#[cfg_attr(target_family = "wasm", inline(never))]
fn search(len: usize, compare: &dyn Fn(usize) -> Ordering) -> Result<usize, usize> {
    let (mut from, mut to) = (0, len);
    while from < to {
        let middle = from + (to - from) / 2;
        match compare(middle) {
            Ordering::Less => from = middle + 1,
            Ordering::Equal => return Ok(middle),
            Ordering::Greater => to = middle,
        }
    }
    Err(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn like_a_tree(operations in prop::collection::vec((0u8..7, 0u8..20, any::<u8>()), 0..80)) {
            let (mut map, mut oracle) = (SortedMap::new(), BTreeMap::new());
            for (operation, key, value) in operations {
                match operation {
                    0..=2 => {
                        map.insert(key, value);
                        oracle.insert(key, value);
                    },
                    3 => prop_assert_eq!(map.remove(key), oracle.remove(&key)),
                    4 => prop_assert_eq!(
                        *map.get_or_insert_with(key, || value),
                        *oracle.entry(key).or_insert(value)
                    ),
                    5 => {
                        map.drop_before(key);
                        oracle = oracle.split_off(&key);
                    }
                    _ => {
                        map.retain(|_, other| *other != value);
                        oracle.retain(|_, other| *other != value);
                    }
                }
                prop_assert!(map.iter().eq(oracle.iter().map(|(key, value)| (*key, value))));
                prop_assert!(map.from(key).eq(oracle.range(key..).map(|(key, value)| (*key, value))));
                prop_assert!(map.before(key).eq(oracle.range(..key).map(|(key, value)| (*key, value))));
                prop_assert_eq!(map.get(key), oracle.get(&key));
                prop_assert_eq!((map.len(), map.is_empty()), (oracle.len(), oracle.is_empty()));
            }
        }
    }
}
