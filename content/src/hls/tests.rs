use proptest::prelude::*;

use super::*;
use crate::ByteRange;

/// As ffmpeg 5.1 writes it: `-hls_segment_type fmp4 -var_stream_map "v:0,agroup:aud v:1,agroup:aud a:0,agroup:aud…"`.
const FFMPEG_MULTIVARIANT: &str = r#"#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="group_aud",NAME="audio_2",DEFAULT=YES,LANGUAGE="en",URI="out_2.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=75900,RESOLUTION=128x72,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="group_aud"
out_0.m3u8

#EXT-X-STREAM-INF:BANDWIDTH=75900,RESOLUTION=64x36,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="group_aud"
out_1.m3u8

"#;

/// `-hls_flags single_file -hls_segment_type fmp4`
const FFMPEG_BYTE_RANGES: &str = r#"#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="x.m4s",BYTERANGE="808@0"
#EXTINF:2.000000,
#EXT-X-BYTERANGE:60320@808
x.m4s
#EXTINF:2.000000,
#EXT-X-BYTERANGE:60357@61128
x.m4s
#EXT-X-ENDLIST
"#;

fn media(text: &str) -> MediaPlaylist {
    match parse(text).unwrap() {
        Playlist::Media(playlist) => playlist,
        other => panic!("{other:?}"),
    }
}

fn multivariant(text: &str) -> MultivariantPlaylist {
    match parse(text).unwrap() {
        Playlist::Multivariant(playlist) => playlist,
        other => panic!("{other:?}"),
    }
}

fn error(body: &str) -> String {
    parse(&format!("#EXTM3U\n{body}")).unwrap_err().to_string()
}

fn range(offset: u64, length: u64) -> Option<ByteRange> {
    ByteRange::new(offset, length)
}

#[test]
fn ffmpeg_multivariant() {
    let playlist = multivariant(FFMPEG_MULTIVARIANT);
    assert_eq!(
        playlist.variants[1],
        Variant {
            uri: "out_1.m3u8".into(),
            bandwidth: 75900,
            width: 64,
            height: 36,
            codecs: Some("avc1.42c00a,mp4a.40.2".into()),
            audio_group: Some("group_aud".into()),
            frame_rate: None,
            line: 8,
        }
    );
    assert_eq!(playlist.variants.len(), 2);
    assert_eq!(
        playlist.audio,
        [AudioRendition {
            group: "group_aud".into(),
            name: "audio_2".into(),
            language: Some("en".into()),
            uri: Some("out_2.m3u8".into()),
            default: true,
            autoselect: true,
            line: 3,
        }]
    );
}

#[test]
fn ffmpeg_byte_ranges() {
    let playlist = media(FFMPEG_BYTE_RANGES);
    assert_eq!(
        (playlist.target_duration, playlist.version, playlist.endlist),
        (2, 7, true)
    );
    assert_eq!(
        playlist.maps,
        [InitSection {
            uri: "x.m4s".into(),
            byte_range: range(0, 808),
            line: 6
        }]
    );
    assert_eq!(
        playlist.segments[1],
        Segment {
            uri: "x.m4s".into(),
            duration: 2.0,
            byte_range: range(61128, 60357),
            map: Some(0),
            discontinuity: false,
            key: None,
            gap: false,
            line: 12,
        }
    );
}

