//! The key the tracker signs certificates of membership with.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use p256::ecdsa::SigningKey;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rand::{CryptoRng, Rng};
use tracker_protocol::{ECDSA_P256, KEY_BLOB_LEN, encode_base64url};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path} is not a P-256 key in PEM (PKCS#8, BEGIN PRIVATE KEY)", path = path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// A new file cannot be written.
    #[error("cannot create the key {path}: {source}", path = path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A P-256 key pair.
#[derive(Clone)]
pub struct TrackerKey {
    pub(crate) signing: SigningKey,
}

impl TrackerKey {
    /// A new key.
    pub fn generate<R: Rng + CryptoRng>(rng: &mut R) -> Self {
        loop {
            let mut scalar = [0; 32];
            rng.fill_bytes(&mut scalar);
            // All but one of 2³² are below the order of the curve.
            if let Ok(signing) = SigningKey::from_slice(&scalar) {
                return Self { signing };
            }
        }
    }

    /// Reads PEM (PKCS#8).
    ///
    /// # Errors
    /// [`KeyError::Read`], [`KeyError::NotAKey`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let pem = fs::read_to_string(path).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
        let signing = SigningKey::from_pkcs8_pem(&pem).map_err(|_| KeyError::NotAKey {
            path: path.to_owned(),
        })?;
        Ok(Self { signing })
    }

    /// Reads the file, or makes a key and writes it there, for its owner's eyes only, if there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read_or_create<R: Rng + CryptoRng>(path: &Path, rng: &mut R) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Create {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = match options.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Self::read(path),
            Err(source) => return Err(failed(source)),
        };
        let key = Self::generate(rng);
        let pem = key
            .signing
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| failed(io::Error::other(error.to_string())))?;
        file.write_all(pem.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        Ok(key)
    }

    /// The private key, from which others are made that nobody else is to have.
    pub(crate) fn secret(&self) -> [u8; 32] {
        self.signing.to_bytes().into()
    }

    /// The public key as a blob: 13, x, y.
    pub fn key_blob(&self) -> [u8; KEY_BLOB_LEN] {
        let mut blob = [ECDSA_P256; KEY_BLOB_LEN];
        let point = self.signing.verifying_key().to_sec1_point(false);
        blob[1..].copy_from_slice(&point.as_bytes()[1..]);
        blob
    }

    /// The key blob as HELLO and `shoal.json` have it: base64url.
    pub fn public_text(&self) -> String {
        encode_base64url(&self.key_blob())
    }
}

impl fmt::Debug for TrackerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrackerKey").field(&self.public_text()).finish()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_key_is_created_once_and_read_again() {
        let mut rng = StdRng::seed_from_u64(1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tracker.pem");
        assert!(matches!(TrackerKey::read(&path), Err(KeyError::Read { .. })));
        let created = TrackerKey::read_or_create(&path, &mut rng).unwrap();
        let again = TrackerKey::read_or_create(&path, &mut rng).unwrap();
        assert_eq!(created.key_blob(), again.key_blob());
        assert_eq!(TrackerKey::read(&path).unwrap().key_blob(), created.key_blob());
        let pem = fs::read_to_string(&path).unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap());
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(!format!("{created:?}").contains(pem.lines().nth(1).unwrap()));
    }

    #[test]
    fn other_files_are_no_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tracker.pem");
        fs::write(&path, "hello").unwrap();
        let error = TrackerKey::read_or_create(&path, &mut StdRng::seed_from_u64(1)).unwrap_err();
        assert!(error.to_string().contains("is not a P-256 key"), "{error}");
        // It is left alone.
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
        let nowhere = folder.path().join("missing/tracker.pem");
        let error = TrackerKey::read_or_create(&nowhere, &mut StdRng::seed_from_u64(1)).unwrap_err();
        assert!(matches!(error, KeyError::Create { .. }));
    }
}
