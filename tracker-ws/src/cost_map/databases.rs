//! Databases of MaxMind's format.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use maxminddb::Reader;
use serde::Deserialize;

use super::{CostMapError, MAX_DATABASE, Region, read_bytes};

/// Some databases: what the first of them does not say of an address, the next may.
pub(super) struct Databases(Vec<Reader<Vec<u8>>>);

/// Of a record, what is used. Countries and networks are in databases of their own, or in one.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    continent: Option<Continent<'a>>,
    #[serde(borrow)]
    country: Option<Country<'a>>,
    /// Where the address block is registered, of addresses that are in no country.
    #[serde(borrow)]
    registered_country: Option<Country<'a>>,
    autonomous_system_number: Option<u32>,
    traits: Option<Traits>,
}

#[derive(Deserialize)]
struct Continent<'a> {
    code: Option<&'a str>,
}

#[derive(Deserialize)]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct Traits {
    autonomous_system_number: Option<u32>,
}

impl Databases {
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, CostMapError> {
        let readers = paths.iter().map(|path| {
            let document = path.display().to_string();
            let bytes = read_bytes(path, &document, MAX_DATABASE)?;
            Reader::from_source(bytes).map_err(|source| CostMapError::Database {
                document,
                source: Box::new(source),
            })
        });
        readers.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn region(&self, address: IpAddr) -> Option<Region> {
        let address = address.to_canonical();
        let mut region = Region::default();
        for reader in &self.0 {
            // A broken record, and an IPv6 address in a database of IPv4, is as one that is not there.
            let record = reader
                .lookup(address)
                .and_then(|found| found.decode::<Record<'_>>());
            if let Ok(Some(record)) = record {
                region = record.add_to(region);
            }
        }
        Some(region).filter(|region| region.is_known())
    }

    pub(super) fn name_of(&self, address: IpAddr) -> Option<String> {
        let region = self.region(address)?;
        let code = match region.area {
            0 => region.continent,
            area => area,
        };
        let letters = code.to_be_bytes();
        let area = std::str::from_utf8(&letters).ok().filter(|_| code > 0);
        Some(region.describe(area))
    }
}

impl Record<'_> {
    fn add_to(&self, known: Region) -> Region {
        fn or(known: u16, code: Option<&str>) -> u16 {
            match known {
                0 => code.map_or(0, number),
                known => known,
            }
        }
        let country = self.country.as_ref().and_then(|country| country.iso_code);
        let registered = self
            .registered_country
            .as_ref()
            .and_then(|country| country.iso_code);
        let of_traits = self
            .traits
            .as_ref()
            .and_then(|traits| traits.autonomous_system_number);
        let system = match known.system {
            0 => self.autonomous_system_number.or(of_traits).unwrap_or(0),
            known => known,
        };
        Region {
            system,
            area: or(known.area, country.or(registered)),
            continent: or(
                known.continent,
                self.continent.as_ref().and_then(|continent| continent.code),
            ),
        }
    }
}

/// A code of two letters (ISO 3166-1, continents) as a number; others are not known.
fn number(code: &str) -> u16 {
    match *code.as_bytes() {
        [first, second] => u16::from_be_bytes([first, second]),
        _ => 0,
    }
}

impl fmt::Debug for Databases {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self.0.iter().map(|reader| &reader.metadata().database_type);
        out.debug_list().entries(types).finish()
    }
}
