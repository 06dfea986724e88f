//! The segment table: byte size and subtree root of every segment of a swarm (ARCHITECTURE.md, "Segment table").
//!
//! ```text
//! "SHOALSEG" (8 bytes) | version 1 (u32) | count (u32) | count × ( size in bytes (u64) | subtree root (32 bytes) )
//! ```
//!
//! Big-endian. A table is worth nothing until [`SegmentTable::swarm_id`] equals the swarm ID it was fetched for.

use crate::hash::{HASH_LENGTH, Hash, layers_for, root_of};

/// First bytes of every table.
const MAGIC: &[u8; 8] = b"SHOALSEG";
/// The one version there is.
const VERSION: u32 = 1;
const HEADER_LENGTH: usize = MAGIC.len() + 4 + 4;
const ENTRY_LENGTH: usize = 8 + HASH_LENGTH;

/// Most segments in a table: 145 hours at 4 s, and a table of 5 MiB.
pub const MAX_SEGMENTS: usize = 1 << 17;
/// Most bytes in a swarm: what a JSON number holds exactly (RFC 8259 §6).
pub const MAX_BYTES: u64 = (1 << 53) - 1;
/// Longest encoded table, in bytes: what a fetch of one should accept at most.
pub const MAX_ENCODED_LENGTH: usize = HEADER_LENGTH + MAX_SEGMENTS * ENTRY_LENGTH;
/// Most layers of a segment's subtree.
pub const MAX_SEGMENT_BITS: u8 = 31;

/// One segment of a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Size in bytes, at least 1.
    pub size: u64,
    /// Root of the segment's subtree of `2^segment_bits` leaves.
    pub root: Hash,
}

/// Sizes and subtree roots of all segments of a swarm, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentTable {
    /// The segments; segment n starts at chunk `n << segment_bits`.
    pub segments: Vec<Segment>,
}

/// Why something is not a segment table, or not one that chunks can be addressed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SegmentTableError {
    /// Shorter than the fixed header.
    #[error("segment table: {0} bytes, the header alone has {HEADER_LENGTH}")]
    Truncated(usize),
    /// Does not start with `SHOALSEG`.
    #[error("segment table: does not start with SHOALSEG")]
    Magic,
    /// Another version of the format.
    #[error("segment table: version {0}, want {VERSION}")]
    Version(u32),
    /// No segments at all.
    #[error("segment table: no segments")]
    Empty,
    /// More segments than [`MAX_SEGMENTS`].
    #[error("segment table: {0} segments, at most {MAX_SEGMENTS} are accepted")]
    TooManySegments(u64),
    /// Bytes missing or left over.
    #[error("segment table: {found} bytes, {count} segments take {want}")]
    Length {
        /// Segments the header announces.
        count: u32,
        /// Length that makes.
        want: usize,
        /// Length there is.
        found: usize,
    },
    /// A segment of no bytes.
    #[error("segment table: segment {0} is empty")]
    EmptySegment(usize),
    /// A segment with the hash of nothing.
    #[error("segment table: segment {0} has the all-zero root")]
    ZeroRoot(usize),
    /// All segments together are longer than [`MAX_BYTES`].
    #[error("segment table: more than {MAX_BYTES} bytes up to segment {0}")]
    TooManyBytes(usize),
    /// Chunks of no bytes.
    #[error("segment table: chunk size 0")]
    ChunkSize,
    /// Chunk numbers would not fit 32 bits (RFC 7574 §7.8, 32-bit chunk ranges).
    #[error(
        "segment table: {segments} segments of up to {largest} bytes do not fit 2^32 chunks of {chunk_size} bytes"
    )]
    TooManyChunks {
        /// Segments in the table.
        segments: usize,
        /// Size of the largest, in bytes.
        largest: u64,
        /// Chunk size asked for, in bytes.
        chunk_size: u32,
    },
}

