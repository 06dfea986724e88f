//! One media playlist: follows its versions, has every new segment signed, and shows no version before that is done.

use std::collections::BTreeMap;
use std::fs;
use std::mem::{Discriminant, discriminant};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use content::hls::{MediaPlaylist, Segment};
use content::{Content, SwarmEntry};

use super::Options;
use super::document::Document;
use super::inits::Inits;
use super::keys::Keys;
use super::playlist_file::{Look, PlaylistFile};
use super::sources::{PLAYLIST_TYPE, Source};
use super::stamp::{Reading, Stamp, read};
use super::swarm::{Reason, Signed, Swarm, Unsigned, remove_orphans};
use super::view::{Playlist, Proof, View, proof_path};

/// How long a listed segment may be missing before viewers get the playlist all the same.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often segments that are no longer listed are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Segments kept in mind after they left the playlist, in a folder that is never cleaned.
const MOST_UNLISTED: usize = 100_000;

/// See the module.
#[derive(Debug)]
pub struct Track {
    source: Source,
    /// Relative to the served folder.
    path: PathBuf,
    file: PlaylistFile,
    /// The newest version, until every segment of it is dealt with.
    candidate: Option<(String, MediaPlaylist)>,
    state: State,
    segments: BTreeMap<u64, Listed>,
    /// Numbers in the version that is shown.
    shown: Range<u64>,
    inits: Inits,
    /// A segment that is awaited, since when.
    awaited: Option<(u64, Instant)>,
    /// What was wrong with the segment before: said once for all that follow with the same.
    complained: Option<Discriminant<Reason>>,
    swept: Instant,
    ended: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing to sign yet.
    New,
    /// Signing.
    Live(Box<Swarm>),
    /// Nothing will be signed: viewers get it over HTTP alone.
    Plain,
}

/// A segment that was listed.
#[derive(Debug)]
struct Listed {
    /// Relative to the served folder; empty where it is not below it.
    path: PathBuf,
    signed: Option<Signed>,
}

/// What a track works with.
pub struct Surroundings<'a> {
    /// The command's.
    pub options: &'a Options,
    /// What viewers see.
    pub view: &'a View,
    /// Where its key comes from.
    pub keys: &'a mut Keys,
    /// What time it is.
    pub now: Instant,
}

impl Track {
    /// A playlist that was found. From here on viewers see only what is signed of it.
    pub fn new(source: Source, view: &View, now: Instant) -> Self {
        let path = source.location.path(Path::new(""));
        view.set_playlist(&path, Playlist::NotYet);
        Self {
            file: PlaylistFile::new(view.root().join(&path), now),
            source,
            path,
            candidate: None,
            state: State::New,
            segments: BTreeMap::new(),
            shown: 0..0,
            inits: Inits::default(),
            awaited: None,
            complained: None,
            swept: now,
            ended: false,
        }
    }

    /// Relative to the served folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes in what a multivariant playlist says of it.
    pub fn learn(&mut self, source: &Source) {
        self.source.codecs = self.source.codecs.take().or_else(|| source.codecs.clone());
        self.source.bandwidth = self.source.bandwidth.or(source.bandwidth);
    }

    /// Is it known whether and how it is signed?
    pub fn is_settled(&self) -> bool {
        !matches!(self.state, State::New)
    }

    /// Its entry in `shoal.json`, once it is signed.
    pub fn entry(&self) -> Option<SwarmEntry> {
        let State::Live(swarm) = &self.state else {
            return None;
        };
        Some(SwarmEntry {
            playlist: self.source.location.uri(),
            swarm_id: swarm.id().clone(),
            segment_bits: swarm.shape().segment_bits,
            inits: self.inits.list(),
            codecs: self.source.codecs.clone(),
            content: Content::Live(swarm.live().clone()),
        })
    }

