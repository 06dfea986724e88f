//! What the page may look at: figures, peers, the chunk map.

use std::rc::Rc;

use js_sys::{Array, Object, Uint8Array};
use ppspp::LinkId;
use wasm_bindgen::JsValue;

use super::{Engine, Inner};
use crate::js::{Record, array, get};

/// Segments shown before and after the one asked for last, where no player says what to show.
const SHOWN_BEFORE: u32 = 3;
const SHOWN_AFTER: u32 = 8;

impl Engine {
    /// The members of js-api's `stats()` that are known here.
    pub(crate) fn stats(&self) -> Object {
        let inner = &self.0;
        let stats = inner.counters.borrow().totals();
        let network = inner.network();
        let connecting = network.as_ref().map_or(0, |network| network.connecting());
        stats.count("connecting", connecting as u64);
        let relays_refused = network.map_or(0, |network| network.relays_refused());
        stats.count("relaysRefused", relays_refused.into());
        let (url, state) = inner.tracker.borrow().clone();
        let tracker = Record::new();
        tracker.text("url", &url);
        tracker.text("state", state);
        stats.value("tracker", &tracker);
        let swarms = Array::new();
        for stream in inner.streams() {
            let held = stream.with_swarm(|swarm| (swarm.has().count(), swarm.stored_bytes()));
            let Some((chunks, stored)) = held else { continue };
            let swarm = Record::new();
            swarm.text("playlist", &stream.playlist);
            swarm.text("swarmId", &stream.entry.swarm_id.to_string());
            swarm.number_or_null("segments", stream.segments().map(f64::from));
            swarm.count("chunks", chunks);
            swarm.count("storedBytes", stored as u64);
            swarm.count("p2pBytes", stream.p2p_bytes.get());
            swarm.count("httpBytes", stream.http_bytes.get());
            swarm.count("uploadedBytes", stream.uploaded_bytes.get());
            swarms.push(&swarm);
        }
        stats.value("swarms", &swarms);
        stats.into()
    }

    /// The connected peers.
    pub(crate) fn peers(&self) -> Array {
        let inner = &self.0;
        let counters = inner.counters.borrow();
        let now = inner.clock.now();
        let peers = Array::new();
        for (link, neighbour) in counters.peers.iter() {
            let peer = Record::new();
            peer.text("peer", &neighbour.peer.to_string());
            peer.text("state", "joined");
            peer.count("downloadedBytes", neighbour.downloaded);
            peer.count("uploadedBytes", neighbour.uploaded);
            peer.number("downloadRate", inner.link_rate(link));
            peer.number("connectedMs", now - neighbour.since);
            peers.push(&peer);
        }
        peers
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
        let map = Array::new();
        for (playlist, segment) in window {
            let stream = inner.stream_of(&playlist);
            let Some(chunks) = stream.and_then(|stream| stream.shown_chunks(segment)) else {
                continue;
            };
            let shown = Record::new();
            shown.text("playlist", &playlist);
            shown.count("segment", segment.into());
            shown.count("chunks", chunks.len() as u64);
            shown.value("sources", &Uint8Array::from(chunks.as_slice()));
            map.push(&shown);
        }
        map
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
