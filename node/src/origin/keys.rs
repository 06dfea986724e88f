//! Which key a playlist is signed with, and where keys are kept.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ppspp::SwarmId;

use super::key::{Algorithm, Key};
use super::ledger::Ledger;

/// What may stand in a key file's name as it is. Escaping all else keeps names of different playlists different.
const NOT_IN_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Made for this run.
    Ephemeral,
    /// One file, for one playlist.
    File(PathBuf),
    /// A folder with a file for each playlist, made where there is none.
    Folder(PathBuf),
}

/// Hands out keys, each to one playlist.
#[derive(Debug)]
pub struct Keys {
    source: KeySource,
    algorithm: Algorithm,
    taken: HashMap<SwarmId, String>,
}

impl Keys {
    /// Keys of a source; new ones are for `algorithm`.
    pub fn new(source: KeySource, algorithm: Algorithm) -> Self {
        Self {
            source,
            algorithm,
            taken: HashMap::new(),
        }
    }

    /// The key of the playlist of that URI (relative to `shoal.json`), and what it has signed.
    pub fn of(&mut self, playlist: &str) -> anyhow::Result<(Key, Ledger)> {
        let (key, ledger) = match &self.source {
            KeySource::Ephemeral => (Key::generate(self.algorithm)?, Ledger::default()),
            KeySource::File(path) => {
                if let Some(other) = self.taken.values().next() {
                    bail!(
                        "--key is one key, which signs {other}: every playlist needs its own, see --key-dir"
                    );
                }
                (load(path)?, Ledger::open(ledger_path(path))?)
            }
            KeySource::Folder(folder) => {
                let name = utf8_percent_encode(playlist, NOT_IN_NAMES);
                let path = folder.join(format!("{name}.pem"));
                let key = match load(&path) {
                    Err(_) if !path.exists() => create(&path, self.algorithm)?,
                    loaded => loaded?,
                };
                (key, Ledger::open(ledger_path(&path))?)
            }
        };
        let id = key.public().swarm_id();
        if let Some(other) = self.taken.get(id) {
            bail!("its key is that of {other}: every playlist needs its own");
        }
        self.taken.insert(id.clone(), playlist.to_owned());
        Ok((key, ledger))
    }
}

/// Beside the key.
fn ledger_path(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".signed");
    name.into()
}

fn load(path: &Path) -> anyhow::Result<Key> {
    let pem = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(path)?);
        if mode & 0o077 != 0 {
            eprintln!("warning: {} can be read by others: chmod 600 it", path.display());
        }
    }
    Key::from_pem(&pem).with_context(|| path.display().to_string())
}

fn create(path: &Path, algorithm: Algorithm) -> anyhow::Result<Key> {
    let context = || format!("cannot write {}", path.display());
    let key = Key::generate(algorithm)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(context)?;
    }
    // Written whole under another name first: half a key would be in the way for ever.
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(key.to_pem().map_err(std::io::Error::other)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is in the way: remove it", temporary.display())
        }
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            return Err(error).with_context(context);
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_keys_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::Folder(folder.path().join("keys"));
        let id = |playlist: &str| {
            let (key, _) = Keys::new(source.clone(), Algorithm::P256).of(playlist).unwrap();
            key.public().swarm_id().clone()
        };
        let first = id("v/0.m3u8");
        assert_eq!(id("v/0.m3u8"), first);
        assert_ne!(id("v_0.m3u8"), first);
        let path = folder.path().join("keys/v%2F0.m3u8.pem");
        assert!(path.exists());
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap());
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(&path, "broken").unwrap();
        assert!(
            Keys::new(source.clone(), Algorithm::P256).of("v/0.m3u8").is_err(),
            "never replaced"
        );
    }

    #[test]
    fn one_key_for_one_playlist() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        create(&path, Algorithm::Ed25519).unwrap();
        let mut keys = Keys::new(KeySource::File(path.clone()), Algorithm::P256);
        let (key, _ledger) = keys.of("0.m3u8").unwrap();
        assert_eq!(
            key.public().swarm_id().as_ref()[0],
            15,
            "the file says which algorithm"
        );
        let error = keys.of("1.m3u8").unwrap_err().to_string();
        assert!(error.contains("which signs 0.m3u8"), "{error}");

        let copies = folder.path().join("keys");
        fs::create_dir(&copies).unwrap();
        for name in ["0.m3u8.pem", "1.m3u8.pem"] {
            fs::copy(&path, copies.join(name)).unwrap();
        }
        let mut keys = Keys::new(KeySource::Folder(copies), Algorithm::P256);
        let _first = keys.of("0.m3u8").unwrap();
        assert!(
            keys.of("1.m3u8")
                .unwrap_err()
                .to_string()
                .contains("that of 0.m3u8")
        );
    }
}
