//! Whom a viewer dials: the browser driver's rules for candidates, back-off, bans and places.

use ppspp::Timestamp;

const SECOND: u64 = 1_000_000;
/// Candidates remembered at most.
const MAX_KNOWN: usize = 256;
/// Wait after a failed dial, doubled by each further one.
const BACK_OFF: u64 = 30 * SECOND;
/// A candidate that could not be reached this often is forgotten until the tracker names it again.
const MAX_FAILURES: u32 = 5;
/// Wait after a link that had worked broke.
const RETRY: u64 = 3 * SECOND;
/// Dials under way at a time.
const MAX_DIALS: usize = 8;
/// Dials that may be started at once; one more every [`DIAL_EVERY`].
const DIAL_BURST: u32 = 16;
const DIAL_EVERY: u64 = 2 * SECOND;

#[derive(Debug)]
struct Known {
    viewer: u32,
    failures: u32,
    not_before: Timestamp,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    /// All, with attempts.
    pub all: usize,
    /// Begun by ourselves, with attempts.
    pub outgoing: usize,
    /// Attempts of our own.
    pub dials: usize,
}

/// See the module. Other viewers are named by their index.
#[derive(Debug)]
pub struct Neighbours {
    max_peers: usize,
    known: Vec<Known>,
    banned: Vec<u32>,
    dials: u32,
    refilled: Timestamp,
}

impl Neighbours {
    /// Nobody known; at most `max_peers` connections.
    pub fn new(max_peers: usize, now: Timestamp) -> Self {
        Self {
            max_peers,
            known: Vec::new(),
            banned: Vec::new(),
            dials: DIAL_BURST,
            refilled: now,
        }
    }

    /// The tracker named somebody.
    pub fn found(&mut self, viewer: u32, now: Timestamp) {
        if self.banned.contains(&viewer) || self.known.iter().any(|known| known.viewer == viewer) {
            return;
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.remove(0);
        }
        self.known.push(Known {
            viewer,
            failures: 0,
            not_before: now,
        });
    }

    fn known(&mut self, viewer: u32) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.viewer == viewer)
    }

    /// A dial failed, or the link was ended on purpose by one side.
    pub fn failed(&mut self, viewer: u32, now: Timestamp) {
        let Some(known) = self.known(viewer) else { return };
        known.failures += 1;
        known.not_before = Timestamp(now.0 + (BACK_OFF << (known.failures - 1).min(5)));
        if known.failures >= MAX_FAILURES {
            self.gone(viewer);
        }
    }

    /// The tracker says that somebody is not there.
    pub fn gone(&mut self, viewer: u32) {
        self.known.retain(|known| known.viewer != viewer);
    }

    /// A link is up.
    pub fn succeeded(&mut self, viewer: u32) {
        if let Some(known) = self.known(viewer) {
            known.failures = 0;
        }
    }

    /// A link that had been up broke.
    pub fn broke(&mut self, viewer: u32, now: Timestamp) {
        if let Some(known) = self.known(viewer) {
            known.not_before = Timestamp(now.0 + RETRY);
        }
    }

    /// Nothing more to do with this one.
    pub fn ban(&mut self, viewer: u32) {
        self.gone(viewer);
        if !self.banned.contains(&viewer) {
            self.banned.push(viewer);
        }
    }

    /// Is there a place for somebody who dials us? Some are kept for our own dials.
    pub fn admits(&self, viewer: u32, places: Places) -> bool {
        !self.banned.contains(&viewer)
            && places.all < self.max_peers
            && places.all - places.outgoing < (self.max_peers * 3 / 4).max(1)
    }

    /// Somebody to dial now who is not `busy`: the one with the fewest failures. At most half of the places are
    /// filled by own dials.
    pub fn dial(&mut self, places: Places, now: Timestamp, busy: impl Fn(u32) -> bool) -> Option<u32> {
        if !self.may_dial(places) {
            return None;
        }
        let candidate = self
            .known
            .iter()
            .filter(|known| known.not_before <= now && !busy(known.viewer))
            .min_by_key(|known| known.failures)?
            .viewer;
        let refill = (now.0 - self.refilled.0) / DIAL_EVERY;
        self.refilled.0 += refill * DIAL_EVERY;
        self.dials = (u64::from(self.dials) + refill).min(u64::from(DIAL_BURST)) as u32;
        self.dials = self.dials.checked_sub(1)?;
        Some(candidate)
    }

    fn may_dial(&self, places: Places) -> bool {
        places.dials < MAX_DIALS
            && places.outgoing < self.max_peers.div_ceil(2)
            && places.all < self.max_peers
    }

    /// When [`Self::dial`] may have somebody whom it has not now.
    pub fn next_due(&self, places: Places, now: Timestamp, busy: impl Fn(u32) -> bool) -> Option<Timestamp> {
        if !self.may_dial(places) {
            return None;
        }
        let due = self
            .known
            .iter()
            .filter(|known| !busy(known.viewer))
            .map(|known| known.not_before)
            .min()?;
        Some(if due > now {
            due
        } else {
            Timestamp(self.refilled.0.max(now.0) + DIAL_EVERY)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    #[test]
    fn failures_back_off_and_bans_last() {
        let mut neighbours = Neighbours::new(16, at(0));
        neighbours.found(7, at(0));
        let places = Places::default();
        assert_eq!(neighbours.dial(places, at(0), |_| true), None);
        assert_eq!(neighbours.dial(places, at(0), |_| false), Some(7));
        neighbours.failed(7, at(0));
        assert_eq!(neighbours.dial(places, at(29), |_| false), None);
        assert_eq!(neighbours.next_due(places, at(29), |_| false), Some(at(30)));
        assert_eq!(neighbours.dial(places, at(30), |_| false), Some(7));
        neighbours.ban(7);
        neighbours.found(7, at(99));
        assert_eq!(neighbours.dial(places, at(99), |_| false), None);
        assert!(!neighbours.admits(7, places));
    }

    #[test]
    fn half_of_the_places_are_for_others() {
        let mut neighbours = Neighbours::new(4, at(0));
        neighbours.found(1, at(0));
        let places = |all, outgoing, dials| Places { all, outgoing, dials };
        assert_eq!(neighbours.dial(places(2, 2, 0), at(0), |_| false), None);
        assert_eq!(neighbours.dial(places(3, 0, 0), at(0), |_| false), Some(1));
        assert!(neighbours.admits(2, places(3, 2, 0)));
        assert!(!neighbours.admits(2, places(3, 0, 0)), "three came to us already");
        assert!(!neighbours.admits(2, places(4, 2, 0)));
    }

    #[test]
    fn dials_are_rationed() {
        let mut neighbours = Neighbours::new(100, at(0));
        (0..100).for_each(|viewer| neighbours.found(viewer, at(0)));
        let count = |neighbours: &mut Neighbours, now| {
            (0..50)
                .filter(|_| neighbours.dial(Places::default(), now, |_| false).is_some())
                .count()
        };
        assert_eq!(count(&mut neighbours, at(0)), DIAL_BURST as usize);
        assert_eq!(count(&mut neighbours, at(5)), 2);
    }
}
