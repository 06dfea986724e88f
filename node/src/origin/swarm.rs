//! One playlist's swarm: its key, and the segments it signs.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use content::Live;
use content::hls::MediaPlaylist;
use ppspp::live::NtpTime;
use ppspp::proof::{ProofError, SegmentProof};
use ppspp::{Hash, SwarmId};

use super::key::Key;
use super::ledger::{Ledger, Verdict};
use super::signer::{Segment, Shape};
use super::stamp::{Reading, Stamp, read};
use super::view::{proof_path, segment_path};
use super::{Options, clock, sizing};
use crate::write;

/// Peers refuse signatures from further ahead than this.
const MOST_AHEAD: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Swarm {
    key: Key,
    ledger: Ledger,
    shape: Shape,
    live: Live,
}

/// A segment with its proof beside it.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    /// The file when it was signed.
    pub stamp: Stamp,
    /// Root of its subtree.
    pub root: Hash,
}

/// Why a segment has no proof.
#[derive(Debug)]
pub enum Unsigned {
    /// It is not there, or not whole; that may change.
    NotThere,
    /// It will never have one: viewers get it over HTTP alone.
    Never(Reason),
}

/// Why a segment never has a proof.
#[derive(Debug)]
pub enum Reason {
    /// Its number is too large.
    Number(u64),
    /// More bytes than there is room for.
    TooLarge(u64, u64),
    /// Its number was signed with other content.
    Changed,
    /// A later one was signed already.
    Backwards(u32),
    /// The file system.
    Files(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(segments) => write!(
                formatter,
                "the swarm has numbers for {segments} segments: let media sequences start at 0"
            ),
            Self::TooLarge(bytes, room) => write!(
                formatter,
                "{bytes} bytes, the swarm has room for {room}: give a larger --max-segment, with a new key"
            ),
            Self::Changed => formatter.write_str("this number was signed with other content"),
            Self::Backwards(last) => write!(
                formatter,
                "the media sequence ran backwards, {last} is signed: a packager that starts over needs a new key"
            ),
            Self::Files(why) => formatter.write_str(why),
        }
    }
}

impl Swarm {
    /// The swarm of `key`: as it was, or new for segments like those of `playlist`, whose largest has `largest` bytes.
    pub fn new(
        (key, mut ledger): (Key, Ledger),
        options: &Options,
        playlist: &MediaPlaylist,
        largest: u64,
        bandwidth: Option<u64>,
    ) -> anyhow::Result<Self> {
        let wanted = sizing::shape(options, playlist, largest, bandwidth)?;
        let shape = match ledger.shape() {
            None => wanted,
            Some(shape) if (shape.chunk_size, shape.integrity) != (wanted.chunk_size, wanted.integrity) => {
                bail!(
                    "its key has signed with --chunk-size {} --integrity {}: keep to that, or take a new key",
                    shape.chunk_size,
                    shape.integrity.name()
                )
            }
            Some(shape) if options.max_segment.is_some_and(|most| most > shape.capacity()) => bail!(
                "its key has signed with room for segments of {} bytes: keep to that, or take a new key",
                shape.capacity()
            ),
            Some(shape) => shape,
        };
        ledger.set_shape(shape);
        Ok(Self {
            live: sizing::live(options, playlist, &shape)?,
            key,
            ledger,
            shape,
        })
    }

    /// Its ID.
    pub fn id(&self) -> &SwarmId {
        self.key.public().swarm_id()
    }

    /// How it is cut and signed.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What `shoal.json` says of it.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Hashes and signs the segment in that file and writes its proof beside it; takes over a proof that is there.
    pub fn sign(&mut self, path: &Path, number: u64) -> Result<Signed, Unsigned> {
        let never = |reason| Err(Unsigned::Never(reason));
        let number = match u32::try_from(number) {
            Ok(small) if number < self.shape.segments() => small,
            _ => return never(Reason::Number(self.shape.segments())),
        };
        let (stamp, bytes) = match read(path, self.shape.capacity()) {
            Ok(Reading::Whole(stamp, bytes)) => (stamp, bytes),
            Ok(Reading::TooLong(bytes)) => return never(Reason::TooLarge(bytes, self.shape.capacity())),
            Ok(Reading::Changing) => return Err(Unsigned::NotThere),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Unsigned::NotThere),
            Err(error) => return never(Reason::Files(format!("cannot read {}: {error}", path.display()))),
        };
        let root = self.shape.root(&bytes);
        let segment = Segment {
            number,
            bytes: &bytes,
            root,
        };
        let signed = Signed { stamp, root };
        let beside = proof_path(path);
        let there = fs::read(&beside)
            .ok()
            .and_then(|bytes| SegmentProof::decode(&bytes).ok());
        let verdict = self.ledger.verdict(number, &root);
        if let Some(proof) = &there {
            if proof.segment == number && proof.root != root && self.shape.is_munro_signed(&self.key, proof) {
                return never(Reason::Changed);
            }
            if let Some(time) = self.still_good(&segment, proof, verdict) {
                return self.record(number, root, time).map(|()| signed);
            }
        }
        let time = match verdict {
            Verdict::Again(time) => time,
            Verdict::New => self.time(),
            Verdict::Changed => return never(Reason::Changed),
            Verdict::Backwards(last) => return never(Reason::Backwards(last)),
        };
        self.record(number, root, time)?;
        let proof = self.shape.sign(&self.key, &segment, time).encode();
        match write::quickly(&beside, &proof) {
            Ok(()) => Ok(signed),
            Err(error) => never(Reason::Files(format!("{error:#}"))),
        }
    }

    /// The time of a proof from an earlier run, if it is this segment's and its time fits those of its neighbours.
    fn still_good(&self, segment: &Segment<'_>, proof: &SegmentProof, verdict: Verdict) -> Option<NtpTime> {
        let time = proof.signatures.last()?.time;
        let fits = match verdict {
            Verdict::Again(signed) => signed == time,
            Verdict::New => self
                .ledger
                .not_before()
                .is_none_or(|earliest| !time.is_before(earliest)),
            Verdict::Backwards(_) => true,
            Verdict::Changed => false,
        };
        (fits && self.shape.verify(&self.key, segment, proof)).then_some(time)
    }

    /// Now, but never before the last signature.
    fn time(&self) -> NtpTime {
        let unix = clock::unix();
        let now = NtpTime::from_unix(unix);
        match self.ledger.not_before() {
            Some(last) if now.is_before(last) => {
                if last.lead(unix) > MOST_AHEAD {
                    eprintln!(
                        "warning: {}: the last signature is from {} s in the future: peers will refuse it",
                        self.id(),
                        last.lead(unix).as_secs()
                    );
                }
                last
            }
            _ => now,
        }
    }

    fn record(&mut self, number: u32, root: Hash, time: NtpTime) -> Result<(), Unsigned> {
        self.ledger
            .record(number, root, time)
            .map_err(|error| Unsigned::Never(Reason::Files(format!("{error:#}"))))
    }
}

/// Removes proofs whose segments are gone: an earlier run was not there to see them go.
pub fn remove_orphans(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let orphan = segment_path(&path).is_some_and(|segment: PathBuf| !segment.exists());
        // Only what is a proof, of whatever version.
        let is_proof =
            |bytes: Vec<u8>| matches!(SegmentProof::decode(&bytes), Ok(_) | Err(ProofError::Version(_)));
        if orphan && fs::read(&path).is_ok_and(is_proof) {
            let _ = fs::remove_file(path);
        }
    }
}
