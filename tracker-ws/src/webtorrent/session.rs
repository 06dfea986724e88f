//! One socket that speaks the dialect.

use std::sync::{MutexGuard, PoisonError};

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracker_protocol::ErrorCode;
use tracker_protocol::server::Timestamp;

use super::message::{Message, What, failure, to_hex};
use super::torrents::Torrents;
use crate::config::Config;
use crate::limits::{Bucket, Limit};
use crate::metrics::Refusal;
use crate::registry::{Delivery, Outgoing, SessionId};
use crate::server::Shared;
use crate::session::PATIENCE;
use crate::socket::{Dialect, End, end};

/// Malformed frames that end a session.
const MAX_STRIKES: u32 = 3;
/// Memberships are looked through for old ones as often, µs.
const EXPIRY: Timestamp = 60_000_000;

/// A session.
pub(crate) struct WebTorrent<'a> {
    shared: &'a Shared,
    id: SessionId,
    requests: Bucket,
    patience: Bucket,
    strikes: u32,
    expired: Timestamp,
}

impl<'a> WebTorrent<'a> {
    /// The session of a new socket.
    pub(crate) fn new(shared: &'a Shared, id: SessionId) -> Self {
        let (now, config) = (shared.clock.now(), shared.config());
        Self {
            shared,
            id,
            requests: Bucket::new(now, config.requests),
            patience: Bucket::new(now, PATIENCE),
            strikes: 0,
            expired: now,
        }
    }

    fn torrents(&self) -> MutexGuard<'_, Torrents> {
        self.shared
            .torrents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers that are too many or too long are as if they had not been made; an answer that is too long is refused.
    fn trim(&self, config: &Config, what: &mut What<'_>) -> Result<(), String> {
        let metrics = &self.shared.metrics;
        match what {
            What::Here { offers, .. } => {
                let made = offers.len();
                offers.retain(|(_, offer)| offer.len() <= config.max_sdp);
                if offers.len() < made {
                    metrics.limited(Limit::DescriptionSize);
                }
                if offers.len() > config.max_announce_offers {
                    offers.truncate(config.max_announce_offers);
                    metrics.limited(Limit::Offers);
                }
                Ok(())
            }
            What::Answer { answer, .. } if answer.len() > config.max_sdp => {
                metrics.limited(Limit::DescriptionSize);
                Err(format!("answer: longer than {} bytes", config.max_sdp))
            }
            What::Answer { .. } | What::Stopped => Ok(()),
        }
    }

    fn allows(&self, info_hash: &str) -> bool {
        let access = self.shared.front.access();
        access.is_open() || access.allows(&to_hex(info_hash))
    }

    fn answer(&self, kind: &'static str, code: ErrorCode, frame: String) {
        self.shared.metrics.answered(kind, code);
        self.shared.sessions.deliver(vec![Outgoing {
            to: self.id,
            what: Delivery::Frame(frame),
        }]);
    }
}

impl Dialect for WebTorrent<'_> {
    fn greeting(&self) -> Option<String> {
        None
    }

    fn frame(&mut self, frame: &str) -> Result<(), End> {
        // To look at them is to wait for a lock: once is enough.
        let (now, config) = (self.shared.clock.now(), self.shared.config());
        if !self.requests.take(now, config.requests, 1) {
            let refused = failure("announce", None, "too many requests");
            self.shared.metrics.limited(Limit::Requests);
            self.answer("announce", ErrorCode::Unavailable, refused);
            return match self.patience.take(now, PATIENCE, 1) {
                true => Ok(()),
                false => Err(end(CloseCode::Policy, "floods", Some(Refusal::Flood))),
            };
        }
        if now >= self.expired + EXPIRY {
            self.expired = now;
            self.torrents().expire(now, self.id);
        }
        match Message::read(frame) {
            Err(error) => {
                let refused = failure("announce", None, &error.to_string());
                self.answer("malformed", ErrorCode::BadRequest, refused);
                self.strikes += 1;
                if self.strikes >= MAX_STRIKES {
                    return Err(end(
                        CloseCode::Policy,
                        "three malformed frames",
                        Some(Refusal::Malformed),
                    ));
                }
            }
            Ok(Message::Scrape(hashes)) => {
                let files = self.torrents().scrape(&hashes);
                self.answer("scrape", ErrorCode::NoError, files);
            }
            Ok(Message::Announce(mut announce)) => {
                if let Err(refused) = self.trim(&config, &mut announce.what) {
                    let refused = failure("announce", Some(&announce.info_hash), &refused);
                    self.answer("announce", ErrorCode::BadRequest, refused);
                    return Ok(());
                }
                if matches!(announce.what, What::Here { .. }) && !self.allows(&announce.info_hash) {
                    const REASON: &str = "swarm-not-allowed";
                    self.shared.metrics.denied(REASON);
                    let refused = failure("announce", Some(&announce.info_hash), REASON);
                    self.answer("announce", ErrorCode::Forbidden, refused);
                    return Ok(());
                }
                if self.shared.bans.bans_peer(now, || to_hex(&announce.peer_id)) {
                    let refused = failure("announce", Some(&announce.info_hash), "peer_id: banned");
                    self.answer("announce", ErrorCode::Forbidden, refused);
                    return Err(end(CloseCode::Policy, "banned", Some(Refusal::Banned)));
                }
                let done = self.torrents().announce(now, self.id, &announce);
                match done {
                    Ok(outcome) => {
                        let pushes = outcome.receivers.iter().filter(|to| **to != self.id);
                        self.shared.metrics.announced(pushes.count() as u64);
                        let say = |send: &mut dyn FnMut(SessionId, &[&str])| {
                            outcome.say(self.id, &announce, send);
                        };
                        self.shared.sessions.push(say);
                    }
                    Err(refused) => {
                        if let Some(limit) = refused.limit() {
                            self.shared.metrics.limited(limit);
                        }
                        let refused = failure("announce", Some(&announce.info_hash), &refused.to_string());
                        self.answer("announce", ErrorCode::Forbidden, refused);
                    }
                }
            }
        }
        Ok(())
    }

    fn is_registered(&self) -> bool {
        self.torrents().is_member(self.id)
    }

    fn move_on(&self) -> Option<String> {
        None
    }

    fn farewell(&self) -> Option<String> {
        None
    }

    fn ended(&mut self) {
        self.torrents().end(self.id);
    }
}
