//! From JSON to [`Manifest`], member by member.

use json::Value;
use ppspp::live::LiveKey;
use ppspp::segment_table::{MAX_BYTES, MAX_SEGMENT_BITS, MAX_SEGMENTS};
use ppspp::{Hash, SwarmId};

use super::{
    ByteRange, Content, Init, Integrity, Live, MAX_CHUNK_SIZE, MAX_DISCARD_WINDOW, MAX_INITS, MAX_LENGTH,
    MAX_SEGMENT_MS, MAX_SWARMS, MAX_TEXT_LENGTH, MAX_TRACKERS, MIN_CHUNK_SIZE, MIN_SEGMENT_MS, Manifest,
    ManifestError, Problem, SwarmEntry, Vod,
};

pub(super) const VERSION: u64 = 1;
pub(super) const VOD: &str = "vod";
pub(super) const LIVE: &str = "live";
pub(super) const HASH: &str = "sha-256";

/// Deepest nesting; unknown members may have some of their own.
const MAX_DEPTH: usize = 32;

/// The file's `type`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vod,
    Live,
}

/// An object and where in the file it lies.
struct Object<'a> {
    path: String,
    members: &'a json::Object<'a>,
}

pub(super) fn manifest(json: &[u8]) -> Result<Manifest, ManifestError> {
    if json.len() > MAX_LENGTH {
        return Err(ManifestError::TooLong(json.len()));
    }
    let text = core::str::from_utf8(json).map_err(|_| ManifestError::Json("not UTF-8".into()))?;
    let value = json::parse(text, MAX_DEPTH).map_err(|error| ManifestError::Json(error.to_string()))?;
    let Value::Object(members) = &value else {
        return Err(ManifestError::Json("not an object".into()));
    };
    let file = Object {
        path: String::new(),
        members,
    };

    let version = file.member("version")?;
    if version.as_u64() != Some(VERSION) {
        return Err(file.error(
            "version",
            Problem::Value {
                found: shortened(version),
                want: "\"1\"",
            },
        ));
    }
    let kind = file.word("type", "\"vod\" or \"live\"", |word| match word {
        VOD => Some(Kind::Vod),
        LIVE => Some(Kind::Live),
        _ => None,
    })?;
    file.word("hash", "\"sha-256\"", |word| (word == HASH).then_some(()))?;
    let chunk_size = file.number("chunk_size", u64::from(MIN_CHUNK_SIZE), u64::from(MAX_CHUNK_SIZE))? as u32;
    let trackers = file
        .list("trackers", MAX_TRACKERS)?
        .iter()
        .enumerate()
        .map(|(index, value)| tracker(&format!("trackers[{index}]"), value))
        .collect::<Result<_, _>>()?;
    let tracker_key = match file.optional("tracker_key")? {
        None => None,
        Some(_) => {
            let text = file.text("tracker_key")?;
            let key = text
                .parse()
                .map_err(|problem| file.error("tracker_key", Problem::TrackerKey(problem)))?;
            Some(key)
        }
    };
    let mut swarms: Vec<SwarmEntry> = Vec::new();
    for (index, value) in file.list("swarms", MAX_SWARMS)?.iter().enumerate() {
        let entry = Object::new(format!("swarms[{index}]"), value)?;
        let swarm = swarm(&entry, kind, chunk_size)?;
        if let Some(earlier) = swarms
            .iter()
            .position(|earlier| earlier.playlist == swarm.playlist)
        {
            return Err(entry.error("playlist", Problem::DuplicatePlaylist(earlier)));
        }
        // The same VoD content under two names is one swarm, and rightly so; two live streams never are.
        let same_key = |earlier: &SwarmEntry| kind == Kind::Live && earlier.swarm_id == swarm.swarm_id;
        if let Some(earlier) = swarms.iter().position(same_key) {
            return Err(entry.error("swarm_id", Problem::DuplicateKey(earlier)));
        }
        swarms.push(swarm);
    }
    if swarms.is_empty() {
        return Err(file.error("swarms", Problem::Empty));
    }
    Ok(Manifest {
        chunk_size,
        trackers,
        tracker_key,
        swarms,
    })
}

