//! Peers and their addresses, as lists name them (RFC 7846 §3.2.3 to §3.2.5).

use json::Writer;

use crate::read::{Members, Read, Word};
use crate::status::Role;
use crate::write::{Fields, Write};

/// Whether a peer has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerMode {
    /// Has the whole content and only serves.
    Seeder,
    /// Has not everything yet; downloads and shares.
    Leech,
}

/// NAT situation a requester prefers (RFC 7846 §3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbilityNat {
    /// Reachable directly.
    NoNat,
    /// Reachable with the help of STUN.
    Stun,
    /// Reachable through a relay.
    Turn,
}

/// Which peers, and how many, the requester would like (RFC 7846 §3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerNum {
    /// Number of peers wanted; a tracker clamps it to 1…29.
    pub peer_count: Option<u64>,
    /// Preferred NAT situation.
    #[cfg(feature = "server")]
    pub ability_nat: Option<AbilityNat>,
    /// Preferred number of concurrent links.
    #[cfg(feature = "server")]
    pub concurrent_links: Option<u64>,
    /// Preferred time online, seconds.
    #[cfg(feature = "server")]
    pub online_time: Option<u64>,
    /// Preferred upload bandwidth, kbit/s.
    #[cfg(feature = "server")]
    pub upload_bandwidth: Option<u64>,
}

impl PeerNum {
    /// So many peers, of whatever kind.
    pub fn of(peer_count: u64) -> Self {
        Self {
            peer_count: Some(peer_count),
            #[cfg(feature = "server")]
            ability_nat: None,
            #[cfg(feature = "server")]
            concurrent_links: None,
            #[cfg(feature = "server")]
            online_time: None,
            #[cfg(feature = "server")]
            upload_bandwidth: None,
        }
    }
}

/// Family of an [`IpAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressType {
    /// Dotted form.
    Ipv4,
    /// RFC 5952 form.
    Ipv6,
}

/// An IP address as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpAddress {
    /// Family.
    pub address_type: AddressType,
    /// The address.
    pub address: String,
}

/// How an address was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Of the peer's own interface.
    Host,
    /// As seen from outside a NAT.
    Reflexive,
    /// Of a relay.
    Proxy,
}

/// Physical kind of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// By radio.
    Wireless,
    /// By cable.
    Wired,
}

/// One address of a peer (RFC 7846 §3.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddr {
    /// Where.
    pub ip_address: IpAddress,
    /// Port; 0 for a browser, which is reached by [`crate::Signal`] only.
    pub port: u64,
    /// Larger is better.
    pub priority: u64,
    /// How it was learnt. Always present after reading: an example of the RFC leaves it out, which then means HOST in
    /// a request and REFLEXIVE in a response.
    pub kind: Option<AddressKind>,
    /// Kind of access.
    pub connection: Option<Connection>,
    /// Autonomous system number, as text.
    pub asn: Option<String>,
    /// Peer protocol spoken there, e.g. `PPSP-PP`.
    pub peer_protocol: Option<String>,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerInfoExt {
    /// Whether the peer has everything.
    #[cfg(feature = "server")]
    pub mode: Option<PeerMode>,
    /// What it is.
    pub role: Option<Role>,
    /// Ways to reach it, e.g. `signal`, `udp`.
    pub via: Vec<String>,
}

/// One peer of a list. A peer with several addresses is listed several times, best priority first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// The peer.
    pub peer_id: String,
    /// One of its addresses.
    #[cfg(feature = "server")]
    pub peer_addr: PeerAddr,
    /// Extension members.
    pub ext: PeerInfoExt,
}

/// A list of peers (RFC 7846 §3.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerGroup {
    /// The peers.
    pub peer_info: Vec<PeerInfo>,
}

impl Word for PeerMode {
    const WORDS: &'static [(&'static str, Self)] = &[("SEEDER", Self::Seeder), ("LEECH", Self::Leech)];
    const PROBLEM: &'static str = "not SEEDER or LEECH";
}

impl Word for AbilityNat {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("NO_NAT", Self::NoNat),
        ("STUN", Self::Stun),
        ("TURN", Self::Turn),
    ];
    const PROBLEM: &'static str = "not NO_NAT, STUN or TURN";
}

impl Word for AddressType {
    const WORDS: &'static [(&'static str, Self)] = &[("ipv4", Self::Ipv4), ("ipv6", Self::Ipv6)];
    const PROBLEM: &'static str = "not ipv4 or ipv6";
}

