//! Addresses of peers, as trackers take and tell them. Browsers reach each other by signals alone.

use std::net::IpAddr;

use crate::MAX_ADDRESSES;
use crate::error::DecodeError;
use crate::peer::{AddressKind, AddressType, PeerAddr};

/// Longest autonomous system number and name of a peer protocol.
const MAX_WORD: usize = 32;

/// Of a response: an example of the RFC leaves out how an address was learnt.
pub(crate) fn complete(address: &mut PeerAddr) {
    address.kind.get_or_insert(AddressKind::Reflexive);
}

/// Those of a CONNECT, as the tracker may tell them to others.
///
/// # Errors
/// Which is wrong, and why.
pub(crate) fn check(addresses: &mut [PeerAddr]) -> Result<(), DecodeError> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(DecodeError::member("connect.peer_addr", "more than 4"));
    }
    addresses.iter_mut().try_for_each(check_address)
}

/// An address that others may be told: its text is brought into the canonical form, and is short.
fn check_address(address: &mut PeerAddr) -> Result<(), DecodeError> {
    let refuse = |member, problem| {
        Err(DecodeError::member(
            format!("connect.peer_addr.{member}"),
            problem,
        ))
    };
    address.kind.get_or_insert(AddressKind::Host);
    let ip = &mut address.ip_address;
    match (ip.address_type, ip.address.parse()) {
        (AddressType::Ipv4, Ok(IpAddr::V4(parsed))) => ip.address = parsed.to_string(),
        (AddressType::Ipv6, Ok(IpAddr::V6(parsed))) => ip.address = parsed.to_string(),
        (AddressType::Ipv4, _) => return refuse("ip_address.address", "not an IPv4 address"),
        (AddressType::Ipv6, _) => return refuse("ip_address.address", "not an IPv6 address"),
    }
    let is_word = |text: &Option<String>| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
        text.as_ref()
            .is_none_or(|text| text.len() <= MAX_WORD && text.bytes().all(is_plain))
    };
    if address.port > u64::from(u16::MAX) {
        return refuse("port", "more than 65535");
    }
    if address.priority > u64::from(u32::MAX) {
        return refuse("priority", "more than 4294967295");
    }
    if !is_word(&address.asn) {
        return refuse("asn", "not at most 32 letters and digits");
    }
    if !is_word(&address.peer_protocol) {
        return refuse("peer_protocol", "not at most 32 letters and digits");
    }
    Ok(())
}
