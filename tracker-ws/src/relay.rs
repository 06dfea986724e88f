//! Which envelopes may be relayed: nobody gets an answer to a question it did not ask.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use tracker_protocol::Kind;
use tracker_protocol::server::Timestamp;

/// From the offer to the last candidate along it: 120 s, because peers trickle.
pub(crate) const LIFETIME: Timestamp = 120_000_000;
/// Most offers of one peer that are remembered; older ones make room.
const MAX_OFFERS: usize = 128;

/// May an envelope be relayed? `asked`: its receiver has made this offer to its sender; `made`: its sender has made it.
pub(crate) fn allows(kind: Kind, asked: impl FnOnce() -> bool, made: impl FnOnce() -> bool) -> bool {
    match kind {
        Kind::Offer => true,
        Kind::Answer => asked(),
        Kind::Candidate | Kind::End | Kind::Bye => asked() || made(),
    }
}

/// Of all offers: nobody can find two of one hash, which is keyed.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Of the receiver's ID and the offer's.
fn hash(to: &str, oid: &str) -> u64 {
    HASHER.hash_one((to, oid))
}

#[derive(Debug)]
struct Offer {
    hash: u64,
    at: Timestamp,
}

/// The offers one peer has made lately.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    recent: VecDeque<Offer>,
}

impl Offers {
    pub(crate) fn record(&mut self, now: Timestamp, to: &str, oid: &str) {
        while self.recent.len() >= MAX_OFFERS
            || self
                .recent
                .front()
                .is_some_and(|offer| now >= offer.at + LIFETIME)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(Offer {
            hash: hash(to, oid),
            at: now,
        });
    }

    /// The offer is answered by that peer: is it one that was made, not too long ago, and not answered yet?
    pub(crate) fn take(&mut self, now: Timestamp, to: &str, oid: &str) -> bool {
        let hash = hash(to, oid);
        let made = |offer: &Offer| offer.hash == hash && now < offer.at + LIFETIME;
        // Those that were answered are gone: the next answer is mostly of an early one.
        let place = self.recent.iter().position(made);
        place.is_some_and(|place| self.recent.remove(place).is_some())
    }

    /// Was this offer made to that peer, not too long ago?
    pub(crate) fn made(&self, now: Timestamp, to: &str, oid: &str) -> bool {
        let hash = hash(to, oid);
        // An answer, and what follows it, is mostly of a late one.
        self.recent
            .iter()
            .rev()
            .any(|offer| offer.hash == hash && now < offer.at + LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_expire() {
        let mut offers = Offers::default();
        offers.record(0, "b", "1");
        assert!(offers.made(LIFETIME - 1, "b", "1"));
        assert!(!offers.made(LIFETIME, "b", "1"));
        assert!(!offers.made(0, "c", "1") && !offers.made(0, "b", "2"));
    }

    #[test]
    fn an_offer_is_answered_once() {
        let mut offers = Offers::default();
        offers.record(0, "b", "1");
        assert!(!offers.take(LIFETIME, "b", "1") && !offers.take(0, "c", "1"));
        assert!(offers.take(LIFETIME - 1, "b", "1"));
        assert!(!offers.take(LIFETIME - 1, "b", "1"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut offers = Offers::default();
        (0..1000).for_each(|oid| offers.record(0, "b", &oid.to_string()));
        assert_eq!(offers.recent.len(), MAX_OFFERS);
        assert!(offers.made(0, "b", "999") && !offers.made(0, "b", "0"));
    }
}
