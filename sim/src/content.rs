//! What is watched: noise in segments, static or live. Peers get the real bytes, or stubs that stand for chunks whose
//! lengths and hashes are kept here once for all of them.

use std::sync::Arc;

use bytes::Bytes;
use core::time::Duration;
use ppspp::digest::{ChunkDigests, Digests, STUB_LENGTH};
use ppspp::hash::SubtreeHasher;
use ppspp::live::{LiveKey, NtpTime, SIGNATURE_LENGTH, SignatureAlgorithm, signing_input};
use ppspp::metadata::MetadataError;
use ppspp::options::IntegrityMethod;
use ppspp::proof::{ProofSignature, SegmentProof};
use ppspp::segment_table::{Segment, segment_bits};
use ppspp::{Hash, Live, SegmentTable, SwarmMetadata, Timestamp};

use crate::scenario::{self, Payload};

/// One segment.
#[derive(Debug)]
struct Piece {
    size: u64,
    root: Hash,
    leaves: Vec<Hash>,
    /// Empty where stubs stand for them.
    bytes: Bytes,
}

/// Lengths and leaf hashes by chunk number.
#[derive(Debug)]
struct Pieces {
    chunk_size: u32,
    bits: u8,
    segments: Vec<Piece>,
}

impl ChunkDigests for Pieces {
    fn chunk(&self, chunk: u32) -> Option<(u32, Hash)> {
        let piece = self.segments.get((chunk >> self.bits) as usize)?;
        let index = chunk & ((1 << self.bits) - 1);
        let hash = piece.leaves.get(index as usize)?;
        let before = u64::from(index) * u64::from(self.chunk_size);
        let length = (piece.size - before).min(u64::from(self.chunk_size));
        Some((length as u32, *hash))
    }
}

/// When a live stream's segments come.
#[derive(Clone, Copy, Debug)]
struct Broadcast {
    /// When the first segment began.
    start: Timestamp,
    /// Segments that the playlist lists.
    window: u32,
}

/// A rendition in segments.
#[derive(Debug)]
pub struct Content {
    pieces: Arc<Pieces>,
    stubs: bool,
    metadata: SwarmMetadata,
    segment_us: u64,
    live: Option<Broadcast>,
}

