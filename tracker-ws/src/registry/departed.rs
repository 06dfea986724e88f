//! Answers to peers that have left: the one to their last LEAVE may be lost, and is then asked for again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tracker_protocol::Request;
use tracker_protocol::server::{Timestamp, Transactions};

const LIFETIME: Timestamp = 60_000_000;
/// Most peers whose answers are kept; the oldest make room.
const MAX_PEERS: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Departed {
    answers: HashMap<Arc<str>, (Timestamp, Transactions)>,
    order: VecDeque<(Timestamp, Arc<str>)>,
}

impl Departed {
    pub(super) fn insert(&mut self, now: Timestamp, peer: &Arc<str>, answers: Transactions) {
        while let Some((at, _)) = self.order.front()
            && (now >= at + LIFETIME || self.order.len() >= MAX_PEERS)
        {
            let Some((at, oldest)) = self.order.pop_front() else {
                break;
            };
            // It may have come back and left again since.
            if self.answers.get(&oldest).is_some_and(|(left, _)| *left == at) {
                self.answers.remove(&oldest);
            }
        }
        self.order.push_back((now, peer.clone()));
        self.answers.insert(peer.clone(), (now, answers));
    }

    /// The answer to this very request, if the peer repeats it.
    pub(super) fn answer_to(&mut self, now: Timestamp, request: &Request, frame: &str) -> Option<String> {
        let (_, answers) = self.answers.get_mut(&*request.peer_id)?;
        answers.answer_to(now, &request.transaction_id, frame)
    }

    /// The peer is back.
    pub(super) fn take(&mut self, peer: &str) -> Option<Transactions> {
        self.answers.remove(peer).map(|(_, answers)| answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_kept_and_not_for_long() {
        let mut departed = Departed::default();
        let peer = |number: usize| Arc::from(number.to_string());
        for number in 0..3000 {
            departed.insert(0, &peer(number), Transactions::default());
        }
        assert_eq!(
            (departed.answers.len(), departed.order.len()),
            (MAX_PEERS, MAX_PEERS)
        );
        assert!(departed.take("2999").is_some() && departed.take("0").is_none());
        departed.insert(LIFETIME, &peer(0), Transactions::default());
        assert_eq!((departed.answers.len(), departed.order.len()), (1, 1));
    }
}
