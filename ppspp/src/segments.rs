//! What is known of a swarm's segments: all of them from the start where content is static, one after the other where
//! it is live.

use std::sync::Arc;

use core::ops::Range;

use crate::live::{NtpTime, SIGNATURE_LENGTH};
use crate::metadata::Content;
use crate::options::IntegrityMethod;
use crate::sorted_map::SortedMap;
use crate::{ChunkRange, Hash, SegmentTable, SwarmMetadata};

/// A live segment's root, signed by the publisher and checked (a munro, RFC 7574 §6.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Munro {
    /// Root of the segment's subtree.
    pub root: Hash,
    /// When it was signed.
    pub time: NtpTime,
    /// Raw signature. Where every chunk is signed, nothing.
    pub signature: [u8; SIGNATURE_LENGTH],
    /// Chunks in the segment, at least 1.
    pub chunks: u32,
    /// Bytes in the segment, once known.
    pub size: Option<u64>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Segments {
    chunk_size: u32,
    bits: u8,
    known: Known,
}

#[derive(Clone, Debug)]
enum Known {
    /// Shared by all who have the metadata.
    Static(Arc<SegmentTable>),
    Live(SortedMap<u32, Munro>),
}

impl Segments {
    /// What is known from the start.
    pub fn new(metadata: &SwarmMetadata) -> Self {
        Self {
            chunk_size: metadata.chunk_size(),
            bits: metadata.segment_bits(),
            known: match metadata.content() {
                Content::Static(table) => Known::Static(Arc::clone(table)),
                Content::Live(..) => Known::Live(SortedMap::new()),
            },
        }
    }

    /// Layers of a segment's subtree.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Bytes in a chunk; the last of a segment may be shorter.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// How many segments there are; `None` while the stream is live.
    pub fn count(&self) -> Option<u32> {
        match &self.known {
            Known::Static(table) => Some(table.segments.len() as u32),
            Known::Live(_) => None,
        }
    }

    /// Can there be a segment of this number?
    pub fn is_number(&self, segment: u32) -> bool {
        match self.count() {
            Some(count) => segment < count,
            None => u64::from(segment) < 1 << (32 - self.bits),
        }
    }

    /// The segment a chunk number falls into, whether or not both exist.
    pub fn segment_of(&self, chunk: u32) -> u32 {
        (u64::from(chunk) >> self.bits) as u32
    }

    /// All chunk numbers of a segment, those past its last chunk included. `segment` [`Self::is_number`].
    pub fn span(&self, segment: u32) -> ChunkRange {
        let first = segment << self.bits;
        ChunkRange::new(first, first | ((1_u64 << self.bits) - 1) as u32).expect("a span has a chunk")
    }

