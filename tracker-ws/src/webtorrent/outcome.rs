//! What comes of an announce.

use super::message::{Announce, Push, What, quoted};
use crate::registry::SessionId;

/// Whom something is to be said to. What, is in the announce: it is put into words when nobody waits for the swarms any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Who gets its first offer, the second and so on, or its answer.
    pub(super) receivers: Vec<SessionId>,
    /// What is told to who announced; an answer to an offer is not answered itself.
    pub(super) told: Option<Told>,
}

/// The tracker's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Seconds until the next announce.
    pub(super) interval: u64,
    /// Members that have everything, and that have not.
    pub(super) complete: usize,
    pub(super) incomplete: usize,
}

impl Told {
    fn frame(self, info_hash: &str) -> String {
        let Self {
            interval,
            complete,
            incomplete,
        } = self;
        let hash = quoted(info_hash);
        format!(
            r#"{{"action":"announce","info_hash":{hash},"interval":{interval},"complete":{complete},"incomplete":{incomplete}}}"#
        )
    }
}

impl Outcome {
    /// Says it, in pieces of frames.
    pub(super) fn say(
        &self,
        session: SessionId,
        announce: &Announce<'_>,
        mut send: impl FnMut(SessionId, &[&str]),
    ) {
        let mut push = Push::new(&announce.info_hash, &announce.peer_id);
        match &announce.what {
            What::Here { offers, .. } => {
                for (to, (offer_id, offer)) in self.receivers.iter().zip(offers) {
                    send(*to, &push.frame("offer", offer_id, offer));
                }
            }
            What::Answer { offer_id, answer, .. } => {
                for to in &self.receivers {
                    send(*to, &push.frame("answer", offer_id, answer));
                }
            }
            What::Stopped => {}
        }
        if let Some(told) = self.told {
            send(session, &[&told.frame(&announce.info_hash)]);
        }
    }
}
