//! What a certificate says.

use sha2::{Digest, Sha256};

use crate::KEY_BLOB_LEN;

/// A peer is a member of a swarm for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The peer's key: algorithm byte 13, then x and y.
    pub key_blob: [u8; KEY_BLOB_LEN],
    /// The peer: SHA-256 of its key blob.
    pub peer_id: [u8; 32],
    /// The swarm ID as in the peer protocol, 1 to [`crate::MAX_SWARM_ID`] bytes.
    pub swarm_id: Vec<u8>,
    /// First second it is valid, Unix time.
    pub not_before: u64,
    /// Last second it is valid, Unix time.
    pub not_after: u64,
    /// Serial number, big-endian without leading zeros: 1 to 20 bytes, 20 only with the first bit clear.
    pub serial: Vec<u8>,
}

impl Membership {
    /// A membership of the peer that has this key.
    pub fn new(
        key_blob: [u8; KEY_BLOB_LEN],
        swarm_id: Vec<u8>,
        not_before: u64,
        not_after: u64,
        serial: Vec<u8>,
    ) -> Self {
        Self {
            peer_id: Sha256::digest(&key_blob[..]).into(),
            key_blob,
            swarm_id,
            not_before,
            not_after,
            serial,
        }
    }
}
