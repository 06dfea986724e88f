//! RFC 6381 codec strings: which belong to video and which to audio, and what an init section's sample entry is
//! called where a playlist does not say.

use super::boxes::{find, u32_at};

/// What a track plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// Video, with its audio if that is muxed in.
    Video,
    /// Audio alone.
    Audio,
}

/// Is this one codec string (`avc1.64001f`) an audio codec? `None` if it is unknown (subtitles, for example).
pub fn is_audio(codec: &str) -> Option<bool> {
    let name = codec.split('.').next().unwrap_or(codec);
    const VIDEO: [&str; 14] = [
        "avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "dvav", "dva1", "vp08", "vp09", "vp8", "vp9", "av01",
        "vvc1",
    ];
    const AUDIO: [&str; 9] = [
        "mp4a", "opus", "flac", "ac-3", "ec-3", "ac-4", "alac", "mhm1", "vorbis",
    ];
    let is = |known: &&str| known.eq_ignore_ascii_case(name);
    if VIDEO.iter().any(is) {
        Some(false)
    } else if AUDIO.iter().any(is) {
        Some(true)
    } else {
        None
    }
}

/// The part of a variant's CODECS that one SourceBuffer gets. `None` if the list has nothing of that kind.
///
/// `demuxed`: audio comes in playlists of its own, so a video track has none.
pub fn select(codecs: &str, media: Media, demuxed: bool) -> Option<String> {
    let mut chosen = String::new();
    let mut found = false;
    for codec in codecs.split(',').map(str::trim) {
        let Some(audio) = is_audio(codec) else { continue };
        let wanted = match media {
            Media::Video => !audio || !demuxed,
            Media::Audio => audio,
        };
        if wanted {
            found |= audio == (media == Media::Audio);
            if !chosen.is_empty() {
                chosen.push(',');
            }
            chosen.push_str(codec);
        }
    }
    found.then_some(chosen)
}

/// The SourceBuffer type of these codecs: `video/mp4; codecs="…"`.
pub fn mime(codecs: &str) -> String {
    let video = codecs
        .split(',')
        .any(|codec| is_audio(codec.trim()) == Some(false));
    let mut mime = String::from(if video { "video" } else { "audio" });
    mime.push_str("/mp4; codecs=\"");
    // A playlist's text ends up in a quoted string: it must not end it.
    mime.extend(codecs.chars().filter(|c| !matches!(c, '"' | '\\')));
    mime.push('"');
    mime
}

/// The codec string of a sample entry (its box type and contents). `None` if it is none the feeder knows.
pub fn of_sample_entry(kind: [u8; 4], entry: &[u8]) -> Option<String> {
    const VISUAL: usize = 78;
    const AUDIO: usize = 28;
    let name = std::str::from_utf8(&kind).ok()?;
    match &kind {
        b"avc1" | b"avc3" => {
            let config = find(entry.get(VISUAL..)?, b"avcC")?;
            let mut codec = with_dot(name);
            config.get(1..4)?.iter().for_each(|byte| hex(&mut codec, *byte));
            Some(codec)
        }
        b"hvc1" | b"hev1" => hevc(name, find(entry.get(VISUAL..)?, b"hvcC")?),
        b"vp09" => {
            let config = find(entry.get(VISUAL..)?, b"vpcC")?;
            let mut codec = String::from(name);
            for value in [*config.get(4)?, *config.get(5)?, config.get(6)? >> 4] {
                codec.push('.');
                decimal2(&mut codec, value);
            }
            Some(codec)
        }
        b"av01" => {
            let config = find(entry.get(VISUAL..)?, b"av1C")?;
            let (second, third) = (*config.get(1)?, *config.get(2)?);
            let mut codec = with_dot(name);
            codec.push_str(&(second >> 5).to_string());
            codec.push('.');
            decimal2(&mut codec, second & 31);
            codec.push(if third & 0x80 == 0 { 'M' } else { 'H' });
            codec.push('.');
            let (high, twelve) = ((third >> 6) & 1, (third >> 5) & 1);
            decimal2(&mut codec, 8 + 2 * high + 2 * (high & twelve));
            Some(codec)
        }
        b"mp4a" => aac(find(entry.get(AUDIO..)?, b"esds")?),
        b"Opus" => Some("opus".into()),
        b"fLaC" => Some("flac".into()),
        b"ac-3" | b"ec-3" => Some(name.into()),
        _ => None,
    }
}

/// ISO/IEC 14496-15 annex E: profile, reversed compatibility flags, tier and level, constraint bytes.
fn hevc(name: &str, config: &[u8]) -> Option<String> {
    let profile = *config.get(1)?;
    let constraints = config.get(6..12)?;
    let mut codec = with_dot(name);
    if let space @ 1..=3 = profile >> 6 {
        codec.push(char::from(b'A' + space - 1));
    }
    codec.push_str(&(profile & 31).to_string());
    codec.push('.');
    let digits = u32_at(config, 2)?.reverse_bits().to_be_bytes();
    let mut flags = String::new();
    digits.iter().for_each(|byte| hex(&mut flags, *byte));
    let flags = flags.trim_start_matches('0');
    codec.push_str(if flags.is_empty() { "0" } else { flags });
    codec.push('.');
    codec.push(if profile & 0x20 == 0 { 'L' } else { 'H' });
    codec.push_str(&config.get(12)?.to_string());
    let used = constraints
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        codec.push('.');
        hex(&mut codec, *byte);
    }
    Some(codec)
}

