//! Names for the things a driver and a swarm talk about.

use core::fmt;

use bytes::Bytes;

use crate::Hash;

/// One connection to one remote peer, numbered by the driver. Never reused while the driver lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// One HTTP fetch from the origin, numbered by the swarm that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(pub u32);

/// One signature or certificate that a driver checks, numbered by the swarm that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u32);

/// A swarm's identity in binary (RFC 7574 §7.4): the Merkle root of static content, or a live publisher's key
/// ([`crate::live::LiveKey`]). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SwarmId(Bytes);

impl SwarmId {
    /// An ID from its bytes.
    pub fn new(id: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(id))
    }

    /// The bytes, shared.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Reads hex digits; `None` for anything else or nothing.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.is_empty() || !digits.len().is_multiple_of(2) {
            return None;
        }
        let bytes: Option<Vec<u8>> = digits.chunks_exact(2).map(hex_byte).collect();
        Some(Self(bytes?.into()))
    }
}

impl AsRef<[u8]> for SwarmId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Hash> for SwarmId {
    fn from(root: Hash) -> Self {
        Self::new(root.as_ref())
    }
}

impl fmt::Display for SwarmId {
    /// Lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SwarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SwarmId({self})")
    }
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    let high = (pair[0] as char).to_digit(16)?;
    let low = (pair[1] as char).to_digit(16)?;
    Some((high << 4 | low) as u8)
}

/// A peer's identity: the SHA-256 of its public-key blob (RFC 6972 PPSP.REQ-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 32]);

impl PeerId {
    /// Reads the 64 lower- or upper-case hex digits that tracker messages carry; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_byte(pair)?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for PeerId {
    /// 64 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_both_ways() {
        let id = PeerId(core::array::from_fn(|i| (i * 7) as u8));
        assert_eq!(PeerId::from_hex(&id.to_string()), Some(id));
        assert_eq!(PeerId::from_hex(&id.to_string().to_uppercase()), Some(id));
        let swarm = SwarmId::new(&[13, 0xab]);
        assert_eq!(
            (swarm.to_string().as_str(), SwarmId::from_hex("0dAB")),
            ("0dab", Some(swarm.clone()))
        );
        assert_eq!(
            [
                SwarmId::from_hex(""),
                SwarmId::from_hex("0"),
                SwarmId::from_hex("0g")
            ],
            [None, None, None]
        );
        assert_eq!(PeerId::from_hex("00"), None);
        assert_eq!(PeerId::from_hex(&"zz".repeat(32)), None);
    }
}
