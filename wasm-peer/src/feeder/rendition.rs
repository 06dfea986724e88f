//! One rendition: its media playlist, its init sections and the type of its SourceBuffer.

use std::cell::RefCell;
use std::rc::Rc;

use content::hls::{self, MediaPlaylist, Playlist};
use js_sys::Uint8Array;
use sha2::{Digest, Sha256};
use web_sys::Url;

use super::boxes::{self, TrackInfo};
use super::codecs;
use super::error::FeederError;
use super::host::Host;
use super::listener::sleep;
use super::source::SegmentRequest;
use super::window::Span;
use crate::fetch::{self, FetchError};

/// Largest init section, in bytes.
const MAX_INIT: usize = 1 << 20;
/// Waits before a transfer that failed is tried again, in milliseconds.
pub const RETRIES: [i32; 3] = [500, 1_000, 2_000];

/// A rendition as the multivariant playlist names it.
pub struct Rendition {
    /// Absolute URL of its media playlist.
    pub url: Rc<str>,
    /// Its own part of CODECS, if the multivariant playlist says.
    pub codecs: Option<String>,
    loaded: RefCell<Option<Rc<Loaded>>>,
}

/// A rendition that can be played.
pub struct Loaded {
    /// Absolute URL of the media playlist, as in [`Rendition`].
    pub playlist: Rc<str>,
    /// When each of its segments plays.
    pub spans: Vec<Span>,
    /// The SourceBuffer type it needs.
    pub mime: String,
    media: MediaPlaylist,
    /// Base of the playlist's relative URLs.
    base: String,
    /// Number of discontinuities before or at each segment.
    discontinuities: Vec<u32>,
    inits: RefCell<Vec<Slot>>,
}

/// An init section.
pub struct Init {
    /// Its bytes.
    pub data: Uint8Array,
    /// What they describe.
    pub tracks: Vec<TrackInfo>,
}

#[derive(Clone)]
enum Slot {
    Absent,
    Loading,
    Ready(Rc<Init>),
}

impl Rendition {
    /// A rendition whose playlist is not loaded yet.
    pub fn new(url: Rc<str>, codecs: Option<String>) -> Self {
        Self {
            url,
            codecs,
            loaded: RefCell::new(None),
        }
    }

    /// What [`Rendition::load`] has loaded.
    pub fn loaded(&self) -> Option<Rc<Loaded>> {
        self.loaded.borrow().clone()
    }

    /// Loads the media playlist and, where CODECS do not say it all, the init section. Does nothing if that has
    /// been done.
    pub async fn load(&self, host: &Rc<Host>) -> Result<Rc<Loaded>, FeederError> {
        if let Some(loaded) = self.loaded() {
            return Ok(loaded);
        }
        let (playlist, base) = load_playlist(host, &self.url).await?;
        match playlist {
            Playlist::Media(playlist) => self.adopt(host, playlist, base).await,
            Playlist::Multivariant(_) => Err(playlist_error(
                &self.url,
                "is a multivariant playlist within another".into(),
            )),
        }
    }

    /// Takes a media playlist that was loaded already.
    pub async fn adopt(
        &self,
        host: &Rc<Host>,
        media: MediaPlaylist,
        base: String,
    ) -> Result<Rc<Loaded>, FeederError> {
        check(&self.url, &media)?;
        let mut spans = Vec::with_capacity(media.segments.len());
        let mut discontinuities = Vec::with_capacity(media.segments.len());
        let (mut time, mut discontinuity) = (0.0, 0);
        for segment in &media.segments {
            discontinuity += u32::from(segment.discontinuity);
            let end = time + segment.duration;
            spans.push(Span { start: time, end });
            discontinuities.push(discontinuity);
            time = end;
        }
        let inits = RefCell::new(vec![Slot::Absent; media.maps.len()]);
        let playlist = self.url.clone();
        let mut loaded = Loaded {
            playlist,
            spans,
            mime: String::new(),
            media,
            base,
            discontinuities,
            inits,
        };
        let codecs = match &self.codecs {
            Some(codecs) => codecs.clone(),
            None => {
                let init = loaded.load_init(host, 0).await?;
                self.codecs_of_init(&init)?
            }
        };
        loaded.mime = codecs::mime(&codecs);
        let loaded = Rc::new(loaded);
        *self.loaded.borrow_mut() = Some(loaded.clone());
        Ok(loaded)
    }

    fn codecs_of_init(&self, init: &Init) -> Result<String, FeederError> {
        if init.tracks.iter().any(|track| track.encrypted) {
            return Err(encrypted());
        }
        let names: Option<Vec<&str>> = init.tracks.iter().map(|track| track.codec.as_deref()).collect();
        names
            .filter(|names| !names.is_empty())
            .map(|names| names.join(","))
            .ok_or_else(|| {
                FeederError::Unsupported(String::from("no CODECS, and an unknown codec in ") + &self.url)
            })
    }
}

