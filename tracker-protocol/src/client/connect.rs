//! From HELLO to JOINED: the proof of possession, CONNECT and its outcome.

use super::requests::What;
use super::{Client, MAX_RETRY_AFTER, Output, SECOND, SIGN_TIMEOUT, State, describe, difference};
use crate::error::ErrorCode;
use crate::event::Hello;
use crate::peer::{PeerMode, PeerNum};
use crate::request::{Action, Auth, Connect, RequestBody, RequestExt, SwarmAction};
use crate::response::Response;
use crate::status::PeerStatus;
use crate::{
    ECDSA_P256, KEY_BLOB_LEN, NONCE_LEN, SUPPORTS_CERT, SUPPORTS_CONFIG, SUPPORTS_OFFERS, SUPPORTS_SIGNAL,
    SUPPORTS_STATUS, WANT_CERT, decode_base64url, encode_base64url, tracker_origin,
};

impl Client {
    /// HELLO came: have the proof signed.
    pub(super) fn hello(&mut self, hello: Hello) {
        if !matches!(self.state, State::Opening { .. }) {
            return;
        }
        let nonce = decode_base64url(&hello.nonce).and_then(|nonce| <[u8; NONCE_LEN]>::try_from(nonce).ok());
        let (Some(nonce), Some(_)) = (nonce, tracker_origin(self.url())) else {
            self.lose(
                "HELLO without a nonce of 32 bytes, or URL without origin",
                0,
                true,
            );
            return;
        };
        self.time_offset_ms = (hello.time as i64).saturating_sub((self.now / 1000) as i64);
        self.nonce = Some(nonce);
        self.certifies = hello.supports.iter().any(|extension| extension == SUPPORTS_CERT);
        self.tracker_key = hello
            .tracker_key
            .and_then(|key| decode_base64url(&key))
            .filter(|key| key.len() == KEY_BLOB_LEN && key[0] == ECDSA_P256);
        self.status_changed = self.status != PeerStatus::default();
        self.state = State::Signing {
            deadline: self.now + SIGN_TIMEOUT,
        };
        self.sign();
    }

    /// The proof is signed: register, or show a new token.
    pub(super) fn signed(&mut self, attempt: u32, sig: &[u8]) {
        if attempt != self.attempt {
            return;
        }
        match self.state {
            State::Signing { .. } => self.state = State::Joining,
            // What the token allows counts for all swarms, so all are joined with it.
            State::Joined { .. } => self.announced.clear(),
            _ => return,
        }
        self.attempt = self.attempt.wrapping_add(1);
        let actions = self.actions();
        if actions.is_empty() {
            return;
        }
        let auth = Auth {
            key: encode_base64url(&self.config.key_blob),
            sig: encode_base64url(sig),
            token: self.config.token.clone(),
            #[cfg(feature = "server")]
            nonce: None,
        };
        let supports = [
            SUPPORTS_SIGNAL,
            SUPPORTS_OFFERS,
            SUPPORTS_CERT,
            SUPPORTS_STATUS,
            SUPPORTS_CONFIG,
        ];
        let supports = supports.map(str::to_owned).to_vec();
        self.send_connect_with(
            actions,
            RequestExt {
                auth: Some(auth),
                supports,
                ..RequestExt::default()
            },
        );
    }

    /// What the tracker has to be told.
    pub(super) fn actions(&self) -> Vec<SwarmAction> {
        difference(&self.announced, &self.wanted)
    }

    /// Brings socket and tracker in line with what is wanted.
    pub(super) fn reconcile(&mut self) {
        match self.state {
            State::Idle if !self.wanted.is_empty() => self.open(),
            State::Opening { .. } | State::Signing { .. } | State::Reconnect { .. } | State::Refused
                if self.wanted.is_empty() =>
            {
                self.go_idle();
            }
            State::Joined { .. } if !self.connecting => {
                let actions = self.actions();
                if !actions.is_empty() {
                    self.send_connect(actions);
                } else if self.wanted.is_empty() {
                    self.go_idle();
                } else if !self.token_shown && self.config.token.is_some() {
                    self.sign();
                }
            }
            _ => {}
        }
    }

    pub(super) fn send_connect(&mut self, actions: Vec<SwarmAction>) {
        self.send_connect_with(actions, RequestExt::default());
    }

