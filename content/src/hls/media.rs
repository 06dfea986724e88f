//! Media playlists (RFC 8216 §4.3.2, §4.3.3).

use super::attributes::Attributes;
use super::lines::{Line, checked_uri, decimal, integer};
use super::{MAX_INIT_SECTIONS, MAX_SEGMENTS, PlaylistError, Problem};
use crate::ByteRange;

const EXTINF: &str = "EXTINF";
const BYTERANGE: &str = "EXT-X-BYTERANGE";
const KEY: &str = "EXT-X-KEY";
const MAP: &str = "EXT-X-MAP";
const MEDIA_SEQUENCE: &str = "EXT-X-MEDIA-SEQUENCE";
const DISCONTINUITY_SEQUENCE: &str = "EXT-X-DISCONTINUITY-SEQUENCE";
const TARGETDURATION: &str = "EXT-X-TARGETDURATION";
const VERSION: &str = "EXT-X-VERSION";

/// A playlist of segments.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlaylist {
    /// Upper bound of the segments' durations, seconds.
    pub target_duration: u64,
    /// `EXT-X-ENDLIST`: nothing will be added. Always there in VoD.
    pub endlist: bool,
    /// `EXT-X-VERSION`, 1 where not stated.
    pub version: u64,
    /// Number of the first segment. A live swarm counts its segments by it; a VoD swarm counts from 0 all the same.
    pub media_sequence: u64,
    /// Discontinuities before the first segment: with those in the list, which timeline a segment is on.
    pub discontinuity_sequence: u64,
    /// `HOLD-BACK` of `EXT-X-SERVER-CONTROL`: how far behind the end a live player should stay, seconds.
    pub hold_back: Option<f64>,
    /// `TIME-OFFSET` of `EXT-X-START`: where to begin, seconds from the first segment's start, or from the last
    /// segment's end where it is negative.
    pub start_offset: Option<f64>,
    /// The segments, in order.
    pub segments: Vec<Segment>,
    /// The different init sections, in the order of their first use.
    pub maps: Vec<InitSection>,
}

/// One media segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Where its bytes are.
    pub uri: String,
    /// Duration in seconds.
    pub duration: f64,
    /// The part of the resource, or `None` for all of it. Implicit offsets are resolved.
    pub byte_range: Option<ByteRange>,
    /// Its init section, as an index into [`MediaPlaylist::maps`].
    pub map: Option<usize>,
    /// `EXT-X-DISCONTINUITY` before it.
    pub discontinuity: bool,
    /// How it is encrypted, or `None` in the clear.
    pub key: Option<KeyMethod>,
    /// `EXT-X-GAP`: there are no bytes to fetch.
    pub gap: bool,
    /// Line of the URI.
    pub line: u32,
}

/// `METHOD` of `EXT-X-KEY` (RFC 8216 §4.3.2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMethod {
    /// Whole segments, AES-128 in CBC mode.
    Aes128,
    /// Samples inside the segment.
    SampleAes,
    /// One of another name.
    Other(String),
}

/// One `EXT-X-MAP` (RFC 8216 §4.3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitSection {
    /// Where its bytes are.
    pub uri: String,
    /// The part of the resource, or `None` for all of it.
    pub byte_range: Option<ByteRange>,
    /// Line of its first use.
    pub line: u32,
}

/// `EXT-X-BYTERANGE` as it is written: the offset may follow from the segment before.
#[derive(Clone, Copy)]
struct WrittenRange {
    length: u64,
    offset: Option<u64>,
}

/// What the tags so far say of segments to come.
#[derive(Default)]
struct State {
    target_duration: Option<u64>,
    version: Option<u64>,
    media_sequence: Option<u64>,
    discontinuity_sequence: Option<u64>,
    hold_back: Option<f64>,
    start_offset: Option<f64>,
    endlist: bool,
    segments: Vec<Segment>,
    maps: Vec<InitSection>,
    map: Option<usize>,
    key: Option<KeyMethod>,
    /// `EXTINF` of the next segment, with its line.
    duration: Option<(u32, f64)>,
    byte_range: Option<WrittenRange>,
    discontinuity: bool,
    gap: bool,
}

