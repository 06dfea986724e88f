//! What the publisher writes and the peer reads: `shoal.json`, and HLS playlists (ARCHITECTURE.md, "Content formats").
//!
//! * [`manifest`]: `shoal.json`, which names the swarms of a playlist's folder.
//! * [`hls`]: the part of HLS playlists (RFC 8216) that a publisher needs.
//!
//! Everything read here may come from a hostile server: parsers are bounded, never panic, and say what they refused
//! and where. No I/O, and no URI resolution: that is the browser's, or the publisher's.

mod byte_range;
pub mod hls;
pub mod manifest;

pub use byte_range::ByteRange;
pub use manifest::{Content, Init, Integrity, Live, Manifest, ManifestError, SwarmEntry, TrackerKey, Vod};
