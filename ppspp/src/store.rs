//! The verified chunks that are kept to play and to serve.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{ChunkMap, ChunkRange, SwarmMetadata, Timestamp};

/// Chunks in memory. Only verified ones come in; eviction goes by whole segments.
#[derive(Debug, Default)]
pub(crate) struct ChunkStore {
    has: ChunkMap,
    chunks: BTreeMap<u32, Bytes>,
    bytes: usize,
    /// When a chunk of a segment was last stored or served.
    touched: BTreeMap<u32, Timestamp>,
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

    /// Keeps a verified chunk.
    pub(crate) fn insert(&mut self, chunk: u32, bytes: Bytes, segment: u32, now: Timestamp) {
        if self.has.insert(ChunkRange::one(chunk)) {
            self.bytes += bytes.len();
            self.chunks.insert(chunk, bytes);
        }
        self.touched.insert(segment, now);
    }

    /// A chunk's bytes.
    pub(crate) fn get(&self, chunk: u32) -> Option<&Bytes> {
        self.chunks.get(&chunk)
    }

    /// A chunk of this segment was served.
    pub(crate) fn touch(&mut self, segment: u32, now: Timestamp) {
        if let Some(touched) = self.touched.get_mut(&segment) {
            *touched = now;
        }
    }

    /// Forgets the segments untouched for longest until `bytes` are free, but none that `keep` names.
    pub(crate) fn evict(
        &mut self,
        metadata: &SwarmMetadata,
        bytes: usize,
        keep: impl Fn(u32) -> bool,
    ) -> usize {
        let mut oldest: Vec<(Timestamp, u32)> = self
            .touched
            .iter()
            .filter(|(segment, _)| !keep(**segment))
            .map(|(&s, &t)| (t, s))
            .collect();
        oldest.sort_unstable();
        let before = self.bytes;
        for (_, segment) in oldest {
            if before - self.bytes >= bytes {
                break;
            }
            for chunk in metadata.chunks_of(segment).chunks() {
                self.bytes -= self.chunks.remove(&chunk).map_or(0, |bytes| bytes.len());
            }
            self.has.remove(metadata.chunks_of(segment));
            self.touched.remove(&segment);
        }
        before - self.bytes
    }
}
