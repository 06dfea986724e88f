//! What a key has signed: so that no segment number is ever signed again with other content, not even after a restart
//! or when the packager starts over.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use content::Integrity;
use ppspp::Hash;
use ppspp::live::NtpTime;
use serde_json::{Value, json};

use super::signer::Shape;
use crate::write;

/// Segments remembered by their content; of older ones only that they are not to be signed any more.
const REMEMBERED: usize = 512;

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Where it is kept; `None` for a key that is not kept either.
    path: Option<PathBuf>,
    /// Held while the key is in use: two processes would each sign.
    _lock: Option<File>,
    shape: Option<Shape>,
    segments: BTreeMap<u32, Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    root: Hash,
    time: NtpTime,
}

/// Whether a segment may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, for the first time.
    New,
    /// It was signed, with this content and at this time: it may be, exactly so.
    Again(NtpTime),
    /// No: its number was signed with other content.
    Changed,
    /// No: this later one was signed already, and whether this one was is not known.
    Backwards(u32),
}

impl Ledger {
    /// The ledger kept at `path`, empty when there is none. Nobody else gets it while this one lives.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let lock_path = suffixed(&path, ".lock");
        let lock =
            File::create(&lock_path).with_context(|| format!("cannot write {}", lock_path.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "{} is locked: another shoal origin uses this key",
                lock_path.display()
            );
        }
        let mut ledger = match fs::read_to_string(&path) {
            Ok(text) => Self::read(&text).with_context(|| format!("{} is damaged", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        ledger.path = Some(path);
        ledger._lock = Some(lock);
        Ok(ledger)
    }

    /// The shape of what was signed; `None` before anything was.
    pub fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// Fixes the shape.
    pub fn set_shape(&mut self, shape: Shape) {
        self.shape = Some(shape);
    }

    /// May this segment be signed?
    pub fn verdict(&self, number: u32, root: &Hash) -> Verdict {
        match (self.segments.get(&number), self.segments.last_key_value()) {
            (Some(entry), _) if entry.root == *root => Verdict::Again(entry.time),
            (Some(_), _) => Verdict::Changed,
            (None, Some((&last, _))) if last > number => Verdict::Backwards(last),
            (None, _) => Verdict::New,
        }
    }

    /// When a new segment may be signed at the earliest: times never fall with the numbers.
    pub fn not_before(&self) -> Option<NtpTime> {
        // Times rise with the numbers, but for proofs taken over from an earlier run.
        let times = self.segments.values().map(|entry| entry.time);
        times.reduce(|latest, time| if latest.is_before(time) { time } else { latest })
    }

    /// Notes a segment as signed. To be done before anybody can see the signature.
    pub fn record(&mut self, number: u32, root: Hash, time: NtpTime) -> anyhow::Result<()> {
        let entry = Entry { root, time };
        let full = self.segments.len() == REMEMBERED;
        if full
            && self
                .segments
                .first_key_value()
                .is_some_and(|(&first, _)| number < first)
        {
            return Ok(());
        }
        if self.segments.insert(number, entry) == Some(entry) {
            return Ok(());
        }
        while self.segments.len() > REMEMBERED {
            self.segments.pop_first();
        }
        match &self.path {
            Some(path) => write::atomically(path, self.text().as_bytes()),
            None => Ok(()),
        }
    }

    fn text(&self) -> String {
        let segments: Vec<Value> = self
            .segments
            .iter()
            .map(|(number, entry)| json!([number, format!("{:016x}", entry.time.0), entry.root.to_string()]))
            .collect();
        let mut file = json!({ "version": 1, "segments": segments });
        if let Some(shape) = self.shape {
            file["chunk_size"] = shape.chunk_size.into();
            file["segment_bits"] = shape.segment_bits.into();
            file["integrity"] = shape.integrity.name().into();
        }
        format!("{file}\n")
    }

    fn read(text: &str) -> Option<Self> {
        let file: Value = serde_json::from_str(text).ok()?;
        if file["version"] != 1 {
            return None;
        }
        let segments = file["segments"].as_array()?.iter().map(|row| {
            let number = row[0].as_u64()?.try_into().ok()?;
            let time = NtpTime(u64::from_str_radix(row[1].as_str()?, 16).ok()?);
            let root = row[2].as_str()?.parse().ok()?;
            Some((number, Entry { root, time }))
        });
        let shape = Shape {
            chunk_size: file["chunk_size"].as_u64()?.try_into().ok()?,
            segment_bits: file["segment_bits"].as_u64()?.try_into().ok()?,
            integrity: [Integrity::Unified, Integrity::SignAll]
                .into_iter()
                .find(|integrity| file["integrity"] == integrity.name())?,
        };
        Some(Self {
            segments: segments.collect::<Option<_>>()?,
            shape: (1..=31).contains(&shape.segment_bits).then_some(shape),
            ..Self::default()
        })
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        chunk_size: 1024,
        segment_bits: 4,
        integrity: Integrity::Unified,
    };

    #[test]
    fn a_number_is_signed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.signed");
        let (one, two) = (Hash::of_chunk(b"1"), Hash::of_chunk(b"2"));
        let mut ledger = Ledger::open(path.clone()).unwrap();
        assert_eq!((ledger.shape(), ledger.verdict(9, &one)), (None, Verdict::New));
        ledger.set_shape(SHAPE);
        ledger.record(9, one, NtpTime(5)).unwrap();
        ledger.record(11, two, NtpTime(7)).unwrap();
        assert!(Ledger::open(path.clone()).is_err(), "the key is in use");
        drop(ledger);

        let ledger = Ledger::open(path.clone()).unwrap();
        assert_eq!(ledger.shape(), Some(SHAPE));
        assert_eq!(ledger.verdict(9, &one), Verdict::Again(NtpTime(5)));
        assert_eq!(ledger.verdict(9, &two), Verdict::Changed);
        assert_eq!(ledger.verdict(10, &one), Verdict::Backwards(11));
        assert_eq!(ledger.verdict(12, &one), Verdict::New);
        assert_eq!(ledger.not_before(), Some(NtpTime(7)));
        drop(ledger);

        fs::write(&path, "{}").unwrap();
        assert!(
            Ledger::open(path)
                .unwrap_err()
                .to_string()
                .ends_with("is damaged")
        );
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut ledger = Ledger::default();
        for number in 0..=REMEMBERED as u32 {
            ledger
                .record(number, Hash::of_chunk(b"x"), NtpTime(number.into()))
                .unwrap();
        }
        assert_eq!(
            ledger.verdict(0, &Hash::of_chunk(b"x")),
            Verdict::Backwards(REMEMBERED as u32)
        );
        assert_eq!(ledger.segments.len(), REMEMBERED);
    }
}
