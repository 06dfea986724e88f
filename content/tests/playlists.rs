//! The playlists that the browser's parser is tested with too: both read the same from them.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use shoal_content::ByteRange;
use shoal_content::hls::{KeyMethod, MediaPlaylist, MultivariantPlaylist, Playlist, parse};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/playlists")
}

#[test]
fn each_reads_as_expected() {
    let mut read = 0;
    for file in fs::read_dir(folder()).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "m3u8") {
            let text = fs::read_to_string(&file).unwrap();
            let want = fs::read_to_string(file.with_extension("json")).unwrap();
            let found = match parse(&text).unwrap() {
                Playlist::Media(playlist) => media(&playlist),
                Playlist::Multivariant(playlist) => multivariant(&playlist),
            };
            let want = serde_json::from_str(&want).unwrap();
            assert_eq!(plain(found), plain(want), "{}", file.display());
            read += 1;
        }
    }
    assert!(read > 0);
}

#[test]
fn refused_in_these_words() {
    let cases = fs::read_to_string(folder().join("refused.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    for case in &cases {
        let text = case["playlist"].as_str().unwrap();
        let error = parse(text).unwrap_err().to_string();
        assert_eq!(error, case["error"].as_str().unwrap(), "{text:?}");
    }
    assert!(!cases.is_empty());
}

/// Without what is not there, and with numbers of one kind: 2 and 2.0 are the same.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(all) => all.into_iter().map(plain).collect(),
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                members
                    .map(|(name, value)| (name, plain(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}

fn range(range: Option<ByteRange>) -> Value {
    range.map_or(Value::Null, |range| json!([range.offset, range.end()]))
}

fn media(playlist: &MediaPlaylist) -> Value {
    let segments = playlist.segments.iter().map(|segment| {
        let key = segment.key.as_ref().map(|method| match method {
            KeyMethod::Aes128 => "AES-128",
            KeyMethod::SampleAes => "SAMPLE-AES",
            KeyMethod::Other(name) => name,
        });
        json!({
            "uri": segment.uri,
            "duration": segment.duration,
            "byteRange": range(segment.byte_range),
            "map": segment.map,
            "discontinuity": segment.discontinuity,
            "key": key,
            "gap": segment.gap,
        })
    });
    let maps = playlist
        .maps
        .iter()
        .map(|map| json!({ "uri": map.uri, "byteRange": range(map.byte_range) }));
    json!({
        "targetDuration": playlist.target_duration,
        "endlist": playlist.endlist,
        "mediaSequence": playlist.media_sequence,
        "discontinuitySequence": playlist.discontinuity_sequence,
        "holdBack": playlist.hold_back,
        "segments": segments.collect::<Vec<_>>(),
        "maps": maps.collect::<Vec<_>>(),
    })
}

fn multivariant(playlist: &MultivariantPlaylist) -> Value {
    let variants = playlist.variants.iter().map(|variant| {
        json!({
            "uri": variant.uri,
            "bandwidth": variant.bandwidth,
            "width": variant.width,
            "height": variant.height,
            "codecs": variant.codecs,
            "audioGroup": variant.audio_group,
        })
    });
    let audio = playlist.audio.iter().map(|rendition| {
        json!({
            "group": rendition.group,
            "uri": rendition.uri,
            "default": rendition.default,
            "autoselect": rendition.autoselect,
        })
    });
    json!({ "variants": variants.collect::<Vec<_>>(), "audio": audio.collect::<Vec<_>>() })
}
