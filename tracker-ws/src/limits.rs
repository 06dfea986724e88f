//! Limits against abuse: rates of one socket, numbers of sockets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

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

/// A token bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    /// In millionths of a token.
    level: u64,
    at: Timestamp,
}

const TOKEN: u64 = 1_000_000;

impl Bucket {
    pub(crate) fn new(now: Timestamp, rate: Rate) -> Self {
        Self {
            rate,
            level: u64::from(rate.burst) * TOKEN,
            at: now,
        }
    }

    /// Takes `count` tokens, all or none.
    pub(crate) fn take(&mut self, now: Timestamp, count: u64) -> bool {
        // A microsecond at n tokens a second brings n millionths of a token.
        let earned = now
            .saturating_sub(self.at)
            .saturating_mul(u64::from(self.rate.per_second));
        self.level = self
            .level
            .saturating_add(earned)
            .min(u64::from(self.rate.burst) * TOKEN);
        self.at = now;
        let cost = count * TOKEN;
        let enough = self.level >= cost;
        if enough {
            self.level -= cost;
        }
        enough
    }
}

#[derive(Debug, Default)]
struct Counts {
    by_address: HashMap<IpAddr, usize>,
    all: usize,
}

/// Counts open sockets, all and by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sockets {
    counts: Arc<Mutex<Counts>>,
}

/// One counted socket, until dropped.
#[derive(Debug)]
pub(crate) struct SocketPermit {
    sockets: Sockets,
    address: IpAddr,
}

impl Sockets {
    /// Counts one more; `None` when there are enough.
    pub(crate) fn admit(&self, address: IpAddr, per_address: usize, all: usize) -> Option<SocketPermit> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let from_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.all >= all || from_address >= per_address {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, from_address + 1);
        Some(SocketPermit {
            sockets: self.clone(),
            address,
        })
    }

    pub(crate) fn open(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        let mut counts = self.sockets.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(
            0,
            Rate {
                per_second: 10,
                burst: 30,
            },
        );
        assert_eq!((0..100).filter(|_| bucket.take(0, 1)).count(), 30);
        assert!(!bucket.take(99_999, 1));
        assert!(bucket.take(100_000, 1));
        assert!(!bucket.take(100_000, 1));
        // A long pause fills it to the burst and no further.
        assert_eq!((0..100).filter(|_| bucket.take(3_600_000_000, 1)).count(), 30);
    }

    #[test]
    fn all_or_none() {
        let mut bucket = Bucket::new(
            0,
            Rate {
                per_second: 1,
                burst: 5,
            },
        );
        assert!(!bucket.take(0, 6));
        assert!(bucket.take(0, 5));
    }

    #[test]
    fn sockets_are_counted_until_dropped() {
        let (sockets, a, b) = (
            Sockets::default(),
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::from([127, 0, 0, 2]),
        );
        let first = sockets.admit(a, 1, 2).unwrap();
        assert!(sockets.admit(a, 1, 2).is_none());
        let _second = sockets.admit(b, 1, 2).unwrap();
        assert!(sockets.admit(IpAddr::from([127, 0, 0, 3]), 1, 2).is_none());
        drop(first);
        assert_eq!(sockets.open(), 1);
        assert!(sockets.admit(a, 1, 2).is_some());
    }
}
