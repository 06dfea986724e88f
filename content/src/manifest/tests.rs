use ppspp::segment_table::Segment;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod live;
mod schema;

fn sample() -> Manifest {
    Manifest {
        chunk_size: 16384,
        trackers: vec!["wss://tracker.example/ppsp".into()],
        tracker_key: None,
        swarms: vec![
            SwarmEntry {
                playlist: "video_0.m3u8".into(),
                swarm_id: Hash::of_chunk(b"0").into(),
                segment_bits: 6,
                inits: vec![Init {
                    uri: "init_0.mp4".into(),
                    range: ByteRange::new(0, 812),
                    sha256: Hash::of_chunk(b"i"),
                }],
                codecs: Some("avc1.42c00d".into()),
                content: Content::Vod(Vod {
                    segments: 30,
                    bytes: 12_345_678,
                    table: "shoal/video_0.segments".into(),
                }),
            },
            SwarmEntry {
                playlist: "audio.m3u8".into(),
                swarm_id: Hash::of_chunk(b"1").into(),
                segment_bits: 2,
                inits: vec![Init {
                    uri: "a.mp4".into(),
                    range: None,
                    sha256: Hash::of_chunk(b"a"),
                }],
                codecs: None,
                content: Content::Vod(Vod {
                    segments: 31,
                    bytes: 31,
                    table: "shoal/audio.segments".into(),
                }),
            },
        ],
    }
}

/// The sample with one member replaced (or removed), and what reading it says.
fn with(pointer: &str, value: Option<Value>) -> String {
    changed(&sample(), pointer, value)
}

fn changed(manifest: &Manifest, pointer: &str, value: Option<Value>) -> String {
    let mut json: Value = serde_json::from_str(&manifest.to_json()).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(members), Some(value)) => drop(members.insert(name.into(), value)),
        (Value::Object(members), None) => drop(members.remove(name).unwrap()),
        (Value::Array(values), Some(value)) => values[name.parse::<usize>().unwrap()] = value,
        _ => panic!("no member {pointer}"),
    }
    match Manifest::parse(json.to_string()) {
        Ok(_) => "ok".into(),
        Err(error) => error.to_string().strip_prefix("shoal.json: ").unwrap().into(),
    }
}

#[test]
fn the_documented_form() {
    let json = sample().to_json();
    assert!(json.starts_with(
        "{\n  \"version\": 1,\n  \"type\": \"vod\",\n  \"hash\": \"sha-256\",\n  \"chunk_size\": 16384,"
    ));
    assert!(json.contains("\"uri\": \"init_0.mp4\",\n          \"offset\": 0,\n          \"length\": 812,\n          \"sha256\": "));
    assert!(json.contains("\"uri\": \"a.mp4\",\n          \"sha256\": "));
    assert!(json.ends_with("}\n"));
    assert_eq!(json.matches("codecs").count(), 1);
    assert_eq!(Manifest::parse(&json), Ok(sample()));
    let audio = sample().swarm("audio.m3u8").cloned().unwrap();
    assert_eq!(audio.vod().map(|vod| vod.segments), Some(31));
    assert_eq!(audio.root(), Some(Hash::of_chunk(b"1")));
    assert_eq!((audio.live(), audio.live_key()), (None, None));
}

#[test]
fn unknown_members_are_ignored() {
    assert_eq!(with("/key", Some(json!("later"))), "ok");
    assert_eq!(with("/swarms/0/later", Some(json!({}))), "ok");
}