impl Loaded {
    /// Seconds that the playlist says it lasts.
    pub fn duration(&self) -> f64 {
        self.spans.last().map_or(0.0, |span| span.end)
    }

    /// The index among the init sections of this segment's.
    pub fn map(&self, segment: usize) -> usize {
        // `check` has seen that each segment has one.
        self.media.segments[segment].map.unwrap_or(0)
    }

    /// Number of discontinuities before or at this segment.
    pub fn discontinuity(&self, segment: usize) -> u32 {
        self.discontinuities[segment]
    }

    /// What to ask the engine for.
    pub fn request(&self, segment: usize, id: u32, deadline_ms: f64) -> Result<SegmentRequest, FeederError> {
        let wanted = &self.media.segments[segment];
        Ok(SegmentRequest {
            id,
            playlist: self.playlist.clone(),
            segment: segment as u32,
            url: resolve(&wanted.uri, &self.base)?,
            range: wanted.byte_range.map(|range| (range.offset, range.end())),
            deadline_ms,
        })
    }

    /// An init section, if it is there already. Otherwise it is fetched and the player woken when it has come.
    pub fn init(self: &Rc<Self>, host: &Rc<Host>, map: usize) -> Option<Rc<Init>> {
        {
            let mut inits = self.inits.borrow_mut();
            match &inits[map] {
                Slot::Ready(init) => return Some(init.clone()),
                Slot::Loading => return None,
                Slot::Absent => inits[map] = Slot::Loading,
            }
        }
        let (this, host) = (self.clone(), host.clone());
        wasm_bindgen_futures::spawn_local(async move {
            match this.load_init(&host, map).await {
                Ok(_) => host.wake(),
                Err(error) => host.report(&error.to_string(), true),
            }
        });
        None
    }

    async fn load_init(&self, host: &Host, map: usize) -> Result<Rc<Init>, FeederError> {
        let section = &self.media.maps[map];
        let url = resolve(&section.uri, &self.base)?;
        let range = section.byte_range.map(|range| (range.offset, range.end()));
        let mut retries = RETRIES.iter();
        let bytes = loop {
            match fetch::bytes(&url, range, MAX_INIT, &host.signal()).await {
                Ok(bytes) => break bytes,
                Err(FetchError::Aborted) => return Err(FeederError::Detached),
                Err(error) => match retries.next() {
                    Some(delay) => sleep(*delay).await,
                    None => {
                        return Err(FeederError::Init {
                            url,
                            reason: error.to_string(),
                        });
                    }
                },
            }
        };
        let digest = host.source.init_digest(&self.playlist, &url);
        if digest.is_some_and(|digest| Sha256::digest(&bytes)[..] != digest) {
            return Err(FeederError::Init {
                url,
                reason: "is not the one of the manifest".into(),
            });
        }
        let init = Rc::new(Init {
            tracks: boxes::tracks(&bytes),
            data: Uint8Array::from(bytes.as_slice()),
        });
        self.inits.borrow_mut()[map] = Slot::Ready(init.clone());
        Ok(init)
    }
}

/// Loads and parses a playlist; with it comes the URL its own URLs are relative to.
pub async fn load_playlist(host: &Host, url: &str) -> Result<(Playlist, String), FeederError> {
    let (text, base) = match fetch::document(url, hls::MAX_LENGTH, &host.signal()).await {
        Ok(document) => document,
        Err(FetchError::Aborted) => return Err(FeederError::Detached),
        Err(error) => return Err(playlist_error(url, error.to_string())),
    };
    let playlist = hls::parse(&text).map_err(|error| playlist_error(url, error.to_string()))?;
    Ok((playlist, base))
}

/// The absolute URL of a reference.
pub fn resolve(reference: &str, base: &str) -> Result<String, FeederError> {
    Url::new_with_base(reference, base)
        .map(|url| url.href())
        .map_err(|_| playlist_error(base, String::from("has an invalid URL: ") + reference))
}

fn playlist_error(url: &str, reason: String) -> FeederError {
    FeederError::Playlist {
        url: url.into(),
        reason,
    }
}

fn encrypted() -> FeederError {
    FeederError::unsupported("encrypted media")
}

/// Is it a playlist that Media Source Extensions can be fed from as it is?
fn check(url: &str, media: &MediaPlaylist) -> Result<(), FeederError> {
    if media.segments.is_empty() {
        return Err(playlist_error(url, "has no segments".into()));
    }
    if !media.endlist {
        return Err(FeederError::unsupported("a live playlist"));
    }
    for segment in &media.segments {
        if segment.key.is_some() {
            return Err(encrypted());
        }
        if segment.gap {
            return Err(FeederError::unsupported("EXT-X-GAP"));
        }
        if segment.map.is_none() {
            return Err(FeederError::unsupported(
                "MPEG-TS needs hls.js (segments without EXT-X-MAP)",
            ));
        }
    }
    Ok(())
}
