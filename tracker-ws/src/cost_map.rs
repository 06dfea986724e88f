//! What traffic between two addresses costs the networks between them, as an operator knows it.

mod alto;
mod error;
mod prefix_table;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use alto::CostEntries;
pub use error::CostMapError;
use prefix_table::PrefixTable;

/// Longest document, bytes.
const MAX_DOCUMENT: usize = 32 * 1024 * 1024;
/// Most PIDs: the table of costs has the square of it, 16 MiB.
const MAX_PIDS: usize = 2048;
/// Most prefixes; all of the Internet's routes are about that many.
const MAX_PREFIXES: usize = 1 << 20;

/// A group of addresses (RFC 7285 §5.1), by its number in a map.
pub(crate) type Pid = u16;

/// An ALTO document, and where it is from: errors name it.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// A file's path, or a URL.
    pub name: &'a str,
    /// The JSON text.
    pub text: &'a str,
}

/// An ALTO network map with an ALTO cost map (RFC 7285 §11.2): addresses belong to the PID with the longest matching
/// prefix, and each pair of PIDs has a cost. Smaller is better.
#[derive(Debug)]
pub struct CostMap {
    prefixes: PrefixTable,
    /// Of the PIDs.
    names: Vec<String>,
    /// From each PID to each.
    costs: Vec<f32>,
    pids: usize,
    default: f32,
}

impl CostMap {
    /// Reads both documents from files.
    ///
    /// # Errors
    /// [`CostMapError`]: a file cannot be read, or as for [`CostMap::parse`].
    pub fn read(network_map: &Path, cost_map: &Path) -> Result<Self, CostMapError> {
        let (network_name, cost_name) = (network_map.display().to_string(), cost_map.display().to_string());
        let (network_text, cost_text) = (read(network_map, &network_name)?, read(cost_map, &cost_name)?);
        Self::parse(
            Document {
                name: &network_name,
                text: &network_text,
            },
            Document {
                name: &cost_name,
                text: &cost_text,
            },
        )
    }

    /// Reads an InfoResourceNetworkMap (RFC 7285 §11.2.1.6) and an InfoResourceCostMap of it (§11.2.3.6).
    ///
    /// # Errors
    /// [`CostMapError`]: a document is too long, is not JSON, or has an entry that is wrong or one too many; or the cost map
    /// is of another network map, or of a metric of which more is better.
    pub fn parse(network_map: Document<'_>, cost_map: Document<'_>) -> Result<Self, CostMapError> {
        let network = alto::network_map(network_map)?;
        let costs = alto::cost_map(cost_map, &network)?;
        Ok(Self::new(
            PrefixTable::new(&network.prefixes),
            alto::names(&network),
            &costs,
        ))
    }

    fn new(prefixes: PrefixTable, names: Vec<String>, entries: &CostEntries) -> Self {
        let pids = names.len();
        // What is not known is never better than what is.
        let default = entries.iter().map(|(_, _, cost)| *cost).fold(0.0, f32::max);
        let mut costs = vec![default; pids * pids];
        for (from, to, cost) in entries {
            costs[usize::from(*from) * pids + usize::from(*to)] = *cost;
        }
        Self {
            prefixes,
            names,
            costs,
            pids,
            default,
        }
    }

    /// What a pair costs of which the map says nothing: as much as its dearest.
    pub fn default_cost(&self) -> f32 {
        self.default
    }

    /// What traffic from one address to another costs.
    pub fn cost(&self, from: IpAddr, to: IpAddr) -> f32 {
        self.cost_of(self.pid(from), self.pid(to))
    }

    /// The group an address belongs to.
    pub(crate) fn pid(&self, address: IpAddr) -> Option<Pid> {
        self.prefixes.get(address)
    }

    /// What the network map calls a group.
    pub(crate) fn name(&self, pid: Pid) -> Option<&str> {
        self.names.get(usize::from(pid)).map(String::as_str)
    }

    /// As [`CostMap::cost`], of PIDs that are known already.
    pub(crate) fn cost_of(&self, from: Option<Pid>, to: Option<Pid>) -> f32 {
        let (Some(from), Some(to)) = (from, to) else {
            return self.default;
        };
        let at = usize::from(from) * self.pids + usize::from(to);
        self.costs.get(at).copied().unwrap_or(self.default)
    }
}

fn read(path: &Path, name: &str) -> Result<String, CostMapError> {
    let failed = |source| CostMapError::Read {
        document: name.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    // One byte more tells a long one from one that just fits.
    let mut file = file.take(MAX_DOCUMENT as u64 + 1);
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