pub(super) fn parse<'a>(
    lines: impl Iterator<Item = (u32, Line<'a>)>,
) -> Result<MediaPlaylist, PlaylistError> {
    let mut state = State::default();
    for (line, content) in lines {
        match content {
            Line::Tag(name, value) => state.tag(line, name, value)?,
            Line::Uri(uri) => state.uri(line, uri)?,
        }
    }
    if let Some((line, _)) = state.duration {
        return Err(PlaylistError::new(line, Problem::MissingUri(EXTINF)));
    }
    let Some(target_duration) = state.target_duration else {
        return Err(PlaylistError::new(0, Problem::MissingTag(TARGETDURATION)));
    };
    Ok(MediaPlaylist {
        target_duration,
        endlist: state.endlist,
        version: state.version.unwrap_or(1),
        media_sequence: state.media_sequence.unwrap_or(0),
        discontinuity_sequence: state.discontinuity_sequence.unwrap_or(0),
        hold_back: state.hold_back,
        start_offset: state.start_offset,
        segments: state.segments,
        maps: state.maps,
    })
}

impl State {
    fn tag(&mut self, line: u32, name: &str, value: &str) -> Result<(), PlaylistError> {
        match name {
            "EXTINF" => {
                let number = value.split(',').next().unwrap_or("").trim_matches(' ');
                let want = Problem::Attribute {
                    tag: EXTINF,
                    attribute: "duration",
                    want: "a decimal number",
                };
                let duration = decimal(number).ok_or_else(|| PlaylistError::new(line, want))?;
                if self.duration.replace((line, duration)).is_some() {
                    return Err(PlaylistError::new(line, Problem::MissingUri(EXTINF)));
                }
            }
            "EXT-X-BYTERANGE" => {
                let range = written_range(value).ok_or_else(|| {
                    PlaylistError::new(
                        line,
                        Problem::Attribute {
                            tag: BYTERANGE,
                            attribute: "value",
                            want: "length[@offset]",
                        },
                    )
                })?;
                if self.byte_range.replace(range).is_some() {
                    return Err(PlaylistError::new(line, Problem::Twice(BYTERANGE)));
                }
            }
            "EXT-X-MAP" => self.map(&Attributes::parse(line, MAP, value)?, line)?,
            "EXT-X-KEY" => self.key = key(&Attributes::parse(line, KEY, value)?)?,
            "EXT-X-DISCONTINUITY" => self.discontinuity = true,
            "EXT-X-GAP" => self.gap = true,
            "EXT-X-ENDLIST" => self.endlist = true,
            "EXT-X-TARGETDURATION" => once(&mut self.target_duration, line, TARGETDURATION, value)?,
            "EXT-X-VERSION" => once(&mut self.version, line, VERSION, value)?,
            "EXT-X-MEDIA-SEQUENCE" => once(&mut self.media_sequence, line, MEDIA_SEQUENCE, value)?,
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                once(
                    &mut self.discontinuity_sequence,
                    line,
                    DISCONTINUITY_SEQUENCE,
                    value,
                )?;
            }
            "EXT-X-SERVER-CONTROL" => self.hold_back = hint(value, "HOLD-BACK").and_then(decimal),
            "EXT-X-START" => self.start_offset = hint(value, "TIME-OFFSET").and_then(signed),
            "EXT-X-DEFINE" => {
                return Err(PlaylistError::new(line, Problem::Unsupported("EXT-X-DEFINE")));
            }
            "EXT-X-SKIP" => {
                return Err(PlaylistError::new(line, Problem::Unsupported("EXT-X-SKIP")));
            }
            _ => {}
        }
        Ok(())
    }

    fn map(&mut self, attributes: &Attributes<'_>, line: u32) -> Result<(), PlaylistError> {
        let uri = attributes.uri()?.ok_or_else(|| attributes.missing("URI"))?;
        let byte_range = match attributes.string("BYTERANGE")? {
            None => None,
            Some(text) => {
                let written = written_range(&text).ok_or_else(|| {
                    PlaylistError::new(
                        line,
                        Problem::Attribute {
                            tag: MAP,
                            attribute: "BYTERANGE",
                            want: "length[@offset]",
                        },
                    )
                })?;
                Some(range(line, MAP, written.offset.unwrap_or(0), written.length)?)
            }
        };
        let known = self
            .maps
            .iter()
            .position(|map| map.byte_range == byte_range && map.uri == uri);
        self.map = Some(match known {
            Some(index) => index,
            None if self.maps.len() == MAX_INIT_SECTIONS => {
                return Err(PlaylistError::new(line, Problem::TooManyInitSections));
            }
            None => {
                self.maps.push(InitSection {
                    uri,
                    byte_range,
                    line,
                });
                self.maps.len() - 1
            }
        });
        Ok(())
    }

    fn uri(&mut self, line: u32, uri: &str) -> Result<(), PlaylistError> {
        let Some((_, duration)) = self.duration.take() else {
            return Err(PlaylistError::new(line, Problem::UnexpectedUri(EXTINF)));
        };
        if self.segments.len() == MAX_SEGMENTS {
            return Err(PlaylistError::new(line, Problem::TooManySegments));
        }
        let uri = checked_uri(line, uri)?;
        let byte_range = match self.byte_range.take() {
            None => None,
            Some(written) => {
                // RFC 8216 §4.3.2.2: without an offset it goes on where the same resource's range before ended.
                let before = self.segments.last().filter(|before| before.uri == uri);
                let offset = written
                    .offset
                    .or_else(|| {
                        before
                            .and_then(|before| before.byte_range)
                            .map(|range| range.end())
                    })
                    .ok_or_else(|| PlaylistError::new(line, Problem::ImplicitOffset))?;
                Some(range(line, BYTERANGE, offset, written.length)?)
            }
        };
        self.segments.push(Segment {
            uri,
            duration,
            byte_range,
            map: self.map,
            discontinuity: core::mem::take(&mut self.discontinuity),
            key: self.key.clone(),
            gap: core::mem::take(&mut self.gap),
            line,
        });
        Ok(())
    }
}

