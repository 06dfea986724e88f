//! A segment's proof: hashed and signed (RFC 7574 §6.1).

use content::Integrity;
use ppspp::Bin;
use ppspp::hash::{Hash, SubtreeHasher};
use ppspp::live::{NtpTime, SIGNING_INPUT_LENGTH, chunk_signing_input, signing_input};
use ppspp::proof::{MAX_LEAVES, MAX_SIGNATURES, ProofSignature, SegmentProof};

use super::key::Key;

/// How a swarm's segments are cut and signed. Never changes for a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes in a chunk.
    pub chunk_size: u32,
    /// Layers of a segment's subtree, 1..=31.
    pub segment_bits: u8,
    /// What is signed.
    pub integrity: Integrity,
}

/// A segment that can be signed: of 1..=[`Shape::capacity`] bytes, its number below [`Shape::segments`].
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    /// Its number.
    pub number: u32,
    /// All of it.
    pub bytes: &'a [u8],
    /// Root of its subtree, by [`Shape::root`].
    pub root: Hash,
}

impl Shape {
    /// Bytes that a segment may have.
    pub fn capacity(&self) -> u64 {
        let chunks = match self.integrity {
            Integrity::Unified => 1 << self.segment_bits,
            Integrity::SignAll => (1 << self.segment_bits).min(MAX_SIGNATURES as u64),
        };
        chunks * u64::from(self.chunk_size)
    }

    /// Segments that there are numbers for.
    pub fn segments(&self) -> u64 {
        1 << (32 - self.segment_bits)
    }

    /// The munro: the root of a segment's subtree.
    pub fn root(&self, bytes: &[u8]) -> Hash {
        let mut hasher = SubtreeHasher::new(self.chunk_size, self.segment_bits);
        hasher.update(bytes);
        hasher.finish().1
    }

    /// Signs a segment.
    pub fn sign(&self, key: &Key, segment: &Segment<'_>, time: NtpTime) -> SegmentProof {
        let sign = |message: &[u8]| ProofSignature {
            time,
            signature: key.sign(message),
        };
        let signatures = match self.integrity {
            Integrity::Unified => vec![sign(&self.munro_input(segment.number, &segment.root, time))],
            Integrity::SignAll => self
                .chunks(segment)
                .map(|(chunk, bytes)| sign(&chunk_signing_input(chunk, time, bytes)))
                .collect(),
        };
        SegmentProof {
            integrity: self.integrity.method(),
            segment_bits: self.segment_bits,
            segment: segment.number,
            size: segment.bytes.len() as u64,
            root: segment.root,
            signatures,
            leaves: self.leaves(segment),
        }
    }

    /// Is this the proof of exactly this segment, signed by `key`?
    pub fn verify(&self, key: &Key, segment: &Segment<'_>, proof: &SegmentProof) -> bool {
        let same = proof.integrity == self.integrity.method()
            && proof.segment_bits == self.segment_bits
            && (proof.segment, proof.size, proof.root)
                == (segment.number, segment.bytes.len() as u64, segment.root)
            && proof.leaves == self.leaves(segment);
        same && match self.integrity {
            Integrity::Unified => self.is_munro_signed(key, proof),
            Integrity::SignAll => {
                let chunks: Vec<_> = self.chunks(segment).collect();
                let signed = |((chunk, bytes), entry): (&(u32, &[u8]), &ProofSignature)| {
                    key.has_signed(&chunk_signing_input(*chunk, entry.time, bytes), &entry.signature)
                };
                chunks.len() == proof.signatures.len() && chunks.iter().zip(&proof.signatures).all(signed)
            }
        }
    }

    /// Did `key` sign the munro of this proof, whatever the segment's bytes are now? Never for sign-all, which signs
    /// bytes.
    pub fn is_munro_signed(&self, key: &Key, proof: &SegmentProof) -> bool {
        let ours = proof.integrity == Integrity::Unified.method() && proof.segment_bits == self.segment_bits;
        ours && proof.signatures.iter().all(|entry| {
            let message = self.munro_input(proof.segment, &proof.root, entry.time);
            key.has_signed(&message, &entry.signature)
        })
    }

    fn munro_input(&self, number: u32, root: &Hash, time: NtpTime) -> [u8; SIGNING_INPUT_LENGTH] {
        let munro = Bin::new(self.segment_bits, u64::from(number));
        signing_input(munro.range(), time, root)
    }

    /// The hashes of the segment's chunks, as far as a proof has them.
    fn leaves(&self, segment: &Segment<'_>) -> Vec<Hash> {
        let chunks = segment.bytes.chunks(self.chunk_size as usize);
        if self.integrity == Integrity::SignAll || chunks.len() > MAX_LEAVES {
            return Vec::new();
        }
        chunks.map(Hash::of_chunk).collect()
    }

