//! Who may be dialled, when, and who may dial us: candidates, back-off, bans, rate of incoming offers.

use std::collections::VecDeque;

use ppspp::PeerId;

/// Peers remembered at most. Those that no tracker answer named make room first.
const MAX_KNOWN: usize = 256;
/// Swarms remembered for one peer at most.
const MAX_SWARMS: usize = 16;
/// Banned peers remembered at most; the oldest ban makes room.
const MAX_BANNED: usize = 4096;
/// Wait after a failed dial, milliseconds; doubled by each further one.
const BACK_OFF: f64 = 30_000.0;
/// A peer that could not be reached this many times in a row is forgotten until a tracker names it again.
const MAX_FAILURES: u32 = 5;
/// Wait after a link that had worked broke: the path may have changed, so both sides try again soon.
const RETRY: f64 = 3_000.0;
/// Offers taken from one peer within [`OFFER_WINDOW`].
const OFFERS_PER_PEER: u32 = 4;
const OFFER_WINDOW: f64 = 60_000.0;
/// Offers taken from all peers at once, and refilled a second.
const OFFER_BURST: f64 = 16.0;
const OFFER_RATE: f64 = 2.0;

struct Known {
    peer: PeerId,
    /// Swarms in which a tracker named the peer; empty: it only came to us by an offer.
    swarms: Vec<[u8; 32]>,
    failures: u32,
    not_before: f64,
    offers: u32,
    offers_since: f64,
}

/// All that is remembered about peers beyond their links. Times are milliseconds of one monotonic clock.
pub(super) struct Peers {
    known: Vec<Known>,
    banned: VecDeque<PeerId>,
    offers_left: f64,
    refilled: f64,
}

impl Peers {
    pub(super) fn new(now: f64) -> Peers {
        Peers {
            known: Vec::new(),
            banned: VecDeque::new(),
            offers_left: OFFER_BURST,
            refilled: now,
        }
    }

    /// A tracker named `peer` as a member of `swarm`.
    pub(super) fn found(&mut self, swarm: [u8; 32], peer: PeerId) {
        if self.is_banned(&peer) {
            return;
        }
        let known = self.entry(peer);
        if !known.swarms.contains(&swarm) && known.swarms.len() < MAX_SWARMS {
            known.swarms.push(swarm);
        }
    }

    /// The page left `swarm`: nobody is dialled for it any more.
    pub(super) fn leave(&mut self, swarm: &[u8; 32]) {
        for known in &mut self.known {
            known.swarms.retain(|other| other != swarm);
        }
    }

    /// The peer to dial next, with the swarm to signal through: the one with the fewest failures among those
    /// that are due and not `busy`.
    pub(super) fn next(&self, now: f64, busy: impl Fn(&PeerId) -> bool) -> Option<(PeerId, [u8; 32])> {
        self.known
            .iter()
            .filter(|known| !known.swarms.is_empty() && known.not_before <= now && !busy(&known.peer))
            .min_by_key(|known| known.failures)
            .map(|known| (known.peer, known.swarms[0]))
    }

    /// When [`Peers::next`] may have somebody whom it has not now; infinite if never.
    pub(super) fn next_due(&self, now: f64) -> f64 {
        let waiting = self
            .known
            .iter()
            .filter(|known| !known.swarms.is_empty() && known.not_before > now);
        waiting
            .map(|known| known.not_before)
            .fold(f64::INFINITY, f64::min)
    }

    /// A dial failed, or the link was ended on purpose by one side.
    pub(super) fn failed(&mut self, peer: &PeerId, now: f64) {
        let Some(at) = self.position(peer) else { return };
        let known = &mut self.known[at];
        known.failures += 1;
        if known.failures >= MAX_FAILURES {
            known.swarms.clear();
        }
        known.not_before = now + BACK_OFF * f64::from(1_u32 << (known.failures - 1).min(5));
    }

    /// The tracker says that `peer` is not in `swarm`.
    pub(super) fn gone(&mut self, peer: &PeerId, swarm: &[u8; 32]) {
        if let Some(at) = self.position(peer) {
            self.known[at].swarms.retain(|other| other != swarm);
        }
    }

    /// Has a tracker named `peer` as a member of `swarm`?
    pub(super) fn is_in(&self, peer: &PeerId, swarm: &[u8; 32]) -> bool {
        self.position(peer)
            .is_some_and(|at| self.known[at].swarms.contains(swarm))
    }

    pub(super) fn succeeded(&mut self, peer: &PeerId) {
        if let Some(at) = self.position(peer) {
            self.known[at].failures = 0;
        }
    }

    /// A link that had been up broke.
    pub(super) fn broke(&mut self, peer: &PeerId, now: f64) {
        if let Some(at) = self.position(peer) {
            self.known[at].not_before = now + RETRY;
        }
    }

    pub(super) fn ban(&mut self, peer: PeerId) {
        if self.is_banned(&peer) {
            return;
        }
        if let Some(at) = self.position(&peer) {
            self.known.swap_remove(at);
        }
        if self.banned.len() == MAX_BANNED {
            self.banned.pop_front();
        }
        self.banned.push_back(peer);
    }

