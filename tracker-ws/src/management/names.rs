//! Words for what peers are, and kinds of them as JSON and in the document.

use serde::{Deserialize, Serialize};
use tracker_protocol::{AbilityNat, PeerMode, Role};
use utoipa::ToSchema;

/// What a peer says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleName {
    Browser,
    Native,
    Super,
    Cache,
    Cdn,
    Proxy,
    Origin,
    Unknown,
}

impl From<Option<Role>> for RoleName {
    fn from(role: Option<Role>) -> Self {
        match role {
            Some(Role::Browser) => Self::Browser,
            Some(Role::Native) => Self::Native,
            Some(Role::Super) => Self::Super,
            Some(Role::Cache) => Self::Cache,
            Some(Role::Cdn) => Self::Cdn,
            Some(Role::Proxy) => Self::Proxy,
            Some(Role::Origin) => Self::Origin,
            None => Self::Unknown,
        }
    }
}

/// What it takes to reach a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum NatName {
    /// Nothing.
    None,
    /// Help of a STUN server.
    Stun,
    /// A relay.
    Turn,
    /// It has not told.
    Unknown,
}

impl From<Option<AbilityNat>> for NatName {
    fn from(nat: Option<AbilityNat>) -> Self {
        match nat {
            Some(AbilityNat::NoNat) => Self::None,
            Some(AbilityNat::Stun) => Self::Stun,
            Some(AbilityNat::Turn) => Self::Turn,
            None => Self::Unknown,
        }
    }
}

/// Has a peer everything of a swarm?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModeName {
    /// It has, and only serves.
    Seeder,
    /// Not yet.
    Leech,
}

impl From<PeerMode> for ModeName {
    fn from(mode: PeerMode) -> Self {
        match mode {
            PeerMode::Seeder => Self::Seeder,
            PeerMode::Leech => Self::Leech,
        }
    }
}

/// A range of chunks, and how many peers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Held {
    /// The first chunk.
    pub(super) first: u64,
    /// The last chunk.
    pub(super) last: u64,
    /// Peers that have it, as far as they were looked at.
    pub(super) holders: u64,
}
