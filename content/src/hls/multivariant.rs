//! Multivariant playlists (RFC 8216 §4.3.4).

use super::attributes::Attributes;
use super::lines::{Line, checked_uri};
use super::{MAX_RENDITIONS, PlaylistError, Problem};

const STREAM_INF: &str = "EXT-X-STREAM-INF";
const MEDIA: &str = "EXT-X-MEDIA";

/// A playlist of playlists.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MultivariantPlaylist {
    /// The variants, in the playlist's order.
    pub variants: Vec<Variant>,
    /// The audio renditions, in the playlist's order.
    pub audio: Vec<AudioRendition>,
}

/// One `EXT-X-STREAM-INF` (RFC 8216 §4.3.4.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The variant's media playlist.
    pub uri: String,
    /// Peak bit rate, bits a second.
    pub bandwidth: u64,
    /// Width in pixels, 0 where not stated.
    pub width: u32,
    /// Height in pixels, 0 where not stated.
    pub height: u32,
    /// `CODECS`: RFC 6381 formats of the variant and its renditions, separated by commas.
    pub codecs: Option<String>,
    /// `AUDIO`: the group of its audio renditions.
    pub audio_group: Option<String>,
    /// Frames a second.
    pub frame_rate: Option<f64>,
    /// Line of the URI.
    pub line: u32,
}

/// One `EXT-X-MEDIA` with `TYPE=AUDIO` (RFC 8216 §4.3.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioRendition {
    /// `GROUP-ID`, which variants refer to.
    pub group: String,
    /// `NAME`, for people.
    pub name: String,
    /// `LANGUAGE` (RFC 5646).
    pub language: Option<String>,
    /// Its media playlist, or `None` where the audio is in the variants' own segments.
    pub uri: Option<String>,
    /// `DEFAULT`: played unless the viewer chooses.
    pub default: bool,
    /// `AUTOSELECT`: may be chosen by the viewer's language.
    pub autoselect: bool,
    /// Line of the tag.
    pub line: u32,
}

pub(super) fn parse<'a>(
    lines: impl Iterator<Item = (u32, Line<'a>)>,
) -> Result<MultivariantPlaylist, PlaylistError> {
    let mut playlist = MultivariantPlaylist::default();
    let mut awaits_uri: Option<(u32, Attributes<'a>)> = None;
    for (line, content) in lines {
        let fail = |problem| Err(PlaylistError::new(line, problem));
        if let (Some((line, _)), Line::Tag(..)) = (&awaits_uri, content) {
            return Err(PlaylistError::new(*line, Problem::MissingUri(STREAM_INF)));
        }
        match content {
            Line::Tag("EXT-X-STREAM-INF", value) => {
                awaits_uri = Some((line, Attributes::parse(line, STREAM_INF, value)?));
            }
            Line::Tag("EXT-X-MEDIA", value) => {
                let attributes = Attributes::parse(line, MEDIA, value)?;
                if attributes
                    .word("TYPE")?
                    .ok_or_else(|| attributes.missing("TYPE"))?
                    != "AUDIO"
                {
                    continue;
                }
                if playlist.audio.len() == MAX_RENDITIONS {
                    return fail(Problem::TooManyRenditions("audio renditions"));
                }
                playlist.audio.push(rendition(line, &attributes)?);
            }
            Line::Tag("EXTINF", _) => return fail(Problem::WrongKind("EXTINF")),
            Line::Tag("EXT-X-TARGETDURATION", _) => return fail(Problem::WrongKind("EXT-X-TARGETDURATION")),
            Line::Tag("EXT-X-DEFINE", _) => return fail(Problem::Unsupported("EXT-X-DEFINE")),
            Line::Tag(..) => {}
            Line::Uri(uri) => {
                let Some((_, attributes)) = awaits_uri.take() else {
                    return fail(Problem::UnexpectedUri(STREAM_INF));
                };
                if playlist.variants.len() == MAX_RENDITIONS {
                    return fail(Problem::TooManyRenditions("variants"));
                }
                playlist.variants.push(variant(line, uri, &attributes)?);
            }
        }
    }
    match awaits_uri {
        Some((line, _)) => Err(PlaylistError::new(line, Problem::MissingUri(STREAM_INF))),
        None if playlist.variants.is_empty() => Err(PlaylistError::new(0, Problem::MissingTag(STREAM_INF))),
        None => Ok(playlist),
    }
}

fn variant(line: u32, uri: &str, attributes: &Attributes<'_>) -> Result<Variant, PlaylistError> {
    let (width, height) = attributes.resolution("RESOLUTION")?.unwrap_or((0, 0));
    Ok(Variant {
        uri: checked_uri(line, uri)?,
        bandwidth: attributes
            .integer("BANDWIDTH")?
            .ok_or_else(|| attributes.missing("BANDWIDTH"))?,
        width,
        height,
        codecs: attributes.string("CODECS")?,
        audio_group: attributes.string("AUDIO")?,
        frame_rate: attributes.decimal("FRAME-RATE")?,
        line,
    })
}

fn rendition(line: u32, attributes: &Attributes<'_>) -> Result<AudioRendition, PlaylistError> {
    let default = attributes.yes("DEFAULT")?;
    Ok(AudioRendition {
        group: attributes
            .string("GROUP-ID")?
            .ok_or_else(|| attributes.missing("GROUP-ID"))?,
        name: attributes
            .string("NAME")?
            .ok_or_else(|| attributes.missing("NAME"))?,
        language: attributes.string("LANGUAGE")?,
        uri: attributes.uri()?,
        default,
        // RFC 8216 §4.3.4.1: a default rendition is one that may be chosen.
        autoselect: attributes.yes("AUTOSELECT")? || default,
        line,
    })
}
