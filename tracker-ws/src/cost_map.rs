//! What traffic between two addresses costs the networks between them, as an operator knows it.
//!
//! * `alto_map`: the maps of RFC 7285, from two documents (`alto`).
//! * `prefix_file` and `databases`: the region and autonomous system of each address (`region`).

mod alto;
mod alto_map;
mod databases;
mod error;
mod prefix_file;
mod prefix_table;
mod region;
mod source;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub(crate) use alto::METRICS;
use alto_map::AltoMap;
use databases::Databases;
pub use error::CostMapError;
use prefix_file::PrefixFile;
use region::Region;
pub(crate) use source::{AltoMaps, AltoServer, Source};

/// Longest document, bytes.
pub(crate) const MAX_DOCUMENT: usize = 32 * 1024 * 1024;
/// Largest database, bytes: all that is sold are smaller.
const MAX_DATABASE: usize = 1024 * 1024 * 1024;
/// Most PIDs: the table of costs has the square of it, 16 MiB.
const MAX_PIDS: usize = 2048;
/// Most prefixes; all of the Internet's routes are about that many.
const MAX_PREFIXES: usize = 1 << 20;

/// A group of addresses (RFC 7285 §5.1), by its number in a map.
type Pid = u16;

/// Where an address is, in the terms of the map that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a group that the map names.
    Pid(Pid),
    /// In a region, or an autonomous system.
    Region(Region),
}

/// An ALTO document, and where it is from: errors name it.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// A file's path, or a URL.
    pub name: &'a str,
    /// The JSON text.
    pub text: &'a str,
}

/// What each pair of addresses costs; smaller is better. One of:
///
/// * an ALTO network map with an ALTO cost map (RFC 7285 §11.2): addresses belong to the PID with the longest matching
///   prefix, and each pair of PIDs has a cost;
/// * a list of prefixes with their regions and autonomous systems, or databases of them: the cost is 0 to 3, by what two
///   addresses have in common.
#[derive(Debug)]
pub struct CostMap(Kind);

#[derive(Debug)]
enum Kind {
    Alto(AltoMap),
    Prefixes(PrefixFile),
    Databases(Databases),
}

impl CostMap {
    /// Reads both ALTO documents from files.
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
        AltoMap::parse(network_map, cost_map).map(|map| Self(Kind::Alto(map)))
    }

    /// Reads a list of prefixes: a line for each, `192.0.2.0/24 DE AS64500`; region or AS may be `-`.
    ///
    /// # Errors
    /// [`CostMapError`]: the file cannot be read, or a line of it is wrong or one too many.
    pub fn read_prefixes(path: &Path) -> Result<Self, CostMapError> {
        let name = path.display().to_string();
        let text = read(path, &name)?;
        let map = PrefixFile::parse(Document {
            name: &name,
            text: &text,
        })?;
        Ok(Self(Kind::Prefixes(map)))
    }

    /// Reads databases of MaxMind's format that have countries, autonomous systems or both.
    ///
    /// # Errors
    /// [`CostMapError`]: a file cannot be read, or is no such database.
    pub fn read_databases(paths: &[PathBuf]) -> Result<Self, CostMapError> {
        Databases::read(paths).map(|databases| Self(Kind::Databases(databases)))
    }

    /// What a pair costs of which the map says nothing: as much as its dearest.
    pub fn default_cost(&self) -> f32 {
        match &self.0 {
            Kind::Alto(map) => map.default_cost(),
            Kind::Prefixes(_) | Kind::Databases(_) => region::MOST,
        }
    }

    /// What traffic from one address to another costs.
    pub fn cost(&self, from: IpAddr, to: IpAddr) -> f32 {
        self.cost_of(self.pid(from), self.pid(to))
    }

    /// What an address belongs to, for an operator to read: the name of its PID, or its region and AS number.
    pub fn name_of(&self, address: IpAddr) -> Option<Cow<'_, str>> {
        match &self.0 {
            Kind::Alto(map) => map.name_of(address).map(Cow::Borrowed),
            Kind::Prefixes(map) => map.name_of(address).map(Cow::Borrowed),
            Kind::Databases(map) => map.name_of(address).map(Cow::Owned),
        }
    }

    /// What an address belongs to.
    pub(crate) fn pid(&self, address: IpAddr) -> Option<Place> {
        match &self.0 {
            Kind::Alto(map) => map.pid(address).map(Place::Pid),
            Kind::Prefixes(map) => map.region(address).map(Place::Region),
            Kind::Databases(map) => map.region(address).map(Place::Region),
        }
    }

    /// As [`CostMap::cost`], of places that are known already.
    pub(crate) fn cost_of(&self, from: Option<Place>, to: Option<Place>) -> f32 {
        match (&self.0, from, to) {
            (Kind::Alto(map), Some(Place::Pid(from)), Some(Place::Pid(to))) => map.cost(from, to),
            (Kind::Prefixes(_) | Kind::Databases(_), Some(Place::Region(from)), Some(Place::Region(to))) => {
                from.cost(to)
            }
            _ => self.default_cost(),
        }
    }
}

fn read(path: &Path, name: &str) -> Result<String, CostMapError> {
    String::from_utf8(read_bytes(path, name, MAX_DOCUMENT)?).map_err(|error| CostMapError::Read {
        document: name.to_owned(),
        source: std::io::Error::other(error.utf8_error()),
    })
}

fn read_bytes(path: &Path, name: &str, limit: usize) -> Result<Vec<u8>, CostMapError> {
    let failed = |source| CostMapError::Read {
        document: name.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    // One byte more tells a long one from one that just fits.
    let mut file = file.take(limit as u64 + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() > limit {
        true => Err(CostMapError::TooLong {
            document: name.to_owned(),
            limit,
        }),
        false => Ok(bytes),
    }
}
