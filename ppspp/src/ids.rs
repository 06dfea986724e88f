//! Names for the things a driver and a swarm talk about.

use core::fmt;

/// One connection to one remote peer, numbered by the driver. Never reused while the driver lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// One HTTP fetch from the origin, numbered by the swarm that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(pub u32);

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
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            *byte = (high << 4 | low) as u8;
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
        assert_eq!(PeerId::from_hex("00"), None);
        assert_eq!(PeerId::from_hex(&"zz".repeat(32)), None);
    }
}
