//! The proof that a socket holds the key of its peer ID.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use tracker_protocol::{
    Auth, ECDSA_P256, KEY_BLOB_LEN, NONCE_LEN, auth_signing_input, decode_base64url, peer_id_of,
};

/// Why a proof is refused; the text goes into `ext.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("auth-missing")]
    Missing,
    #[error("bad-key")]
    BadKey,
    #[error("peer-id-is-not-of-the-key")]
    NotOfKey,
    #[error("bad-signature")]
    BadSignature,
}

/// Checks the proof of `peer_id` for this nonce and one of our origins. Returns the peer's key blob.
pub(crate) fn verify(
    auth: Option<&Auth>,
    peer_id: &str,
    nonce: &[u8; NONCE_LEN],
    origins: &[String],
) -> Result<[u8; KEY_BLOB_LEN], AuthError> {
    let auth = auth.ok_or(AuthError::Missing)?;
    let blob = decode_base64url(&auth.key).ok_or(AuthError::BadKey)?;
    let blob = <[u8; KEY_BLOB_LEN]>::try_from(blob).map_err(|_| AuthError::BadKey)?;
    if blob[0] != ECDSA_P256 {
        return Err(AuthError::BadKey);
    }
    if peer_id_of(&blob) != peer_id {
        return Err(AuthError::NotOfKey);
    }
    let mut uncompressed = blob;
    uncompressed[0] = 4;
    let key = VerifyingKey::from_sec1_bytes(&uncompressed).map_err(|_| AuthError::BadKey)?;
    let signature = decode_base64url(&auth.sig).ok_or(AuthError::BadSignature)?;
    let signature = Signature::from_slice(&signature).map_err(|_| AuthError::BadSignature)?;
    let token = auth.token.as_deref().unwrap_or_default();
    let signed = origins.iter().any(|origin| {
        auth_signing_input(nonce, origin, peer_id, token)
            .is_some_and(|input| key.verify(&input, &signature).is_ok())
    });
    if signed {
        Ok(blob)
    } else {
        Err(AuthError::BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer;
    use tracker_protocol::encode_base64url;

    use super::*;

    fn proof(nonce: &[u8; 32], origin: &str) -> (String, Auth) {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let mut blob = vec![ECDSA_P256];
        blob.extend_from_slice(&key.verifying_key().to_sec1_point(false).as_bytes()[1..]);
        let id = peer_id_of(&blob);
        let input = auth_signing_input(nonce, origin, &id, "").unwrap();
        let signature: Signature = key.sign(&input);
        let auth = Auth {
            key: encode_base64url(&blob),
            sig: encode_base64url(&signature.to_bytes()),
            token: None,
            nonce: None,
        };
        (id, auth)
    }

    #[test]
    fn accepts_only_what_was_signed() {
        let (nonce, origins) = ([3; 32], ["ws://a".to_owned(), "wss://b".to_owned()]);
        let (id, auth) = proof(&nonce, "wss://b");
        let blob = verify(Some(&auth), &id, &nonce, &origins).unwrap();
        assert_eq!(peer_id_of(&blob), id);
        assert_eq!(verify(None, &id, &nonce, &origins), Err(AuthError::Missing));
        assert_eq!(
            verify(Some(&auth), &id, &[4; 32], &origins),
            Err(AuthError::BadSignature)
        );
        assert_eq!(
            verify(Some(&auth), &id, &nonce, &origins[..1]),
            Err(AuthError::BadSignature)
        );
        assert_eq!(
            verify(Some(&auth), &peer_id_of(b"x"), &nonce, &origins),
            Err(AuthError::NotOfKey)
        );
        let edit = |edit: fn(&mut Auth)| {
            let mut changed = auth.clone();
            edit(&mut changed);
            verify(Some(&changed), &id, &nonce, &origins)
        };
        assert_eq!(
            edit(|auth| auth.token = Some("t".to_owned())),
            Err(AuthError::BadSignature)
        );
        assert_eq!(
            edit(|auth| auth.sig = "AAAA".to_owned()),
            Err(AuthError::BadSignature)
        );
        assert_eq!(edit(|auth| auth.key = "AAAA".to_owned()), Err(AuthError::BadKey));
        assert_eq!(edit(|auth| auth.key.clear()), Err(AuthError::BadKey));
    }

    #[test]
    fn a_point_off_the_curve_is_no_key() {
        let mut blob = vec![ECDSA_P256];
        blob.extend_from_slice(&[1; 64]);
        let auth = Auth {
            key: encode_base64url(&blob),
            sig: String::new(),
            token: None,
            nonce: None,
        };
        assert_eq!(
            verify(Some(&auth), &peer_id_of(&blob), &[0; 32], &[]),
            Err(AuthError::BadKey)
        );
    }
}
