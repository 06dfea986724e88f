//! Statistics a peer reports (RFC 7846 §3.2.8) and their quality-of-service extension.

use serde::{Deserialize, Serialize};

use crate::tolerant::{is_default, is_zero, number};

/// One swarm's entry of a STREAM_STATS report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// The swarm.
    pub swarm_id: String,
    /// Bytes sent to peers since joining.
    #[serde(deserialize_with = "number")]
    pub uploaded_bytes: u64,
    /// Bytes received from peers since joining.
    #[serde(deserialize_with = "number")]
    pub downloaded_bytes: u64,
    /// Upload bandwidth available at the moment, bit/s (the RFC names no unit).
    #[serde(deserialize_with = "number")]
    pub available_bandwidth: u64,
    /// Connected neighbours.
    #[serde(deserialize_with = "number")]
    pub concurrent_links: u64,
    /// Extension members.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ext: StatExt,
}

/// Extension members of a [`Stat`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatExt {
    /// What the viewer got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<Qos>,
}

/// Quality of service as the viewer sees it. What was not measured is 0 and left out on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qos {
    /// Time to the first frame, ms.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub ttff_ms: u64,
    /// Number of stalls.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub stalls: u64,
    /// Time stalled, ms.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub stall_ms: u64,
    /// Delay behind the live edge, ms.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub live_delay_ms: u64,
    /// Chunks that came after their deadline.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub late_chunks: u64,
    /// Chunks that failed verification.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub bad_chunks: u64,
    /// Media bytes from peers.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub p2p_bytes: u64,
    /// Media bytes from the origin.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub http_bytes: u64,
    /// Connections that came up.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub conn_ok: u64,
    /// Connections that did not.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub conn_fail: u64,
    /// Candidate types of the connections in use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cand: CandidateTypes,
}

/// Connections by the type of their local ICE candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateTypes {
    /// Own interface.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub host: u64,
    /// Seen from outside a NAT.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub srflx: u64,
    /// A relay's.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub relay: u64,
}