    /// Looks at the playlist and its segments, and does what there is to do.
    pub fn poll(&mut self, around: &mut Surroundings<'_>) {
        match self.file.look(around.now) {
            Look::Same => {}
            Look::New(text, playlist) => self.candidate = Some((text, playlist)),
            Look::Broken(why) => eprintln!("warning: {}: {why}; the version before stays", self.name()),
            Look::Gone => {
                self.candidate = None;
                around.view.set_playlist(&self.path, Playlist::Gone);
            }
        }
        if let Some((text, playlist)) = self.candidate.take() {
            if self.prepare(&playlist, around) {
                self.show(text, &playlist, around.view);
            } else {
                self.candidate = Some((text, playlist));
            }
        }
        if around.now.duration_since(self.swept) >= SWEEP_INTERVAL {
            self.swept = around.now;
            self.sweep(around.view);
        }
    }

    fn name(&self) -> String {
        self.source.location.uri()
    }

    /// Has every segment of a version signed that can be. Is it fit to be shown?
    fn prepare(&mut self, playlist: &MediaPlaylist, around: &mut Surroundings<'_>) -> bool {
        if matches!(self.state, State::New) && !self.begin(playlist, around) {
            return false;
        }
        for (number, segment) in (playlist.media_sequence..).zip(&playlist.segments) {
            if !self.prepare_segment(number, segment, playlist, around) {
                return false;
            }
        }
        self.awaited = None;
        true
    }

    /// Starts signing with the first version that lists segments. Is there nothing to wait for?
    fn begin(&mut self, playlist: &MediaPlaylist, around: &mut Surroundings<'_>) -> bool {
        if playlist.segments.is_empty() {
            return true;
        }
        let root = around.view.root();
        let paths = playlist
            .segments
            .iter()
            .filter_map(|segment| self.locate(&segment.uri, root));
        let paths: Vec<PathBuf> = paths.collect();
        let sizes = paths.iter().filter_map(|path| Stamp::of(path).ok());
        let largest = sizes.map(Stamp::length).max().unwrap_or(0);
        if largest == 0 && self.wait_for(playlist.media_sequence, around.now) {
            return false;
        }
        let swarm = around
            .keys
            .of(&self.name())
            .and_then(|key| Swarm::new(key, around.options, playlist, largest, self.source.bandwidth));
        self.state = match swarm {
            Ok(swarm) => {
                println!(
                    "{}: swarm {}, segment_bits {}",
                    self.name(),
                    swarm.id(),
                    swarm.shape().segment_bits
                );
                let mut folders: Vec<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
                folders.dedup();
                folders.into_iter().for_each(remove_orphans);
                State::Live(Box::new(swarm))
            }
            Err(error) => {
                eprintln!("error: {}: {error:#}; it is not signed", self.name());
                State::Plain
            }
        };
        true
    }

    /// The file of a segment, if it is one below the folder.
    fn locate(&self, uri: &str, root: &Path) -> Option<PathBuf> {
        self.source
            .location
            .join(uri)
            .ok()
            .map(|location| location.path(root))
    }

    /// The file of a segment relative to the folder, or why it has none that can be signed: nothing is wrong with a gap.
    fn signable(&self, segment: &Segment) -> Result<PathBuf, Option<Reason>> {
        if segment.gap {
            return Err(None);
        }
        let why = match self.source.location.join(&segment.uri) {
            Ok(_) if segment.byte_range.is_some() => "a byte range of a file has no place for a proof".into(),
            Ok(location) => return Ok(location.path(Path::new(""))),
            Err(error) => format!("{} {error}", segment.uri),
        };
        Err(Some(Reason::Files(why)))
    }

