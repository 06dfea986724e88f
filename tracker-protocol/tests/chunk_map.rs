//! Chunk maps for the tracker: the specification's vectors, and the codec against a set of chunks.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;
use tracker_protocol::{ChunkMap, MAX_MAP_RUNS, MapReport, Request, RequestBody, encode_base64url};

fn report(first: u64, map: ChunkMap) -> MapReport {
    MapReport {
        first,
        map,
        delta: false,
    }
}

#[test]
fn vectors_both_ways() {
    for (ranges, text) in [
        (&[(0, 100), (120, 128)][..], "ZBQI"),
        (&[(5, 305)], "AAWsAg"),
        (&[(0, 65_536)], "gIAE"),
        (&[], ""),
    ] {
        let report = report(0, ChunkMap::of(ranges.iter().map(|(start, end)| *start..*end)));
        assert_eq!(report.runs_text(), text);
        assert_eq!(MapReport::from_runs(0, text), Ok(report));
    }
}

#[test]
fn runs_count_from_the_first_chunk_named() {
    // A live window of which the oldest chunk is 1000.
    let report = report(1000, ChunkMap::of([1000..1100, 1120..1128]));
    assert_eq!(report.runs_text(), "ZBQI");
    assert_eq!(MapReport::from_runs(1000, "ZBQI"), Ok(report.clone()));
    // What is older is not claimed.
    let older = MapReport {
        map: ChunkMap::of([900..1100, 1120..1128]),
        ..report
    };
    assert_eq!(older.runs_text(), "ZBQI");
}

#[test]
fn what_is_wrong_is_named() {
    let runs = |bytes: &[u8]| MapReport::from_runs(0, &encode_base64url(bytes));
    assert_eq!(MapReport::from_runs(0, "+"), Err("not base64url"));
    assert_eq!(MapReport::from_runs(0, "ZBQI="), Err("not base64url"));
    assert_eq!(runs(&[0x64, 0x80]), Err("its last run is cut off"));
    assert_eq!(runs(&[0x80; 12]), Err("a run beyond 2^53"));
    let nearly_all = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert!(runs(&nearly_all).is_ok());
    assert_eq!(runs(&[&nearly_all[..], &[2]].concat()), Err("a run beyond 2^53"));
    assert_eq!(MapReport::from_runs(u64::MAX, "ZBQI"), Err("a run beyond 2^53"));
    assert!(runs(&[1; MAX_MAP_RUNS]).is_ok());
    assert_eq!(runs(&[1; MAX_MAP_RUNS + 1]), Err("more than 256 runs"));
    assert_eq!(
        MapReport::from_runs(0, &"A".repeat(5000)),
        Err("more than 256 runs")
    );
    let message = json!({"PPSPTrackerProtocol":{"version":1,"request_type":"STAT_REPORT","transaction_id":"1",
        "peer_id":"d8e0","stat_report":{"type":"STREAM_STATS","stat":[{"swarm_id":"67".repeat(32),"uploaded_bytes":0,
        "downloaded_bytes":0,"available_bandwidth":0,"concurrent_links":0,"ext":{"map":{"b":0,"r":"ZIA"}}}]}}});
    let refused = Request::decode(&message.to_string()).unwrap_err();
    assert_eq!(refused.to_string(), "map.r: its last run is cut off");
}

#[test]
fn maps_of_requests_may_be_changes() {
    let message = json!({"PPSPTrackerProtocol":{"version":1,"request_type":"STAT_REPORT","transaction_id":"1",
        "peer_id":"d8e0","stat_report":{"type":"STREAM_STATS","stat":[{"swarm_id":"67".repeat(32),"uploaded_bytes":0,
        "downloaded_bytes":0,"available_bandwidth":0,"concurrent_links":0,"ext":{"map":{"b":7,"r":"ZA","d":1}}}]}}});
    let request = Request::decode(&message.to_string()).unwrap();
    let RequestBody::StatReport(stats) = &request.body else {
        panic!("{request:?}")
    };
    let expected = MapReport {
        delta: true,
        ..report(7, ChunkMap::of([std::ops::Range { start: 7, end: 107 }]))
    };
    assert_eq!(stats[0].ext.map, Some(expected));
    assert_eq!(Request::decode(&request.encode().unwrap()).unwrap(), request);
}

#[test]
fn too_many_runs_are_cut_to_the_largest() {
    // 200 ranges of 1 to 200 chunks, far apart.
    let map = ChunkMap::of((1..=200).map(|length| 1000 * length..1000 * length + length));
    let read = MapReport::from_runs(0, &report(0, map).runs_text()).unwrap();
    let lengths: Vec<u64> = read
        .map
        .ranges()
        .iter()
        .map(|range| range.end - range.start)
        .collect();
    // 127 ranges with a miss before each and the empty have-run in front: 255 runs.
    assert_eq!(lengths, (74..=200).collect::<Vec<u64>>());
}

/// The chunks of a map, one by one.
fn chunks(map: &ChunkMap) -> BTreeSet<u64> {
    map.ranges().iter().cloned().flatten().collect()
}

fn ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
    proptest::collection::vec((0..600_u64, 0..20_u64), 0..150)
}

fn map_of(ranges: &[(u64, u64)]) -> ChunkMap {
    ChunkMap::of(ranges.iter().map(|(start, length)| *start..start + length))
}

proptest! {
    #[test]
    fn a_map_is_a_set(one in ranges(), other in ranges()) {
        let oracle = |ranges: &[(u64, u64)]| -> BTreeSet<u64> {
            ranges.iter().flat_map(|(start, length)| *start..start + length).collect()
        };
        let (a, b) = (map_of(&one), map_of(&other));
        let (in_a, in_b) = (oracle(&one), oracle(&other));
        prop_assert_eq!(chunks(&a), in_a.clone());
        prop_assert!(a.ranges().windows(2).all(|pair| pair[0].end < pair[1].start));
        for chunk in 0..640 {
            prop_assert_eq!(a.covers(chunk), in_a.contains(&chunk));
        }
        let difference: BTreeSet<u64> = in_a.symmetric_difference(&in_b).copied().collect();
        prop_assert_eq!(chunks(&a.xor(&b)), difference);
        prop_assert_eq!(a.xor(&b).xor(&b), a);
    }

    #[test]
    fn what_is_written_is_read(ranges in ranges(), first in 0..200_u64) {
        let report = report(first, map_of(&ranges));
        let read = MapReport::from_runs(first, &report.runs_text()).unwrap();
        let (said, all) = (chunks(&read.map), chunks(&report.map));
        // Never more than there is; all of it but for the cap.
        prop_assert!(said.iter().all(|chunk| *chunk >= first && all.contains(chunk)));
        if report.map.ranges().len() <= 127 {
            prop_assert_eq!(said, all.into_iter().filter(|chunk| *chunk >= first).collect::<BTreeSet<_>>());
        }
        prop_assert_eq!(MapReport::from_runs(first, &read.runs_text()), Ok(read));
    }

    #[test]
    fn any_text_is_read_or_refused(first in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(read) = MapReport::from_runs(first, &encode_base64url(&bytes)) {
            prop_assert_eq!(MapReport::from_runs(first, &read.runs_text()), Ok(read));
        }
    }
}
