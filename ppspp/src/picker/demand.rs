//! What the player wants.

use core::time::Duration;

use crate::{LinkId, Timestamp};

/// Pauses before a failed origin fetch is tried again.
const RETRY_ORIGIN: Duration = Duration::from_millis(500);
/// After this many failures a segment is given up: the player hears of it as of any failed HTTP request.
const MAX_FAILURES: u32 = 3;

/// A segment the player wants.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) deadline: Timestamp,
    pub(crate) since: Timestamp,
    pub(crate) p2p_bytes: u64,
    pub(crate) http_bytes: u64,
    pub(crate) sources: Vec<LinkId>,
    failures: u32,
    pub(super) retry_at: Timestamp,
    /// Nobody has asked for it yet: a live segment that the player will want next, as far as peers have it.
    pub(super) ahead: bool,
}

impl Demand {
    pub(super) fn new(deadline: Timestamp, now: Timestamp) -> Self {
        Self {
            deadline,
            since: now,
            p2p_bytes: 0,
            http_bytes: 0,
            sources: Vec::new(),
            failures: 0,
            retry_at: now,
            ahead: false,
        }
    }

    /// How long a live segment of this length has to spread, at least its length: where players hold back for many short
    /// segments, a third of what there is from when it is known to when it is needed. How fast a swarm spreads media
    /// hardly depends on how they are cut.
    pub(super) fn pace(&self, length: Duration) -> Duration {
        length.max(self.deadline.since(self.since) / 3)
    }

    /// Has the player asked for it?
    pub(crate) fn is_asked_for(&self) -> bool {
        !self.ahead
    }

    /// Has an origin fetch for it failed?
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// An origin fetch for it failed. `true` = give it up.
    pub(super) fn failed(&mut self, now: Timestamp) -> bool {
        self.failures += 1;
        self.retry_at = now + RETRY_ORIGIN * (1 << self.failures.min(8));
        self.failures >= MAX_FAILURES
    }
}
