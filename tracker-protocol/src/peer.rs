//! Peers and their addresses, as lists name them (RFC 7846 §3.2.3 to §3.2.5).

use serde::{Deserialize, Serialize};

use crate::tolerant::{is_default, number, one_or_many, optional_number};

/// Whether a peer has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PeerMode {
    /// Has the whole content and only serves.
    Seeder,
    /// Has not everything yet; downloads and shares.
    Leech,
}

/// NAT situation a requester prefers (RFC 7846 §3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AbilityNat {
    /// Reachable directly.
    #[serde(rename = "NO_NAT")]
    NoNat,
    /// Reachable with the help of STUN.
    #[serde(rename = "STUN")]
    Stun,
    /// Reachable through a relay.
    #[serde(rename = "TURN")]
    Turn,
}

/// Which peers, and how many, the requester would like (RFC 7846 §3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerNum {
    /// Number of peers wanted; a tracker clamps it to 1…29.
    #[serde(
        default,
        deserialize_with = "optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub peer_count: Option<u64>,
    /// Preferred NAT situation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ability_nat: Option<AbilityNat>,
    /// Preferred number of concurrent links.
    #[serde(
        default,
        deserialize_with = "optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub concurrent_links: Option<u64>,
    /// Preferred time online, seconds.
    #[serde(
        default,
        deserialize_with = "optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub online_time: Option<u64>,
    /// Preferred upload bandwidth, kbit/s.
    #[serde(
        default,
        deserialize_with = "optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub upload_bandwidth: Option<u64>,
}

/// Family of an [`IpAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressType {
    /// Dotted form.
    Ipv4,
    /// RFC 5952 form.
    Ipv6,
}

/// An IP address as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpAddress {
    /// Family.
    pub address_type: AddressType,
    /// The address.
    pub address: String,
}

/// How an address was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AddressKind {
    /// Of the peer's own interface.
    Host,
    /// As seen from outside a NAT.
    Reflexive,
    /// Of a relay.
    Proxy,
}

/// Physical kind of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    /// By radio.
    Wireless,
    /// By cable.
    Wired,
}

/// One address of a peer (RFC 7846 §3.2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddr {
    /// Where.
    pub ip_address: IpAddress,
    /// Port; 0 for a browser, which is reached by [`crate::Signal`] only.
    #[serde(deserialize_with = "number")]
    pub port: u64,
    /// Larger is better.
    #[serde(default, deserialize_with = "number")]
    pub priority: u64,
    /// How it was learnt. Always present after reading: an example of the RFC leaves it out, which then means HOST in
    /// a request and REFLEXIVE in a response.
    #[serde(rename = "type", default, serialize_with = "write_kind")]
    pub kind: Option<AddressKind>,
    /// Kind of access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// Autonomous system number, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<String>,
    /// Peer protocol spoken there, e.g. `PPSP-PP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_protocol: Option<String>,
}

fn write_kind<S: serde::Serializer>(kind: &Option<AddressKind>, serializer: S) -> Result<S::Ok, S::Error> {
    kind.unwrap_or(AddressKind::Host).serialize(serializer)
}

impl PeerAddr {
    /// What lists say of a browser in privacy mode: no address at all, reach it by [`crate::Signal`].
    pub fn private() -> Self {
        Self {
            ip_address: IpAddress {
                address_type: AddressType::Ipv4,
                address: "0.0.0.0".to_owned(),
            },
            port: 0,
            priority: 1,
            kind: Some(AddressKind::Reflexive),
            connection: None,
            asn: None,
            peer_protocol: Some("PPSP-PP-WEBRTC".to_owned()),
        }
    }
}

/// Extension members of a [`PeerInfo`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfoExt {
    /// Whether the peer has everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PeerMode>,
    /// Ways to reach it, e.g. `signal`, `udp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

/// One peer of a list. A peer with several addresses is listed several times, best priority first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// The peer.
    pub peer_id: String,
    /// One of its addresses.
    pub peer_addr: PeerAddr,
    /// Extension members.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ext: PeerInfoExt,
}

/// A list of peers (RFC 7846 §3.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerGroup {
    /// The peers.
    #[serde(default, deserialize_with = "one_or_many")]
    pub peer_info: Vec<PeerInfo>,
}
