//! What the page may look at: figures, peers, the chunk map.

use std::rc::Rc;

use js_sys::{Array, Object, Uint8Array};
use ppspp::LinkId;
use wasm_bindgen::JsValue;

use super::{Engine, Inner};
use crate::js::{array, get, number, object, set};

/// Segments shown before and after the one asked for last, where no player says what to show.
const SHOWN_BEFORE: u32 = 3;
const SHOWN_AFTER: u32 = 8;

impl Engine {
    /// The members of js-api's `stats()` that are known here.
    pub(crate) fn stats(&self) -> Object {
        let inner = &self.0;
        let stats = inner.counters.borrow().totals();
        let connecting = inner.network().map_or(0, |network| network.connecting());
        set(&stats, "connecting", number(connecting as u64));
        let relays_refused = inner.network().map_or(0, |network| network.relays_refused());
        set(&stats, "relaysRefused", relays_refused.into());
        let (url, state) = inner.tracker.borrow().clone();
        set(
            &stats,
            "tracker",
            object([("url", url.into()), ("state", state.into())]).into(),
        );
        let swarms: Array = inner
            .streams()
            .iter()
            .filter_map(|stream| {
                let (chunks, stored) =
                    stream.with_swarm(|swarm| (swarm.has().count(), swarm.stored_bytes()))?;
                Some(JsValue::from(object([
                    ("playlist", JsValue::from_str(&stream.playlist)),
                    ("swarmId", stream.entry.swarm_id.to_string().into()),
                    ("segments", stream.segments().map_or(JsValue::NULL, JsValue::from)),
                    ("chunks", number(chunks)),
                    ("storedBytes", number(stored as u64)),
                    ("p2pBytes", number(stream.p2p_bytes.get())),
                    ("httpBytes", number(stream.http_bytes.get())),
                    ("uploadedBytes", number(stream.uploaded_bytes.get())),
                ])))
            })
            .collect();
        set(&stats, "swarms", swarms.into());
        stats
    }

    /// The connected peers.
    pub(crate) fn peers(&self) -> Array {
        let inner = &self.0;
        let counters = inner.counters.borrow();
        let now = inner.clock.now();
        counters
            .peers
            .iter()
            .map(|(link, neighbour)| {
                JsValue::from(object([
                    ("peer", neighbour.peer.to_string().into()),
                    ("state", "joined".into()),
                    ("downloadedBytes", number(neighbour.downloaded)),
                    ("uploadedBytes", number(neighbour.uploaded)),
                    ("downloadRate", JsValue::from_f64(inner.link_rate(link))),
                    ("connectedMs", JsValue::from_f64(now - neighbour.since)),
                ]))
            })
            .collect()
    }

    /// The segments in `window` (an array of `{playlist, segment}`), or if that is none those around the playhead as far
    /// as that is known, chunk by chunk.
    pub(crate) fn chunk_map(&self, window: &JsValue) -> Array {
        let inner = &self.0;
        let mut window: Vec<(Rc<str>, u32)> = array(window)
            .iter()
            .filter_map(|shown| {
                let playlist = get(&shown, "playlist").as_string()?;
                Some((playlist.into(), get(&shown, "segment").as_f64()? as u32))
            })
            .collect();
        if window.is_empty() {
            for stream in inner.streams() {
                let asked = stream.last_asked.get();
                let active = stream
                    .with_swarm(|swarm| !swarm.has().is_empty())
                    .unwrap_or(false);
                let range = asked.saturating_sub(SHOWN_BEFORE)
                    ..(asked + SHOWN_AFTER).min(stream.segments().unwrap_or(u32::MAX));
                if active {
                    window.extend(range.map(|segment| (stream.playlist.clone(), segment)));
                }
            }
        }
        window
            .into_iter()
            .filter_map(|(playlist, segment)| {
                let chunks = inner.stream_of(&playlist)?.shown_chunks(segment)?;
                Some(JsValue::from(object([
                    ("playlist", JsValue::from_str(&playlist)),
                    ("segment", segment.into()),
                    ("chunks", number(chunks.len() as u64)),
                    ("sources", Uint8Array::from(chunks.as_slice()).into()),
                ])))
            })
            .collect()
    }
}

impl Inner {
    /// Bytes per second that a peer's chunks arrive with, over all swarms.
    fn link_rate(&self, link: LinkId) -> f64 {
        self.streams
            .borrow()
            .iter()
            .filter_map(|stream| stream.with_swarm(|swarm| swarm.link_rate(link)).flatten())
            .sum()
    }
}
