//! From JSON to [`Manifest`], member by member.

use core::cell::Cell;

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

/// An object and where in the file it lies. A member that is not as it must be reads as the least of its kind, and the
/// first of them in a file makes the whole file an error: so what reads a file has no branch for each member.
struct Object<'a> {
    path: String,
    /// None where an object must be and is none.
    members: Option<&'a json::Object<'a>>,
    /// What is wrong with the file.
    first: &'a Cell<Option<ManifestError>>,
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
    let first = Cell::new(None);
    let manifest = file(&Object {
        path: String::new(),
        members: Some(members),
        first: &first,
    });
    match first.take() {
        None => Ok(manifest),
        Some(error) => Err(error),
    }
}

fn file(file: &Object<'_>) -> Manifest {
    if let Some(version) = file.member("version")
        && version.as_u64() != Some(VERSION)
    {
        file.refuse_value("version", version, "\"1\"");
    }
    let kind = match file.word("type", &[VOD, LIVE], "\"vod\" or \"live\"") {
        0 => Kind::Vod,
        _ => Kind::Live,
    };
    file.word("hash", &[HASH], "\"sha-256\"");
    let chunk_size = file.number("chunk_size", u64::from(MIN_CHUNK_SIZE), u64::from(MAX_CHUNK_SIZE)) as u32;
    let trackers = file.list("trackers", MAX_TRACKERS).iter().enumerate();
    let trackers = trackers
        .map(|(index, value)| tracker(file, &element("trackers", index), value))
        .collect();
    let tracker_key = file.optional_text("tracker_key").and_then(|text| {
        let key = text.parse();
        key.map_err(|problem| file.refuse("tracker_key", Problem::TrackerKey(problem)))
            .ok()
    });
    let mut swarms: Vec<SwarmEntry> = Vec::new();
    let values = file.list("swarms", MAX_SWARMS);
    if values.is_empty() {
        file.refuse("swarms", Problem::Empty);
    }
    for (index, value) in values.iter().enumerate() {
        let entry = file.inner(element("swarms", index), value);
        let swarm = swarm(&entry, kind, chunk_size);
        let same_playlist = |earlier: &SwarmEntry| earlier.playlist == swarm.playlist;
        if let Some(earlier) = swarms.iter().position(same_playlist) {
            entry.refuse("playlist", Problem::DuplicatePlaylist(earlier));
        }
        // The same VoD content under two names is one swarm, and rightly so; two live streams never are.
        let same_key = |earlier: &SwarmEntry| kind == Kind::Live && earlier.swarm_id == swarm.swarm_id;
        if let Some(earlier) = swarms.iter().position(same_key) {
            entry.refuse("swarm_id", Problem::DuplicateKey(earlier));
        }
        swarms.push(swarm);
    }
    Manifest {
        chunk_size,
        trackers,
        tracker_key,
        swarms,
    }
}

fn swarm(entry: &Object<'_>, kind: Kind, chunk_size: u32) -> SwarmEntry {
    let playlist = entry.text("playlist");
    let (swarm_id, segment_bits, content) = match kind {
        Kind::Vod => vod(entry, chunk_size),
        Kind::Live => live(entry),
    };
    let inits = entry.list("inits", MAX_INITS).iter().enumerate();
    let path = entry.path_of("inits");
    SwarmEntry {
        playlist,
        swarm_id,
        segment_bits,
        inits: inits
            .map(|(index, value)| init(&entry.inner(element(&path, index), value)))
            .collect(),
        codecs: entry.optional_text("codecs"),
        content,
    }
}

fn vod(entry: &Object<'_>, chunk_size: u32) -> (SwarmId, u8, Content) {
    let swarm_id = entry.hash("swarm_id").into();
    let segment_bits = entry.number("segment_bits", 0, u64::from(MAX_SEGMENT_BITS)) as u8;
    let segments = entry.number("segments", 1, MAX_SEGMENTS as u64) as u32;
    let chunks = u64::from(segments) << segment_bits;
    if chunks > 1 << 32 {
        entry.refuse(
            "segments",
            Problem::TooManyChunks {
                segments,
                segment_bits,
            },
        );
    }
    let most = chunks.saturating_mul(u64::from(chunk_size)).min(MAX_BYTES);
    let bytes = entry.number("bytes", u64::from(segments), most);
    let table = entry.text("table");
    let vod = Vod {
        segments,
        bytes,
        table,
    };
    (swarm_id, segment_bits, Content::Vod(vod))
}

fn live(entry: &Object<'_>) -> (SwarmId, u8, Content) {
    let text = entry.text("swarm_id");
    let swarm_id = SwarmId::from_hex(&text).unwrap_or_else(|| {
        entry.refuse("swarm_id", Problem::Hex);
        SwarmId::new(&[])
    });
    if let Err(problem) = LiveKey::from_swarm_id(swarm_id.as_ref()) {
        entry.refuse("swarm_id", Problem::LiveKey(problem));
    }
    let known = [Integrity::Unified, Integrity::SignAll];
    let named = entry.word(
        "integrity",
        &known.map(Integrity::name),
        "\"unified\" or \"sign-all\"",
    );
    // RFC 7574 §6.1.2.1: a signed subtree has two chunks at least.
    let segment_bits = entry.number("segment_bits", 1, u64::from(MAX_SEGMENT_BITS)) as u8;
    let discard_window = entry.number("discard_window", 1, u64::from(MAX_DISCARD_WINDOW)) as u32;
    if u64::from(discard_window) << segment_bits >= 1 << 32 {
        entry.refuse(
            "discard_window",
            Problem::Window {
                discard_window,
                segment_bits,
            },
        );
    }
    let limits = (u64::from(MIN_SEGMENT_MS), u64::from(MAX_SEGMENT_MS));
    let live = Live {
        integrity: known[named],
        discard_window,
        segment_ms: entry.number("segment_ms", limits.0, limits.1) as u32,
    };
    (swarm_id, segment_bits, Content::Live(live))
}