    /// Deals with a segment: afterwards it has a proof, or never will. `false`: it has to be waited for.
    fn prepare_segment(
        &mut self,
        number: u64,
        segment: &Segment,
        playlist: &MediaPlaylist,
        around: &mut Surroundings<'_>,
    ) -> bool {
        if matches!(self.state, State::Plain) {
            return true;
        }
        let root = around.view.root();
        let path = match self.signable(segment) {
            Ok(path) => path,
            Err(reason) => {
                let unsigned = Listed {
                    path: PathBuf::new(),
                    signed: None,
                };
                if let (None, Some(reason)) = (self.segments.insert(number, unsigned), reason) {
                    self.complain(number, &reason);
                }
                return true;
            }
        };
        let file = root.join(&path);
        let State::Live(swarm) = &mut self.state else {
            return true;
        };
        if let Some(listed) = self
            .segments
            .get_mut(&number)
            .filter(|listed| listed.path == path)
        {
            if let Some(signed) = &mut listed.signed {
                check_unchanged(&self.path, number, &file, swarm, signed);
            }
            return true;
        }
        let signed = match swarm.sign(&file, number) {
            Ok(signed) => {
                self.complained = None;
                Some(signed)
            }
            Err(Unsigned::NotThere) => {
                // Where later ones are there, this one will not come.
                let later = playlist.segments.iter().zip(playlist.media_sequence..);
                let later = later.filter(|(_, later)| *later > number);
                let passed = later
                    .filter_map(|(segment, _)| self.locate(&segment.uri, root))
                    .any(|path| path.exists());
                if !passed && self.wait_for(number, around.now) {
                    return false;
                }
                self.complain(number, &Reason::Files(format!("{} is not there", file.display())));
                None
            }
            Err(Unsigned::Never(reason)) => {
                self.complain(number, &reason);
                None
            }
        };
        let proof = if signed.is_some() {
            Proof::Ready
        } else {
            Proof::Never
        };
        if around.view.set_proof(&path, Some(proof)).is_some() {
            // A packager that uses its names in turn: the proof there is this segment's now.
            self.segments.retain(|_, listed| listed.path != path);
        }
        self.segments.insert(number, Listed { path, signed });
        true
    }

    /// Is it too early to go on without this segment?
    fn wait_for(&mut self, number: u64, now: Instant) -> bool {
        match self.awaited {
            Some((awaited, since)) if awaited == number => now.duration_since(since) < PATIENCE,
            _ => {
                self.awaited = Some((number, now));
                true
            }
        }
    }

    fn complain(&mut self, number: u64, reason: &Reason) {
        if self.complained.replace(discriminant(reason)) != Some(discriminant(reason)) {
            eprintln!("error: {}: segment {number} is not signed: {reason}", self.name());
        }
    }

    fn show(&mut self, text: String, playlist: &MediaPlaylist, view: &View) {
        self.inits
            .update(view.root(), &self.source.location, &playlist.maps);
        self.shown = playlist.media_sequence
            ..playlist
                .media_sequence
                .saturating_add(playlist.segments.len() as u64);
        let document = Document::new(Bytes::from(text), PLAYLIST_TYPE);
        view.set_playlist(&self.path, Playlist::Text(document));
        if playlist.endlist && !self.ended {
            println!(
                "{}: ended with segment {}",
                self.name(),
                self.shown.end.saturating_sub(1)
            );
        }
        self.ended = playlist.endlist;
    }

    /// Removes proofs whose segments were deleted.
    fn sweep(&mut self, view: &View) {
        let first = self.segments.len().saturating_sub(MOST_UNLISTED);
        let forgotten = self.segments.keys().nth(first).copied().unwrap_or(0);
        let shown = &self.shown;
        self.segments.retain(|number, listed| {
            if shown.contains(number) {
                return true;
            }
            let file = view.root().join(&listed.path);
            let there = !listed.path.as_os_str().is_empty() && file.exists();
            if !there && listed.signed.is_some() {
                let _ = fs::remove_file(proof_path(&file));
            }
            let kept = there && *number >= forgotten;
            if !kept {
                view.set_proof(&listed.path, None);
            }
            kept
        });
    }
}

/// Says so, once, when a segment is not what was signed.
fn check_unchanged(playlist: &Path, number: u64, file: &Path, swarm: &Swarm, signed: &mut Signed) {
    let Ok(stamp) = Stamp::of(file) else { return };
    if stamp == signed.stamp {
        return;
    }
    if let Ok(Reading::Whole(stamp, bytes)) = read(file, swarm.shape().capacity()) {
        signed.stamp = stamp;
        if swarm.shape().root(&bytes) != signed.root {
            eprintln!(
                "error: {}: segment {number} changed after it was signed: its new bytes are not signed",
                playlist.display()
            );
        }
    }
}
