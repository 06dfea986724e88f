//! Which chunks somebody has.

use core::ops::Range;

use crate::ChunkRange;

/// A set of chunks as sorted runs that neither overlap nor touch. What is sent once as HAVE (RFC 7574 §8.7) is one
/// run here, so a map costs 8 bytes a run whatever the length of the content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkMap {
    runs: Vec<ChunkRange>,
}

impl ChunkMap {
    /// The empty set.
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// The runs, in order.
    pub fn runs(&self) -> &[ChunkRange] {
        &self.runs
    }

    /// Has it no chunk?
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many chunks it has.
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.count()).sum()
    }

    /// Index of the first run that ends at or after `chunk`.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn at(&self, chunk: u32) -> usize {
        self.runs.partition_point(|run| run.end() < chunk)
    }

    /// Is `chunk` in it?
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn contains(&self, chunk: u32) -> bool {
        self.run_around(chunk).is_some()
    }

    /// Is every chunk of `range` in it?
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn contains_range(&self, range: ChunkRange) -> bool {
        self.run_around(range.start())
            .is_some_and(|run| run.end() >= range.end())
    }

    /// The largest complete interval around `chunk`, which is what HAVE names.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn run_around(&self, chunk: u32) -> Option<ChunkRange> {
        self.runs
            .get(self.at(chunk))
            .copied()
            .filter(|run| run.contains(chunk))
    }

    /// Adds a range; `true` if any chunk of it was new.
    pub fn insert(&mut self, range: ChunkRange) -> bool {
        // Runs that touch the range (not only overlap it) melt into one with it.
        let from = self.at(range.start().saturating_sub(1));
        let to = self
            .runs
            .partition_point(|run| run.start() <= range.end().saturating_add(1));
        if self.contains_range(range) {
            return false;
        }
        let (start, end) = match self.runs[from..to] {
            [] => (range.start(), range.end()),
            [first, ..] => (
                first.start().min(range.start()),
                self.runs[to - 1].end().max(range.end()),
            ),
        };
        self.replace(from..to, ChunkRange::new(start, end), None);
        true
    }

    /// Removes a range.
    pub fn remove(&mut self, range: ChunkRange) {
        let from = self.at(range.start());
        let to = self.runs.partition_point(|run| run.start() <= range.end());
        if from >= to {
            return;
        }
        let before = (self.runs[from].start() < range.start())
            .then(|| ChunkRange::new(self.runs[from].start(), range.start() - 1))
            .flatten();
        let after = (self.runs[to - 1].end() > range.end())
            .then(|| ChunkRange::new(range.end() + 1, self.runs[to - 1].end()))
            .flatten();
        self.replace(from..to, before, after);
    }

    /// What is in place of some runs now.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn replace(&mut self, runs: Range<usize>, before: Option<ChunkRange>, after: Option<ChunkRange>) {
        self.runs.splice(runs, before.into_iter().chain(after));
    }

    /// The parts of `range` that are in the set, in order.
    pub fn present_in(&self, range: ChunkRange) -> impl Iterator<Item = ChunkRange> + '_ {
        self.runs[self.at(range.start())..]
            .iter()
            .map_while(move |run| run.intersection(range))
    }

    /// The parts of `range` that are not in the set, in order.
    pub fn missing_in(&self, range: ChunkRange) -> impl Iterator<Item = ChunkRange> + '_ {
        let mut next = Some(range.start());
        let mut present = self.present_in(range);
        core::iter::from_fn(move || {
            loop {
                let start = next?;
                match present.next() {
                    Some(run) => {
                        next = run.end().checked_add(1).filter(|&chunk| chunk <= range.end());
                        if start < run.start() {
                            return ChunkRange::new(start, run.start() - 1);
                        }
                    }
                    None => {
                        next = None;
                        return ChunkRange::new(start, range.end());
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn range(start: u32, end: u32) -> ChunkRange {
        ChunkRange::new(start, end).unwrap()
    }

    #[test]
    fn the_ends_of_the_number_space() {
        let mut map = ChunkMap::new();
        assert!(map.insert(range(u32::MAX, u32::MAX)));
        assert!(map.insert(range(0, 0)));
        assert_eq!(
            map.missing_in(range(0, u32::MAX)).collect::<Vec<_>>(),
            [range(1, u32::MAX - 1)]
        );
        assert!(map.insert(range(0, u32::MAX)));
        assert_eq!(map.runs(), [range(0, u32::MAX)]);
        assert_eq!(map.count(), 1 << 32);
        map.remove(range(0, u32::MAX));
        assert!(map.is_empty());
    }

    proptest! {
        /// Against a naive oracle: a set of chunk numbers.
        #[test]
        fn like_a_set(
            operations in prop::collection::vec((any::<bool>(), 0u32..64, 0u32..24), 1..60),
            offset in prop_oneof![Just(0), Just(u32::MAX - 96)],
            (from, length) in (0u32..64, 0u32..30),
        ) {
            let mut map = ChunkMap::new();
            let mut oracle = BTreeSet::new();
            for (insert, start, length) in operations {
                let run = range(start + offset, start + offset + length);
                if insert {
                    let new = run.chunks().filter(|&chunk| oracle.insert(chunk)).count();
                    prop_assert_eq!(map.insert(run), new > 0);
                } else {
                    run.chunks().for_each(|chunk| { oracle.remove(&chunk); });
                    map.remove(run);
                }
                prop_assert_eq!(map.runs().iter().flat_map(|run| run.chunks()).collect::<BTreeSet<_>>(), oracle.clone());
                prop_assert!(map.runs().windows(2).all(|pair| pair[0].end() + 1 < pair[1].start()));
            }
            let window = range(from + offset, from + offset + length);
            let present: Vec<_> = map.present_in(window).flat_map(ChunkRange::chunks).collect();
            let missing: Vec<_> = map.missing_in(window).flat_map(ChunkRange::chunks).collect();
            prop_assert_eq!(present, window.chunks().filter(|chunk| oracle.contains(chunk)).collect::<Vec<_>>());
            prop_assert_eq!(missing, window.chunks().filter(|chunk| !oracle.contains(chunk)).collect::<Vec<_>>());
            for chunk in window.chunks() {
                prop_assert_eq!(map.contains(chunk), oracle.contains(&chunk));
            }
            prop_assert_eq!(map.contains_range(window), window.chunks().all(|chunk| oracle.contains(&chunk)));
            prop_assert_eq!(map.count(), oracle.len() as u64);
        }
    }
}
