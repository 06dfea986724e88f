//! Length and hash of a chunk's payload. With the feature `simulation` a payload may be a stub that stands for bytes
//! nobody needs to see: whole swarms of many thousands then fit into one machine's memory. Only a simulator turns the
//! feature on, and even then stubs mean nothing to a swarm that was not told of them ([`crate::Swarm::simulate`]).

use crate::Hash;

#[cfg(not(feature = "simulation"))]
mod payload {
    use super::Hash;

    /// What a swarm knows of stubs: there are none.
    #[derive(Clone, Debug)]
    pub(crate) struct Digests;

    /// No stubs.
    pub(crate) fn none() -> Digests {
        Digests
    }

    impl Digests {
        /// Bytes of a payload.
        pub(crate) fn length(&self, payload: &[u8]) -> usize {
            payload.len()
        }

        /// Leaf hash of a payload.
        pub(crate) fn leaf(&self, payload: &[u8]) -> Hash {
            Hash::of_chunk(payload)
        }
    }
}

#[cfg(feature = "simulation")]
mod payload {
    use std::sync::Arc;

    use super::Hash;

    /// Bytes of a stub: the chunk number, big-endian, and whether it was tampered with.
    pub const STUB_LENGTH: usize = 5;

    /// Leaf hashes and lengths of all chunks by number, shared by all swarms of a simulation.
    #[derive(Clone, Debug, Default)]
    pub struct Digests {
        chunks: Option<Arc<dyn ChunkDigests>>,
    }

    /// No stubs.
    pub(crate) fn none() -> Digests {
        Digests::default()
    }

    /// Where a simulation keeps its chunks' lengths and hashes.
    pub trait ChunkDigests: core::fmt::Debug + Send + Sync {
        /// Bytes and leaf hash of a chunk; `None` when there is no such chunk.
        fn chunk(&self, chunk: u32) -> Option<(u32, Hash)>;
    }

    impl Digests {
        /// Stubs of these chunks.
        pub fn new(chunks: Arc<dyn ChunkDigests>) -> Self {
            Self { chunks: Some(chunks) }
        }

        /// The stub that stands for a chunk.
        pub fn stub(chunk: u32) -> [u8; STUB_LENGTH] {
            let [a, b, c, d] = chunk.to_be_bytes();
            [a, b, c, d, 0]
        }

        fn meant(&self, payload: &[u8]) -> Option<(u32, Hash)> {
            let stub: &[u8; STUB_LENGTH] = payload.try_into().ok()?;
            let chunk = u32::from_be_bytes([stub[0], stub[1], stub[2], stub[3]]);
            let (length, hash) = self.chunks.as_ref()?.chunk(chunk)?;
            // A flipped byte is another content of the same length.
            Some((
                length,
                if stub[4] == 0 {
                    hash
                } else {
                    Hash::of_chunk(payload)
                },
            ))
        }

        /// Bytes of a payload, or those that a stub stands for.
        pub fn length(&self, payload: &[u8]) -> usize {
            self.meant(payload)
                .map_or(payload.len(), |(length, _)| length as usize)
        }

        /// Leaf hash of a payload, or of what a stub stands for.
        pub(crate) fn leaf(&self, payload: &[u8]) -> Hash {
            self.meant(payload)
                .map_or_else(|| Hash::of_chunk(payload), |(_, hash)| hash)
        }
    }
}

#[cfg(feature = "simulation")]
pub(crate) use payload::none;
#[cfg(feature = "simulation")]
pub use payload::{ChunkDigests, Digests, STUB_LENGTH};
#[cfg(not(feature = "simulation"))]
pub(crate) use payload::{Digests, none};
