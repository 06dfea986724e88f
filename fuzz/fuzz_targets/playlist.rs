//! HLS playlists: never a panic, and what is accepted holds together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_content::ByteRange;
use shoal_content::hls::{MAX_INIT_SECTIONS, MAX_RENDITIONS, MAX_SEGMENTS, Playlist, parse};

fuzz_target!(|text: &str| {
    let lines = text.lines().count() as u32 + 1;
    let fits = |range: &ByteRange| range.length > 0 && range.end() <= ByteRange::MAX_END;
    match parse(text) {
        Ok(Playlist::Media(playlist)) => {
            assert!(playlist.segments.len() <= MAX_SEGMENTS && playlist.maps.len() <= MAX_INIT_SECTIONS);
            assert!(
                playlist
                    .hold_back
                    .is_none_or(|seconds| seconds.is_finite() && seconds >= 0.0)
            );
            assert!(playlist.start_offset.is_none_or(f64::is_finite));
            for segment in &playlist.segments {
                assert!(segment.duration.is_finite() && segment.duration >= 0.0);
                assert!(segment.map.is_none_or(|map| map < playlist.maps.len()));
                assert!(segment.byte_range.as_ref().is_none_or(fits));
                assert!(!segment.uri.is_empty() && segment.line <= lines);
            }
            assert!(
                playlist
                    .maps
                    .iter()
                    .all(|map| map.byte_range.as_ref().is_none_or(fits))
            );
        }
        Ok(Playlist::Multivariant(playlist)) => {
            assert!(!playlist.variants.is_empty() && playlist.variants.len() <= MAX_RENDITIONS);
            assert!(playlist.audio.len() <= MAX_RENDITIONS);
            for variant in &playlist.variants {
                assert!(!variant.uri.is_empty() && variant.line <= lines);
            }
        }
        Err(error) => assert!(error.line <= lines),
    }
});