#[test]
fn live_hints() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:4294967296\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=6.5,PART-HOLD-BACK=1\n\
         #EXT-X-START:TIME-OFFSET=-4.25,PRECISE=YES\n#EXT-X-PART-INF:PART-TARGET=0.5\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXTINF:2,\na\n\
         #EXT-X-PART:DURATION=0.5,URI=\"p\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"q\"\n",
    );
    assert_eq!(
        (playlist.media_sequence, playlist.discontinuity_sequence),
        (1 << 32, 3)
    );
    assert_eq!(
        (playlist.hold_back, playlist.start_offset),
        (Some(6.5), Some(-4.25))
    );
    assert_eq!((playlist.segments.len(), playlist.endlist), (1, false));

    // What only advises is never a reason to refuse a playlist.
    for control in ["HOLD-BACK=x", "HOLD-BACK=-1", "HOLD-BACK=\"3\"", "=", ""] {
        let text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:{control}\n#EXT-X-START:TIME-OFFSET=--1\n"
        );
        let playlist = media(&text);
        assert_eq!(
            (playlist.hold_back, playlist.start_offset),
            (None, None),
            "{control}"
        );
    }
    let playlist = media("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-START:TIME-OFFSET=10\n");
    assert_eq!(
        (
            playlist.discontinuity_sequence,
            playlist.hold_back,
            playlist.start_offset
        ),
        (0, None, Some(10.0))
    );
    let twice = error("#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n");
    assert_eq!(twice, "line 3: EXT-X-DISCONTINUITY-SEQUENCE given twice");
}

#[test]
fn state_carries_over_as_the_rfc_says() {
    let playlist = media(
        "#EXTM3U\r\n#EXT-X-TARGETDURATION:4\r\n#EXT-X-MEDIA-SEQUENCE:9\r\n#EXTINF:4,first\r\n#EXT-X-BYTERANGE:10@5\r\na\r\n\
         #EXTINF:3.5\r\n#EXT-X-BYTERANGE:20\r\na\r\n#EXT-X-DISCONTINUITY\r\n#EXT-X-MAP:URI=\"i\"\r\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k\"\r\n#EXTINF:1,\r\nb\r\n#EXT-X-KEY:METHOD=NONE\r\n#EXT-X-GAP\r\n#EXTINF:1,\r\nc\r\n\
         #EXT-X-MAP:URI=\"j\",BYTERANGE=\"7\"\r\n#EXTINF:1,\r\nd\r\n#EXT-X-MAP:URI=\"i\"\r\n#EXT-X-KEY:METHOD=SAMPLE-AES-CTR\r\n\
         #EXTINF:1,\r\ne\r\n",
    );
    assert_eq!(
        (playlist.media_sequence, playlist.version, playlist.endlist),
        (9, 1, false)
    );
    let ranges: Vec<_> = playlist
        .segments
        .iter()
        .map(|segment| segment.byte_range)
        .collect();
    assert_eq!(ranges, [range(5, 10), range(15, 20), None, None, None, None]);
    let maps: Vec<_> = playlist.segments.iter().map(|segment| segment.map).collect();
    assert_eq!(maps, [None, None, Some(0), Some(0), Some(1), Some(0)]);
    assert_eq!(playlist.maps[1].byte_range, range(0, 7));
    let flags: Vec<_> = playlist
        .segments
        .iter()
        .map(|segment| (segment.discontinuity, segment.gap))
        .collect();
    let (none, gap) = ((false, false), (false, true));
    assert_eq!(flags, [none, none, (true, false), gap, none, none]);
    let keys: Vec<_> = playlist
        .segments
        .iter()
        .map(|segment| segment.key.clone())
        .collect();
    let ctr = KeyMethod::Other("SAMPLE-AES-CTR".into());
    assert_eq!(keys, [None, None, Some(KeyMethod::Aes128), None, None, Some(ctr)]);
}

#[test]
fn tags_of_no_concern_are_skipped() {
    let playlist = multivariant(
        "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\"\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n#EXT-X-SESSION-DATA:DATA-ID=\"x\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=5,FRAME-RATE=29.970,SCORE=1.5\n# a comment\nv.m3u8?a=b#c\n",
    );
    assert_eq!(playlist.variants[0].frame_rate, Some(29.97));
    assert_eq!(playlist.variants[0].uri, "v.m3u8?a=b#c");
    assert_eq!(playlist.audio[0].uri, None);
    assert!(!playlist.audio[0].autoselect);
    let playlist = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PROGRAM-DATE-TIME:nonsense\n#EXT-X-PART:DURATION=x\n#EXTINF:1,\na\n",
    );
    assert_eq!(playlist.segments.len(), 1);
}

