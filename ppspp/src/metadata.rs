//! What a peer knows of a swarm before it talks to anybody: the swarm metadata of RFC 7574 §1.3.

use std::sync::Arc;

use core::time::Duration;

use crate::hash::layers_for;
use crate::live::LiveKey;
use crate::options::IntegrityMethod;
use crate::segment_table::{MAX_SEGMENT_BITS, SegmentTableError};
use crate::{Hash, SegmentTable, SwarmId};

/// A swarm's identity and shape. The chunks of segment *s* are `s << segment_bits` and following, so every segment is
/// an aligned subtree.
#[derive(Clone, Debug)]
pub struct SwarmMetadata {
    swarm_id: SwarmId,
    chunk_size: u32,
    segment_bits: u8,
    content: Content,
}

/// What makes a segment trusted.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// All segments' subtree roots, which hash to the swarm ID.
    Static(Arc<SegmentTable>),
    /// The publisher's signatures.
    Live(LiveKey, Live),
}

/// What is fixed about a live swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// [`IntegrityMethod::UnifiedMerkleTree`] (every segment's root is signed) or [`IntegrityMethod::SignAll`] (every
    /// chunk is).
    pub integrity: IntegrityMethod,
    /// Segments kept and served behind the newest, at least 1 (live discard window, RFC 7574 §6.2).
    pub discard_window: u32,
    /// Upper bound of a segment's duration.
    pub segment_duration: Duration,
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
    /// A live swarm with static content's integrity method.
    #[error("a live swarm's integrity is sign all or the unified Merkle tree")]
    Integrity,
    /// No chunk size, or too many layers for chunk numbers of 32 bits.
    #[error("live segments of 2^{segment_bits} chunks of {chunk_size} bytes cannot be addressed")]
    Address {
        /// What was said.
        segment_bits: u8,
        /// What was said, in bytes.
        chunk_size: u32,
    },
    /// A window of no segments, or one that chunk numbers of 32 bits do not hold.
    #[error("a discard window of {0} segments")]
    Window(u32),
}

impl SwarmMetadata {
    /// Static content: checks that the parts belong together.
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
            swarm_id: swarm_id.into(),
            chunk_size,
            segment_bits,
            content: Content::Static(Arc::new(table)),
        })
    }

    /// A live stream signed by `key`.
    ///
    /// # Errors
    /// [`MetadataError`] names the part that cannot be.
    pub fn live(key: LiveKey, chunk_size: u32, segment_bits: u8, live: Live) -> Result<Self, MetadataError> {
        if !matches!(
            live.integrity,
            IntegrityMethod::SignAll | IntegrityMethod::UnifiedMerkleTree
        ) {
            return Err(MetadataError::Integrity);
        }
        if chunk_size == 0 || segment_bits > MAX_SEGMENT_BITS {
            return Err(MetadataError::Address {
                segment_bits,
                chunk_size,
            });
        }
        let window = u64::from(live.discard_window);
        if window == 0 || layers_for(window) + segment_bits > 31 {
            return Err(MetadataError::Window(live.discard_window));
        }
        Ok(Self {
            swarm_id: key.swarm_id().clone(),
            chunk_size,
            segment_bits,
            content: Content::Live(key, live),
        })
    }

    /// The Merkle root over all segments, or the live publisher's key.
    pub fn swarm_id(&self) -> &SwarmId {
        &self.swarm_id
    }

    /// Bytes in a chunk; the last of a segment may be shorter.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// Layers of a segment's subtree.
    pub fn segment_bits(&self) -> u8 {
        self.segment_bits
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// The publisher's key; `None` for static content.
    pub fn live_key(&self) -> Option<&LiveKey> {
        match &self.content {
            Content::Static(_) => None,
            Content::Live(key, _) => Some(key),
        }
    }

    /// What is fixed about a live stream; `None` for static content.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn live_settings(&self) -> Option<&Live> {
        match &self.content {
            Content::Static(_) => None,
            Content::Live(_, live) => Some(live),
        }
    }

    /// The integrity method that handshakes name (RFC 7574 §7.5).
    pub fn integrity(&self) -> IntegrityMethod {
        self.live_settings()
            .map_or(IntegrityMethod::MerkleHashTree, |live| live.integrity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::SignatureAlgorithm;

    #[test]
    fn live_metadata_that_cannot_be() {
        let key = LiveKey::new(SignatureAlgorithm::Ed25519, &[7; 32]).unwrap();
        let live = Live {
            integrity: IntegrityMethod::UnifiedMerkleTree,
            discard_window: 15,
            segment_duration: Duration::from_secs(2),
        };
        let make = |chunk_size, bits, live| SwarmMetadata::live(key.clone(), chunk_size, bits, live).err();
        assert_eq!(make(16384, 9, live), None);
        let integrity = IntegrityMethod::MerkleHashTree;
        assert_eq!(
            make(16384, 9, Live { integrity, ..live }),
            Some(MetadataError::Integrity)
        );
        assert!(matches!(make(0, 9, live), Some(MetadataError::Address { .. })));
        assert!(matches!(make(1, 32, live), Some(MetadataError::Address { .. })));
        let window = |discard_window| Live {
            discard_window,
            ..live
        };
        assert_eq!(make(1, 9, window(0)), Some(MetadataError::Window(0)));
        assert_eq!(make(1, 28, window(9)), Some(MetadataError::Window(9)));
    }
}
