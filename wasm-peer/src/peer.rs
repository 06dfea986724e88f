//! The class that JavaScript sees; `js/` wraps it. ARCHITECTURE.md documents its methods.

use std::rc::Rc;

use js_sys::{Array, Function, Object, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::HtmlVideoElement;

use crate::engine::{Config, Engine, Location};
use crate::feeder::{Feeder, SegmentSource};
use crate::js::{error, number, object, promise};

/// One source's peer: manifest, swarms, connections, and the native player if one is attached.
#[wasm_bindgen]
pub struct Peer {
    engine: Engine,
}

#[wasm_bindgen]
impl Peer {
    /// Connects to nothing before a segment is asked for.
    #[wasm_bindgen(constructor)]
    pub fn new(config: JsValue, on_event: Function) -> Peer {
        Peer {
            engine: Engine::new(Config::read(&config), on_event),
        }
    }

    /// Loads shoal.json.
    pub fn open(&self, url: String) -> Promise {
        let engine = self.engine.clone();
        promise(async move { engine.open(&url).await.map(|()| JsValue::UNDEFINED) })
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

    /// Plays the HLS presentation at `url` on `video`.
    pub fn attach(&self, video: HtmlVideoElement, url: String) -> Promise {
        let engine = self.engine.clone();
        promise(async move {
            let attachment = engine.set_feeder(None);
            let source: Rc<dyn SegmentSource> = Rc::new(engine.clone());
            let feeder = Feeder::attach(video, &url, source)
                .await
                .map_err(|failure| JsValue::from(error("media-source", &failure.to_string())))?;
            // Detached or attached to another source meanwhile: this one gives the element back.
            if engine.attachment() != attachment {
                return Err(error("AbortError", "detached before it was attached").into());
            }
            engine.set_feeder(Some(Rc::new(feeder)));
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Gives the video element back.
    pub fn detach(&self) {
        self.engine.set_feeder(None);
    }

    /// What can be chosen.
    pub fn renditions(&self) -> Array {
        let Some(feeder) = self.engine.feeder() else {
            return Array::new();
        };
        feeder
            .renditions()
            .iter()
            .enumerate()
            .map(|(index, variant)| {
                JsValue::from(object([
                    ("index", number(index as u64)),
                    ("bandwidth", JsValue::from_f64(variant.bandwidth)),
                    ("width", variant.width.into()),
                    ("height", variant.height.into()),
                    ("codecs", variant.codecs.as_str().into()),
                ]))
            })
            .collect()
    }

    /// Plays one rendition; negative: chosen by measurement.
    #[wasm_bindgen(js_name = selectRendition)]
    pub fn select_rendition(&self, index: i32) {
        if let Some(feeder) = self.engine.feeder() {
            feeder.select(usize::try_from(index).ok());
        }
    }

    /// The rendition that plays; -1 without a player.
    #[wasm_bindgen(js_name = currentRendition)]
    pub fn current_rendition(&self) -> i32 {
        self.engine.feeder().map_or(-1, |feeder| feeder.current() as i32)
    }

    /// The figures so far.
    pub fn stats(&self) -> Object {
        self.engine.stats()
    }

    /// The connected peers.
    pub fn peers(&self) -> Array {
        self.engine.peers()
    }

    /// Where the chunks around the playhead came from.
    #[wasm_bindgen(js_name = chunkMap)]
    pub fn chunk_map(&self) -> Array {
        self.engine.chunk_map()
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
