//! Scenarios: what a run emulates, as TOML. Every key is checked; an error names the key.

use serde::Deserialize;

use crate::geography::Region;

/// A scenario. Times are seconds, rates kbit/s (1,000 bits) unless their names say otherwise; shares are 0…1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name: letters, digits and dashes.
    pub name: String,
    /// What it shows, one sentence or two, for the table of all scenarios.
    pub shows: String,
    /// How long it runs.
    pub duration_s: f64,
    /// What is watched.
    pub content: Content,
    /// Who serves it.
    pub origin: Origin,
    /// The paths between all.
    pub network: Network,
    /// Kinds of access links; their shares make 1.
    pub access: Vec<Access>,
    /// Who watches.
    pub viewers: Viewers,
    /// The tracker.
    #[serde(default)]
    pub tracker: Tracker,
    /// Viewers that do not play by the rules.
    #[serde(default)]
    pub cheats: Cheats,
    /// Viewers on the move.
    #[serde(default)]
    pub mobile: Mobile,
}

/// What is watched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Mean bitrate.
    pub bitrate_kbps: f64,
    /// Length of a segment.
    pub segment_s: f64,
    /// Segments in all.
    pub segments: u32,
    /// Bytes in a chunk.
    #[serde(default = "default_chunk_size")]
    pub chunk_size: u32,
    /// What chunks are made of.
    #[serde(default)]
    pub payload: Payload,
    /// A live stream; absent = everything is there from the start.
    #[serde(default)]
    pub live: Option<Live>,
}

/// What chunks are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// Stubs that stand for bytes, with hashes made beforehand: for many thousands of viewers.
    #[default]
    Stubs,
    /// Real bytes, hashed by everybody: for hundreds.
    Bytes,
}

/// A live stream: one more segment of `content.segments` every `content.segment_s`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// Segments that are there when the run begins.
    pub published: u32,
    /// Segments that the playlist lists, and that peers keep.
    pub discard_window: u32,
    /// How many segments before the edge a viewer starts: the playlist's `HOLD-BACK` (RFC 8216 §6.3.3 says three).
    #[serde(default = "default_hold_back")]
    pub hold_back: u32,
}

fn default_hold_back() -> u32 {
    3
}

fn default_chunk_size() -> u32 {
    16_384
}

/// Who serves it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What it sends at most in all; absent = no limit.
    #[serde(default)]
    pub capacity_kbps: Option<f64>,
    /// What it sends at most over one connection.
    pub connection_kbps: f64,
    /// From request to first byte inside the server, milliseconds.
    pub latency_ms: f64,
    /// Where it is.
    pub region: Region,
}

/// The paths between all.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Share of the viewers in each region; they make 1.
    pub regions: Regions,
    /// Share of the viewers behind each kind of NAT; they make 1.
    pub nat: NatShares,
    /// Most a message is delayed at random, milliseconds.
    pub jitter_ms: f64,
    /// Share of packets that are lost, and sent again after a round trip.
    pub loss: f64,
}

/// Share of the viewers in each region.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Regions {
    /// Europe.
    pub europe: f64,
    /// North America.
    pub north_america: f64,
    /// South America.
    pub south_america: f64,
    /// East Asia.
    pub asia: f64,
}

/// Share of the viewers behind each kind of NAT.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NatShares {
    /// See [`crate::geography::Nat::Open`].
    pub open: f64,
    /// See [`crate::geography::Nat::Restricted`].
    pub restricted: f64,
    /// See [`crate::geography::Nat::Symmetric`].
    pub symmetric: f64,
}

/// A kind of access link.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Share of the viewers.
    pub share: f64,
    /// Uplink.
    pub up_kbps: f64,
    /// Downlink.
    pub down_kbps: f64,
    /// One-way latency of the link, milliseconds.
    pub latency_ms: f64,
}