    fn send_connect_with(&mut self, actions: Vec<SwarmAction>, mut ext: RequestExt) {
        let joins = actions.iter().any(|action| action.action == Action::Join);
        let wants_peers = joins && actions.iter().any(|action| action.peer_mode == PeerMode::Leech);
        if joins {
            ext.offers = self.take_offers(None);
            ext.status = self.take_status();
            if self.wants_certificates(&actions) {
                ext.want = vec![WANT_CERT.to_owned()];
            }
        }
        let peer_num = wants_peers.then(|| PeerNum::of(self.config.peer_count));
        let connect = Connect {
            peer_num,
            #[cfg(feature = "server")]
            peer_addr: Vec::new(),
            swarm_action: actions.clone(),
        };
        self.connecting = true;
        if let Err(reason) = self.send(RequestBody::Connect(connect), ext, What::Connect(actions)) {
            self.lose(&reason, 0, true);
        }
    }

    /// CONNECT is answered.
    pub(super) fn connected(&mut self, actions: Vec<SwarmAction>, response: Response) {
        self.connecting = false;
        let reason = describe(response.code, &response);
        let url = self.url().to_owned();
        match response.code {
            ErrorCode::NoError => {}
            ErrorCode::Unavailable => {
                let asked = response
                    .ext
                    .retry_after
                    .map(|seconds| seconds.min(MAX_RETRY_AFTER) * SECOND);
                let delay = asked.unwrap_or_else(|| self.backoff.overload());
                self.lose(&reason, delay, true);
                return;
            }
            ErrorCode::AuthenticationRequired if self.trackers[self.current].proof_failures == 0 => {
                // Once more with a fresh nonce: a slow signature may have missed the init timer.
                self.trackers[self.current].proof_failures = 1;
                let current = self.current;
                self.lose(&reason, 0, true);
                self.current = current;
                return;
            }
            ErrorCode::AuthenticationRequired => {
                self.trackers[self.current].refused = true;
                self.outputs.push(Output::Close);
                self.outputs.push(Output::Refused {
                    url,
                    swarm: None,
                    code: response.code,
                    reason,
                });
                self.end_session();
                self.retry(0);
                return;
            }
            ErrorCode::Forbidden if closes_swarms(&response) => {
                self.keep_out(&actions, &reason);
                return;
            }
            _ => {
                self.lose(&reason, 0, true);
                return;
            }
        }
        self.trackers[self.current].proof_failures = 0;
        for SwarmAction {
            swarm_id,
            action,
            peer_mode,
        } in actions
        {
            let failed = response
                .swarm_result
                .iter()
                .any(|entry| entry.swarm_id == swarm_id && entry.result != 0);
            match action {
                Action::Leave => {
                    self.announced.remove(&swarm_id);
                }
                Action::Join if failed => {
                    self.wanted.remove(&swarm_id);
                    self.announced.remove(&swarm_id);
                    self.outputs.push(Output::Refused {
                        url: url.clone(),
                        swarm: Some(swarm_id),
                        code: ErrorCode::Forbidden,
                        reason: "tracker refuses the swarm".to_owned(),
                    });
                }
                Action::Join => {
                    self.expect_certificate(&swarm_id);
                    self.announced.insert(swarm_id, peer_mode);
                }
            }
        }
        if let Some(interval) = response.ext.interval {
            self.interval = interval.clamp(10, 300);
        }
        if matches!(self.state, State::Joining) {
            self.state = State::Joined { since: self.now };
            self.next_report = self.now + self.jittered_interval();
            let tracker_key = self.tracker_key.clone();
            self.outputs.push(Output::Joined { url, tracker_key });
        }
        self.take_certificates(&response);
        self.take_peers(response);
    }

    /// We may not be in these swarms: asking again would change nothing.
    fn keep_out(&mut self, actions: &[SwarmAction], reason: &str) {
        let url = self.url().to_owned();
        let joins = actions.iter().filter(|action| action.action == Action::Join);
        for SwarmAction { swarm_id, .. } in joins {
            // A member whose new mode is not allowed goes on in the old one.
            let mode = self.announced.get(swarm_id).copied();
            if let (Some(mode), Some(member)) = (mode, self.wanted.get_mut(swarm_id)) {
                member.mode = mode;
                continue;
            }
            self.wanted.remove(swarm_id);
            self.outputs.push(Output::Refused {
                url: url.clone(),
                swarm: Some(swarm_id.clone()),
                code: ErrorCode::Forbidden,
                reason: reason.to_owned(),
            });
        }
        if !matches!(self.state, State::Joining) {
            return;
        }
        // Not registered by it; what was wanted meanwhile is for a new socket.
        if self.wanted.is_empty() {
            self.go_idle();
        } else {
            self.lose(reason, 0, true);
        }
    }
}

/// Is a CONNECT refused for its swarms, or for what its token allows in them?
fn closes_swarms(response: &Response) -> bool {
    let reason = response.ext.reason.as_deref();
    matches!(
        reason,
        Some("swarm-not-allowed" | "swarm-not-covered" | "mode-not-covered")
    )
}
