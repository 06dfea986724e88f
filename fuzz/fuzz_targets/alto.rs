//! Documents of ALTO servers: reading never panics, all costs of a map can be compared, and a directory that came through TLS
//! does not lead out of it.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use tracker_ws::fuzzing::maps_of;
use tracker_ws::{CostMap, Document};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some((network, costs)) = maps_of("https://alto.example/a/directory", text) {
        assert!(network.starts_with("https://") && costs.starts_with("https://"));
    }
    maps_of("http://[2001:db8::1]:8080/", text);
    // Two documents, with a form feed between them.
    let (network, costs) = text.split_once('\x0c').unwrap_or((text, "{\"cost-map\":{}}"));
    let document = |text| Document { name: "input", text };
    let Ok(map) = CostMap::parse(document(network), document(costs)) else {
        return;
    };
    let addresses = ["192.0.2.1", "198.51.100.200", "0.0.0.0", "255.255.255.255", "::", "2001:db8::1", "::ffff:192.0.2.1"];
    let addresses = addresses.map(|text| text.parse::<IpAddr>().expect("address"));
    for from in addresses {
        map.name_of(from);
        for to in addresses {
            assert!((0.0..=map.default_cost()).contains(&map.cost(from, to)));
        }
    }
});
