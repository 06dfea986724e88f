//! Why something is not a manifest.

use ppspp::hash::ParseHashError;
use ppspp::live::LiveKeyError;

use super::tracker_key::NotATrackerKey;
use super::{MAX_LENGTH, MAX_TEXT_LENGTH};

/// Why something is not a `shoal.json` of version 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Longer than [`MAX_LENGTH`].
    #[error("shoal.json: {0} bytes, at most {MAX_LENGTH} are accepted")]
    TooLong(usize),
    /// Not JSON; the message says where.
    #[error("shoal.json: {0}")]
    Json(String),
    /// JSON, but a member is not as it must be.
    #[error("shoal.json: {path}: {problem}")]
    Member {
        /// Where, as "swarms\[1\].swarm_id".
        path: String,
        /// What.
        problem: Box<Problem>,
    },
}

/// As JSON writes it.
fn quoted(text: &str) -> String {
    let mut json = json::Writer::new();
    json.text(text);
    json.into_text()
}

/// What is wrong with a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not there.
    #[error("missing")]
    Missing,
    /// There more than once.
    #[error("given twice")]
    Twice,
    /// Of another type.
    #[error("not {0}")]
    Type(&'static str),
    /// A number outside its limits.
    #[error("{found}, want {min} to {max}")]
    Range {
        /// The number in the file.
        found: u64,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// A list that is too long.
    #[error("{found} entries, at most {max} are accepted")]
    TooMany {
        /// Entries in the file.
        found: usize,
        /// Most allowed.
        max: usize,
    },
    /// A list that may not be empty.
    #[error("empty")]
    Empty,
    /// Not a hash.
    #[error(transparent)]
    Hash(#[from] ParseHashError),
    /// A value this version does not know.
    #[error("{}, want {want}", quoted(found))]
    Value {
        /// The value in the file (shortened).
        found: String,
        /// Those this version knows, in quotes.
        want: &'static str,
    },
    /// A text longer than [`MAX_TEXT_LENGTH`].
    #[error("{0} bytes, at most {MAX_TEXT_LENGTH} are accepted")]
    TextTooLong(usize),
    /// A text with a control character.
    #[error("has a control character")]
    ControlCharacter,
    /// A tracker of another scheme, or without a host.
    #[error("not a ws:// or wss:// URL")]
    TrackerUrl,
    /// Not hexadecimal digits, two for each byte.
    #[error("not pairs of hex digits")]
    Hex,
    /// Not a publisher's key.
    #[error(transparent)]
    LiveKey(#[from] LiveKeyError),
    /// Not a tracker's key.
    #[error(transparent)]
    TrackerKey(#[from] NotATrackerKey),
    /// The key of an earlier live entry: two streams would be one swarm.
    #[error("the same as swarms[{0}].swarm_id")]
    DuplicateKey(usize),
    /// A live swarm's peers would keep more chunks than there are numbers.
    #[error("{discard_window} segments of 2^{segment_bits} chunks are not below 2^32 chunks")]
    Window {
        /// Number of segments.
        discard_window: u32,
        /// Layers of each.
        segment_bits: u8,
    },
    /// The playlist of an earlier entry.
    #[error("the same as swarms[{0}].playlist")]
    DuplicatePlaylist(usize),
    /// Chunk numbers would not fit 32 bits.
    #[error("{segments} segments of 2^{segment_bits} chunks are more than 2^32 chunks")]
    TooManyChunks {
        /// Number of segments.
        segments: u32,
        /// Layers of each.
        segment_bits: u8,
    },
    /// One of `offset` and `length` without the other.
    #[error("offset and length go together")]
    HalfRange,
    /// A range that is empty or ends too far out.
    #[error("not a byte range")]
    ByteRange,
}
