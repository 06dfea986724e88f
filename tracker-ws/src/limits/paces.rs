//! How fast each of many goes.

use std::collections::HashMap;
use std::net::IpAddr;

use tracker_protocol::server::Timestamp;

use super::{Bucket, Rate};

/// Addresses that are remembered at once, at most twice as many: some 10 MB.
const GENERATION: usize = 65_536;

/// A bucket for each address. When many have come since an address was last seen, it is forgotten, which gives it a full
/// bucket again: a flood from ever new addresses is for the limit of all sockets to stop, and must not cost memory.
#[derive(Debug, Default)]
pub(super) struct Paces {
    young: HashMap<IpAddr, Bucket>,
    old: HashMap<IpAddr, Bucket>,
}

impl Paces {
    /// Takes a token of this address.
    pub(super) fn take(&mut self, now: Timestamp, address: IpAddr, rate: Rate) -> bool {
        if let Some(bucket) = self.young.get_mut(&address) {
            return bucket.take(now, rate, 1);
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let bucket = self.old.remove(&address);
        let mut bucket = bucket.unwrap_or_else(|| Bucket::new(now, rate));
        let taken = bucket.take(now, rate, 1);
        self.young.insert(address, bucket);
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const RATE: Rate = Rate {
        per_second: 1,
        burst: 2,
    };

    #[test]
    fn each_address_has_its_own() {
        let (mut paces, a, b) = (
            Paces::default(),
            IpAddr::from([192, 0, 2, 1]),
            IpAddr::from([192, 0, 2, 2]),
        );
        assert_eq!([(); 3].map(|()| paces.take(0, a, RATE)), [true, true, false]);
        assert!(paces.take(0, b, RATE));
        assert!(paces.take(1_000_000, a, RATE) && !paces.take(1_000_000, a, RATE));
    }

    #[test]
    fn a_flood_of_addresses_costs_no_more_memory() {
        let (mut paces, slow) = (Paces::default(), IpAddr::from([192, 0, 2, 1]));
        let mut taken = 0;
        for number in 0..1_000_000_u32 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(number));
            paces.take(0, address, RATE);
            assert!(paces.young.len() + paces.old.len() <= 2 * GENERATION);
            // Who is seen often is not forgotten.
            if number % 1000 == 0 {
                taken += usize::from(paces.take(0, slow, RATE));
            }
        }
        assert_eq!(taken, 2);
    }
}
