//! Tokens of closed swarms: a portal says which peer may be in which swarms, until when (JWS, RFC 7515; JWT, RFC 7519).

mod claims;
mod jws;
mod keys;
mod remote;

use std::collections::HashSet;
use std::sync::Arc;

use tracker_protocol::PeerMode;

use crate::fetch::Location;
use claims::Claims;
pub(crate) use keys::TokenKeys;
pub(crate) use remote::{KeyServer, RemoteKeys, follow};

/// Longest token, bytes.
const MAX_LEN: usize = 16 * 1024;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    Missing,
    /// Not a compact JWS, of another algorithm, not signed by one of the keys, or without the claims it must have.
    Invalid,
    Expired,
    NotYetValid,
    Issuer,
    Audience,
    /// It is another peer's.
    NotBound,
    Revoked,
    /// There are no keys yet.
    NoKeys,
}

impl TokenError {
    /// The `ext.reason` of the answer.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Invalid => "token-invalid",
            Self::Expired => "token-expired",
            Self::NotYetValid => "token-not-yet-valid",
            Self::Issuer => "token-of-other-issuer",
            Self::Audience => "token-for-other-tracker",
            Self::NotBound => "token-not-bound",
            Self::Revoked => "token-revoked",
            Self::NoKeys => "token-keys-missing",
        }
    }
}

/// What a token that was accepted allows its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) swarms: HashSet<Box<str>>,
    pub(crate) seeder: bool,
    pub(crate) leech: bool,
    /// Until then, Unix seconds.
    pub(crate) until: u64,
    /// The token's ID.
    pub(crate) id: Option<Box<str>>,
}

impl Grant {
    pub(crate) fn covers_mode(&self, mode: PeerMode) -> bool {
        match mode {
            PeerMode::Seeder => self.seeder,
            PeerMode::Leech => self.leech,
        }
    }
}

/// Who may say what in tokens.
#[derive(Debug)]
pub(crate) struct TokenRules {
    pub(crate) keys: TokenKeys,
    /// More of them, as far as the server at this URL has given them.
    pub(crate) remote: Option<(Location, Arc<RemoteKeys>)>,
    /// Clocks may differ by so much, seconds.
    pub(crate) leeway: u64,
    /// Empty: whoever has one of the keys.
    pub(crate) issuers: Vec<String>,
    /// IDs of tokens that are no longer accepted.
    pub(crate) denied: HashSet<Box<str>>,
}

impl TokenRules {
    /// Checks a token that this peer has shown at `now` (Unix seconds); it must be for one of `audiences`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) fn verify(
        &self,
        token: Option<&str>,
        peer_id: &str,
        audiences: &[String],
        now: u64,
    ) -> Result<Grant, TokenError> {
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or(TokenError::Missing)?;
        if token.len() > MAX_LEN {
            return Err(TokenError::Invalid);
        }
        let remote = self.remote.as_ref().and_then(|(url, keys)| keys.of(url));
        if self.keys.is_empty() && remote.is_none() {
            return Err(TokenError::NoKeys);
        }
        // Nothing in it counts before its signature is checked.
        let payload = jws::verify(token, &self.keys)
            .or_else(|| jws::verify(token, remote.as_deref()?))
            .ok_or(TokenError::Invalid)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenError::Invalid)?;
        claims.grant(self, peer_id, audiences, now)
    }

    /// Is what was granted still so?
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::Revoked`].
    pub(crate) fn renew(&self, grant: &Grant, now: u64) -> Result<(), TokenError> {
        if now >= grant.until {
            return Err(TokenError::Expired);
        }
        match grant.id.as_ref().is_some_and(|id| self.denied.contains(id)) {
            true => Err(TokenError::Revoked),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracker_protocol::encode_base64url;

    use super::*;

    fn rules() -> TokenRules {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        // The example keys of RFC 7517 A.1 and RFC 8037 A.2.
        let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
            {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        std::fs::write(&path, keys).unwrap();
        TokenRules {
            keys: TokenKeys::read(&[path]).unwrap(),
            remote: None,
            leeway: 0,
            issuers: Vec::new(),
            denied: HashSet::new(),
        }
    }

    /// RFC 8037 A.4: signed rightly, with a payload that has no claims.
    const EXAMPLE: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
        hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    #[test]
    fn the_example_of_rfc_8037_is_signed_and_says_nothing() {
        let rules = rules();
        let payload = jws::verify(EXAMPLE, &rules.keys).unwrap();
        assert_eq!(payload, b"Example of Ed25519 signing");
        assert_eq!(rules.verify(Some(EXAMPLE), "", &[], 0), Err(TokenError::Invalid));
        // A changed character anywhere, and it is signed no more.
        for at in 0..EXAMPLE.len() {
            let mut changed = EXAMPLE.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(jws::verify(&changed, &rules.keys), None, "{changed}");
        }
    }

    proptest! {
        #[test]
        fn what_nobody_has_signed_is_no_token(
            text in "[a-zA-Z0-9_.-]{0,80}",
            header in prop_oneof![
                Just(r#"{"alg":"ES256"}"#.to_owned()),
                Just(r#"{"alg":"EdDSA"}"#.to_owned()),
                "[ -~]{0,40}",
            ],
            claims in "[ -~]{0,40}",
            signature in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let rules = rules();
            let encoded = [header.as_bytes(), claims.as_bytes(), &signature].map(encode_base64url);
            for token in [text, encoded.join(".")] {
                let refused = rules.verify(Some(&token), "", &[], 0).unwrap_err();
                prop_assert!(matches!(refused, TokenError::Invalid | TokenError::Missing));
            }
        }
    }
}
