//! Live content: who signs, what is signed and when (RFC 7574 §6.1, §7.7, §8.10).

use core::fmt;
use core::time::Duration;

use crate::hash::HASH_LENGTH;
use crate::ids::SwarmId;
use crate::{ChunkRange, Hash, Timestamp};

/// Bytes of a signature, raw: r ‖ s for ECDSA P-256, R ‖ S for Ed25519.
pub const SIGNATURE_LENGTH: usize = 64;
/// Bytes that a munro's signature covers.
pub const SIGNING_INPUT_LENGTH: usize = RANGE_LENGTH + 8 + HASH_LENGTH;
/// A chunk specification of 32-bit chunk ranges on the wire: the form every signature covers, whichever addressing
/// method a channel uses.
const RANGE_LENGTH: usize = 8;

/// Live signature algorithms spoken here, by their DNSSEC numbers (RFC 7574 §7.7, RFC 8080).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256, the default.
    EcdsaP256Sha256 = 13,
    /// Ed25519.
    Ed25519 = 15,
}

impl SignatureAlgorithm {
    /// By its DNSSEC number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            13 => Some(Self::EcdsaP256Sha256),
            15 => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// Bytes of a public key as in a DNSKEY record: x ‖ y without the 0x04 prefix, or the Ed25519 key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::EcdsaP256Sha256 => 64,
            Self::Ed25519 => 32,
        }
    }
}

/// The publisher's public key, which is the swarm ID: algorithm number, then the raw key (RFC 7574 §6.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveKey {
    algorithm: SignatureAlgorithm,
    id: SwarmId,
}

/// Why bytes are no live swarm's ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveKeyError {
    /// Another algorithm than [`SignatureAlgorithm`] has.
    #[error("signature algorithm {0}, want 13 (ECDSA P-256) or 15 (Ed25519)")]
    Algorithm(u8),
    /// Not as long as the algorithm's keys.
    #[error("a public key of {found} bytes, algorithm {algorithm} has {want}")]
    Length {
        /// DNSSEC number.
        algorithm: u8,
        /// Bytes it should have.
        want: usize,
        /// Bytes there are.
        found: usize,
    },
}

impl LiveKey {
    /// The key that a live swarm's ID is.
    ///
    /// # Errors
    /// An unknown algorithm, or a key of another length than its.
    pub fn from_swarm_id(id: &[u8]) -> Result<Self, LiveKeyError> {
        let (&number, key) = id.split_first().ok_or(LiveKeyError::Algorithm(0))?;
        let algorithm = SignatureAlgorithm::from_number(number).ok_or(LiveKeyError::Algorithm(number))?;
        if key.len() != algorithm.key_length() {
            return Err(LiveKeyError::Length {
                algorithm: number,
                want: algorithm.key_length(),
                found: key.len(),
            });
        }
        Ok(Self {
            algorithm,
            id: SwarmId::new(id),
        })
    }

    /// A key by its raw bytes.
    ///
    /// # Errors
    /// Not as long as the algorithm's keys.
    pub fn new(algorithm: SignatureAlgorithm, key: &[u8]) -> Result<Self, LiveKeyError> {
        Self::from_swarm_id(&[&[algorithm as u8], key].concat())
    }

    /// How it signs.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The raw public key.
    pub fn key(&self) -> &[u8] {
        &self.id.as_ref()[1..]
    }

    /// The swarm whose publisher has this key.
    pub fn swarm_id(&self) -> &SwarmId {
        &self.id
    }
}

/// When the publisher signed: 32 bits of seconds since 1900, 32 bits of fraction (RFC 5905 §6). Era 0 ends in
/// February 2036, so that two times compare by their distance.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NtpTime(pub u64);

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;
const MICROS: u64 = 1_000_000;

impl NtpTime {
    /// The NTP time of a Unix time.
    pub const fn from_unix(time: Timestamp) -> Self {
        let seconds = time.0 / MICROS + UNIX_EPOCH;
        let fraction = ((time.0 % MICROS) << 32).div_ceil(MICROS);
        Self(seconds << 32 | fraction)
    }

    /// The Unix time, in the era that is closest to `near`.
    pub fn to_unix(self, near: Timestamp) -> Timestamp {
        let micros = |fixed: u64| ((u128::from(fixed) * u128::from(MICROS)) >> 32) as u64;
        let here = Self::from_unix(near);
        match self.ahead_of(here) {
            Some(ahead) => Timestamp(near.0.saturating_add(micros(ahead))),
            None => Timestamp(near.0.saturating_sub(micros(here.0.wrapping_sub(self.0)))),
        }
    }