    /// The segment's chunks with their numbers.
    fn chunks<'a>(&self, segment: &Segment<'a>) -> impl Iterator<Item = (u32, &'a [u8])> {
        let first = segment.number << self.segment_bits;
        (first..).zip(segment.bytes.chunks(self.chunk_size as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::key::Algorithm;

    /// Content of the published test vectors.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The published vector: 1024-byte chunks of P(8192), four to a signature, ECDSA as in RFC 6979.
    #[test]
    fn golden_munros() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
            MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCBdZf0Un8/s6q1ajguz\n\
            BXwbC+MUTErZeXcDSHf8D4ppjg==\n-----END PRIVATE KEY-----\n";
        let key = Key::from_pem(pem).unwrap();
        assert_eq!(
            key.public().swarm_id().to_string(),
            "0d6cdfde273ca87c7b6a0a1831e3407fce10d9991941bb6e05d6370d3961b8085c\
             135a5470d74981e2b0e3b2dc7e0f99a7d87055c7135be0a3a62d36596fd544a8"
        );
        let shape = Shape {
            chunk_size: 1024,
            segment_bits: 2,
            integrity: Integrity::Unified,
        };
        let content = pattern(8192);
        for (number, time, munro, signature) in [
            (
                0,
                0xe8fe_6f80_4000_0000,
                "75d627db00c507c115c7a894ad599ebab730cf4edb873122c752cd61cd7fa7c6",
                "cab9d0ae478d6248ccf1a052c74cfe4c841483539c7bf3e7b5b0ab8afcf2bafd\
                 7b2a2a3c153c70d678d729808465ace6f7d7d96bf56d8d28951b89119cd2d5fd",
            ),
            (
                1,
                0xe8fe_6f81_4000_0000,
                "e4a155c287f4ff527e7fd56cb22c871521701cf1223fd7252da70fc86993ec7d",
                "a08f512ebd1ae3547153f3fe37f246528236b39d9d9ba3e69298e87c962a7db6\
                 24f89fafcb50a08f6c548d3ba8d530bee775edd891ecdd4a06d8f09a0434c0dd",
            ),
        ] {
            let bytes = &content[number as usize * 4096..][..4096];
            let segment = Segment {
                number,
                bytes,
                root: shape.root(bytes),
            };
            let proof = shape.sign(&key, &segment, NtpTime(time));
            assert_eq!(proof.root.to_string(), munro);
            assert_eq!(hex(&proof.signatures[0].signature), signature);
            assert!(shape.verify(&key, &segment, &proof));
        }
    }

    #[test]
    fn what_is_signed_is_what_verifies() {
        for (algorithm, integrity) in [
            (Algorithm::P256, Integrity::Unified),
            (Algorithm::P256, Integrity::SignAll),
            (Algorithm::Ed25519, Integrity::Unified),
            (Algorithm::Ed25519, Integrity::SignAll),
        ] {
            let shape = Shape {
                chunk_size: 1024,
                segment_bits: 3,
                integrity,
            };
            let (key, other) = (
                Key::generate(algorithm).unwrap(),
                Key::generate(algorithm).unwrap(),
            );
            let bytes = pattern(5000);
            let segment = Segment {
                number: 70,
                bytes: &bytes,
                root: shape.root(&bytes),
            };
            let proof = shape.sign(&key, &segment, NtpTime(9));
            let chunks = if integrity == Integrity::Unified { 1 } else { 5 };
            assert_eq!(proof.signatures.len(), chunks);
            let leaves: Vec<Hash> = bytes.chunks(1024).map(Hash::of_chunk).collect();
            let unified = integrity == Integrity::Unified;
            assert_eq!(proof.leaves, if unified { leaves } else { Vec::new() });
            assert_eq!(SegmentProof::decode(&proof.encode()), Ok(proof.clone()));
            assert!(shape.verify(&key, &segment, &proof));
            assert!(!shape.verify(&other, &segment, &proof));
            assert!(!shape.verify(
                &key,
                &Segment {
                    number: 71,
                    ..segment
                },
                &proof
            ));
            let mut leafless = proof.clone();
            leafless.leaves.pop();
            assert_eq!(shape.verify(&key, &segment, &leafless), !unified);
            let mut bytes = bytes.clone();
            bytes[4999] ^= 1;
            let changed = Segment {
                bytes: &bytes,
                root: shape.root(&bytes),
                ..segment
            };
            assert!(!shape.verify(&key, &changed, &proof));
            assert_eq!(
                shape.is_munro_signed(&key, &proof),
                integrity == Integrity::Unified
            );
        }
    }

    #[test]
    fn as_many_hashes_of_chunks_as_fit_a_proof() {
        let shape = Shape {
            chunk_size: 1024,
            segment_bits: 13,
            integrity: Integrity::Unified,
        };
        for (chunks, leaves) in [(MAX_LEAVES, MAX_LEAVES), (MAX_LEAVES + 1, 0)] {
            let bytes = vec![7; chunks * 1024];
            let (number, root) = (1, Hash::ZERO);
            let bytes = &bytes[..];
            assert_eq!(shape.leaves(&Segment { number, bytes, root }).len(), leaves);
        }
    }

    #[test]
    fn room() {
        let shape = |segment_bits, integrity| Shape {
            chunk_size: 1024,
            segment_bits,
            integrity,
        };
        assert_eq!(shape(8, Integrity::Unified).capacity(), 256 * 1024);
        assert_eq!(shape(8, Integrity::SignAll).capacity(), 256 * 1024);
        assert_eq!(shape(13, Integrity::SignAll).capacity(), 4096 * 1024);
        assert_eq!(shape(13, Integrity::Unified).segments(), 1 << 19);
    }
}
