//! A publisher's key pair: it signs, and its public half is the swarm ID (RFC 7574 §6.1).

use std::fmt;

use anyhow::{Context, bail};
use clap::ValueEnum;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signer, Verifier};
use p256::pkcs8::LineEnding;
use ppspp::live::{LiveKey, SIGNATURE_LENGTH, SignatureAlgorithm};
use rand::TryRng;
use rand::rngs::SysRng;

/// What new keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// Ed25519.
    Ed25519,
}

/// A key pair.
pub struct Key {
    secret: Secret,
    public: LiveKey,
}

enum Secret {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl Key {
    /// A new one, from the system's randomness.
    pub fn generate(algorithm: Algorithm) -> anyhow::Result<Self> {
        let mut random = [0; 32];
        loop {
            SysRng
                .try_fill_bytes(&mut random)
                .context("the system gives no randomness")?;
            let secret = match algorithm {
                // Nearly all numbers of 32 bytes are keys.
                Algorithm::P256 => match p256::ecdsa::SigningKey::from_slice(&random) {
                    Ok(key) => Secret::P256(key),
                    Err(_) => continue,
                },
                Algorithm::Ed25519 => Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(&random)),
            };
            return Self::new(secret);
        }
    }

    /// Reads PKCS#8 in PEM, of either algorithm.
    pub fn from_pem(pem: &str) -> anyhow::Result<Self> {
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(pem) {
            return Self::new(Secret::P256(key));
        }
        match ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            Ok(key) => Self::new(Secret::Ed25519(key)),
            Err(_) => bail!("not a P-256 or Ed25519 private key in PKCS#8 PEM"),
        }
    }

    /// PKCS#8 in PEM.
    pub fn to_pem(&self) -> anyhow::Result<String> {
        let pem = match &self.secret {
            Secret::P256(key) => p256::SecretKey::from(key).to_pkcs8_pem(LineEnding::LF),
            Secret::Ed25519(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        let pem = pem.context("the key has no PEM form")?;
        Ok(pem.as_str().to_owned())
    }

    fn new(secret: Secret) -> anyhow::Result<Self> {
        let public = match &secret {
            Secret::P256(key) => {
                // 4, x, y; RFC 7574 has no prefix.
                let point = key.verifying_key().to_sec1_point(false);
                LiveKey::new(SignatureAlgorithm::EcdsaP256Sha256, &point.as_bytes()[1..])
            }
            Secret::Ed25519(key) => LiveKey::new(SignatureAlgorithm::Ed25519, key.verifying_key().as_bytes()),
        };
        Ok(Self {
            secret,
            public: public?,
        })
    }

    /// The public half.
    pub fn public(&self) -> &LiveKey {
        &self.public
    }

    /// The raw signature of a message: r ‖ s, deterministic as in RFC 6979; or Ed25519's.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        match &self.secret {
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
            Secret::Ed25519(key) => key.sign(message).to_bytes(),
        }
    }

    /// Is this a signature that the key made?
    pub fn has_signed(&self, message: &[u8], signature: &[u8; SIGNATURE_LENGTH]) -> bool {
        match &self.secret {
            Secret::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verifying_key().verify(message, &signature).is_ok()),
            Secret::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_bytes(signature);
                key.verifying_key().verify_strict(message, &signature).is_ok()
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", self.public.swarm_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn through_pem_and_back() {
        for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
            let key = Key::generate(algorithm).unwrap();
            let pem = key.to_pem().unwrap();
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{algorithm:?}");
            let again = Key::from_pem(&pem).unwrap();
            assert_eq!(again.public(), key.public());
            let signature = key.sign(b"message");
            assert!(again.has_signed(b"message", &signature));
            assert!(!again.has_signed(b"massage", &signature));
            assert!(
                !Key::generate(algorithm)
                    .unwrap()
                    .has_signed(b"message", &signature)
            );
        }
        assert!(Key::from_pem("").is_err());
    }

    #[test]
    fn keys_of_openssl() {
        // openssl genpkey -algorithm ed25519: PKCS#8 without the public half. The key of RFC 8410 §10.3.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        assert_eq!(
            Key::from_pem(pem).unwrap().public().swarm_id().to_string(),
            "0f19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
    }
}