fn init(entry: &Object<'_>) -> Init {
    let uri = entry.text("uri");
    let given = |name| entry.optional(name).is_some();
    let range = match (given("offset"), given("length")) {
        (false, false) => None,
        (true, true) => {
            let offset = entry.number("offset", 0, ByteRange::MAX_END);
            let length = entry.number("length", 1, ByteRange::MAX_END);
            let range = ByteRange::new(offset, length);
            if range.is_none() {
                entry.refuse("length", Problem::ByteRange);
            }
            range
        }
        (offset, _) => {
            entry.refuse(if offset { "length" } else { "offset" }, Problem::HalfRange);
            None
        }
    };
    Init {
        uri,
        range,
        sha256: entry.hash("sha256"),
    }
}

fn tracker(file: &Object<'_>, name: &str, value: &Value<'_>) -> String {
    let url = file.text_of(name, value);
    let lower = url.to_ascii_lowercase();
    let known = ["ws://", "wss://"]
        .iter()
        .find_map(|scheme| lower.strip_prefix(scheme));
    let has_host = !matches!(
        known.and_then(|rest| rest.bytes().next()),
        None | Some(b'/' | b'?' | b'#')
    );
    if !has_host || url.contains(char::is_whitespace) {
        file.refuse(name, Problem::TrackerUrl);
    }
    url
}

/// The path of an array's element.
fn element(array: &str, index: usize) -> String {
    [array, "[", &index.to_string(), "]"].concat()
}

impl<'a> Object<'a> {
    /// The object at this path that a value must be.
    fn inner(&self, path: String, value: &'a Value<'a>) -> Self {
        let inner = Self {
            path,
            members: value.as_object(),
            first: self.first,
        };
        if inner.members.is_none() {
            inner.refuse("", Problem::Type("an object"));
        }
        inner
    }

    fn path_of(&self, name: &str) -> String {
        let dot = if self.path.is_empty() || name.is_empty() {
            ""
        } else {
            "."
        };
        [&self.path, dot, name].concat()
    }

    /// The file is refused because of a member (or, without a name, the object), unless it is already.
    #[inline(never)]
    fn refuse(&self, name: &str, problem: Problem) {
        let first = self.first.take().unwrap_or_else(|| ManifestError::Member {
            path: self.path_of(name),
            problem: Box::new(problem),
        });
        self.first.set(Some(first));
    }

    fn refuse_value(&self, name: &str, found: &Value<'_>, want: &'static str) {
        let found = shortened(found);
        self.refuse(name, Problem::Value { found, want });
    }

    #[inline(never)]
    fn optional(&self, name: &str) -> Option<&'a Value<'a>> {
        self.members?.get(name).unwrap_or_else(|json::Twice| {
            self.refuse(name, Problem::Twice);
            None
        })
    }

    #[inline(never)]
    fn member(&self, name: &str) -> Option<&'a Value<'a>> {
        let member = self.optional(name);
        if member.is_none() {
            self.refuse(name, Problem::Missing);
        }
        member
    }

    #[inline(never)]
    fn number(&self, name: &str, min: u64, max: u64) -> u64 {
        let Some(value) = self.member(name) else {
            return min;
        };
        match value.as_u64() {
            None => self.refuse(name, Problem::Type("a whole number")),
            Some(found) if found < min || found > max => {
                self.refuse(name, Problem::Range { found, min, max });
            }
            Some(found) => return found,
        }
        min
    }

    #[inline(never)]
    fn text(&self, name: &str) -> String {
        self.member(name)
            .map_or_else(String::new, |value| self.text_of(name, value))
    }

    fn optional_text(&self, name: &str) -> Option<String> {
        self.optional(name).map(|value| self.text_of(name, value))
    }

    /// The text that a value must be.
    #[inline(never)]
    fn text_of(&self, name: &str, value: &Value<'_>) -> String {
        let problem = match value.as_str() {
            None => Problem::Type("a string"),
            Some("") => Problem::Empty,
            Some(text) if text.len() > MAX_TEXT_LENGTH => Problem::TextTooLong(text.len()),
            Some(text) if text.contains(char::is_control) => Problem::ControlCharacter,
            Some(text) => return text.into(),
        };
        self.refuse(name, problem);
        String::new()
    }

    /// One of the words this version knows: which of them.
    fn word(&self, name: &str, known: &[&str], want: &'static str) -> usize {
        let Some(value) = self.member(name) else {
            return 0;
        };
        let found = known.iter().position(|word| value.as_str() == Some(word));
        found.unwrap_or_else(|| {
            self.refuse_value(name, value, want);
            0
        })
    }

    fn hash(&self, name: &str) -> Hash {
        match self.member(name).map(Value::as_str) {
            Some(Some(text)) => text.parse().unwrap_or_else(|problem| {
                self.refuse(name, Problem::Hash(problem));
                Hash::ZERO
            }),
            Some(None) => {
                self.refuse(name, Problem::Type("a string"));
                Hash::ZERO
            }
            None => Hash::ZERO,
        }
    }

    fn list(&self, name: &str, max: usize) -> &'a [Value<'a>] {
        match self.member(name) {
            Some(Value::Array(values)) if values.len() <= max => return values,
            Some(Value::Array(values)) => {
                let found = values.len();
                self.refuse(name, Problem::TooMany { found, max });
            }
            Some(_) => self.refuse(name, Problem::Type("an array")),
            None => {}
        }
        &[]
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
