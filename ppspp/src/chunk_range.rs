//! A run of chunks, the chunk specification of RFC 7574 §8 with 32-bit chunk ranges (addressing method 2).

use crate::Bin;

/// Chunks `start..=end`: both ends belong to the range, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkRange {
    start: u32,
    end: u32,
}

impl ChunkRange {
    /// `None` when `start` is past `end`.
    pub const fn new(start: u32, end: u32) -> Option<Self> {
        if start <= end {
            Some(Self { start, end })
        } else {
            None
        }
    }

    /// The range of one chunk.
    pub const fn one(chunk: u32) -> Self {
        Self {
            start: chunk,
            end: chunk,
        }
    }

    /// The first chunk.
    pub const fn start(self) -> u32 {
        self.start
    }

    /// The last chunk.
    pub const fn end(self) -> u32 {
        self.end
    }

    /// How many chunks: 1 to 2³².
    pub const fn count(self) -> u64 {
        self.end as u64 - self.start as u64 + 1
    }

    /// Is `chunk` in the range?
    pub const fn contains(self, chunk: u32) -> bool {
        self.start <= chunk && chunk <= self.end
    }

    /// The chunks that are in both.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The chunks one by one.
    pub fn chunks(self) -> core::ops::RangeInclusive<u32> {
        self.start..=self.end
    }

    /// The subtree that has just these chunks as leaves; `None` unless the length is a power of two and the start
    /// a multiple of it (RFC 7574 §8.8 wants this of every INTEGRITY).
    pub fn bin(self) -> Option<Bin> {
        let count = self.count();
        (count.is_power_of_two() && u64::from(self.start) % count == 0)
            .then(|| Bin::new(count.trailing_zeros() as u8, u64::from(self.start) / count))
    }

    /// The fewest nodes that together have just these chunks as leaves, from the left (RFC 7574 §4.3).
    pub fn bins(self) -> impl Iterator<Item = Bin> {
        let end = u64::from(self.end) + 1;
        let mut start = u64::from(self.start);
        core::iter::from_fn(move || {
            if start >= end {
                return None;
            }
            // As large as the start's alignment and the end allow.
            let layer = (start.trailing_zeros()).min((end - start).ilog2()).min(32);
            let bin = Bin::new(layer as u8, start >> layer);
            start += 1 << layer;
            Some(bin)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bins_are_the_range_and_as_few_as_can_be(start in 0u32..200, length in 0u32..200,
                                                   offset in prop_oneof![Just(0), Just(u32::MAX - 400)]) {
            let range = ChunkRange::new(start + offset, start + offset + length).unwrap();
            let bins: Vec<Bin> = range.bins().collect();
            let mut next = u64::from(range.start());
            for bin in &bins {
                prop_assert_eq!(u64::from(bin.first_chunk()), next);
                next = u64::from(bin.last_chunk()) + 1;
            }
            prop_assert_eq!(next, u64::from(range.end()) + 1);
            // Two neighbours that are siblings would be one node.
            prop_assert!(bins.windows(2).all(|pair| pair[0].sibling() != pair[1]));
            prop_assert_eq!(range.bin().is_some(), bins.len() == 1);
        }
    }
}
