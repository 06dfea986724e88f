//! Peers of other nodes: what is told of own members, and envelopes from and to other nodes.

use std::sync::Arc;

use rand::seq::IndexedRandom;
use tracker_protocol::server::Timestamp;
use tracker_protocol::{Kind, MAX_ADDRESSES, Signal};

use super::{Outgoing, Registry, push};
use crate::clock::micros;
use crate::cluster::{
    Cluster, ClusterMetrics, LIFETIME, Letter, Load, Loss, NodeId, SAMPLE_PEERS, Sample, Told,
};
use crate::cost_map::CostMap;
use crate::limits::Bucket;
use crate::relay;
use crate::swarm::Swarm;

impl Registry {
    /// From now on it is one node of a cluster.
    pub(crate) fn set_cluster(&mut self, cluster: Cluster) {
        self.cluster = Some(cluster);
    }

    pub(crate) fn cluster_identity(&self) -> Option<(NodeId, ClusterMetrics)> {
        let cluster = self.cluster.as_ref()?;
        Some((cluster.id().clone(), cluster.metrics.clone()))
    }

    pub(crate) fn set_cluster_connected(&mut self, connected: bool) {
        if let Some(cluster) = &mut self.cluster {
            cluster.connected = connected;
        }
    }

    /// From now on, a peer takes as much from other nodes.
    pub(crate) fn set_cluster_receiver(&mut self, rate: crate::limits::Rate) {
        if let Some(cluster) = &mut self.cluster {
            cluster.receiver = rate;
        }
    }

    pub(crate) fn costs(&self) -> Option<Arc<CostMap>> {
        self.costs.map().cloned()
    }

    /// The swarms that have reachable members here.
    pub(crate) fn swarm_ids(&self) -> Vec<String> {
        self.swarms.keys().cloned().collect()
    }

    /// What is to be told of those of these swarms that are still there: how many members, and some of them.
    pub(crate) fn drafts(&mut self, now: Timestamp, swarms: Vec<String>) -> Vec<(String, usize, Vec<Told>)> {
        let drafts = swarms.into_iter().filter_map(|swarm_id| {
            let swarm = self.swarms.get(&swarm_id)?;
            let members = swarm.len();
            let drawn = swarm.sample(&mut self.rng, SAMPLE_PEERS, "", &[]);
            let told = drawn.iter().filter_map(|peer| self.told(now, peer, &swarm_id));
            let told = told.collect();
            Some((swarm_id, members, told))
        });
        drafts.collect()
    }

    /// What other nodes are told of a member, if it can be reached.
    fn told(&self, now: Timestamp, peer: &str, swarm_id: &str) -> Option<Told> {
        let entry = self.peers.get(peer).filter(|entry| entry.is_dialable())?;
        let candidate = entry.candidate(now, swarm_id, 0.0);
        Some(Told {
            infos: entry.listed(peer, swarm_id, MAX_ADDRESSES),
            address: candidate.address,
            online: candidate.online,
            links: candidate.links,
            upload: candidate.upload,
            status: entry.status.clone(),
            map: entry.reports.get(swarm_id).and_then(|report| report.map.clone()),
        })
    }

    /// Another node lives until then.
    pub(crate) fn learn_node(
        &mut self,
        until: Timestamp,
        node: NodeId,
        url: Option<String>,
        load: Option<Load>,
    ) {
        if let Some(cluster) = &mut self.cluster {
            cluster.view.node(until, node, url, load);
        }
    }

    /// Where this node is one of a cluster.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Members of a swarm on other nodes, reckoned from the samples that were read.
    pub(crate) fn members_elsewhere(&self, now: Timestamp, swarm_id: &str) -> usize {
        let cluster = self.cluster.as_ref();
        cluster.map_or(0, |cluster| cluster.view.members(now, swarm_id))
    }

    /// So many other nodes have the swarm, and these are samples of some of them, each true until its time.
    pub(crate) fn learn_samples(
        &mut self,
        swarm_id: &str,
        nodes: usize,
        samples: Vec<(Timestamp, NodeId, Sample)>,
    ) {
        if let Some(cluster) = &mut self.cluster {
            cluster.view.spread(swarm_id, nodes);
            for (until, node, sample) in samples {
                cluster.view.sample(until, swarm_id, node, sample);
            }
        }
    }

