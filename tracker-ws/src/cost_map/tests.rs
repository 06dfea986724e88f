//! The example of RFC 7285 §11.2.1.7 and §11.2.3.7 (with one version tag in both, which the RFC's have not), and what may be
//! wrong with a pair of maps.

mod rfc7285;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const NETWORK: &str = include_str!("../../tests/alto/network-map.json");
const COSTS: &str = include_str!("../../tests/alto/cost-map.json");

fn parse(network: &str, costs: &str) -> Result<CostMap, String> {
    let network = Document {
        name: "network.json",
        text: network,
    };
    let costs = Document {
        name: "costs.json",
        text: costs,
    };
    CostMap::parse(network, costs).map_err(|error| error.to_string())
}

fn cost(map: &CostMap, from: &str, to: &str) -> f32 {
    map.cost(from.parse().unwrap(), to.parse().unwrap())
}

#[test]
fn the_example_of_the_rfc() {
    let map = parse(NETWORK, COSTS).unwrap();
    for (from, to, expected) in [
        ("192.0.2.1", "198.51.100.127", 1.0),
        ("192.0.2.1", "198.51.100.128", 5.0),
        ("::ffff:192.0.2.1", "2001:db8::1", 10.0),
        ("203.0.113.1", "192.0.2.1", 20.0),
        ("2001:db8::1", "198.51.100.200", 15.0),
    ] {
        assert_eq!(cost(&map, from, to), expected, "{from} {to}");
    }
    for (address, pid) in [
        ("198.51.100.1", "PID1"),
        ("198.51.100.200", "PID2"),
        ("::1", "PID3"),
    ] {
        assert_eq!(map.name_of(address.parse().unwrap()).as_deref(), Some(pid));
    }
    // PID3 to itself is not defined.
    assert_eq!(cost(&map, "203.0.113.1", "2001:db8::1"), map.default_cost());
    assert_eq!(map.default_cost(), 20.0);
}

