//! Files of type "live".

use ppspp::live::SignatureAlgorithm;

use super::*;

/// What the documentation and the fuzzer's seed show.
pub(super) const GOLDEN: &str = include_str!("../../../../fuzz/seeds/manifest/live.json");

fn golden() -> Manifest {
    Manifest::parse(GOLDEN).unwrap()
}

#[test]
fn the_documented_form() {
    let manifest = golden();
    assert_eq!(manifest.to_json(), GOLDEN);
    let [video, audio] = &manifest.swarms[..] else {
        panic!("{manifest:?}")
    };
    assert_eq!(
        video.live(),
        Some(&Live {
            integrity: Integrity::Unified,
            discard_window: 30,
            segment_ms: 2000
        })
    );
    let key = video.live_key().unwrap();
    assert_eq!(key.algorithm(), SignatureAlgorithm::EcdsaP256Sha256);
    assert_eq!(key.swarm_id(), &video.swarm_id);
    assert_eq!(manifest.tracker_key.unwrap().as_bytes(), video.swarm_id.as_ref());
    assert_eq!((video.vod(), video.root()), (None, None));
    assert_eq!(
        audio.live().map(|live| live.integrity.method()),
        Some(IntegrityMethod::SignAll)
    );
    assert_eq!(
        audio.live_key().map(|key| key.algorithm()),
        Some(SignatureAlgorithm::Ed25519)
    );
    let table = SegmentTable { segments: Vec::new() };
    assert_eq!(video.check_table(&table, 16384), Err(TableMismatch::Live));
}

#[test]
fn kinds_do_not_mix() {
    for (kind, want) in [
        ("vod", "swarms[0].swarm_id: 130 hex digits, want 64"),
        ("live", "ok"),
    ] {
        assert_eq!(changed(&golden(), "/type", Some(json!(kind))), want);
    }
    let entry: Value = serde_json::from_str(&sample().to_json()).unwrap();
    assert_eq!(
        changed(&golden(), "/swarms/1", Some(entry["swarms"][1].clone())),
        format!(
            "swarms[1].swarm_id: signature algorithm {}, want 13 (ECDSA P-256) or 15 (Ed25519)",
            0x6b
        )
    );
    let mut mixed = golden();
    mixed.swarms.push(sample().swarms[0].clone());
    assert!(Manifest::parse(mixed.to_json()).is_err());
}

#[test]
fn errors_name_the_member() {
    let key = |index: usize| Some(json!(golden().swarms[index].swarm_id.to_string()));
    for (pointer, value, want) in [
        ("/swarms/0/later", Some(json!({})), "ok"),
        ("/swarms/0/segments", Some(json!("not read in live files")), "ok"),
        ("/tracker_key", None, "ok"),
        ("/swarms/0/swarm_id", None, "swarms[0].swarm_id: missing"),
        (
            "/swarms/0/swarm_id",
            Some(json!("0d5")),
            "swarms[0].swarm_id: not pairs of hex digits",
        ),
        (
            "/swarms/0/swarm_id",
            Some(json!("0dzz")),
            "swarms[0].swarm_id: not pairs of hex digits",
        ),
        (
            "/swarms/0/swarm_id",
            Some(json!("0d55")),
            "swarms[0].swarm_id: a public key of 1 bytes, algorithm 13 has 64",
        ),
        (
            "/swarms/1/swarm_id",
            key(0),
            "swarms[1].swarm_id: the same as swarms[0].swarm_id",
        ),
        (
            "/swarms/0/integrity",
            Some(json!("none")),
            "swarms[0].integrity: \"none\", want \"unified\" or \"sign-all\"",
        ),
        (
            "/swarms/0/integrity",
            Some(json!(3)),
            "swarms[0].integrity: \"3\", want \"unified\" or \"sign-all\"",
        ),
        ("/swarms/0/integrity", None, "swarms[0].integrity: missing"),
        (
            "/swarms/0/segment_bits",
            Some(json!(0)),
            "swarms[0].segment_bits: 0, want 1 to 31",
        ),
        (
            "/swarms/0/segment_bits",
            Some(json!(32)),
            "swarms[0].segment_bits: 32, want 1 to 31",
        ),
        (
            "/swarms/0/segment_bits",
            Some(json!(28)),
            "swarms[0].discard_window: 30 segments of 2^28 chunks are not below 2^32 chunks",
        ),
        ("/swarms/0/segment_bits", Some(json!(27)), "ok"),
        (
            "/swarms/0/discard_window",
            Some(json!(0)),
            "swarms[0].discard_window: 0, want 1 to 100000",
        ),
        (
            "/swarms/0/discard_window",
            Some(json!(100_001)),
            "swarms[0].discard_window: 100001, want 1 to 100000",
        ),
        ("/swarms/0/discard_window", Some(json!(100_000)), "ok"),
        (
            "/swarms/0/segment_ms",
            Some(json!(99)),
            "swarms[0].segment_ms: 99, want 100 to 60000",
        ),
        (
            "/swarms/0/segment_ms",
            Some(json!(60_001)),
            "swarms[0].segment_ms: 60001, want 100 to 60000",
        ),
        (
            "/swarms/0/segment_ms",
            Some(json!(1.5)),
            "swarms[0].segment_ms: not a whole number",
        ),
        ("/swarms/0/inits", None, "swarms[0].inits: missing"),
    ] {
        assert_eq!(
            changed(&golden(), pointer, value.clone()),
            want,
            "{pointer} = {value:?}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        entries in proptest::collection::vec(
            (1_u8..=15, 1_u32..=MAX_DISCARD_WINDOW, MIN_SEGMENT_MS..=MAX_SEGMENT_MS, any::<[u8; 32]>(), any::<bool>()),
            1..5,
        ),
        tracker_key in proptest::option::of(any::<[u8; 32]>()),
    ) {
        let mut manifest = golden();
        manifest.tracker_key =
            tracker_key.map(|half| TrackerKey::new(&[&[13][..], &half, &half].concat()).unwrap());
        manifest.swarms = entries.into_iter().zip(0_u8..).map(|((bits, window, segment_ms, mut key, all), index)| {
            key[0] = index;
            SwarmEntry {
                playlist: format!("{index}.m3u8"),
                swarm_id: SwarmId::new(&[&[15][..], &key].concat()),
                segment_bits: bits,
                inits: Vec::new(),
                codecs: None,
                content: Content::Live(Live {
                    integrity: if all { Integrity::SignAll } else { Integrity::Unified },
                    discard_window: window,
                    segment_ms,
                }),
            }
        }).collect();
        prop_assert_eq!(Manifest::parse(manifest.to_json()), Ok(manifest));
    }

    #[test]
    fn damaged_files_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut json = GOLDEN.to_owned().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(manifest) = Manifest::parse(&json) {
            prop_assert_eq!(Manifest::parse(manifest.to_json()), Ok(manifest));
        }
    }
}
