//! The playlists of a packager's folder: those in the folder itself, and those a multivariant playlist there names.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use content::hls::{self, MAX_LENGTH, MultivariantPlaylist, Playlist as Hls};

use super::document::Document;
use super::stamp::{Reading, Stamp, read};
use super::view::{Playlist, View, is_watched};
use crate::codecs;
use crate::location::Location;

/// The type of playlists (RFC 8216 §4).
pub const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// A media playlist that is there, or is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where.
    pub location: Location,
    /// Its codecs, where a multivariant playlist tells.
    pub codecs: Option<String>,
    /// Peak bit rate, where a multivariant playlist tells; of all that is played with it.
    pub bandwidth: Option<u64>,
}

/// Looks for playlists, again and again.
#[derive(Default)]
pub struct Sources {
    files: HashMap<PathBuf, Seen>,
}

/// A playlist in the folder itself.
struct Seen {
    stamp: Stamp,
    /// The contents at that stamp have been looked at.
    read: bool,
    /// A media playlist: its track looks after it.
    media: bool,
}

impl Sources {
    /// The media playlists that were found since the last call; some perhaps again. Multivariant playlists go into the
    /// view. A file counts once it was the same at two calls: a packager may be writing it.
    pub fn look(&mut self, view: &View) -> Vec<Source> {
        let mut found = Vec::new();
        let names = fs::read_dir(view.root())
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                (is_watched(Path::new(&name)) && !name.starts_with('.')).then_some(name)
            });
        let mut names: Vec<String> = names.collect();
        names.sort();
        for name in names {
            let path = PathBuf::from(&name);
            let Ok(stamp) = Stamp::of(&view.root().join(&path)) else {
                continue;
            };
            match self.files.get_mut(&path) {
                Some(seen) if seen.media => {}
                Some(seen) if seen.stamp == stamp => {
                    if !seen.read {
                        seen.read = true;
                        seen.media = self_contained(&name, view, &mut found);
                    }
                }
                _ => {
                    let seen = Seen {
                        stamp,
                        read: false,
                        media: false,
                    };
                    self.files.insert(path, seen);
                }
            }
        }
        found
    }
}

/// Looks into a playlist; is it a media playlist?
fn self_contained(name: &str, view: &View, found: &mut Vec<Source>) -> bool {
    let location = Location::named(name);
    let path = Path::new(name);
    let text = match read(&view.root().join(path), MAX_LENGTH as u64) {
        Ok(Reading::Whole(_, bytes)) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    match text.as_deref().map(hls::parse) {
        Some(Ok(Hls::Media(_))) => {
            found.push(Source {
                location,
                codecs: None,
                bandwidth: None,
            });
            return true;
        }
        Some(Ok(Hls::Multivariant(playlist))) => {
            found.extend(named(&playlist, &location));
            let text = Bytes::from(text.unwrap_or_default());
            view.set_playlist(path, Playlist::Text(Document::new(text, PLAYLIST_TYPE)));
        }
        Some(Err(error)) => {
            eprintln!("warning: {name}: {error}");
            view.set_playlist(path, Playlist::File);
        }
        None => view.set_playlist(path, Playlist::File),
    }
    false
}

/// The media playlists that a multivariant playlist names, each once.
fn named(playlist: &MultivariantPlaylist, base: &Location) -> Vec<Source> {
    let variants = playlist.variants.iter().map(|variant| {
        let codecs = codecs::of_variant(variant, &playlist.audio);
        (Some(&variant.uri), codecs, Some(variant.bandwidth))
    });
    let audio = playlist.audio.iter().map(|rendition| {
        let codecs = codecs::of_rendition(rendition, &playlist.variants);
        (rendition.uri.as_ref(), codecs, None)
    });
    let mut sources: Vec<Source> = Vec::new();
    for (uri, codecs, bandwidth) in variants.chain(audio) {
        let Some(uri) = uri else { continue };
        match base.join(uri) {
            Ok(location) if sources.iter().all(|source| source.location != location) => {
                sources.push(Source {
                    location,
                    codecs,
                    bandwidth,
                });
            }
            Ok(_) => {}
            Err(error) => eprintln!("warning: {}: {uri} {error}; it is not signed", base.uri()),
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renditions_and_audio() {
        let folder = tempfile::tempdir().unwrap();
        let view = View::new(folder.path().into());
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"1\",URI=\"a/x.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=7,CODECS=\"avc1.42c00d,mp4a.40.2\",AUDIO=\"a\"\nv0.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=8,AUDIO=\"a\"\nhttps://x/v1.m3u8\n";
        fs::write(folder.path().join("main.m3u8"), text).unwrap();
        let media = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
        fs::write(folder.path().join("v0.m3u8"), media).unwrap();
        fs::write(folder.path().join("broken.m3u8"), "broken").unwrap();
        let mut sources = Sources::default();
        assert_eq!(sources.look(&view), [], "seen once: perhaps being written");
        let source = |location: &Location, codecs: Option<&str>, bandwidth| Source {
            location: location.clone(),
            codecs: codecs.map(Into::into),
            bandwidth,
        };
        let main = Location::named("main.m3u8");
        let (v0, audio) = (main.join("v0.m3u8").unwrap(), main.join("a/x.m3u8").unwrap());
        assert_eq!(
            sources.look(&view),
            [
                source(&v0, Some("avc1.42c00d"), Some(7)),
                source(&audio, Some("mp4a.40.2"), None),
                source(&v0, None, None),
            ]
        );
        assert_eq!(sources.look(&view), []);
    }
}