#[test]
fn what_is_no_playlist() {
    for text in ["", "\n", "#EXTM3", "#EXTM3U8", "\u{feff}#EXTM3U", "<html>"] {
        assert_eq!(
            *parse(text).unwrap_err().problem,
            Problem::NotAPlaylist,
            "{text:?}"
        );
    }
}

#[test]
fn limits() {
    let long = "#EXTM3U\n".to_string() + &" ".repeat(MAX_LENGTH);
    assert!(matches!(*parse(&long).unwrap_err().problem, Problem::TooLong(_)));
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n".to_string();
    let full = head.clone() + &"#EXTINF:1,\na\n".repeat(MAX_SEGMENTS);
    assert_eq!(media(&full).segments.len(), MAX_SEGMENTS);
    assert_eq!(
        *parse(&(full + "#EXTINF:1,\na\n")).unwrap_err().problem,
        Problem::TooManySegments
    );
    let maps: String = (0..=MAX_INIT_SECTIONS)
        .map(|map| format!("#EXT-X-MAP:URI=\"{map}\"\n"))
        .collect();
    assert_eq!(
        *parse(&(head + &maps)).unwrap_err().problem,
        Problem::TooManyInitSections
    );
    let variants = "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n".repeat(MAX_RENDITIONS + 1);
    assert!(error(&variants).ends_with("more than 1000 variants"));
    assert!(error(&format!("#EXTINF:1,\n{}", "a".repeat(8_193))).ends_with("at most 8192 are accepted"));
}

proptest! {
    /// Segments of one file, written with and without offsets, come back at the offsets they have.
    #[test]
    fn byte_ranges_are_resolved(
        parts in proptest::collection::vec((0_u8..3, 1_u64..1000, 0_u64..100, any::<bool>()), 1..40),
    ) {
        let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:1\n");
        let mut want = Vec::new();
        let mut last: Option<(u8, u64)> = None;
        for (file, length, gap, explicit) in parts {
            let follows = last.filter(|(before, _)| *before == file).map(|(_, end)| end);
            let (offset, written) = match follows {
                Some(end) if !explicit => (end, format!("{length}")),
                _ => (follows.unwrap_or(0) + gap, format!("{length}@{}", follows.unwrap_or(0) + gap)),
            };
            text += &format!("#EXT-X-BYTERANGE:{written}\n#EXTINF:1.5,\n{file}.ts\n");
            want.push((format!("{file}.ts"), ByteRange::new(offset, length)));
            last = Some((file, offset + length));
        }
        let found: Vec<_> =
            media(&text).segments.into_iter().map(|segment| (segment.uri, segment.byte_range)).collect();
        prop_assert_eq!(found, want);
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
        let _ = parse(&format!("#EXTM3U\n{text}"));
    }

    #[test]
    fn any_mix_of_lines_never_panics(
        lines in proptest::collection::vec(
            prop_oneof![
                "#EXT(INF|-X-(MAP|KEY|BYTERANGE|MEDIA|STREAM-INF|VERSION|ENDLIST|GAP|TARGETDURATION))(:[A-C0-9=,\"@.x]{0,20})?",
                Just("#EXTINF:1.0,".to_string()),
                Just("#EXT-X-BYTERANGE:7".to_string()),
                Just("#EXT-X-BYTERANGE:9007199254740991@1".to_string()),
                "[a-b]",
            ],
            0..30,
        ),
    ) {
        if let Ok(Playlist::Media(playlist)) = parse(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{}", lines.join("\n"))) {
            for segment in playlist.segments {
                prop_assert!(segment.map.is_none_or(|map| map < playlist.maps.len()));
                prop_assert!(segment.byte_range.is_none_or(|range| range.length > 0));
            }
        }
    }
}
