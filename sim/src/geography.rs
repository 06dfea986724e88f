//! Where peers are, and whom their NATs let them talk to.

use serde::{Deserialize, Serialize};

/// A region of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// Europe.
    Europe,
    /// North America.
    NorthAmerica,
    /// South America.
    SouthAmerica,
    /// East Asia.
    Asia,
}

/// All regions, in the order of the matrix.
pub const REGIONS: [Region; 4] = [
    Region::Europe,
    Region::NorthAmerica,
    Region::SouthAmerica,
    Region::Asia,
];

/// One-way latency between networks of two regions, in milliseconds, without the access links: half of typical
/// round trips between data centres there.
const LATENCY: [[u64; 4]; 4] = [
    [10, 45, 100, 95],
    [45, 18, 65, 75],
    [100, 65, 20, 145],
    [95, 75, 145, 25],
];

impl Region {
    /// One-way latency to another region in microseconds, without the access links.
    pub fn latency(self, other: Self) -> u64 {
        LATENCY[self as usize][other as usize] * 1000
    }
}

/// How a peer's NAT treats packets from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// None, or one that lets everybody in who knows the mapping.
    Open,
    /// The same mapping for all, open only to those spoken to (most homes).
    Restricted,
    /// Another mapping for each destination (many mobile and company networks).
    Symmetric,
}

impl Nat {
    /// Does ICE with STUN, without a relay, connect two such peers?
    pub fn connects(self, other: Self) -> bool {
        !matches!(
            (self, other),
            (Self::Symmetric, Self::Symmetric | Self::Restricted) | (Self::Restricted, Self::Symmetric)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_symmetric() {
        for a in REGIONS {
            for b in REGIONS {
                assert_eq!(a.latency(b), b.latency(a));
                assert!(a.latency(a) <= a.latency(b));
            }
        }
    }

    #[test]
    fn symmetric_nats_reach_only_open_peers() {
        assert!(Nat::Symmetric.connects(Nat::Open) && Nat::Open.connects(Nat::Symmetric));
        assert!(Nat::Restricted.connects(Nat::Restricted));
        assert!(!Nat::Symmetric.connects(Nat::Symmetric));
        assert!(!Nat::Symmetric.connects(Nat::Restricted) && !Nat::Restricted.connects(Nat::Symmetric));
    }
}
