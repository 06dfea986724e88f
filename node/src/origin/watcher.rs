//! The thread that watches the packager's folder.
//!
//! It polls: every [`INTERVAL`] it asks for the playlists' time stamps. Measured with five playlists that is 0.15 % of
//! a core. Notifications of the kernel would save up to that interval of a segment's seconds; but they do not reach
//! across network mounts and into containers, so that polling would be needed all the same, and a file still has to be
//! seen at rest after one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use content::manifest::MAX_SWARMS;
use content::{Manifest, SwarmEntry, TrackerKey};

use super::keys::Keys;
use super::sources::Sources;
use super::track::{Surroundings, Track};
use super::view::{MANIFEST, View};
use super::{Options, clock};
use crate::write;

/// Time between two looks at the playlists.
const INTERVAL: Duration = Duration::from_millis(50);
/// Time between two looks for further playlists.
const SOURCES_INTERVAL: Duration = Duration::from_secs(1);
/// How long `shoal.json` waits for all playlists to have segments, once one has.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long segments and proofs may be cached at least.
const LEAST_LIFETIME: Duration = Duration::from_secs(60);

/// See the module.
pub struct Watcher {
    options: Options,
    trackers: Vec<String>,
    tracker_key: Option<TrackerKey>,
    view: Arc<View>,
    keys: Keys,
    sources: Sources,
    looked: Option<Instant>,
    tracks: Vec<Track>,
    /// When the first playlist was settled.
    settled: Option<Instant>,
    manifest: Vec<SwarmEntry>,
}

impl Watcher {
    /// A watcher of the view's folder.
    pub fn new(
        options: Options,
        trackers: Vec<String>,
        tracker_key: Option<TrackerKey>,
        view: Arc<View>,
        keys: Keys,
    ) -> Self {
        Self {
            options,
            trackers,
            tracker_key,
            view,
            keys,
            sources: Sources::default(),
            looked: None,
            tracks: Vec::new(),
            settled: None,
            manifest: Vec::new(),
        }
    }

    /// Watches until the other end of `end` is dropped.
    pub fn run(mut self, end: &Receiver<()>) {
        while end.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            self.poll(clock::now());
        }
    }

    fn poll(&mut self, now: Instant) {
        // Quickly at first: a file counts when it was seen twice.
        let due = |looked: Instant| now.duration_since(looked) >= SOURCES_INTERVAL;
        if self.tracks.is_empty() || self.looked.is_none_or(due) {
            self.looked = Some(now);
            self.find_tracks(now);
        }
        let mut around = Surroundings {
            options: &self.options,
            view: &self.view,
            keys: &mut self.keys,
            now,
        };
        for track in &mut self.tracks {
            track.poll(&mut around);
        }
        self.publish(now);
    }

    fn find_tracks(&mut self, now: Instant) {
        for source in self.sources.look(&self.view) {
            let path = source.location.path("".as_ref());
            if let Some(track) = self.tracks.iter_mut().find(|track| track.path() == path) {
                track.learn(&source);
            } else if self.tracks.len() < MAX_SWARMS {
                self.tracks.push(Track::new(source, &self.view, now));
            } else {
                eprintln!(
                    "warning: {}: more than {MAX_SWARMS} playlists, it is not signed",
                    source.location.uri()
                );
            }
        }
    }

    /// Writes `shoal.json` when there is something new to say.
    fn publish(&mut self, now: Instant) {
        let entries: Vec<SwarmEntry> = self.tracks.iter().filter_map(Track::entry).collect();
        if entries.is_empty() || entries == self.manifest {
            return;
        }
        let since = *self.settled.get_or_insert(now);
        let complete = self.tracks.iter().all(Track::is_settled);
        if !complete && self.manifest.is_empty() && now.duration_since(since) < PATIENCE {
            return;
        }
        let manifest = Manifest {
            chunk_size: self.options.chunk_size,
            trackers: self.trackers.clone(),
            tracker_key: self.tracker_key,
            swarms: entries.clone(),
        };
        self.manifest = entries;
        let text = manifest.to_json();
        // Read back by the code every peer reads it with: what was written is accepted, or not written.
        if let Err(error) = Manifest::parse(&text) {
            eprintln!("error: not publishing: {error}");
            return;
        }
        if let Err(error) = write::atomically(&self.view.root().join(MANIFEST), text.as_bytes()) {
            eprintln!("warning: {error:#}; it is served all the same");
        }
        self.view
            .set_manifest(text, self.options.discard_window.max(LEAST_LIFETIME));
    }
}
