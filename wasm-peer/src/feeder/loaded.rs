//! A media playlist as it was when it was loaded, with its init sections.

use std::cell::RefCell;
use std::rc::Rc;

use content::hls::MediaPlaylist;
use js_sys::Uint8Array;
use sha2::{Digest, Sha256};

use super::boxes::{self, TrackInfo};
use super::error::FeederError;
use super::host::Host;
use super::listener::sleep;
use super::live::Listing;
use super::rendition::{RETRIES, resolve};
use super::source::SegmentRequest;
use crate::fetch::{self, FetchError};

/// Largest init section, in bytes.
const MAX_INIT: usize = 1 << 20;
/// How far from the edge of a live playlist that does not say it playback starts, in target durations (RFC 8216
/// §6.3.3).
const HOLD_BACK: f64 = 3.0;

/// A rendition that can be played. Segments are meant by their index in this state of the playlist.
#[derive(Clone)]
pub struct Loaded {
    /// Absolute URL of the media playlist, as the multivariant playlist names it.
    pub playlist: Rc<str>,
    /// When each of its segments plays.
    pub list: Listing,
    /// The SourceBuffer type it needs.
    pub mime: String,
    pub(super) media: Rc<MediaPlaylist>,
    /// Base of the playlist's relative URLs.
    pub(super) base: Rc<str>,
    /// As in `media.maps`.
    pub(super) sections: Vec<Rc<Section>>,
}

/// Where an init section is, and what has become of it. The states of one playlist share it.
pub struct Section {
    pub(super) url: String,
    pub(super) range: Option<(u64, u64)>,
    state: RefCell<State>,
}

/// An init section.
pub struct Init {
    /// Its bytes.
    pub data: Uint8Array,
    /// What they describe.
    pub tracks: Vec<TrackInfo>,
}

#[derive(Clone)]
enum State {
    Absent,
    Loading,
    Ready(Rc<Init>),
}

impl Loaded {
    /// Nothing will be added to it.
    pub fn ended(&self) -> bool {
        self.media.endlist
    }

    /// How far from the edge of a live playlist playback starts, in seconds.
    pub fn hold_back(&self) -> f64 {
        let least = self.media.target_duration as f64;
        self.media.hold_back.unwrap_or(HOLD_BACK * least).max(least)
    }

    /// The segment's number in its swarm.
    pub fn number(&self, segment: usize) -> u32 {
        (self.list.first + segment as u64) as u32
    }

    /// Number of discontinuities before or at this segment.
    pub fn discontinuity(&self, segment: usize) -> u64 {
        let segments = self.media.segments.iter().take(segment + 1);
        let count = segments.filter(|segment| segment.discontinuity).count();
        self.media.discontinuity_sequence.wrapping_add(count as u64)
    }

    /// Are there no bytes for this segment (EXT-X-GAP)?
    pub fn gap(&self, segment: usize) -> bool {
        self.media.segments[segment].gap
    }

    /// What to ask the engine for.
    pub fn request(&self, segment: usize, id: u32, deadline_ms: f64) -> Result<SegmentRequest, FeederError> {
        let wanted = &self.media.segments[segment];
        Ok(SegmentRequest {
            id,
            playlist: self.playlist.clone(),
            segment: self.number(segment),
            url: resolve(&wanted.uri, &self.base)?,
            range: wanted.byte_range.map(|range| (range.offset, range.end())),
            deadline_ms,
        })
    }

    /// The segment's init section, if it is there already. Otherwise it is fetched and the player woken when it has
    /// come.
    pub fn init(&self, host: &Rc<Host>, segment: usize) -> Option<Rc<Init>> {
        // The check of the playlist has seen that each segment has one.
        let section = &self.sections[self.media.segments[segment].map.unwrap_or(0)];
        {
            let mut state = section.state.borrow_mut();
            match &*state {
                State::Ready(init) => return Some(init.clone()),
                State::Loading => return None,
                State::Absent => *state = State::Loading,
            }
        }
        let (section, host, playlist) = (section.clone(), host.clone(), self.playlist.clone());
        crate::js::spawn(async move {
            match section.load(&host, &playlist).await {
                Ok(_) => host.wake(),
                Err(error) => host.report(&error.to_string(), true),
            }
        });
        None
    }
}

impl Section {
    /// One that is not loaded yet.
    pub(super) fn new(url: String, range: Option<(u64, u64)>) -> Self {
        Self {
            url,
            range,
            state: RefCell::new(State::Absent),
        }
    }

    /// Loads it, as a part of this playlist (absolute URL).
    pub(super) async fn load(&self, host: &Host, playlist: &str) -> Result<Rc<Init>, FeederError> {
        let failed = |reason| FeederError::Init {
            url: self.url.clone(),
            reason,
        };
        let mut retries = RETRIES.iter();
        let bytes = loop {
            match fetch::bytes(&self.url, self.range, MAX_INIT, &host.signal()).await {
                Ok(bytes) => break bytes,
                Err(FetchError::Aborted) => return Err(FeederError::Detached),
                Err(error) => match retries.next() {
                    Some(delay) => sleep(*delay).await,
                    None => return Err(failed(error.to_string())),
                },
            }
        };
        let digest = host.source.init_digest(playlist, &self.url);
        if digest.is_some_and(|digest| Sha256::digest(&bytes)[..] != digest) {
            return Err(failed("is not the one of the manifest".into()));
        }
        let init = Rc::new(Init {
            tracks: boxes::tracks(&bytes),
            data: Uint8Array::from(bytes.as_slice()),
        });
        *self.state.borrow_mut() = State::Ready(init.clone());
        Ok(init)
    }
}
