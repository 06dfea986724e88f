//! Every example body of RFC 7285 with a map in it, as it stands in the RFC (`tests/alto/rfc7285`), and what the RFC's own
//! rules make of it.

use super::{cost, parse};

const NETWORK: &str = include_str!("../../../tests/alto/rfc7285/network-map.json");
const COMPLETE_NETWORK: &str = include_str!("../../../tests/alto/rfc7285/complete-network-map.json");
const FILTERED_NETWORK: &str = include_str!("../../../tests/alto/rfc7285/filtered-network-map.json");
const COSTS: &str = include_str!("../../../tests/alto/rfc7285/cost-map.json");
const FILTERED_COSTS: &str = include_str!("../../../tests/alto/rfc7285/filtered-cost-map.json");
const NO_COSTS: &str = r#"{"cost-map": {}}"#;

/// The text with something else in the place of what occurs in it once.
fn edited(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

const TAG: &str = "da65eca2eb7a10ce8b059740b0b2e3f8eb1d4785";

#[test]
fn the_network_map_and_the_cost_map_are_not_of_one_version() {
    // A cost map's tag is that of the network map it is of (§11.2.3.6), and in the RFC it is not.
    let refused = "costs.json: meta.dependent-vtags: of another network map than my-default-network-map, tag \
                   da65eca2eb7a10ce8b059740b0b2e3f8eb1d4785";
    for costs in [COSTS, FILTERED_COSTS] {
        assert_eq!(parse(NETWORK, costs).map(drop), Err(refused.to_owned()));
    }
    let costs = edited(COSTS, "3ee2cb7e8d63d9fab71b9b34cbf764436315542e", TAG);
    let map = parse(NETWORK, &costs).unwrap();
    let addresses = [
        ("PID1", "198.51.100.127"),
        ("PID2", "198.51.100.128"),
        ("PID3", "2001:db8::1"),
    ];
    // PID3 to itself is not in the map: as much as the dearest.
    let expected = [[1.0, 5.0, 10.0], [5.0, 1.0, 15.0], [20.0, 15.0, 20.0]];
    for ((pid, from), row) in addresses.iter().zip(expected) {
        assert_eq!(map.name_of(from.parse().unwrap()).as_deref(), Some(*pid));
        let costs = addresses.map(|(_, to)| cost(&map, from, to));
        assert_eq!(costs, row, "{pid}");
    }
}

#[test]
fn a_filtered_cost_map_is_of_the_full_network_map() {
    let costs = edited(FILTERED_COSTS, "75ed013b3cb58f896e839582504f622838ce670f", TAG);
    let map = parse(NETWORK, &costs).unwrap();
    for (to, expected) in [("192.0.2.9", 0.0), ("198.51.100.200", 1.0), ("::1", 2.0)] {
        assert_eq!(cost(&map, "192.0.2.1", to), expected, "{to}");
        assert_eq!(cost(&map, "::1", to), 2.0, "{to}");
    }
}

#[test]
fn the_longest_of_nested_prefixes_counts_and_equal_ones_are_refused() {
    let map = parse(COMPLETE_NETWORK, NO_COSTS).unwrap();
    for (address, pid) in [
        ("192.0.2.1", "PID3"),
        ("192.0.2.255", "PID3"),
        ("198.51.100.1", "PID2"),
        ("203.0.113.1", "PID1"),
        ("2001:db8::1", "PID0"),
    ] {
        assert_eq!(map.name_of(address.parse().unwrap()).as_deref(), Some(pid));
    }
    // The change that the RFC makes after it.
    let overlapping = edited(
        COMPLETE_NETWORK,
        r#"[ "192.0.2.0/25", "192.0.2.128/25" ]"#,
        r#"[ "192.0.2.0/24" ]"#,
    );
    assert_eq!(
        parse(&overlapping, NO_COSTS).map(drop),
        Err(r#"network.json: network-map.PID3.ipv4[0]: "192.0.2.0/24" is in PID2 already"#.to_owned())
    );
}

#[test]
fn the_filtered_network_map_overlaps() {
    // 198.51.100.128/24 is 198.51.100.0/24, which is PID1's: two PIDs must not have the same prefix (§11.2.2).
    assert_eq!(
        parse(FILTERED_NETWORK, NO_COSTS).map(drop),
        Err(r#"network.json: network-map.PID2.ipv4[0]: "198.51.100.128/24" is in PID1 already"#.to_owned())
    );
    let map = edited(FILTERED_NETWORK, "198.51.100.128/24", "198.51.100.128/25");
    let map = parse(&map, NO_COSTS).unwrap();
    for (address, pid) in [("198.51.100.1", "PID1"), ("198.51.100.128", "PID2")] {
        assert_eq!(map.name_of(address.parse().unwrap()).as_deref(), Some(pid));
    }
    // A part of a map: other addresses are nobody's.
    assert_eq!(map.name_of("203.0.113.1".parse().unwrap()), None);
}
