//! What is known of other nodes at the moment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use tracker_protocol::server::Timestamp;

use super::{NodeId, RemotePeer, Sample};
use crate::metrics::Counts;

/// Most nodes, and most nodes of a swarm, that are kept.
pub(super) const MAX_NODES: usize = 256;

/// What a node says it has at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) sockets: u64,
    /// Registered peers, and members of WebTorrent swarms.
    pub(crate) peers: u64,
    /// Swarms of both dialects.
    pub(crate) swarms: u64,
}

impl From<Counts> for Load {
    fn from(counts: Counts) -> Self {
        let sum = |one: usize, other: usize| one.saturating_add(other) as u64;
        Self {
            sockets: counts.sockets as u64,
            peers: sum(counts.peers, counts.members),
            swarms: sum(counts.swarms, counts.torrents),
        }
    }
}

#[derive(Debug)]
struct Node {
    until: Timestamp,
    url: Option<String>,
    load: Option<Load>,
}

/// What other nodes have of a swarm.
#[derive(Debug, Default)]
struct Elsewhere {
    samples: HashMap<NodeId, (Timestamp, Sample)>,
    /// Other nodes that have the swarm, whether a sample of theirs was read or not.
    nodes: usize,
}

/// Nodes and samples, each until a time of its own.
#[derive(Debug, Default)]
pub(crate) struct View {
    nodes: HashMap<NodeId, Node>,
    swarms: HashMap<Arc<str>, Elsewhere>,
}

impl View {
    /// A node has said that it lives, and how clients reach it.
    pub(crate) fn node(&mut self, until: Timestamp, id: NodeId, url: Option<String>, load: Option<Load>) {
        if self.nodes.len() < MAX_NODES || self.nodes.contains_key(&id) {
            self.nodes.insert(id, Node { until, url, load });
        }
    }

    /// A letter of that node has come.
    pub(crate) fn heard(&mut self, until: Timestamp, id: &NodeId) {
        match self.nodes.get_mut(id) {
            Some(node) => node.until = node.until.max(until),
            None => self.node(until, id.clone(), None, None),
        }
    }

    pub(crate) fn is_alive(&self, now: Timestamp, id: &str) -> bool {
        self.nodes.get(id).is_some_and(|node| now < node.until)
    }

    /// The node does not listen any more.
    pub(crate) fn remove_node(&mut self, id: &str) {
        self.nodes.remove(id);
        for elsewhere in self.swarms.values_mut() {
            elsewhere.samples.remove(id);
        }
    }

    /// Living nodes, in order of their names, each with its URL and load as far as it has told them.
    pub(crate) fn nodes(&self, now: Timestamp) -> Vec<(NodeId, Option<String>, Option<Load>)> {
        let alive = self.nodes.iter().filter(|(_, node)| now < node.until);
        let alive = alive.map(|(id, node)| (id.clone(), node.url.clone(), node.load));
        let mut alive: Vec<_> = alive.collect();
        alive.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        alive
    }

    /// URLs of living nodes.
    pub(crate) fn urls(&self, now: Timestamp) -> Vec<&str> {
        let alive = self.nodes.values().filter(|node| now < node.until);
        alive.filter_map(|node| node.url.as_deref()).collect()
    }

    /// So many other nodes have the swarm.
    pub(crate) fn spread(&mut self, swarm_id: &str, nodes: usize) {
        match self.swarms.get_mut(swarm_id) {
            Some(elsewhere) => elsewhere.nodes = nodes,
            None if nodes > 0 => {
                let elsewhere = Elsewhere {
                    nodes,
                    ..Elsewhere::default()
                };
                self.swarms.insert(swarm_id.into(), elsewhere);
            }
            None => {}
        }
    }

    /// What a node has of a swarm.
    pub(crate) fn sample(&mut self, until: Timestamp, swarm_id: &str, node: NodeId, sample: Sample) {
        if let Some(elsewhere) = self.swarms.get_mut(swarm_id)
            && (elsewhere.samples.len() < MAX_NODES || elsewhere.samples.contains_key(&node))
        {
            elsewhere.samples.insert(node, (until, sample));
        }
    }

