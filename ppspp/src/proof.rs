//! A live segment's proof: what the origin puts beside the segment so that whoever fetches it over HTTP can verify it
//! and serve it on (ARCHITECTURE.md, "Proof of a live segment").
//!
//! ```text
//! "SHOALPRF" (8 bytes) | version 2 (u32) | integrity (u8: 3 unified Merkle tree, 2 sign all) | segment_bits (u8) |
//! segment (u32) | size in bytes (u64) | munro hash (32 bytes) | count (u32: 1, or the chunks for sign all) |
//! count × ( NTP time (u64) | signature (64 bytes) ) | leaves (u32: the chunks; 0 for sign all) | leaves × hash
//! ```
//!
//! Big-endian. Nothing in a proof is to be believed before its signatures were checked with the swarm's key; the size
//! is not signed, and is right if the segment's bytes hash to the munro. The leaves are good if they do: with them any
//! part of the segment can be verified and served on, so that nobody has to fetch all of it. A segment of more chunks than
//! [`MAX_LEAVES`] has none of them here.

use crate::hash::HASH_LENGTH;
use crate::live::{NtpTime, SIGNATURE_LENGTH};
use crate::options::IntegrityMethod;
use crate::segment_table::MAX_SEGMENT_BITS;
use crate::{Bin, Hash};

const MAGIC: &[u8; 8] = b"SHOALPRF";
const VERSION: u32 = 2;
const HEADER_LENGTH: usize = MAGIC.len() + 4 + 1 + 1 + 4 + 8 + HASH_LENGTH + 4;
const ENTRY_LENGTH: usize = 8 + SIGNATURE_LENGTH;
/// Most signatures in one proof: a sign-all segment of this many chunks.
pub const MAX_SIGNATURES: usize = 4096;
/// Most chunk hashes in one proof.
pub const MAX_LEAVES: usize = 4096;
/// Longest proof, in bytes.
pub const MAX_ENCODED_LENGTH: usize = HEADER_LENGTH + MAX_SIGNATURES * ENTRY_LENGTH + 4;
/// What a segment's URL path gets appended for its proof.
pub const SUFFIX: &str = ".ppsp";

/// One signature and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofSignature {
    /// When.
    pub time: NtpTime,
    /// Raw signature.
    pub signature: [u8; SIGNATURE_LENGTH],
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentProof {
    /// [`IntegrityMethod::UnifiedMerkleTree`] or [`IntegrityMethod::SignAll`].
    pub integrity: IntegrityMethod,
    /// Layers of the segment's subtree.
    pub segment_bits: u8,
    /// Number of the segment.
    pub segment: u32,
    /// The segment's size in bytes, at least 1.
    pub size: u64,
    /// Root of the segment's subtree (the munro).
    pub root: Hash,
    /// The munro's signature, or one for each chunk in order.
    pub signatures: Vec<ProofSignature>,
    /// Unified Merkle tree: the hashes of all chunks in order, or none. Sign-all: none.
    pub leaves: Vec<Hash>,
}

/// Why bytes are no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Shorter than the fixed header.
    #[error("segment proof: {0} bytes, the header alone has {HEADER_LENGTH}")]
    Truncated(usize),
    /// Does not start with `SHOALPRF`.
    #[error("segment proof: does not start with SHOALPRF")]
    Magic,
    /// Another version of the format.
    #[error("segment proof: version {0}, want {VERSION}")]
    Version(u32),
    /// No method of live swarms.
    #[error("segment proof: integrity method {0}, want 2 (sign all) or 3 (unified Merkle tree)")]
    Integrity(u8),
    /// More layers than chunk numbers have bits, or a segment whose chunks have no numbers.
    #[error("segment proof: segment {segment} with segment_bits {segment_bits} has no chunk numbers")]
    Address {
        /// Segment said.
        segment: u32,
        /// Layers said.
        segment_bits: u8,
    },
    /// A segment of no bytes.
    #[error("segment proof: the segment is empty")]
    Empty,
    /// The wrong number of signatures for the method.
    #[error("segment proof: {0} signatures")]
    Signatures(u32),
    /// More chunk hashes than the subtree has leaves, than fit a proof, or than the method has.
    #[error("segment proof: {0} hashes of chunks")]
    Leaves(u32),
    /// Bytes missing or left over.
    #[error("segment proof: {found} bytes, want {want}")]
    Length {
        /// Length that the count makes.
        want: usize,
        /// Length there is.
        found: usize,
    },
}

