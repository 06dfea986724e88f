//! What a token says (RFC 7519 §4.1, and `cnf` of RFC 7800).

use serde::Deserialize;
use tracker_protocol::is_swarm_id;

use super::{Grant, TokenError, TokenRules};

#[derive(Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    aud: Audience,
    cnf: Confirmation,
    swarms: Vec<String>,
    /// Words that are not known allow nothing.
    modes: Vec<String>,
    exp: f64,
    nbf: Option<f64>,
    jti: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Confirmation {
    kid: String,
}

impl Claims {
    /// What they allow this peer now.
    pub(super) fn grant(
        self,
        rules: &TokenRules,
        peer_id: &str,
        audiences: &[String],
        now: u64,
    ) -> Result<Grant, TokenError> {
        let until = seconds(self.exp)?.saturating_add(rules.leeway);
        if now >= until {
            return Err(TokenError::Expired);
        }
        if let Some(nbf) = self.nbf
            && now.saturating_add(rules.leeway) < seconds(nbf)?
        {
            return Err(TokenError::NotYetValid);
        }
        if !rules.issuers.is_empty() && !self.iss.is_some_and(|issuer| rules.issuers.contains(&issuer)) {
            return Err(TokenError::Issuer);
        }
        let for_us = |audience: &String| audiences.contains(audience);
        let audience_fits = match &self.aud {
            Audience::One(audience) => for_us(audience),
            Audience::Many(audiences) => audiences.iter().any(for_us),
        };
        if !audience_fits {
            return Err(TokenError::Audience);
        }
        if self.cnf.kid != peer_id {
            return Err(TokenError::NotBound);
        }
        let allows = |mode: &str| self.modes.iter().any(|allowed| allowed == mode);
        let grant = Grant {
            seeder: allows("SEEDER"),
            leech: allows("LEECH"),
            swarms: self
                .swarms
                .iter()
                .filter(|swarm| is_swarm_id(swarm))
                .map(|swarm| swarm.as_str().into())
                .collect(),
            until,
            id: self.jti.map(Into::into),
        };
        rules.renew(&grant, now)?;
        Ok(grant)
    }
}

/// A NumericDate, without its fraction.
fn seconds(date: f64) -> Result<u64, TokenError> {
    // Beyond it, numbers no longer have all whole values.
    const LAST: f64 = 9e15;
    match (0.0..=LAST).contains(&date) {
        true => Ok(date as u64),
        false => Err(TokenError::Invalid),
    }
}
