//! Tokens of closed swarms: a portal says which peer may be in which swarms, until when (JWS, RFC 7515; JWT, RFC 7519).

mod claims;
mod jws;
mod keys;

use std::collections::HashSet;

use tracker_protocol::PeerMode;

use claims::Claims;
pub(crate) use keys::TokenKeys;

/// Clocks may differ by so much, seconds.
const SKEW: u64 = 60;
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
        // Nothing in it counts before its signature is checked.
        let payload = jws::verify(token, &self.keys).ok_or(TokenError::Invalid)?;
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