    pub(super) fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains(peer)
    }

    /// May an offer of `peer` be looked at? Counts it. To be asked before anything costly is done.
    pub(super) fn admit_offer(&mut self, peer: PeerId, now: f64) -> bool {
        if self.is_banned(&peer) {
            return false;
        }
        let refill = (now - self.refilled) / 1000.0 * OFFER_RATE;
        self.offers_left = (self.offers_left + refill).min(OFFER_BURST);
        self.refilled = now;
        if self.offers_left < 1.0 {
            return false;
        }
        let known = self.entry(peer);
        if now - known.offers_since >= OFFER_WINDOW {
            known.offers = 0;
            known.offers_since = now;
        }
        if known.offers >= OFFERS_PER_PEER {
            return false;
        }
        known.offers += 1;
        self.offers_left -= 1.0;
        true
    }

    fn position(&self, peer: &PeerId) -> Option<usize> {
        self.known.iter().position(|known| known.peer == *peer)
    }

    fn entry(&mut self, peer: PeerId) -> &mut Known {
        let at = self.position(&peer).unwrap_or_else(|| {
            if self.known.len() >= MAX_KNOWN {
                let stale = self
                    .known
                    .iter()
                    .position(|known| known.swarms.is_empty())
                    .unwrap_or(0);
                self.known.remove(stale);
            }
            self.known.push(Known {
                peer,
                swarms: Vec::new(),
                failures: 0,
                not_before: 0.0,
                offers: 0,
                offers_since: f64::NEG_INFINITY,
            });
            self.known.len() - 1
        });
        &mut self.known[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWARM: [u8; 32] = [7; 32];

    fn peer(number: u32) -> PeerId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        PeerId(id)
    }

    #[test]
    fn failed_dials_back_off_and_end() {
        let mut peers = Peers::new(0.0);
        peers.found(SWARM, peer(1));
        assert_eq!(peers.next(0.0, |_| false), Some((peer(1), SWARM)));
        assert_eq!(peers.next(0.0, |_| true), None);
        let mut now = 0.0;
        for wait in [30_000.0, 60_000.0, 120_000.0, 240_000.0] {
            peers.failed(&peer(1), now);
            assert_eq!(peers.next(now + wait - 1.0, |_| false), None);
            assert_eq!(peers.next_due(now), now + wait);
            now += wait;
            assert!(peers.next(now, |_| false).is_some());
        }
        peers.failed(&peer(1), now);
        assert_eq!(peers.next(now + 1e9, |_| false), None);
        assert_eq!(peers.next_due(now), f64::INFINITY);
        peers.found(SWARM, peer(1));
        assert_eq!(peers.next(now, |_| false), None);
        assert!(peers.next(now + 480_000.0, |_| false).is_some());
    }

    #[test]
    fn success_forgets_failures_and_fresh_peers_come_first() {
        let mut peers = Peers::new(0.0);
        peers.found(SWARM, peer(1));
        peers.found(SWARM, peer(2));
        peers.failed(&peer(1), 0.0);
        assert_eq!(peers.next(1e6, |_| false).unwrap().0, peer(2));
        peers.succeeded(&peer(1));
        peers.broke(&peer(1), 1e6);
        assert_eq!(
            peers.next(1e6 + RETRY, |other| *other == peer(2)).unwrap().0,
            peer(1)
        );
    }

    #[test]
    fn banned_peers_are_neither_dialled_nor_heard() {
        let mut peers = Peers::new(0.0);
        peers.found(SWARM, peer(1));
        peers.ban(peer(1));
        peers.found(SWARM, peer(1));
        assert_eq!(peers.next(0.0, |_| false), None);
        assert!(!peers.admit_offer(peer(1), 0.0));
        for number in 2..(MAX_BANNED as u32 + 2) {
            peers.ban(peer(number));
        }
        assert_eq!(peers.banned.len(), MAX_BANNED);
    }

    #[test]
    fn offers_are_limited_for_each_and_for_all() {
        let mut peers = Peers::new(0.0);
        let admitted = (0..10).filter(|_| peers.admit_offer(peer(1), 0.0)).count();
        assert_eq!(admitted, OFFERS_PER_PEER as usize);
        let admitted = (2..100)
            .filter(|number| peers.admit_offer(peer(*number), 0.0))
            .count();
        assert_eq!(admitted, OFFER_BURST as usize - OFFERS_PER_PEER as usize);
        assert!(peers.admit_offer(peer(200), 1000.0));
        assert!(peers.admit_offer(peer(1), OFFER_WINDOW));
    }

    #[test]
    fn strangers_never_push_out_what_the_tracker_named() {
        let mut peers = Peers::new(0.0);
        peers.found(SWARM, peer(0));
        for number in 1..2000 {
            peers.admit_offer(peer(number), f64::from(number) * 10_000.0);
        }
        assert_eq!(peers.known.len(), MAX_KNOWN);
        assert_eq!(peers.next(0.0, |_| false).unwrap().0, peer(0));
        peers.leave(&SWARM);
        assert_eq!(peers.next(0.0, |_| false), None);
    }
}
