//! A MediaSource (or ManagedMediaSource) on a media element.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlVideoElement, MediaSource, MediaSourceReadyState, Url};

use super::error::FeederError;
use super::source_buffer::OperationQueue;

/// Sets the element's source, and takes it away when dropped.
pub struct Attachment {
    video: HtmlVideoElement,
    constructor: Function,
    media_source: MediaSource,
    url: String,
    managed: bool,
    opened: Promise,
}

impl Attachment {
    /// Makes a media source and gives it to the element.
    pub fn new(video: HtmlVideoElement) -> Result<Self, FeederError> {
        let global = js_sys::global();
        let class = |name: &str| {
            Reflect::get(&global, &JsValue::from_str(name))
                .ok()?
                .dyn_into::<Function>()
                .ok()
        };
        let (constructor, managed) = class("MediaSource")
            .map(|class| (class, false))
            .or_else(|| class("ManagedMediaSource").map(|class| (class, true)))
            .ok_or_else(|| FeederError::unsupported("no Media Source Extensions in this browser"))?;
        let refused = |error: JsValue| FeederError::MediaSource(message(&error));
        let media_source: MediaSource = Reflect::construct(&constructor, &js_sys::Array::new())
            .map_err(refused)?
            .unchecked_into();
        let opened = Promise::new(&mut |resolve, _| media_source.set_onsourceopen(Some(&resolve)));
        let url = Url::create_object_url_with_source(&media_source).map_err(refused)?;
        if managed {
            // Without this the element waits for an AirPlay alternative and never opens the source.
            let _ = Reflect::set(
                &video,
                &JsValue::from_str("disableRemotePlayback"),
                &JsValue::TRUE,
            );
        }
        video.set_src(&url);
        Ok(Self {
            video,
            constructor,
            media_source,
            url,
            managed,
            opened,
        })
    }

    /// Waits until the element has opened the source.
    pub async fn opened(&self) -> Result<(), FeederError> {
        let _ = JsFuture::from(self.opened.clone()).await;
        self.media_source.set_onsourceopen(None);
        if self.is_open() {
            Ok(())
        } else {
            Err(FeederError::MediaSource("was closed at once".into()))
        }
    }

    /// May the element play this type?
    pub fn plays(&self, mime: &str) -> bool {
        let Ok(check) = Reflect::get(&self.constructor, &JsValue::from_str("isTypeSupported")) else {
            return false;
        };
        check
            .dyn_ref::<Function>()
            .and_then(|check| check.call1(&self.constructor, &JsValue::from_str(mime)).ok())
            .is_some_and(|plays| plays.is_truthy())
    }

    /// Adds a SourceBuffer of this type.
    pub fn add(&self, mime: &str) -> Result<OperationQueue, FeederError> {
        self.media_source
            .add_source_buffer(mime)
            .map(|buffer| OperationQueue::new(buffer, mime.into()))
            .map_err(|error| FeederError::MediaSource(message(&error)))
    }

    /// The event target: the media source itself.
    pub fn media_source(&self) -> &MediaSource {
        &self.media_source
    }

    /// Does the element still use this media source?
    pub fn is_current(&self) -> bool {
        self.video.src() == self.url
    }

    /// May segments be appended? False once ended (an append opens it again) or closed.
    pub fn is_open(&self) -> bool {
        self.media_source.ready_state() == MediaSourceReadyState::Open
    }

    /// Does the browser want data now? Only a ManagedMediaSource ever says no.
    pub fn streaming(&self) -> bool {
        !self.managed
            || Reflect::get(&self.media_source, &JsValue::from_str("streaming"))
                .is_ok_and(|streaming| streaming.is_truthy())
    }

    /// Sets the presentation's length in seconds. No SourceBuffer may be updating.
    pub fn set_duration(&self, seconds: f64) {
        // The plain setter cannot report the exception it may throw; a wrong duration is mended at the end.
        let _ = Reflect::set(
            &self.media_source,
            &JsValue::from_str("duration"),
            &JsValue::from_f64(seconds),
        );
    }

    /// What can be sought of a presentation without end, in seconds.
    pub fn set_seekable(&self, start: f64, end: f64) {
        // Refused when the element has let go of the source: then nobody seeks.
        let _ = self.media_source.set_live_seekable_range(start, end);
    }

    /// Nothing more follows. No SourceBuffer may be updating.
    pub fn end_of_stream(&self) {
        let _ = self.media_source.end_of_stream();
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.media_source.set_onsourceopen(None);
        if self.is_current() {
            let _ = self.video.remove_attribute("src");
            self.video.load();
        }
        let _ = Url::revoke_object_url(&self.url);
    }
}

fn message(error: &JsValue) -> String {
    Reflect::get(error, &JsValue::from_str("message"))
        .ok()
        .and_then(|message| message.as_string())
        .unwrap_or_default()
}
