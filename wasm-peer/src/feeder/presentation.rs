//! What a playlist offers: variants, each a rendition of the main track and perhaps one of a separate audio track.

use std::rc::Rc;

use content::hls::{AudioRendition, MultivariantPlaylist, Playlist};

use super::codecs::{self, Media};
use super::error::FeederError;
use super::host::Host;
use super::listener::now;
use super::rendition::{Rendition, load_playlist, resolve};

/// Most variants that are considered.
const MAX_VARIANTS: usize = 64;

/// A quality the viewer or the player may choose.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Peak bits per second, audio included; 0 where unknown.
    pub bandwidth: f64,
    /// Pixels; 0 where unknown.
    pub width: u32,
    /// Pixels; 0 where unknown.
    pub height: u32,
    /// RFC 6381, as the playlist gives them; empty where it does not.
    pub codecs: String,
    /// Its rendition of the audio track, if the presentation has one.
    pub(super) audio: Option<usize>,
}

/// All there is to play. The main track has one rendition for each variant, in the same order.
pub struct Presentation {
    /// Never empty.
    pub variants: Vec<Variant>,
    /// Renditions of the main track (video, muxed, or audio alone).
    pub main: Vec<Rendition>,
    /// Renditions of the separate audio track; empty if there is none.
    pub audio: Vec<Rendition>,
}

impl Presentation {
    /// Loads the playlist at an absolute URL, of either kind. `plays` tells if the browser plays a type.
    pub async fn load(host: &Rc<Host>, url: &str, plays: impl Fn(&str) -> bool) -> Result<Self, FeederError> {
        let asked = now();
        match load_playlist(host, url, &host.signal()).await? {
            (Playlist::Multivariant(playlist), base) => Self::of(&playlist, &base, plays),
            (Playlist::Media(playlist), base) => {
                let rendition = Rendition::new(url.into(), None);
                let codecs = rendition.adopt(host, playlist, base, asked).await?.mime.clone();
                if !plays(&codecs) {
                    return Err(unplayable(&codecs));
                }
                let variant = Variant {
                    bandwidth: 0.0,
                    width: 0,
                    height: 0,
                    codecs: String::new(),
                    audio: None,
                };
                Ok(Self {
                    variants: vec![variant],
                    main: vec![rendition],
                    audio: Vec::new(),
                })
            }
        }
    }

    fn of(
        playlist: &MultivariantPlaylist,
        base: &str,
        plays: impl Fn(&str) -> bool,
    ) -> Result<Self, FeederError> {
        let mut found = Self {
            variants: Vec::new(),
            main: Vec::new(),
            audio: Vec::new(),
        };
        let mut refused = String::new();
        let demuxed = playlist.variants.iter().any(|variant| {
            variant
                .audio_group
                .as_deref()
                .is_some_and(|group| audio_of(playlist, group).is_some())
        });
        let shows_video = |variant: &content::hls::Variant| {
            variant.height > 0
                || variant
                    .codecs
                    .as_deref()
                    .is_some_and(|list| codecs::select(list, Media::Video, true).is_some())
        };
        let any_video = playlist.variants.iter().any(shows_video);
        for variant in playlist.variants.iter().take(MAX_VARIANTS) {
            let audio = variant
                .audio_group
                .as_deref()
                .and_then(|group| audio_of(playlist, group));
            // One SourceBuffer more or less is not possible half-way, and a switch never takes the picture away.
            if audio.is_some() != demuxed || any_video && variant.codecs.is_some() && !shows_video(variant) {
                continue;
            }
            let url: Rc<str> = resolve(&variant.uri, base)?.into();
            if found.main.iter().any(|rendition| rendition.url == url) {
                continue;
            }
            let list = variant.codecs.as_deref().unwrap_or_default();
            let main = codecs::select(list, Media::Video, demuxed)
                .or_else(|| codecs::select(list, Media::Audio, false).filter(|_| !demuxed));
            let sound = codecs::select(list, Media::Audio, true);
            let mimes = [main.as_deref(), sound.as_deref().filter(|_| demuxed)];
            if let Some(mime) = mimes
                .into_iter()
                .flatten()
                .map(codecs::mime)
                .find(|mime| !plays(mime))
            {
                refused = mime;
                continue;
            }
            let audio = match audio {
                Some(rendition) => {
                    let uri = rendition.uri.as_deref().unwrap_or_default();
                    let url: Rc<str> = resolve(uri, base)?.into();
                    let known = found.audio.iter().position(|known| known.url == url);
                    Some(known.unwrap_or_else(|| {
                        found.audio.push(Rendition::new(url, sound));
                        found.audio.len() - 1
                    }))
                }
                None => None,
            };
            found.variants.push(Variant {
                bandwidth: variant.bandwidth as f64,
                width: variant.width,
                height: variant.height,
                codecs: list.into(),
                audio,
            });
            found.main.push(Rendition::new(url, main));
        }
        if found.variants.is_empty() {
            Err(unplayable(&refused))
        } else {
            Ok(found)
        }
    }
}

/// The group's rendition with a playlist of its own that is played unless the viewer chooses: the default one, else
/// one that may be chosen automatically, else the first. `None` if the audio is muxed into the variants.
fn audio_of<'a>(playlist: &'a MultivariantPlaylist, group: &str) -> Option<&'a AudioRendition> {
    let members = || playlist.audio.iter().filter(|rendition| rendition.group == group);
    members()
        .find(|rendition| rendition.default)
        .or_else(|| members().find(|rendition| rendition.autoselect))
        .or_else(|| members().next())
        .filter(|rendition| rendition.uri.is_some())
}

fn unplayable(mime: &str) -> FeederError {
    FeederError::Unsupported(String::from("this browser plays none of the variants ") + mime)
}
