//! The verified chunks that are kept to play and to serve.

use bytes::Bytes;

use crate::sorted_map::SortedMap;
use crate::{ChunkMap, ChunkRange, Segments, Timestamp};

/// Chunks in memory. Only verified ones come in; eviction goes by whole segments.
#[derive(Debug, Default)]
pub(crate) struct ChunkStore {
    has: ChunkMap,
    chunks: SortedMap<u32, (Bytes, u32)>,
    bytes: usize,
    /// When a chunk of a segment was last stored or served.
    touched: SortedMap<u32, Timestamp>,
}

impl ChunkStore {
    /// What is here: the only thing ever announced.
    pub(crate) fn has(&self) -> &ChunkMap {
        &self.has
    }

    /// Bytes kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a verified chunk of `length` bytes.
    pub(crate) fn insert(&mut self, chunk: u32, bytes: Bytes, length: u32, segment: u32, now: Timestamp) {
        if self.has.insert(ChunkRange::one(chunk)) {
            self.bytes += length as usize;
            self.chunks.insert(chunk, (bytes, length));
        }
        self.touched.insert(segment, now);
    }

    /// A chunk's bytes.
    pub(crate) fn get(&self, chunk: u32) -> Option<&Bytes> {
        self.chunks.get(chunk).map(|(bytes, _)| bytes)
    }

    /// A chunk of this segment was served.
    pub(crate) fn touch(&mut self, segment: u32, now: Timestamp) {
        if let Some(touched) = self.touched.get_mut(segment) {
            *touched = now;
        }
    }

    /// Forgets the segments untouched for longest until `bytes` are free, but none that `keep` names.
    pub(crate) fn evict(&mut self, segments: &Segments, bytes: usize, keep: impl Fn(u32) -> bool) -> usize {
        let before = self.bytes;
        while before - self.bytes < bytes {
            let others = self.touched.iter().filter(|(segment, _)| !keep(*segment));
            let Some((segment, _)) = others.min_by_key(|(_, touched)| **touched) else {
                break;
            };
            self.forget(segments, segment);
        }
        before - self.bytes
    }

    /// Forgets all segments before this one (live discard window, RFC 7574 §6.2).
    pub(crate) fn forget_before(&mut self, segments: &Segments, segment: u32) {
        let old: Vec<u32> = self.touched.before(segment).map(|(segment, _)| segment).collect();
        old.into_iter().for_each(|segment| self.forget(segments, segment));
    }

    fn forget(&mut self, segments: &Segments, segment: u32) {
        let span = segments.span(segment);
        let held: Vec<ChunkRange> = self.has.present_in(span).collect();
        for chunk in held.into_iter().flat_map(ChunkRange::chunks) {
            self.bytes -= self.chunks.remove(chunk).map_or(0, |(_, length)| length as usize);
        }
        self.has.remove(span);
        self.touched.remove(segment);
    }
}
