//! Which envelopes may be relayed: nobody gets an answer to a question it did not ask.

use std::collections::VecDeque;

use tracker_protocol::Kind;
use tracker_protocol::server::Timestamp;

/// From the offer to the last candidate along it: 120 s, because peers trickle.
pub(crate) const LIFETIME: Timestamp = 120_000_000;
/// Most offers of one peer that are remembered; older ones make room.
const MAX_OFFERS: usize = 128;

/// May an envelope be relayed? `asked`: its receiver has made this offer to its sender; `made`: its sender has made it.
pub(crate) fn allows(kind: Kind, asked: bool, made: impl FnOnce() -> bool) -> bool {
    match kind {
        Kind::Offer => true,
        Kind::Answer => asked,
        Kind::Candidate | Kind::End | Kind::Bye => asked || made(),
    }
}

#[derive(Debug)]
struct Offer {
    to: String,
    oid: String,
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
            to: to.to_owned(),
            oid: oid.to_owned(),
            at: now,
        });
    }

    /// The offer is answered by that peer: is it one that was made, not too long ago, and not answered yet?
    pub(crate) fn take(&mut self, now: Timestamp, to: &str, oid: &str) -> bool {
        let made = |offer: &Offer| offer.to == to && offer.oid == oid && now < offer.at + LIFETIME;
        let place = self.recent.iter().position(made);
        place.is_some_and(|place| self.recent.remove(place).is_some())
    }

    /// Was this offer made to that peer, not too long ago?
    pub(crate) fn made(&self, now: Timestamp, to: &str, oid: &str) -> bool {
        self.recent
            .iter()
            .any(|offer| offer.to == to && offer.oid == oid && now < offer.at + LIFETIME)
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
