//! Whom a peer writes to unasked.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use tracker_protocol::server::Timestamp;

const MINUTE: Timestamp = 60_000_000;

/// The peers that one peer has made offers to in the last minute. Answers go to who asked, and do not count.
#[derive(Debug, Default)]
pub(crate) struct Receivers {
    /// Hashes, with when they came first: 16 bytes each. Nobody can find two peers of one hash, which is keyed.
    recent: VecDeque<(Timestamp, u64)>,
    hasher: RandomState,
}

impl Receivers {
    /// May it make an offer to this peer, being one of `most`?
    pub(crate) fn take(&mut self, now: Timestamp, peer: &str, most: usize) -> bool {
        while let Some((since, _)) = self.recent.front()
            && now >= since + MINUTE
        {
            self.recent.pop_front();
        }
        let hash = self.hasher.hash_one(peer);
        if self.recent.iter().any(|(_, recent)| *recent == hash) {
            return true;
        }
        if self.recent.len() >= most {
            return false;
        }
        self.recent.push_back((now, hash));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_minute() {
        let mut receivers = Receivers::default();
        assert!(receivers.take(0, "a", 2) && receivers.take(1, "b", 2));
        assert!(!receivers.take(2, "c", 2));
        assert!(receivers.take(3, "a", 2) && receivers.take(3, "b", 2));
        assert!(!receivers.take(MINUTE - 1, "c", 2));
        // The first is a minute old.
        assert!(receivers.take(MINUTE, "c", 2) && !receivers.take(MINUTE, "a", 2));
        assert_eq!(receivers.recent.len(), 2);
    }
}
