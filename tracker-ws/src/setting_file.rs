//! Files that settings name.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::config::Invalid;

/// Longest file that is read, bytes.
const MAX_LEN: u64 = 16 * 1024 * 1024;

/// A file that is wrong, by the setting that names it.
pub(crate) fn wrong(key: &str, path: &Path, reason: impl fmt::Display) -> Invalid {
    Invalid {
        key: key.to_owned(),
        reason: format!("{}: {reason}", path.display()),
    }
}

/// The file's bytes.
///
/// # Errors
/// [`Invalid`]: it cannot be read, or is longer than 16 MiB.
pub(crate) fn read(key: &str, path: &Path) -> Result<Vec<u8>, Invalid> {
    let mut bytes = Vec::new();
    // One byte more tells a long one from one that just fits.
    File::open(path)
        .and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(key, path, format_args!("cannot read it: {error}")))?;
    match bytes.len() as u64 > MAX_LEN {
        true => Err(wrong(key, path, "longer than 16 MiB")),
        false => Ok(bytes),
    }
}

/// The file's lines that say something: without blanks around them, empty ones, and comments, which begin with `#`. Each
/// with its number, counted from 1.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub(crate) fn read_lines(key: &str, path: &Path) -> Result<Vec<(usize, String)>, Invalid> {
    let text = String::from_utf8(read(key, path)?).map_err(|_| wrong(key, path, "not UTF-8"))?;
    let lines = text.lines().enumerate();
    let lines = lines.map(|(index, line)| (index + 1, line.trim().to_owned()));
    Ok(lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect())
}
