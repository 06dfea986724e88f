//! Where a peer is, as the tracker sees it.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use crate::cost_map::{CostMap, Place};

/// Others never learn any of it.
#[derive(Clone, Debug)]
pub(super) struct Location {
    /// Where its last request came from.
    pub(super) address: IpAddr,
    /// What the map of this number says the address belongs to. Kept, for it is used in many lists.
    known: Cell<(u64, Option<Place>)>,
}

impl Location {
    pub(super) fn new(address: IpAddr) -> Self {
        Self {
            address,
            known: Cell::new((0, None)),
        }
    }
}

/// The map in use. A peer is looked up in it when that is first needed: a new map takes no time, however many peers there
/// are, and they share the work among the requests that need it.
#[derive(Debug, Default)]
pub(super) struct Costs {
    map: Option<Arc<CostMap>>,
    /// Another for each map, from 1, so that what a former one has said is not taken for this one's.
    number: u64,
}

impl Costs {
    /// Takes another map into use; returns the former one.
    pub(super) fn replace(&mut self, map: Option<Arc<CostMap>>) -> Option<Arc<CostMap>> {
        self.number += 1;
        std::mem::replace(&mut self.map, map)
    }

    pub(super) fn map(&self) -> Option<&Arc<CostMap>> {
        self.map.as_ref()
    }

    /// What the peer's address belongs to.
    pub(super) fn place(&self, location: &Location) -> Option<Place> {
        let map = self.map.as_ref()?;
        let (number, place) = location.known.get();
        if number == self.number {
            return place;
        }
        let place = map.pid(location.address);
        location.known.set((self.number, place));
        place
    }

    /// Was it looked up in the map that is in use?
    #[cfg(test)]
    pub(super) fn knows(&self, location: &Location) -> bool {
        location.known.get().0 == self.number
    }

    /// What traffic from a network to a peer costs.
    pub(super) fn cost(&self, from: Option<Place>, to: &Location) -> f32 {
        let map = self.map.as_ref();
        map.map_or(0.0, |map| map.cost_of(from, self.place(to)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost_map::Document;

    fn map(prefix: &str, cost: u32) -> Option<Arc<CostMap>> {
        let document = |text| Document { name: "map", text };
        let network = format!(r#"{{"network-map": {{"a": {{"ipv4": ["{prefix}"]}}}}}}"#);
        let costs = format!(r#"{{"cost-map": {{"a": {{"a": {cost}}}}}}}"#);
        CostMap::parse(document(&network), document(&costs))
            .map(Arc::new)
            .ok()
    }

    #[test]
    fn what_a_former_map_said_does_not_count() {
        let mut costs = Costs::default();
        let (one, two) = ([192, 0, 2, 1], [198, 51, 100, 1]);
        let (one, two) = (Location::new(one.into()), Location::new(two.into()));
        assert_eq!((costs.place(&one), costs.cost(None, &one)), (None, 0.0));
        assert!(costs.replace(map("192.0.2.0/24", 3)).is_none());
        let place = costs.place(&one);
        assert!(place.is_some() && costs.place(&one) == place && costs.place(&two).is_none());
        assert_eq!(costs.cost(place, &one), 3.0);
        // In the next map, the other one has that number.
        assert!(costs.replace(map("198.51.100.0/24", 4)).is_some());
        assert_eq!((costs.place(&one), costs.place(&two)), (None, place));
        assert_eq!(costs.cost(place, &two), 4.0);
        assert!(costs.replace(None).is_some() && costs.map().is_none());
        assert_eq!((costs.place(&two), costs.cost(None, &two)), (None, 0.0));
    }
}