fn swarm(entry: &Object<'_>, kind: Kind, chunk_size: u32) -> Result<SwarmEntry, ManifestError> {
    let playlist = entry.text("playlist")?;
    let (swarm_id, segment_bits, content) = match kind {
        Kind::Vod => vod(entry, chunk_size)?,
        Kind::Live => live(entry)?,
    };
    let inits = entry
        .list("inits", MAX_INITS)?
        .iter()
        .enumerate()
        .map(|(index, value)| init(&Object::new(format!("{}.inits[{index}]", entry.path), value)?))
        .collect::<Result<_, _>>()?;
    let codecs = match entry.optional("codecs")? {
        None => None,
        Some(_) => Some(entry.text("codecs")?),
    };
    Ok(SwarmEntry {
        playlist,
        swarm_id,
        segment_bits,
        inits,
        codecs,
        content,
    })
}

fn vod(entry: &Object<'_>, chunk_size: u32) -> Result<(SwarmId, u8, Content), ManifestError> {
    let swarm_id = entry.hash("swarm_id")?.into();
    let segment_bits = entry.number("segment_bits", 0, u64::from(MAX_SEGMENT_BITS))? as u8;
    let segments = entry.number("segments", 1, MAX_SEGMENTS as u64)? as u32;
    let chunks = u64::from(segments) << segment_bits;
    if chunks > 1 << 32 {
        return Err(entry.error(
            "segments",
            Problem::TooManyChunks {
                segments,
                segment_bits,
            },
        ));
    }
    let most = (chunks * u64::from(chunk_size)).min(MAX_BYTES);
    let bytes = entry.number("bytes", u64::from(segments), most)?;
    let table = entry.text("table")?;
    let vod = Vod {
        segments,
        bytes,
        table,
    };
    Ok((swarm_id, segment_bits, Content::Vod(vod)))
}

fn live(entry: &Object<'_>) -> Result<(SwarmId, u8, Content), ManifestError> {
    let swarm_id =
        SwarmId::from_hex(&entry.text("swarm_id")?).ok_or_else(|| entry.error("swarm_id", Problem::Hex))?;
    LiveKey::from_swarm_id(swarm_id.as_ref())
        .map_err(|problem| entry.error("swarm_id", Problem::LiveKey(problem)))?;
    let integrity = entry.word("integrity", "\"unified\" or \"sign-all\"", |word| {
        [Integrity::Unified, Integrity::SignAll]
            .into_iter()
            .find(|integrity| integrity.name() == word)
    })?;
    // RFC 7574 §6.1.2.1: a signed subtree has two chunks at least.
    let segment_bits = entry.number("segment_bits", 1, u64::from(MAX_SEGMENT_BITS))? as u8;
    let discard_window = entry.number("discard_window", 1, u64::from(MAX_DISCARD_WINDOW))? as u32;
    if u64::from(discard_window) << segment_bits >= 1 << 32 {
        return Err(entry.error(
            "discard_window",
            Problem::Window {
                discard_window,
                segment_bits,
            },
        ));
    }
    let limits = (u64::from(MIN_SEGMENT_MS), u64::from(MAX_SEGMENT_MS));
    let live = Live {
        integrity,
        discard_window,
        segment_ms: entry.number("segment_ms", limits.0, limits.1)? as u32,
    };
    Ok((swarm_id, segment_bits, Content::Live(live)))
}

fn init(entry: &Object<'_>) -> Result<Init, ManifestError> {
    let uri = entry.text("uri")?;
    let range = match (
        entry.optional("offset")?.is_some(),
        entry.optional("length")?.is_some(),
    ) {
        (false, false) => None,
        (true, true) => {
            let offset = entry.number("offset", 0, ByteRange::MAX_END)?;
            let length = entry.number("length", 1, ByteRange::MAX_END)?;
            Some(ByteRange::new(offset, length).ok_or_else(|| entry.error("length", Problem::ByteRange))?)
        }
        (true, false) => return Err(entry.error("length", Problem::HalfRange)),
        (false, true) => return Err(entry.error("offset", Problem::HalfRange)),
    };
    Ok(Init {
        uri,
        range,
        sha256: entry.hash("sha256")?,
    })
}