/// `esds`: the object type of MPEG-4's DecoderConfigDescriptor and, for AAC, the audio object type.
fn aac(esds: &[u8]) -> Option<String> {
    let elementary = descriptor(esds.get(4..)?, 3)?;
    let flags = *elementary.get(2)?;
    let mut at = 3;
    if flags & 0x80 != 0 {
        at += 2;
    }
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*elementary.get(at)?);
    }
    if flags & 0x20 != 0 {
        at += 2;
    }
    let config = descriptor(elementary.get(at..)?, 4)?;
    let object = *config.first()?;
    let mut codec = String::from("mp4a.");
    hex(&mut codec, object);
    if object == 0x40 {
        let specific = descriptor(config.get(13..)?, 5)?;
        let first = *specific.first()?;
        let audio = match first >> 3 {
            31 => 32 + (((first & 7) << 3) | (specific.get(1)? >> 5)),
            audio => audio,
        };
        codec.push('.');
        codec.push_str(&audio.to_string());
    }
    Some(codec)
}

/// The contents of the descriptor `tag` that starts here (ISO/IEC 14496-1 §8.3.3).
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    if *bytes.first()? != tag {
        return None;
    }
    let mut length = 0;
    for at in 1..5 {
        let byte = *bytes.get(at)?;
        length = (length << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            let body = &bytes[at + 1..];
            return Some(&body[..length.min(body.len())]);
        }
    }
    None
}

fn with_dot(name: &str) -> String {
    let mut codec = String::from(name);
    codec.push('.');
    codec
}

fn hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
    }
}

fn decimal2(text: &mut String, value: u8) {
    if value < 10 {
        text.push('0');
    }
    text.push_str(&value.to_string());
}

#[cfg(test)]
mod tests {
    use super::super::boxes::testing::boxed;
    use super::*;

    fn visual(kind: &[u8; 4], config_kind: &[u8; 4], config: &[u8]) -> Option<String> {
        of_sample_entry(*kind, &[&[0; 78][..], &boxed(config_kind, config)].concat())
    }

    #[test]
    fn splits_a_variants_codecs() {
        let both = "avc1.42c00d, mp4a.40.2";
        assert_eq!(select(both, Media::Video, true).as_deref(), Some("avc1.42c00d"));
        assert_eq!(
            select(both, Media::Video, false).as_deref(),
            Some("avc1.42c00d,mp4a.40.2")
        );
        assert_eq!(select(both, Media::Audio, true).as_deref(), Some("mp4a.40.2"));
        assert_eq!(select("avc1.42c00d,stpp.ttml.im1t", Media::Audio, true), None);
        assert_eq!(select("mp4a.40.2", Media::Video, false), None);
        assert_eq!(select("", Media::Video, false), None);
        assert_eq!(mime("avc1.42c00d"), "video/mp4; codecs=\"avc1.42c00d\"");
        assert_eq!(mime("mp4a.40.2"), "audio/mp4; codecs=\"mp4a.40.2\"");
        assert_eq!(mime("avc1.\"; x=\""), "video/mp4; codecs=\"avc1.; x=\"");
    }

    #[test]
    fn names_video_sample_entries() {
        assert_eq!(
            visual(b"avc1", b"avcC", &[1, 0x42, 0xc0, 0x0d, 3]).as_deref(),
            Some("avc1.42c00d")
        );
        assert_eq!(visual(b"avc1", b"avcC", &[1, 0x42]), None);
        let hevc = [1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93];
        assert_eq!(
            visual(b"hvc1", b"hvcC", &hevc).as_deref(),
            Some("hvc1.1.6.L93.b0")
        );
        assert_eq!(
            visual(b"vp09", b"vpcC", &[1, 0, 0, 0, 0, 31, 0x82]).as_deref(),
            Some("vp09.00.31.08")
        );
        assert_eq!(
            visual(b"av01", b"av1C", &[0x81, 4, 0x0c]).as_deref(),
            Some("av01.0.04M.08")
        );
        assert_eq!(
            visual(b"av01", b"av1C", &[0x81, 4, 0x4c]).as_deref(),
            Some("av01.0.04M.10")
        );
        assert_eq!(
            visual(b"av01", b"av1C", &[0x81, 0x44, 0x60]).as_deref(),
            Some("av01.2.04M.12")
        );
        assert_eq!(
            visual(b"av01", b"av1C", &[0x81, 0x44, 0xe0]).as_deref(),
            Some("av01.2.04H.12")
        );
        assert_eq!(visual(b"encv", b"sinf", &[]), None);
    }

    #[test]
    fn names_audio_sample_entries() {
        let specific = [5, 2, 0x11, 0x90];
        let config = [
            &[
                4, 0x80, 0x80, 0x80, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
            &specific[..],
        ]
        .concat();
        let elementary = [&[3, 25, 0, 1, 0], &config[..]].concat();
        let esds = [&[0; 4], &elementary[..]].concat();
        let entry = [&[0; 28][..], &boxed(b"esds", &esds)].concat();
        assert_eq!(of_sample_entry(*b"mp4a", &entry).as_deref(), Some("mp4a.40.2"));
        assert_eq!(of_sample_entry(*b"Opus", &[]).as_deref(), Some("opus"));
        assert_eq!(of_sample_entry(*b"ec-3", &[]).as_deref(), Some("ec-3"));
        assert_eq!(of_sample_entry(*b"mp4a", &entry[..40]), None);
    }
}