#[test]
fn errors_name_the_member() {
    for (pointer, value, want) in [
        ("/version", Some(json!(2)), "version: \"2\", want \"1\""),
        ("/version", Some(json!("1")), "version: \"1\", want \"1\""),
        (
            "/type",
            Some(json!("event")),
            "type: \"event\", want \"vod\" or \"live\"",
        ),
        ("/tracker_key", Some(json!(5)), "tracker_key: not a string"),
        (
            "/tracker_key",
            Some(json!("DQ")),
            "tracker_key: not the base64url of a P-256 key blob (13, x, y: 65 bytes)",
        ),
        (
            "/hash",
            Some(json!(["sha-1"])),
            "hash: \"an array\", want \"sha-256\"",
        ),
        ("/chunk_size", None, "chunk_size: missing"),
        (
            "/chunk_size",
            Some(json!(1023)),
            "chunk_size: 1023, want 1024 to 64512",
        ),
        (
            "/chunk_size",
            Some(json!(64513)),
            "chunk_size: 64513, want 1024 to 64512",
        ),
        ("/chunk_size", Some(json!(1e4)), "chunk_size: not a whole number"),
        ("/chunk_size", Some(json!(-5)), "chunk_size: not a whole number"),
        ("/trackers", Some(json!([])), "ok"),
        ("/trackers", Some(json!("wss://x")), "trackers: not an array"),
        (
            "/trackers",
            Some(json!(vec!["ws://x"; 17])),
            "trackers: 17 entries, at most 16 are accepted",
        ),
        ("/trackers/0", Some(json!(7)), "trackers[0]: not a string"),
        (
            "/trackers/0",
            Some(json!("https://x/")),
            "trackers[0]: not a ws:// or wss:// URL",
        ),
        (
            "/trackers/0",
            Some(json!("wss:///path")),
            "trackers[0]: not a ws:// or wss:// URL",
        ),
        (
            "/trackers/0",
            Some(json!("://x")),
            "trackers[0]: not a ws:// or wss:// URL",
        ),
        (
            "/trackers/0",
            Some(json!("ws://a b/")),
            "trackers[0]: not a ws:// or wss:// URL",
        ),
        ("/trackers/0", Some(json!("ws://127.0.0.1:8000/")), "ok"),
        ("/swarms", Some(json!([])), "swarms: empty"),
        ("/swarms", Some(json!({})), "swarms: not an array"),
        ("/swarms/1", Some(json!("x")), "swarms[1]: not an object"),
        (
            "/swarms/1/swarm_id",
            Some(json!("0".repeat(63))),
            "swarms[1].swarm_id: 63 hex digits, want 64",
        ),
        (
            "/swarms/1/swarm_id",
            Some(json!("x".repeat(64))),
            "swarms[1].swarm_id: byte 0 is not a hex digit",
        ),
        (
            "/swarms/1/swarm_id",
            Some(json!(5)),
            "swarms[1].swarm_id: not a string",
        ),
        ("/swarms/1/playlist", Some(json!("")), "swarms[1].playlist: empty"),
        (
            "/swarms/1/playlist",
            Some(json!("a\nb")),
            "swarms[1].playlist: has a control character",
        ),
        (
            "/swarms/1/playlist",
            Some(json!("video_0.m3u8")),
            "swarms[1].playlist: the same as swarms[0].playlist",
        ),
        (
            "/swarms/1/table",
            Some(json!("x".repeat(2049))),
            "swarms[1].table: 2049 bytes, at most 2048 are accepted",
        ),
        (
            "/swarms/0/segment_bits",
            Some(json!(32)),
            "swarms[0].segment_bits: 32, want 0 to 31",
        ),
        (
            "/swarms/0/segment_bits",
            Some(json!(31)),
            "swarms[0].segments: 30 segments of 2^31 chunks are more than 2^32 chunks",
        ),
        (
            "/swarms/0/segments",
            Some(json!(0)),
            "swarms[0].segments: 0, want 1 to 131072",
        ),
        (
            "/swarms/0/bytes",
            Some(json!(29)),
            "swarms[0].bytes: 29, want 30 to 31457280",
        ),
        (
            "/swarms/0/bytes",
            Some(json!(31_457_281)),
            "swarms[0].bytes: 31457281, want 30 to 31457280",
        ),
        (
            "/swarms/0/codecs",
            Some(json!(null)),
            "swarms[0].codecs: not a string",
        ),
        ("/swarms/0/inits", None, "swarms[0].inits: missing"),
        (
            "/swarms/0/inits/0/offset",
            None,
            "swarms[0].inits[0].offset: offset and length go together",
        ),
        (
            "/swarms/0/inits/0/length",
            None,
            "swarms[0].inits[0].length: offset and length go together",
        ),
        (
            "/swarms/0/inits/0/length",
            Some(json!(0)),
            "swarms[0].inits[0].length: 0, want 1 to 9007199254740991",
        ),
        (
            "/swarms/0/inits/0/offset",
            Some(json!(ByteRange::MAX_END)),
            "swarms[0].inits[0].length: not a byte range",
        ),
        (
            "/swarms/0/inits/0/sha256",
            None,
            "swarms[0].inits[0].sha256: missing",
        ),
    ] {
        assert_eq!(with(pointer, value.clone()), want, "{pointer} = {value:?}");
    }
}

