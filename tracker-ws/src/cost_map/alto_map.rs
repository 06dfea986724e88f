//! An ALTO network map with a cost map of it.

use std::net::IpAddr;

use super::prefix_table::PrefixTable;
use super::{CostMapError, Document, Pid, alto};

/// Both maps.
#[derive(Debug)]
pub(super) struct AltoMap {
    prefixes: PrefixTable,
    /// Of the PIDs.
    names: Vec<String>,
    /// From each PID to each.
    costs: Vec<f32>,
    default: f32,
}

impl AltoMap {
    pub(super) fn parse(network_map: Document<'_>, cost_map: Document<'_>) -> Result<Self, CostMapError> {
        let network = alto::network_map(network_map)?;
        let entries = alto::cost_map(cost_map, &network)?;
        let pids = network.pids.len();
        // What is not known is never better than what is.
        let default = entries.iter().map(|(_, _, cost)| *cost).fold(0.0, f32::max);
        let mut costs = vec![default; pids * pids];
        for (from, to, cost) in entries {
            costs[usize::from(from) * pids + usize::from(to)] = cost;
        }
        let prefixes = PrefixTable::new(&network.prefixes);
        let mut numbered: Vec<_> = network.pids.into_iter().collect();
        numbered.sort_unstable_by_key(|(_, pid)| *pid);
        Ok(Self {
            prefixes,
            names: numbered.into_iter().map(|(name, _)| name).collect(),
            costs,
            default,
        })
    }

    pub(super) fn default_cost(&self) -> f32 {
        self.default
    }

    pub(super) fn pid(&self, address: IpAddr) -> Option<Pid> {
        self.prefixes.get(address)
    }

    pub(super) fn name_of(&self, address: IpAddr) -> Option<&str> {
        let pid = self.pid(address)?;
        self.names.get(usize::from(pid)).map(String::as_str)
    }

    pub(super) fn cost(&self, from: Pid, to: Pid) -> f32 {
        let at = usize::from(from) * self.names.len() + usize::from(to);
        self.costs.get(at).copied().unwrap_or(self.default)
    }
}