impl SegmentTable {
    /// The binary form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LENGTH + self.segments.len() * ENTRY_LENGTH);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&(self.segments.len() as u32).to_be_bytes());
        for segment in &self.segments {
            out.extend_from_slice(&segment.size.to_be_bytes());
            out.extend_from_slice(segment.root.as_ref());
        }
        out
    }

    /// Reads the binary form. Strict: every byte must be accounted for, and every segment must exist.
    ///
    /// # Errors
    /// Anything but one complete, well-formed table within the limits of this module.
    pub fn decode(bytes: &[u8]) -> Result<Self, SegmentTableError> {
        let Some((header, entries)) = bytes.split_at_checked(HEADER_LENGTH) else {
            return Err(SegmentTableError::Truncated(bytes.len()));
        };
        let (magic, numbers) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(SegmentTableError::Magic);
        }
        let (version, count) = numbers.split_at(4);
        let (version, count) = (be_u32(version), be_u32(count));
        if version != VERSION {
            return Err(SegmentTableError::Version(version));
        }
        if count as usize > MAX_SEGMENTS {
            return Err(SegmentTableError::TooManySegments(u64::from(count)));
        }
        let want = HEADER_LENGTH + count as usize * ENTRY_LENGTH;
        if want != bytes.len() {
            return Err(SegmentTableError::Length {
                count,
                want,
                found: bytes.len(),
            });
        }
        let segments = entries
            .chunks_exact(ENTRY_LENGTH)
            .map(|entry| {
                let (size, root) = entry.split_at(8);
                let size = u64::from(be_u32(&size[..4])) << 32 | u64::from(be_u32(&size[4..]));
                let mut bytes = [0; HASH_LENGTH];
                bytes.copy_from_slice(root);
                Segment {
                    size,
                    root: Hash::new(bytes),
                }
            })
            .collect();
        let table = Self { segments };
        table.check()?;
        Ok(table)
    }

    /// Does the table keep to what [`SegmentTable::decode`] accepts?
    ///
    /// # Errors
    /// No or too many segments, one that is empty or has the all-zero root, or too many bytes in all.
    pub fn check(&self) -> Result<(), SegmentTableError> {
        if self.segments.is_empty() {
            return Err(SegmentTableError::Empty);
        }
        if self.segments.len() > MAX_SEGMENTS {
            return Err(SegmentTableError::TooManySegments(self.segments.len() as u64));
        }
        let mut total = 0_u64;
        for (number, segment) in self.segments.iter().enumerate() {
            if segment.size == 0 {
                return Err(SegmentTableError::EmptySegment(number));
            }
            if segment.root.is_zero() {
                return Err(SegmentTableError::ZeroRoot(number));
            }
            total = total
                .checked_add(segment.size)
                .filter(|total| *total <= MAX_BYTES)
                .ok_or(SegmentTableError::TooManyBytes(number))?;
        }
        Ok(())
    }

    /// All segments' bytes together.
    pub fn bytes(&self) -> u64 {
        self.segments
            .iter()
            .fold(0, |total, segment| total.saturating_add(segment.size))
    }

    /// The swarm ID: root over the segments' subtree roots, filled up to a power of two with zero hashes. With one
    /// segment it is that segment's root, as in RFC 7574 §5.
    pub fn swarm_id(&self) -> Hash {
        let roots: Vec<Hash> = self.segments.iter().map(|segment| segment.root).collect();
        root_of(&roots, 0)
    }

    /// Layers of every segment's subtree: the smallest number that fits the largest segment into `2^bits` chunks.
    ///
    /// # Errors
    /// `chunk_size` is 0, a segment needs more than [`MAX_SEGMENT_BITS`], or the chunks of all subtrees do not fit
    /// 32-bit numbers.
    pub fn segment_bits(&self, chunk_size: u32) -> Result<u8, SegmentTableError> {
        segment_bits(self.segments.iter().map(|segment| segment.size), chunk_size)
    }
}