    /// Forgets what has expired.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.nodes.retain(|_, node| now < node.until);
        self.swarms.retain(|_, elsewhere| {
            elsewhere.samples.retain(|_, (until, _)| now < *until);
            !elsewhere.samples.is_empty()
        });
    }

    /// Living nodes, and samples.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let samples = self.swarms.values().map(|elsewhere| elsewhere.samples.len());
        (self.nodes.len(), samples.sum())
    }

    /// How many members a swarm has on other nodes; of those without a sample it is assumed that they are like the others.
    pub(crate) fn members(&self, now: Timestamp, swarm_id: &str) -> usize {
        let Some(elsewhere) = self.swarms.get(swarm_id) else {
            return 0;
        };
        let living = || elsewhere.samples.values().filter(|(until, _)| now < *until);
        let (known, members) = (
            living().count(),
            living().map(|(_, sample)| sample.members).sum::<u64>(),
        );
        if known == 0 {
            return 0;
        }
        let scale = elsewhere.nodes.max(known) as f64 / known as f64;
        (members as f64 * scale).round() as usize
    }

    /// Draws up to `count` members of other nodes, about as likely as each other, without repetition.
    pub(crate) fn draw<R: Rng>(
        &self,
        now: Timestamp,
        rng: &mut R,
        swarm_id: &str,
        count: usize,
    ) -> Vec<(NodeId, Arc<RemotePeer>)> {
        let Some(elsewhere) = self.swarms.get(swarm_id) else {
            return Vec::new();
        };
        let samples = elsewhere.samples.iter();
        let samples = samples.filter(|(_, (until, sample))| now < *until && !sample.peers.is_empty());
        let samples: Vec<_> = samples.map(|(node, (_, sample))| (node, sample)).collect();
        let available: usize = samples.iter().map(|(_, sample)| sample.peers.len()).sum();
        let mut seen = HashSet::new();
        let mut drawn = Vec::new();
        let mut take = |node: &NodeId, peer: &Arc<RemotePeer>, drawn: &mut Vec<_>| {
            // One that has moved is in two samples for a moment.
            if seen.insert(peer.id.clone()) {
                drawn.push((node.clone(), peer.clone()));
            }
        };
        if available <= 2 * count {
            for (node, sample) in &samples {
                sample.peers.iter().for_each(|peer| take(node, peer, &mut drawn));
            }
            // Those in front are as likely as the others to be anybody.
            for at in (1..drawn.len()).rev() {
                drawn.swap(at, rng.random_range(0..=at));
            }
            drawn.truncate(count);
            return drawn;
        }
        // A node counts as much as it has members, not as large as its sample is.
        let total: u64 = samples.iter().map(|(_, sample)| sample.members.max(1)).sum();
        for _ in 0..2 * count {
            if drawn.len() == count {
                break;
            }
            let mut at = rng.random_range(0..total);
            let chosen = samples.iter().find(|(_, sample)| {
                let members = sample.members.max(1);
                let is_here = at < members;
                at = at.saturating_sub(members);
                is_here
            });
            if let Some((node, sample)) = chosen {
                let peer = &sample.peers[rng.random_range(0..sample.peers.len())];
                take(node, peer, &mut drawn);
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tracker_protocol::{PeerAddr, PeerInfo, PeerInfoExt, PeerStatus, peer_id_of};

    use super::super::Told;
    use super::*;

    const SWARM: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";

    fn sample(members: usize, peers: std::ops::Range<u8>) -> Sample {
        let told = |peer| Told {
            infos: vec![PeerInfo {
                peer_id: peer_id_of(&[peer]),
                peer_addr: PeerAddr::private(),
                ext: PeerInfoExt::default(),
            }],
            address: [192, 0, 2, 1].into(),
            online: 0,
            links: None,
            upload: None,
            status: PeerStatus::default(),
            map: None,
        };
        let text = Sample::write(SWARM, members, peers.map(told).collect());
        Sample::read(0, SWARM, &text, None).unwrap()
    }

    #[test]
    fn what_expires_is_gone() {
        let mut view = View::default();
        view.node(10, "1".into(), Some("wss://one".to_owned()), None);
        assert!(view.is_alive(9, "1") && !view.is_alive(10, "1") && !view.is_alive(0, "2"));
        assert_eq!((view.urls(9), view.urls(10).len()), (vec!["wss://one"], 0));
        assert_eq!((view.nodes(9).len(), view.nodes(10).len()), (1, 0));
        // A letter is a sign of life, too.
        view.heard(5, &"1".into());
        view.heard(5, &"2".into());
        assert!(view.is_alive(9, "1") && view.is_alive(4, "2") && !view.is_alive(5, "2"));
        view.spread(SWARM, 1);
        view.sample(10, SWARM, "1".into(), sample(5, 0..2));
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!((view.members(9, SWARM), view.members(10, SWARM)), (5, 0));
        assert_eq!(view.draw(9, &mut rng, SWARM, 10).len(), 2);
        assert_eq!(view.draw(10, &mut rng, SWARM, 10).len(), 0);
        view.expire(9);
        assert_eq!(view.counts(), (1, 1));
        view.expire(10);
        assert_eq!(view.counts(), (0, 0));
        assert!(view.swarms.is_empty());
        // Of a swarm that no node has, nothing is kept.
        view.sample(20, SWARM, "1".into(), sample(5, 0..2));
        assert_eq!(view.counts(), (0, 0));
    }

    #[test]
    fn members_of_nodes_that_were_not_read_are_estimated() {
        let mut view = View::default();
        view.spread(SWARM, 6);
        view.sample(10, SWARM, "1".into(), sample(10, 0..2));
        view.sample(10, SWARM, "2".into(), sample(20, 2..4));
        assert_eq!(view.members(0, SWARM), 90);
        view.remove_node("1");
        assert_eq!(view.members(0, SWARM), 120);
    }

    #[test]
    fn nodes_are_drawn_by_their_members() {
        let (mut view, mut rng) = (View::default(), StdRng::seed_from_u64(2));
        view.spread(SWARM, 2);
        view.sample(10, SWARM, "1".into(), sample(900, 0..30));
        view.sample(10, SWARM, "2".into(), sample(100, 30..60));
        let mut first = 0;
        for _ in 0..1000 {
            let drawn = view.draw(0, &mut rng, SWARM, 4);
            assert_eq!(drawn.len(), 4);
            let ids: HashSet<_> = drawn.iter().map(|(_, peer)| peer.id.clone()).collect();
            assert_eq!(ids.len(), 4);
            first += drawn.iter().filter(|(node, _)| &**node == "1").count();
        }
        assert!((3450..3750).contains(&first), "{first}");
        // A peer in two samples is one.
        view.sample(10, SWARM, "2".into(), sample(100, 0..30));
        assert_eq!(view.draw(0, &mut rng, SWARM, 100).len(), 30);
    }

    #[test]
    fn nodes_are_bounded() {
        let mut view = View::default();
        view.spread(SWARM, 1000);
        for node in 0..1000 {
            view.node(10, node.to_string().into(), None, None);
            view.sample(10, SWARM, node.to_string().into(), sample(1, 0..1));
        }
        assert_eq!(view.counts(), (MAX_NODES, MAX_NODES));
    }
}
