//! Public keys that tokens are checked with: PEM, or a JWK set (RFC 7517, RFC 8037).

use std::path::{Path, PathBuf};

use p256::ecdsa::signature::Verifier;
use p256::pkcs8::DecodePublicKey;
use serde::Deserialize;
use serde_json::Value;
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tracker_protocol::decode_base64url;

use crate::config::Invalid;
use crate::setting_file::{read, wrong};

const SETTING: &str = "token_keys";
/// Most keys: a token may have to be tried with each.
const MAX_KEYS: usize = 16;

/// Which tokens may be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// ECDSA on P-256 with SHA-256; the signature is r ‖ s (RFC 7518 §3.4).
    Es256,
    /// EdDSA on Ed25519 (RFC 8037 §3.1).
    Ed25519,
}

/// A key knows its algorithm: what a token says cannot change it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PublicKey {
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct TokenKey {
    /// Its name in a JWK set; those of PEM files have none.
    id: Option<String>,
    key: PublicKey,
}

/// The keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenKeys(Vec<TokenKey>);

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Value>,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
}

impl TokenKeys {
    /// Reads files, each PEM with one public key or more, or a JWK set. Keys of a set that are for something else are
    /// passed over (RFC 7517 §5).
    ///
    /// # Errors
    /// [`Invalid`]: a file cannot be read or has no key that can be used; there are more than 16.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Invalid> {
        let mut keys = Vec::new();
        for path in paths {
            let bytes = read(SETTING, path)?;
            let found = match bytes.trim_ascii_start().first() {
                Some(b'{') => jwk_set(&bytes),
                _ => pem(&bytes),
            };
            let found = found.map_err(|reason| wrong(SETTING, path, reason))?;
            if found.is_empty() {
                let none = "has no public key of P-256 or Ed25519 (PEM, BEGIN PUBLIC KEY; or a JWK set)";
                return Err(wrong(SETTING, path, none));
            }
            keys.extend(found);
            check_count(path, keys.len())?;
        }
        Ok(Self(keys))
    }

    /// Reads a JWK set that a server has.
    ///
    /// # Errors
    /// What is wrong with it, or that it has no key that can be used, or more than 16.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let keys = jwk_set(text.as_bytes())?;
        match keys.len() {
            0 => Err("has no public key of P-256 or Ed25519".to_owned()),
            1..=MAX_KEYS => Ok(Self(keys)),
            _ => Err(format!("more than {MAX_KEYS} keys")),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has one of the keys, of this name if both have names, signed this?
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        signed: &[u8],
        signature: &[u8; 64],
    ) -> bool {
        let named = |key: &&TokenKey| match (id, &key.id) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        self.0
            .iter()
            .filter(named)
            .any(|key| match (&key.key, algorithm) {
                (PublicKey::P256(key), Algorithm::Es256) => {
                    let signature = p256::ecdsa::Signature::from_slice(signature);
                    signature.is_ok_and(|signature| key.verify(signed, &signature).is_ok())
                }
                (PublicKey::Ed25519(key), Algorithm::Ed25519) => {
                    let signature = ed25519_dalek::Signature::from_bytes(signature);
                    key.verify_strict(signed, &signature).is_ok()
                }
                _ => false,
            })
    }
}

fn check_count(path: &Path, count: usize) -> Result<(), Invalid> {
    match count > MAX_KEYS {
        true => Err(wrong(SETTING, path, "more than 16 keys with those before it")),
        false => Ok(()),
    }
}

fn pem(bytes: &[u8]) -> Result<Vec<TokenKey>, String> {
    let mut keys = Vec::new();
    for info in SubjectPublicKeyInfoDer::pem_slice_iter(bytes) {
        let info = info.map_err(|error| format!("not PEM: {error}"))?;
        let key = p256::ecdsa::VerifyingKey::from_public_key_der(&info).map(PublicKey::P256);
        let key = key.ok().or_else(|| {
            let key = ed25519_dalek::VerifyingKey::from_public_key_der(&info);
            key.ok().map(PublicKey::Ed25519)
        });
        let key = key.ok_or("has a public key that is neither of P-256 nor of Ed25519")?;
        keys.push(TokenKey { id: None, key });
    }
    Ok(keys)
}

fn jwk_set(bytes: &[u8]) -> Result<Vec<TokenKey>, String> {
    let set: JwkSet = serde_json::from_slice(bytes).map_err(|error| format!("not a JWK set: {error}"))?;
    let mut keys = Vec::new();
    for (index, value) in set.keys.into_iter().enumerate() {
        let place = |what: &str| format!("keys[{index}]: {what}");
        let jwk: Jwk = serde_json::from_value(value).map_err(|error| place(&error.to_string()))?;
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref(), jwk.alg.as_deref()) {
            ("EC", Some("P-256"), None | Some("ES256")) => p256_key(&jwk).map(PublicKey::P256),
            ("OKP", Some("Ed25519"), None | Some("EdDSA" | "Ed25519")) => {
                ed25519_key(&jwk).map(PublicKey::Ed25519)
            }
            _ => continue,
        };
        if jwk.r#use.is_some_and(|purpose| purpose != "sig") {
            continue;
        }
        if jwk.d.is_some() {
            return Err(place("is a private key, which is the portal's alone"));
        }
        let key = key.ok_or_else(|| place("is no point of its curve"))?;
        keys.push(TokenKey { id: jwk.kid, key });
    }
    Ok(keys)
}

fn coordinate(text: Option<&String>) -> Option<[u8; 32]> {
    decode_base64url(text?)?.try_into().ok()
}

fn p256_key(jwk: &Jwk) -> Option<p256::ecdsa::VerifyingKey> {
    let (x, y) = (coordinate(jwk.x.as_ref())?, coordinate(jwk.y.as_ref())?);
    let mut point = [4; 65];
    point[1..33].copy_from_slice(&x);
    point[33..].copy_from_slice(&y);
    p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()
}

fn ed25519_key(jwk: &Jwk) -> Option<ed25519_dalek::VerifyingKey> {
    let x = coordinate(jwk.x.as_ref())?;
    ed25519_dalek::VerifyingKey::from_bytes(&x).ok()
}