    /// The chunks of a segment; `None` while that is not known.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn chunks_of(&self, segment: u32) -> Option<ChunkRange> {
        let count = match &self.known {
            Known::Static(table) => table
                .segments
                .get(segment as usize)?
                .size
                .div_ceil(u64::from(self.chunk_size)) as u32,
            Known::Live(munros) => munros.get(segment)?.chunks,
        };
        let first = segment << self.bits;
        ChunkRange::new(first, first + (count - 1))
    }

    /// Bytes in a segment; `None` while that is not known.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn size(&self, segment: u32) -> Option<u64> {
        match &self.known {
            Known::Static(table) => Some(table.segments.get(segment as usize)?.size),
            Known::Live(munros) => munros.get(segment)?.size,
        }
    }

    /// Root of a segment's subtree; `None` while no trusted one is known.
    pub fn root(&self, segment: u32) -> Option<Hash> {
        match &self.known {
            Known::Static(table) => Some(table.segments.get(segment as usize)?.root),
            Known::Live(munros) => Some(munros.get(segment)?.root),
        }
    }

    /// Is this chunk known to exist?
    pub fn exists(&self, chunk: u32) -> bool {
        self.chunks_of(self.segment_of(chunk))
            .is_some_and(|chunks| chunks.contains(chunk))
    }

    /// Bytes in a chunk, or [`Self::chunk_size`] where it may be less.
    pub fn chunk_length(&self, chunk: u32) -> u32 {
        self.exact_length(chunk).unwrap_or(self.chunk_size)
    }

    /// Bytes in a chunk that exists; `None` for the last one of a segment whose size is not known.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn exact_length(&self, chunk: u32) -> Option<u32> {
        let segment = self.segment_of(chunk);
        let chunks = self.chunks_of(segment)?;
        if chunk < chunks.end() {
            return Some(self.chunk_size);
        }
        if chunk > chunks.end() {
            return None;
        }
        let before = (chunks.count() - 1) * u64::from(self.chunk_size);
        Some((self.size(segment)? - before) as u32)
    }

    /// May an existing chunk have this many bytes?
    pub fn fits(&self, chunk: u32, length: usize) -> bool {
        match self.exact_length(chunk) {
            Some(exact) => length == exact as usize,
            None => (1..=self.chunk_size as usize).contains(&length),
        }
    }

    /// Where chunks of one segment lie inside it, in bytes; to `u64::MAX` when they include the last and the size is
    /// not known.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn bytes_of(&self, chunks: ChunkRange) -> Range<u64> {
        let segment = self.segment_of(chunks.start());
        let first = u64::from(segment << self.bits);
        let chunk_size = u64::from(self.chunk_size);
        let start = (u64::from(chunks.start()) - first) * chunk_size;
        let end = (u64::from(chunks.end()) - first + 1) * chunk_size;
        let reaches_end = self
            .chunks_of(segment)
            .is_none_or(|existing| chunks.end() >= existing.end());
        match self.size(segment) {
            Some(size) => start..end.min(size),
            None if reaches_end => start..u64::MAX,
            None => start..end,
        }
    }

    /// Bytes that a segment of unknown size probably has: as many as the newest known one.
    pub(crate) fn probable_size(&self) -> u64 {
        let newest = match &self.known {
            Known::Static(_) => None,
            Known::Live(munros) => munros.values().next_back(),
        };
        let chunks = newest.map_or(16, |munro| munro.chunks);
        u64::from(chunks) * u64::from(self.chunk_size)
    }

    /// A live segment's munro.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn munro(&self, segment: u32) -> Option<&Munro> {
        match &self.known {
            Known::Static(_) => None,
            Known::Live(munros) => munros.get(segment),
        }
    }

    /// The newest live segment known.
    pub fn newest(&self) -> Option<(u32, &Munro)> {
        match &self.known {
            Known::Static(_) => None,
            Known::Live(munros) => munros.iter().next_back(),
        }
    }

    /// Could a munro of this time belong to this segment? Times do not run backwards from segment to segment.
    pub(crate) fn is_in_order(&self, segment: u32, time: NtpTime) -> bool {
        let Known::Live(munros) = &self.known else {
            return false;
        };
        let before = munros.before(segment).next_back();
        let after = segment.checked_add(1).and_then(|next| munros.from(next).next());
        before.is_none_or(|(_, munro)| !time.is_before(munro.time))
            && after.is_none_or(|(_, munro)| !munro.time.is_before(time))
    }

    /// Takes in a munro whose signature was checked. The first one of a segment stays.
    pub(crate) fn learn(&mut self, segment: u32, munro: Munro) {
        if let Known::Live(munros) = &mut self.known {
            munros.get_or_insert_with(segment, || munro);
        }
    }

    /// The size of a live segment, by its verified last chunk or by the origin's proof; the first one stays.
    pub(crate) fn set_size(&mut self, segment: u32, size: u64) {
        if let Known::Live(munros) = &mut self.known
            && let Some(munro) = munros.get_mut(segment)
        {
            let chunks = u64::from(munro.chunks);
            let chunk_size = u64::from(self.chunk_size);
            if size > (chunks - 1) * chunk_size && size <= chunks * chunk_size {
                munro.size.get_or_insert(size);
            }
        }
    }

    /// Forgets live segments before this one.
    pub(crate) fn forget_before(&mut self, segment: u32) {
        if let Known::Live(munros) = &mut self.known {
            munros.drop_before(segment);
        }
    }

    /// Is every chunk signed, rather than every segment's root?
    pub(crate) fn signs_all(metadata: &SwarmMetadata) -> bool {
        metadata.integrity() == IntegrityMethod::SignAll
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::live::{LiveKey, SignatureAlgorithm};
    use crate::metadata::Live;
    use core::time::Duration;

    pub(crate) fn live() -> Segments {
        let key = LiveKey::new(SignatureAlgorithm::Ed25519, &[7; 32]).unwrap();
        let live = Live {
            integrity: IntegrityMethod::UnifiedMerkleTree,
            discard_window: 15,
            segment_duration: Duration::from_secs(2),
        };
        Segments::new(&SwarmMetadata::live(key, 1000, 3, live).unwrap())
    }

    pub(crate) fn munro(chunks: u32, time: u64) -> Munro {
        Munro {
            root: Hash::of_chunk(b"x"),
            time: NtpTime(time),
            signature: [0; SIGNATURE_LENGTH],
            chunks,
            size: None,
        }
    }

    #[test]
    fn a_live_segment_becomes_known_bit_by_bit() {
        let mut segments = live();
        assert_eq!(
            (segments.count(), segments.chunks_of(5), segments.newest()),
            (None, None, None)
        );
        assert_eq!(segments.bytes_of(segments.span(5)), 0..u64::MAX);
        segments.learn(5, munro(6, 10));
        let chunks = ChunkRange::new(40, 45).unwrap();
        assert_eq!(segments.chunks_of(5), Some(chunks));
        assert!(segments.exists(45) && !segments.exists(46));
        assert_eq!(
            (segments.exact_length(44), segments.exact_length(45)),
            (Some(1000), None)
        );
        assert!(segments.fits(45, 1) && segments.fits(45, 1000) && !segments.fits(45, 1001));
        assert_eq!(
            segments.bytes_of(ChunkRange::new(43, 45).unwrap()),
            3000..u64::MAX
        );
        assert_eq!(segments.bytes_of(ChunkRange::new(41, 43).unwrap()), 1000..4000);
        segments.set_size(5, 6001);
        assert_eq!(segments.size(5), None, "six chunks do not hold that");
        segments.set_size(5, 5001);
        segments.set_size(5, 6000);
        assert_eq!((segments.size(5), segments.chunk_length(45)), (Some(5001), 1));
        assert_eq!(segments.bytes_of(chunks), 0..5001);
        segments.learn(5, munro(2, 11));
        assert_eq!(segments.chunks_of(5), Some(chunks), "the first one stays");
    }

    #[test]
    fn times_run_with_the_numbers() {
        let mut segments = live();
        segments.learn(5, munro(1, 10));
        segments.learn(9, munro(1, 20));
        for (segment, time, fits) in [
            (7, 10, true),
            (7, 20, true),
            (7, 9, false),
            (7, 21, false),
            (10, 19, false),
        ] {
            assert_eq!(
                segments.is_in_order(segment, NtpTime(time)),
                fits,
                "{segment} {time}"
            );
        }
        assert!(segments.is_in_order(4, NtpTime(3)) && !segments.is_in_order(4, NtpTime(11)));
        segments.forget_before(6);
        assert!(segments.munro(5).is_none() && segments.munro(9).is_some());
    }
}
