//! The peers that are remembered, and those that are banned. Both tables are sorted by peer ID and bounded.

use super::pace::Bucket;
use super::{Hints, Source};
use crate::{PeerId, Queue, SwarmId, Timestamp};

/// Swarms remembered for one peer at most.
const MAX_SWARMS: usize = 16;
/// Introducers remembered for one peer at most.
const MAX_INTRODUCERS: usize = 4;
/// Peers that one introducer may have named at a time: a flood of names pushes out nobody else's.
const MAX_INTRODUCED: usize = 32;
/// Banned peers remembered at most; the oldest ban makes room.
pub(super) const MAX_BANNED: usize = 4096;

/// One peer that is remembered.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) peer: PeerId,
    /// Swarms in which the tracker named it.
    pub(super) listed: Vec<SwarmId>,
    /// Neighbours that named it, each in one swarm.
    pub(super) introduced: Vec<(PeerId, SwarmId)>,
    pub(super) hints: Hints,
    /// Drawn once: who of equals is dialled first.
    pub(super) rank: u32,
    /// Dials in a row that led to nothing.
    pub(super) failures: u32,
    /// How often it was a neighbour of no use.
    pub(super) useless: u32,
    /// Not dialled before.
    pub(super) not_before: Timestamp,
    pub(super) offers: Bucket,
    seen: Timestamp,
}

impl Candidate {
    /// Has anybody named it? Else it only came to us by an offer.
    pub(super) fn is_named(&self) -> bool {
        !self.listed.is_empty() || !self.introduced.is_empty()
    }

    /// Nobody has named it any more.
    pub(super) fn forget_names(&mut self) {
        self.listed.clear();
        self.introduced.clear();
    }

    /// How much it is worth to be remembered: what makes room first is the smallest.
    fn worth(&self) -> (u8, Timestamp) {
        let class = match (self.listed.is_empty(), self.introduced.is_empty()) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        };
        (class, self.seen)
    }
}

/// All candidates.
#[derive(Debug, Default)]
pub(super) struct Candidates(Vec<Candidate>);

impl Candidates {
    fn position(&self, peer: &PeerId) -> Result<usize, usize> {
        self.0.binary_search_by(|known| known.peer.cmp(peer))
    }

    pub(super) fn iter(&self) -> core::slice::Iter<'_, Candidate> {
        self.0.iter()
    }

    pub(super) fn get(&self, peer: &PeerId) -> Option<&Candidate> {
        self.position(peer).ok().map(|at| &self.0[at])
    }

    pub(super) fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Candidate> {
        self.position(peer).ok().map(|at| &mut self.0[at])
    }

    pub(super) fn remove(&mut self, peer: &PeerId) {
        if let Ok(at) = self.position(peer) {
            self.0.remove(at);
        }
    }

    /// The entry of a peer, made if need be. The least worth of those not `kept` makes room for it.
    pub(super) fn entry(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        rank: u32,
        room: usize,
        kept: impl Fn(&PeerId) -> bool,
    ) -> &mut Candidate {
        if self.position(&peer).is_err() && self.0.len() >= room {
            let others = self.0.iter().enumerate().filter(|(_, known)| !kept(&known.peer));
            if let Some((at, _)) = others.min_by_key(|(_, known)| known.worth()) {
                self.0.remove(at);
            }
        }
        let at = self.position(&peer).unwrap_or_else(|at| {
            let fresh = Candidate {
                peer,
                listed: Vec::new(),
                introduced: Vec::new(),
                hints: Hints::default(),
                rank,
                failures: 0,
                useless: 0,
                not_before: Timestamp(0),
                offers: Bucket::default(),
                seen: now,
            };
            self.0.insert(at, fresh);
            at
        });
        self.0[at].seen = now;
        &mut self.0[at]
    }

    /// May `via` name one more peer?
    pub(super) fn may_introduce(&self, via: &PeerId) -> bool {
        let named = |known: &&Candidate| known.introduced.iter().any(|(by, _)| by == via);
        self.0.iter().filter(named).count() < MAX_INTRODUCED
    }

    /// The page left `swarm`: nobody is dialled for it any more.
    pub(super) fn leave(&mut self, swarm: &SwarmId) {
        for known in &mut self.0 {
            known.listed.retain(|other| other != swarm);
            known.introduced.retain(|(_, other)| other != swarm);
        }
    }
}

impl Candidate {
    pub(super) fn named(&mut self, swarm: &SwarmId, source: Source) {
        match source {
            Source::Tracker => {
                if !self.listed.contains(swarm) && self.listed.len() < MAX_SWARMS {
                    self.listed.push(swarm.clone());
                }
            }
            Source::Pex { via } => {
                // The newest introducer is the one most likely to be there.
                self.introduced.retain(|(by, _)| *by != via);
                self.introduced.truncate(MAX_INTRODUCERS - 1);
                self.introduced.insert(0, (via, swarm.clone()));
            }
        }
    }
}

/// The peers that are refused.
#[derive(Debug, Default)]
pub(super) struct Bans {
    sorted: Vec<PeerId>,
    by_age: Queue<PeerId>,
}

impl Bans {
    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.sorted.binary_search(peer).is_ok()
    }

    pub(super) fn insert(&mut self, peer: PeerId) {
        if self.contains(&peer) {
            return;
        }
        if self.by_age.len() >= MAX_BANNED
            && let Some(oldest) = self.by_age.pop()
            && let Ok(at) = self.sorted.binary_search(&oldest)
        {
            self.sorted.remove(at);
        }
        self.by_age.push(peer);
        if let Err(at) = self.sorted.binary_search(&peer) {
            self.sorted.insert(at, peer);
        }
    }
}
