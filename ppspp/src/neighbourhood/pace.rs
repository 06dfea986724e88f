//! How often something may happen: token buckets, kept as one time each.

use crate::Timestamp;

/// A limit: `burst` at once, then one every `period` microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many may happen at once; at least 1.
    pub burst: u64,
    /// Time after which one more may happen, microseconds.
    pub period: u64,
}

/// What has been used of a [`Pace`]: the time when nothing of it will be used any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket(Timestamp);

impl Pace {
    /// When the next one may happen: the past when it may happen now.
    pub fn ready(&self, bucket: Bucket) -> Timestamp {
        Timestamp(bucket.0.0.saturating_sub((self.burst - 1) * self.period))
    }

    /// Takes one, if it may happen at `now`.
    pub fn take(&self, bucket: &mut Bucket, now: Timestamp) -> bool {
        let may = self.ready(*bucket) <= now;
        if may {
            bucket.0 = Timestamp(bucket.0.max(now).0.saturating_add(self.period));
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_each_period() {
        let pace = Pace {
            burst: 3,
            period: 1000,
        };
        let mut bucket = Bucket::default();
        let mut taken = |now| (0..10).filter(|_| pace.take(&mut bucket, Timestamp(now))).count();
        assert_eq!([taken(5000), taken(5999), taken(6000), taken(8000)], [3, 0, 1, 2]);
        assert_eq!(taken(1_000_000), 3);
        assert_eq!(pace.ready(bucket), Timestamp(1_001_000));
    }
}
