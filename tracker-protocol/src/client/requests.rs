//! Requests under way: which answer belongs to which, and when to repeat.

use super::{SECOND, Timestamp};
use crate::request::SwarmAction;

const TIMEOUT: u64 = 8 * SECOND;
const REPEATS: u32 = 2;
/// Most requests under way: a join with 16 neighbours trickles some hundred candidates in a round trip or two.
const MAX_PENDING: usize = 256;

/// What a request asked.
#[derive(Clone, Debug)]
pub(super) enum What {
    Connect(Vec<SwarmAction>),
    Find(String),
    Report,
    Certificate(String),
    Signal { to: String, oid: String },
}

#[derive(Clone, Debug)]
pub(super) struct Pending {
    frame: String,
    deadline: Timestamp,
    repeats: u32,
    pub(super) what: What,
}

impl Pending {
    pub(super) fn new(now: Timestamp, frame: String, what: What) -> Self {
        Self {
            frame,
            deadline: now + TIMEOUT,
            repeats: 0,
            what,
        }
    }
}

/// The table, by transaction ID.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// In the order of their IDs.
    pending: Vec<(u64, Pending)>,
    last_id: u64,
}

impl Requests {
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn insert(&mut self, id: u64, pending: Pending) {
        self.pending.push((id, pending));
    }

    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING
    }

    pub(super) fn take(&mut self, transaction_id: &str) -> Option<Pending> {
        let wanted: u64 = transaction_id.parse().ok()?;
        let at = self.pending.iter().position(|(id, _)| *id == wanted)?;
        Some(self.pending.remove(at).1)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> {
        std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(_, pending)| pending)
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.pending.iter().map(|(_, pending)| pending.deadline).min()
    }

    /// The identical frames to send again; an error when one was not answered at all.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Result<Vec<String>, ()> {
        let mut frames = Vec::new();
        for (_, pending) in self
            .pending
            .iter_mut()
            .filter(|(_, pending)| pending.deadline <= now)
        {
            if pending.repeats == REPEATS {
                return Err(());
            }
            pending.repeats += 1;
            pending.deadline = now + TIMEOUT;
            frames.push(pending.frame.clone());
        }
        Ok(frames)
    }
}