/// An attribute that only advises the player: a list or value that cannot be read is no reason to refuse the playlist.
fn hint<'a>(list: &'a str, name: &'static str) -> Option<&'a str> {
    Attributes::parse(0, "", list).ok()?.word(name).ok().flatten()
}

/// A decimal number that may be negative (RFC 8216 §4.2).
fn signed(text: &str) -> Option<f64> {
    match text.strip_prefix('-') {
        Some(text) => decimal(text).map(|number| -number),
        None => decimal(text),
    }
}

/// Stores the value of a tag that may stand once.
fn once(slot: &mut Option<u64>, line: u32, tag: &'static str, value: &str) -> Result<(), PlaylistError> {
    let want = Problem::Attribute {
        tag,
        attribute: "value",
        want: "a decimal integer",
    };
    let value = integer(value.trim_matches(' ')).ok_or_else(|| PlaylistError::new(line, want))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(PlaylistError::new(line, Problem::Twice(tag))),
    }
}

fn written_range(text: &str) -> Option<WrittenRange> {
    let (length, offset) = match text.split_once('@') {
        Some((length, offset)) => (length, Some(integer(offset.trim_matches(' '))?)),
        None => (text, None),
    };
    Some(WrittenRange {
        length: integer(length.trim_matches(' '))?,
        offset,
    })
}

fn range(line: u32, tag: &'static str, offset: u64, length: u64) -> Result<ByteRange, PlaylistError> {
    ByteRange::new(offset, length).ok_or_else(|| PlaylistError::new(line, Problem::ByteRange(tag)))
}

fn key(attributes: &Attributes<'_>) -> Result<Option<KeyMethod>, PlaylistError> {
    let method = attributes
        .word("METHOD")?
        .ok_or_else(|| attributes.missing("METHOD"))?;
    Ok(match method {
        "NONE" => None,
        "AES-128" => Some(KeyMethod::Aes128),
        "SAMPLE-AES" => Some(KeyMethod::SampleAes),
        other => Some(KeyMethod::Other(other.chars().take(40).collect())),
    })
}