fn tracker(path: &str, value: &Value<'_>) -> Result<String, ManifestError> {
    let url = text(path, value)?;
    let scheme_end = url.find("://").unwrap_or(0);
    let (scheme, rest) = url.split_at(scheme_end);
    let known = scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss");
    let host = rest
        .trim_start_matches("://")
        .split(['/', '?', '#'])
        .next()
        .unwrap_or("");
    if !known || host.is_empty() || url.contains(char::is_whitespace) {
        return Err(error(path, Problem::TrackerUrl));
    }
    Ok(url)
}

impl<'a> Object<'a> {
    fn new(path: String, value: &'a Value<'a>) -> Result<Self, ManifestError> {
        match value {
            Value::Object(members) => Ok(Self { path, members }),
            _ => Err(error(path, Problem::Type("an object"))),
        }
    }

    fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.into()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn error(&self, name: &str, problem: Problem) -> ManifestError {
        error(self.path(name), problem)
    }

    fn optional(&self, name: &str) -> Result<Option<&'a Value<'a>>, ManifestError> {
        self.members
            .get(name)
            .map_err(|json::Twice| self.error(name, Problem::Twice))
    }

    fn member(&self, name: &str) -> Result<&'a Value<'a>, ManifestError> {
        self.optional(name)?
            .ok_or_else(|| self.error(name, Problem::Missing))
    }

    fn number(&self, name: &str, min: u64, max: u64) -> Result<u64, ManifestError> {
        match self.member(name)?.as_u64() {
            None => Err(self.error(name, Problem::Type("a whole number"))),
            Some(found) if found < min || found > max => {
                Err(self.error(name, Problem::Range { found, min, max }))
            }
            Some(found) => Ok(found),
        }
    }

    fn text(&self, name: &str) -> Result<String, ManifestError> {
        text(&self.path(name), self.member(name)?)
    }

    /// One of the words this version knows: what `known` makes of it.
    fn word<T>(
        &self,
        name: &str,
        want: &'static str,
        known: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ManifestError> {
        let value = self.member(name)?;
        value.as_str().and_then(known).ok_or_else(|| {
            let found = shortened(value);
            self.error(name, Problem::Value { found, want })
        })
    }

    fn hash(&self, name: &str) -> Result<Hash, ManifestError> {
        let text = self
            .member(name)?
            .as_str()
            .ok_or_else(|| self.error(name, Problem::Type("a string")))?;
        text.parse()
            .map_err(|problem| self.error(name, Problem::Hash(problem)))
    }

    fn list(&self, name: &str, max: usize) -> Result<&'a [Value<'a>], ManifestError> {
        match self.member(name)? {
            Value::Array(values) if values.len() > max => Err(self.error(
                name,
                Problem::TooMany {
                    found: values.len(),
                    max,
                },
            )),
            Value::Array(values) => Ok(values),
            _ => Err(self.error(name, Problem::Type("an array"))),
        }
    }
}

fn text(path: &str, value: &Value<'_>) -> Result<String, ManifestError> {
    let problem = match value.as_str() {
        None => Problem::Type("a string"),
        Some("") => Problem::Empty,
        Some(text) if text.len() > MAX_TEXT_LENGTH => Problem::TextTooLong(text.len()),
        Some(text) if text.contains(char::is_control) => Problem::ControlCharacter,
        Some(text) => return Ok(text.into()),
    };
    Err(error(path, problem))
}

fn error(path: impl Into<String>, problem: Problem) -> ManifestError {
    ManifestError::Member {
        path: path.into(),
        problem: Box::new(problem),
    }
}

/// A value for an error message, and not all of a long one.
fn shortened(value: &Value<'_>) -> String {
    match value {
        Value::String(text) => text.chars().take(40).collect(),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
        Value::Bool(_) => "a boolean".into(),
        Value::Null => "null".into(),
        Value::Number(number) => number
            .as_u64()
            .map_or_else(|| "a number".into(), |number| number.to_string()),
    }
}
