//! The init sections of a live playlist, hashed for `shoal.json`.

use std::path::Path;

use content::Init;
use content::hls::InitSection;
use content::manifest::MAX_INITS;
use ppspp::Hash;

use super::stamp::{Reading, Stamp, read};
use crate::location::Location;

/// Longest file with an init section, in bytes: an init section alone has a few KiB.
const MAX_LENGTH: u64 = 64 << 20;

/// Init sections in the order of their first use.
#[derive(Debug, Default)]
pub struct Inits {
    known: Vec<(Stamp, Init)>,
}

impl Inits {
    /// Takes in those that a version of the playlist at `base` names. Files that did not change are not read again;
    /// what cannot be read is left out: players load it as they would without a hash.
    pub fn update(&mut self, root: &Path, base: &Location, sections: &[InitSection]) {
        let mut found = Vec::new();
        for section in sections.iter().take(MAX_INITS) {
            let Ok(location) = base.join(&section.uri) else {
                continue;
            };
            let (uri, path) = (location.uri(), location.path(root));
            let Ok(stamp) = Stamp::of(&path) else { continue };
            let known = self
                .known
                .iter()
                .find(|(known, init)| *known == stamp && init.uri == uri && init.range == section.byte_range);
            if let Some(known) = known {
                found.push(known.clone());
                continue;
            }
            let Ok(Reading::Whole(stamp, bytes)) = read(&path, MAX_LENGTH) else {
                continue;
            };
            let bytes = match section.byte_range {
                None => Some(&bytes[..]),
                Some(range) => bytes.get(range.offset as usize..range.end() as usize),
            };
            if let Some(bytes) = bytes {
                let init = Init {
                    uri,
                    range: section.byte_range,
                    sha256: Hash::of_chunk(bytes),
                };
                found.push((stamp, init));
            }
        }
        self.known = found;
    }

    /// Those of the last version.
    pub fn list(&self) -> Vec<Init> {
        self.known.iter().map(|(_, init)| init.clone()).collect()
    }
}