impl Word for AddressKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("HOST", Self::Host),
        ("REFLEXIVE", Self::Reflexive),
        ("PROXY", Self::Proxy),
    ];
    const PROBLEM: &'static str = "not HOST, REFLEXIVE or PROXY";
}

impl Word for Connection {
    const WORDS: &'static [(&'static str, Self)] = &[("wireless", Self::Wireless), ("wired", Self::Wired)];
    const PROBLEM: &'static str = "not wireless or wired";
}

impl Read for PeerNum {
    fn read(from: &Members<'_>) -> Self {
        Self {
            peer_count: from.optional_number("peer_count"),
            #[cfg(feature = "server")]
            ability_nat: from.optional_word("ability_nat"),
            #[cfg(feature = "server")]
            concurrent_links: from.optional_number("concurrent_links"),
            #[cfg(feature = "server")]
            online_time: from.optional_number("online_time"),
            #[cfg(feature = "server")]
            upload_bandwidth: from.optional_number("upload_bandwidth"),
        }
    }
}

impl Write for PeerNum {
    fn write(&self, json: &mut Writer) {
        json.optional_number("peer_count", self.peer_count);
        #[cfg(feature = "server")]
        json.optional_word("ability_nat", self.ability_nat);
        #[cfg(feature = "server")]
        json.optional_number("concurrent_links", self.concurrent_links);
        #[cfg(feature = "server")]
        json.optional_number("online_time", self.online_time);
        #[cfg(feature = "server")]
        json.optional_number("upload_bandwidth", self.upload_bandwidth);
    }
}

impl Read for IpAddress {
    fn read(from: &Members<'_>) -> Self {
        Self {
            address_type: from.word("address_type"),
            address: from.text("address"),
        }
    }
}

impl Write for IpAddress {
    fn write(&self, json: &mut Writer) {
        json.text_member("address_type", self.address_type.word());
        json.text_member("address", &self.address);
    }
}

impl Read for PeerAddr {
    fn read(from: &Members<'_>) -> Self {
        Self {
            ip_address: from.object("ip_address"),
            port: from.number("port"),
            priority: from.number_or_zero("priority"),
            kind: from.optional_word("type"),
            connection: from.optional_word("connection"),
            asn: from.optional_text("asn"),
            peer_protocol: from.optional_text("peer_protocol"),
        }
    }
}

impl Write for PeerAddr {
    fn write(&self, json: &mut Writer) {
        json.object_of("ip_address", &self.ip_address);
        json.number_member("port", self.port);
        json.number_member("priority", self.priority);
        json.text_member("type", self.kind.unwrap_or(AddressKind::Host).word());
        json.optional_word("connection", self.connection);
        json.optional_text("asn", self.asn.as_deref());
        json.optional_text("peer_protocol", self.peer_protocol.as_deref());
    }
}

impl Read for PeerInfoExt {
    fn read(from: &Members<'_>) -> Self {
        Self {
            #[cfg(feature = "server")]
            mode: from.optional_word("mode"),
            role: from.known_word("role"),
            via: from.texts("via"),
        }
    }
}

impl Write for PeerInfoExt {
    fn write(&self, json: &mut Writer) {
        #[cfg(feature = "server")]
        json.optional_word("mode", self.mode);
        json.optional_word("role", self.role);
        json.texts_if_any("via", &self.via);
    }
}

impl Read for PeerInfo {
    fn read(from: &Members<'_>) -> Self {
        Self {
            peer_id: from.text("peer_id"),
            #[cfg(feature = "server")]
            peer_addr: {
                let mut address = from.object("peer_addr");
                crate::addresses::complete(&mut address);
                address
            },
            ext: from.object_or_default("ext"),
        }
    }
}

impl Write for PeerInfo {
    fn write(&self, json: &mut Writer) {
        json.text_member("peer_id", &self.peer_id);
        #[cfg(feature = "server")]
        json.object_of("peer_addr", &self.peer_addr);
        if self.ext != PeerInfoExt::default() {
            json.object_of("ext", &self.ext);
        }
    }
}

impl Read for PeerGroup {
    fn read(from: &Members<'_>) -> Self {
        Self {
            peer_info: from.one_or_many("peer_info"),
        }
    }
}

impl Write for PeerGroup {
    fn write(&self, json: &mut Writer) {
        json.objects("peer_info", &self.peer_info);
    }
}
