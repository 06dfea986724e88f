//! How large a live swarm's subtrees are, and how long its peers keep segments.

use std::time::Duration;

use anyhow::bail;
use content::hls::MediaPlaylist;
use content::manifest::{MAX_DISCARD_WINDOW, MAX_SEGMENT_MS, MIN_SEGMENT_MS};
use content::{Integrity, Live};
use ppspp::proof::MAX_SIGNATURES;
use ppspp::segment_table::segment_bits;

use super::Options;
use super::signer::Shape;

/// Room in a segment's subtree at least.
const LEAST_ROOM: u64 = 4 << 20;
/// How much larger than those seen at the start a segment may become: an encoder with constant quality makes little of
/// a title card, and much of rain.
const GROWTH: u64 = 4;
/// How much larger than its share of the peak bit rate.
const OVER_PEAK: u64 = 2;

/// The shape of a new swarm. It never changes, so there is room for more than what was seen: four times the largest of
/// the first segments (of `largest` bytes), twice what the stated peak bit rate makes of a segment, 4 MiB. Room costs
/// little: one more hash on a chunk's way up for each doubling, and half of the numbers for segments (at 4 MiB in
/// chunks of 16 KiB there are 2^24: a year of 2 s segments).
pub fn shape(
    options: &Options,
    playlist: &MediaPlaylist,
    largest: u64,
    bandwidth: Option<u64>,
) -> anyhow::Result<Shape> {
    let peak = bandwidth.unwrap_or(0) / 8;
    let stated = peak
        .saturating_mul(playlist.target_duration)
        .saturating_mul(OVER_PEAK);
    let room = match options.max_segment {
        Some(room) => room,
        None => LEAST_ROOM
            .max(largest.saturating_mul(GROWTH))
            .max(stated.min(1 << 30)),
    };
    // RFC 7574 §6.1.2.1: a signed subtree has two chunks at least.
    let mut bits = segment_bits([room], options.chunk_size)?.max(1);
    if options.integrity == Integrity::SignAll {
        bits = bits.min(MAX_SIGNATURES.ilog2() as u8);
    }
    if bits > 31 {
        bail!("no segment can have {room} bytes");
    }
    Ok(Shape {
        chunk_size: options.chunk_size,
        segment_bits: bits,
        integrity: options.integrity,
    })
}

/// What `shoal.json` says of a swarm of that shape.
pub fn live(options: &Options, playlist: &MediaPlaylist, shape: &Shape) -> anyhow::Result<Live> {
    let longest = playlist
        .segments
        .iter()
        .map(|segment| segment.duration)
        .fold(0.0, f64::max);
    // RFC 8216 §4.3.3.1 bounds rounded durations: the longest of all may be a little above the target.
    let longest = Duration::try_from_secs_f64(longest)
        .unwrap_or_default()
        .as_millis();
    let longest = longest.max(u128::from(playlist.target_duration) * 1000);
    if longest > u128::from(MAX_SEGMENT_MS) {
        bail!("segments of {longest} ms, at most {MAX_SEGMENT_MS} can be live");
    }
    let segment_ms = (longest as u32).max(MIN_SEGMENT_MS);
    let most = u64::from(MAX_DISCARD_WINDOW).min(shape.segments() - 1);
    let window = options
        .discard_window
        .as_millis()
        .div_ceil(u128::from(segment_ms));
    Ok(Live {
        integrity: shape.integrity,
        discard_window: window.clamp(1, u128::from(most)) as u32,
        segment_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use content::hls::{self, Playlist};

    fn playlist(target: u64, duration: f64) -> MediaPlaylist {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n#EXTINF:{duration},\na\n");
        match hls::parse(&text).unwrap() {
            Playlist::Media(playlist) => playlist,
            other => panic!("{other:?}"),
        }
    }

    fn options(integrity: Integrity, max_segment: Option<u64>, seconds: u64) -> Options {
        Options {
            chunk_size: 16384,
            integrity,
            discard_window: Duration::from_secs(seconds),
            max_segment,
        }
    }

    #[test]
    fn room_for_peaks() {
        let bits = |integrity, max, target, largest, bandwidth| {
            let options = options(integrity, max, 60);
            shape(&options, &playlist(target, 2.0), largest, bandwidth).map(|shape| shape.segment_bits)
        };
        use Integrity::{SignAll, Unified};
        for (integrity, max, target, largest, bandwidth, want) in [
            // 4 MiB: 256 chunks.
            (Unified, None, 2, 1000, None, 8),
            (Unified, None, 2, 1 << 20, None, 8),
            (Unified, None, 2, (1 << 20) + 1, None, 9),
            // 20 Mbit/s: 2.5 MB/s, 6 s, twice that: 30 MB.
            (Unified, None, 6, 1000, Some(20_000_000), 11),
            (Unified, Some(100_000), 6, 1 << 20, Some(20_000_000), 3),
            (Unified, Some(1), 6, 1, None, 1),
            (SignAll, Some(1 << 30), 2, 1, None, 12),
            (Unified, None, 6, 1, Some(u64::MAX), 16),
        ] {
            let found = bits(integrity, max, target, largest, bandwidth).unwrap();
            assert_eq!(found, want, "{max:?} {target} {largest} {bandwidth:?}");
        }
        assert!(bits(Unified, Some(u64::MAX), 2, 1, None).is_err());
    }

    #[test]
    fn windows() {
        let window = |seconds, target, duration, segment_bits| {
            let shape = Shape {
                chunk_size: 16384,
                segment_bits,
                integrity: Integrity::Unified,
            };
            let live = live(
                &options(Integrity::Unified, None, seconds),
                &playlist(target, duration),
                &shape,
            )?;
            anyhow::Ok((live.discard_window, live.segment_ms))
        };
        assert_eq!(window(60, 2, 2.0, 8).unwrap(), (30, 2000));
        assert_eq!(window(60, 2, 2.4, 8).unwrap(), (25, 2400));
        assert_eq!(window(1, 4, 4.0, 8).unwrap(), (1, 4000));
        assert_eq!(window(0, 4, 4.0, 8).unwrap().0, 1);
        assert_eq!(window(1 << 40, 1, 1.0, 8).unwrap().0, 100_000);
        assert_eq!(window(1 << 40, 1, 1.0, 20).unwrap().0, 4095);
        assert_eq!(window(60, 0, 0.05, 8).unwrap().1, 100);
        assert!(window(60, 61, 2.0, 8).is_err());
    }
}
