//! HLS playlists (RFC 8216, with the names of draft-pantos-hls-rfc8216bis): what a publisher needs. The browser has the
//! same parser in TypeScript (`js/src/feeder/hls/`); `tests/playlists` is what both are tested with.
//!
//! The parser is our own. It does what we need and the crates for it do not all do: implicit byte-range offsets resolved,
//! line numbers for the publisher's messages, hard limits.
//!
//! Tags that do not change which bytes are which segment are skipped, as RFC 8216 §6.3.1 wants; those that do and
//! that are not supported (`EXT-X-DEFINE`, `EXT-X-SKIP`) are errors, because ignoring them would give wrong URIs or
//! wrong segments.

mod attributes;
mod error;
mod lines;
mod media;
mod multivariant;

pub use error::{PlaylistError, Problem};
pub use media::{InitSection, KeyMethod, MediaPlaylist, Segment};
pub use multivariant::{AudioRendition, MultivariantPlaylist, Variant};

use lines::{Line, lines};

/// Longest playlist accepted, in bytes.
pub const MAX_LENGTH: usize = 8 << 20;
/// Most segments of a media playlist.
pub const MAX_SEGMENTS: usize = 100_000;
/// Most different init sections of a media playlist.
pub const MAX_INIT_SECTIONS: usize = 256;
/// Most variants, and most audio renditions, of a multivariant playlist.
pub const MAX_RENDITIONS: usize = 1_000;
/// Longest URI or quoted string, in bytes.
pub const MAX_TEXT_LENGTH: usize = 8_192;

/// An HLS playlist of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Playlist {
    /// Lists variants and renditions.
    Multivariant(MultivariantPlaylist),
    /// Lists segments.
    Media(MediaPlaylist),
}

/// Reads a playlist. URIs stay as they are written, relative to the playlist's own.
///
/// # Errors
/// Not a playlist, beyond this module's limits, or one that cannot be understood for sure; with the line.
pub fn parse(text: &str) -> Result<Playlist, PlaylistError> {
    if text.len() > MAX_LENGTH {
        return Err(PlaylistError::new(0, Problem::TooLong(text.len())));
    }
    let mut all = lines(text);
    if !matches!(all.next(), Some((_, Line::Tag("EXTM3U", _)))) {
        return Err(PlaylistError::new(1, Problem::NotAPlaylist));
    }
    let is_multivariant = all.clone().any(|(_, line)| {
        matches!(
            line,
            Line::Tag("EXT-X-STREAM-INF" | "EXT-X-MEDIA" | "EXT-X-I-FRAME-STREAM-INF", _)
        )
    });
    if is_multivariant {
        multivariant::parse(all).map(Playlist::Multivariant)
    } else {
        media::parse(all).map(Playlist::Media)
    }
}

#[cfg(test)]
mod tests;
