//! Numbers of sockets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tracker_protocol::server::Timestamp;

use super::Rate;
use super::address::block;
use super::paces::Paces;
use crate::metrics::Refusal;

/// How many sockets there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketLimits {
    /// At once.
    pub(crate) all: usize,
    /// At once, from one address.
    pub(crate) per_address: usize,
    /// New ones from one address.
    pub(crate) new: Rate,
}

#[derive(Debug, Default)]
struct Counts {
    /// Of addresses with open sockets, so never more than those.
    by_address: HashMap<IpAddr, usize>,
    all: usize,
    paces: Paces,
    /// Of requests that proxies bring.
    posts: Paces,
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
    /// Of all.
    counts: bool,
    /// Of those from this address.
    address: Option<IpAddr>,
}

impl Sockets {
    /// Counts one more.
    ///
    /// # Errors
    /// Which limit is reached.
    pub(crate) fn admit(
        &self,
        now: Timestamp,
        address: IpAddr,
        limits: SocketLimits,
    ) -> Result<SocketPermit, Refusal> {
        let address = block(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= limits.all {
            return Err(Refusal::TooMany);
        }
        let from_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if from_address >= limits.per_address {
            return Err(Refusal::TooManyOfAddress);
        }
        if !counts.paces.take(now, address, limits.new) {
            return Err(Refusal::TooFastOfAddress);
        }
        counts.all += 1;
        counts.by_address.insert(address, from_address + 1);
        Ok(self.permit(true, Some(address)))
    }

    /// Counts one more, of a proxy: it brings those of many addresses.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn admit_proxy(&self, limits: SocketLimits) -> Result<SocketPermit, Refusal> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= limits.all {
            return Err(Refusal::TooMany);
        }
        counts.all += 1;
        Ok(self.permit(true, None))
    }

    /// Counts one that is a proxy's by the address it comes from.
    ///
    /// # Errors
    /// Which limit is reached.
    pub(crate) fn admit_behind(
        &self,
        now: Timestamp,
        address: IpAddr,
        limits: SocketLimits,
    ) -> Result<SocketPermit, Refusal> {
        let address = block(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let from_address = counts.by_address.get(&address).copied().unwrap_or(0);
        if from_address >= limits.per_address {
            return Err(Refusal::TooManyOfAddress);
        }
        if !counts.paces.take(now, address, limits.new) {
            return Err(Refusal::TooFastOfAddress);
        }
        counts.by_address.insert(address, from_address + 1);
        Ok(self.permit(false, Some(address)))
    }

    /// May another request be posted from this address, on whatever connections of proxies?
    pub(crate) fn takes_post(&self, now: Timestamp, address: IpAddr, rate: Rate) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.posts.take(now, block(address), rate)
    }

    fn permit(&self, counts: bool, address: Option<IpAddr>) -> SocketPermit {
        SocketPermit {
            sockets: self.clone(),
            counts,
            address,
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        let mut counts = self.sockets.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= usize::from(self.counts);
        if let Some(address) = self.address
            && let Some(count) = counts.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SocketLimits = SocketLimits {
        all: 3,
        per_address: 2,
        new: Rate {
            per_second: 1,
            burst: 5,
        },
    };

    fn refused(sockets: &Sockets, now: Timestamp, address: &str) -> Option<Refusal> {
        sockets.admit(now, address.parse().unwrap(), LIMITS).err()
    }

    #[test]
    fn sockets_are_counted_until_dropped() {
        let sockets = Sockets::default();
        let admit = |address: &str| sockets.admit(0, address.parse().unwrap(), LIMITS).unwrap();
        let (first, _second) = (admit("127.0.0.1"), admit("127.0.0.1"));
        assert_eq!(refused(&sockets, 0, "127.0.0.1"), Some(Refusal::TooManyOfAddress));
        let _third = admit("127.0.0.2");
        assert_eq!(refused(&sockets, 0, "127.0.0.3"), Some(Refusal::TooMany));
        drop(first);
        assert_eq!(sockets.open(), 2);
        assert_eq!(refused(&sockets, 0, "127.0.0.1"), None);
    }

    #[test]
    fn all_of_a_64_count_as_one() {
        let sockets = Sockets::default();
        let admit = |address: &str| sockets.admit(0, address.parse().unwrap(), LIMITS).unwrap();
        let _open = (admit("2001:db8::1"), admit("2001:db8::2"));
        assert_eq!(
            refused(&sockets, 0, "2001:db8::3"),
            Some(Refusal::TooManyOfAddress)
        );
        assert_eq!(refused(&sockets, 0, "2001:db8:0:1::3"), None);
        // IPv4 is counted alike, whichever way it comes in.
        let _other = admit("192.0.2.1");
        assert_eq!(refused(&sockets, 0, "::ffff:192.0.2.1"), Some(Refusal::TooMany));
    }

    #[test]
    fn those_of_a_proxy_are_counted_by_the_addresses_behind_it() {
        let sockets = Sockets::default();
        let proxy = || sockets.admit_proxy(LIMITS).unwrap();
        let _proxies = (proxy(), proxy());
        let behind = |address: &str| sockets.admit_behind(0, address.parse().unwrap(), LIMITS);
        let (first, _second) = (behind("192.0.2.1").unwrap(), behind("192.0.2.1").unwrap());
        assert_eq!(behind("192.0.2.1").err(), Some(Refusal::TooManyOfAddress));
        assert_eq!(sockets.open(), 2);
        drop(first);
        assert!(behind("192.0.2.1").is_ok());
        let _third = proxy();
        assert_eq!(sockets.admit_proxy(LIMITS).err(), Some(Refusal::TooMany));
        // They share the pace of those that come without a proxy.
        let errors = (0..9).map(|_| behind("192.0.2.2").err()).collect::<Vec<_>>();
        assert_eq!(errors[5..], [Some(Refusal::TooFastOfAddress); 4]);
    }

    #[test]
    fn new_ones_are_limited_in_rate() {
        let sockets = Sockets::default();
        let tries = |now| (0..9).map(|_| refused(&sockets, now, "::1")).collect::<Vec<_>>();
        let first = tries(0);
        assert_eq!(first[..5], [None; 5]);
        assert_eq!(first[5..], [Some(Refusal::TooFastOfAddress); 4]);
        assert_eq!(tries(1_000_000)[..2], [None, Some(Refusal::TooFastOfAddress)]);
        assert_eq!(sockets.counts.lock().unwrap().by_address.len(), 0);
    }
}
