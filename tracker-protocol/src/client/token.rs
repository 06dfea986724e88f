//! The proof of who we are, and with which token: at the beginning of a session, and whenever there is a new token.

use super::{Client, Output, State};
use crate::{auth_signing_input, tracker_origin};

impl Client {
    /// There is a new token.
    pub(super) fn take_token(&mut self, token: String) {
        if self.config.token.as_ref() == Some(&token) {
            return;
        }
        self.config.token = Some(token);
        self.token_shown = false;
        for tracker in &mut self.trackers {
            (tracker.refused, tracker.proof_failures) = (false, 0);
        }
        match self.state {
            // What is being signed is the old one.
            State::Signing { .. } => self.sign(),
            State::Refused => self.retry(0),
            // On a socket that is in use, once no CONNECT is under way; else with the next HELLO.
            _ => {}
        }
    }

    /// Has the proof signed, over the nonce of this socket and the token.
    pub(super) fn sign(&mut self) {
        self.token_shown = true;
        let token = self.config.token.as_deref().unwrap_or_default();
        let bytes = self
            .nonce
            .zip(tracker_origin(self.url()))
            .and_then(|(nonce, origin)| {
                // The peer ID is a hash of ours, so its form is right.
                auth_signing_input(&nonce, &origin, &self.peer_id, token)
            });
        if let Some(bytes) = bytes {
            self.attempt = self.attempt.wrapping_add(1);
            let attempt = self.attempt;
            self.outputs.push(Output::SignAuth { attempt, bytes });
        }
    }
}
