//! The reachable members of one swarm.

use std::collections::HashMap;
use std::sync::Arc;

use rand::Rng;
use rand::seq::index;
use tracker_protocol::server::Timestamp;

use crate::limits::{Bucket, Rate};

/// Members that may be named to others; joining, leaving and drawing are O(1) per member.
#[derive(Debug, Default)]
pub(crate) struct Swarm {
    members: Vec<Arc<str>>,
    places: HashMap<Arc<str>, usize>,
    pace: Option<Bucket>,
}

impl Swarm {
    pub(crate) fn insert(&mut self, peer: &Arc<str>) {
        if !self.places.contains_key(peer) {
            self.places.insert(peer.clone(), self.members.len());
            self.members.push(peer.clone());
        }
    }

    pub(crate) fn remove(&mut self, peer: &str) {
        let Some(place) = self.places.remove(peer) else {
            return;
        };
        self.members.swap_remove(place);
        if let Some(moved) = self.members.get(place) {
            self.places.insert(moved.clone(), place);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// In places of no meaning: that of one who leaves is filled with the last.
    pub(crate) fn members(&self) -> &[Arc<str>] {
        &self.members
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes a token for a request that concerns the swarm.
    pub(crate) fn take(&mut self, now: Timestamp, rate: Rate) -> bool {
        self.pace
            .get_or_insert_with(|| Bucket::new(now, rate))
            .take(now, rate, 1)
    }

    /// Up to `count` members in random order, without the requester and those it excludes; every other member is as
    /// likely as the next.
    pub(crate) fn sample<R: Rng>(
        &self,
        rng: &mut R,
        count: usize,
        requester: &str,
        exclude: &[String],
    ) -> Vec<Arc<str>> {
        let draw = self.members.len().min(count + exclude.len() + 1);
        let drawn = index::sample(rng, self.members.len(), draw)
            .into_iter()
            .map(|at| &self.members[at]);
        let wanted =
            drawn.filter(|peer| &***peer != requester && !exclude.iter().any(|other| **other == ***peer));
        wanted.take(count).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn swarm(count: usize) -> Swarm {
        let mut swarm = Swarm::default();
        (0..count).for_each(|peer| swarm.insert(&peer.to_string().into()));
        swarm
    }

    #[test]
    fn joins_and_leaves_like_a_set() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut swarm, mut oracle) = (Swarm::default(), BTreeSet::new());
        for _ in 0..2000 {
            let peer = (rng.next_u32() % 20).to_string();
            if rng.next_u32() % 2 == 0 {
                swarm.insert(&peer.as_str().into());
                oracle.insert(peer);
            } else {
                swarm.remove(&peer);
                oracle.remove(&peer);
            }
            let all: BTreeSet<String> = swarm
                .sample(&mut rng, 99, "", &[])
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(all, oracle);
            assert_eq!(swarm.len(), oracle.len());
            assert_eq!(swarm.is_empty(), oracle.is_empty());
        }
    }

    #[test]
    fn everybody_is_drawn_equally_often() {
        let (swarm, mut rng, mut drawn) = (swarm(50), StdRng::seed_from_u64(2), [0; 50]);
        for _ in 0..10_000 {
            let sample = swarm.sample(&mut rng, 5, "7", &["8".to_owned(), "nobody".to_owned()]);
            assert_eq!(sample.iter().collect::<BTreeSet<_>>().len(), 5);
            sample
                .iter()
                .for_each(|peer| drawn[peer.parse::<usize>().unwrap()] += 1);
        }
        assert_eq!((drawn[7], drawn[8]), (0, 0));
        // 10 000 × 5 / 48 = 1042 each, standard deviation about 31.
        let others = drawn
            .iter()
            .enumerate()
            .filter(|(peer, _)| ![7, 8].contains(peer));
        others.for_each(|(peer, count)| assert!((880..1200).contains(count), "{peer}: {count}"));
    }

    #[test]
    fn small_swarms_give_everybody_else() {
        let sample = swarm(3).sample(&mut StdRng::seed_from_u64(3), 10, "1", &[]);
        assert_eq!(sample.len(), 2);
    }
}