#[test]
fn members_given_twice_are_refused() {
    let json = sample()
        .to_json()
        .replacen("\"segments\": 30", "\"segments\": 30, \"segments\": 29", 1);
    assert_eq!(
        Manifest::parse(json).unwrap_err().to_string(),
        "shoal.json: swarms[0].segments: given twice"
    );
}

#[test]
fn what_is_not_json() {
    assert!(matches!(Manifest::parse(""), Err(ManifestError::Json(_))));
    assert!(matches!(Manifest::parse("[1]"), Err(ManifestError::Json(_))));
    assert!(matches!(Manifest::parse(b"\xff"), Err(ManifestError::Json(_))));
    assert!(matches!(
        Manifest::parse("[".repeat(100_000)),
        Err(ManifestError::Json(_))
    ));
    assert_eq!(
        Manifest::parse(vec![b' '; MAX_LENGTH + 1]),
        Err(ManifestError::TooLong(MAX_LENGTH + 1))
    );
    let text = Manifest::parse("{\n  \"version\": }").unwrap_err().to_string();
    assert!(text.contains("line 2"), "{text}");
}

#[test]
fn a_table_is_held_against_the_manifest() {
    let table = SegmentTable {
        segments: vec![
            Segment {
                size: 40_000,
                root: Hash::of_chunk(b"0"),
            },
            Segment {
                size: 7,
                root: Hash::of_chunk(b"1"),
            },
        ],
    };
    let with_bytes = |bytes| {
        Content::Vod(Vod {
            segments: 2,
            bytes,
            table: "t".into(),
        })
    };
    let mut swarm = SwarmEntry {
        swarm_id: table.swarm_id().into(),
        segment_bits: 2,
        content: with_bytes(40_007),
        ..sample().swarms[0].clone()
    };
    assert_eq!(swarm.check_table(&table, 16384), Ok(()));
    assert_eq!(
        swarm.check_table(&table, 65535).unwrap_err().to_string(),
        "segment_bits is 2 in shoal.json and 0 by the segment table"
    );
    swarm.content = with_bytes(40_008);
    assert!(matches!(
        swarm.check_table(&table, 16384),
        Err(TableMismatch::Member { member: "bytes", .. })
    ));
    let mut other = table.clone();
    other.segments.swap(0, 1);
    assert!(matches!(
        swarm.check_table(&other, 16384),
        Err(TableMismatch::SwarmId { .. })
    ));
    other.segments.clear();
    assert_eq!(
        swarm.check_table(&other, 16384),
        Err(TableMismatch::Table(SegmentTableError::Empty))
    );
}

fn any_swarm() -> impl Strategy<Value = SwarmEntry> {
    let init = (
        "[a-z/.%\" é]{1,20}",
        proptest::option::of((0_u64..1 << 50, 1_u64..1 << 50)),
        any::<u8>(),
    );
    let init = init.prop_map(|(uri, range, seed)| Init {
        uri,
        range: range.and_then(|(offset, length)| ByteRange::new(offset, length)),
        sha256: Hash::of_chunk(&[seed]),
    });
    (
        0_u8..=15,
        1_u32..=MAX_SEGMENTS as u32,
        any::<u8>(),
        proptest::collection::vec(init, 0..4),
        "[^\\x00-\\x1f\\x7f-\\x9f]{1,30}",
    )
        .prop_map(|(segment_bits, segments, seed, inits, table)| SwarmEntry {
            playlist: String::new(),
            swarm_id: Hash::of_chunk(&[seed]).into(),
            segment_bits,
            inits,
            codecs: (seed % 2 == 0).then(|| "avc1.42c00d,mp4a.40.2".into()),
            content: Content::Vod(Vod {
                segments,
                bytes: u64::from(segments) + u64::from(seed),
                table,
            }),
        })
}

use ppspp::segment_table::MAX_SEGMENTS;

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        chunk_size in MIN_CHUNK_SIZE..=MAX_CHUNK_SIZE,
        swarms in proptest::collection::vec(any_swarm(), 1..5),
    ) {
        let mut manifest = Manifest { chunk_size, trackers: sample().trackers, tracker_key: None, swarms };
        for (index, swarm) in manifest.swarms.iter_mut().enumerate() {
            swarm.playlist = format!("{index}.m3u8");
        }
        prop_assert_eq!(Manifest::parse(manifest.to_json()), Ok(manifest));
    }

    #[test]
    fn damaged_files_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut json = sample().to_json().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(manifest) = Manifest::parse(&json) {
            prop_assert_eq!(Manifest::parse(manifest.to_json()), Ok(manifest));
        }
    }
}
