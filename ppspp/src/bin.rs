//! Bin numbers: the nodes of a Merkle tree in one integer (RFC 7574 §4.2).

use crate::ChunkRange;

/// A node of the tree over all 2³² chunks. The layer is the number of trailing one bits, leaf *i* is bin 2·*i*, and
/// a parent's number is the mean of its children's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bin(u64);

impl Bin {
    /// Node number `offset` (from the left) of `layer` (0 = leaves). `layer` ≤ 32.
    pub const fn new(layer: u8, offset: u64) -> Self {
        Self(((2 * offset + 1) << layer) - 1)
    }

    /// The leaf of a chunk.
    pub const fn leaf(chunk: u32) -> Self {
        Self(2 * chunk as u64)
    }

    /// The node with this 32-bit bin number: any but 2³² − 1 names one.
    pub const fn from_number(number: u32) -> Self {
        Self(number as u64)
    }

    /// The bin number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Height above the leaves.
    pub const fn layer(self) -> u8 {
        self.0.trailing_ones() as u8
    }

    /// Position in its layer, from the left.
    pub const fn offset(self) -> u64 {
        self.0 >> (self.layer() + 1)
    }

    /// The first chunk below this node.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub const fn first_chunk(self) -> u32 {
        (self.offset() << self.layer()) as u32
    }

    /// The last chunk below this node.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub const fn last_chunk(self) -> u32 {
        (((self.offset() + 1) << self.layer()) - 1) as u32
    }

    /// The node above.
    pub const fn parent(self) -> Self {
        let layer = self.layer();
        Self((self.0 | (1 << layer)) & !(1 << (layer + 1)))
    }

    /// The other child of the parent.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub const fn sibling(self) -> Self {
        Self(self.0 ^ (2 << self.layer()))
    }

    /// Is this the left child of its parent?
    pub const fn is_left(self) -> bool {
        self.offset().is_multiple_of(2)
    }

    /// The children, left and right; `None` for a leaf.
    pub const fn children(self) -> Option<(Self, Self)> {
        let layer = self.layer();
        if layer == 0 {
            return None;
        }
        let step = 1 << (layer - 1);
        Some((Self(self.0 - step), Self(self.0 + step)))
    }

    /// The chunks below this node.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn range(self) -> ChunkRange {
        ChunkRange::new(self.first_chunk(), self.last_chunk()).expect("the first chunk is not past the last")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 7574 §4.2's arithmetic: bin, layer, first and last chunk, parent, sibling.
    #[test]
    fn arithmetic_of_the_rfc() {
        for (bin, layer, first, last, parent, sibling) in [
            (0, 0, 0, 0, 1, 2),
            (3, 2, 0, 3, 7, 11),
            (5, 1, 2, 3, 3, 1),
            (9, 1, 4, 5, 11, 13),
            (12, 0, 6, 6, 13, 14),
            (19, 2, 8, 11, 23, 27),
        ] {
            let bin = Bin(bin);
            assert_eq!(bin.layer(), layer);
            assert_eq!((bin.first_chunk(), bin.last_chunk()), (first, last));
            assert_eq!(bin.parent(), Bin(parent));
            assert_eq!(bin.sibling(), Bin(sibling));
            assert_eq!(Bin::new(bin.layer(), bin.offset()), bin);
            assert_eq!(bin.range().bin(), Some(bin));
            if let Some((left, right)) = bin.children() {
                assert_eq!((left.parent(), right.parent()), (bin, bin));
                assert!(left.is_left() && !right.is_left());
            }
        }
    }

    #[test]
    fn only_aligned_powers_of_two_are_nodes() {
        assert_eq!(ChunkRange::new(0, 2).unwrap().bin(), None);
        assert_eq!(ChunkRange::new(1, 2).unwrap().bin(), None);
        assert_eq!(ChunkRange::new(2, 3).unwrap().bin(), Some(Bin(5)));
        assert_eq!(ChunkRange::new(0, u32::MAX).unwrap().bin(), Some(Bin::new(32, 0)));
    }
}
