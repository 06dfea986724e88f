//! The class that JavaScript sees; `js/` wraps it. ARCHITECTURE.md documents its methods.

use js_sys::{Array, Function, Object, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::{Config, Engine, Location};
use crate::page::Page;

/// One source's peer: manifest, swarms, connections.
#[wasm_bindgen]
pub struct Peer {
    engine: Engine,
}

#[wasm_bindgen]
impl Peer {
    /// Connects to nothing before a segment is asked for.
    #[wasm_bindgen(constructor)]
    pub fn new(config: JsValue, on_event: Function, page: Page) -> Peer {
        Peer {
            engine: Engine::new(Config::read(&config), on_event, page),
        }
    }

    /// Takes a manifest (shoal.json), whose URLs are relative to `base`.
    pub fn open(&self, manifest: &str, base: String) -> Result<(), JsValue> {
        self.engine.open(manifest, base)
    }

    /// Does the manifest cover this playlist?
    pub fn covers(&self, playlist: &str) -> bool {
        self.engine.covers(playlist)
    }

    /// Loads one media segment.
    #[wasm_bindgen(js_name = loadSegment)]
    #[allow(clippy::too_many_arguments)]
    pub fn load_segment(
        &self,
        id: u32,
        playlist: &str,
        segment: u32,
        url: &str,
        start: f64,
        end: f64,
        deadline: f64,
    ) -> Promise {
        let range = (start >= 0.0 && end > start).then_some((start as u64, end as u64));
        let location = Location {
            url: url.into(),
            range,
        };
        self.engine
            .load_segment(id, playlist, segment, location, deadline)
    }

    /// Moves a load's deadline: milliseconds from now.
    #[wasm_bindgen(js_name = setDeadline)]
    pub fn set_deadline(&self, id: u32, deadline: f64) {
        self.engine.set_deadline(id, deadline);
    }

    /// Gives a load up.
    pub fn cancel(&self, id: u32) {
        self.engine.cancel(id);
    }

    /// Bytes per second that media arrives with, over all sources; 0 until that is known.
    pub fn rate(&self) -> f64 {
        self.engine.rate()
    }

    /// The SHA-256 that the manifest gives for an init section of this playlist; `undefined` if it has none.
    #[wasm_bindgen(js_name = initDigest)]
    pub fn init_digest(&self, playlist: &str, init: &str) -> JsValue {
        self.engine
            .init_digest(playlist, init)
            .map_or(JsValue::UNDEFINED, |digest| Uint8Array::from(&digest[..]).into())
    }

    /// The figures so far.
    pub fn stats(&self) -> Object {
        self.engine.stats()
    }

    /// The connected peers.
    pub fn peers(&self) -> Array {
        self.engine.peers()
    }

    /// Where the chunks of some segments came from: those in `window`, else those around the one asked for last.
    #[wasm_bindgen(js_name = chunkMap)]
    pub fn chunk_map(&self, window: JsValue) -> Array {
        self.engine.chunk_map(&window)
    }

    /// Changes options at run time.
    pub fn configure(&self, partial: JsValue) {
        self.engine.configure(&partial);
    }

    /// Leaves all swarms and frees everything.
    pub fn destroy(&self) {
        self.engine.close();
    }
}