    /// A node does not listen any more.
    pub(crate) fn lose_node(&mut self, node: &str) {
        if let Some(cluster) = &mut self.cluster {
            cluster.view.remove_node(node);
        }
    }

    /// Forgets what is not true any more; returns how many other nodes and samples are left.
    pub(crate) fn expire_cluster(&mut self, now: Timestamp) -> (usize, usize) {
        self.cluster.as_mut().map_or((0, 0), |cluster| {
            cluster.view.expire(now);
            cluster.view.counts()
        })
    }

    /// How clients reach another node, one of those that have told it.
    pub(crate) fn another_node(&mut self, now: Timestamp) -> Option<String> {
        let urls = self.cluster.as_ref()?.view.urls(now);
        urls.choose(&mut self.rng).map(|url| (*url).to_owned())
    }

    /// Forwards an envelope of a peer of this node to one that is elsewhere. Nobody waits for it to arrive.
    pub(super) fn relay_elsewhere(
        &mut self,
        now: Timestamp,
        from: &Arc<str>,
        signal: &Signal,
    ) -> Result<(), &'static str> {
        let (Some(cluster), Some(own)) = (&mut self.cluster, self.peers.get_mut(from)) else {
            return Err("no-such-peer");
        };
        let node = cluster.node_of(now, &signal.to).ok_or("no-such-peer")?;
        let asked = || cluster.routes.was_offered(now, &signal.to, from, &signal.oid);
        let made = || own.offers.made(now, &signal.to, &signal.oid);
        if !relay::allows(signal.kind, asked, made) {
            return Err("no-such-offer");
        }
        if !cluster.forward(&node, &signal.to, signal) {
            return Err("no-such-peer");
        }
        if signal.kind == Kind::Offer {
            own.offers.record(now, &signal.to, &signal.oid);
        }
        own.machine.touch(now);
        Ok(())
    }

    /// Takes a letter of another node.
    pub(crate) fn receive(&mut self, now: Timestamp, letter: Letter, out: &mut Vec<Outgoing>) {
        let refused = match letter {
            Letter::Gone { from, peer } => {
                if let Some(cluster) = &mut self.cluster {
                    cluster.routes.forget(&peer, &from);
                }
                None
            }
            Letter::Signal { from, to, signal } => self.received(now, &from, &to, &signal, out).err(),
        };
        if let (Some(loss), Some(cluster)) = (refused, &self.cluster) {
            cluster.metrics.lost(loss);
        }
    }

    /// An envelope from another node, whose word is not taken for more than it must be.
    fn received(
        &mut self,
        now: Timestamp,
        node: &NodeId,
        to: &str,
        signal: &Signal,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), Loss> {
        let session = self.takes_signals(to);
        let is_here = self.peers.contains_key(&*signal.from);
        let Some(cluster) = &mut self.cluster else {
            return Err(Loss::NoSuchPeer);
        };
        let target = self.peers.get_mut(to);
        let target = target.filter(|target| target.machine.swarms().contains_key(&signal.swarm));
        let (Some(target), Some(session)) = (target, session) else {
            cluster.send_back(node, to);
            return Err(Loss::NoSuchPeer);
        };
        // Who is registered here speaks for itself here: a node that says otherwise is late.
        if is_here || *signal.from == *to {
            return Err(Loss::NoSuchPeer);
        }
        let asked = || target.offers.made(now, &signal.from, &signal.oid);
        let made = || cluster.routes.was_offered(now, &signal.from, to, &signal.oid);
        if !relay::allows(signal.kind, asked, made) {
            return Err(Loss::NoSuchOffer);
        }
        let (receiver, of_swarm) = (cluster.receiver, self.config.swarm_requests);
        let pace = target
            .from_elsewhere
            .get_or_insert_with(|| Bucket::new(now, receiver));
        let swarm = self.swarms.get_mut(&signal.swarm);
        if !pace.take(now, receiver, 1) || !swarm.is_none_or(|swarm: &mut Swarm| swarm.take(now, of_swarm)) {
            return Err(Loss::Limited);
        }
        if signal.kind == Kind::Offer {
            cluster.routes.offered(now, &signal.from, to, &signal.oid);
        }
        cluster.routes.learn(now, &signal.from.as_str().into(), node);
        cluster.view.heard(now + micros(LIFETIME), node);
        push(session, signal, out);
        Ok(())
    }
}
