//! `shoal.json`: the swarms of the playlists beside it (ARCHITECTURE.md, "`shoal.json`").
//!
//! Errors name the member ("swarms\[1\].swarm_id: 63 hex digits, want 64").

mod error;
mod reader;
mod writer;

use ppspp::hash::Hash;
use ppspp::segment_table::{SegmentTable, SegmentTableError};

pub use error::{ManifestError, Problem};

use crate::ByteRange;

/// Longest `shoal.json` accepted, in bytes.
pub const MAX_LENGTH: usize = 1 << 20;
/// Most swarms in one file.
pub const MAX_SWARMS: usize = 256;
/// Most trackers in one file.
pub const MAX_TRACKERS: usize = 16;
/// Most init sections of one swarm.
pub const MAX_INITS: usize = 256;
/// Longest URI, file name or codec list, in bytes.
pub const MAX_TEXT_LENGTH: usize = 2048;
/// Smallest chunk size, in bytes.
pub const MIN_CHUNK_SIZE: u32 = 1024;
/// Largest chunk size, in bytes: with its header and a segment's uncle hashes, one data-channel message of 64 KiB.
pub const MAX_CHUNK_SIZE: u32 = 64512;

/// The contents of a `shoal.json` of version 1, type "vod", hash "sha-256".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Size of every chunk but a segment's last, in bytes.
    pub chunk_size: u32,
    /// Trackers, `ws://` or `wss://`. May be empty: the page then configures one.
    pub trackers: Vec<String>,
    /// One swarm for each media playlist, or one for the plain file. At least one.
    pub swarms: Vec<SwarmEntry>,
}

/// One swarm: a media playlist's segments, or one plain file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmEntry {
    /// The media playlist or the plain file, relative to `shoal.json`. Unique in the file.
    pub playlist: String,
    /// Merkle root over the segments' subtree roots.
    pub swarm_id: Hash,
    /// Layers of each segment's subtree, 0..=31.
    pub segment_bits: u8,
    /// Number of segments, at least 1.
    pub segments: u32,
    /// Bytes of all segments together, init sections not among them.
    pub bytes: u64,
    /// The segment table, relative to `shoal.json`.
    pub table: String,
    /// The init sections the playlist names, in the order of their first use.
    pub inits: Vec<Init>,
    /// Codecs (RFC 6381), where the publisher knew them.
    pub codecs: Option<String>,
}

/// An init section: fetched over HTTP, and good if it hashes to `sha256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Relative to `shoal.json`.
    pub uri: String,
    /// The part of the file it is, or `None` for all of it.
    pub range: Option<ByteRange>,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
}

/// Why a segment table is not the one a [`SwarmEntry`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableMismatch {
    /// The table addresses no chunks of that size.
    #[error(transparent)]
    Table(#[from] SegmentTableError),
    /// Its roots hash to something else.
    #[error("the segment table hashes to {found}, the swarm ID is {want}")]
    SwarmId {
        /// Swarm ID of the manifest.
        want: Hash,
        /// Root of the table.
        found: Hash,
    },
    /// The manifest's `segments`, `bytes` or `segment_bits` is not the table's.
    #[error("{member} is {want} in shoal.json and {found} by the segment table")]
    Member {
        /// Name of the member.
        member: &'static str,
        /// Value in the manifest.
        want: u64,
        /// Value the table makes.
        found: u64,
    },
}

impl Manifest {
    /// Reads a `shoal.json`. Unknown members are ignored.
    ///
    /// # Errors
    /// Too long, no JSON, or a member that is missing, of the wrong type, or out of its range.
    pub fn parse(json: impl AsRef<[u8]>) -> Result<Self, ManifestError> {
        reader::manifest(json.as_ref())
    }

    /// The file's text: members in a fixed order, indented, with a final newline. The same manifest always gives the
    /// same bytes.
    pub fn to_json(&self) -> String {
        writer::manifest(self)
    }

    /// The swarm of a media playlist or plain file, by its name relative to `shoal.json`.
    pub fn swarm(&self, playlist: &str) -> Option<&SwarmEntry> {
        self.swarms.iter().find(|swarm| swarm.playlist == playlist)
    }
}

impl SwarmEntry {
    /// Is this the segment table of this swarm, cut into chunks of `chunk_size` bytes? Nothing in a table may be used
    /// before this said yes.
    ///
    /// # Errors
    /// The first difference found; the hash is looked at first.
    pub fn check_table(&self, table: &SegmentTable, chunk_size: u32) -> Result<(), TableMismatch> {
        table.check()?;
        let found = table.swarm_id();
        if found != self.swarm_id {
            return Err(TableMismatch::SwarmId {
                want: self.swarm_id,
                found,
            });
        }
        let bits = table.segment_bits(chunk_size)?;
        for (member, want, found) in [
            ("segments", u64::from(self.segments), table.segments.len() as u64),
            ("bytes", self.bytes, table.bytes()),
            ("segment_bits", u64::from(self.segment_bits), u64::from(bits)),
        ] {
            if want != found {
                return Err(TableMismatch::Member { member, want, found });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
