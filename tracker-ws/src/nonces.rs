//! Nonces of the HTTPS face: what a posted request's proof signs, since there is no HELLO.
//!
//! A nonce says itself when it ends and carries a code that only this tracker can make, so that nothing is kept of
//! those that are given out: 06 is answered to anybody. Those that a right signature has used up are kept, until they
//! would have ended.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest, Sha256};
use tracker_protocol::NONCE_LEN;
use tracker_protocol::server::Timestamp;

/// How long a nonce may be used, µs.
const LIFETIME: Timestamp = 60_000_000;
/// Most used ones that are kept: 1000 requests a second.
const MAX_USED: usize = 60_000;

/// Why a nonce is refused; the text goes into `ext.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NonceError {
    #[error("nonce-missing")]
    Missing,
    #[error("nonce-unknown")]
    Unknown,
    #[error("nonce-expired")]
    Expired,
    #[error("nonce-used")]
    Used,
    /// The tracker has more to remember than it likes.
    #[error("too-many-requests")]
    Busy,
}

/// Makes nonces and sees that each is used once.
#[derive(Debug)]
pub(crate) struct Nonces {
    secret: [u8; 32],
    used: HashSet<[u8; NONCE_LEN]>,
    order: VecDeque<[u8; NONCE_LEN]>,
}

impl Nonces {
    /// `secret` is drawn anew for each run.
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            used: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// A new one: when it ends (8 bytes), a random part (8), a code over both (16).
    pub(crate) fn make(&self, now: Timestamp, random: u64) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&(now + LIFETIME).to_be_bytes());
        nonce[8..16].copy_from_slice(&random.to_be_bytes());
        let code = self.code(&nonce);
        nonce[16..].copy_from_slice(&code);
        nonce
    }

    /// Is it one that may be used now? To be asked before its signature, which costs more.
    pub(crate) fn check(&self, now: Timestamp, nonce: &[u8; NONCE_LEN]) -> Result<(), NonceError> {
        // All bytes are compared, whichever differ.
        let differs = self.code(nonce).into_iter().zip(&nonce[16..]);
        if differs.fold(0, |all, (one, other)| all | one ^ other) != 0 {
            return Err(NonceError::Unknown);
        }
        if now >= end(nonce) {
            return Err(NonceError::Expired);
        }
        if self.used.contains(nonce) {
            return Err(NonceError::Used);
        }
        Ok(())
    }

    /// Uses it up: it was checked, and signed rightly.
    pub(crate) fn use_up(&mut self, now: Timestamp, nonce: [u8; NONCE_LEN]) -> Result<(), NonceError> {
        while let Some(oldest) = self.order.front()
            && now >= end(oldest)
        {
            self.used.remove(oldest);
            self.order.pop_front();
        }
        if self.used.len() >= MAX_USED {
            return Err(NonceError::Busy);
        }
        if !self.used.insert(nonce) {
            return Err(NonceError::Used);
        }
        self.order.push_back(nonce);
        Ok(())
    }

    /// SHA-256 of the secret and 16 bytes, cut to half: neither can the input be made longer, nor is the rest known.
    fn code(&self, nonce: &[u8; NONCE_LEN]) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(&nonce[..16]);
        let mut code = [0; 16];
        code.copy_from_slice(&hash.finalize()[..16]);
        code
    }
}

fn end(nonce: &[u8; NONCE_LEN]) -> Timestamp {
    let mut end = [0; 8];
    end.copy_from_slice(&nonce[..8]);
    Timestamp::from_be_bytes(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(nonces: &mut Nonces, now: Timestamp, nonce: [u8; NONCE_LEN]) -> Result<(), NonceError> {
        nonces.check(now, &nonce)?;
        nonces.use_up(now, nonce)
    }

    #[test]
    fn one_is_used_once_in_its_time() {
        let mut nonces = Nonces::new([7; 32]);
        let (first, second) = (nonces.make(0, 1), nonces.make(0, 2));
        assert_ne!(first, second);
        assert_eq!(used(&mut nonces, LIFETIME - 1, first), Ok(()));
        assert_eq!(used(&mut nonces, LIFETIME - 1, first), Err(NonceError::Used));
        // Two at the same time, both checked before either is used.
        assert_eq!(nonces.use_up(0, first), Err(NonceError::Used));
        assert_eq!(used(&mut nonces, LIFETIME, second), Err(NonceError::Expired));
        assert_eq!(used(&mut nonces, LIFETIME, first), Err(NonceError::Expired));
    }

    #[test]
    fn those_of_others_are_unknown() {
        let mut nonces = Nonces::new([7; 32]);
        let foreign = Nonces::new([8; 32]).make(0, 1);
        assert_eq!(used(&mut nonces, 0, foreign), Err(NonceError::Unknown));
        assert_eq!(used(&mut nonces, 0, [0; 32]), Err(NonceError::Unknown));
        let mut longer = nonces.make(0, 1);
        longer[0] ^= 1;
        assert_eq!(used(&mut nonces, 0, longer), Err(NonceError::Unknown));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_ends() {
        let mut nonces = Nonces::new([7; 32]);
        for random in 0..MAX_USED as u64 {
            let nonce = nonces.make(0, random);
            assert_eq!(nonces.use_up(0, nonce), Ok(()));
        }
        let one_more = nonces.make(1, u64::MAX);
        assert_eq!(nonces.use_up(1, one_more), Err(NonceError::Busy));
        assert_eq!(nonces.use_up(LIFETIME, one_more), Ok(()));
        assert_eq!((nonces.used.len(), nonces.order.len()), (1, 1));
    }
}