#[test]
fn an_unknown_address_costs_the_default() {
    let network = r#"{"network-map": {"a": {"ipv4": ["192.0.2.0/24"]}}}"#;
    let map = parse(network, r#"{"cost-map": {"a": {"a": 3}}}"#).unwrap();
    assert_eq!(cost(&map, "192.0.2.1", "192.0.2.2"), 3.0);
    let map = parse(NETWORK, COSTS).unwrap();
    assert_eq!(map.cost_of(None, map.pid([192, 0, 2, 1].into())), 20.0);
    let map = parse(network, r#"{"cost-map": {}}"#).unwrap();
    assert_eq!(cost(&map, "192.0.2.1", "203.0.113.1"), 0.0);
    assert_eq!(cost(&map, "::1", "::2"), map.default_cost());
}

#[test]
fn errors_name_document_member_and_entry() {
    let network = |map: &str| format!(r#"{{"network-map": {map}}}"#);
    let a = network(r#"{"a": {"ipv4": ["192.0.2.0/24"], "mac": 7}}"#);
    for (network, costs, expected) in [
        (
            "{",
            "{}",
            "network.json: EOF while parsing an object at line 1 column 1",
        ),
        ("[]", "{}", "network.json: the document: not an object"),
        ("{}", "{}", "network.json: network-map: missing"),
        (
            &network(r#"{"a b": {}}"#),
            "{}",
            "network.json: network-map.a b: not the name of a PID",
        ),
        (
            &network(r#"{"a": 1}"#),
            "{}",
            "network.json: network-map.a: not an object",
        ),
        (
            &network(r#"{"a": {"ipv6": {}}}"#),
            "{}",
            "network.json: network-map.a.ipv6: not an array",
        ),
        (
            &network(r#"{"a": {"ipv4": ["192.0.2.0/24", "192.0.2.0/33"]}}"#),
            "{}",
            r#"network.json: network-map.a.ipv4[1]: "192.0.2.0/33" is not an ipv4 prefix"#,
        ),
        (
            &network(r#"{"a": {"ipv4": ["192.0.2.0/+4"]}}"#),
            "{}",
            r#"network.json: network-map.a.ipv4[0]: "192.0.2.0/+4" is not an ipv4 prefix"#,
        ),
        (
            &network(r#"{"a": {"ipv4": ["::/0"]}}"#),
            "{}",
            r#"network.json: network-map.a.ipv4[0]: "::/0" is not an ipv4 prefix"#,
        ),
        (
            &network(r#"{"a": {"ipv4": [4]}}"#),
            "{}",
            "network.json: network-map.a.ipv4[0]: 4 is not an ipv4 prefix",
        ),
        (
            &network(r#"{"a": {"ipv4": ["192.0.2.0/24"]}, "b": {"ipv4": ["192.0.2.7/24"]}}"#),
            "{}",
            r#"network.json: network-map.b.ipv4[0]: "192.0.2.7/24" is in a already"#,
        ),
        (&a, "nothing", "costs.json: expected ident at line 1 column 2"),
        (&a, "{}", "costs.json: cost-map: missing"),
        (
            &a,
            r#"{"cost-map": {"b": {}}}"#,
            "costs.json: cost-map.b: no PID of the network map",
        ),
        (
            &a,
            r#"{"cost-map": {"a": {"b": 1}}}"#,
            "costs.json: cost-map.a.b: no PID of the network map",
        ),
        (
            &a,
            r#"{"cost-map": {"a": {"a": -1}}}"#,
            "costs.json: cost-map.a.a: not a number from 0 to 3e38",
        ),
        (
            &a,
            r#"{"cost-map": {"a": {"a": 1e39}}}"#,
            "costs.json: cost-map.a.a: not a number from 0 to 3e38",
        ),
        (
            &a,
            r#"{"meta": {"cost-type": {"cost-metric": "tput"}}, "cost-map": {}}"#,
            "costs.json: meta.cost-type.cost-metric: tput is not one of routingcost, hopcount, delay-ow, delay-rt, lossrate",
        ),
        (
            NETWORK,
            r#"{"meta": {"dependent-vtags": [{"resource-id": "my-default-network-map", "tag": "3ee2"}]}, "cost-map": {}}"#,
            "costs.json: meta.dependent-vtags: of another network map than my-default-network-map, tag \
             da65eca2eb7a10ce8b059740b0b2e3f8eb1d4785",
        ),
    ] {
        assert_eq!(parse(network, costs).map(drop), Err(expected.to_owned()));
    }
}

#[test]
fn maps_are_bounded() {
    let pids = |count: usize| {
        let pids: Vec<String> = (0..count).map(|pid| format!("\"p{pid}\": {{}}")).collect();
        format!("{{\"network-map\": {{{}}}}}", pids.join(","))
    };
    let none = r#"{"cost-map": {}}"#;
    assert!(parse(&pids(2048), none).is_ok());
    let many = parse(&pids(2049), none).map(drop).unwrap_err();
    assert!(many.ends_with(": more than 2048 PIDs"), "{many}");
    let long = " ".repeat(MAX_DOCUMENT + 1);
    assert_eq!(
        parse(&long, none).map(drop),
        Err("network.json: longer than 33554432 bytes".to_owned())
    );
}

#[test]
fn files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (network, costs) = (folder.path().join("n.json"), folder.path().join("c.json"));
    std::fs::write(&network, NETWORK).unwrap();
    let missing = CostMap::read(&network, &costs).map(drop).unwrap_err().to_string();
    assert!(missing.contains("c.json: No such file"), "{missing}");
    std::fs::write(&costs, COSTS).unwrap();
    assert_eq!(CostMap::read(&network, &costs).unwrap().default_cost(), 20.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a server sends, a map is made of it or it is refused, and then every cost is one that can be compared.
    #[test]
    fn broken_documents_do_no_harm(
        cuts in proptest::collection::vec((any::<bool>(), any::<Index>(), any::<Index>()), 1..4),
        addresses in proptest::collection::vec((any::<u32>(), any::<u128>()), 1..8),
    ) {
        let mut texts = [NETWORK.to_owned(), COSTS.to_owned()];
        // Lines taken out and put elsewhere: often still JSON, of another shape.
        for (which, from, to) in cuts {
            let text = &mut texts[usize::from(which)];
            let mut lines: Vec<&str> = text.lines().collect();
            let line = lines.remove(from.index(lines.len()));
            lines.insert(to.index(lines.len() + 1), line);
            *text = lines.join("\n");
        }
        if let Ok(map) = parse(&texts[0], &texts[1]) {
            for (v4, v6) in addresses {
                let (v4, v6) = (IpAddr::from(v4.to_be_bytes()), IpAddr::from(v6.to_be_bytes()));
                for cost in [map.cost(v4, v6), map.cost(v6, v4), map.cost(v4, v4)] {
                    prop_assert!((0.0..=map.default_cost()).contains(&cost));
                }
            }
        }
    }
}
