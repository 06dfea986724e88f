//! Where a cost map is from.

use std::path::PathBuf;
use std::time::Duration;

use super::{CostMap, CostMapError};
use crate::fetch::Location;

/// One of the settings for maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `network_map` and `cost_map`.
    Files { network_map: PathBuf, cost_map: PathBuf },
    /// `prefixes`.
    Prefixes(PathBuf),
    /// `geo_databases`.
    Databases(Vec<PathBuf>),
    /// `alto_directory`, or `alto_network_map` and `alto_cost_map`, which are polled.
    Alto(AltoServer),
}

/// An ALTO server's maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AltoServer {
    pub(crate) maps: AltoMaps,
    /// From one poll to the next.
    pub(crate) interval: Duration,
    /// For each document.
    pub(crate) timeout: Duration,
}

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AltoMaps {
    /// Where this directory says (RFC 7285 §9).
    Directory(Location),
    /// There.
    Named {
        network_map: Location,
        cost_map: Location,
    },
}

impl Source {
    /// The setting that names it.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Files { .. } => "network_map",
            Self::Prefixes(_) => "prefixes",
            Self::Databases(_) => "geo_databases",
            Self::Alto(_) => "alto_network_map",
        }
    }

    /// As it is counted.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Files { .. } => "Files",
            Self::Prefixes(_) => "Prefixes",
            Self::Databases(_) => "Databases",
            Self::Alto(_) => "Alto",
        }
    }

    /// Reads it, where it is files.
    pub(crate) fn read(&self) -> Option<Result<CostMap, CostMapError>> {
        match self {
            Self::Files {
                network_map,
                cost_map,
            } => Some(CostMap::read(network_map, cost_map)),
            Self::Prefixes(path) => Some(CostMap::read_prefixes(path)),
            Self::Databases(paths) => Some(CostMap::read_databases(paths)),
            Self::Alto(_) => None,
        }
    }
}
