//! Proofs of live segments: there is one encoding, and what is accepted has chunk numbers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ppspp::proof::{MAX_ENCODED_LENGTH, SegmentProof};

fuzz_target!(|bytes: &[u8]| {
    let Ok(proof) = SegmentProof::decode(bytes) else {
        return;
    };
    assert_eq!(proof.encode(), bytes);
    assert!(bytes.len() <= MAX_ENCODED_LENGTH);
    assert!(proof.size > 0 && !proof.signatures.is_empty());
    let chunks = proof.munro().range();
    assert_eq!(chunks.start() >> proof.segment_bits, proof.segment);
    assert_eq!(chunks.end() >> proof.segment_bits, proof.segment);
});