/// Who watches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Viewers {
    /// How many.
    pub count: u32,
    /// They come, evenly at random, within this time.
    pub arrive_within_s: f64,
    /// Share that starts somewhere else than at the beginning.
    #[serde(default)]
    pub start_anywhere: f64,
    /// Seeks a viewer makes in an hour of watching, on average.
    #[serde(default)]
    pub seeks_per_hour: f64,
    /// Share that goes before the end, at a random time.
    #[serde(default)]
    pub leave_early: f64,
    /// Of those who go: the share whose connections just break (the others say goodbye).
    #[serde(default)]
    pub abrupt: f64,
    /// How long a viewer stays, serving, after the last segment has been played.
    #[serde(default)]
    pub linger_s: f64,
    /// Seconds of media loaded ahead.
    #[serde(default = "default_buffer")]
    pub buffer_s: f64,
    /// Most connections to peers.
    #[serde(default = "default_peers")]
    pub max_peers: u32,
    /// Chunks kept to serve, MiB.
    #[serde(default = "default_cache")]
    pub cache_mib: f64,
    /// Closest to a deadline that a segment may stay without an origin fetch (option `urgentWindowSec`).
    #[serde(default = "default_urgent_window")]
    pub urgent_window_s: f64,
}

fn default_buffer() -> f64 {
    30.0
}

fn default_peers() -> u32 {
    16
}

fn default_cache() -> f64 {
    128.0
}

fn default_urgent_window() -> f64 {
    6.0
}

/// The tracker.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracker {
    /// Times in which it is dead; sockets break and it forgets everybody.
    #[serde(default)]
    pub outages: Vec<Outage>,
}

/// A time without something.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Beginning.
    pub from_s: f64,
    /// End.
    pub to_s: f64,
}

/// Viewers that do not play by the rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cheats {
    /// Share that takes and gives nothing: it neither announces chunks nor sends any.
    pub free_riders: f64,
    /// Share that announces chunks and never sends one.
    pub liars: f64,
    /// Share that changes a byte of every chunk it sends.
    pub polluters: f64,
}

/// Viewers on the move.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mobile {
    /// Their share.
    pub share: f64,
    /// Mean time between changes of their links.
    pub change_every_s: f64,
    /// Lowest factor that a change applies to the rates; the highest is 1.
    pub lowest_factor: f64,
    /// Share of the changes that begin with an outage.
    pub outages: f64,
    /// Length of such an outage.
    pub outage_s: f64,
}

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, an unknown key, one that is missing or of the wrong type: the text says which and where.
    #[error("scenario: {0}")]
    Toml(#[from] toml::de::Error),
    /// A value that makes no sense.
    #[error("scenario: {key} is {found}, want {want}")]
    Value {
        /// The key, dotted.
        key: String,
        /// What it is.
        found: String,
        /// What it should be.
        want: &'static str,
    },
}

fn check(
    key: impl Into<String>,
    found: f64,
    right: impl FnOnce(f64) -> bool,
    want: &'static str,
) -> Result<(), ScenarioError> {
    if found.is_finite() && right(found) {
        return Ok(());
    }
    Err(ScenarioError::Value {
        key: key.into(),
        found: found.to_string(),
        want,
    })
}

fn positive(key: impl Into<String>, found: f64) -> Result<(), ScenarioError> {
    check(key, found, |value| value > 0.0, "a positive number")
}

fn not_negative(key: impl Into<String>, found: f64) -> Result<(), ScenarioError> {
    check(key, found, |value| value >= 0.0, "0 or more")
}

fn share(key: impl Into<String>, found: f64) -> Result<(), ScenarioError> {
    check(
        key,
        found,
        |value| (0.0..=1.0).contains(&value),
        "a share from 0 to 1",
    )
}

fn shares(key: &str, parts: &[f64]) -> Result<(), ScenarioError> {
    parts.iter().try_for_each(|&part| share(key, part))?;
    let sum: f64 = parts.iter().sum();
    check(key, sum, |sum| (sum - 1.0).abs() < 1e-6, "shares that make 1")
}

