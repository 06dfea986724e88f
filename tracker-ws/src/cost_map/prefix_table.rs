//! Longest-prefix match: nested prefixes are flattened once into ranges side by side, and a binary search finds the one an
//! address is in.

use std::net::IpAddr;

use super::Pid;
use crate::prefix::Prefix;

/// Where a range begins, which goes on to the next, and what it belongs to.
type Start<A> = (A, Option<Pid>);

/// Which PID an address belongs to.
#[derive(Debug, Default)]
pub(super) struct PrefixTable {
    v4: Vec<Start<u32>>,
    v6: Vec<Start<u128>>,
}

impl PrefixTable {
    pub(super) fn new(prefixes: &[(Prefix, Pid)]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (prefix, pid) in prefixes {
            let bits = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_bits().into(),
                IpAddr::V6(address) => address.to_bits(),
            };
            let (first, last) = prefix.ends();
            let blocks = if first.is_ipv4() { &mut v4 } else { &mut v6 };
            blocks.push((bits(first), bits(last), *pid));
        }
        let short = |(start, pid): Start<u128>| Some((u32::try_from(start).ok()?, pid));
        Self {
            v4: flatten(v4).into_iter().filter_map(short).collect(),
            v6: flatten(v6),
        }
    }

    pub(super) fn get(&self, address: IpAddr) -> Option<Pid> {
        match address.to_canonical() {
            IpAddr::V4(address) => find(&self.v4, address.to_bits()),
            IpAddr::V6(address) => find(&self.v6, address.to_bits()),
        }
    }
}

fn find<A: Copy + Ord>(starts: &[Start<A>], address: A) -> Option<Pid> {
    let after = starts.partition_point(|(start, _)| *start <= address);
    starts.get(after.checked_sub(1)?)?.1
}

/// Blocks either hold each other or have nothing in common: those around a point are a stack.
fn flatten(mut blocks: Vec<(u128, u128, Pid)>) -> Vec<Start<u128>> {
    blocks.sort_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
    let mut starts = Vec::new();
    let mut around: Vec<(u128, Pid)> = Vec::new();
    for (first, last, pid) in blocks {
        while let Some(ended) = around.pop_if(|(end, _)| *end < first) {
            resume(&mut starts, ended.0, &around);
        }
        begin(&mut starts, first, Some(pid));
        around.push((last, pid));
    }
    while let Some((end, _)) = around.pop() {
        resume(&mut starts, end, &around);
    }
    starts.shrink_to_fit();
    starts
}

/// After the end of a block goes on the one around it.
fn resume(starts: &mut Vec<Start<u128>>, end: u128, around: &[(u128, Pid)]) {
    if let Some(next) = end.checked_add(1) {
        begin(starts, next, around.last().map(|(_, pid)| *pid));
    }
}

fn begin(starts: &mut Vec<Start<u128>>, at: u128, pid: Option<Pid>) {
    // A range of no length has no place.
    starts.pop_if(|(start, _)| *start == at);
    if starts.last().and_then(|(_, before)| *before) != pid {
        starts.push((at, pid));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn naive(prefixes: &[(IpAddr, u8, Pid)], address: IpAddr) -> Option<Pid> {
        let bits = |address: IpAddr, length: u8| match address {
            IpAddr::V4(address) => (4, u128::from(address.to_bits()).checked_shr((32 - length).into())),
            IpAddr::V6(address) => (6, address.to_bits().checked_shr((128 - length).into())),
        };
        let matching = prefixes.iter().filter(|(prefix, length, _)| {
            prefix.is_ipv4() == address.is_ipv4() && bits(*prefix, *length) == bits(address, *length)
        });
        // Of two equal ones any: the test gives equal prefixes equal PIDs.
        matching
            .max_by_key(|(_, length, _)| *length)
            .map(|(_, _, pid)| *pid)
    }

    /// Few different bits, so that prefixes hold each other, touch, and are at both ends of all addresses.
    fn address() -> impl Strategy<Value = IpAddr> {
        let corner = prop_oneof![Just(0_u8), Just(1), Just(127), Just(128), Just(255)];
        prop_oneof![
            proptest::array::uniform4(corner.clone()).prop_map(|octets| Ipv4Addr::from(octets).into()),
            proptest::array::uniform16(corner).prop_map(|octets| Ipv6Addr::from(octets).into()),
        ]
    }

    fn prefix() -> impl Strategy<Value = (IpAddr, u8)> {
        (address(), any::<u8>()).prop_map(|(address, length)| match address {
            IpAddr::V4(_) => (address, length % 33),
            IpAddr::V6(_) => (address, length % 129),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn finds_what_a_scan_finds(
            prefixes in proptest::collection::vec(prefix(), 0..60),
            addresses in proptest::collection::vec(address(), 1..60),
        ) {
            let mut table: Vec<(Prefix, Pid)> = Vec::new();
            let mut list = Vec::new();
            for (index, (address, length)) in prefixes.into_iter().enumerate() {
                let block = Prefix::new(address, length).unwrap();
                let pid = Pid::try_from(index % 7).unwrap();
                // As in a network map, no prefix has two PIDs.
                if table.iter().all(|(other, _)| *other != block) {
                    table.push((block, pid));
                    list.push((address, length, pid));
                }
            }
            let table = PrefixTable::new(&table);
            let ends = list.iter().map(|(address, _, _)| *address).collect::<Vec<_>>();
            for address in addresses.into_iter().chain(ends) {
                // IPv4 in IPv6 is looked up as IPv4.
                prop_assert_eq!(table.get(address), naive(&list, address.to_canonical()), "{}", address);
            }
        }
    }

    #[test]
    fn an_empty_table_has_nothing() {
        assert_eq!(PrefixTable::new(&[]).get("::1".parse().unwrap()), None);
    }
}