impl SegmentProof {
    /// The binary form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LENGTH + self.signatures.len() * ENTRY_LENGTH);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&[self.integrity as u8, self.segment_bits]);
        out.extend_from_slice(&self.segment.to_be_bytes());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(self.root.as_ref());
        out.extend_from_slice(&(self.signatures.len() as u32).to_be_bytes());
        for entry in &self.signatures {
            out.extend_from_slice(&entry.time.0.to_be_bytes());
            out.extend_from_slice(&entry.signature);
        }
        out.extend_from_slice(&(self.leaves.len() as u32).to_be_bytes());
        for leaf in &self.leaves {
            out.extend_from_slice(leaf.as_ref());
        }
        out
    }

    /// Reads the binary form. Strict: every byte must be accounted for.
    ///
    /// # Errors
    /// Anything but one complete, well-formed proof within the limits of this module.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let truncated = ProofError::Truncated(bytes.len());
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(truncated)?;
        if magic != MAGIC {
            return Err(ProofError::Magic);
        }
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        let version = u32::from_be_bytes(*version);
        if version != VERSION {
            return Err(ProofError::Version(version));
        }
        let (&[integrity, segment_bits], rest) = rest.split_first_chunk::<2>().ok_or(truncated)?;
        let (segment, rest) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        let (size, rest) = rest.split_first_chunk::<8>().ok_or(truncated)?;
        let (root, rest) = rest.split_first_chunk::<HASH_LENGTH>().ok_or(truncated)?;
        let (count, entries) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        let integrity = match integrity {
            2 => IntegrityMethod::SignAll,
            3 => IntegrityMethod::UnifiedMerkleTree,
            other => return Err(ProofError::Integrity(other)),
        };
        let segment = u32::from_be_bytes(*segment);
        if segment_bits > MAX_SEGMENT_BITS || u64::from(segment) >= 1 << (32 - segment_bits) {
            return Err(ProofError::Address {
                segment,
                segment_bits,
            });
        }
        let size = u64::from_be_bytes(*size);
        if size == 0 {
            return Err(ProofError::Empty);
        }
        let count = u32::from_be_bytes(*count);
        let right = match integrity {
            IntegrityMethod::SignAll => 1..=1 << segment_bits.min(12),
            _ => 1..=1,
        };
        if !right.contains(&count) {
            return Err(ProofError::Signatures(count));
        }
        let length = |want| ProofError::Length {
            want,
            found: bytes.len(),
        };
        let signed = HEADER_LENGTH + count as usize * ENTRY_LENGTH;
        let (entries, rest) = entries
            .split_at_checked(count as usize * ENTRY_LENGTH)
            .ok_or_else(|| length(signed + 4))?;
        let (leaf_count, leaves) = rest.split_first_chunk::<4>().ok_or_else(|| length(signed + 4))?;
        let leaf_count = u32::from_be_bytes(*leaf_count);
        let most = match integrity {
            IntegrityMethod::SignAll => 0,
            _ => (1_u64 << segment_bits).min(MAX_LEAVES as u64) as u32,
        };
        if leaf_count > most {
            return Err(ProofError::Leaves(leaf_count));
        }
        if leaves.len() != leaf_count as usize * HASH_LENGTH {
            return Err(length(signed + 4 + leaf_count as usize * HASH_LENGTH));
        }
        let signatures = entries
            .chunks_exact(ENTRY_LENGTH)
            .filter_map(|entry| {
                let (time, signature) = entry.split_first_chunk::<8>()?;
                Some(ProofSignature {
                    time: NtpTime(u64::from_be_bytes(*time)),
                    signature: signature.try_into().ok()?,
                })
            })
            .collect();
        Ok(Self {
            integrity,
            segment_bits,
            segment,
            size,
            root: Hash::new(*root),
            signatures,
            leaves: leaves
                .chunks_exact(HASH_LENGTH)
                .filter_map(|leaf| Some(Hash::new(leaf.try_into().ok()?)))
                .collect(),
        })
    }

    /// The subtree it is about.
    pub fn munro(&self) -> Bin {
        Bin::new(self.segment_bits, u64::from(self.segment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proof(integrity: IntegrityMethod, count: usize) -> SegmentProof {
        SegmentProof {
            integrity,
            segment_bits: 5,
            segment: 77,
            size: 300_001,
            root: Hash::of_chunk(b"x"),
            signatures: (0..count)
                .map(|n| ProofSignature {
                    time: NtpTime(n as u64),
                    signature: [n as u8; SIGNATURE_LENGTH],
                })
                .collect(),
            leaves: match integrity {
                IntegrityMethod::SignAll => Vec::new(),
                _ => (0..19_u8).map(|n| Hash::of_chunk(&[n])).collect(),
            },
        }
    }

    #[test]
    fn golden_bytes() {
        let bytes = proof(IntegrityMethod::UnifiedMerkleTree, 1).encode();
        let head = b"SHOALPRF\0\0\0\x02\x03\x05\0\0\0\x4d\0\0\0\0\0\x04\x93\xe1";
        assert_eq!(&bytes[..head.len()], head);
        assert_eq!(bytes.len(), 62 + 72 + 4 + 19 * 32);
        assert_eq!(bytes[62 + 72..][..4], [0, 0, 0, 19]);
        assert_eq!(bytes[62 + 72 + 4..][..32], *Hash::of_chunk(&[0]).as_ref());
    }

    #[test]
    fn both_methods_come_back() {
        for proof in [
            proof(IntegrityMethod::UnifiedMerkleTree, 1),
            proof(IntegrityMethod::SignAll, 19),
        ] {
            assert_eq!(SegmentProof::decode(&proof.encode()), Ok(proof.clone()));
            assert_eq!(proof.munro().range().start(), 77 << 5);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = proof(IntegrityMethod::UnifiedMerkleTree, 1).encode();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            SegmentProof::decode(&bytes)
        };
        assert_eq!(SegmentProof::decode(&good[..50]), Err(ProofError::Truncated(50)));
        assert_eq!(with(0, b'X'), Err(ProofError::Magic));
        assert_eq!(with(11, 1), Err(ProofError::Version(1)));
        assert_eq!(with(12, 1), Err(ProofError::Integrity(1)));
        assert!(matches!(with(13, 32), Err(ProofError::Address { .. })));
        assert!(matches!(with(14, 0xff), Err(ProofError::Address { .. })));
        assert_eq!(with(61, 2), Err(ProofError::Signatures(2)));
        let length = |want, found| Err(ProofError::Length { want, found });
        let all = good.len();
        assert_eq!(all, 746);
        assert_eq!(
            SegmentProof::decode(&[&good[..], b"x"].concat()),
            length(all, all + 1)
        );
        assert_eq!(SegmentProof::decode(&good[..all - 1]), length(all, all - 1));
        assert_eq!(SegmentProof::decode(&good[..130]), length(138, 130));
        assert_eq!(SegmentProof::decode(&good[..136]), length(138, 136));
        assert_eq!(with(137, 33), Err(ProofError::Leaves(33)));
        let mut leaves = proof(IntegrityMethod::SignAll, 2);
        leaves.leaves.push(Hash::of_chunk(b"x"));
        assert_eq!(SegmentProof::decode(&leaves.encode()), Err(ProofError::Leaves(1)));
        let large = |count: usize| {
            let mut large = proof(IntegrityMethod::UnifiedMerkleTree, 1);
            large.segment_bits = 20;
            large.leaves = vec![Hash::of_chunk(b"x"); count];
            SegmentProof::decode(&large.encode()).map(|large| large.leaves.len())
        };
        assert_eq!(large(MAX_LEAVES), Ok(MAX_LEAVES));
        assert_eq!(large(MAX_LEAVES + 1), Err(ProofError::Leaves(4097)));
        assert_eq!(large(0), Ok(0));
        let mut longest = proof(IntegrityMethod::SignAll, MAX_SIGNATURES);
        longest.segment_bits = 12;
        assert_eq!(longest.encode().len(), MAX_ENCODED_LENGTH);
        assert_eq!(SegmentProof::decode(&longest.encode()), Ok(longest));
        let mut empty = proof(IntegrityMethod::SignAll, 1);
        empty.size = 0;
        assert_eq!(SegmentProof::decode(&empty.encode()), Err(ProofError::Empty));
    }

    proptest! {
        /// What decodes is encoded by the same bytes: there is one form of each proof.
        #[test]
        fn the_form_is_the_only_one(mut bytes in prop_oneof![
                                        Just(proof(IntegrityMethod::SignAll, 3).encode()),
                                        Just(proof(IntegrityMethod::UnifiedMerkleTree, 1).encode()),
                                    ],
                                    flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(proof) = SegmentProof::decode(&bytes) {
                prop_assert_eq!(proof.encode(), bytes);
            }
        }
    }
}