impl Scenario {
    /// Reads and checks a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`] names the key.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(ScenarioError::Value {
                key: "name".to_owned(),
                found: format!("{:?}", self.name),
                want: "letters, digits and dashes",
            });
        }
        positive("duration_s", self.duration_s)?;
        positive("content.bitrate_kbps", self.content.bitrate_kbps)?;
        positive("content.segment_s", self.content.segment_s)?;
        positive("content.segments", f64::from(self.content.segments))?;
        check(
            "content.chunk_size",
            f64::from(self.content.chunk_size),
            |size| (1024.0..=32_768.0).contains(&size),
            "1024 to 32768",
        )?;
        self.check_live()?;
        if let Some(capacity) = self.origin.capacity_kbps {
            positive("origin.capacity_kbps", capacity)?;
        }
        positive("origin.connection_kbps", self.origin.connection_kbps)?;
        not_negative("origin.latency_ms", self.origin.latency_ms)?;
        let regions = &self.network.regions;
        shares(
            "network.regions",
            &[
                regions.europe,
                regions.north_america,
                regions.south_america,
                regions.asia,
            ],
        )?;
        let nat = &self.network.nat;
        shares("network.nat", &[nat.open, nat.restricted, nat.symmetric])?;
        not_negative("network.jitter_ms", self.network.jitter_ms)?;
        check(
            "network.loss",
            self.network.loss,
            |loss| (0.0..0.5).contains(&loss),
            "0 to less than 0.5",
        )?;
        for (index, access) in self.access.iter().enumerate() {
            positive(format!("access[{index}].up_kbps"), access.up_kbps)?;
            positive(format!("access[{index}].down_kbps"), access.down_kbps)?;
            not_negative(format!("access[{index}].latency_ms"), access.latency_ms)?;
        }
        let parts: Vec<f64> = self.access.iter().map(|access| access.share).collect();
        shares("access.share", &parts)?;
        self.check_viewers()
    }

    fn check_live(&self) -> Result<(), ScenarioError> {
        let Some(live) = &self.content.live else {
            return Ok(());
        };
        let segments = f64::from(self.content.segments);
        let published = f64::from(live.published);
        check(
            "content.live.published",
            published,
            |published| (4.0..=segments).contains(&published),
            "4 to content.segments",
        )?;
        check(
            "content.live.discard_window",
            f64::from(live.discard_window),
            |window| (4.0..=1000.0).contains(&window),
            "4 to 1000",
        )?;
        let most = live.published.min(live.discard_window);
        check(
            "content.live.hold_back",
            f64::from(live.hold_back),
            |hold_back| (3.0..=f64::from(most)).contains(&hold_back),
            "3 to content.live.published and content.live.discard_window",
        )?;
        let nothing = |key, found| check(key, found, |value| value == 0.0, "0 in a live stream");
        nothing("viewers.start_anywhere", self.viewers.start_anywhere)?;
        nothing("viewers.seeks_per_hour", self.viewers.seeks_per_hour)
    }

    fn check_viewers(&self) -> Result<(), ScenarioError> {
        let viewers = &self.viewers;
        check(
            "viewers.count",
            f64::from(viewers.count),
            |count| (1.0..=1e6).contains(&count),
            "1 to 1000000",
        )?;
        not_negative("viewers.arrive_within_s", viewers.arrive_within_s)?;
        share("viewers.start_anywhere", viewers.start_anywhere)?;
        not_negative("viewers.seeks_per_hour", viewers.seeks_per_hour)?;
        share("viewers.leave_early", viewers.leave_early)?;
        share("viewers.abrupt", viewers.abrupt)?;
        not_negative("viewers.linger_s", viewers.linger_s)?;
        positive("viewers.buffer_s", viewers.buffer_s)?;
        positive("viewers.cache_mib", viewers.cache_mib)?;
        not_negative("viewers.urgent_window_s", viewers.urgent_window_s)?;
        for (index, outage) in self.tracker.outages.iter().enumerate() {
            not_negative(format!("tracker.outages[{index}].from_s"), outage.from_s)?;
            check(
                format!("tracker.outages[{index}].to_s"),
                outage.to_s,
                |to| to > outage.from_s,
                "later than from_s",
            )?;
        }
        share("cheats.free_riders", self.cheats.free_riders)?;
        share("cheats.liars", self.cheats.liars)?;
        share("cheats.polluters", self.cheats.polluters)?;
        share(
            "cheats.free_riders + cheats.liars + cheats.polluters",
            self.cheats.free_riders + self.cheats.liars + self.cheats.polluters,
        )?;
        share("mobile.share", self.mobile.share)?;
        if self.mobile.share > 0.0 {
            positive("mobile.change_every_s", self.mobile.change_every_s)?;
            check(
                "mobile.lowest_factor",
                self.mobile.lowest_factor,
                |factor| factor > 0.0 && factor <= 1.0,
                "more than 0, at most 1",
            )?;
            share("mobile.outages", self.mobile.outages)?;
            not_negative("mobile.outage_s", self.mobile.outage_s)?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A scenario small enough for unit tests.
    pub(crate) const SMALL: &str = r#"
name = "small"
shows = "Eight viewers."
duration_s = 60
content = { bitrate_kbps = 800, segment_s = 2, segments = 12 }
origin = { capacity_kbps = 20000, connection_kbps = 10000, latency_ms = 5, region = "europe" }
[network]
regions = { europe = 0.5, north-america = 0.5 }
nat = { open = 0.5, restricted = 0.5 }
jitter_ms = 2
loss = 0.001
[[access]]
share = 1
up_kbps = 2000
down_kbps = 10000
latency_ms = 5
[viewers]
count = 8
arrive_within_s = 10
linger_s = 30
"#;

    /// The same, of a live stream.
    pub(crate) const SMALL_LIVE: &str = r#"
name = "small-live"
shows = "Eight viewers."
duration_s = 60
content = { bitrate_kbps = 800, segment_s = 2, segments = 40, live = { published = 6, discard_window = 10 } }
origin = { capacity_kbps = 20000, connection_kbps = 10000, latency_ms = 5, region = "europe" }
[network]
regions = { europe = 0.5, north-america = 0.5 }
nat = { open = 0.5, restricted = 0.5 }
jitter_ms = 2
loss = 0.001
[[access]]
share = 1
up_kbps = 2000
down_kbps = 10000
latency_ms = 5
[viewers]
count = 8
arrive_within_s = 10
"#;

    fn error(from: &str, to: &str) -> String {
        assert!(SMALL.contains(from));
        Scenario::parse(&SMALL.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_key() {
        Scenario::parse(SMALL).unwrap();
        assert!(error("linger_s = 30", "lingers = 30").contains("lingers"));
        assert!(error("count = 8", "").contains("count"));
        assert!(error("count = 8", "count = \"8\"").contains("count"));
        assert_eq!(
            error("count = 8", "count = 0"),
            "scenario: viewers.count is 0, want 1 to 1000000"
        );
        assert_eq!(
            error("share = 1", "share = 0.7"),
            "scenario: access.share is 0.7, want shares that make 1"
        );
        assert_eq!(
            error("up_kbps = 2000", "up_kbps = -1"),
            "scenario: access[0].up_kbps is -1, want a positive number"
        );
        assert!(error("\"europe\"", "\"mars\"").contains("region"));
        assert!(error("duration_s = 60", "duration_s = nan").contains("duration_s"));
        let live = SMALL_LIVE.replace("count = 8", "count = 8\nseeks_per_hour = 1");
        assert!(
            Scenario::parse(&live)
                .unwrap_err()
                .to_string()
                .contains("seeks_per_hour")
        );
    }
}
