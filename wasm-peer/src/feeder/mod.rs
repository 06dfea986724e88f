//! HLS, live and on demand (fMP4/CMAF), fed to Media Source Extensions.
//!
//! A [`Feeder`] plays one playlist on one media element. It has a track for each SourceBuffer (video or muxed,
//! and audio where that is demuxed); a track keeps several segment loads under way ahead of the playhead and
//! appends them in order. Segments come from a [`SegmentSource`] (the engine), never from the network; playlists and
//! init sections are fetched here. A live playlist is loaded again and again; each state of it is a [`loaded::Loaded`]
//! of its own, whose segments keep the times they had in the state before. Everything that changes wakes the player, which then looks at all of it anew
//! (`Player::step`): there is no other state that says what to do next.
//!
//! * pure decisions: [`window`], [`abr`], [`codecs`], [`boxes`], [`stalls`], [`timeline`], [`live`];
//! * the browser: [`attachment`], [`source_buffer`], [`listener`];
//! * in between: [`presentation`], [`rendition`], [`loaded`], [`track`], [`reload`], [`appender`], [`player`].

mod abr;
mod appender;
mod attachment;
mod boxes;
mod codecs;
mod error;
mod host;
mod listener;
mod live;
mod loaded;
mod player;
mod presentation;
mod reload;
mod rendition;
mod source;
mod source_buffer;
mod stalls;
mod timeline;
mod track;
mod window;

use std::rc::Rc;

use web_sys::HtmlVideoElement;

pub use error::FeederError;
pub use presentation::Variant;
pub use source::{LoadError, Loading, SegmentRequest, SegmentSource};
pub use stalls::PlaybackStats;

use player::Player;

/// Plays an HLS presentation on a media element until it is detached or dropped.
///
/// After an `error` event with `fatal` it does nothing more: detach it, and play otherwise.
pub struct Feeder(Rc<Player>);

impl Feeder {
    /// Loads the playlist at `url` (multivariant or media; relative to the page) and takes the element over.
    /// Resolves when its MediaSource is open and the first segments have been asked for. Dropping the future gives
    /// the element back.
    ///
    /// # Errors
    /// See [`FeederError`]; the element is given back.
    pub async fn attach(
        video: HtmlVideoElement,
        url: &str,
        source: Rc<dyn SegmentSource>,
    ) -> Result<Self, FeederError> {
        Player::attach(video, url, source).await.map(Self)
    }

    /// Gives the element back and cancels everything, as dropping does. Nothing is emitted after this.
    pub fn detach(&self) {
        self.0.detach();
    }

    /// What can be chosen, in the playlist's order. Only what this browser plays.
    pub fn renditions(&self) -> &[Variant] {
        self.0.variants()
    }

    /// Plays this one of [`Feeder::renditions`], from the segment after next on; `None` chooses by measurement. An
    /// unknown index is ignored.
    pub fn select(&self, index: Option<usize>) {
        self.0.select(index);
    }

    /// The index of the rendition that plays, or of the one being loaded if none does.
    pub fn current(&self) -> usize {
        self.0.current()
    }

    /// Start-up time and stalls.
    pub fn playback(&self) -> PlaybackStats {
        self.0.playback()
    }

    /// Milliseconds from the playhead to the end of the newest segment; `None` if the presentation is not live or has
    /// ended.
    pub fn live_latency(&self) -> Option<f64> {
        self.0.live_latency()
    }

    /// The segments from the playhead to those being loaded, of all tracks, for display: (absolute URL of the media
    /// playlist, number of the segment as in [`SegmentRequest`]).
    pub fn window(&self) -> Vec<(Rc<str>, u32)> {
        self.0.window()
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.detach();
    }
}
