//! Proxies in front of the tracker, and the addresses they tell of those behind them.

mod forwarded;
mod protocol;

use std::net::IpAddr;

use hyper::HeaderMap;

pub use forwarded::ForwardedHeader;
pub(crate) use protocol::{Told, read_header};

use crate::prefix::Prefix;

/// The proxies that are believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxies<'a> {
    pub(crate) trusted: &'a [Prefix],
    /// Which header of a request they write.
    pub(crate) header: ForwardedHeader,
}

impl Proxies<'_> {
    pub(crate) fn trusts(self, address: IpAddr) -> bool {
        self.trusted.iter().any(|prefix| prefix.contains(address))
    }

    /// Do requests on a connection from this address say whom they are of?
    pub(crate) fn forwards(self, address: IpAddr) -> bool {
        self.header != ForwardedHeader::None && self.trusts(address)
    }

    /// Whom a request is of that came on a connection from this address. Each proxy adds the address it sees to what it was
    /// told, so of all addresses the last counts that is not a trusted proxy's: what stands before it may be invented. An
    /// entry that is no address ends the search at the proxy that wrote it.
    pub(crate) fn client(self, connected: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = connected.to_canonical();
        if !self.forwards(client) {
            return client;
        }
        for entry in self.header.entries(headers).into_iter().rev() {
            let Some(address) = entry else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{FORWARDED, HeaderName, HeaderValue};

    use super::*;

    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

    fn client(header: ForwardedHeader, connected: &str, lines: &[(HeaderName, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1"].map(|prefix| prefix.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let proxies = Proxies {
            trusted: &trusted,
            header,
        };
        proxies.client(connected.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_last_address_that_is_not_a_proxy_counts() {
        for (connected, line, expected) in [
            ("10.1.1.1", "192.0.2.1", "192.0.2.1"),
            ("::ffff:10.1.1.1", "::ffff:192.0.2.1", "192.0.2.1"),
            ("10.1.1.1", "192.0.2.66, 192.0.2.1", "192.0.2.1"),
            (
                "10.1.1.1",
                "192.0.2.66, 192.0.2.1, 2001:db8:1::5,10.2.2.2",
                "192.0.2.1",
            ),
            ("2001:db8:1::1", "2001:db8:2::1", "2001:db8:2::1"),
            // All are proxies: the farthest.
            ("10.1.1.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"),
            // Ports, as some proxies write them.
            ("127.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
            ("127.0.0.1", "[2001:db8:2::1]:4711", "2001:db8:2::1"),
            // What is no address was written by the proxy before it.
            ("10.1.1.1", "192.0.2.1, unknown", "10.1.1.1"),
            ("10.1.1.1", "192.0.2.1, nonsense, 10.2.2.2", "10.2.2.2"),
            ("10.1.1.1", "", "10.1.1.1"),
            ("10.1.1.1", "192.0.2.1,", "10.1.1.1"),
            // Nobody else is believed.
            ("192.0.2.7", "192.0.2.1", "192.0.2.7"),
            ("2001:db8:2::7", "192.0.2.1", "2001:db8:2::7"),
        ] {
            let lines = [(X_FORWARDED_FOR, line)];
            let found = client(ForwardedHeader::XForwardedFor, connected, &lines);
            assert_eq!(found, expected, "{connected} {line}");
            assert_eq!(
                client(ForwardedHeader::None, "10.1.1.1", &lines),
                "10.1.1.1",
                "{line}"
            );
        }
    }

    #[test]
    fn lines_are_one_list() {
        let lines = [
            (X_FORWARDED_FOR, "192.0.2.66"),
            (X_FORWARDED_FOR, "192.0.2.1, 10.2.2.2"),
        ];
        assert_eq!(
            client(ForwardedHeader::XForwardedFor, "10.1.1.1", &lines),
            "192.0.2.1"
        );
    }

    #[test]
    fn the_other_header_is_what_a_client_wrote() {
        let lines = [(X_FORWARDED_FOR, "192.0.2.66"), (FORWARDED, "for=192.0.2.1")];
        for (header, expected) in [
            (ForwardedHeader::XForwardedFor, "192.0.2.66"),
            (ForwardedHeader::Forwarded, "192.0.2.1"),
        ] {
            assert_eq!(client(header, "10.1.1.1", &lines), expected);
            let other: Vec<_> = match header {
                ForwardedHeader::Forwarded => lines[..1].to_vec(),
                _ => lines[1..].to_vec(),
            };
            assert_eq!(client(header, "10.1.1.1", &other), "10.1.1.1");
        }
    }

    #[test]
    fn forwarded_of_rfc_7239() {
        for (line, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("proto=http; FOR = 192.0.2.61", "10.1.1.1"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("for=192.0.2.43,for=\"10.2.2.2:80\"", "192.0.2.43"),
            // A name or an unknown address ends the search.
            ("for=192.0.2.43, for=_gazonk", "10.1.1.1"),
            ("for=192.0.2.43, for=unknown", "10.1.1.1"),
            ("for=192.0.2.43, by=10.2.2.2", "10.1.1.1"),
            // Commas and semicolons in quotes separate nothing.
            ("for=192.0.2.1;host=\"a,for=192.0.2.66\"", "192.0.2.1"),
            ("for=192.0.2.66;host=\"a\\\",for=192.0.2.1", "10.1.1.1"),
            ("for=\"192.0.2.1", "10.1.1.1"),
            // Two are one too many.
            ("for=192.0.2.1;for=192.0.2.2", "10.1.1.1"),
        ] {
            let lines = [(FORWARDED, line)];
            let found = client(ForwardedHeader::Forwarded, "10.1.1.1", &lines);
            assert_eq!(found, expected, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_client_writes_its_address_is_the_one_the_proxy_saw(
            invented in "([ -~\t]{0,60}|for=192\\.0\\.2\\.66;[a=\",\\\\]{0,12})",
        ) {
            for (header, name, seen) in [
                (ForwardedHeader::XForwardedFor, X_FORWARDED_FOR, "192.0.2.1"),
                (ForwardedHeader::Forwarded, FORWARDED, "for=192.0.2.1"),
            ] {
                let lines = [(name.clone(), &*invented), (name.clone(), seen)];
                let found = client(header, "10.1.1.1", &lines);
                proptest::prop_assert_eq!(&*found, "192.0.2.1");
                // In one line, an open quote may hide what was seen, but put nothing in its place.
                let line = format!("{invented}, {seen}");
                let found = client(header, "10.1.1.1", &[(name, &line)]);
                proptest::prop_assert!(found == "192.0.2.1" || found == "10.1.1.1", "{} {}", line, found);
            }
        }
    }
}
