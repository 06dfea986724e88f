//! Where segments come from: the engine, never the network.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// A load under way. Dropping it does not stop it: see [`SegmentSource::cancel`].
pub type Loading = Pin<Box<dyn Future<Output = Result<js_sys::ArrayBuffer, LoadError>>>>;

/// What delivers media segments to the feeder and takes its events.
pub trait SegmentSource {
    /// Starts loading; the future resolves with a fresh ArrayBuffer that holds exactly the segment.
    fn load(&self, request: SegmentRequest) -> Loading;
    /// When the player needs a load now: milliseconds from now, may be negative. Unknown IDs are ignored.
    fn set_deadline(&self, id: u32, milliseconds: f64);
    /// Gives a load up: its future resolves with [`LoadError::Cancelled`]. Unknown IDs are ignored.
    fn cancel(&self, id: u32);
    /// Hands an event to the page (ARCHITECTURE.md lists them).
    fn emit(&self, event: &str, detail: &js_sys::Object);
    /// Measured download rate over all sources, bytes per second. `None` until known.
    fn rate(&self) -> Option<f64>;
    /// The SHA-256 of the init section by manifest, if it has one (absolute playlist URL, absolute init URL).
    fn init_digest(&self, playlist: &str, init: &str) -> Option<[u8; 32]>;
}

/// One segment that the player needs.
#[derive(Debug, Clone)]
pub struct SegmentRequest {
    /// Names the load in [`SegmentSource::set_deadline`] and [`SegmentSource::cancel`]; never used twice.
    pub id: u32,
    /// Absolute URL of the media playlist, as the multivariant playlist names it.
    pub playlist: Rc<str>,
    /// Number of the segment: its index in the playlist, from 0; in live its media sequence number.
    pub segment: u32,
    /// Absolute URL of the segment.
    pub url: String,
    /// Its bytes of `url` (start, end exclusive), if it is not the whole resource.
    pub range: Option<(u64, u64)>,
    /// Milliseconds from now until the player needs it; 0 or less: at once.
    pub deadline_ms: f64,
}

/// Why a load failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The origin answered with this HTTP status.
    #[error("HTTP status {0}")]
    Http(u16),
    /// The origin did not answer, or its data was not what the manifest says.
    #[error("{0}")]
    Network(String),
}
