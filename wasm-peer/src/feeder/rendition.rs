//! One rendition: its media playlist, loaded once or, in live, again and again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use content::hls::{self, MediaPlaylist, Playlist};
use web_sys::{AbortSignal, Url};

use super::codecs;
use super::error::FeederError;
use super::host::Host;
use super::listener::now;
use super::live::{Listing, Schedule};
use super::loaded::{Init, Loaded, Section};
use crate::fetch::{self, FetchError};

/// Waits before a transfer that failed is tried again, in milliseconds.
pub const RETRIES: [i32; 3] = [500, 1_000, 2_000];
/// How often in a row a live playlist may end before what was in it begins. A cache may give out an old copy; if it
/// stays so, the stream has begun anew.
const MAX_BEHIND: u32 = 3;

/// A rendition as the multivariant playlist names it.
pub struct Rendition {
    /// Absolute URL of its media playlist.
    pub url: Rc<str>,
    /// Its own part of CODECS, if the multivariant playlist says.
    pub codecs: Option<String>,
    loaded: RefCell<Option<Rc<Loaded>>>,
    schedule: Cell<Schedule>,
    behind: Cell<u32>,
}

impl Rendition {
    /// A rendition whose playlist is not loaded yet.
    pub fn new(url: Rc<str>, codecs: Option<String>) -> Self {
        Self {
            url,
            codecs,
            loaded: RefCell::new(None),
            schedule: Cell::default(),
            behind: Cell::default(),
        }
    }

    /// What [`Rendition::load`] has loaded last.
    pub fn loaded(&self) -> Option<Rc<Loaded>> {
        self.loaded.borrow().clone()
    }

    /// When it is to be loaded again, in milliseconds of the page's clock; `None` if it is complete.
    pub fn due(&self) -> Option<f64> {
        let ended = self.loaded.borrow().as_ref().is_some_and(|loaded| loaded.ended());
        (!ended).then(|| self.schedule.get().due())
    }

    /// Loads the media playlist and, where CODECS do not say it all, the init section. Does nothing if that has been
    /// done and, in live, not long ago.
    pub async fn load(&self, host: &Rc<Host>) -> Result<Rc<Loaded>, FeederError> {
        match self.loaded() {
            Some(loaded) if self.due().is_none_or(|due| now() < due) => Ok(loaded),
            _ => self.reload(host, &host.signal()).await,
        }
    }

    /// Loads the playlist in any case.
    pub async fn reload(&self, host: &Rc<Host>, abort: &AbortSignal) -> Result<Rc<Loaded>, FeederError> {
        let asked = now();
        let (playlist, base) = load_playlist(host, &self.url, abort).await?;
        match playlist {
            Playlist::Media(playlist) => self.adopt(host, playlist, base, asked).await,
            Playlist::Multivariant(_) => Err(playlist_error(
                &self.url,
                "is a multivariant playlist within another".into(),
            )),
        }
    }

    /// Loading it again has failed. Returns whether it had not the time before.
    pub fn failed(&self) -> bool {
        let mut schedule = self.schedule.get();
        let first = schedule.failed(now());
        self.schedule.set(schedule);
        first
    }

    /// Takes a media playlist that was loaded already, having been asked for at `asked` (milliseconds).
    pub async fn adopt(
        &self,
        host: &Rc<Host>,
        media: MediaPlaylist,
        base: String,
        asked: f64,
    ) -> Result<Rc<Loaded>, FeederError> {
        if !media.endlist {
            host.live.set(true);
        }
        let live = host.live.get();
        check(&self.url, &media, live)?;
        let durations = media.segments.iter().map(|segment| segment.duration);
        let mut list = Listing::new(if live { media.media_sequence } else { 0 }, durations, asked);
        let before = self.loaded();
        let known = before.as_deref().map(|before| &before.list);
        if live {
            let changed = known.is_none_or(|known| list.next() > known.next());
            let mut schedule = self.schedule.get();
            schedule.loaded(asked, media.target_duration as f64, changed);
            self.schedule.set(schedule);
            if let Some(before) = before.as_ref().filter(|before| list.next() < before.list.next()) {
                let apart = list.next() <= before.list.first;
                self.behind.set(if apart { self.behind.get() + 1 } else { 0 });
                if self.behind.get() >= MAX_BEHIND {
                    return Err(FeederError::unsupported("the live stream has begun anew"));
                }
                return Ok(before.clone());
            }
            self.behind.set(0);
            let latest = host.latest.borrow().clone();
            list.align(known, latest.as_deref().map(|latest| &latest.list));
        }
        let mut sections = Vec::with_capacity(media.maps.len());
        for map in &media.maps {
            let url = resolve(&map.uri, &base)?;
            let range = map.byte_range.map(|range| (range.offset, range.end()));
            let same = |section: &&Rc<Section>| section.url == url && section.range == range;
            let known = before
                .iter()
                .flat_map(|before| &before.sections)
                .find(same)
                .cloned();
            sections.push(known.unwrap_or_else(|| Rc::new(Section::new(url, range))));
        }
        let mime = match (&before, &self.codecs) {
            (Some(before), _) => before.mime.clone(),
            (None, Some(codecs)) => codecs::mime(codecs),
            (None, None) => codecs::mime(&self.codecs_of_init(&*sections[0].load(host, &self.url).await?)?),
        };
        let loaded = Rc::new(Loaded {
            playlist: self.url.clone(),
            list,
            mime,
            media: Rc::new(media),
            base: base.into(),
            sections,
        });
        self.keep(host, &loaded);
        Ok(loaded)
    }

    /// In live, its media has shown that everything plays `by` seconds later than was thought.
    pub fn shift(&self, host: &Host, by: f64) {
        if let Some(loaded) = self.loaded() {
            let mut moved = (*loaded).clone();
            moved.list.shift(by);
            self.keep(host, &Rc::new(moved));
        }
    }

    fn keep(&self, host: &Host, loaded: &Rc<Loaded>) {
        self.loaded.replace(Some(loaded.clone()));
        if host.live.get() {
            host.latest.replace(Some(loaded.clone()));
        }
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

/// Loads and parses a playlist; with it comes the URL its own URLs are relative to.
pub async fn load_playlist(
    host: &Host,
    url: &str,
    abort: &AbortSignal,
) -> Result<(Playlist, String), FeederError> {
    let document = if host.live.get() {
        fetch::fresh_document(url, hls::MAX_LENGTH, abort).await
    } else {
        fetch::document(url, hls::MAX_LENGTH, abort).await
    };
    let (text, base) = match document {
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
fn check(url: &str, media: &MediaPlaylist, live: bool) -> Result<(), FeederError> {
    if media.segments.is_empty() {
        return Err(playlist_error(url, "has no segments".into()));
    }
    for segment in &media.segments {
        if segment.key.is_some() {
            return Err(encrypted());
        }
        if segment.gap && !live {
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
