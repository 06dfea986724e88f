//! Where a peer is, as the tracker sees it.

use std::net::IpAddr;

use crate::cost_map::{CostMap, Place};

/// Others never learn any of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    /// Where its last request came from.
    pub(super) address: IpAddr,
    /// What the cost map says the address belongs to; looked up once, for it is used in many lists.
    pub(super) pid: Option<Place>,
}

impl Location {
    pub(super) fn new(address: IpAddr, costs: Option<&CostMap>) -> Self {
        Self {
            address,
            pid: costs.and_then(|costs| costs.pid(address)),
        }
    }
}
