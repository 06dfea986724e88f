//! A bounded walk over ISO BMFF boxes (ISO/IEC 14496-12): just what the feeder must know of an init section and
//! of a segment. Never panics; whatever is cut off or malformed is absent.

use super::codecs;

/// One track of an init section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    /// `track_ID`.
    pub id: u32,
    /// Ticks per second of its decode times.
    pub timescale: u32,
    /// Is it video (`vide`)? Everything else is taken for audio.
    pub video: bool,
    /// RFC 6381 string of its first sample entry, if that is one the feeder knows.
    pub codec: Option<String>,
    /// Its samples are encrypted (`encv`, `enca`).
    pub encrypted: bool,
}

/// The tracks of an init section (`moov`), at most 16.
pub fn tracks(init: &[u8]) -> Vec<TrackInfo> {
    let Some(moov) = find(init, b"moov") else {
        return Vec::new();
    };
    Boxes(moov)
        .filter(|entry| entry.kind == *b"trak")
        .take(16)
        .filter_map(|trak| track(trak.body))
        .collect()
}

/// The decode time at which a segment starts (`moof`/`traf`/`tfdt` of its first fragment), in seconds on the
/// media's own timeline.
pub fn start_time(segment: &[u8], tracks: &[TrackInfo]) -> Option<f64> {
    let moof = find(segment, b"moof")?;
    let traf = find(moof, b"traf")?;
    let id = u32_at(find(traf, b"tfhd")?, 4)?;
    let tfdt = find(traf, b"tfdt")?;
    let ticks = match tfdt.first()? {
        0 => f64::from(u32_at(tfdt, 4)?),
        _ => f64::from(u32_at(tfdt, 4)?) * 4_294_967_296.0 + f64::from(u32_at(tfdt, 8)?),
    };
    let timescale = tracks.iter().find(|track| track.id == id)?.timescale;
    (timescale > 0).then(|| ticks / f64::from(timescale))
}

fn track(trak: &[u8]) -> Option<TrackInfo> {
    let tkhd = find(trak, b"tkhd")?;
    let id = u32_at(tkhd, if tkhd.first()? == &0 { 12 } else { 20 })?;
    let mdia = find(trak, b"mdia")?;
    let mdhd = find(mdia, b"mdhd")?;
    let timescale = u32_at(mdhd, if mdhd.first()? == &0 { 12 } else { 20 })?;
    let video = find(mdia, b"hdlr")?.get(8..12)? == b"vide";
    let stsd = find(find(find(mdia, b"minf")?, b"stbl")?, b"stsd")?;
    let entry = Boxes(stsd.get(8..)?).next()?;
    Some(TrackInfo {
        id,
        timescale,
        video,
        codec: codecs::of_sample_entry(entry.kind, entry.body),
        encrypted: matches!(&entry.kind, b"encv" | b"enca"),
    })
}

/// One box: its type and its contents (shorter than it says where the input is cut off).
pub struct Entry<'a> {
    pub kind: [u8; 4],
    pub body: &'a [u8],
}

/// The boxes that lie one after the other in `self.0`.
pub struct Boxes<'a>(pub &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let size = u32_at(self.0, 0)?;
        let kind = self.0.get(4..8)?.try_into().ok()?;
        let (header, size) = match size {
            0 => (8, self.0.len()),
            1 => {
                let high = u32_at(self.0, 8)?;
                let low = u32_at(self.0, 12)?;
                (16, if high > 0 { usize::MAX } else { low as usize })
            }
            size => (8, size as usize),
        };
        if size < header || self.0.len() < header {
            self.0 = &[];
            return None;
        }
        let end = size.min(self.0.len());
        let body = &self.0[header..end];
        self.0 = &self.0[end..];
        Some(Entry { kind, body })
    }
}

/// The contents of the first box of this type.
pub fn find<'a>(boxes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(boxes)
        .find(|entry| entry.kind == *kind)
        .map(|entry| entry.body)
}

