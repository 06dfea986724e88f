//! What has happened lately, for operators: a bounded ring that any number of readers follow, each at its own pace.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::clock::Clock;

/// Events that are kept; the oldest make room.
const KEPT: usize = 4096;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum What {
    /// A peer has joined a swarm.
    Joined {
        /// The peer.
        peer_id: String,
        /// The swarm.
        swarm_id: String,
    },
    /// A peer has left a swarm.
    Left {
        /// The peer.
        peer_id: String,
        /// The swarm.
        swarm_id: String,
    },
    /// A peer that did not leave is forgotten: it was silent for too long, has lost its socket, or was banned.
    Gone {
        /// The peer.
        peer_id: String,
    },
    /// Sockets, requests or offers were refused, since the event before of the same reason.
    Refused {
        /// `socket`, `request` or `access`.
        kind: String,
        /// As the metrics name it.
        reason: String,
        /// How many.
        count: u64,
    },
    /// A ban was made.
    BanAdded {
        /// Its number.
        id: u64,
        /// The peer ID or prefix.
        subject: String,
    },
    /// A ban was lifted before its time.
    BanRemoved {
        /// Its number.
        id: u64,
        /// The peer ID or prefix.
        subject: String,
    },
    /// Settings have changed.
    Settings {
        /// Each as `key: old → new`.
        changes: Vec<String>,
    },
    /// The tracker lets its sockets go.
    Draining,
}

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Event {
    /// Counts all events of this run, from 1.
    pub(crate) id: u64,
    /// Unix ms.
    pub(crate) at: u64,
    /// What it is.
    #[serde(flatten)]
    pub(crate) what: What,
}

/// Events after some point.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    /// Those that are no longer kept.
    pub(crate) lost: u64,
    /// The oldest of the others, in order.
    pub(crate) events: Vec<Arc<Event>>,
}

/// The log.
#[derive(Debug)]
pub(crate) struct EventLog {
    kept: Mutex<VecDeque<Arc<Event>>>,
    newest: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl EventLog {
    /// It has happened now.
    pub(crate) fn publish(&self, what: What) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        let id = *self.newest.borrow() + 1;
        let at = Clock::unix_ms();
        kept.push_back(Arc::new(Event { id, at, what }));
        self.newest.send_replace(id);
    }

    /// Up to `most` of the events after this one. An ID that was never given, of another run perhaps, is before all.
    pub(crate) fn after(&self, id: u64, most: usize) -> News {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = *self.newest.borrow();
        let id = if id > newest { 0 } else { id };
        let oldest = kept.front().map_or(newest + 1, |event| event.id);
        let lost = oldest.saturating_sub(id + 1);
        let start = usize::try_from((id + 1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        News {
            lost,
            events: kept.iter().skip(start).take(most).cloned().collect(),
        }
    }

    /// The ID of the newest event, and of every one that comes.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(count: usize) -> EventLog {
        let log = EventLog::default();
        (0..count).for_each(|_| log.publish(What::Draining));
        log
    }

    fn ids(news: &News) -> Vec<u64> {
        news.events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn readers_go_on_where_they_were() {
        let log = log(5);
        assert_eq!(ids(&log.after(0, 2)), [1, 2]);
        assert_eq!(ids(&log.after(2, 9)), [3, 4, 5]);
        assert!(log.after(5, 9).events.is_empty());
        log.publish(What::Draining);
        assert_eq!((ids(&log.after(5, 9)), log.after(5, 9).lost), (vec![6], 0));
    }

    #[test]
    fn slow_readers_lose_the_oldest_and_are_told() {
        let log = log(KEPT + 10);
        let news = log.after(3, 1);
        assert_eq!((news.lost, ids(&news)), (7, vec![11]));
        assert_eq!(log.after(10, 1).lost, 0);
        assert_eq!(log.after(0, usize::MAX).events.len(), KEPT);
    }

    #[test]
    fn an_id_of_another_run_is_before_all() {
        assert_eq!(ids(&log(2).after(99, 9)), [1, 2]);
        assert_eq!(log(0).after(99, 9).lost, 0);
    }
}