    /// By how much `self` is later than `other`, in 2⁻³² s; `None` when it is earlier.
    fn ahead_of(self, other: Self) -> Option<u64> {
        let ahead = self.0.wrapping_sub(other.0);
        (ahead <= u64::MAX / 2).then_some(ahead)
    }

    /// Is `self` earlier than `other`?
    pub fn is_before(self, other: Self) -> bool {
        self.ahead_of(other).is_none()
    }

    /// How long `self` lies before `now`; zero when it lies after.
    pub fn age(self, now: Timestamp) -> Duration {
        now.since(self.to_unix(now))
    }

    /// How long `self` lies after `now`; zero when it lies before.
    pub fn lead(self, now: Timestamp) -> Duration {
        self.to_unix(now).since(now)
    }
}

impl fmt::Debug for NtpTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NtpTime({:016x})", self.0)
    }
}

/// What a munro's signature covers: its chunk range, the time, its hash (RFC 7574 §8.10).
pub fn signing_input(range: ChunkRange, time: NtpTime, munro: &Hash) -> [u8; SIGNING_INPUT_LENGTH] {
    let mut input = [0; SIGNING_INPUT_LENGTH];
    input[..4].copy_from_slice(&range.start().to_be_bytes());
    input[4..8].copy_from_slice(&range.end().to_be_bytes());
    input[8..16].copy_from_slice(&time.0.to_be_bytes());
    input[16..].copy_from_slice(munro.as_bytes());
    input
}

/// What a chunk's signature covers where every chunk is signed (Sign All, RFC 7574 §6.1.1): its range, the time, its
/// bytes.
pub fn chunk_signing_input(chunk: u32, time: NtpTime, bytes: &[u8]) -> Vec<u8> {
    let number = chunk.to_be_bytes();
    [&number[..], &number, &time.0.to_be_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_signing_input() {
        let hash = "75d627db00c507c115c7a894ad599ebab730cf4edb873122c752cd61cd7fa7c6"
            .parse()
            .unwrap();
        let time = NtpTime::from_unix(Timestamp(1_700_000_000_250_000));
        assert_eq!(time, NtpTime(0xe8fe_6f80_4000_0000));
        let input = signing_input(ChunkRange::new(0, 3).unwrap(), time, &hash);
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            format!("0000000000000003e8fe6f8040000000{hash}"),
            "chunk range, NTP time, munro"
        );
        assert_eq!(
            chunk_signing_input(7, time, b"ab"),
            [&[0, 0, 0, 7, 0, 0, 0, 7][..], &time.0.to_be_bytes(), b"ab"].concat()
        );
    }

    #[test]
    fn keys_are_swarm_ids() {
        for (algorithm, length) in [
            (SignatureAlgorithm::EcdsaP256Sha256, 64),
            (SignatureAlgorithm::Ed25519, 32),
        ] {
            let key = LiveKey::new(algorithm, &vec![7; length]).unwrap();
            assert_eq!(key.swarm_id().as_ref().len(), 1 + length);
            assert_eq!(LiveKey::from_swarm_id(key.swarm_id().as_ref()), Ok(key.clone()));
            assert_eq!((key.algorithm(), key.key()), (algorithm, &vec![7; length][..]));
            assert!(LiveKey::new(algorithm, &[7; 33]).is_err());
        }
        assert_eq!(LiveKey::from_swarm_id(&[]), Err(LiveKeyError::Algorithm(0)));
        assert_eq!(LiveKey::from_swarm_id(&[8; 65]), Err(LiveKeyError::Algorithm(8)));
    }

    #[test]
    fn times_compare_across_the_end_of_the_era() {
        let end = (1_u64 << 32) - UNIX_EPOCH;
        let (before, after) = (
            Timestamp(end * MICROS - 1_500_000),
            Timestamp(end * MICROS + 500_000),
        );
        let (early, late) = (NtpTime::from_unix(before), NtpTime::from_unix(after));
        assert!(early.is_before(late) && !late.is_before(early) && !late.is_before(late));
        assert_eq!(early.age(after), Duration::from_secs(2));
        assert_eq!(late.lead(before), Duration::from_secs(2));
        assert_eq!(
            (late.age(before), early.lead(after)),
            (Duration::ZERO, Duration::ZERO)
        );
        assert_eq!((early.to_unix(after), late.to_unix(before)), (before, after));
    }
}
