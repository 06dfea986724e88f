//! Addresses that begin alike.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// First bits that the addresses of an IPv4-mapped IPv6 block have in common (RFC 4291 §2.5.5.2).
const MAPPED: u8 = 96;

/// A block of addresses such as `192.0.2.0/24` or `2001:db8::/32`, or a single address. Bits past its length are zero.
/// IPv4 is IPv4, also where it is written as IPv6: `::ffff:192.0.2.0/120` is `192.0.2.0/24`.
///
/// In a setting, bits past the length are a mistake, and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(IpNet);

/// A text that is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address or prefix such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NotAPrefix;

impl Prefix {
    /// The block of this length that an address is in; `None` where the address has fewer bits.
    pub(crate) fn new(address: IpAddr, length: u8) -> Option<Self> {
        let net = IpNet::new(address, length).ok()?.trunc();
        // Shorter ones have addresses of IPv6 in them, too.
        match (net.addr().to_canonical(), length.checked_sub(MAPPED)) {
            (IpAddr::V4(mapped), Some(length)) if address.is_ipv6() => Self::new(mapped.into(), length),
            _ => Some(Self(net)),
        }
    }

    /// The block that an address is in, of IPv4 with one length and of IPv6 with another; at most 32 and 128 bits.
    pub(crate) fn around(address: IpAddr, v4: u8, v6: u8) -> Self {
        let address = address.to_canonical();
        let length = if address.is_ipv4() { v4 } else { v6 };
        Self::new(address, length).unwrap_or_else(|| Self(address.into()))
    }

    /// All blocks that an address is in.
    pub(crate) fn all_of(address: IpAddr) -> impl Iterator<Item = Self> {
        let address = address.to_canonical();
        (0..=width(address)).filter_map(move |length| Self::new(address, length))
    }

    /// As it is read from a setting.
    ///
    /// # Errors
    /// [`NotAPrefix`]: no prefix, or one that has bits past its length.
    pub fn exact(text: &str) -> Result<Self, NotAPrefix> {
        let (address, length) = parse(text).ok_or(NotAPrefix)?;
        Self::new(address, length)
            .filter(|prefix| prefix.0.addr() == address.to_canonical())
            .ok_or(NotAPrefix)
    }

    /// Is the address in it? IPv4 counts as such, also where it is written as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Its first address and its last.
    pub(crate) fn ends(&self) -> (IpAddr, IpAddr) {
        (self.0.network(), self.0.broadcast())
    }
}

/// Bits of an address.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address and a length.
fn parse(text: &str) -> Option<(IpAddr, u8)> {
    let Some((address, length)) = text.split_once('/') else {
        let address = text.parse().ok()?;
        return Some((address, width(address)));
    };
    // No sign, and no zero in front.
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    let length = length
        .parse()
        .ok()
        .filter(|_| is_number && (length == "0" || !length.starts_with('0')))?;
    Some((address.parse().ok()?, length))
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let prefix = parse(text).and_then(|(address, length)| Self::new(address, length));
        prefix.ok_or(NotAPrefix)
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
        let text = String::deserialize(from)?;
        Self::exact(&text).map_err(|error| D::Error::custom(format_args!("{text:.100}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, expected) in [
            ("192.0.2.7/24", Some("192.0.2.0/24")),
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("1.2.3.4/0", Some("0.0.0.0/0")),
            ("2001:DB8::1/32", Some("2001:db8::/32")),
            ("::1", Some("::1/128")),
            ("::/0", Some("::/0")),
            ("::ffff:192.0.2.7/120", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
            ("::ffff:0:0/96", Some("0.0.0.0/0")),
            // Half of it is not IPv4.
            ("::ffff:192.0.2.7/95", Some("::fffe:0:0/95")),
            ("192.0.2.0/33", None),
            ("::/129", None),
            ("::/256", None),
            ("::/+1", None),
            ("::/01", None),
            ("::/", None),
            ("192.0.2.0/", None),
            ("/8", None),
            ("192.0.2", None),
            ("10", None),
            ("proxy", None),
            ("", None),
        ] {
            let prefix: Option<Prefix> = text.parse().ok();
            assert_eq!(
                prefix.map(|prefix| prefix.to_string()).as_deref(),
                expected,
                "{text}"
            );
            assert_eq!(
                prefix.map(|prefix| Prefix::exact(&prefix.to_string())),
                prefix.map(Ok)
            );
        }
    }

    #[test]
    fn what_is_in_them() {
        for (prefix, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.0/24", "::ffff:192.0.2.1", "::ffff:192.0.3.1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("::ffff:192.0.2.1", "192.0.2.1", "::192.0.2.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
        ] {
            let prefix: Prefix = prefix.parse().unwrap();
            let (inside, outside): (IpAddr, IpAddr) = (inside.parse().unwrap(), outside.parse().unwrap());
            assert!(prefix.contains(inside), "{prefix} {inside}");
            assert!(!prefix.contains(outside), "{prefix} {outside}");
            assert!(Prefix::all_of(inside).any(|one| one == prefix));
            assert!(Prefix::all_of(outside).all(|one| one != prefix));
            let (first, last) = prefix.ends();
            assert!(first <= inside.to_canonical() && inside.to_canonical() <= last);
        }
        let count = |address: &str| Prefix::all_of(address.parse().unwrap()).count();
        assert_eq!((count("::ffff:192.0.2.1"), count("::1")), (33, 129));
    }

    #[test]
    fn addresses_of_one_block_have_one_prefix() {
        let of = |address: &str| Prefix::around(address.parse().unwrap(), 24, 48);
        assert_eq!(of("192.0.2.1"), of("192.0.2.255"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.7"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8:1::1"), of("2001:db8:1:ffff::2"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
    }

    #[test]
    fn in_settings_bits_past_the_length_are_mistakes() {
        for text in ["192.0.2.1/24", "2001:db8::1/32", "::ffff:192.0.2.1/120", "::1/0"] {
            assert!(text.parse::<Prefix>().is_ok(), "{text}");
            assert_eq!(Prefix::exact(text), Err(NotAPrefix), "{text}");
        }
        let mapped = Prefix::exact("::ffff:192.0.2.0/120").unwrap();
        assert_eq!(mapped.to_string(), "192.0.2.0/24");
    }
}
