//! What viewers may see: the watcher writes it, the server reads it, and waits for it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ppspp::proof::SUFFIX;
use tokio::sync::watch;

use super::document::Document;

/// How long a request waits for what is about to be there: longer than a segment is hashed and signed, shorter than a
/// player's patience.
const WAIT: Duration = Duration::from_secs(5);
/// The file that names the swarms.
pub const MANIFEST: &str = "shoal.json";

/// Shared between the watcher's thread and the server. Paths are relative to the served folder.
pub struct View {
    root: PathBuf,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    manifest: Option<Document>,
    playlists: HashMap<PathBuf, Playlist>,
    proofs: HashMap<PathBuf, Proof>,
    /// For how long segments and proofs may be cached.
    lifetime: Duration,
}

/// A playlist that the watcher knows.
#[derive(Clone)]
pub enum Playlist {
    /// Nothing that may be seen yet.
    NotYet,
    /// Its newest version of which every segment is signed.
    Text(Document),
    /// Not the watcher's to answer: as it lies on disk.
    File,
    /// Not on disk. Should it turn up there, it is not signed yet.
    Gone,
}

/// A segment's proof.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Beside the segment.
    Ready,
    /// There is none and will be none.
    Never,
}

/// What a request gets.
pub enum Answer {
    /// This text.
    Text(Document),
    /// The file on disk, if there is one; to be cached so long, if not asked for again each time.
    File(Option<Duration>),
    /// Nothing.
    Missing,
    /// Nothing yet.
    NotYet,
}

impl View {
    /// Of a folder of which nothing is known yet.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// The served folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.send_replace(());
        changed
    }

    /// Sets the manifest, and for how long segments may be cached.
    pub fn set_manifest(&self, text: String, lifetime: Duration) {
        let document = Document::new(Bytes::from(text), "application/json");
        self.change(|state| {
            state.manifest = Some(document);
            state.lifetime = lifetime;
        });
    }

    /// Sets what there is of a playlist.
    pub fn set_playlist(&self, path: &Path, playlist: Playlist) {
        self.change(|state| drop(state.playlists.insert(path.into(), playlist)));
    }

    /// Sets what there is of the proof of the segment at `segment`; `None` when the segment is gone. What it was before.
    pub fn set_proof(&self, segment: &Path, proof: Option<Proof>) -> Option<Proof> {
        let path = proof_path(segment);
        self.change(|state| match proof {
            Some(proof) => state.proofs.insert(path, proof),
            None => state.proofs.remove(&path),
        })
    }

    /// What a request for that path gets, as soon as there is an answer.
    pub async fn answer(&self, path: &Path) -> Answer {
        let mut changed = self.changed.subscribe();
        let answered = async {
            loop {
                match self.now(path) {
                    Answer::NotYet => {}
                    answer => return answer,
                }
                // The sender lives in `self`.
                let _ = changed.changed().await;
            }
        };
        match tokio::time::timeout(WAIT, answered).await {
            Ok(answer) => answer,
            Err(_) => self.after_waiting(path),
        }
    }

    fn now(&self, path: &Path) -> Answer {
        let state = self.state();
        if path == Path::new(MANIFEST) {
            return state.manifest.clone().map_or(Answer::NotYet, Answer::Text);
        }
        match state.playlists.get(path) {
            Some(Playlist::NotYet) => return Answer::NotYet,
            Some(Playlist::Text(document)) => return Answer::Text(document.clone()),
            Some(Playlist::File) => return Answer::File(None),
            Some(Playlist::Gone) if self.root.join(path).is_file() => return Answer::NotYet,
            Some(Playlist::Gone) => return Answer::Missing,
            // One that the watcher has not looked at yet.
            None if is_watched(path) && self.root.join(path).is_file() => return Answer::NotYet,
            None => {}
        }
        if let Some(segment) = segment_path(path) {
            return match state.proofs.get(path) {
                Some(Proof::Ready) => Answer::File(Some(state.lifetime)),
                Some(Proof::Never) => Answer::Missing,
                // A proof on disk is not this run's: its key may be another.
                None if self.root.join(segment).is_file() => Answer::NotYet,
                None => Answer::Missing,
            };
        }
        match state.proofs.get(&proof_path(path)) {
            Some(Proof::Ready) => Answer::File(Some(state.lifetime)),
            _ => Answer::File(None),
        }
    }

    fn after_waiting(&self, path: &Path) -> Answer {
        if segment_path(path).is_some() {
            return Answer::Missing;
        }
        let known = self.state().playlists.contains_key(path);
        if path != Path::new(MANIFEST) && !known {
            return Answer::File(None);
        }
        Answer::NotYet
    }
}

/// Playlists in the served folder itself are looked at by the watcher.
pub fn is_watched(path: &Path) -> bool {
    let playlist = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("m3u8"));
    playlist && path.parent().is_none_or(|parent| parent.as_os_str().is_empty())
}

/// Where a segment's proof lies.
pub fn proof_path(segment: &Path) -> PathBuf {
    let mut path = segment.as_os_str().to_owned();
    path.push(SUFFIX);
    path.into()
}

/// Whose proof lies there, if it is a proof's place.
pub fn segment_path(proof: &Path) -> Option<PathBuf> {
    let path = proof.to_str()?.strip_suffix(SUFFIX)?;
    (!path.is_empty() && !path.ends_with('/')).then(|| path.into())
}
