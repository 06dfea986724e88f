//! Keys and memberships for tests.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use shoal_certificate::{Membership, Parsed};

pub const START: u64 = 1_700_000_000;

/// `seed` is 1 to 254.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

pub fn key_blob(key: &SigningKey) -> [u8; 65] {
    let mut blob: [u8; 65] = key
        .verifying_key()
        .to_sec1_point(false)
        .as_bytes()
        .try_into()
        .unwrap();
    blob[0] = 13;
    blob
}

pub fn membership(swarm_id: &[u8]) -> Membership {
    Membership::new(
        key_blob(&key(2)),
        swarm_id.to_vec(),
        START - 60,
        START + 3600,
        vec![0x7f; 16],
    )
}

pub fn is_signed_by(parsed: &Parsed<'_>, key: &VerifyingKey) -> bool {
    Signature::from_slice(&parsed.signature).is_ok_and(|signature| key.verify(parsed.tbs, &signature).is_ok())
}