/// A big-endian 32-bit number.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
pub mod testing {
    /// A box around `body`.
    pub fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(body);
        bytes
    }

    /// An init section with one track.
    pub fn init(id: u32, timescale: u32, handler: &[u8; 4], sample_entry: &[u8]) -> Vec<u8> {
        let mut tkhd = vec![0; 84];
        tkhd[12..16].copy_from_slice(&id.to_be_bytes());
        let mut mdhd = vec![0; 24];
        mdhd[12..16].copy_from_slice(&timescale.to_be_bytes());
        let mut hdlr = vec![0; 24];
        hdlr[8..12].copy_from_slice(handler);
        let stsd = [&[0, 0, 0, 0, 0, 0, 0, 1], sample_entry].concat();
        let minf = boxed(b"minf", &boxed(b"stbl", &boxed(b"stsd", &stsd)));
        let mdia = boxed(
            b"mdia",
            &[boxed(b"mdhd", &mdhd), boxed(b"hdlr", &hdlr), minf].concat(),
        );
        let trak = boxed(b"trak", &[boxed(b"tkhd", &tkhd), mdia].concat());
        [
            boxed(b"ftyp", b"iso6"),
            boxed(b"moov", &[boxed(b"mvhd", &[0; 100]), trak].concat()),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::{boxed, init};
    use super::*;

    fn segment(id: u32, version: u8, time: u64) -> Vec<u8> {
        let tfhd = [&[0, 2, 0, 0], &id.to_be_bytes()[..]].concat();
        let mut tfdt = vec![version, 0, 0, 0];
        match version {
            0 => tfdt.extend_from_slice(&(time as u32).to_be_bytes()),
            _ => tfdt.extend_from_slice(&time.to_be_bytes()),
        }
        let traf = boxed(b"traf", &[boxed(b"tfhd", &tfhd), boxed(b"tfdt", &tfdt)].concat());
        let moof = boxed(b"moof", &[boxed(b"mfhd", &[0; 8]), traf].concat());
        [boxed(b"styp", b"msdh"), moof, boxed(b"mdat", &[7; 100])].concat()
    }

    #[test]
    fn reads_tracks_and_start_times() {
        let tracks = tracks(&init(3, 12_800, b"vide", &boxed(b"avc1", &[0; 78])));
        assert_eq!(
            tracks,
            [TrackInfo {
                id: 3,
                timescale: 12_800,
                video: true,
                codec: None,
                encrypted: false
            }]
        );
        assert_eq!(start_time(&segment(3, 0, 25_600), &tracks), Some(2.0));
        assert_eq!(
            start_time(&segment(3, 1, 12_800 << 30), &tracks),
            Some(f64::from(1u32 << 30))
        );
        assert_eq!(start_time(&segment(4, 0, 25_600), &tracks), None);
    }

    #[test]
    fn large_sizes_and_truncation_are_survived() {
        let mut large = vec![0, 0, 0, 1];
        large.extend_from_slice(b"free");
        large.extend_from_slice(&20u64.to_be_bytes());
        large.extend_from_slice(&[1, 2, 3, 4]);
        large.extend_from_slice(&boxed(b"moov", b"x"));
        assert_eq!(find(&large, b"free"), Some(&[1, 2, 3, 4][..]));
        assert_eq!(find(&large, b"moov"), Some(&b"x"[..]));
        let whole = segment(1, 0, 5);
        let info = TrackInfo {
            id: 1,
            timescale: 1,
            video: true,
            codec: None,
            encrypted: false,
        };
        assert_eq!(start_time(&whole[..whole.len() - 90], &[info]), Some(5.0));
    }

    proptest! {
        #[test]
        fn never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400, value: u8) {
            tracks(&bytes);
            let mut real = init(1, 90_000, b"soun", &boxed(b"mp4a", &[0; 60]));
            real.append(&mut bytes);
            let at = at % real.len();
            real[at] = value;
            let found = tracks(&real);
            start_time(&real, &found);
        }
    }
}
