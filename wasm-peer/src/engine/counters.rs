//! Bytes by where they came from and went.

use js_sys::Object;
use ppspp::sorted_map::SortedMap;
use wasm_bindgen::JsValue;

use crate::js::{number, object};
use crate::net::{LinkId, PeerId};

/// Totals of media payload since the peer was made.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) p2p_bytes: u64,
    pub(crate) http_bytes: u64,
    pub(crate) uploaded_bytes: u64,
    pub(crate) discarded_bytes: u64,
    pub(crate) bad_chunks: u64,
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
    pub(crate) fn totals(&self) -> Object {
        let all = self.p2p_bytes + self.http_bytes;
        let ratio = if all > 0 {
            self.p2p_bytes as f64 / all as f64
        } else {
            0.0
        };
        object([
            ("p2pBytes", number(self.p2p_bytes)),
            ("httpBytes", number(self.http_bytes)),
            ("uploadedBytes", number(self.uploaded_bytes)),
            ("discardedBytes", number(self.discarded_bytes)),
            ("badChunks", number(self.bad_chunks)),
            ("refusedSignatures", number(self.refused_signatures)),
            ("refusedCertificates", number(self.refused_certificates)),
            ("p2pRatio", JsValue::from_f64(ratio)),
            (
                "firstP2PByteMs",
                self.first_p2p_byte_ms.map_or(JsValue::NULL, JsValue::from_f64),
            ),
            ("peers", number(self.peers.len() as u64)),
        ])
    }
}
