//! Refuses signals that were seen before: (from, offer ID, counter) is used once (tracker-protocol §11).

use ppspp::PeerId;

/// Offers whose counters are remembered.
const MAX_OFFERS: usize = 256;
/// Largest clock difference to the sender, milliseconds.
const MAX_SKEW: u64 = 60_000;
/// Counters of one offer run below this: an offer or answer, its candidates, end and bye.
const MAX_COUNTER: u64 = 64;

struct Seen {
    from: PeerId,
    offer_id: String,
    counters: u64,
    newest: u64,
}

/// The window of signals seen.
#[derive(Default)]
pub(super) struct ReplayWindow {
    seen: Vec<Seen>,
    /// Signals of this time or older may have been forgotten, so they are refused.
    floor: u64,
}

impl ReplayWindow {
    /// Could the signal be fresh? Cheap: to be asked before its signature is checked. Times are Unix
    /// milliseconds.
    pub(super) fn may_be_fresh(
        &self,
        from: &PeerId,
        offer_id: &str,
        counter: u64,
        time: u64,
        now: u64,
    ) -> bool {
        time.abs_diff(now) <= MAX_SKEW
            && time > self.floor
            && counter < MAX_COUNTER
            && self
                .find(from, offer_id)
                .is_none_or(|seen| self.seen[seen].counters >> counter & 1 == 0)
    }

    /// Remembers a signal whose signature was right. False when it has been seen in the meantime.
    pub(super) fn admit(&mut self, from: PeerId, offer_id: &str, counter: u64, time: u64, now: u64) -> bool {
        if !self.may_be_fresh(&from, offer_id, counter, time, now) {
            return false;
        }
        if let Some(at) = self.find(&from, offer_id) {
            let seen = &mut self.seen[at];
            seen.counters |= 1 << counter;
            seen.newest = seen.newest.max(time);
            return true;
        }
        // What is too old by its time alone needs no memory.
        self.seen.retain(|seen| seen.newest + MAX_SKEW >= now);
        if self.seen.len() >= MAX_OFFERS
            && let Some(oldest) = (0..self.seen.len()).min_by_key(|at| self.seen[*at].newest)
        {
            self.floor = self.floor.max(self.seen.swap_remove(oldest).newest);
            if time <= self.floor {
                return false;
            }
        }
        self.seen.push(Seen {
            from,
            offer_id: offer_id.to_owned(),
            counters: 1 << counter,
            newest: time,
        });
        true
    }

    fn find(&self, from: &PeerId, offer_id: &str) -> Option<usize> {
        self.seen
            .iter()
            .position(|seen| seen.from == *from && seen.offer_id == offer_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const A: PeerId = PeerId([1; 32]);

    #[test]
    fn each_signal_counts_once() {
        let mut window = ReplayWindow::default();
        for counter in [0, 2, 1, 63] {
            assert!(window.admit(A, "x", counter, NOW, NOW));
            assert!(!window.admit(A, "x", counter, NOW, NOW));
            assert!(!window.may_be_fresh(&A, "x", counter, NOW, NOW));
        }
        assert!(!window.admit(A, "x", 64, NOW, NOW));
        assert!(window.admit(A, "y", 0, NOW, NOW));
        assert!(window.admit(PeerId([2; 32]), "x", 0, NOW, NOW));
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        let mut window = ReplayWindow::default();
        assert!(window.admit(A, "a", 0, NOW - MAX_SKEW, NOW));
        assert!(window.admit(A, "b", 0, NOW + MAX_SKEW, NOW));
        assert!(!window.admit(A, "c", 0, NOW - MAX_SKEW - 1, NOW));
        assert!(!window.admit(A, "d", 0, NOW + MAX_SKEW + 1, NOW));
    }

    #[test]
    fn nothing_is_taken_twice_however_many_come() {
        let mut window = ReplayWindow::default();
        let signals: Vec<_> = (0..2000_u64)
            .map(|n| (n.to_string(), NOW + n % 997 * 50))
            .collect();
        let mut taken = Vec::new();
        for (offer_id, time) in &signals {
            if window.admit(A, offer_id, 0, *time, NOW + 20_000) {
                taken.push((offer_id, *time));
            }
        }
        assert!(taken.len() > MAX_OFFERS);
        assert!(window.seen.len() <= MAX_OFFERS);
        for now in [NOW + 20_000, NOW + 60_000, NOW + 100_000] {
            for (offer_id, time) in &taken {
                assert!(!window.admit(A, offer_id, 0, *time, now), "{offer_id}");
            }
        }
    }
}
