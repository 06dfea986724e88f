//! Has a file changed? And files read whole, while another program may be writing them.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

/// What tells two versions of a file apart without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    modified: SystemTime,
    length: u64,
    /// Differs after a rename onto the file, even within the clock's resolution.
    #[cfg(unix)]
    inode: u64,
}

/// A file read in one go.
pub enum Reading {
    /// It did not change meanwhile.
    Whole(Stamp, Vec<u8>),
    /// It changed, or is empty: somebody is writing it.
    Changing,
    /// It has this many bytes, more than the limit.
    TooLong(u64),
}

impl Stamp {
    /// The file's at this moment.
    ///
    /// # Errors
    /// Not there, or not a file.
    pub fn of(path: &Path) -> io::Result<Self> {
        Self::new(&fs::metadata(path)?)
    }

    fn new(metadata: &Metadata) -> io::Result<Self> {
        if !metadata.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        Ok(Self {
            modified: metadata.modified()?,
            length: metadata.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        })
    }

    /// The file's size in bytes.
    pub fn length(self) -> u64 {
        self.length
    }
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// Not there, not a file, or not readable.
pub fn read(path: &Path, limit: u64) -> io::Result<Reading> {
    let before = Stamp::of(path)?;
    if before.length > limit {
        return Ok(Reading::TooLong(before.length));
    }
    let bytes = fs::read(path)?;
    let steady = Stamp::of(path)? == before && bytes.len() as u64 == before.length;
    if steady && !bytes.is_empty() {
        Ok(Reading::Whole(before, bytes))
    } else {
        Ok(Reading::Changing)
    }
}
