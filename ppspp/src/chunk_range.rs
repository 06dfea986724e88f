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
}
