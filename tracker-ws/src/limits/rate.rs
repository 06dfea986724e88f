//! Rates, and the buckets of tokens that keep them.

use serde::{Deserialize, Serialize};
use tracker_protocol::server::Timestamp;

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// In the long run, per second.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// A token bucket. It is told the rate every time, which may change meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// In millionths of a token.
    level: u64,
    at: Timestamp,
}

const TOKEN: u64 = 1_000_000;

impl Bucket {
    pub(crate) fn new(now: Timestamp, rate: Rate) -> Self {
        Self {
            level: u64::from(rate.burst) * TOKEN,
            at: now,
        }
    }

    /// Takes `count` tokens, all or none.
    pub(crate) fn take(&mut self, now: Timestamp, rate: Rate, count: u64) -> bool {
        // A microsecond at n tokens a second brings n millionths of a token.
        let earned = now
            .saturating_sub(self.at)
            .saturating_mul(u64::from(rate.per_second));
        self.level = self
            .level
            .saturating_add(earned)
            .min(u64::from(rate.burst) * TOKEN);
        self.at = now;
        let cost = count * TOKEN;
        let enough = self.level >= cost;
        if enough {
            self.level -= cost;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 30,
    };

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(0, RATE);
        assert_eq!((0..100).filter(|_| bucket.take(0, RATE, 1)).count(), 30);
        assert!(!bucket.take(99_999, RATE, 1));
        assert!(bucket.take(100_000, RATE, 1));
        assert!(!bucket.take(100_000, RATE, 1));
        // A long pause fills it to the burst and no further.
        assert_eq!(
            (0..100).filter(|_| bucket.take(3_600_000_000, RATE, 1)).count(),
            30
        );
    }

    #[test]
    fn all_or_none() {
        let mut bucket = Bucket::new(0, RATE);
        assert!(!bucket.take(0, RATE, 31));
        assert!(bucket.take(0, RATE, 30));
    }

    #[test]
    fn the_rate_may_change() {
        let mut bucket = Bucket::new(0, RATE);
        let lower = Rate {
            per_second: 1,
            burst: 2,
        };
        assert_eq!((0..100).filter(|_| bucket.take(0, lower, 1)).count(), 2);
        assert!(!bucket.take(999_999, lower, 1) && bucket.take(1_000_000, lower, 1));
        assert_eq!((0..100).filter(|_| bucket.take(2_000_000, RATE, 1)).count(), 10);
    }
}
