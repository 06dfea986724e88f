//! Headers of proxies: whatever a client writes into them, its address is the one that the proxy saw.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use tracker_ws::fuzzing::client_of;
use tracker_ws::{ForwardedHeader, Prefix};

fuzz_target!(|data: &[u8]| {
    let Some((first, lines)) = data.split_first() else {
        return;
    };
    let trusted: Vec<Prefix> = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("prefix")).to_vec();
    let proxy: IpAddr = "10.1.1.1".parse().expect("address");
    let seen: IpAddr = "192.0.2.1".parse().expect("address");
    let (header, written) = match first & 1 {
        0 => (ForwardedHeader::XForwardedFor, &b"192.0.2.1"[..]),
        _ => (ForwardedHeader::Forwarded, &b"for=192.0.2.1"[..]),
    };
    let client = |lines: &[&[u8]]| client_of(header, &trusted, proxy, lines);
    let mut lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    // All lines are of proxies.
    client(&lines);
    // The last line is.
    lines.push(written);
    if let Some(found) = client(&lines) {
        assert_eq!(found, seen);
    }
    // In one line with it, an open quote may hide what was seen, but put nothing in its place.
    lines.pop();
    let joined = [&lines.join(&b","[..])[..], b", ", written].concat();
    if let Some(found) = client(&[&joined]) {
        assert!(found == seen || found == proxy);
    }
    // From anybody else, it says nothing.
    let stranger = client_of(header, &trusted, seen, &lines);
    assert!(stranger.is_none_or(|found| found == seen));
});
