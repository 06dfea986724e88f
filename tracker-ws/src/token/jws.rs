//! Compact serialization (RFC 7515 §3.1), with two algorithms and no others.

use serde::Deserialize;
use serde_json::Value;
use tracker_protocol::decode_base64url;

use super::keys::{Algorithm, TokenKeys};

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What must be understood, which is nothing.
    crit: Option<Value>,
}

/// The payload of a token that one of the keys has signed.
pub(super) fn verify(token: &str, keys: &TokenKeys) -> Option<Vec<u8>> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    // base64url has no dots: a third one is refused here.
    let payload = decode_base64url(payload)?;
    let header: Header = serde_json::from_slice(&decode_base64url(header)?).ok()?;
    // The token may say which of our algorithms it is of, not bring one.
    let algorithm = match header.alg.as_str() {
        "ES256" => Algorithm::Es256,
        "EdDSA" | "Ed25519" => Algorithm::Ed25519,
        _ => return None,
    };
    if header.crit.is_some() {
        return None;
    }
    let signature: [u8; 64] = decode_base64url(signature)?.try_into().ok()?;
    let verified = keys.verify(algorithm, header.kid.as_deref(), signed.as_bytes(), &signature);
    verified.then_some(payload)
}
