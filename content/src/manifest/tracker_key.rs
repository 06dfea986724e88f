//! The key that a tracker signs membership certificates with.

use core::fmt;
use core::str::FromStr;

/// Algorithm number of ECDSA on P-256 with SHA-256.
const ECDSA_P256: u8 = 13;
/// The number, x and y.
const LENGTH: usize = 1 + 64;

/// A tracker's public key as a key blob: 13 (ECDSA P-256), x, y; 65 bytes, coded like a live swarm's ID. As text it is
/// unpadded base64url.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TrackerKey([u8; LENGTH]);

/// Why something is not a tracker's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the base64url of a P-256 key blob (13, x, y: {LENGTH} bytes)")]
pub struct NotATrackerKey;

impl TrackerKey {
    /// A key by its blob. Whether x and y are a point of the curve shows where the key is used.
    ///
    /// # Errors
    /// Another length or algorithm.
    pub fn new(blob: &[u8]) -> Result<Self, NotATrackerKey> {
        let blob: [u8; LENGTH] = blob.try_into().map_err(|_| NotATrackerKey)?;
        (blob[0] == ECDSA_P256)
            .then_some(Self(blob))
            .ok_or(NotATrackerKey)
    }

    /// The blob.
    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl FromStr for TrackerKey {
    type Err = NotATrackerKey;

    fn from_str(text: &str) -> Result<Self, NotATrackerKey> {
        Self::new(&json::base64url::decode(text).ok_or(NotATrackerKey)?)
    }
}

impl fmt::Display for TrackerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&json::base64url::encode(&self.0))
    }
}

impl fmt::Debug for TrackerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TrackerKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form() {
        let mut blob = [7; LENGTH];
        assert_eq!(TrackerKey::new(&blob), Err(NotATrackerKey));
        blob[0] = ECDSA_P256;
        let key = TrackerKey::new(&blob).unwrap();
        let text = key.to_string();
        assert_eq!(text.len(), 87);
        assert_eq!(text.parse(), Ok(key));
        assert_eq!(key.as_bytes(), &blob);
        for wrong in ["", &text[1..], &format!("{text}="), &text.replace('B', "+")] {
            assert_eq!(wrong.parse::<TrackerKey>(), Err(NotATrackerKey), "{wrong}");
        }
    }
}
