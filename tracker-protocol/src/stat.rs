//! Statistics a peer reports (RFC 7846 §3.2.8) and their quality-of-service extension.

use json::Writer;

use crate::chunk_map::MapReport;
use crate::read::{Members, Read};
use crate::write::{Fields, Write};

/// One swarm's entry of a STREAM_STATS report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// The swarm.
    pub swarm_id: String,
    /// Bytes sent to peers since joining.
    pub uploaded_bytes: u64,
    /// Bytes received from peers since joining.
    pub downloaded_bytes: u64,
    /// Upload bandwidth available at the moment, bit/s (the RFC names no unit).
    pub available_bandwidth: u64,
    /// Connected neighbours.
    pub concurrent_links: u64,
    /// Extension members.
    pub ext: StatExt,
}

/// Extension members of a [`Stat`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatExt {
    /// What the viewer got.
    pub qos: Option<Qos>,
    /// The chunks it has. SEEDERs send none: theirs is implied complete.
    pub map: Option<MapReport>,
}

/// Quality of service as the viewer sees it. What was not measured is 0 and left out on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Qos {
    /// Time to the first frame, ms.
    pub ttff_ms: u64,
    /// Number of stalls.
    pub stalls: u64,
    /// Time stalled, ms.
    pub stall_ms: u64,
    /// Delay behind the live edge, ms.
    pub live_delay_ms: u64,
    /// Chunks that came after their deadline.
    pub late_chunks: u64,
    /// Chunks that failed verification.
    pub bad_chunks: u64,
    /// Media bytes from peers.
    pub p2p_bytes: u64,
    /// Media bytes from the origin.
    pub http_bytes: u64,
    /// Connections that came up.
    pub conn_ok: u64,
    /// Connections that did not.
    pub conn_fail: u64,
    /// Candidate types of the connections in use.
    pub cand: CandidateTypes,
}

/// Connections by the type of their local ICE candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CandidateTypes {
    /// Own interface.
    pub host: u64,
    /// Seen from outside a NAT.
    pub srflx: u64,
    /// A relay's.
    pub relay: u64,
}

impl Read for Stat {
    fn read(from: &Members<'_>) -> Self {
        Self {
            swarm_id: from.text("swarm_id"),
            uploaded_bytes: from.number("uploaded_bytes"),
            downloaded_bytes: from.number("downloaded_bytes"),
            available_bandwidth: from.number("available_bandwidth"),
            concurrent_links: from.number("concurrent_links"),
            ext: from.object_or_default("ext"),
        }
    }
}

impl Write for Stat {
    fn write(&self, json: &mut Writer) {
        json.text_member("swarm_id", &self.swarm_id);
        json.number_member("uploaded_bytes", self.uploaded_bytes);
        json.number_member("downloaded_bytes", self.downloaded_bytes);
        json.number_member("available_bandwidth", self.available_bandwidth);
        json.number_member("concurrent_links", self.concurrent_links);
        if !self.ext.is_empty() {
            json.object_of("ext", &self.ext);
        }
    }
}

impl StatExt {
    fn is_empty(&self) -> bool {
        self.qos.is_none() && self.map.is_none()
    }
}

impl Read for StatExt {
    fn read(from: &Members<'_>) -> Self {
        Self {
            qos: from.optional("qos"),
            map: from.optional("map"),
        }
    }
}

impl Write for StatExt {
    fn write(&self, json: &mut Writer) {
        json.optional_object("qos", self.qos.as_ref());
        json.optional_object("map", self.map.as_ref());
    }
}

impl Read for Qos {
    fn read(from: &Members<'_>) -> Self {
        Self {
            ttff_ms: from.number_or_zero("ttff_ms"),
            stalls: from.number_or_zero("stalls"),
            stall_ms: from.number_or_zero("stall_ms"),
            live_delay_ms: from.number_or_zero("live_delay_ms"),
            late_chunks: from.number_or_zero("late_chunks"),
            bad_chunks: from.number_or_zero("bad_chunks"),
            p2p_bytes: from.number_or_zero("p2p_bytes"),
            http_bytes: from.number_or_zero("http_bytes"),
            conn_ok: from.number_or_zero("conn_ok"),
            conn_fail: from.number_or_zero("conn_fail"),
            cand: from.object_or_default("cand"),
        }
    }
}

impl Write for Qos {
    fn write(&self, json: &mut Writer) {
        json.number_above_zero("ttff_ms", self.ttff_ms);
        json.number_above_zero("stalls", self.stalls);
        json.number_above_zero("stall_ms", self.stall_ms);
        json.number_above_zero("live_delay_ms", self.live_delay_ms);
        json.number_above_zero("late_chunks", self.late_chunks);
        json.number_above_zero("bad_chunks", self.bad_chunks);
        json.number_above_zero("p2p_bytes", self.p2p_bytes);
        json.number_above_zero("http_bytes", self.http_bytes);
        json.number_above_zero("conn_ok", self.conn_ok);
        json.number_above_zero("conn_fail", self.conn_fail);
        if self.cand != CandidateTypes::default() {
            json.object_of("cand", &self.cand);
        }
    }
}

impl Read for CandidateTypes {
    fn read(from: &Members<'_>) -> Self {
        Self {
            host: from.number_or_zero("host"),
            srflx: from.number_or_zero("srflx"),
            relay: from.number_or_zero("relay"),
        }
    }
}

impl Write for CandidateTypes {
    fn write(&self, json: &mut Writer) {
        json.number_above_zero("host", self.host);
        json.number_above_zero("srflx", self.srflx);
        json.number_above_zero("relay", self.relay);
    }
}