/// [`SegmentTable::segment_bits`] for a publisher that knows the segments' sizes and not yet their roots, which
/// depend on it.
///
/// # Errors
/// As there.
pub fn segment_bits(sizes: impl IntoIterator<Item = u64>, chunk_size: u32) -> Result<u8, SegmentTableError> {
    if chunk_size == 0 {
        return Err(SegmentTableError::ChunkSize);
    }
    let (mut segments, mut largest) = (0_usize, 0);
    for size in sizes {
        segments += 1;
        largest = size.max(largest);
    }
    let bits = layers_for(largest.div_ceil(u64::from(chunk_size)));
    let fits = bits <= MAX_SEGMENT_BITS && segments as u64 <= 1 << (32 - bits);
    if fits {
        Ok(bits)
    } else {
        Err(SegmentTableError::TooManyChunks {
            segments,
            largest,
            chunk_size,
        })
    }
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::SubtreeHasher;

    fn segment(size: u64, seed: u8) -> Segment {
        Segment {
            size,
            root: Hash::of_chunk(&[seed]),
        }
    }

    fn table(sizes: &[u64]) -> SegmentTable {
        SegmentTable {
            segments: sizes
                .iter()
                .zip(0..)
                .map(|(size, seed)| segment(*size, seed))
                .collect(),
        }
    }

    #[test]
    fn one_segment_is_its_own_root() {
        let mut hasher = SubtreeHasher::new(1024, 3);
        hasher.update(
            &(0..7162_usize)
                .map(|i| (7 * i + 13 * (i >> 8)) as u8)
                .collect::<Vec<u8>>(),
        );
        let (size, root) = hasher.finish();
        let table = SegmentTable {
            segments: vec![Segment { size, root }],
        };
        assert_eq!(table.segment_bits(1024), Ok(3));
        assert_eq!(
            table.swarm_id().to_string(),
            "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f"
        );
    }

    #[test]
    fn encodes_to_the_documented_bytes() {
        let bytes = table(&[258]).encode();
        assert_eq!(&bytes[..24], b"SHOALSEG\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\x01\x02");
        assert_eq!(&bytes[24..], Hash::of_chunk(&[0]).as_ref());
    }

    #[test]
    fn refuses_what_is_not_a_table() {
        let good = table(&[5, 6]).encode();
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            SegmentTable::decode(&bytes)
        };
        assert_eq!(SegmentTable::decode(b""), Err(SegmentTableError::Truncated(0)));
        assert_eq!(
            SegmentTable::decode(&good[..15]),
            Err(SegmentTableError::Truncated(15))
        );
        assert_eq!(with(0, b'X'), Err(SegmentTableError::Magic));
        assert_eq!(with(11, 2), Err(SegmentTableError::Version(2)));
        assert_eq!(
            with(15, 0),
            Err(SegmentTableError::Length {
                count: 0,
                want: 16,
                found: 96
            })
        );
        assert_eq!(
            with(15, 3),
            Err(SegmentTableError::Length {
                count: 3,
                want: 136,
                found: 96
            })
        );
        assert_eq!(
            with(12, 0xff),
            Err(SegmentTableError::TooManySegments(0xff00_0002))
        );
        assert_eq!(with(23, 0), Err(SegmentTableError::EmptySegment(0)));
        assert_eq!(with(56, 0xff), Err(SegmentTableError::TooManyBytes(1)));
        assert_eq!(
            SegmentTable::decode(&good[..16]).unwrap_err().to_string(),
            "segment table: 16 bytes, 2 segments take 96"
        );
        let trailing = [good.as_slice(), b"x"].concat();
        assert_eq!(
            SegmentTable::decode(&trailing),
            Err(SegmentTableError::Length {
                count: 2,
                want: 96,
                found: 97
            })
        );
        let empty = SegmentTable { segments: Vec::new() }.encode();
        assert_eq!(SegmentTable::decode(&empty), Err(SegmentTableError::Empty));
        let mut zero = table(&[5]);
        zero.segments[0].root = Hash::ZERO;
        assert_eq!(
            SegmentTable::decode(&zero.encode()),
            Err(SegmentTableError::ZeroRoot(0))
        );
    }

    #[test]
    fn segment_bits_fit_the_largest() {
        for (sizes, bits) in [
            (&[1][..], 0),
            (&[1024], 0),
            (&[1025], 1),
            (&[1, 4096, 3], 2),
            (&[4097, 1], 3),
        ] {
            assert_eq!(table(sizes).segment_bits(1024), Ok(bits), "{sizes:?}");
        }
        assert_eq!(table(&[1]).segment_bits(0), Err(SegmentTableError::ChunkSize));
        assert_eq!(table(&[1 << 31]).segment_bits(1), Ok(31));
        assert_eq!(table(&[1 << 31, 1]).segment_bits(1), Ok(31));
        assert!(table(&[1 << 31, 1, 1]).segment_bits(1).is_err());
        assert!(table(&[(1 << 31) + 1]).segment_bits(1).is_err());
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes(sizes in proptest::collection::vec(1_u64..1 << 40, 1..50)) {
            let table = table(&sizes);
            prop_assert_eq!(SegmentTable::decode(&table.encode()), Ok(table));
        }

        #[test]
        fn decoding_never_panics_and_is_canonical(
            header in prop_oneof![Just(b"SHOALSEG\0\0\0\x01\0\0\0\x01".to_vec()), Just(Vec::new())],
            rest in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let bytes = [header, rest].concat();
            if let Ok(table) = SegmentTable::decode(&bytes) {
                prop_assert_eq!(table.encode(), bytes);
            }
        }

        #[test]
        fn swarm_id_is_the_root_of_the_whole_tree(
            segments in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 1..9),
        ) {
            let chunk_size = 4;
            let sizes = segments.iter().map(|bytes| bytes.len() as u64);
            let bits = segment_bits(sizes, chunk_size).unwrap();
            let mut leaves = Vec::new();
            let mut table = SegmentTable { segments: Vec::new() };
            for bytes in &segments {
                let start = leaves.len();
                leaves.extend(bytes.chunks(chunk_size as usize).map(Hash::of_chunk));
                leaves.resize(start + (1 << bits), Hash::ZERO);
                let mut hasher = SubtreeHasher::new(chunk_size, bits);
                hasher.update(bytes);
                let (size, root) = hasher.finish();
                table.segments.push(Segment { size, root });
            }
            prop_assert_eq!(table.segment_bits(chunk_size), Ok(bits));
            prop_assert_eq!(table.swarm_id(), root_of(&leaves, 0));
        }
    }
}
