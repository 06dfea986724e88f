//! The codecs of each media playlist of a multivariant playlist.
//!
//! A variant's `CODECS` lists those of everything played with it. What a SourceBuffer needs are those of one playlist:
//! where audio has playlists of its own, they are told apart by name.

use content::hls::{AudioRendition, Variant};

/// Prefixes of the audio formats that HLS carries (RFC 6381 names).
const AUDIO: [&str; 12] = [
    "mp4a", "mp3", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "dts", "mha1", "mhm1", "iamf",
];

/// Codecs of the variant's own playlist.
pub fn of_variant(variant: &Variant, audio: &[AudioRendition]) -> Option<String> {
    let codecs = variant.codecs.as_deref()?;
    let group: Vec<&AudioRendition> = audio
        .iter()
        .filter(|rendition| Some(&rendition.group) == variant.audio_group.as_ref())
        .collect();
    let own_playlist =
        |rendition: &&AudioRendition| rendition.uri.as_ref().is_some_and(|uri| *uri != variant.uri);
    // One rendition without a playlist of its own is muxed into the variant's segments (RFC 8216 §4.3.4.2.1).
    if group.is_empty() || !group.iter().all(own_playlist) {
        return Some(codecs.to_owned());
    }
    select(codecs, |codec| !is_audio(codec)).or_else(|| Some(codecs.to_owned()))
}

/// Codecs of an audio rendition's playlist, from the first variant that plays it.
pub fn of_rendition(rendition: &AudioRendition, variants: &[Variant]) -> Option<String> {
    variants
        .iter()
        .filter(|variant| variant.audio_group.as_ref() == Some(&rendition.group))
        .find_map(|variant| select(variant.codecs.as_deref()?, is_audio))
}

fn select(codecs: &str, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let chosen: Vec<&str> = codecs
        .split(',')
        .map(str::trim)
        .filter(|codec| !codec.is_empty() && wanted(codec))
        .collect();
    (!chosen.is_empty()).then(|| chosen.join(","))
}

fn is_audio(codec: &str) -> bool {
    let codec = codec.to_ascii_lowercase();
    AUDIO.iter().any(|prefix| codec.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use content::hls::{Playlist, parse};

    use super::*;

    #[test]
    fn demuxed_and_muxed() {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"1\",URI=\"a.m3u8\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"m\",NAME=\"1\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"m\",NAME=\"2\",URI=\"m.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.42c00d,mp4a.40.2\",AUDIO=\"a\"\n0\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.42c00d,mp4a.40.2\",AUDIO=\"m\"\n1\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.42c00d,mp4a.40.2\"\n2\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n3\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2\",AUDIO=\"a\"\na.m3u8\n";
        let Ok(Playlist::Multivariant(playlist)) = parse(text) else {
            panic!()
        };
        let variants: Vec<_> = playlist
            .variants
            .iter()
            .map(|variant| of_variant(variant, &playlist.audio))
            .collect();
        let both = Some("avc1.42c00d,mp4a.40.2".to_owned());
        let audio = Some("mp4a.40.2".to_owned());
        assert_eq!(
            variants,
            [
                Some("avc1.42c00d".into()),
                both.clone(),
                both,
                None,
                audio.clone()
            ]
        );
        assert_eq!(of_rendition(&playlist.audio[0], &playlist.variants), audio);
    }
}
