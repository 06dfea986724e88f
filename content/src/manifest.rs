//! `shoal.json`: the swarms of the playlists beside it (ARCHITECTURE.md, "`shoal.json`").
//!
//! Errors name the member ("swarms\[1\].swarm_id: 63 hex digits, want 64").

mod error;
mod reader;
mod tracker_key;
mod writer;

use ppspp::live::LiveKey;
use ppspp::options::IntegrityMethod;
use ppspp::segment_table::{SegmentTable, SegmentTableError};
use ppspp::{Hash, SwarmId};

pub use error::{ManifestError, Problem};
pub use tracker_key::TrackerKey;

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

/// Most segments in a live swarm's discard window.
pub const MAX_DISCARD_WINDOW: u32 = 100_000;
/// Shortest upper bound of a live segment's duration, in milliseconds.
pub const MIN_SEGMENT_MS: u32 = 100;
/// Longest upper bound of a live segment's duration, in milliseconds.
pub const MAX_SEGMENT_MS: u32 = 60_000;

/// The contents of a `shoal.json` of version 1, hash "sha-256".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Size of every chunk but a segment's last, in bytes.
    pub chunk_size: u32,
    /// Trackers, `ws://` or `wss://`. May be empty: the page then configures one.
    pub trackers: Vec<String>,
    /// The key that the trackers sign membership certificates with (RFC 7574 §8.13).
    pub tracker_key: Option<TrackerKey>,
    /// One swarm for each media playlist, or one for the plain file. At least one, and all of one kind: a file's
    /// `type` is either "vod" or "live".
    pub swarms: Vec<SwarmEntry>,
}

/// One swarm: a media playlist's segments, or one plain file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmEntry {
    /// The media playlist or the plain file, relative to `shoal.json`. Unique in the file.
    pub playlist: String,
    /// VoD: the Merkle root over the segments' subtree roots. Live: the publisher's key, unique in the file.
    pub swarm_id: SwarmId,
    /// Layers of each segment's subtree: 0..=31, live 1..=31.
    pub segment_bits: u8,
    /// The init sections the playlist names, in the order of their first use.
    pub inits: Vec<Init>,
    /// Codecs (RFC 6381), where the publisher knew them.
    pub codecs: Option<String>,
    /// What the swarm's chunks are checked against.
    pub content: Content,
}

/// What only one of the kinds of swarms has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All there from the start.
    Vod(Vod),
    /// Made and signed while it is watched.
    Live(Live),
}

/// Static content (RFC 7574 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vod {
    /// Number of segments, at least 1.
    pub segments: u32,
    /// Bytes of all segments together, init sections not among them.
    pub bytes: u64,
    /// The segment table, relative to `shoal.json`.
    pub table: String,
}

/// Live content (RFC 7574 §6). A segment's number is its media sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// What is signed.
    pub integrity: Integrity,
    /// Segments that a peer keeps and serves behind the newest: 1..=[`MAX_DISCARD_WINDOW`], of less than 2^32 chunks.
    pub discard_window: u32,
    /// Upper bound of a segment's duration, milliseconds: [`MIN_SEGMENT_MS`]..=[`MAX_SEGMENT_MS`].
    pub segment_ms: u32,
}

/// What a live publisher signs (RFC 7574 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrity {
    /// "unified": each segment's subtree root.
    Unified,
    /// "sign-all": each chunk.
    SignAll,
}

impl Integrity {
    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::SignAll => "sign-all",
        }
    }

    /// Its number in the protocol (RFC 7574 §7.5).
    pub const fn method(self) -> IntegrityMethod {
        match self {
            Self::Unified => IntegrityMethod::UnifiedMerkleTree,
            Self::SignAll => IntegrityMethod::SignAll,
        }
    }
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableMismatch {
    /// A live swarm has no table.
    #[error("a live swarm has no segment table")]
    Live,
    /// The table addresses no chunks of that size.
    #[error(transparent)]
    Table(#[from] SegmentTableError),
    /// Its roots hash to something else.
    #[error("the segment table hashes to {found}, the swarm ID is {want}")]
    SwarmId {
        /// Swarm ID of the manifest.
        want: SwarmId,
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
    /// What a VoD swarm has.
    pub fn vod(&self) -> Option<&Vod> {
        match &self.content {
            Content::Vod(vod) => Some(vod),
            Content::Live(_) => None,
        }
    }

    /// What a live swarm has.
    pub fn live(&self) -> Option<&Live> {
        match &self.content {
            Content::Vod(_) => None,
            Content::Live(live) => Some(live),
        }
    }

    /// The Merkle root that a VoD swarm's ID is.
    pub fn root(&self) -> Option<Hash> {
        self.vod()?;
        let bytes: [u8; 32] = self.swarm_id.as_ref().try_into().ok()?;
        Some(Hash::new(bytes))
    }

    /// The publisher's key that a live swarm's ID is.
    pub fn live_key(&self) -> Option<LiveKey> {
        self.live()?;
        LiveKey::from_swarm_id(self.swarm_id.as_ref()).ok()
    }

    /// Is this the segment table of this swarm, cut into chunks of `chunk_size` bytes? Nothing in a table may be used
    /// before this said yes.
    ///
    /// # Errors
    /// The first difference found; the hash is looked at first.
    pub fn check_table(&self, table: &SegmentTable, chunk_size: u32) -> Result<(), TableMismatch> {
        let vod = self.vod().ok_or(TableMismatch::Live)?;
        table.check()?;
        let found = table.swarm_id();
        if Some(found) != self.root() {
            return Err(TableMismatch::SwarmId {
                want: self.swarm_id.clone(),
                found,
            });
        }
        let bits = table.segment_bits(chunk_size)?;
        for (member, want, found) in [
            ("segments", u64::from(vod.segments), table.segments.len() as u64),
            ("bytes", vod.bytes, table.bytes()),
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
