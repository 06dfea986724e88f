//! The page's key pair and the signatures of others.
//!
//! One ECDSA P-256 key pair for each peer, made by WebCrypto and never extractable. The peer ID is the
//! SHA-256 of the key blob (algorithm byte 13, then x‖y), so an ID cannot be claimed without its key
//! (tracker-protocol §9.2).

use js_sys::Uint8Array;
use ppspp::PeerId;
use ppspp::live::SignatureAlgorithm;
use sha2::{Digest, Sha256};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::RtcPeerConnection;

use crate::js::error;
use crate::page::Page;

/// DNSSEC algorithm number of ECDSA P-256 with SHA-256: first byte of a key blob.
const ECDSA_P256: u8 = 13;
/// Bytes of a key blob.
pub(super) const KEY_BLOB_LEN: usize = 65;

/// This page's key pair and the peer ID that follows from it.
pub(super) struct Identity {
    page: Page,
    key_blob: [u8; KEY_BLOB_LEN],
    peer_id: PeerId,
}

impl Identity {
    /// Makes a new key pair.
    ///
    /// # Errors
    /// An `Error` named `crypto-missing` where the page has no WebCrypto (not a secure context), else what
    /// WebCrypto threw.
    pub(super) async fn generate(page: Page) -> Result<Identity, JsValue> {
        let public = Uint8Array::from(JsFuture::from(page.make_key()).await?).to_vec();
        let mut key_blob = [ECDSA_P256; KEY_BLOB_LEN];
        if public.len() != KEY_BLOB_LEN - 1 {
            return Err(error("crypto-missing", "WebCrypto exported a key of unknown form").into());
        }
        key_blob[1..].copy_from_slice(&public);
        let peer_id = peer_id_of(&key_blob);
        Ok(Identity {
            page,
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

    /// What our end of a connection is: see [`Page::candidate_type`].
    pub(super) fn candidate_type(&self, connection: &RtcPeerConnection) -> usize {
        self.page.candidate_type(connection) as usize
    }

    /// Signature (r‖s) over `message` by this page's key.
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JsValue> {
        let signature = JsFuture::from(self.page.sign(message)).await?;
        Ok(Uint8Array::from(signature).to_vec())
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
        self.page
            .genuine(
                SignatureAlgorithm::EcdsaP256Sha256,
                &blob[1..],
                signature,
                message,
            )
            .await
    }

    /// 16 bytes nobody can guess: an offer ID.
    pub(super) fn random_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        self.page.random().copy_to(&mut id);
        id
    }

    /// A seed nobody can guess.
    pub(super) fn random_seed(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.random_id();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

fn peer_id_of(key_blob: &[u8; KEY_BLOB_LEN]) -> PeerId {
    PeerId(Sha256::digest(key_blob).into())
}
