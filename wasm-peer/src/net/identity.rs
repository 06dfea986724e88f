//! The page's key pair and the signatures of others.
//!
//! One ECDSA P-256 key pair per page load, made by WebCrypto and never extractable. The peer ID is the
//! SHA-256 of the key blob (algorithm byte 13, then x‖y), so an ID cannot be claimed without its key
//! (tracker-protocol §9.2).

use js_sys::{Function, JSON, Object, Uint8Array};
use ppspp::PeerId;
use ppspp::live::SignatureAlgorithm;
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CryptoKey, CryptoKeyPair, SubtleCrypto};

use crate::crypto::{self, settle};
use crate::js::get;

/// DNSSEC algorithm number of ECDSA P-256 with SHA-256: first byte of a key blob.
const ECDSA_P256: u8 = 13;
/// Bytes of a key blob.
pub(super) const KEY_BLOB_LEN: usize = 65;

/// This page's key pair and the peer ID that follows from it.
pub(super) struct Identity {
    subtle: SubtleCrypto,
    algorithm: Object,
    private_key: CryptoKey,
    key_blob: [u8; KEY_BLOB_LEN],
    peer_id: PeerId,
}

impl Identity {
    /// Makes a new key pair.
    ///
    /// # Errors
    /// An `Error` named `crypto-missing` where the page has no WebCrypto (not a secure context), else what
    /// WebCrypto threw.
    pub(super) async fn generate() -> Result<Identity, JsValue> {
        let subtle = crypto::subtle()
            .ok_or_else(|| super::named_error("crypto-missing", "WebCrypto needs a secure context"))?;
        let algorithm = crypto::parameters(SignatureAlgorithm::EcdsaP256Sha256)?;
        let usages = JSON::parse(r#"["sign","verify"]"#)?;
        let pair: CryptoKeyPair = settle(subtle.generate_key_with_object(&algorithm, false, &usages))
            .await?
            .unchecked_into();
        let raw = settle(subtle.export_key("raw", &pair.get_public_key())).await?;
        let mut key_blob = [0; KEY_BLOB_LEN];
        let raw = Uint8Array::new(&raw);
        if raw.length() as usize != KEY_BLOB_LEN {
            return Err(super::named_error(
                "crypto-missing",
                "WebCrypto exported a key of unknown form",
            ));
        }
        raw.copy_to(&mut key_blob);
        key_blob[0] = ECDSA_P256;
        let peer_id = peer_id_of(&key_blob);
        Ok(Identity {
            subtle,
            algorithm,
            private_key: pair.get_private_key(),
            key_blob,
            peer_id,
        })
    }

    pub(super) fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    pub(super) fn key_blob(&self) -> &[u8; KEY_BLOB_LEN] {
        &self.key_blob
    }

    /// Signature (r‖s) over `message` by this page's key.
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JsValue> {
        let message = Uint8Array::from(message);
        let signature = settle(self.subtle.sign_with_object_and_js_u8_array(
            &self.algorithm,
            &self.private_key,
            &message,
        ))
        .await?;
        Ok(Uint8Array::new(&signature).to_vec())
    }

    /// Does `key_blob` belong to `peer_id`, and did it make `signature` over `message`? Anything malformed is
    /// "no".
    pub(super) async fn verify(
        &self,
        peer_id: &PeerId,
        key_blob: &[u8],
        signature: &[u8],
        message: &[u8],
    ) -> bool {
        let Ok(blob) = <&[u8; KEY_BLOB_LEN]>::try_from(key_blob) else {
            return false;
        };
        if blob[0] != ECDSA_P256 || peer_id_of(blob) != *peer_id {
            return false;
        }
        crypto::verify(
            SignatureAlgorithm::EcdsaP256Sha256,
            &blob[1..],
            signature,
            message,
        )
        .await
    }
}

/// 16 bytes nobody can guess: an offer ID.
pub(super) fn random_id() -> [u8; 16] {
    let bytes = Uint8Array::new_with_length(16);
    // Identity::generate has shown that WebCrypto is there; without it no link is ever made.
    let crypto = crypto::crypto();
    let function: Function = get(&crypto, "getRandomValues").unchecked_into();
    let _ = function.call1(&crypto, &bytes);
    let mut id = [0; 16];
    bytes.copy_to(&mut id);
    id
}

/// A seed nobody can guess.
pub(super) fn random_seed() -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = random_id();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn peer_id_of(key_blob: &[u8; KEY_BLOB_LEN]) -> PeerId {
    PeerId(Sha256::digest(key_blob).into())
}
