//! What there is to hash: every media playlist with its segments' files and byte ranges, all of them checked to exist.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use content::ByteRange;
use content::hls::{self, MediaPlaylist, MultivariantPlaylist, Playlist};

use crate::codecs;
use crate::location::Location;

/// Everything to publish.
pub struct Plan {
    /// The folder of the input: where `shoal.json` goes and URIs start.
    pub root: PathBuf,
    /// The swarms, in the playlist's order.
    pub swarms: Vec<PlannedSwarm>,
}

/// One media playlist, or one plain file.
pub struct PlannedSwarm {
    /// Relative to `shoal.json`.
    pub playlist: String,
    /// At least one.
    pub segments: Vec<Part>,
    /// Init sections, in the order of their first use.
    pub inits: Vec<PlannedInit>,
    /// Codecs, where the multivariant playlist tells.
    pub codecs: Option<String>,
}

/// An init section to hash.
pub struct PlannedInit {
    /// Relative to `shoal.json`.
    pub uri: String,
    /// As the playlist has it.
    pub range: Option<ByteRange>,
    /// Its bytes.
    pub part: Part,
}

/// Bytes of a file.
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// First byte.
    pub offset: u64,
    /// Number of bytes, at least 1.
    pub length: u64,
    /// Where it is asked for, for messages: "video_0.m3u8, line 8".
    pub origin: String,
}

impl Plan {
    /// Reads the input and what it names.
    pub fn new(input: &Path) -> anyhow::Result<Self> {
        let metadata = fs::metadata(input).with_context(|| format!("cannot read {}", input.display()))?;
        if metadata.is_dir() {
            bail!("{} is a folder: name the playlist or file in it", input.display());
        }
        let name = input.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{}: the name is not UTF-8", input.display()))?;
        let root = input.parent().unwrap_or(Path::new("")).to_path_buf();
        let root = if root.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            root
        };
        let location = Location::named(name);
        let is_playlist = input.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("m3u8") || extension.eq_ignore_ascii_case("m3u")
        });
        if !is_playlist {
            let part = part(&location, &root, None, input.display().to_string())?;
            let file = PlannedSwarm {
                playlist: location.uri(),
                segments: vec![part],
                inits: Vec::new(),
                codecs: None,
            };
            return Ok(Self {
                root,
                swarms: vec![file],
            });
        }
        let swarms = match read_playlist(&location, &root)? {
            Playlist::Media(playlist) => vec![media(&playlist, &location, &root, None)?],
            Playlist::Multivariant(playlist) => multivariant(&playlist, &location, &root)?,
        };
        Ok(Self { root, swarms })
    }

    /// Bytes to read.
    pub fn bytes(&self) -> u64 {
        let inits = |swarm: &PlannedSwarm| swarm.inits.iter().map(|init| init.part.length).sum::<u64>();
        let segments = |swarm: &PlannedSwarm| swarm.segments.iter().map(|part| part.length).sum::<u64>();
        self.swarms
            .iter()
            .map(|swarm| inits(swarm) + segments(swarm))
            .sum()
    }
}

fn read_playlist(location: &Location, root: &Path) -> anyhow::Result<Playlist> {
    let path = location.path(root);
    let length = fs::metadata(&path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .len();
    if length > hls::MAX_LENGTH as u64 {
        bail!(
            "{}: {length} bytes, playlists have at most {}",
            path.display(),
            hls::MAX_LENGTH
        );
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    hls::parse(&text).map_err(|error| match error.line {
        0 => anyhow::anyhow!("{}: {}", path.display(), error.problem),
        line => anyhow::anyhow!("{}, line {line}: {}", path.display(), error.problem),
    })
}

fn multivariant(
    playlist: &MultivariantPlaylist,
    location: &Location,
    root: &Path,
) -> anyhow::Result<Vec<PlannedSwarm>> {
    let variants = playlist.variants.iter().map(|variant| {
        (
            Some(variant.uri.as_str()),
            variant.line,
            codecs::of_variant(variant, &playlist.audio),
        )
    });
    let audio = playlist.audio.iter().map(|rendition| {
        (
            rendition.uri.as_deref(),
            rendition.line,
            codecs::of_rendition(rendition, &playlist.variants),
        )
    });
    let mut swarms: Vec<PlannedSwarm> = Vec::new();
    for (uri, line, codecs) in variants.chain(audio) {
        let Some(uri) = uri else {
            continue;
        };
        let origin = || format!("{}, line {line}", location.path(root).display());
        let found = location
            .join(uri)
            .map_err(|error| anyhow::anyhow!("{}: {uri} {error}", origin()))?;
        // Variants that differ in their audio only name the same playlist.
        if swarms.iter().any(|swarm| swarm.playlist == found.uri()) {
            continue;
        }
        match read_playlist(&found, root).with_context(origin)? {
            Playlist::Media(playlist) => swarms.push(media(&playlist, &found, root, codecs)?),
            Playlist::Multivariant(_) => {
                bail!("{}: {uri} is a multivariant playlist itself", origin());
            }
        }
    }
    Ok(swarms)
}

fn media(
    playlist: &MediaPlaylist,
    location: &Location,
    root: &Path,
    codecs: Option<String>,
) -> anyhow::Result<PlannedSwarm> {
    let file = location.path(root).display().to_string();
    if !playlist.endlist {
        bail!("{file}: no EXT-X-ENDLIST, so it is live: that is for `shoal origin`");
    }
    if playlist.segments.is_empty() {
        bail!("{file}: no segments");
    }
    let find = |uri: &str, range, line| {
        let origin = format!("{file}, line {line}");
        let found = location
            .join(uri)
            .map_err(|error| anyhow::anyhow!("{origin}: {uri} {error}"))?;
        part(&found, root, range, origin).map(|part| (found, part))
    };
    let mut segments = Vec::with_capacity(playlist.segments.len());
    for segment in &playlist.segments {
        if segment.gap {
            bail!(
                "{file}, line {}: a segment with EXT-X-GAP has no bytes to publish",
                segment.line
            );
        }
        segments.push(find(&segment.uri, segment.byte_range, segment.line)?.1);
    }
    let mut inits = Vec::with_capacity(playlist.maps.len());
    for map in &playlist.maps {
        let (found, part) = find(&map.uri, map.byte_range, map.line)?;
        inits.push(PlannedInit {
            uri: found.uri(),
            range: map.byte_range,
            part,
        });
    }
    Ok(PlannedSwarm {
        playlist: location.uri(),
        segments,
        inits,
        codecs,
    })
}

/// A file or a range of it, if it is there and not empty.
fn part(location: &Location, root: &Path, range: Option<ByteRange>, origin: String) -> anyhow::Result<Part> {
    let path = location.path(root);
    let metadata =
        fs::metadata(&path).with_context(|| format!("{origin}: cannot read {}", path.display()))?;
    if !metadata.is_file() {
        bail!("{origin}: {} is not a file", path.display());
    }
    let size = metadata.len();
    let (offset, length) = match range {
        None if size == 0 => bail!("{origin}: {} is empty", path.display()),
        None => (0, size),
        Some(range) if range.end() > size => {
            bail!(
                "{origin}: bytes up to {} of {}, which has {size}",
                range.end(),
                path.display()
            )
        }
        Some(range) => (range.offset, range.length),
    };
    Ok(Part {
        path,
        offset,
        length,
        origin,
    })
}
