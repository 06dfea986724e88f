//! What is watched: real bytes, so that everything is hashed and verified as in a browser.

use bytes::Bytes;
use ppspp::hash::SubtreeHasher;
use ppspp::metadata::MetadataError;
use ppspp::segment_table::{Segment, segment_bits};
use ppspp::{SegmentTable, SwarmMetadata};

use crate::scenario;

/// A rendition in segments.
#[derive(Debug)]
pub struct Content {
    segments: Vec<Bytes>,
    metadata: SwarmMetadata,
    segment_us: u64,
}

impl Content {
    /// Makes a scenario's content: noise, in segments whose sizes differ by up to a tenth from the mean.
    ///
    /// # Errors
    /// The shape is one that chunks cannot be addressed in.
    pub fn new(scenario: &scenario::Content, rng: &mut fastrand::Rng) -> Result<Self, MetadataError> {
        let mean = scenario.bitrate_kbps * 125.0 * scenario.segment_s;
        let segments: Vec<Bytes> = (0..scenario.segments)
            .map(|_| {
                let size = ((mean * (0.9 + 0.2 * rng.f64())) as usize).max(1);
                let mut bytes = vec![0; size];
                rng.fill(&mut bytes);
                bytes.into()
            })
            .collect();
        let sizes = segments.iter().map(|segment| segment.len() as u64);
        let bits = segment_bits(sizes, scenario.chunk_size)?;
        let table = SegmentTable {
            segments: segments
                .iter()
                .map(|bytes| {
                    let mut hasher = SubtreeHasher::new(scenario.chunk_size, bits);
                    hasher.update(bytes);
                    let (size, root) = hasher.finish();
                    Segment { size, root }
                })
                .collect(),
        };
        let metadata = SwarmMetadata::new(table.swarm_id(), scenario.chunk_size, bits, table)?;
        Ok(Self {
            segments,
            metadata,
            segment_us: (scenario.segment_s * 1e6) as u64,
        })
    }

    /// What peers know of it.
    pub fn metadata(&self) -> &SwarmMetadata {
        &self.metadata
    }

    /// How many segments there are.
    pub fn segments(&self) -> u32 {
        self.segments.len() as u32
    }

    /// Length of a segment, microseconds.
    pub fn segment_us(&self) -> u64 {
        self.segment_us
    }

    /// Bytes in a segment.
    pub fn size(&self, segment: u32) -> u64 {
        self.segments[segment as usize].len() as u64
    }

    /// Bytes of a segment.
    pub fn bytes(&self, segment: u32, range: core::ops::Range<u64>) -> Bytes {
        self.segments[segment as usize].slice(range.start as usize..range.end as usize)
    }

    /// Are these chunks, one after the other, the segment?
    pub fn is_segment(&self, segment: u32, chunks: &[Bytes]) -> bool {
        let mut rest: &[u8] = &self.segments[segment as usize];
        for chunk in chunks {
            match rest.strip_prefix(&chunk[..]) {
                Some(left) => rest = left,
                None => return false,
            }
        }
        rest.is_empty()
    }
}
