//! Bytes by where they came from and went.

use ppspp::sorted_map::SortedMap;

use crate::js::Record;
use crate::net::{LinkId, PeerId};

/// Totals of media payload since the peer was made.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) p2p_bytes: u64,
    pub(crate) http_bytes: u64,
    pub(crate) uploaded_bytes: u64,
    pub(crate) discarded_bytes: u64,
    pub(crate) bad_chunks: u64,
    /// Connections that came up.
    pub(crate) connections: u64,
    /// Live signatures and membership certificates that were not taken.
    pub(crate) refused_signatures: u64,
    pub(crate) refused_certificates: u64,
    /// Milliseconds from the peer's making to the first chunk from a peer.
    pub(crate) first_p2p_byte_ms: Option<f64>,
    /// Everybody who is connected.
    pub(crate) peers: SortedMap<LinkId, Neighbour>,
}

/// One connection's part in them.
pub(crate) struct Neighbour {
    pub(crate) peer: PeerId,
    pub(crate) since: f64,
    pub(crate) downloaded: u64,
    pub(crate) uploaded: u64,
}

impl Counters {
    /// The members of `stats()` that count.
    pub(crate) fn totals(&self) -> Record {
        let all = self.p2p_bytes + self.http_bytes;
        let ratio = if all > 0 {
            self.p2p_bytes as f64 / all as f64
        } else {
            0.0
        };
        let totals = Record::new();
        totals.count("p2pBytes", self.p2p_bytes);
        totals.count("httpBytes", self.http_bytes);
        totals.count("uploadedBytes", self.uploaded_bytes);
        totals.count("discardedBytes", self.discarded_bytes);
        totals.count("badChunks", self.bad_chunks);
        totals.count("refusedSignatures", self.refused_signatures);
        totals.count("refusedCertificates", self.refused_certificates);
        totals.number("p2pRatio", ratio);
        totals.number_or_null("firstP2PByteMs", self.first_p2p_byte_ms);
        totals.count("peers", self.peers.len() as u64);
        totals
    }
}
