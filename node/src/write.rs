//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::Context;

/// Writes a file beside its place and renames it there, so that no reader ever sees half of it. Makes its folder. The
/// bytes are on disk when this returns.
pub fn atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace(path, bytes, true)
}

/// As [`atomically`], without waiting for the disk: after a crash the file may be empty or absent.
pub fn quickly(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], durable: bool) -> anyhow::Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let name = path.file_name().context("a file has a name")?.to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_and_rename(&temporary, path, bytes, durable);
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn write_and_rename(temporary: &Path, path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(temporary, path)
}
