//! What the tracks of one player share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;
use web_sys::{AbortController, AbortSignal, HtmlVideoElement};

use super::loaded::Loaded;
use super::source::SegmentSource;
use super::timeline::Timeline;

/// The player's surroundings: element, source, timeline, and whether it still lives.
pub struct Host {
    /// The media element.
    pub video: HtmlVideoElement,
    /// Where segments come from and events go.
    pub source: Rc<dyn SegmentSource>,
    /// One for all tracks, so that they stay in step.
    pub timeline: RefCell<Timeline>,
    /// Does the browser want data (ManagedMediaSource)? Always true with a plain MediaSource.
    pub streaming: Cell<bool>,
    /// Was any of the playlists unfinished when it was loaded? Then segments are numbered by media sequence, to the
    /// end.
    pub live: Cell<bool>,
    /// In live, the playlist that was loaded last, of whatever track: what others are lined up with.
    pub latest: RefCell<Option<Rc<Loaded>>>,
    abort: AbortController,
    alive: Cell<bool>,
    next_id: Cell<u32>,
    on_wake: RefCell<Option<Rc<dyn Fn()>>>,
}

impl Host {
    /// `abort` ends the feeder's own transfers (playlists, init sections).
    pub fn new(video: HtmlVideoElement, source: Rc<dyn SegmentSource>, abort: AbortController) -> Self {
        Self {
            video,
            source,
            timeline: RefCell::default(),
            streaming: Cell::new(true),
            live: Cell::new(false),
            latest: RefCell::default(),
            abort,
            alive: Cell::new(true),
            next_id: Cell::new(1),
            on_wake: RefCell::new(None),
        }
    }

    /// For transfers that end with the player.
    pub fn signal(&self) -> AbortSignal {
        self.abort.signal()
    }

    /// False once the player is detached or has failed: nothing is started any more.
    pub fn alive(&self) -> bool {
        self.alive.get()
    }

    /// Media time, seconds.
    pub fn playhead(&self) -> f64 {
        self.video.current_time()
    }

    /// Milliseconds until the player is at this media time; 0 or less if it is there or past it.
    pub fn deadline(&self, time: f64) -> f64 {
        (time - self.playhead()) * 1_000.0 / self.video.playback_rate().max(0.1)
    }

    /// A name for a load that was never used before.
    pub fn next_id(&self) -> u32 {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        id
    }

    /// What [`Host::wake`] does.
    pub fn set_on_wake(&self, on_wake: Rc<dyn Fn()>) {
        *self.on_wake.borrow_mut() = Some(on_wake);
    }

    /// Something has changed: the player looks at everything again, soon.
    pub fn wake(&self) {
        let on_wake = self.on_wake.borrow().clone();
        if let Some(on_wake) = on_wake.filter(|_| self.alive.get()) {
            on_wake();
        }
    }

    /// Reports an error that ends playback (`fatal`) or not.
    pub fn report(&self, message: &str, fatal: bool) {
        if !self.alive.get() {
            return;
        }
        if fatal {
            self.end();
        }
        let detail = Object::new();
        set(&detail, "message", &JsValue::from_str(message));
        set(&detail, "fatal", &JsValue::from_bool(fatal));
        self.source.emit("error", &detail);
    }

    /// Nothing is started any more; transfers are aborted.
    pub fn end(&self) {
        self.alive.set(false);
        self.on_wake.take();
        self.abort.abort();
    }
}

/// Sets a member of an event's detail.
pub fn set(detail: &Object, name: &str, value: &JsValue) {
    // A plain object takes every member.
    let _ = Reflect::set(detail, &JsValue::from_str(name), value);
}
