//! Stands for the tracker's membership certificates: as long as real ones, and as easily checked.

use bytes::Bytes;
use ppspp::swarm::Member;
use ppspp::{PeerId, Timestamp};

/// Bytes of a real one, about.
const LENGTH: usize = 520;
/// Seconds that one is good for.
pub const LIFETIME: u64 = 3600;

/// A certificate of `peer` that ends at `expires`, Unix seconds.
pub fn issue(peer: &PeerId, expires: u64) -> Vec<u8> {
    let mut certificate = vec![0; LENGTH];
    certificate[..32].copy_from_slice(&peer.0);
    certificate[32..40].copy_from_slice(&expires.to_be_bytes());
    certificate
}

/// Whose it is, if it is one.
pub fn check(certificate: &Bytes) -> Option<Member> {
    if certificate.len() != LENGTH {
        return None;
    }
    let (peer, rest) = certificate.split_first_chunk()?;
    let expires = u64::from_be_bytes(*rest.first_chunk()?);
    Some(Member {
        peer: PeerId(*peer),
        expires: Timestamp(expires.checked_mul(1_000_000)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_issued_is_good() {
        let certificate = Bytes::from(issue(&PeerId([7; 32]), 1000));
        let member = check(&certificate).unwrap();
        assert_eq!(
            (member.peer, member.expires),
            (PeerId([7; 32]), Timestamp(1_000_000_000))
        );
        assert!(check(&certificate.slice(1..)).is_none());
    }
}
