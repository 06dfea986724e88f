//! Addresses that begin alike.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address block in the usual notation: `192.0.2.0/24`, `2001:db8::/32`, or a single address. Bits past the length
/// are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Prefix {
    address: IpAddr,
    length: u8,
}

/// A text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address or prefix such as 192.0.2.0/24 or 2001:db8::/32")]
pub(crate) struct NotPrefix;

impl Prefix {
    /// The block of this length that an address is in; of IPv4 where it is that in IPv6's form.
    fn new(address: IpAddr, length: u8) -> Self {
        let address = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        Self { address, length }
    }

    /// All blocks that an address is in.
    pub(crate) fn all_of(address: IpAddr) -> impl Iterator<Item = Self> {
        let address = address.to_canonical();
        (0..=width(address)).map(move |length| Self::new(address, length))
    }

    /// Is the address in it?
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self::new(address, self.length) == *self
    }
}

/// Bits of an address.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Prefix {
    type Err = NotPrefix;

    fn from_str(text: &str) -> Result<Self, NotPrefix> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotPrefix)?;
        let length = match length {
            None => width(address),
            // No sign, and no zero in front.
            Some(length) if length.starts_with('+') || (length.len() > 1 && length.starts_with('0')) => {
                return Err(NotPrefix);
            }
            Some(length) => length.parse().map_err(|_| NotPrefix)?,
        };
        if length > width(address) {
            return Err(NotPrefix);
        }
        // IPv4 in IPv6's form is IPv4, as addresses are looked up.
        match (address.to_canonical(), length.checked_sub(96)) {
            (IpAddr::V4(mapped), Some(length)) if address.is_ipv6() => {
                Ok(Self::new(IpAddr::V4(mapped), length))
            }
            _ => Ok(Self::new(address, length)),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.length)
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
            ("192.0.2.0/33", None),
            ("::/129", None),
            ("::/+1", None),
            ("::/01", None),
            ("::/", None),
            ("/8", None),
            ("192.0.2", None),
            ("", None),
        ] {
            let prefix: Option<Prefix> = text.parse().ok();
            assert_eq!(
                prefix.map(|prefix| prefix.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
