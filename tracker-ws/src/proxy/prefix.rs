//! Addresses that begin alike, as a setting.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A block of addresses such as `192.0.2.0/24` or `2001:db8::/32`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix(IpNet);

impl Prefix {
    /// Is the address in it? IPv4 counts as such, also where it is written as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// A text that is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:.100}: not an address or prefix such as 192.0.2.0/24")]
pub struct NotAPrefix(String);

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let single = text
            .parse()
            .ok()
            .map(|address: IpAddr| address.to_canonical().into());
        let net: Option<IpNet> = single.or_else(|| text.parse().ok());
        // Bits after the length say nothing; in a setting, they are a mistake.
        let net = net.filter(|net| net.addr() == net.network());
        net.map(Self).ok_or_else(|| NotAPrefix(text.to_owned()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_single_addresses() {
        for (prefix, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.0/24", "::ffff:192.0.2.1", "::ffff:192.0.3.1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("::ffff:192.0.2.1", "192.0.2.1", "::192.0.2.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
        ] {
            let parsed: Prefix = prefix.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{prefix} {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{prefix} {outside}");
            assert_eq!(parsed.to_string().parse::<Prefix>(), Ok(parsed));
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "proxy",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "10",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
