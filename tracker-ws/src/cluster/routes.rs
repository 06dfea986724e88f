//! Where peers of other nodes are, and what they have offered to peers of this one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tracker_protocol::server::Timestamp;

use super::NodeId;
use crate::relay;

/// Most entries of a generation: with both, a route costs about 20 MiB, an offer 6 MiB.
const MAX_GENERATION: usize = 65_536;

/// A map that forgets: what was put in lives for one to two lifetimes, and less where there is too much of it.
#[derive(Debug)]
struct Fading<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    since: Timestamp,
}

impl<K, V> Default for Fading<K, V> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            since: 0,
        }
    }
}

impl<K: Eq + std::hash::Hash, V> Fading<K, V> {
    fn insert(&mut self, now: Timestamp, key: K, value: V) {
        self.fade(now);
        self.young.insert(key, value);
    }

    fn fade(&mut self, now: Timestamp) {
        let age = now.saturating_sub(self.since);
        if age >= 2 * relay::LIFETIME {
            self.young.clear();
        }
        if age >= relay::LIFETIME || self.young.len() >= MAX_GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
    }

    fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + std::hash::Hash + ?Sized,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }
}

/// Both, bounded.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    nodes: Fading<Arc<str>, NodeId>,
    /// When offers were made: by hashes of both peers and the offer, which are keyed.
    offers: Fading<u64, Timestamp>,
    hasher: RandomState,
}

impl Routes {
    /// A peer is at this node: it was told to somebody, or has written to somebody.
    pub(crate) fn learn(&mut self, now: Timestamp, peer: &Arc<str>, node: &NodeId) {
        self.nodes.insert(now, peer.clone(), node.clone());
    }

    pub(crate) fn node_of(&mut self, now: Timestamp, peer: &str) -> Option<NodeId> {
        self.nodes.fade(now);
        self.nodes.get(peer).cloned()
    }

    /// The peer is not at this node.
    pub(crate) fn forget(&mut self, peer: &str, node: &str) {
        for generation in [&mut self.nodes.young, &mut self.nodes.old] {
            if generation.get(peer).is_some_and(|known| **known == *node) {
                generation.remove(peer);
            }
        }
    }

    /// A peer of another node has made an offer to one of this node.
    pub(crate) fn offered(&mut self, now: Timestamp, from: &str, to: &str, oid: &str) {
        let offer = self.hasher.hash_one((from, to, oid));
        self.offers.insert(now, offer, now);
    }

    /// Did that peer of another node make this offer, not too long ago?
    pub(crate) fn was_offered(&self, now: Timestamp, from: &str, to: &str, oid: &str) -> bool {
        let at = self.offers.get(&self.hasher.hash_one((from, to, oid)));
        at.is_some_and(|at| now < at + relay::LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        name.into()
    }

    #[test]
    fn routes_are_learnt_forgotten_and_fade() {
        let mut routes = Routes::default();
        routes.learn(0, &"a".into(), &node("1"));
        assert_eq!(routes.node_of(relay::LIFETIME - 1, "a"), Some(node("1")));
        // The word of a node that the peer has left since does not count.
        routes.forget("a", "2");
        assert_eq!(routes.node_of(0, "a"), Some(node("1")));
        routes.learn(1, &"a".into(), &node("2"));
        routes.forget("a", "2");
        assert_eq!(routes.node_of(1, "a"), None);
        routes.learn(2, &"b".into(), &node("1"));
        assert_eq!(routes.node_of(3 * relay::LIFETIME, "b"), None);
    }

    #[test]
    fn offers_end_in_time() {
        let mut routes = Routes::default();
        routes.offered(0, "a", "b", "1");
        assert!(routes.was_offered(relay::LIFETIME - 1, "a", "b", "1"));
        assert!(!routes.was_offered(relay::LIFETIME, "a", "b", "1"));
        assert!(!routes.was_offered(0, "b", "a", "1") && !routes.was_offered(0, "a", "b", "2"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut routes = Routes::default();
        for peer in 0..3 * MAX_GENERATION {
            routes.learn(0, &peer.to_string().into(), &node("1"));
            routes.offered(0, "a", "b", &peer.to_string());
        }
        for (young, old) in [
            (routes.nodes.young.len(), routes.nodes.old.len()),
            (routes.offers.young.len(), routes.offers.old.len()),
        ] {
            assert!(young <= MAX_GENERATION && old <= MAX_GENERATION);
        }
        let last = (3 * MAX_GENERATION - 1).to_string();
        assert!(routes.node_of(0, &last).is_some() && routes.node_of(0, "0").is_none());
    }
}
