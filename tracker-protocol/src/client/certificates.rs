//! Certificates of membership: asked for when joining, renewed at half of their life.

use super::requests::What;
use super::{Client, MAX_RETRY_AFTER, Output, SECOND, State, Timestamp, describe};
use crate::error::ErrorCode;
use crate::request::{Action, RequestBody, RequestExt, SwarmAction};
use crate::response::Response;
use crate::{MAX_CERTIFICATE, decode_base64url};

/// One that did not come, or is the old one again, is not asked for again before this.
const RETRY: u64 = 60 * SECOND;

/// When to ask for the next certificate of a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Nothing is known of the tracker's certificates: CONNECT asks.
    Never,
    /// At this time.
    At(Timestamp),
    /// Asked, not answered yet.
    UnderWay,
}

impl Client {
    /// Does one of these joins need a certificate?
    pub(super) fn wants_certificates(&self, actions: &[SwarmAction]) -> bool {
        self.certifies
            && actions
                .iter()
                .filter(|action| action.action == Action::Join)
                .filter_map(|action| self.wanted.get(&action.swarm_id))
                .any(|member| member.certificate == Renewal::Never)
    }

    /// The swarm is joined: if the answer has no certificate of it, ask again later.
    pub(super) fn expect_certificate(&mut self, swarm: &str) {
        let later = Renewal::At(self.now + RETRY);
        if self.certifies
            && let Some(member) = self.wanted.get_mut(swarm)
            && member.certificate == Renewal::Never
        {
            member.certificate = later;
        }
    }

    /// Passes on the certificates of a response.
    pub(super) fn take_certificates(&mut self, response: &Response) {
        let time_ms = self.time_ms(self.now);
        for issued in &response.ext.certs {
            let Some(member) = self.wanted.get_mut(&issued.swarm_id) else {
                continue;
            };
            let certificate =
                decode_base64url(&issued.cert).filter(|der| (1..=MAX_CERTIFICATE).contains(&der.len()));
            let left_ms = issued.expires.saturating_mul(1000).saturating_sub(time_ms);
            let (Some(certificate), 1..) = (certificate, left_ms) else {
                continue;
            };
            let half = left_ms.saturating_mul(1000) / 2;
            member.certificate = Renewal::At(self.now.saturating_add(half.max(RETRY)));
            self.outputs.push(Output::Certificate {
                swarm: issued.swarm_id.clone(),
                certificate,
                expires: issued.expires,
            });
        }
    }

    /// Swarms whose certificate is to be renewed, with the time.
    pub(super) fn renewals_due(&self) -> impl Iterator<Item = (&String, Timestamp)> {
        let asks = self.certifies && matches!(self.state, State::Joined { .. });
        self.wanted
            .iter()
            .filter_map(move |(swarm, member)| match member.certificate {
                Renewal::At(at) if asks && self.announced.contains_key(swarm) => Some((swarm, at)),
                _ => None,
            })
    }

    /// Asks for the certificates whose time has come.
    pub(super) fn renew(&mut self) {
        let due: Vec<String> = self
            .renewals_due()
            .filter(|&(_, at)| at <= self.now)
            .map(|(swarm, _)| swarm.clone())
            .collect();
        for swarm in due {
            if let Some(member) = self.wanted.get_mut(&swarm) {
                member.certificate = Renewal::UnderWay;
            }
            let body = RequestBody::Cert(swarm.clone());
            if let Err(reason) = self.send(body, RequestExt::default(), What::Certificate(swarm)) {
                self.lose(&reason, 0, true);
                return;
            }
        }
    }

    /// CERT is answered.
    pub(super) fn certified(&mut self, swarm: String, response: Response) {
        let asked = response.ext.retry_after.unwrap_or(0).min(MAX_RETRY_AFTER) * SECOND;
        let later = Renewal::At(self.now + asked.max(RETRY));
        if let Some(member) = self.wanted.get_mut(&swarm) {
            member.certificate = later;
        }
        match response.code {
            ErrorCode::NoError => {
                self.rejoins = 0;
                self.take_certificates(&response);
            }
            ErrorCode::Forbidden => self.rejoin(Some(&swarm)),
            // A tracker that cannot certify is still a tracker.
            ErrorCode::Unavailable | ErrorCode::InternalError => {}
            code => self.lose(&describe(code, &response), 0, true),
        }
    }
}
