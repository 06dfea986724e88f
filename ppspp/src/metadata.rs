//! What a peer knows of a swarm before it talks to anybody: the swarm metadata of RFC 7574 §1.3.

use core::ops::Range;

use crate::segment_table::SegmentTableError;
use crate::{ChunkRange, Hash, SegmentTable};

/// A static swarm's identity and shape. The chunks of segment *s* are `s << segment_bits` and following, so every
/// segment is an aligned subtree.
#[derive(Clone, Debug)]
pub struct SwarmMetadata {
    swarm_id: Hash,
    chunk_size: u32,
    segment_bits: u8,
    table: SegmentTable,
}

/// Why metadata do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The table is not one that this chunk size can address.
    #[error(transparent)]
    Table(#[from] SegmentTableError),
    /// The table's roots do not hash to the swarm ID: it belongs to another swarm, or was changed.
    #[error("the segment table's roots hash to {found}, the swarm ID is {expected}")]
    SwarmId {
        /// The swarm ID asked for.
        expected: Hash,
        /// What the table makes.
        found: Hash,
    },
    /// Another number of layers than the table needs.
    #[error("segment_bits is {found}, the segment table needs {expected}")]
    SegmentBits {
        /// What the table needs.
        expected: u8,
        /// What was said.
        found: u8,
    },
}

impl SwarmMetadata {
    /// Checks that the parts belong together.
    ///
    /// # Errors
    /// [`MetadataError`] names the first part that does not.
    pub fn new(
        swarm_id: Hash,
        chunk_size: u32,
        segment_bits: u8,
        table: SegmentTable,
    ) -> Result<Self, MetadataError> {
        table.check()?;
        let expected = table.segment_bits(chunk_size)?;
        if expected != segment_bits {
            return Err(MetadataError::SegmentBits {
                expected,
                found: segment_bits,
            });
        }
        let found = table.swarm_id();
        if found != swarm_id {
            return Err(MetadataError::SwarmId {
                expected: swarm_id,
                found,
            });
        }
        Ok(Self {
            swarm_id,
            chunk_size,
            segment_bits,
            table,
        })
    }

    /// The Merkle root over all segments.
    pub fn swarm_id(&self) -> Hash {
        self.swarm_id
    }

    /// Bytes in a chunk; the last of a segment may be shorter.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// Layers of a segment's subtree.
    pub fn segment_bits(&self) -> u8 {
        self.segment_bits
    }

    /// How many segments there are.
    pub fn segments(&self) -> u32 {
        self.table.segments.len() as u32
    }

    /// All segments' bytes.
    pub fn bytes(&self) -> u64 {
        self.table.bytes()
    }

    /// Bytes in a segment. `segment` < [`Self::segments`].
    pub fn segment_size(&self, segment: u32) -> u64 {
        self.table.segments[segment as usize].size
    }

    /// Root of a segment's subtree. `segment` < [`Self::segments`].
    pub fn segment_root(&self, segment: u32) -> Hash {
        self.table.segments[segment as usize].root
    }

    /// The segment a chunk number falls into, whether or not both exist.
    pub fn segment_of(&self, chunk: u32) -> u32 {
        chunk >> self.segment_bits
    }

    /// The chunks of a segment. `segment` < [`Self::segments`].
    pub fn chunks_of(&self, segment: u32) -> ChunkRange {
        let first = segment << self.segment_bits;
        let count = self.segment_size(segment).div_ceil(u64::from(self.chunk_size));
        ChunkRange::new(first, first + (count - 1) as u32).expect("a segment has at least one chunk")
    }

    /// Does this chunk exist?
    pub fn exists(&self, chunk: u32) -> bool {
        let segment = self.segment_of(chunk);
        segment < self.segments() && self.chunks_of(segment).contains(chunk)
    }

    /// Bytes in a chunk that exists.
    pub fn chunk_length(&self, chunk: u32) -> u32 {
        let bytes = self.bytes_in_segment(ChunkRange::one(chunk));
        (bytes.end - bytes.start) as u32
    }

    /// Where existing chunks of one segment lie inside that segment, in bytes.
    pub fn bytes_in_segment(&self, chunks: ChunkRange) -> Range<u64> {
        let segment = self.segment_of(chunks.start());
        let first = u64::from(segment << self.segment_bits);
        let size = u64::from(self.chunk_size);
        let start = (u64::from(chunks.start()) - first) * size;
        let end = ((u64::from(chunks.end()) - first + 1) * size).min(self.segment_size(segment));
        start..end
    }

    /// The parts of `range` that exist, segment by segment.
    pub fn existing(&self, range: ChunkRange) -> impl Iterator<Item = ChunkRange> + '_ {
        let last = self.segment_of(range.end()).min(self.segments() - 1);
        (self.segment_of(range.start())..=last)
            .filter_map(move |segment| self.chunks_of(segment).intersection(range))
    }
}