impl Content {
    /// Makes a scenario's content, which begins to be watched at `start`: noise, in segments whose sizes differ by up
    /// to a tenth from the mean.
    ///
    /// # Errors
    /// The shape is one that chunks cannot be addressed in.
    pub fn new(
        scenario: &scenario::Content,
        start: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Result<Self, MetadataError> {
        let mean = scenario.bitrate_kbps * 125.0 * scenario.segment_s;
        let chunk_size = scenario.chunk_size;
        let sizes: Vec<u64> = (0..scenario.segments)
            .map(|_| ((mean * (0.9 + 0.2 * rng.f64())) as u64).max(1))
            .collect();
        let bits = segment_bits(sizes.iter().copied(), chunk_size)?;
        let stubs = scenario.payload == Payload::Stubs;
        let segments: Vec<Piece> = sizes
            .iter()
            .map(|&size| {
                let mut bytes = vec![0; size as usize];
                rng.fill(&mut bytes);
                let mut hasher = SubtreeHasher::new(chunk_size, bits);
                hasher.update(&bytes);
                let (size, root) = hasher.finish();
                Piece {
                    size,
                    root,
                    leaves: bytes.chunks(chunk_size as usize).map(Hash::of_chunk).collect(),
                    bytes: if stubs { Bytes::new() } else { bytes.into() },
                }
            })
            .collect();
        let segment_us = (scenario.segment_s * 1e6) as u64;
        let (metadata, live) = match &scenario.live {
            None => {
                let segments = segments.iter().map(|piece| Segment {
                    size: piece.size,
                    root: piece.root,
                });
                let table = SegmentTable {
                    segments: segments.collect(),
                };
                let metadata = SwarmMetadata::new(table.swarm_id(), chunk_size, bits, table)?;
                (metadata, None)
            }
            Some(live) => {
                let key = LiveKey::new(SignatureAlgorithm::EcdsaP256Sha256, &[7; 64])
                    .map_err(|_| MetadataError::Integrity)?;
                let settings = Live {
                    integrity: IntegrityMethod::UnifiedMerkleTree,
                    discard_window: live.discard_window,
                    segment_duration: Duration::from_micros(segment_us),
                };
                let before = u64::from(live.published) * segment_us;
                let broadcast = Broadcast {
                    start: Timestamp(start.0 - before),
                    window: live.discard_window,
                };
                let metadata = SwarmMetadata::live(key, chunk_size, bits, settings)?;
                (metadata, Some(broadcast))
            }
        };
        Ok(Self {
            pieces: Arc::new(Pieces {
                chunk_size,
                bits,
                segments,
            }),
            stubs,
            metadata,
            segment_us,
            live,
        })
    }

    /// What peers know of it.
    pub fn metadata(&self) -> &SwarmMetadata {
        &self.metadata
    }

    /// What swarms have to be told where chunks are stubs.
    pub fn digests(&self) -> Option<Digests> {
        self.stubs
            .then(|| Digests::new(Arc::clone(&self.pieces) as Arc<dyn ChunkDigests>))
    }

    /// How many segments there are, to the end of the stream.
    pub fn segments(&self) -> u32 {
        self.pieces.segments.len() as u32
    }

    /// Length of a segment, microseconds.
    pub fn segment_us(&self) -> u64 {
        self.segment_us
    }

    /// Is it a live stream?
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// The segments that a playlist of this moment lists: first, and how many there have been.
    pub fn listed(&self, now: Timestamp) -> (u32, u32) {
        let Some(live) = self.live else {
            return (0, self.segments());
        };
        let published = (now.since(live.start).as_micros() as u64 / self.segment_us).min(u64::from(u32::MAX));
        let published = (published as u32).min(self.segments());
        (published.saturating_sub(live.window), published)
    }

    /// Bytes in a segment.
    pub fn size(&self, segment: u32) -> u64 {
        self.pieces.segments[segment as usize].size
    }

    /// Bytes in a chunk; the last of a segment may be shorter.
    pub fn chunk_size(&self) -> u32 {
        self.pieces.chunk_size
    }

    /// Bytes of a segment within one chunk, or the stub that stands for them.
    pub fn bytes(&self, segment: u32, range: core::ops::Range<u64>) -> Bytes {
        if self.stubs {
            let index = (range.start / u64::from(self.pieces.chunk_size)) as u32;
            return Bytes::copy_from_slice(&Digests::stub(segment << self.pieces.bits | index));
        }
        self.pieces.segments[segment as usize]
            .bytes
            .slice(range.start as usize..range.end as usize)
    }

    /// By how much a datagram that ends with a chunk is longer than what stands for it.
    pub fn claimed(&self, datagram: &[u8]) -> usize {
        if !self.stubs {
            return 0;
        }
        let stub = datagram.len().checked_sub(STUB_LENGTH).map(|at| &datagram[at..]);
        let number = stub
            .and_then(|stub| stub.first_chunk())
            .copied()
            .map(u32::from_be_bytes);
        let chunk = number.and_then(|chunk| self.pieces.chunk(chunk));
        chunk.map_or(0, |(length, _)| (length as usize).saturating_sub(STUB_LENGTH))
    }

    /// Are these chunks, one after the other, the segment?
    pub fn is_segment(&self, segment: u32, chunks: &[Bytes]) -> bool {
        let piece = &self.pieces.segments[segment as usize];
        if self.stubs {
            let first = segment << self.pieces.bits;
            return chunks.len() == piece.leaves.len()
                && (first..)
                    .zip(chunks)
                    .all(|(chunk, bytes)| **bytes == Digests::stub(chunk));
        }
        let mut rest: &[u8] = &piece.bytes;
        for chunk in chunks {
            match rest.strip_prefix(&chunk[..]) {
                Some(left) => rest = left,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// The proof that a live origin has beside a segment, once that is published.
    pub fn proof(&self, segment: u32, now: Timestamp) -> Option<Bytes> {
        let live = self.live?;
        if segment >= self.listed(now).1 {
            return None;
        }
        let piece = &self.pieces.segments[segment as usize];
        let time = NtpTime::from_unix(Timestamp(live.start.0 + u64::from(segment + 1) * self.segment_us));
        let mut proof = SegmentProof {
            integrity: IntegrityMethod::UnifiedMerkleTree,
            segment_bits: self.pieces.bits,
            segment,
            size: piece.size,
            root: piece.root,
            signatures: Vec::new(),
            leaves: piece.leaves.clone(),
        };
        let signature = sign(&signing_input(proof.munro().range(), time, &piece.root));
        proof.signatures.push(ProofSignature { time, signature });
        Some(proof.encode().into())
    }
}

/// Stands for the publisher's signature: machines never look into one.
pub fn sign(message: &[u8]) -> [u8; SIGNATURE_LENGTH] {
    let half = Hash::of_chunk(message);
    let mut signature = [0; SIGNATURE_LENGTH];
    signature[..32].copy_from_slice(half.as_ref());
    signature[32..].copy_from_slice(half.as_ref());
    signature
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::tests::{SMALL, SMALL_LIVE};

    fn content(text: &str) -> Content {
        let scenario = Scenario::parse(text).unwrap();
        let start = Timestamp(1_700_000_000_000_000);
        Content::new(&scenario.content, start, &mut fastrand::Rng::with_seed(1)).unwrap()
    }

    #[test]
    fn stubs_stand_for_the_same_content() {
        let stubs = content(SMALL);
        let whole = content(&SMALL.replace("segments = 12", "segments = 12, payload = \"bytes\""));
        assert_eq!(stubs.metadata().swarm_id(), whole.metadata().swarm_id());
        let chunk = u64::from(stubs.chunk_size());
        let size = stubs.size(3);
        let cut = |content: &Content| -> Vec<Bytes> {
            (0..size)
                .step_by(chunk as usize)
                .map(|start| content.bytes(3, start..(start + chunk).min(size)))
                .collect()
        };
        for content in [&stubs, &whole] {
            assert!(content.is_segment(3, &cut(content)) && !content.is_segment(4, &cut(content)));
            assert!(!content.is_segment(3, &cut(content)[1..]));
        }
        let last = cut(&stubs).pop().unwrap();
        assert_eq!(stubs.claimed(&last) as u64, (size - 1) % chunk + 1 - 5);
        assert_eq!(whole.claimed(&last), 0);
    }

    #[test]
    fn a_stream_is_published_segment_by_segment() {
        let content = content(SMALL_LIVE);
        let start = Timestamp(1_700_000_000_000_000);
        assert_eq!(content.listed(start), (0, 6));
        assert_eq!(content.listed(start + Duration::from_millis(1999)), (0, 6));
        assert_eq!(content.listed(start + Duration::from_secs(20)), (6, 16));
        assert_eq!(
            content.listed(start + Duration::from_secs(2000)).1,
            content.segments()
        );
        assert!(content.proof(6, start).is_none());
        let proof = SegmentProof::decode(&content.proof(5, start).unwrap()).unwrap();
        assert_eq!(proof.size, content.size(5));
    }
}
