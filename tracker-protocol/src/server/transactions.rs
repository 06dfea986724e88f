//! Answers that may have to be repeated.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::{SECOND, Timestamp};

const KEPT: usize = 16;
/// Most bytes of answers that are kept: the largest one, and more than 16 usual ones.
const KEPT_BYTES: usize = crate::MAX_FRAME;
const LIFETIME: u64 = 60 * SECOND;

#[derive(Clone, Debug)]
struct Transaction {
    /// Hash of its ID. A collision harms only the peer that made it, here and below.
    id: u64,
    /// Of the request's text.
    hash: u64,
    at: Timestamp,
    answer: String,
}

/// The last 16 transactions of a peer, for 60 s; fewer where their answers are large.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    kept: VecDeque<Transaction>,
}

pub(super) enum Known {
    /// Not seen.
    No,
    /// Seen, with this answer.
    Same(String),
    /// The ID was used for something else.
    Other,
}

impl Transactions {
    pub(super) fn find(&mut self, now: Timestamp, id: &str, frame: &str) -> Known {
        while self
            .kept
            .front()
            .is_some_and(|oldest| now >= oldest.at + LIFETIME)
        {
            self.kept.pop_front();
        }
        let id = hash(id);
        match self.kept.iter().find(|transaction| transaction.id == id) {
            None => Known::No,
            Some(transaction) if transaction.hash == hash(frame) => Known::Same(transaction.answer.clone()),
            Some(_) => Known::Other,
        }
    }

    /// The answer to this very request, if it was given in the last 60 s.
    pub fn answer_to(&mut self, now: Timestamp, id: &str, frame: &str) -> Option<String> {
        match self.find(now, id, frame) {
            Known::Same(answer) => Some(answer),
            Known::No | Known::Other => None,
        }
    }

    pub(super) fn insert(&mut self, now: Timestamp, id: &str, frame: &str, answer: &str) {
        let mut bytes = answer.len();
        bytes += self.kept.iter().map(|kept| kept.answer.len()).sum::<usize>();
        while self.kept.len() >= KEPT || bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            bytes -= oldest.answer.len();
        }
        let transaction = Transaction {
            id: hash(id),
            hash: hash(frame),
            at: now,
            answer: answer.to_owned(),
        };
        self.kept.push_back(transaction);
    }
}

fn hash(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}
